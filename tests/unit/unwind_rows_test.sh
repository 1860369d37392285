#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# Our reading of call-frame tables against readelf's: see unwind_rows.py.
set -eu
program=$BUILD/tests/unit-unwind_libs_test
[ "$(uname -m)" = x86_64 ] || exit 77
[ -x "$program" ] || exit 77
[ -z "${SANITIZE-}" ] || exit 77
command -v readelf >/dev/null || exit 77
exec python3 "$(dirname "$0")/unwind_rows.py" "$program" "$@"
