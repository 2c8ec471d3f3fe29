#!/bin/sh
# Print docker/env.example with a secret of its own in each empty line: sh docker/make-env.sh > docker/.env
set -eu
umask 077
hex() { od -An -v -N "$1" -t x1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
  case $line in
    *_FERNET_KEY=) echo "$line$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')" ;;
    *_KEY=) echo "$line$(hex 48)" ;;
    *=) echo "$line$(hex 20)" ;;
    *) echo "$line" ;;
  esac
done < "$(dirname "$0")/env.example"
