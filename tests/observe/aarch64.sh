#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# aarch64.sh AARCH64-BUILD [BUILD] - libbelay-pprof's tests for the other CPU, emulated.
# AARCH64-BUILD has libbelay.so for it, BUILD this machine's `belay`.  The programs are
# linked with tests/observe/stored/ in zlib's stead, which nobody has for another CPU.
#
# What can't run there: undisturbed_test (a thread that sleeps is woken there by design),
# the leaks (leak.c copies the process, which qemu's user mode has no way to do while other
# threads run), server_test, flame_test, fuzz_test (nothing in them is the CPU's business),
# and the stress program, which forks all the time.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
library=$(cd "$1" && pwd)
build=$(cd "${2:-$source/build}" && pwd)
gcc=aarch64-linux-gnu-gcc
if ! command -v $gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    echo 'no compiler or emulator for aarch64'
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/objects" "$work/tests" "$work/bin" "$work/programs"
ln -s "$build/bin/belay" "$work/bin/belay"
for file in "$source"/src/observe/*.c "$source/tests/observe/stored/zlib.c"; do
    $gcc -std=gnu11 -O2 -g -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
        -fasynchronous-unwind-tables -I"$source/tests/observe/stored" -I"$source/include" \
        -I"$source/src" -c "$file" -o "$work/objects/$(basename "$file" .c).o"
done
$gcc -shared "$work"/objects/*.o -L"$library" -lbelay -lm -o "$work/libbelay-pprof.so"
for name in ages contention hard heap planted raced shares told; do
    $gcc -std=gnu11 -O2 -g -fexceptions -fnon-call-exceptions -fno-gcse \
        -fstack-clash-protection --param=stack-clash-protection-guard-size=12 \
        -I"$source/include" "$source/tests/observe/$name.c" -o "$work/programs/$name" \
        -L"$work" -L"$library" -Wl,--no-as-needed -lbelay-pprof -lbelay -lm -lpthread \
        -Wl,-rpath,"$work:$library"
    printf '#!/bin/sh\nexec qemu-aarch64 -L /usr/aarch64-linux-gnu %s "$@"\n' \
        "$work/programs/$name" >"$work/tests/observe-$name"
    chmod +x "$work/tests/observe-$name"
done
export BUILD=$work SOURCE=$source SANITIZE= BELAY_TEST_NO_FORK=1
for test in planted told ages raced measured; do
    echo "== $test"
    "$source/tests/observe/${test}_test.sh" || failed="${failed-} $test"
done
echo '== hard'
timeout 60 "$work/tests/observe-hard" || failed="${failed-} hard"
[ -z "${failed-}" ] || { echo "FAIL$failed" && exit 1; }
