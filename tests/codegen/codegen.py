#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Reads generated code and fails when a claim about it is no longer true.

    codegen.py shapes     a defer block costs what clean-up by hand costs
    codegen.py guards     bodies are not inlined, copied or taken for noreturn
    codegen.py tls        thread-locals are read in a few places of the library
    codegen.py stacks     nothing asks for an executable stack
    codegen.py            all of them; -v tells more

$CC is the compiler (GCC), $BUILD the build folder, $SOURCE Belay's own.

Shapes.  Each function of shapes.c is there twice.  For both, the control flow is
walked from the entry; landing pads are only in the exception tables, so no walk
comes there.  Every way through (each instruction at most twice) is the calls it
makes and how often each mnemonic occurs; ways of the d_ form have to be ways of
the h_ form.  Not counted: jumps that only join what the compiler laid out apart.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

BUILD = Path(os.environ.get("BUILD", "build")).resolve()
SOURCE = Path(os.environ.get("SOURCE", Path(__file__).resolve().parents[2]))
HERE = Path(__file__).resolve().parent
CC = shlex.split(os.environ.get("CC", "gcc"))
FLAGS = ["-std=gnu11", "-fexceptions", "-fnon-call-exceptions", "-fno-gcse",
         "-fstack-clash-protection", f"-I{SOURCE}/include",
         f"-I{SOURCE}/tests"]
LEVELS = ["-O1", "-O2", "-O3", "-Os"]

# What may come on top, and why.  A landing pad keeps the exception in a saved
# register.  A function that needs every saved register it has anyway pays
# nothing; one with none to spare pushes and pops one more, as it does for a C++
# destructor.
FRAME = Counter({"push": 1, "pop": 1, "sub": 1, "add": 1})
ALLOWED = {
    # one saved register by hand, two with a pad
    "value_after": {"any": FRAME, "-Os": Counter({"push": 2, "pop": 2})},
    # by hand the way that calls nothing but cg_next needs no frame at all
    "maybe": {"any": Counter({"push": 2, "pop": 2, "sub": 1, "add": 1, "mov": 2})},
    # -O1 does not merge a load that may fault with the extension of its value
    "read_char": {"-O1": Counter({"movzbl": 1})},
}
# -Os: registers and constants are chosen by size, with other outcomes in
# functions that differ in nothing but the pad.
SIZE_FRAME = Counter({"push": 2, "pop": 2, "sub": 1, "add": 1, "mov": 1})

# Which way round a conditional jump is, is layout; whether an addition is an add
# or a lea, register allocation.
SAME = {"lea": "add", "jne": "je", "jns": "js", "jge": "jl", "jg": "jle", "jae": "jb",
        "ja": "jbe", "jno": "jo", "jnp": "jp"}

failures = 0


def fail(text):
    global failures
    failures += 1
    print(f"FAIL {text}", file=sys.stderr)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(str(c) for c in command)}: status {done.returncode}\n"
                 + done.stdout + done.stderr)
    return done.stdout


# --- reading objdump --------------------------------------------------------

class Instruction:
    def __init__(self, mnemonic, operands):
        self.mnemonic = mnemonic
        self.operands = operands
        self.target = None          # symbol of a relocation or of a call
        self.relocation = ""

    def destination(self):
        """The address of a jump inside the same section; None if elsewhere."""
        m = re.match(r"([0-9a-f]+)\b", self.operands)
        return int(m[1], 16) if m and not self.relocation else None

    def is_padding(self):
        return self.mnemonic.startswith("nop") or self.operands in ("%ax,%ax", "cs nopw")


def disassemble(path):
    """{function: {address: Instruction}}"""
    functions, code, last = {}, None, None
    for line in run("objdump", "-dr", "--no-show-raw-insn", path).splitlines():
        if m := re.match(r"^([0-9a-f]+) <(\S+)>:", line):
            code = functions.setdefault(m[2], {})
        elif m := re.match(r"^\s+[0-9a-f]+:\s+(R_\S+)\s+(\S+)", line):
            last.relocation = m[1]
            last.target = re.sub(r"[-+]0x[0-9a-f]+$", "", m[2])
        elif m := re.match(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*)", line):
            last = code[int(m[1], 16)] = Instruction(m[2], m[3].strip())
            if t := re.search(r"<([^>+]+)>", m[3]):
                last.target = t[1]
    return functions


