#!/bin/sh
# Write docker/.env for docker/compose.yaml: env.example, with a secret of its own in each empty line. What is there is never overwritten.
set -eu
cd "$(dirname "$0")"
if [ -e .env ]; then
  echo "docker/.env exists: its secrets are those of the volumes' data. Remove it only together with them." >&2
  exit 1
fi
umask 077
hex() { od -An -v -N "$1" -t x1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
  case $line in
    *_FERNET_KEY=) echo "$line$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')" ;;
    *_KEY=) echo "$line$(hex 48)" ;;
    *=) echo "$line$(hex 20)" ;;
    *) echo "$line" ;;
  esac
done < env.example > .env.partial
mv .env.partial .env
