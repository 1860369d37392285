#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# static_test.sh - the core cases (static.c) in executables that are static,
# static-pie, not position-independent, stripped, and with libgcc's unwinder linked
# in.  BUILD, SOURCE, CC and SANITIZE come from ctest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
SOURCE=${SOURCE:-$here/../..}
BUILD=${BUILD:-$SOURCE/build}
CC=${CC:-gcc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if [ -n "${SANITIZE:-}" ]; then
    echo 'sanitizers do not work in static programs'
    exit 77
fi
flags='-fexceptions -fnon-call-exceptions -fno-gcse -fstack-clash-protection'
if "$CC" --version | grep -qi clang; then
    flags=-fblocks
fi
backtrace=$(gcc -print-file-name=libbacktrace.a)
failed=0

# shellcheck disable=SC2086
try() { # OPTIONS
    for define in '' '-DLIBGCC'; do
        "$CC" -std=gnu11 -g -Wall -Wextra $flags $define $1 -I"$SOURCE/include" \
            "$here/static.c" -o "$tmp/program" "$BUILD/libbelay.a" "$backtrace" \
            -lpthread
        "$tmp/program" || { echo "failed: $1 $define" && failed=1; }
    done
}

for o in -O0 -O2; do
    try "$o -static"
    try "$o -static-pie -fPIE"
    try "$o -static-libgcc"
    try "$o -no-pie"
    try "$o -pie -fPIE -Wl,-z,now"
done
try '-O2 -static -flto'
try '-O2 -static -ffunction-sections -Wl,--gc-sections'
try '-O2 -static -s -DSTRIPPED'
[ $failed = 0 ] && echo ok
