# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Where and on what the numbers were taken."""

import os
import platform
import shutil
import time
from pathlib import Path

from programs import ROOT, Failure, output


def line_of(command):
    """The first line a command prints; None where it can't be had."""
    try:
        return output(command).partition("\n")[0]
    except Failure:
        return None


def cpu_model():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    models = (line for line in text.splitlines() if line.startswith(("model name", "CPU part")))
    return next(models, platform.processor()).partition(":")[2].strip()


def machine(cc, cpu):
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "pinned_to": cpu,
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "arch": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "cc": line_of([cc, "--version"]),
        "go": line_of(["go", "version"]) if shutil.which("go") else None,
    }


def describe():
    """The hash of what is checked out, with -dirty if files have changed."""
    return line_of(["git", "-C", ROOT, "describe", "--always", "--abbrev=40",
                    "--exclude=*", "--dirty"])


def resolve(revision):
    """The revision's hash; None if there is no such revision."""
    return line_of(["git", "-C", ROOT, "rev-parse", "--verify", revision + "^{commit}"])
