#!/usr/bin/env bash
# Lets a server read a photo, and prints its answer as JSON:
#
#   bash examples/ask_server.sh http://127.0.0.1:8000 photo.jpg
#
# A token, if the server wants one, is taken from EMOSCOPE_SERVER_TOKEN.
set -euo pipefail
server=$1 photo=$2
curl --fail --silent --show-error \
  --header "Content-Type: image/jpeg" \
  --header "Authorization: Bearer ${EMOSCOPE_SERVER_TOKEN:-}" \
  --data-binary "@$photo" \
  "$server/v1/analyze"
