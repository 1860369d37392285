#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# hard_test.sh - what profiles have failed at once, and some seconds of the stress program
# that found most of it.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-hard" ] || exit 77
timeout 60 "$build/tests/observe-hard"
exec "$source/tests/stress/stress.py" --build "$build" --seconds 15 --each 5 profiled
