#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# undisturbed_test.sh - a profile does not end anybody's sleep, however the program was
# compiled.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
[ "$(uname -m)" = x86_64 ] || exit 77 # elsewhere a signal is needed, ...
case ${CC:-gcc} in *clang*) exit 77 ;; esac # ... and for some with clang's own library
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-undisturbed" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PKG_CONFIG_PATH=$build
for options in '-O0' '-O2' '-O2 -fno-omit-frame-pointer'; do
    # shellcheck disable=SC2046,SC2086
    ${CC:-gcc} -std=gnu11 -g $options "$source/tests/observe/undisturbed.c" -o "$tmp/program" \
        $(pkg-config --cflags --libs belay-pprof belay) -lpthread
    timeout 60 "$tmp/program" || {
        echo "FAIL with $options" >&2
        exit 1
    }
done
