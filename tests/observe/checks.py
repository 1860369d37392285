# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""What told.py, measured.py and paced.py check with."""
import sys

failures = 0


def check(what, condition, *shown):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what, *shown)


def finish(name):
    print(f"ok {name}" if not failures else f"{failures} failed")
    sys.exit(failures > 0)
