#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# paste_example_test.sh - examples/paste: a small load adds up; who is to end ends; a full
# disk and a database that is none are said in a line, and cost no more than they must.
set -u
program=$BUILD/examples/paste
[ -x "$program" ] || exit 77 # GCC, SQLite and http_parser
[ "${SANITIZE-}" = thread ] && exit 77 # it takes errno to stay in its thread
tmp=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null; rm -rf "$tmp"' EXIT
export TMPDIR=$tmp

fail() {
    echo "paste: $1"
    cat "$tmp"/*.err 2>/dev/null | head -n 40
    exit 1
}

# start NAME OPTION...: sets server and where
start() {
    local name=$1
    shift
    "$program" --listen 127.0.0.1:0 "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
    server=$!
    for _ in $(seq 200); do
        [ -s "$tmp/$name.out" ] && break
        sleep 0.05
    done
    where=$(sed -n 's,^serving http://\(.*\)/$,\1,p' "$tmp/$name.out")
    [ -n "$where" ] || fail "$name: has not started"
}

# ask TEXT: what comes back for one request on a connection of its own
ask() {
    exec 3<>"/dev/tcp/${where%:*}/${where##*:}" || fail "no connection"
    printf '%b' "$1" >&3
    timeout 20 cat <&3
    exec 3>&-
}

# post SIZE: the status of a paste that long
post() {
    {
        printf 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' "$1"
        head -c "$1" /dev/zero | tr '\0' x
    } >"$tmp/request"
    exec 3<>"/dev/tcp/${where%:*}/${where##*:}" || fail "no connection"
    cat "$tmp/request" >&3
    timeout 20 cat <&3 | head -n 1 | cut -d ' ' -f 2
    exec 3>&-
}

stop() {
    kill -TERM $server
    wait $server || fail "$1: ended with status $?"
    server=
}

# --- a load, which checks for itself ---------------------------------------------------
"$BUILD/examples/paste-load" --time "${LOAD_SECONDS:-2}" --active 16 --idle 20 "$program" \
    >"$tmp/load" 2>"$tmp/load.err" || { cat "$tmp/load"; fail "the load"; }
grep -q '^  leaked      descriptors 0, goroutines 0, database sessions 0$' "$tmp/load" ||
    fail "$(cat "$tmp/load")"
[ -z "$(find "$tmp" -name 'paste-load.*')" ] || fail "the load leaves its folder behind"

# --- what it keeps, it keeps ------------------------------------------------------------------
start first --database "$tmp/a.db"
reply=$(ask 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n<b>text\n!')
id=$(tail -n 1 <<<"$reply")
[[ $reply == "HTTP/1.1 201 Created"* ]] && [ ${#id} = 8 ] || fail "no paste: $reply"
[[ $(ask 'GET /panic HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n') == *" 404 "* ]] ||
    fail "/panic without --faults"

# SIGTERM with a connection that is idle, and one in the middle of a body, which may finish
exec 4<>"/dev/tcp/${where%:*}/${where##*:}" 5<>"/dev/tcp/${where%:*}/${where##*:}"
printf 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nhal' >&5
sleep 1
kill -TERM $server
sleep 1
kill -0 $server 2>/dev/null || fail "has not waited for a request under way"
printf 'ves' >&5
[[ $(timeout 20 cat <&5) == *"201 Created"* ]] || fail "a request under way was cut"
wait $server || fail "SIGTERM: ended with status $?"
exec 4>&- 5>&-
[ ! -s "$tmp/first.err" ] || fail "has something to say"

start again --database "$tmp/a.db"
[ "$(ask "GET /$id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" | tail -n 2)" = $'<b>text\n!' ] ||
    fail "the paste is gone"
[[ $(ask "GET /$id/html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == *'&lt;b&gt;text'* ]] ||
    fail "the page is not escaped"
[[ $(ask "DELETE /$id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == *" 403 "* ]] ||
    fail "anybody may remove"
[ "$(post 2000000)" = 413 ] || fail "there is no limit"
stop again

# --- a full disk: said in a line, and the rest goes on ------------------------------------------
disk() {
    local status
    for _ in 1 2 3 4 5 6; do
        status=$(post 300000)
        [ "$status" = 201 ] || break
    done
    [ "$status" = 507 ] || fail "$1: status '$status'"
    grep -q '^paste: POST /: .*: no room left$' "$tmp/$1.err" || fail "$1: says nothing"
    [ "$(grep -c . "$tmp/$1.err")" = 1 ] || fail "$1: more than a line"
    [[ $(ask 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n') == *" 200 "* ]] ||
        fail "$1: lists nothing any more"
    stop "$1"
}
(
    ulimit -f 1000 # KiB
    start limit --database "$tmp/b.db"
    disk limit
) || exit 1
if [ "$(id -u)" = 0 ] && mkdir "$tmp/disk" &&
    mount -t tmpfs -o size=1m none "$tmp/disk" 2>/dev/null; then
    trap 'kill $server 2>/dev/null; umount "$tmp/disk"; rm -rf "$tmp"' EXIT
    start tmpfs --database "$tmp/disk/c.db"
    disk tmpfs
fi

# --- what can't be opened ---------------------------------------------------------------------
refuse() {
    local wanted=$1 status
    shift
    timeout 20 "$program" --listen 127.0.0.1:0 "$@" >"$tmp/out" 2>"$tmp/refuse.err"
    status=$?
    [ $status = 1 ] && [ ! -s "$tmp/out" ] && [ "$(grep -c . "$tmp/refuse.err")" = 1 ] &&
        grep -q "$wanted" "$tmp/refuse.err" || fail "$*: status $status"
}
refuse ': unable to open database file: no such file or directory$' --database "$tmp/no/d.db"
printf 'this is a text, and not a database at all, %01000d' 1 >"$tmp/text"
refuse ': file is not a database$' --database "$tmp/text"
refuse 'listen tcp: .*' --database "$tmp/a.db" --listen nowhere
refuse 'profiles at 0.0.0.0:0: permission denied$' --database "$tmp/a.db" --pprof 0.0.0.0:0
"$program" --help | grep -q -- --database || fail "--help"
"$program" --nothing 2>"$tmp/out" && fail "takes any option"
exit 0
