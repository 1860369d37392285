#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# echo_example_test.sh - examples/echo.c answers, over TCP and a Unix socket, to its own
# client and to bash's, and ends when it is told to.
set -u
program=$BUILD/examples/echo
[ -x "$program" ] || exit 77
tmp=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null; rm -rf "$tmp"' EXIT

fail() {
    echo "$1"
    exit 1
}

for address in 127.0.0.1:0 "unix:$tmp/socket"; do
    rm -f "$tmp/where" # the one before
    "$program" serve "$address" >"$tmp/where" 2>"$tmp/err" &
    server=$!
    for _ in $(seq 100); do
        [ -s "$tmp/where" ] && break
        sleep 0.05
    done
    where=$(cat "$tmp/where")
    [ "$("$program" ask "$where" one "two words" three)" = $'one\ntwo words\nthree' ] ||
        fail "$address: wrong answer"
    if [ "$address" = 127.0.0.1:0 ]; then
        exec 3<>"/dev/tcp/127.0.0.1/${where##*:}"
        echo hello >&3
        read -r line <&3
        exec 3>&-
        [ "$line" = hello ] || fail "bash got '$line'"
    fi
    kill -TERM $server
    wait $server || fail "$address: the server ended with $?"
    [ -s "$tmp/err" ] && fail "$address: $(cat "$tmp/err")"
    if "$program" ask "$where" x 2>"$tmp/err"; then
        fail "$address: still there"
    fi
    grep -q "^dial .*: connect: " "$tmp/err" || fail "$(cat "$tmp/err")"
done
