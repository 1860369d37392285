#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

# Other people's clients, curl and ab, against the server of tests/http/echo.c.  Wants BUILD
# and CC; without a client its part is passed over, with a word.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
work=$(mktemp -d)
pid=
failed=0
tested=0

end() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT INT TERM

# check NAME WANT GOT
check() {
    if [ "$2" = "$3" ]; then
        return
    fi
    printf '%s: got\n%s\nwant\n%s\n' "$1" "$3" "$2"
    failed=1
}

[ -x "$build/tests/http-echo" ] || {
    echo "no tests/http-echo: built without http_parser"
    exit 77
}
"$build/tests/http-echo" >"$work/where" 2>"$work/log" &
pid=$!
for _ in $(seq 100); do
    [ -s "$work/where" ] && break
    sleep 0.1
done
where=http://$(cat "$work/where")
head -c 3000000 /dev/urandom >"$work/large"

if command -v curl >/dev/null; then
    tested=1
    check 1.1 "GET /a b 1.1" "$(curl -s "$where/a%20b")"
    check 1.0 "GET / 1.0" "$(curl -s -0 "$where/")"
    check post "POST / 1.1 x=1" "$(curl -s -d x=1 "$where/")"
    check head 200 "$(curl -s -o "$work/out" -I -w '%{http_code}' "$where/")"
    check not-found 404 "$(curl -s -o "$work/out" -w '%{http_code}' "$where/404")"
    check panic 500 "$(curl -s -o "$work/out" -w '%{http_code}' "$where/panic")"
    check keep-alive "1 0 0 " "$(curl -s -o "$work/out" -o "$work/out" -o "$work/out" \
        -w '%{num_connects} ' "$where/" "$where/" "$where/")"
    check keep-alive-1.0 "1 1 " "$(curl -s -0 -o "$work/out" -o "$work/out" \
        -w '%{num_connects} ' "$where/" "$where/")"
    curl -s --data-binary @"$work/large" -o "$work/out" "$where/back" &&
        cmp "$work/large" "$work/out" || { echo "large body"; failed=1; }
    curl -s -T - -o "$work/out" "$where/back" <"$work/large" &&
        cmp "$work/large" "$work/out" || { echo "chunked upload"; failed=1; }
    curl -s -T "$work/large" -H 'Expect: 100-continue' -o "$work/out" -v "$where/back" \
        2>"$work/verbose" && cmp "$work/large" "$work/out" &&
        grep -q '100 Continue' "$work/verbose" || { echo "100-continue"; failed=1; }
    check too-large 413 "$(curl -s -T "$work/large" -o "$work/out" -w '%{http_code}' \
        "$where/small")"
    check compressed-range "GET / 1.1" "$(curl -s --compressed -r 0-3 "$where/")"
    check unix-time "" "$(curl -sf -z 'yesterday' "$where/" | grep -v 'GET / 1.1')"
else
    echo "no curl (apt-get install curl): its part is passed over"
fi

if command -v ab >/dev/null; then
    tested=1
    for keep in "" -k; do
        ab -q $keep -n 5000 -c 32 "$where/" >"$work/ab" 2>&1 || { cat "$work/ab"; failed=1; }
        check "ab $keep" "Complete requests: 5000 Failed requests: 0" \
            "$(sed -n 's/^\(Complete\|Failed\) requests: */\1 requests: /p' "$work/ab" |
                tr '\n' ' ' | sed 's/ $//')"
    done
    grep -q '^Keep-Alive requests: *5000' "$work/ab" || { cat "$work/ab"; failed=1; }
else
    echo "no ab (apt-get install apache2-utils): its part is passed over"
fi

[ $tested = 1 ] || exit 77
check log 1 "$(grep -c 'panic serving' "$work/log")"
exit $failed
