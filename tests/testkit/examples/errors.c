/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/examples/errors.c - whatever goes wrong in examples/errors.c, all is released:
 * streams, and errors, whose memory is seen.  As idioms.c beside it. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/test.h>
#include <stdio.h>
#include <string.h>

#define main errors_main
#define printf(...) (BL_STEP("printf"), (printf)(__VA_ARGS__))
#define fmemopen(...) (BL_STEP("fmemopen"), (fmemopen)(__VA_ARGS__))
#define fgets(...) (BL_STEP("fgets"), (fgets)(__VA_ARGS__))
#define fflush(stream) (BL_STEP("fflush"), (fflush)(stream))
#include "examples/errors.c"
#undef main
#undef printf

static void
show_it(void *name)
{
    BL_ACQUIRED("name", name);
    defer { BL_RELEASED("name", name); };
    show(name);
}

static void
check(bl_test *t, const char *name)
{
    bl_assert_no_leaks(t, show_it, (void *)name);
    bl_assert_defers_run_with(t, show_it, (void *)name, BL_CALLS_PANIC);
}

BL_TEST(good_settings)
{
    check(t, "good");
}

BL_TEST(no_settings)
{
    check(t, "empty");
    check(t, "/nowhere/settings");
}

BL_TEST(mistakes_in_settings)
{
    check(t, "mistakes");
}

BL_TEST(a_division_by_zero)
{
    check(t, "zero");
}
