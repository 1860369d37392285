#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# files_example_test.sh - examples/files.c serves what is in a folder, logs it, and ends
# when it is told to, after the request that is under way.
set -u
program=$BUILD/examples/files
[ -x "$program" ] || exit 77
tmp=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null; rm -rf "$tmp"' EXIT

fail() {
    echo "$1"
    exit 1
}

# start OPTION...: a server; its port in $port
start() {
    rm -f "$tmp/err" # the one before
    "$program" --port 0 "$@" "$tmp/root" >"$tmp/log" 2>"$tmp/err" &
    server=$!
    for _ in $(seq 200); do
        [ -s "$tmp/err" ] && break
        sleep 0.05
    done
    port=$(sed -n 's,^http://.*:\([0-9]*\)/$,\1,p' "$tmp/err")
    [ -n "$port" ] || fail "no address: $(cat "$tmp/err")"
}

# ask PATH: the whole answer
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$port" || fail "no connection"
    printf 'GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n' "$1" "${2-}" >&3
    tr -d '\r' <&3
    exec 3>&-
}

mkdir -p "$tmp/root/sub"
echo hello >"$tmp/root/a.txt"
echo secret >"$tmp/root/.dot"
head -c 3000000 /dev/zero >"$tmp/root/large"

"$program" --help | grep -q '^usage: files' || fail "no help"
"$program" 2>/dev/null
[ $? = 2 ] || fail "no usage"
"$program" --port 0 "$tmp/nothing" 2>/dev/null
[ $? = 1 ] || fail "served a folder that is not there"

start
[ "$(ask /a.txt | tail -n 1)" = hello ] || fail "no file"
[ "$(ask /a.txt $'Range: bytes=1-3\r\n' | tail -c 3)" = ell ] || fail "no range"
ask /.dot | grep -q '^HTTP/1.1 404 ' || fail "a hidden file"
ask /sub/ | grep -q '^HTTP/1.1 404 ' || fail "a list"
ask /../../etc/passwd | grep -q '^HTTP/1.1 [34]' || fail "the outside"
grep -Eq '^127.0.0.1 - - \[.*\] "GET /a.txt HTTP/1.1" 206 3 "-" "-" 0\.[0-9]{6}$' "$tmp/log" ||
    fail "no log: $(cat "$tmp/log")"

# a client that reads slowly still gets all of it
exec 4<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' >&4
read -r line <&4
kill -TERM $server
sleep 0.3
[ "$(cat <&4 | wc -c)" -gt 3000000 ] || fail "cut when it ended"
exec 4>&-
wait $server || fail "the server ended with $?"
[ "$(wc -l <"$tmp/err")" = 1 ] || fail "$(cat "$tmp/err")"

start --list --quiet --dot-files
ask / | grep -q '<a href="sub/">sub/</a>' || fail "no list"
[ "$(ask /.dot | tail -n 1)" = secret ] || fail "no dot file"
kill -INT $server
wait $server || fail "the server ended with $?"
[ -s "$tmp/log" ] && fail "not quiet"
exit 0
