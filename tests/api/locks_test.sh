#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# BELAYDEBUG=locks: a goroutine that parks with a pthread mutex locked is reported, once a
# place, with both places; those that unlock first, or keep their thread, are not.
set -u
[ -z "${SANITIZE-}" ] || exit 77
export PKG_CONFIG_PATH=$BUILD
variant=belay
[[ $CC == *clang* ]] && variant=belay-clang
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2046
$CC -g "$SOURCE/tests/api/locks.c" -o "$folder/program" \
    $(pkg-config --cflags --libs $variant) -pthread || exit 1
preload=$BUILD/libbelay-locks.so
failed=0

# expect STATUS LINES-OF-REPORTS PATTERN... of the last run
run() {
    env LD_PRELOAD="$preload" BELAYDEBUG="$1" "$folder/program" "$2" >"$folder/said" 2>&1
    status=$?
}
expect() {
    local want=$1 reports=$2 pattern
    shift 2
    [ $status = "$want" ] || { echo "FAIL status $status, want $want"; failed=1; }
    [ "$(grep -c 'parks with a pthread mutex locked' "$folder/said")" = "$reports" ] ||
        { echo "FAIL want $reports reports"; failed=1; }
    for pattern in "$@"; do
        grep -qE "$pattern" "$folder/said" || { echo "FAIL no line like $pattern"; failed=1; }
    done
    [ $failed = 0 ] || { cat "$folder/said"; exit 1; }
}

run locks=1 careful
expect 0 0
run locks=1 careless
expect 0 1 '^mutex 0x[0-9a-f]+ locked in careless$' 'locks.c:[0-9]+' \
    '^goroutine [0-9]+ \[sleep\]:' '^careless\('
run locks=2 careless
expect 2 1
run locks=0 careless
expect 0 0
preload=
run locks=1 careful
expect 2 0 '^belay: BELAYDEBUG: locks=1 needs libbelay-locks: run the program with LD_PRELOAD='
echo 'locks: 5 passed'
