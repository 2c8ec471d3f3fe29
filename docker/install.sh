#!/bin/sh
# Install an environment from its lock into /opt/gyre/venv: the first stage of every Dockerfile. The lock and uv.txt lie beside this file.
# Where a network has a package index of its own, build secrets say so; they stay out of the image, its history and its settings:
#   pip.conf and uv.toml (the index and its credentials), ca.pem (the certificates to trust)
set -eu
here="$(dirname "$0")"
secrets=/run/secrets
if [ -s "$secrets/pip.conf" ]; then export PIP_CONFIG_FILE="$secrets/pip.conf"; fi
if [ -s "$secrets/uv.toml" ]; then export UV_CONFIG_FILE="$secrets/uv.toml"; fi
if [ -s "$secrets/ca.pem" ]; then export PIP_CERT="$secrets/ca.pem" SSL_CERT_FILE="$secrets/ca.pem"; fi

python="$(command -v python3)"
"$python" -m venv /tmp/uv
/tmp/uv/bin/pip install --quiet --no-cache-dir --require-hashes --requirement "$here/uv.txt"
/tmp/uv/bin/uv venv --quiet --relocatable --python "$python" /opt/gyre/venv
# No compiler is here: what has no wheel must be plain Python. Bytecode is never compared with its source, which cannot change in an image
export PYC_INVALIDATION_MODE=UNCHECKED_HASH
/tmp/uv/bin/uv pip sync --no-cache --require-hashes --compile-bytecode --python /opt/gyre/venv/bin/python "$here/requirements.txt"
