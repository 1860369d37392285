#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# cxx_frames_test.sh - C++ frames between C frames (cxx_frames.cc says which ids), at
# several optimisation levels, with the shared library and the static one, and
# with LTO.  BUILD, SOURCE, CC, CXX and SANITIZE come from ctest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
SOURCE=${SOURCE:-$here/../..}
BUILD=${BUILD:-$SOURCE/build}
CC=${CC:-gcc}
CXX=${CXX:-g++}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if "$CC" --version | grep -qi clang; then
    echo 'the C half has defer blocks: GCC only'
    exit 77
fi
sanitize=${SANITIZE:+-fsanitize=$SANITIZE}
backtrace=$(gcc -print-file-name=libbacktrace.a)

# shellcheck disable=SC2086
try() { # NAME OPTIONS LIBRARY...
    local name=$1 options=$2
    shift 2
    "$CC" -std=gnu11 -g -Wall -Wextra $options $sanitize -fexceptions \
        -fnon-call-exceptions -fno-gcse -I"$SOURCE/include" -c "$here/cxx_frames.c" \
        -o "$tmp/c.o"
    "$CXX" -std=c++17 -g -Wall -Wextra $options $sanitize -I"$SOURCE/include" \
        "$here/cxx_frames.cc" "$tmp/c.o" -o "$tmp/$name" "$@" -lpthread
    "$tmp/$name" || { echo "failed: $name ($options $*)" && exit 1; }
}

for o in -O0 -O1 -O2 -O3 -Os; do
    try "shared$o" $o -L"$BUILD" -lbelay -Wl,-rpath,"$BUILD"
done
try static-O0 -O0 "$BUILD/libbelay.a" "$backtrace"
try static-O2 -O2 "$BUILD/libbelay.a" "$backtrace"
try lto '-O2 -flto' "$BUILD/libbelay.a" "$backtrace"
if [ -z "$sanitize" ]; then
    try whole-static '-O2 -static' "$BUILD/libbelay.a" "$backtrace"
    try static-libgcc '-O2 -static-libgcc -static-libstdc++' "$BUILD/libbelay.a" \
        "$backtrace"
fi
echo "ok"
