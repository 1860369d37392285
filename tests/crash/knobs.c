/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* knobs.c - BELAYDEBUG=paniccheck=1 and unwindlog=1.  (knobs_test.sh has the
 * mistakes that one can make in the variables.) */
#include "case.h"

static FRAME void
nothing(void)
{
    say("nothing wrong");
}

/* --- recover where it can never work -------------------------------------- */

static FRAME void
recover_outside(void)
{
    if (!bl_recover()) /* @recover-outside */
        say("nil");
}

static FRAME void
calls_recover_outside(void)
{
    recover_outside();
    say("returned");
}

static FRAME void
helper(void)
{
    say(bl_recover() ? "recovered" : "nil");
    say("helper ends");
}

static FRAME void
calls_helper(void)
{
    helper();
    say("deferred function ends");
}

/* A helper of deferred code: by itself it may be a deferred function as well. */
static FRAME void
recover_in_helper(void)
{
    bl_returns_nothing {
        bl_defer_call(calls_helper);
    }
}

static FRAME void
recover_itself(void)
{
    say(bl_recover() ? "recovered" : "nil");
}

/* Right place, no panic: nothing to complain of. */
static FRAME void
recover_deferred(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_itself);
    }
}

static FRAME void
recover_panic(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_itself);
        bl_panic("A");
    }
}

#ifndef __clang__
static FRAME void
recover_in_body(void)
{
    bl_returns_nothing {
        say(bl_recover() ? "recovered" : "nil");
    }
}

static FRAME void
recover_block_nested(void)
{
    bl_returns_nothing {
        bl_defer {
            bl_defer {
                say(bl_recover() ? "recovered" : "nil"); /* @block-nested */
            };
            say("outer block");
        };
    }
}

static FRAME void
recover_block_without_body(void)
{
    bl_defer {
        say(bl_recover() ? "recovered" : "nil"); /* @block-without-body */
    };
    say("body");
}

static FRAME void
recover_block(void)
{
    bl_returns_nothing {
        bl_defer {
            say(bl_recover() ? "recovered" : "nil");
        };
        bl_panic("A");
    }
}
#endif

/* --- the chain of clean-up -------------------------------------------------- */

static FRAME void
note(const char *text)
{
    say(text);
}

static FRAME void
raises(const char *text)
{
    bl_panic("%s", text); /* @raises */
}

static FRAME void
inner(void)
{
    bl_returns_nothing {
        bl_defer_call(note, "inner");
        raises("A"); /* @inner */
    }
}

static FRAME int
log_call(void)
{
    bl_returns (int, r) {
        bl_defer_call(note, "outer");
        bl_defer_call(recover_itself);
        inner(); /* @log-call */
        r = 1;
    }
}

static FRAME void
log_calls(void)
{
    log_call(); /* @log-calls */
    say("went on");
}

static FRAME void
log_nested(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_itself);
        bl_defer_call(raises, "B");
        inner();
    }
}

static FRAME void
log_goexit(void)
{
    bl_returns_nothing {
        bl_defer_call(exit, 0);
        bl_defer_call(note, "deferred");
        bl_goexit(); /* @log-goexit */
    }
}

static FRAME void
log_fault(void)
{
    bl_returns_nothing {
        volatile int *volatile none = NULL;

        bl_defer_call(recover_itself);
        *none = 1; /* @log-fault */
    }
}

static FRAME void
log_quiet(void)
{
    bl_returns_nothing {
        bl_defer_call(note, "deferred");
    }
}

#ifndef __clang__
static FRAME int
log_block(void)
{
    bl_returns (int, r) {
        bl_defer {
            note("outer block");
        };
        bl_defer {
            if (bl_recover())
                r = 2;
        };
        {
            bl_defer {
                note("inner block");
            };
            raises("A"); /* @log-block */
        }
    }
}

static FRAME void
log_blocks(void)
{
    if (log_block() == 2) /* @log-blocks */
        say("went on");
}
#endif

static FRAME void
log_uncaught(void)
{
    inner(); /* @log-uncaught */
    say("returned");
}

CASES(
    {"nothing", nothing},
    {"recover-outside", calls_recover_outside},
    {"recover-in-helper", recover_in_helper},
    {"recover-deferred", recover_deferred},
    {"recover-panic", recover_panic},
#ifndef __clang__
    {"recover-in-body", recover_in_body},
    {"recover-block-nested", recover_block_nested},
    {"recover-block-without-body", recover_block_without_body},
    {"recover-block", recover_block},
    {"log-blocks", log_blocks},
#endif
    {"log-calls", log_calls},
    {"log-nested", log_nested},
    {"log-goexit", log_goexit},
    {"log-fault", log_fault},
    {"log-quiet", log_quiet},
    {"log-uncaught", log_uncaught})
