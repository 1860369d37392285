#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# `info goroutines` and `goroutine N|all COMMAND` on a live process, and on the core
# file that the kernel writes.  (GDB's own generate-core-file stops at the first guard
# page of a region, and leaves what is behind it out.)
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
    '\[chan receive\] the receiver +wait_here at program.c:[0-9]+, created by 1 in main'
    '\[sleep\] +sleeper at program.c'
    '\[select\] +selector at program.c'
    'receiver \(what='
    'wait_here \(depth='
)
timeout 60 gdb -nx -batch -x "$SOURCE/gdb/belay-gdb.py" -ex 'break stop_here' -ex run \
    -ex 'info goroutines' -ex 'goroutine all bt' ./program >live 2>&1
expect live '^\* 1 +\[running\].*(main|stop_here) at program.c' "${patterns[@]}"

# The program aborts: where the kernel hands cores to a program they can't be had.
case $(cat /proc/sys/kernel/core_pattern) in
'|'* | */*) echo "cores go to $(cat /proc/sys/kernel/core_pattern): not tested" ;;
*)
    (ulimit -c unlimited && exec ./program abort) >said 2>&1
    core=$(ls core* 2>/dev/null | head -n 1)
    if [ -z "$core" ]; then
        echo 'FAIL no core file'
        cat said
        exit 1
    fi
    timeout 60 gdb -nx -batch -x "$SOURCE/gdb/belay-gdb.py" -ex 'info goroutines' \
        -ex 'goroutine all bt' ./program "$core" >dead 2>&1
    expect dead '^\* 1 +\[running\]' 'stop_here .argc=.*2\)' "${patterns[@]}"
    ;;
esac
exit $failed
