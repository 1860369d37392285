/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/examples/contexts.c - whatever goes wrong in examples/contexts.c, its contexts
 * end, its goroutines too, and its channel is freed.  As idioms.c beside it; the steps
 * are in fetch() only: a panic in another goroutine is the end of any program. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/test.h>
#include <stdio.h>

#define main contexts_main
#define bl_bubble_wait() (BL_STEP("fetch"), bl_bubble_wait())
#include "examples/contexts.c"
#undef main
#undef bl_bubble_wait

/* A panic must not leave the bubble's goroutine. */
static void
request_once(void *within)
{
    returns_nothing {
        defer { recover(); };
        BL_ACQUIRED("request", within);
        defer { BL_RELEASED("request", within); };
        request(*(const int64_t *)within);
    }
}

static void
request_in_bubble(void *within)
{
    bl_bubble(request_once, within);
}

static void
check(bl_test *t, int64_t within)
{
    bl_assert_no_leaks(t, request_in_bubble, &within);
    bl_assert_defers_run(t, request_in_bubble, &within);
}

BL_TEST(first_answer)
{
    check(t, BL_SECOND);
}

BL_TEST(too_late)
{
    check(t, 50 * BL_MILLISECOND);
}
