#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# ages_test.sh - how long deferred calls have been pending, as far as snapshots can tell.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-ages" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PPROF_TMPDIR=$tmp

# age SNAPSHOT FUNCTION: "LEAST MOST", "-" for what is not said
age() {
    awk -v site="\"$2 at " '
        /^# labels:/ { here = index($0, site) > 0; found = found || here; next }
        here && /^# oldest:/ {
            least = most = "-"
            if (match($0, /at least [0-9hms]+/)) least = substr($0, RSTART + 9, RLENGTH - 9)
            if (match($0, /at most [0-9hms]+/)) most = substr($0, RSTART + 8, RLENGTH - 8)
            print least, most
            here = 0; said = 1
        }
        END { if (found && !said) print "- -"; if (!found) print "none" }' "$tmp/$1.txt"
}

# is SNAPSHOT FUNCTION PATTERN
is() {
    local got
    got=$(age "$1" "$2")
    [[ $got =~ ^$3$ ]] || {
        cat "$tmp/$1.txt" >&2
        echo "FAIL snapshot $1, $2: want '$3', got '$got'" >&2
        exit 1
    }
}

timeout 60 "$build/tests/observe-ages" "$tmp"
# The first one knows only how long its goroutine has waited.  A busy machine may be late.
is 0 release_waiting '[1-9][0-9]*s -'
is 0 release_outer '- -'
is 0 release_early '- -'
is 1 release_waiting '([2-9]|[1-9][0-9]+)s -'
for function in release_outer release_early release_leaked; do
    is 1 "$function" '[1-9][0-9]*s -'
    is 2 "$function" '([2-9]|[1-9][0-9]+)s -'
done
# Deferred anew each time: the latest one is younger than the snapshot before.
for snapshot in 1 2; do
    is "$snapshot" release_brief '- ([2-9]|[1-9][0-9]+)s'
done
is 2 release_late '- ([2-9]|[1-9][0-9]+)s'
belay=$build/bin/belay
if [ -x "$belay" ]; then
    "$belay" prof "$tmp/2.pb.gz" >"$tmp/out"
    grep -qE '^release_outer at ages.c:[0-9]+: oldest at least [0-9]+s$' "$tmp/out" || {
        cat "$tmp/out" >&2
        echo "FAIL belay prof: no comment" >&2
        exit 1
    }
fi
go=$(command -v go || true)
if [ -n "$go" ]; then
    pprof=$("$go" tool -n pprof)
    "$pprof" -comments "$tmp/2.pb.gz" 2>"$tmp/err" | grep -q '^release_outer at .* oldest at least' &&
        "$pprof" -raw "$tmp/2.txt" >/dev/null 2>"$tmp/err" &&
        "$pprof" -proto -output="$tmp/merged" "$tmp/2.pb.gz" "$tmp/3.pb.gz" 2>"$tmp/err" || {
        cat "$tmp/err" >&2
        echo "FAIL go tool pprof" >&2
        exit 1
    }
    "$pprof" -raw "$tmp/merged" >"$tmp/out" 2>/dev/null
    # an age is no part of what samples are merged by
    [ "$(grep -c 'site:\[release_waiting' "$tmp/out")" = 1 ] || {
        cat "$tmp/out" >&2
        echo "FAIL samples of two moments did not meet" >&2
        exit 1
    }
    echo 'ok go tool pprof'
fi
echo 'ok ages'
