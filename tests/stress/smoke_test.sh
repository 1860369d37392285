#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# The stress programs for a second each: they work, and what breaks at once is seen.
set -eu
exec "$SOURCE/tests/stress/stress.py" --build "$BUILD" --seconds 7 --each 1
