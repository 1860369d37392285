#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# raced_test.sh - everything at once; under ThreadSanitizer, too: see raced.c.
set -eu
case ${SANITIZE-} in
"" | thread) ;;
*) exit 77 ;;
esac
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-raced" ] || exit 77
export TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS-}"
timeout 120 "$build/tests/observe-raced" 5
