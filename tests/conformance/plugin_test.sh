#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# plugin_test.sh - shared objects that are loaded, panic, and are unloaded; then
# others at the same addresses (plugin_host.c).  BUILD, SOURCE, CC and SANITIZE
# come from ctest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
SOURCE=${SOURCE:-$here/../..}
BUILD=${BUILD:-$SOURCE/build}
CC=${CC:-gcc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

flags='-fexceptions -fnon-call-exceptions -fno-gcse -fstack-clash-protection'
if "$CC" --version | grep -qi clang; then
    flags=-fblocks
fi
flags="-std=gnu11 -g -Wall -Wextra $flags ${SANITIZE:+-fsanitize=$SANITIZE} \
    -I$SOURCE/include"
backtrace=$(gcc -print-file-name=libbacktrace.a)

# shellcheck disable=SC2086
try() { # OPTIONS LIBRARY...
    local options=$1
    shift
    for shape in 0 1 2; do
        "$CC" $flags $options -fPIC -shared -DSHAPE=$shape "$here/plugin.c" \
            -o "$tmp/plugin$shape.so"
    done
    "$CC" $flags $options -rdynamic "$here/plugin_host.c" -o "$tmp/host" "$@" \
        -lpthread -ldl
    "$tmp/host" "$tmp"/plugin{0,1,2}.so ||
        { echo "failed: $options $*" && exit 1; }
}

for o in -O0 -O2; do
    try $o -L"$BUILD" -lbelay -Wl,-rpath,"$BUILD"
    try $o "$BUILD/libbelay.a" "$backtrace"
done
echo ok
