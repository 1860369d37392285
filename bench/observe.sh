#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# observe.sh [CASE...] - what being observable costs:
#
#   nothing  instructions that one operation takes with a library whose hooks for
#            libbelay-pprof are left out (-DBELAY_NO_HOOKS)
#   hooks    with the library as it is, and how many per cent more these are
#   pprof    with libbelay-pprof in the program as well, which nobody asks for anything
#   time     of hooks against nothing, in turns, the best of each: noisy
#   100 Hz   CPU time more while the CPU is profiled
#
# Instructions are counted by Callgrind, as the difference between N and 2 N operations on
# one processor.  BUILD=build, ROUNDS=5 (of times; 0: none), SECONDS_EACH=0.3,
# PROFILE_SECONDS=8 (0: none).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-0.3}
profile=${PROFILE_SECONDS:-8}
work=$build/bench-observe
cases=("$@")
[ $# -gt 0 ] || cases=(calls/one calls/loop100 panic/plain/1 panic/plain/10 panic/block/10
    panic/call/10 panic/error panic/fault go/switch go/spawn/1 go/spawn/100 chan/unbuffered
    chan/buffered select/waiting/2 mutex/alone after/stopped context/cancel)
command -v valgrind >/dev/null || { echo "observe.sh: valgrind is missing" >&2; exit 77; }

# --- two libraries, two programs ---------------------------------------------------

mkdir -p "$work/hooks" "$work/nothing"
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
type=$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt")
# The same options, but that one, and the same place for all that asserts print.
cmake -S "$root" -B "$work/build" -G Ninja -DBELAY_TESTS=OFF -DCMAKE_BUILD_TYPE="$type" \
    -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS=-DBELAY_NO_HOOKS >/dev/null
cmake --build "$work/build" --target belay >/dev/null
cp -a "$work/build"/libbelay.so* "$work/nothing"
cp -a "$build"/libbelay.so* "$build"/libbelay-pprof.so* "$work/hooks"

compile() { # OUTPUT PACKAGE OPTION...
    local output=$1 package=$2
    shift 2
    # shellcheck disable=SC2046
    (
        export PKG_CONFIG_PATH=$build
        "$compiler" -O2 -falign-functions=64 "$@" $(pkg-config --cflags $package) \
            "$root"/bench/{observed,belay,tasks}.c -o "$output" \
            $(pkg-config --libs $package) -lpthread
    )
}
compile "$work/observed" belay
compile "$work/observed-pprof" 'belay-pprof belay' -DPROFILE

# --- measuring -----------------------------------------------------------------------

# run LIBRARY PROGRAM ARGUMENT...
run() {
    local library=$1 program=$2
    shift 2
    env BELAYMAXPROCS=1 LD_LIBRARY_PATH="$work/$library" ${TOOL-} "$work/$program" "$@"
}

# instructions LIBRARY PROGRAM CASE N: that one operation takes
instructions() {
    local n counts=()
    for n in "$4" "$(($4 * 2))"; do
        TOOL="valgrind --tool=callgrind --callgrind-out-file=/dev/null" \
            run "$1" "$2" "$3" count "$n" >"$work/out" 2>"$work/err" || {
            cat "$work/err" >&2
            return 1
        }
        counts+=("$(sed -n 's/.*Collected : //p' "$work/err")")
    done
    awk -v a="${counts[0]}" -v b="${counts[1]}" -v n="$4" 'BEGIN { printf "%.1f", (b - a) / n }'
}

# best LIBRARY CASE FORMER: ns, or what was before, if that is less
best() {
    run "$1" observed "$2" time "$each" | awk -v b="$3" '{ print b == "" || $1 < b ? $1 : b }'
}

printf '%-18s %10s %10s %8s %10s %8s %8s %8s\n' case nothing hooks '' pprof '' time '100 Hz'
for name in "${cases[@]}"; do
    n=20000
    case $name in go/spawn/100) n=500 ;; esac
    nothing=$(instructions nothing observed "$name" $n)
    hooks=$(instructions hooks observed "$name" $n)
    pprof=$(instructions hooks observed-pprof "$name" $n)
    t0='' t1='' time=- more=-
    for ((i = 0; i < rounds; i++)); do
        t0=$(best nothing "$name" "$t0")
        t1=$(best hooks "$name" "$t1")
    done
    [ -z "$t0" ] || time=$(awk -v a="$t0" -v b="$t1" 'BEGIN { printf "%+.1f%%", 100 * (b / a - 1) }')
    [ "$profile" = 0 ] || more=$(run hooks observed-pprof "$name" profile "$profile")%
    awk -v c="$name" -v a="$nothing" -v b="$hooks" -v p="$pprof" -v t="$time" -v m="$more" 'BEGIN {
        printf "%-18s %10.1f %10.1f %+7.2f%% %10.1f %+7.2f%% %8s %8s\n", c, a, b,
               100 * (b / a - 1), p, 100 * (p / a - 1), t, m }'
done
