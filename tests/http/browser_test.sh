#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# browser_test.sh - Chromium loads a page from our server, with and without TLS: its style,
# its script, and what that fetches, posts, reads in pieces and says over a WebSocket.
set -eu
here=$(dirname "$0")
program=$BUILD/tests/http-site
if ! command -v chromium >/dev/null; then
    echo "no chromium (apt-get install chromium)"
    exit 77
fi
if [ -n "${SANITIZE-}" ] || [ ! -x "$program" ]; then
    echo "not under a sanitizer, nor without TLS"
    exit 77
fi
tmp=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid"; rm -rf "$tmp"' EXIT

# load SCHEME [CHAIN KEY]
load() {
    scheme=$1
    shift
    : >"$tmp/where"
    "$program" "$@" >"$tmp/where" &
    pid=$!
    for _ in $(seq 100); do
        [ -s "$tmp/where" ] && break
        sleep 0.1
    done
    timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --ignore-certificate-errors \
        --user-data-dir="$tmp/chromium" --dump-dom \
        "$scheme://$(cat "$tmp/where")/page" >"$tmp/dom" 2>"$tmp/log" || {
        cat "$tmp/log"
        exit 1
    }
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
    for want in 'fetched">fetched 1<' 'posted">1000000<' 'streamed">1 2 3 <' \
        'styled">rgb(1, 2, 3)<' 'spoken">spoken x70007<' 'done">closed 1000 true<'; do
        grep -qF "$want" "$tmp/dom" || {
            echo "$scheme: no $want in"
            cat "$tmp/dom"
            exit 1
        }
    done
}

load http
"$here/certificates.sh" "$BUILD/tests/http-certificates" || exit 77
load https "$BUILD/tests/http-certificates/server.pem" "$BUILD/tests/http-certificates/server.key"
echo "a page, http and https: all of it"
