/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/connpool_test.c - a pool of connections from inside: waiting for one until a
 * channel is closed, to the nanosecond; and what is left when memory is short. */
#include "closer/connpool.h"

#include <belay/belay.h>
#include <belay/test.h>
#include <errno.h>
#include <stdlib.h>

/* --- waiting, in a bubble ------------------------------------------------------------ */

enum { LATER = 5 * BL_MILLISECOND };

static int connection;

static void
close_nothing(int *c)
{
    (void)c;
}

static bl_error *
open_nothing(void *until, int64_t until_ns, bl_closer *conn)
{
    *(int64_t *)until = until_ns;
    *conn = bl_with_closer(&connection, close_nothing);
    return NULL;
}

static void
close_later(bl_chan *done)
{
    bl_sleep(LATER);
    bl_chan_close(done);
}

static void
put_later(bl_connpool_lease *lease)
{
    bl_sleep(LATER);
    bl_connpool_put(lease);
}

/* The second time it is closed already. */
static void
wait_until_closed(bl_test *t, bl_connpool *pool)
{
    bl_chan *done = bl_chan_new(1, 0);
    struct bl__bound bound = {BL_FOREVER, done};
    bl_connpool_lease lease;
    int64_t began = bl_now();

    bl_go(close_later, done);
    for (int i = 0; i < 2; i++) {
        bl_error *err = bl__connpool_get_bound(pool, &lease, &bound);

        bl_assert_eq(t, bl_error_errno(err), ECANCELED);
        bl_assert(t, !lease.conn);
        bl_assert_eq(t, bl_now() - began, LATER);
        bl_error_release(err);
    }
    bl_chan_release(done);
}

static void
wait_until_put(bl_test *t, bl_connpool *pool, bl_connpool_lease *held)
{
    bl_chan *done = bl_chan_new(1, 0);
    struct bl__bound bound = {BL_FOREVER, done};
    bl_connpool_lease lease;
    int64_t began = bl_now();

    bl_go(put_later, held);
    bl_assert(t, !bl__connpool_get_bound(pool, &lease, &bound));
    bl_assert(t, lease.conn == &connection);
    bl_assert_eq(t, bl_now() - began, LATER);
    bl_connpool_put(&lease);
    bl_chan_release(done);
}

static void
waits(bl_test *t, void *unused)
{
    int64_t until = 0;
    bl_connpool *pool = bl_connpool_new(
        &(bl_connpool_options){.open = open_nothing, .arg = &until, .max_open = 1});
    bl_connpool_lease lease;
    bl_connpool_stats stats;

    (void)unused;
    bl_assert(t, !bl_connpool_get_until(pool, &lease, 12345));
    bl_assert_eq(t, until, 12345);
    wait_until_closed(t, pool);
    wait_until_put(t, pool, &lease);
    bl_connpool_read_stats(pool, &stats);
    bl_assert_eq(t, stats.waits, 3);
    bl_assert_eq(t, stats.timeouts, 2);
    bl_assert_eq(t, stats.wait_ns, 2 * LATER);
    bl_assert_eq(t, stats.idle, 1);
    bl_connpool_free(pool);
}

BL_TEST(waiting_for_a_channel)
{
    bl_test_bubble(t, waits, NULL);
}

/* --- without memory ------------------------------------------------------------------ */

static void
free_block(void *block)
{
    BL_RELEASED("connection", block);
    free(block);
}

static bl_error *
open_block(void *unused, int64_t until_ns, bl_closer *conn)
{
    void *block = calloc(1, 10);

    (void)unused;
    (void)until_ns;
    if (!block)
        return bl_error_from_errno(ENOMEM);
    BL_ACQUIRED("connection", block);
    *conn = bl_with_closer(block, free_block);
    return NULL;
}

static bool
check_block(void *unused, void *conn)
{
    (void)unused;
    return conn != NULL;
}

/* Two at a time, one of them broken, and one that is used again. */
static void
use_pool(void *unused)
{
    bl_connpool *pool = bl_connpool_new(
        &(bl_connpool_options){.open = open_block, .check = check_block, .max_open = 2});
    bl_connpool_lease a, b;

    (void)unused;
    if (!pool)
        return;
    bl_error_release(bl_connpool_get(pool, &a));
    bl_error_release(bl_connpool_get(pool, &b));
    bl_connpool_discard(&a);
    bl_connpool_put(&b);
    bl_error_release(bl_connpool_get(pool, &b));
    bl_connpool_put(&b);
    bl_connpool_free(pool);
}

/* The archives are linked, so Belay's own calls fail in their turn as well. */
BL_TEST(each_call_fails)
{
    bl_assert_no_leaks(t, use_pool, NULL);
    bl_assert_defers_run_with(t, use_pool, NULL, BL_ANY_ORDER);
}
