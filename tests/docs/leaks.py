#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""Runs the ```sh blocks of a chapter in one shell, and compares the ```text blocks.

A block that ends with & is through when its first line of output is there.  Blocks of
commands that are not installed are left out, and it is said."""
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import listings  # noqa: E402

SECONDS = 60


def script_of(blocks):
    out = ["kill_all() { kill $(jobs -p) 2>/dev/null; }", "trap kill_all EXIT"]
    for number, block in enumerate(blocks):
        out.append(f"{{ {block.text.rstrip()}\n}} >out.{number} 2>err.{number}")
        if block.text.rstrip().endswith("&"):
            out.append(f"for _ in $(seq {SECONDS * 10}); do [ -s out.{number} ] && break; "
                       "sleep 0.1; done")
    return "\n".join(out) + "\n"


def is_as_wanted(number, block):
    printed = pathlib.Path(f"out.{number}").read_text().rstrip("\n") + "\n"
    if block.output is None:
        said = re.sub(r"^.*Terminated.*\n", "", pathlib.Path(f"err.{number}").read_text(),
                      flags=re.M)
        if not said:
            return True
        print(f"FAIL {block.where()}: it complains:\n{listings.indented(said)}", end="")
        return False
    if re.fullmatch(listings.pattern(block.output), printed):
        return True
    print(f"FAIL {block.where()}: it has printed\n{listings.indented(printed)}"
          f"{listings.indented(pathlib.Path(f'err.{number}').read_text())}"
          f"  wanted:\n{listings.indented(block.output)}", end="")
    return False


def main():
    blocks = [b for b in listings.read_blocks(pathlib.Path(sys.argv[1]))
              if b.language == "sh"]
    missing = [b for b in blocks if not shutil.which(b.text.split()[0])
               and b.text.split()[0] != "kill"]
    for block in missing:
        print(f"{block.where()}: {block.text.split()[0]} is not here: left out")
    blocks = [b for b in blocks if b not in missing]
    with open("script", "w", encoding="utf-8") as f:
        f.write(script_of(blocks))
    subprocess.run(["bash", "script"], check=False, timeout=5 * SECONDS)
    results = [is_as_wanted(n, b) for n, b in enumerate(blocks)]
    print(f"{len(results)} checked")
    sys.exit(not all(results))


main()
