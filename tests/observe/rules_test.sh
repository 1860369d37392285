#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# rules_test.sh - see rules.c.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
build=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
[ -x "$build/tests/observe-rules" ] || exit 77
timeout 60 "$build/tests/observe-rules"
