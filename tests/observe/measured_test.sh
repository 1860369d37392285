#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# measured_test.sh - profiles of what is known: shares of the CPU, waits, allocations.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-shares" ] && [ -x "$build/bin/belay" ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PPROF_TMPDIR=$tmp PYTHONDONTWRITEBYTECODE=1
timeout 60 "$build/tests/observe-shares" "$tmp/cpu.pb.gz" >"$tmp/used"
timeout 60 "$build/tests/observe-contention" "$tmp"
timeout 60 "$build/tests/observe-heap" "$tmp"
python3 "$source/tests/observe/measured.py" "$build/bin/belay" "$tmp"
go=$(command -v go || true)
if [ -n "$go" ]; then
    pprof=$("$go" tool -n pprof)
    for file in "$tmp"/*.pb.gz "$tmp"/*.txt; do
        "$pprof" -raw "$file" >"$tmp/out" 2>"$tmp/err" || {
            cat "$tmp/err" >&2
            echo "FAIL go tool pprof -raw $(basename "$file")" >&2
            exit 1
        }
    done
    echo 'ok go tool pprof'
fi
