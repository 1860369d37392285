#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# leakwatch_test.sh - other tests run while watch/leakwatch.c looks for leaked goroutines
# all the time: it finds none in them, and what it has found does not go on.  All of them
# that do not count memory, threads or descriptors: LEAKWATCH=all; else a few.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=$(cd "${BUILD:-$source/build}" && pwd)
[ -f "$build/tests/leakwatch.so" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LEAKWATCH_MS=${LEAKWATCH_MS-5} LEAKWATCH_LOG=$tmp/log

# watched PROGRAM...: its status
watched() {
    local status=0
    rm -f "$tmp/log"
    timeout 60 env LD_PRELOAD="$build/libbelay-pprof.so $build/tests/leakwatch.so" "$@" \
        >"$tmp/out" 2>&1 || status=$?
    return $status
}

failed() {
    echo "FAIL $1" >&2
    tail -n 60 "$tmp/out" >&2
    exit 1
}

# the watch itself can tell (unless a stale pointer was in the way)
for ((try = 0; try < 10; try++)); do
    watched "$build/tests/observe-leak" hidden || break
done 2>/dev/null
[ $try -lt 10 ] || failed 'a false alarm was not noticed'
grep -q 'leakwatch: goroutine [0-9]* was leaked' "$tmp/out" || failed 'hidden'

# name, and what it is to be run with
while read -r when program options; do
    [ "$when" = always ] || [ "${LEAKWATCH-}" = all ] || continue
    # shellcheck disable=SC2086
    watched "$build/tests/$program" $options || failed "$program: status $?"
    ! grep -q 'was leaked' "$tmp/out" || failed "$program"
    if [ -f "$tmp/log" ] && ! grep -q ', at most 0 leaked' "$tmp/log"; then
        cat "$tmp/log" >>"$tmp/out"
        failed "$program: leaks"
    fi
    echo "ok $program $(sed -n 's/.*looked \([0-9]* times\).*/\1/p' "$tmp/log" 2>/dev/null || :)"
done <<'END'
always conformance-chan_test
always conformance-select_test
always conformance-sync_test
always conformance-goroutine_test
always conformance-time_test
all conformance-bubble_test
all conformance-defer_test
all conformance-exit_test
all conformance-goexit_test
all conformance-net_test
all conformance-panic_test
all conformance-recover_test
always stress-messages --seconds 2
always stress-locks --seconds 1
always stress-timers --seconds 1
all stress-blocking --seconds 5
all stress-connpool --seconds 5
all stress-panics --seconds 5
all stress-spawn --seconds 5
all stress-threads --seconds 5
END
