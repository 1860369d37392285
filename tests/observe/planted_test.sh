#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# planted_test.sh - the profiles of a program whose goroutines, deferred calls and panics
# are known in number: every form of them says so, to `belay prof` and, where Go is, to
# `go tool pprof`.  (ids Q15, Q17, Q18, Q27)
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-planted" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PPROF_TMPDIR=$tmp

failed() {
    echo "FAIL $1" >&2
    exit 1
}

# has FILE TEXT: one line of it has these words, whatever is between them
has() {
    tr -s ' ' <"$1" | grep -qE -- "$2" || {
        head -n 40 "$1" >&2
        failed "$(basename "$1"): no line with '$2'"
    }
}

timeout 30 "$build/tests/observe-planted" "$tmp" || failed "planted: status $?"

# --- text ------------------------------------------------------------------------

has "$tmp/goroutine.txt" '^goroutine profile: total 86$'
# Groups are lines here.  A loop may have stopped at several places.
tr '\n' ' ' <"$tmp/goroutine.txt" | sed 's/  /\n/g; s/total 86 /&\n/' >"$tmp/groups"
while read -r count words; do
    sum=$(grep -E "^[0-9]+ @ .*$words" "$tmp/groups" | awk '{ n += $1 } END { print n + 0 }')
    [ "$sum" = "$count" ] || {
        cat "$tmp/groups" >&2
        failed "goroutine.txt: $sum, not $count, of '$words'"
    }
done <<'END'
50 chan receive.*receive\+
20 "sleep".*slumber\+
10 sync.Mutex.Lock.*want_lock\+
3 "running".*spin\+
2 "running".*sit_in_kernel\+
1 "running".*main\+
END
for line in 'receive\(\.\.\.\)' 'spin\(\.\.\.\)' 'sit_in_kernel\(\.\.\.\)' \
    'pending defer in spin, 7 times: put_back\(\.\.\.\)' 'created by main in goroutine 1' \
    '^goroutine 1 \[running\]:$' '^goroutine [0-9]+ \[sync.Mutex.Lock\]:$'; do
    has "$tmp/goroutine.all" "$line"
done
[ "$(grep -c '^goroutine ' "$tmp/goroutine.all")" = 86 ] || failed 'debug=2: not 86'
has "$tmp/defer.txt" '^defer profile: total 221$'
has "$tmp/defer.txt" '^# registered 231, run 10, of them by panics and goexit 10$'
[ "$(grep -cE '^(150|50|21) @' "$tmp/defer.txt")" = 3 ] || failed 'defer.txt: not three sites'
has "$tmp/defer.txt" '"site":"put_back at planted.c:'
has "$tmp/panic.txt" '^5 @'
has "$tmp/panic.txt" '"site":"fail at planted.c:'

# --- by belay prof ------------------------------------------------------------------

if [ -x "$build/bin/belay" ]; then
    "$build/bin/belay" prof -cum -n 100 "$tmp/goroutine.pb.gz" >"$tmp/prof"
    has "$tmp/prof" ' 50 [0-9.]+% receive$'
    has "$tmp/prof" ' 20 [0-9.]+% slumber$'
    has "$tmp/prof" ' 10 [0-9.]+% want_lock$'
    has "$tmp/prof" ' 3 [0-9.]+% spin$'
    has "$tmp/prof" ' 2 [0-9.]+% sit_in_kernel$'
    "$build/bin/belay" prof "$tmp/defer.pb.gz" >"$tmp/prof"
    has "$tmp/prof" '^ ?200 [0-9.]+% .* receive$'
    has "$tmp/prof" '^ ?21 [0-9.]+% .* spin$'
    "$build/bin/belay" prof tags "$tmp/goroutine.pb.gz" >"$tmp/prof"
    has "$tmp/prof" '50 .*chan receive'
    "$build/bin/belay" prof -sample recovered -cum "$tmp/panic.pb.gz" >"$tmp/prof"
    has "$tmp/prof" ' 5 [0-9.]+% survive$'
fi
echo 'ok planted'

# --- by go tool pprof ------------------------------------------------------------------

go=$(command -v go || true)
[ -n "$go" ] || exit 0
go=$("$go" tool -n pprof) # once: it may have to be built
for file in "$tmp"/*.pb.gz "$tmp"/*.txt; do
    for view in -top -raw -traces; do
        "$go" $view "$file" >"$tmp/out" 2>"$tmp/err" || {
            cat "$tmp/err" >&2
            failed "go tool pprof $view $(basename "$file")"
        }
    done
done
"$go" -top -cum -nodefraction=0 "$tmp/goroutine.pb.gz" >"$tmp/out" 2>/dev/null
has "$tmp/out" ' 50 [0-9.]+% receive$'
has "$tmp/out" '^Type: goroutine$'
"$go" -raw "$tmp/goroutine.txt" >"$tmp/out" 2>/dev/null
has "$tmp/out" '^ ?50: '
echo 'ok go tool pprof'
