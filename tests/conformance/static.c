/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/static.c - the core of it all, in programs that are linked in
 * unusual ways (P1, P14, R17, R18, R30).  With -DLIBGCC the program uses libgcc's
 * own unwinder too, and so has its _Unwind_Resume; with -DSTRIPPED it has no
 * symbols. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#ifdef LIBGCC
#include <unwind.h>

static int frames_seen;

static _Unwind_Reason_Code
count_frame(struct _Unwind_Context *context, void *arg)
{
    (void)context;
    (void)arg;
    frames_seen++;
    return _URC_NO_REASON;
}

static void
P1_libgcc_unwinds_as_well(void)
{
    _Unwind_Backtrace(count_frame, NULL);
    CHECK(frames_seen >= 2);
}
#endif

static void
lower(int n)
{
    returns_nothing {
        defer_call(NOTE_INT, n);
        if (n > 0)
            lower(n - 1);
        else
            boom("p");
    }
}

static int
upper(void)
{
    returns (int, r) {
        defer_call(NOTE, "rest");
        defer_call(note_recovered);
        r = 7;
        lower(3);
        r = 8;
    }
}

static void
P1_R17_R18_panic_and_recover(void)
{
    CHECK_EQ(upper(), 7);
    CHECK_TRACE("0 1 2 3 p rest");
}

static int
faults(void)
{
    returns (int, r) {
        defer_call(note_recovered);
        r = 1;
        r = *HIDE((volatile int *)NULL);
    }
}

static void
P14_fault(void)
{
    CHECK_EQ(faults(), 1);
    CHECK_TRACE("runtime error: invalid memory address or nil pointer dereference");
}

#ifndef __clang__
static void
lower_block(int n)
{
    defer { NOTE_INT(n); };
    {
        defer { NOTE("b"); };
        if (n > 0)
            lower_block(n - 1);
        else
            boom("p");
    }
}

static int
upper_block(void)
{
    returns (int, r) {
        defer { NOTE("rest"); };
        defer {
            const bl_panic_info *p = recover();

            NOTE(p ? p->text : "nil");
            r++;
        };
        r = 7;
        lower_block(2);
        r = 9;
    }
}

static void
P1_R17_R18_blocks(void)
{
    CHECK_EQ(upper_block(), 8);
    CHECK_TRACE("b 0 b 1 b 2 p rest");
}

static void
exits(void)
{
    defer { NOTE("block"); };
    pthread_exit(NULL);
}

static void
M3_pthread_exit(void)
{
    in_thread(exits, MIB);
    CHECK_TRACE("block");
}
#endif

static void
uncaught(void)
{
    lower(0);
}

static void
P2_report(void)
{
    in_child(uncaught);
    CHECK_EQ(ended.status, 2);
    CHECK_BEGINS("panic: p\n\ngoroutine 1 [running]:\n");
#ifndef STRIPPED
    CHECK(strstr(ended.err, "lower("));
#endif
}

static void
in_thread_too(void)
{
    P1_R17_R18_panic_and_recover();
    P14_fault();
}

int
main(void)
{
    RUN(P1_R17_R18_panic_and_recover);
    RUN(P14_fault);
#ifndef __clang__
    RUN(P1_R17_R18_blocks);
    RUN(M3_pthread_exit);
#endif
#ifdef LIBGCC
    RUN(P1_libgcc_unwinds_as_well);
    RUN(P1_R17_R18_panic_and_recover);
#endif
    in_thread(in_thread_too, MIB);
    RUN(P2_report);
    return 0;
}
