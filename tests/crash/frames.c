/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* frames.c - the trace below the panics: O1, O14, O15, O16, O18, O23, O24, O25,
 * O29, O32, O33. */
#include "case.h"

void bare_middle(void (*f)(void));

static FRAME void
inner(void)
{
    bl_panic("lost"); /* @inner */
}

static FRAME void
middle(void)
{
    inner(); /* @middle */
    say("inner returned");
}

static FRAME void
plain(void)
{
    middle(); /* @plain */
    say("middle returned");
}

/* --- deferred calls ------------------------------------------------------ */

static FRAME void
complain(const char *what)
{
    bl_panic("%s", what); /* @complain */
}

/* Panics in a deferred call, at the body's normal end. */
static FRAME void
call_at_end(void)
{
    bl_returns_nothing {
        bl_defer_call(complain, "late");
    }
}

/* Panics in a deferred call while panicking: panic(...) stands between. */
static FRAME void
call_in_panic(void)
{
    bl_returns_nothing {
        bl_defer_call(complain, "later");
        middle(); /* @call-in-panic */
    }
}

static FRAME void
recover_and_complain(void)
{
    bl_recover();
    complain("worse"); /* @recover-and-complain */
}

static FRAME void
call_recovered(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_complain);
        middle(); /* @call-recovered */
    }
}

static FRAME void
again(void)
{
    bl_repanic(bl_recover()); /* @again */
}

static FRAME void
call_repanicked(void)
{
    bl_returns_nothing {
        bl_defer_call(again);
        middle(); /* @call-repanicked */
    }
}

/* --- defer blocks -------------------------------------------------------- */

#ifndef __clang__
static FRAME void
block_at_end(void)
{
    bl_defer {
        inner(); /* @block-at-end */
        say("returned");
    };
    say("body");
}

static FRAME int
block_at_return(int v)
{
    bl_returns (int, r) {
        bl_defer {
            complain("late"); /* @block-at-return */
        };
        r = v;
    }
}

static FRAME void
block_at_return_case(void)
{
    if (block_at_return(3)) /* @block-at-return-caller */
        say("returned");
}

static FRAME void
block_in_panic(void)
{
    bl_defer {
        complain("later"); /* @block-in-panic */
    };
    middle(); /* @block-in-panic-body */
}

static FRAME void
block_recovered(void)
{
    bl_returns_nothing {
        bl_defer {
            bl_recover();
            complain("worse"); /* @block-recovered */
        };
        middle();
    }
}

static FRAME void
block_repanicked(void)
{
    bl_returns_nothing {
        bl_defer {
            bl_repanic(bl_recover()); /* @block-repanicked */
        };
        middle();
    }
}

/* Blocks that pass a panic on leave no trace of themselves. */
static FRAME void
block_passed(void)
{
    bl_defer {
        say("block");
    };
    middle(); /* @block-passed */
}
#endif

/* --- inlined and nameless ------------------------------------------------ */

static inline __attribute__((always_inline)) void
inlined_inner(void)
{
    inner(); /* @inlined-inner */
}

static inline __attribute__((always_inline)) void
inlined_outer(void)
{
    inlined_inner(); /* @inlined-outer */
}

static FRAME void
inlined(void)
{
    inlined_outer(); /* @inlined */
    say("returned");
}

static FRAME void
bare(void)
{
    bare_middle(inner); /* @bare */
    say("returned");
}

static int
compare(const void *a, const void *b)
{
    (void)a, (void)b;
    inner(); /* @compare */
    return 0;
}

static FRAME void
callback(void)
{
    int v[2] = {2, 1};

    qsort(v, 2, sizeof v[0], compare); /* @callback */
    say("sorted");
}

/* --- depth --------------------------------------------------------------- */

static FRAME int
dive(int depth)
{
    if (depth == 0)
        inner(); /* @dive-bottom */

    volatile int below = dive(depth - 1); /* @dive */
    return below + 1;
}

static FRAME void
deep(void)
{
    dive(300);
    say("returned");
}

static FRAME void
deep_enough(void)
{
    dive(90);
    say("returned");
}

/* The outermost frames are kept although deferred calls of frames between have
 * run. */
static FRAME int
dive_deferring(int depth)
{
    bl_returns (int, r) {
        bl_defer_call(abs, depth);
        if (depth == 0)
            inner();
        r = dive_deferring(depth - 1) + 1; /* @dive-deferring */
    }
}

static FRAME void
deep_deferring(void)
{
    dive_deferring(300);
    say("returned");
}

/* --- fatal errors, bl_stack ---------------------------------------------- */

static FRAME void
give_up(void)
{
    bl_fatal("out of %s", "luck"); /* @give-up */
}

static FRAME void
fatal(void)
{
    give_up(); /* @fatal */
    say("returned");
}

static FRAME void
show_stack(void)
{
    char buf[8192];
    size_t n = bl_stack(buf, sizeof buf); /* @show-stack */

    if (n != strlen(buf))
        say("bl_stack returned another length");
    (void)!write(2, buf, n);
}

static FRAME void
stack(void)
{
    show_stack(); /* @stack */
    say("end");
}

/* O33: the panicking function and its line are still there. */
static FRAME void
stack_in_panic(void)
{
    bl_returns_nothing {
        bl_defer_call(exit, 0);
        bl_defer_call(show_stack);
        middle(); /* @stack-in-panic */
    }
}

static FRAME void
recover_only(void)
{
    bl_recover();
}

/* O32: called directly from the frame, no panic between. */
static FRAME void
stack_after_recovery(void)
{
    bl_returns_nothing {
        bl_defer_call(show_stack);
        bl_defer_call(recover_only);
        middle();
    }
}

static FRAME void
stack_short(void)
{
    char buf[24];
    size_t n = bl_stack(buf, sizeof buf);

    if (n != 23 || strlen(buf) != 23 || bl_stack(buf, 0) != 0)
        say("bl_stack returned another length");
    say(buf);
}

CASES(
    {"plain", plain},
    {"call-at-end", call_at_end},
    {"call-in-panic", call_in_panic},
    {"call-recovered", call_recovered},
    {"call-repanicked", call_repanicked},
#ifndef __clang__
    {"block-at-end", block_at_end},
    {"block-at-return", block_at_return_case},
    {"block-in-panic", block_in_panic},
    {"block-recovered", block_recovered},
    {"block-repanicked", block_repanicked},
    {"block-passed", block_passed},
#endif
    {"inlined", inlined},
    {"bare", bare},
    {"callback", callback},
    {"deep", deep},
    {"deep-enough", deep_enough},
    {"deep-deferring", deep_deferring},
    {"fatal", fatal},
    {"stack", stack},
    {"stack-in-panic", stack_in_panic},
    {"stack-after-recovery", stack_after_recovery},
    {"stack-short", stack_short})
