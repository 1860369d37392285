#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# Reads generated code: see codegen.py.  Sanitizers change the code that it looks
# at, and clang does not compile defer blocks.
set -eu
[ -z "${SANITIZE-}" ] || exit 77
[ "$(uname -m)" = x86_64 ] || exit 77
command -v objdump >/dev/null || exit 77
case $("${CC:-gcc}" --version | head -n 1) in
*clang*) CC=gcc && command -v gcc >/dev/null || exit 77 ;;
esac
export CC="${CC:-gcc}"
exec python3 "$(dirname "$0")/codegen.py" "$@"
