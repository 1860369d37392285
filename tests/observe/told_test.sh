#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# told_test.sh - lists of goroutines are as Go's: a strict reader takes them, and
# `go tool pprof` the one that it reads.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-told" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PPROF_TMPDIR=$tmp PYTHONDONTWRITEBYTECODE=1
timeout 60 "$build/tests/observe-told" "$tmp"
python3 "$source/tests/observe/told.py" "$tmp"
go=$(command -v go || true)
[ -n "$go" ] || exit 0
"$("$go" tool -n pprof)" -raw "$tmp/goroutine.1" >"$tmp/out" 2>"$tmp/err" || {
    cat "$tmp/err" >&2
    exit 1
}
# each group is a sample: none was lost on the way
[ "$(grep -cE '^ +[0-9]+: ' "$tmp/out")" -ge "$(grep -cE '^[0-9]+ @' "$tmp/goroutine.1")" ] || {
    echo 'FAIL go tool pprof: samples are missing' >&2
    exit 1
}
echo 'ok go tool pprof'