def successors(code, address, following):
    """Where control goes from here; None stands for out of the function."""
    i = code[address]
    if i.mnemonic in ("ret", "ud2", "hlt"):
        return [None]
    if i.mnemonic.startswith("j"):
        to = i.destination()
        if to not in code:
            if "*" in i.operands:
                raise ValueError(f"jump that can't be followed: {i.mnemonic} {i.operands}")
            # a tail call, or into the part of the function that hardly ever runs
            return [None] if i.mnemonic == "jmp" else [following.get(address), None]
        return [to] if i.mnemonic == "jmp" else [following.get(address), to]
    return [following.get(address)]


def ways(code):
    """The set of (calls, multiset of mnemonics) from the entry to each exit."""
    addresses = sorted(code)
    following = dict(zip(addresses, addresses[1:]))
    found, stack = set(), [(addresses[0], ())]
    while stack:
        address, way = stack.pop()
        if way.count(address) == 2:
            continue
        way += (address,)
        for to in successors(code, address, following):
            if to is None:
                found.add(summary([code[a] for a in way]))
            else:
                stack.append((to, way))
    return found


def summary(way):
    calls, count = [], Counter()
    for i in way:
        is_tail = i.mnemonic == "jmp" and i.relocation
        if i.mnemonic == "call" or is_tail:
            calls.append(i.target or i.operands)
        if is_tail:                       # a call and a return in one
            count["call"] += 1
            count["ret"] += 1
        elif i.mnemonic != "jmp" and not i.is_padding():
            count[SAME.get(i.mnemonic, i.mnemonic)] += 1
    return tuple(calls), frozenset(count.items())


# --- shapes -----------------------------------------------------------------

def excess(count, other):
    """What `count` has more of than `other`."""
    return Counter(dict(count)) - Counter(dict(other))


def budget(name, level):
    allowed = ALLOWED.get(name, {})
    total = allowed.get(level, allowed.get("any", Counter()))
    return total | SIZE_FRAME if level == "-Os" else total


def difference(deferred, by_hand, allowed):
    """The first way that costs more than its counterpart and is allowed."""
    for calls, count in sorted(deferred, key=str):
        extra = [excess(count, other) for c, other in by_hand if c == calls]
        if not extra:
            return f"no such way by hand: {' '.join(calls)}"
        if not any(e <= allowed for e in extra):
            least = min(extra, key=lambda e: e.total())
            return f"{' '.join(calls)}: {dict(least)} more"
    return None


def total(found):
    return sorted(sum(n for _, n in count) for _, count in found)


def check_shapes(folder, verbose):
    for level in LEVELS:
        objects = folder / f"shapes{level}.o"
        run(*CC, *FLAGS, "-fno-ipa-icf", level, "-c", HERE / "shapes.c", "-o", objects)
        functions = disassemble(objects)
        names = [f[2:] for f in functions if f.startswith("d_") and "." not in f]
        if len(names) < 10:
            fail(f"shapes {level}: only {len(names)} functions found")
        for name in names:
            deferred, by_hand = ways(functions[f"d_{name}"]), ways(functions[f"h_{name}"])
            wrong = difference(deferred, by_hand, budget(name, level))
            if verbose:
                print(f"{level} {name}: {total(deferred)}, by hand {total(by_hand)}"
                      + ("" if deferred <= by_hand else ", within what is allowed"
                         if not wrong else ", MORE"))
            if name.endswith("_WRONG"):
                if not wrong:
                    fail(f"shapes {level}: {name} passes: the test sees nothing")
            elif wrong:
                fail(f"shapes {level}: {name}: {wrong}")


# --- guards -----------------------------------------------------------------

# caller: the function that it must call, and what comes behind that call
GUARDED = {
    "caller_of_always": ("always_panics", "cg_after"),
    "caller_of_range": ("one_or_minus_one", None),
    "caller_of_tiny": ("tiny", "cg_after"),
    "caller_of_early": ("early_out", "cg_after"),
    "caller_of_nothing": ("nothing", "cg_after"),
    "calls_recovers": ("recovers", "cg_after"),
}


def check_guards(folder, verbose):
    for level in ["-O0", *LEVELS, "-O2 -flto", "-O3 -flto"]:
        program = folder / "guards"
        run(*CC, *FLAGS, *level.split(), HERE / "guards.c", BUILD / "libbelay.a", backtrace(),
            "-lpthread", "-o", program)
        done = subprocess.run([program], capture_output=True, text=True)
        if done.returncode:
            fail(f"guards {level}: status {done.returncode}: {done.stderr.strip()}")
        functions = disassemble(program)
        for caller, (callee, behind) in GUARDED.items():
            copies = [f for f in functions if f.startswith(callee + ".")
                      and not f.endswith(".cold")]
            if callee not in functions or copies:
                fail(f"guards {level}: {callee} is gone or copied: {copies}")
            called = calls_from_entry(functions.get(caller, {}))
            if callee not in called:
                fail(f"guards {level}: {callee} is inlined into {caller}")
            elif behind and behind not in called[called.index(callee) + 1:]:
                fail(f"guards {level}: {caller} ends behind its call of {callee}")
            if verbose:
                print(f"{level} {caller}: {' '.join(called)}")


