/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/closers_test.c - what has been handed to a group of closers is closed, once and
 * the last first: when memory is short, when closing fails, and when it panics.  The
 * archives are linked, so Belay's own calls fail in their turn. */
#include <belay/belay.h>
#include <belay/test.h>
#include <errno.h>
#include <string.h>

enum { MEMBERS = 4 };

enum way { SUCCEEDS, FAILS, PANICS };

struct member {
    const enum way *way;
    int number;
};

static int
release(struct member *m)
{
    BL_RELEASED("member", m);
    if (*m->way == PANICS)
        bl_panic("member %d", m->number);
    if (*m->way == SUCCEEDS)
        return 0;
    errno = EIO;
    return -1;
}

static void
recover_members(void)
{
    const bl_panic_info *p = bl_recover();

    if (p && strncmp(p->text, "member ", 7) != 0)
        bl_repanic(p);
}

static void
close_group(bl_closers *group)
{
    bl_error *err = NULL;

    bl_closers_close_into(&err, group);
    bl_error_release(err);
}

static void
use_group(void *way)
{
    struct member members[MEMBERS];
    bl_closers group = {0};

    bl_returns_nothing {
        bl_defer_call(recover_members);
        bl_defer_call(close_group, &group);
        for (int i = 0; i < MEMBERS; i++) {
            BL_STEP("between members");
            members[i] = (struct member){way, i};
            BL_ACQUIRED("member", &members[i]);
            bl_error_release(bl_closers_add(&group, bl_with_closer(&members[i], release)));
        }
        BL_STEP("all are in it");
    }
}

static void
check(bl_test *t, enum way way)
{
    bl_assert_no_leaks(t, use_group, &way);
    bl_assert_defers_run(t, use_group, &way);
}

BL_TEST(closing_succeeds)
{
    check(t, SUCCEEDS);
}

BL_TEST(closing_fails)
{
    check(t, FAILS);
}

BL_TEST(closing_panics)
{
    check(t, PANICS);
}

/* Whoever adds without memory is told, and has nothing to close any more. */
BL_TEST(no_memory_for_a_member)
{
    enum way way = FAILS;
    struct member m = {&way, 0};
    bl_closers group = {0};
    bl_error *err;

    bl_fail_nth(BL_FAIL_MALLOC, 1);
    err = bl_closers_add(&group, bl_with_closer(&m, release));
    if (!bl_fail_stop()) {
        bl_closers_keep(&group); /* it has been added */
        bl_test_skip(t, "a sanitizer has malloc");
    }
    bl_assert_eq(t, bl_error_errno(err), ENOMEM);
    bl_error_release(err);
    bl_assert_eq(t, bl_closers_keep(&group), 0);
}
