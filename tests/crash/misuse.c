/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* misuse.c - what the engine refuses to pass over in silence: a body left behind
 * its back, deferred calls skipped by longjmp, frames it can't unwind. */
#include "case.h"

#include <setjmp.h>

void tableless_calls(void (*f)(void));
void asm_calls(void (*f)(void));

/* --- bodies left the wrong way -------------------------------------------- */

static FRAME int
returns_early(int v)
{
    bl_returns (int, r) {
        r = 1;
        if (v)
            return v; /* @returns-early */
        say("end");
    }
}

static void
plain_return(void)
{
    returns_early(0);
    returns_early(3); /* @plain-return */
    say("returned");
}

static FRAME int
returns_early_deferring(int v)
{
    bl_returns (int, r) {
        bl_defer_call(say, "deferred");
        r = 1;
        if (v)
            return v;
    }
}

static void
plain_return_deferring(void)
{
    returns_early_deferring(3);
    say("returned");
}

static FRAME int
breaks(int v)
{
    bl_returns (int, r) {
        r = 1;
        if (v)
            break;
        say("end");
    }
}

static void
break_out(void)
{
    breaks(3);
    say("returned");
}

static FRAME int
jumps(int v)
{
    bl_returns (int, r) {
        r = 1;
        if (v)
            goto out;
        say("end");
    }
out:
    return 5;
}

static void
goto_out(void)
{
    jumps(3);
    say("returned");
}

static FRAME void
recover_and_say(void)
{
    const bl_panic_info *p = bl_recover();

    say(p ? p->text : "nothing to recover");
}

/* It is a panic like any other. */
static void
plain_return_recovered(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        returns_early(3);
    }
}

/* Fine: there is no result to lose. */
static FRAME void
returns_nothing_early(int v)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred");
        if (v)
            return;
        say("end");
    }
}

static void
plain_return_nothing(void)
{
    returns_nothing_early(3);
    say("returned");
}

/* --- longjmp --------------------------------------------------------------- */

static jmp_buf back;

static FRAME void
jumps_back(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "skipped"); /* @skipped */
        longjmp(back, 1);
    }
}

static FRAME void
skip(void)
{
    if (setjmp(back) == 0)
        jumps_back();
}

/* Found when the next call is deferred further out... */
static FRAME void
skipped_then_defer(void)
{
    bl_returns_nothing {
        skip();
        say("went on");
        bl_defer_call(say, "deferred, which must not run"); /* @next-defer */
    }
}

/* ... when a body further out ends ... */
static FRAME void
skipped_then_end(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred, which must not run");
        skip();
        say("went on");
    }
}

/* ... and when a panic passes. */
static FRAME void
skipped_then_panic(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred, which must not run");
        skip();
        bl_panic("later");
    }
}

/* longjmp that skips nothing is nobody's business. */
static FRAME void
jump_inside(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred");
        if (setjmp(back) == 0)
            longjmp(back, 1);
        say("went on");
    }
}

/* --- frames that can't be unwound ------------------------------------------ */

static FRAME void
boom(void)
{
    bl_panic("stuck"); /* @boom */
}

static FRAME void
through_tableless(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        tableless_calls(boom);
        say("returned");
    }
}

static FRAME void
through_asm(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        asm_calls(boom);
        say("returned");
    }
}

/* Recovered before it gets there, it is harmless. */
static FRAME void
boom_recovered(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        boom();
    }
}

static FRAME void
above_tableless(void)
{
    tableless_calls(boom_recovered);
    asm_calls(boom_recovered);
    say("returned");
}

static FRAME void
fatal_above_asm(void)
{
    bl_fatal("above");
}

static FRAME void
trace_through_asm(void)
{
    asm_calls(fatal_above_asm);
    say("returned");
}

CASES(
    {"plain-return", plain_return},
    {"plain-return-deferring", plain_return_deferring},
    {"plain-return-recovered", plain_return_recovered},
    {"plain-return-nothing", plain_return_nothing},
    {"break-out", break_out},
    {"goto-out", goto_out},
    {"skipped-then-defer", skipped_then_defer},
    {"skipped-then-end", skipped_then_end},
    {"skipped-then-panic", skipped_then_panic},
    {"jump-inside", jump_inside},
    {"through-tableless", through_tableless},
    {"through-asm", through_asm},
    {"above-tableless", above_tableless},
    {"trace-through-asm", trace_through_asm})
