#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# same_as_go_test.sh - router and file server answer as Go's have, when that was recorded;
# with Go itself they are compared by tests/differential/routes.py and files.py.
set -eu
[ -z "${SANITIZE-}" ] && [ -e "$BUILD/libbelay-http.a" ] || exit 77
command -v python3 >/dev/null || exit 77
for name in routes files; do
    "$SOURCE/tests/differential/$name.py" --lib "$BUILD" --cc "$CC" --recorded
done
