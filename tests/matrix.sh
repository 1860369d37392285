#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# matrix.sh [--build DIR] [--cc COMPILER] [--opt OPTIONS] [TEST...]
#
# The conformance tests with every compiler that is here at every optimisation
# level, against the library of one build folder: one line a combination, the
# failures below it, and `N passed, N failed` at the end (programs).
#
#     tests/matrix.sh --build build
#     tests/matrix.sh --build build --cc gcc --opt '-O2 -flto' defer_test
set -u
shopt -s nullglob

here=$(cd "$(dirname "$0")" && pwd)
root=${here%/*}
build=$root/build
compilers='gcc clang-14 clang-22'
only=
wanted=()
seconds=${BELAY_TEST_SECONDS:-60} # for one program

while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2 && shift ;;
    --cc) compilers=$2 && shift ;;
    --opt) only=$2 && shift ;;
    -h | --help) sed -n '5,12s/^# \{0,1\}//p' "$0" && exit ;;
    -*) echo "matrix.sh: unknown option $1" >&2 && exit 2 ;;
    *) wanted+=("$(basename "$1" .c)") ;;
    esac
    shift
done
build=$(cd "$build" && pwd) || exit 2
[ -f "$build/libbelay.a" ] || { echo "matrix.sh: no libbelay.a in $build" >&2 && exit 2; }

tests=()
for source in "$here"/conformance/*_test.c; do
    name=$(basename "$source" .c)
    [ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $name "* ]] || continue
    tests+=("$name")
done
[ ${#tests[@]} -gt 0 ] || { echo 'matrix.sh: no tests' >&2 && exit 2; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# libbacktrace comes with GCC, where other compilers don't look
backtrace=$(dirname "$(gcc -print-file-name=libbacktrace.a)")
passed=0 failed=0

# compile COMPILER OPTIONS SHARED NAME
compile() {
    local flags='-fexceptions -fnon-call-exceptions -fno-gcse -fstack-clash-protection' library=("$build/libbelay.a")
    case $1 in
    *clang*) flags=-fblocks ;;
    esac
    [ -z "$3" ] || library=(-L"$build" -lbelay -Wl,-rpath,"$build")
    # shellcheck disable=SC2086
    $1 -std=gnu11 $flags $2 -g -I"$root/include" -I"$here" "$here/conformance/$4.c" \
        "${library[@]}" -L"$backtrace" -lbacktrace -lpthread -o "$tmp/$4" >"$tmp/log" 2>&1
}

# one NAME: runs it; its output's end goes to the failures
one() {
    (cd "$tmp" && BELAY_TEST_VERBOSE=1 timeout "$seconds" "./$1") >"$tmp/log" 2>&1 </dev/null
    case $? in
    0 | 77) return 0 ;;
    124) echo "  FAIL $1: more than $seconds s" ;;
    *) echo "  FAIL $1: status $?" ;;
    esac
    return 1
}

combination() { # COMPILER OPTIONS SHARED
    local good=0 start=$SECONDS name
    : >"$tmp/failures"
    for name in "${tests[@]}"; do
        if ! compile "$1" "$2" "$3" "$name"; then
            echo "  FAIL $name: does not compile"
        elif one "$name"; then
            good=$((good + 1))
            continue
        fi
        tail -n 8 "$tmp/log" | cut -c1-200 | sed 's/^/    /'
    done >"$tmp/failures"
    passed=$((passed + good))
    failed=$((failed + ${#tests[@]} - good))
    [ $good = ${#tests[@]} ] && printf 'ok   ' || printf 'FAIL '
    echo "$1 $2${3:+ $3}: $good of ${#tests[@]} ($((SECONDS - start)) s)"
    cat "$tmp/failures"
}

for cc in $compilers; do
    if ! command -v "$cc" >/dev/null; then
        echo "skip $cc: not installed"
        continue
    fi
    if [ -n "$only" ]; then
        combination "$cc" "$only" ''
        continue
    fi
    for level in -O0 -O1 -O2 -O3 -Os; do
        combination "$cc" $level ''
    done
    case $cc in
    *clang*) ;;
    *) combination "$cc" '-O2 -flto' '' ;;
    esac
    [ ! -e "$build/libbelay.so" ] || combination "$cc" -O2 shared
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
