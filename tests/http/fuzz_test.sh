#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

# A few seconds of fuzz.sh; make fuzz takes longer.
[ -z "${SANITIZE-}" ] || exit 77 # it has its own
exec "$(dirname "$0")/fuzz.sh" "${FUZZ_SECONDS:-5}"
