# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""What the benchmark prints."""

import sys

from cases import KNOWN
from memory import MOST_MAPS
from stats import SIGNIFICANT, spread

COLOURS = {"ok": 32, "over": 31, "over?": 33, "malloc": 31, "faster": 32, "slower": 31}


def show(args, everything):
    where = everything["machine"]
    print(f"{where['cpu']}, {where['cc']}, {where['go'] or 'no Go'}, "
          f"load {where['load']:.1f}")
    for part in args.parts:
        show_cases(args, part, everything)
    if "parked" in everything:
        show_parked(everything["parked"])
        show_given_back(everything["given_back"])
    if args.base is not None:
        print(f"\nbase is {args.base_commit[:12]}; ~ is not significant "
              f"(Mann-Whitney U test, p >= {SIGNIFICANT})")
    if args.quick:
        print("\n--quick: too few rounds to quote")


def show_cases(args, part, everything):
    results, where = everything["cases"], everything["machine"]
    times = ("CPU time, with P=2 of time on the wall" if part == "tasks" else
             f"CPU time {pinned(where)}")
    print(f"\n{part}: {everything['rounds'][part]} rounds, nanoseconds of {times}, "
          "medians +- half the interquartile range\n")
    if args.base is not None:
        print_aligned(base_rows(args.parts[part], results))
    elif part == "tasks":
        print_aligned(task_rows(args.parts[part], results))
    else:
        print_aligned(program_rows(args.parts[part], results))
    if part == "tasks":
        show_speed_ups(everything["speed_up"])
    if part == "tasks" and args.base is None:
        show_known(results)


def pinned(where):
    return "not pinned" if where["pinned_to"] is None else f"on CPU {where['pinned_to']}"


# --- rows --------------------------------------------------------------------

def program_rows(cases, results):
    rows = [["case", "belay", "hand", "go", "/hand", "/go", "mallocs", "target", ""]]
    for case in cases:
        r = results[case.label]
        rows.append([case.label, *(time(r.get(name)) for name in ("belay", "hand", "go")),
                     ratio(r, "hand"), ratio(r, "go"), f"{r['belay']['mallocs']:g}",
                     target(case), verdict(case, r)])
    return rows


def task_rows(cases, results):
    rows = [["case", "belay", "go", "/go", "target", ""]]
    for case in cases:
        r = results[case.label]
        rows.append([case.label, time(r["belay"]), time(r.get("go")), ratio(r, "go"),
                     target(case), verdict(case, r)])
    return rows


def verdict(case, result):
    if case.target and not result["verdict"]:
        return f"no {case.than}"    # there is no such program on this machine
    return result["verdict"] or ""


def base_rows(cases, results):
    rows = [["case", "new", "base", "new/base", "p", ""]]
    for case in cases:
        r = results[case.label]
        rows.append([case.label, time(r["new"]), time(r["base"]), f"{r['ratio']:.3f}",
                     f"{r['p']:.3f}", change(r)])
    return rows


def change(result):
    if result["p"] >= SIGNIFICANT:
        return "~"
    return "faster" if result["ratio"] < 1 else "slower"


def time(s):
    """`12.3 +- 4%`; `12.3 ms +- 4%` where nanoseconds have too many digits."""
    if s is None:
        return "-"
    if s["median"] >= 1e5:
        return f"{s['median'] / 1e6:.3g} ms +-{spread(s):3.0%}"
    digits = max(0, 3 - len(str(int(s["median"]))))
    return f"{s['median']:.{digits}f} +-{spread(s):3.0%}"


def ratio(result, name):
    return f"{result['ratio'][name]:.3f}" if name in result["ratio"] else "-"


def target(case):
    return f"<= {case.target:.2f} {case.than}" if case.target else "-"


# --- beside the cases -------------------------------------------------------------

def show_speed_ups(ups):
    if not ups:
        return
    print("\nspeed-up from one processor to two; too low on a machine that others use\n")
    names = [name for name in ("belay", "go", "new", "base") if name in
             next(iter(ups.values()))]
    print_aligned([["case", *names, "", ""],
                   *([case, *(f"{by[name]:.2f}" for name in names), "", ""]
                     for case, by in ups.items())])


def show_known(results):
    rows = [[what, time(results[label]["belay"]), known, label, ""]
            for what, known, label in KNOWN if label in results]
    if not rows:
        return
    print("\nbeside the best C libraries, which know one thread: their figures are known "
          "ones, from\nother machines, and were not measured in this run\n")
    print_aligned([["", "belay", "known", "our case", ""], *rows])


def show_parked(rows):
    print("\nmemory: goroutines parked in a new process: resident bytes and page tables of "
          "each,\nnanoseconds until it has parked (every page is new), lines in "
          "/proc/self/maps; medians\n")
    print_aligned([["", "goroutines", "P", "bytes", "ns", "/go", "maps", "target", ""],
                   *map(parked_row, rows)])


def parked_row(r):
    most = r["most_bytes"]
    return [r["kind"], f"{r['goroutines']:,}", str(r["procs"]), f"{r['bytes']:.0f}",
            f"{r['ns']:.0f}", f"{r['ratio']:.2f}" if r.get("ratio") else "-",
            f"{r['maps']:.0f}", f"<= {most} B, 1.00 go, < {MOST_MAPS} maps" if most else "-",
            parked_verdict(r)]


def parked_verdict(r):
    if "over" not in r:
        return ""
    return "over: " + ", ".join(r["over"]) if r["over"] else "ok"


def show_given_back(ended):
    """What somebody who counts bytes wants to know: when does the system have them,
    and what does it cost to hurry?"""
    print("\nmemory: 100,000 goroutines have ended, and nobody does anything: when their "
          "stacks have\nbeen given back, and what of each is still there then; and what "
          "bl_release_stacks() takes for\neach when called at once.  With MADV_FREE the "
          "system takes it when it needs it: until then\nit is resident, and not counted "
          "as taken.\n")
    print_aligned([["policy", "P50", "P99", "taken", "resident", "call P50", "call P99", "",
                    ""], *(given_back_row(policy, r) for policy, r in ended.items()
                           if policy != "go")])
    if "go" in ended:
        r = ended["go"]
        print(f"\nGo: {r['later']:.0f} bytes of each are taken 5 s later; "
              f"debug.FreeOSMemory() takes {r['call_ns']:.0f} ns\nfor each, and leaves "
              f"{r['taken']:.0f} bytes.")


def given_back_row(policy, r):
    return [policy, *(wait(r[key]) for key in ("p50_ms", "p99_ms")),
            *(f"{r[key]:.0f} B" for key in ("taken", "resident")),
            *(f"{r[key]:.0f} ns" for key in ("call_p50_ns", "call_p99_ns")), "", ""]


def wait(ms):
    return "over 25 s" if ms < 0 else f"{ms / 1000:.1f} s"


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
