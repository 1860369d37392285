#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# paced_test.sh - what the debug server says of the scheduler: see paced.py.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-paced" ] || exit 77
PYTHONDONTWRITEBYTECODE=1 python3 "$source/tests/observe/paced.py" "$build/tests/observe-paced"
