/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/codegen/guards.c - functions that an optimiser would like to inline,
 * copy, or draw wrong conclusions from.  codegen.py reads what became of them,
 * and then the program is run. */
#include "check.h"

#include <belay/belay.h>

static int after_calls, seen;

__attribute__((noinline, noipa)) static void
cg_after(int v)
{
    after_calls += v;
}

/* The body always panics: that it never returns would be the wrong conclusion. */
static int
always_panics(int code)
{
    bl_returns (int, r) {
        bl_defer {
            if (bl_recover())
                r = code;
        };
        bl_panic("as always");
    }
}

__attribute__((noipa)) static int
caller_of_always(void)
{
    int v = always_panics(5);

    cg_after(v);
    return v + 1;
}

/* Leaves 1 in r whenever the body runs to its end. */
static int
one_or_minus_one(int fail)
{
    bl_returns (int, r) {
        bl_defer {
            if (bl_recover())
                r = -1;
        };
        r = 1;
        if (fail)
            bl_panic("failed");
    }
}

__attribute__((noipa)) static int
caller_of_range(int fail)
{
    return one_or_minus_one(fail) == 1 ? 10 : 20;
}

/* Small, static, called once with a constant, second parameter unused: inline,
 * constprop and isra all apply. */
static int
tiny(int a, int unused)
{
    (void)unused;
    bl_returns (int, r) {
        r = a + 1;
    }
}

__attribute__((noipa)) static int
caller_of_tiny(void)
{
    int v = tiny(41, 7);

    cg_after(0);
    return v;
}

/* An early way out in front of a heavy rest: what is split into parts. */
static int
early_out(int n)
{
    bl_returns (int, r) {
        bl_defer {
            if (bl_recover())
                r = -2;
        };
        if (n == 0)
            bl_leave_with(3);
        for (int i = 0; i < n; i++) {
            cg_after(0);
            if (i > 3)
                bl_panic("too many");
        }
        r = n;
    }
}

__attribute__((noipa)) static int
caller_of_early(int n)
{
    int v = early_out(n);

    cg_after(0);
    return v + early_out(0);
}

static void
nothing(int n)
{
    bl_returns_nothing {
        bl_defer { bl_recover(); };
        if (n > 0)
            bl_panic("n is %d", n);
    }
}

__attribute__((noipa)) static void
caller_of_nothing(void)
{
    nothing(1);
    cg_after(100);
}

/* bl_recover outside blocks: the function must stay one of its own, or its
 * caller would be taken for the deferred function. */
static void
recovers(void)
{
    if (bl_recover())
        seen++;
}

/* The same code: folded into one, this would become a jump to the other, and
 * that is not the function that was deferred. */
static void
recovers_as_well(void)
{
    if (bl_recover())
        seen++;
}

static void
calls_recovers(void)
{
    recovers();
    cg_after(0);
}

__attribute__((noipa)) static void
defers_recovers(void)
{
    bl_returns_nothing {
        bl_defer_call(recovers);
        bl_defer_call(calls_recovers);
        bl_panic("for recovers");
    }
}

__attribute__((noipa)) static void
defers_the_other(void)
{
    bl_returns_nothing {
        bl_defer_call(recovers_as_well);
        bl_panic("for recovers_as_well");
    }
}

int
main(void)
{
    CHECK_EQ(caller_of_always(), 6);
    CHECK_EQ(after_calls, 5);
    CHECK_EQ(caller_of_range(0), 10);
    CHECK_EQ(caller_of_range(1), 20);
    CHECK_EQ(caller_of_tiny(), 42);
    CHECK_EQ(caller_of_early(2), 5);
    CHECK_EQ(caller_of_early(9), 1);
    caller_of_nothing();
    CHECK_EQ(after_calls, 105);
    defers_recovers();
    CHECK_EQ(seen, 1);
    defers_the_other();
    CHECK_EQ(seen, 2);
    return 0;
}
