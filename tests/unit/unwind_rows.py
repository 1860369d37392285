#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Our call-frame rules against readelf's reading of the same tables.

    unwind_rows.py PROGRAM [LIBRARY...]

PROGRAM is unwind_libs_test.  For every function of every library, wherever a row
of its table begins and at the byte before the next one, what bl__fde_find,
bl__row_at and the compact rule of bl__rule_find say is compared with the row that
`readelf --debug-dump=frames-interp` shows.  Functions are sampled evenly where a
library has more than --functions of them.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

REGISTERS = {n: i for i, n in enumerate(
    "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 ra".split())}
DEFAULT = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libcrypto.so.3",
           "libssl.so.3", "libpython3.11.so.1.0", "libunwind.so.8", "libLLVM-14.so.1"]
SKIP = 77


def find_libraries():
    out = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    known = dict(re.findall(r"^\s+(\S+) \(libc6,x86-64\S*\) => (\S+)$", out, re.M))
    return [known[n] for n in DEFAULT if n in known]


class Function:
    def __init__(self, start, end):
        self.start, self.end = start, end
        self.rows = {}              # address: {"cfa": text, register: text}


def cfa_text(value):
    m = re.match(r"([a-z0-9]+)([+-]\d+)$", value)
    return f"{REGISTERS[m[1]]}{m[2]}" if m else value


def read_functions(library, limit_bytes):
    """Functions in the order of the file; stops after limit_bytes of output."""
    process = subprocess.Popen(["readelf", "-W", "--debug-dump=frames-interp", library],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               errors="replace")
    function, columns, size = None, [], 0
    for line in process.stdout:
        size += len(line)
        if size > limit_bytes and function is None:
            break
        if " FDE " in line:
            m = re.search(r"pc=([0-9a-f]+)\.\.([0-9a-f]+)", line)
            function = Function(int(m[1], 16), int(m[2], 16))
        elif " CIE " in line:
            function = None
        elif line.startswith("   LOC"):
            columns = line.split()[2:]
        elif function and re.match(r"[0-9a-f]{16} ", line):
            # a register is written `r9 (r9)`; the program writes 9
            address, cfa, *cells = re.sub(r"\br(\d+) \(\w+\)", r"\1", line).split()
            row = {REGISTERS[c]: v for c, v in zip(columns, cells)
                   if c in REGISTERS and v not in ("u", "s")}
            function.rows[int(address, 16)] = {"cfa": cfa_text(cfa), **row}
        elif function and not line.strip():
            # no row of its own: the CIE's is in force, which readelf does not repeat
            if function.rows and function.start < function.end:
                yield function
            function = None
    process.kill()
    process.wait()


def wanted_addresses(function):
    """(address, row in force there), both ends of each row."""
    starts = sorted(a for a in function.rows if function.start <= a < function.end)
    for start, end in zip(starts, [*starts[1:], function.end]):
        yield start, function.rows[start]
        if end - start > 1:
            yield end - 1, function.rows[start]


def ours(program, library, addresses):
    done = subprocess.run([program, "rules", library], text=True, capture_output=True,
                          input="\n".join(f"{a:x}" for a in addresses))
    if done.returncode == SKIP:
        return None
    if done.returncode:
        sys.exit(f"{program} rules {library}: status {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def parse(text):
    pairs = (p.split("=", 1) for p in text.split())
    return {k if k == "cfa" else int(k): v for k, v in pairs}


def check_line(line, address, function, row):
    """What is wrong with our line, or None."""
    if line.endswith(" none"):
        return "no entry found"
    table, _, rule = line.partition("|")
    got_address, extent, *_ = table.split()
    if int(got_address, 16) != address:
        return "out of step"
    if extent != f"{function.start:x}-{function.end:x}":
        return f"function is {extent}"
    if parse(" ".join(table.split()[2:])) != row:
        return "row"
    if rule.strip() != "slow" and parse(rule) != row:
        return "rule"
    return None


def sample(functions, count):
    step = max(1, -(-len(functions) // count))
    return functions[::step], len(functions)


def check(program, library, args):
    chosen, total = sample(list(read_functions(library, args.megabytes << 20)), args.functions)
    wanted = [(a, f, r) for f in chosen for a, r in wanted_addresses(f)]
    lines = ours(program, library, [a for a, _, _ in wanted])
    if lines is None:
        return 0, 0, 0
    if len(lines) != len(wanted):
        sys.exit(f"{library}: {len(lines)} answers to {len(wanted)} questions")
    bad = slow = 0
    for line, (address, function, row) in zip(lines, wanted):
        slow += line.endswith("slow")
        wrong = check_line(line, address, function, row)
        if wrong:
            bad += 1
            if bad <= 5:
                print(f"{library}: {wrong} at {address:x}: {line}; readelf: "
                      f"{function.start:x}-{function.end:x} {row}", file=sys.stderr)
    print(f"{Path(library).name}: {len(chosen)} of {total} functions, {len(wanted)} places, "
          f"{slow} by slow rules, {bad} wrong", flush=True)
    return len(wanted), slow, bad


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("libraries", nargs="*", metavar="library")
    p.add_argument("--functions", type=int, default=4000, metavar="N",
                   help="at most, of one library (4000)")
    p.add_argument("--megabytes", type=int, default=24, metavar="N",
                   help="of readelf's output that are read (24)")
    args = p.parse_args()
    libraries = args.libraries or find_libraries()
    totals = [check(args.program, lib, args) for lib in libraries]
    places, slow, bad = (sum(t[i] for t in totals) for i in range(3))
    print(f"{places} places, {bad} wrong")
    if not args.libraries and (places < 10000 or slow < 10):
        sys.exit("too few places to tell")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
