# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What the benchmark prints."""

import sys

from stats import SIGNIFICANT, spread

COLOURS = {"ok": 32, "over": 31, "over?": 33, "malloc": 31, "faster": 32, "slower": 31}


def show(args, results, where):
    print(f"{where['cpu']}, {where['cc']}, {where['go'] or 'no Go'}")
    print(f"{args.rounds} rounds, {pinned(where)}, load {where['load']:.1f}; "
          "nanoseconds, medians +- half the interquartile range\n")
    rows = program_rows(args, results) if args.base is None else base_rows(args, results)
    print_aligned(rows)
    if args.base is not None:
        print(f"\nbase is {args.base_commit[:12]}; ~ is not significant "
              f"(Mann-Whitney U test, p >= {SIGNIFICANT})")
    if args.quick:
        print("\n--quick: too few rounds to quote")


def pinned(where):
    return "not pinned" if where["pinned_to"] is None else f"on CPU {where['pinned_to']}"


# --- rows --------------------------------------------------------------------

def program_rows(args, results):
    rows = [["case", "belay", "hand", "go", "/hand", "/go", "mallocs", "target", ""]]
    for case in args.cases:
        r = results[case.name]
        rows.append([case.name, *(time(r.get(name)) for name in ("belay", "hand", "go")),
                     ratio(r, "hand"), ratio(r, "go"), f"{r['belay']['mallocs']:g}",
                     target(case), verdict(case, r)])
    return rows


def verdict(case, result):
    if case.target and not result["verdict"]:
        return f"no {case.than}"    # there is no such program on this machine
    return result["verdict"] or ""


def base_rows(args, results):
    rows = [["case", "new", "base", "new/base", "p", ""]]
    for case in args.cases:
        r = results[case.name]
        rows.append([case.name, time(r["new"]), time(r["base"]), f"{r['ratio']:.3f}",
                     f"{r['p']:.3f}", change(r)])
    return rows


def change(result):
    if result["p"] >= SIGNIFICANT:
        return "~"
    return "faster" if result["ratio"] < 1 else "slower"


def time(s):
    """`12.3 +- 4%`."""
    if s is None:
        return "-"
    digits = max(0, 3 - len(str(int(s["median"]))))
    return f"{s['median']:.{digits}f} +-{spread(s):3.0%}"


def ratio(result, name):
    return f"{result['ratio'][name]:.3f}" if name in result["ratio"] else "-"


def target(case):
    return f"<= {case.target:.2f} {case.than}" if case.target else "-"


# --- output ------------------------------------------------------------------

def print_aligned(rows):
    """The first column and the last two to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(w) if i in (0, len(row) - 2, len(row) - 1) else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(row, widths))]
        print("  ".join([*cells[:-1], coloured(cells[-1])]).rstrip())


def coloured(word):
    colour = COLOURS.get(word.strip())
    if not colour or not sys.stdout.isatty():
        return word
    return f"\033[{colour}m{word}\033[0m"
