#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# websocket_test.sh - a real WebSocket client, Python's websockets, talks over connections
# that a handler has taken (bl_http_hijack), with and without TLS.
set -eu
here=$(dirname "$0")
program=$BUILD/tests/http-site
python=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import websockets' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ] || [ ! -x "$program" ]; then
    echo "no websockets for Python (apt-get install python3-websockets), or no TLS"
    exit 77
fi
tmp=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid"; rm -rf "$tmp"' EXIT

# talk SCHEME [CHAIN KEY ROOTS]
talk() {
    : >"$tmp/where"
    "$program" ${2+"$2" "$3"} >"$tmp/where" &
    pid=$!
    for _ in $(seq 100); do
        [ -s "$tmp/where" ] && break
        sleep 0.1
    done
    "$python" "$here/websocket_test.py" "$1://$(cat "$tmp/where")/ws" ${4+"$4"}
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

talk ws
folder=$BUILD/tests/http-certificates
"$here/certificates.sh" "$folder" || exit 77
talk wss "$folder/server.pem" "$folder/server.key" "$folder/ca.pem"