def calls_from_entry(code):
    """Targets of the calls that the walk from the entry meets, by address."""
    addresses = sorted(code)
    following = dict(zip(addresses, addresses[1:]))
    seen, stack = set(), addresses[:1]
    while stack:
        address = stack.pop()
        if address is None or address in seen:
            continue
        seen.add(address)
        stack += successors(code, address, following)
    return [code[a].target for a in sorted(seen)
            if code[a].mnemonic == "call" or (code[a].mnemonic == "jmp" and
                                              code[a].destination() not in code)]


def backtrace():
    return run("gcc", "-print-file-name=libbacktrace.a").strip()


# --- thread-locals ----------------------------------------------------------

# May look at a thread-local: object, and the functions in it (None: any, the
# report's own flag; a report is written by one thread that stays where it is).
TLS_OBJECTS = {
    "g.c.o": {"bl__self", "bl__self_or_null", "bl__self_in_handler", "bl__set_self", "attach", "detach",
              "bl__recover_in_block"},
    "report.c.o": None,
    # never across a switch:
    "linux_sched.c.o": {"run", "bl__os_thread_start"},
    "fde.c.o": {"ask_libgcc", "bl__fde_find"},
}
CANARY = "%fs:0x28"


def check_tls(_folder, verbose):
    objects = sorted(BUILD.glob("CMakeFiles/belay_objects.dir/src/**/*.o"))
    if len(objects) < 10:
        fail(f"tls: only {len(objects)} object files under {BUILD}")
    found = 0
    for path in objects:
        for name, code in disassemble(path).items():
            if not any(is_tls(i) for i in code.values()):
                continue
            found += 1
            allowed = TLS_OBJECTS.get(path.name, set())
            if verbose:
                print(f"{path.name}: {name} reads a thread-local")
            if allowed is not None and name.split(".")[0] not in allowed:
                fail(f"tls: {path.name}: {name} reads a thread-local")
    if not found:
        fail("tls: not even bl__self reads one: the test sees nothing")


def is_tls(i):
    return ("%fs:" in i.operands and CANARY not in i.operands) or \
        re.search("TLS|TPOFF", i.relocation) is not None


# --- stacks -----------------------------------------------------------------

def is_elf(path):
    if not path.is_file() or path.is_symlink():
        return False
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def stack_is_plain(path):
    headers = run("readelf", "-lW", path)
    if m := re.search(r"GNU_STACK\s.*\s([RWE ]{3})\s+0x", headers):
        return "E" not in m[1]
    sections = run("readelf", "-SW", path)       # an object: the linker will read this
    m = re.search(r"\.note\.GNU-stack\s+PROGBITS\s+(?:[0-9a-f]+\s+){4}([A-Z]*)", sections)
    return bool(m) and "X" not in m[1]


def check_stacks(folder, verbose):
    files = [p for p in [*BUILD.glob("libbelay.so*"), *BUILD.glob("tests/*"),
                         *BUILD.rglob("*.o")] if is_elf(p)]
    for level in ["-O0", *LEVELS, "-O0 -g", "-O2 -flto"]:
        program = folder / f"every{level}".replace(" ", "")
        run(*CC, *FLAGS, *level.split(), HERE / "every.c", BUILD / "libbelay.a", backtrace(),
            "-lpthread", "-o", program)
        run(program)
        files.append(program)
    wrong = folder / "trampoline"
    run(*CC, *FLAGS, "-O0", "-DTRAMPOLINE", HERE / "every.c", BUILD / "libbelay.a", backtrace(),
        "-lpthread", "-o", wrong)
    if stack_is_plain(wrong):
        fail("stacks: a trampoline passes: the test sees nothing")
    if len(files) < 20:
        fail(f"stacks: only {len(files)} files found")
    for path in files:
        if not stack_is_plain(path):
            fail(f"stacks: {path} asks for an executable stack")
    if verbose:
        print(f"{len(files)} files with plain stacks")


CHECKS = {"shapes": check_shapes, "guards": check_guards, "tls": check_tls,
          "stacks": check_stacks}


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("check", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    p.add_argument("-v", "--verbose", action="store_true")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in a.check or CHECKS:
            CHECKS[name](Path(folder), a.verbose)
    print(f"{failures} failed" if failures else "ok")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
