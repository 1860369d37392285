#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# kit_test.sh - the test kit, libbelay-test: programs whose tests pass, fail, crash and
# hang are run, and what they print, as text, TAP and XML, and how they end, is compared.
set -eu
exec python3 "$(dirname "$0")/kit.py"
