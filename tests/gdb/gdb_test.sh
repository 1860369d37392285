#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# `info goroutines` and `goroutine N|all COMMAND` on a live process.
set -u
command -v gdb >/dev/null || exit 77
[ -z "${SANITIZE:-}" ] || exit 77
case $CC in *clang*) exit 77 ;; esac
export PKG_CONFIG_PATH=$BUILD DEBUGINFOD_URLS=
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
# shellcheck disable=SC2046
$CC -O1 -g "$SOURCE/tests/gdb/program.c" -o program \
    $(pkg-config --cflags --libs belay) || exit 1
failed=0

# expect FILE PATTERN...: every pattern is in the file
expect() {
    local file=$1 pattern
    shift
    for pattern in "$@"; do
        grep -qE "$pattern" "$file" || {
            echo "FAIL $file has no line like: $pattern"
            failed=1
        }
    done
    [ $failed = 0 ] || cat "$file"
}

patterns=(
    '^\* 1 +\[running\].*(main|stop_here) at program.c'
    '\[chan receive\] the receiver +wait_here at program.c:[0-9]+, created by 1 in main'
    '\[sleep\] +sleeper at program.c'
    '\[select\] +selector at program.c'
    'receiver \(what='
    'wait_here \(depth='
)
timeout 60 gdb -nx -batch -x "$SOURCE/gdb/belay-gdb.py" -ex 'break stop_here' -ex run \
    -ex 'info goroutines' -ex 'goroutine all bt' ./program >live 2>&1
expect live "${patterns[@]}"

exit $failed
