/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* faults_calls.c - compiled without -fnon-call-exceptions: the compiler expects
 * exceptions from calls only, and has no landing pad for an instruction. */
#include "case.h"

int call_reads(const int *p);
void call_defers(const int *p);

FRAME int
call_reads(const int *p)
{
    return *(const volatile int *)p; /* @call-reads */
}

#ifndef __clang__
FRAME void
call_defers(const int *p)
{
    bl_defer {
        say("deferred, which must not run");
    };
    if (*(const volatile int *)p) /* @call-defers */
        say("read");
}
#endif
