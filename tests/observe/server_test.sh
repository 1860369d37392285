#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# server_test.sh - see server.py.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
source=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$source/build}
[ -x "$build/tests/observe-served" ] || exit 77
belay=$build/bin/belay
[ -x "$belay" ] || belay=
exec timeout 120 python3 "$source/tests/observe/server.py" "$build/tests/observe-served" $belay
