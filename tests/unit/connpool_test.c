/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unit/connpool_test.c - waiting for a connection until a channel is closed. */
#include "closer/connpool.h"

#include "check.h"

#include <belay/belay.h>
#include <errno.h>

static bl_connpool *pool;
static int connection;

static void
close_nothing(int *c)
{
    (void)c;
}

static bl_error *
open_nothing(void *unused, int64_t until_ns, bl_closer *conn)
{
    (void)unused;
    CHECK_EQ(until_ns, 12345);
    *conn = bl_with_closer(&connection, close_nothing);
    return NULL;
}

static void
close_later(bl_chan *done)
{
    bl_sleep(5 * BL_MILLISECOND);
    bl_chan_close(done);
}

static void
put_later(bl_connpool_lease *lease)
{
    bl_sleep(5 * BL_MILLISECOND);
    bl_connpool_put(lease);
}

static void
until_it_is_closed(void)
{
    bl_chan *done = bl_chan_new(1, 0);
    struct bl__bound bound = {BL_FOREVER, done};
    bl_connpool_lease lease;
    bl_error *err;

    bl_go(close_later, done);
    for (int i = 0; i < 2; i++) { /* then it is closed already */
        err = bl__connpool_get_bound(pool, &lease, &bound);
        CHECK_EQ(bl_error_errno(err), ECANCELED);
        CHECK(!lease.conn);
        bl_error_release(err);
    }
    bl_chan_release(done);
}

static void
before_it_is_closed(bl_connpool_lease *held)
{
    bl_chan *done = bl_chan_new(1, 0);
    struct bl__bound bound = {BL_FOREVER, done};
    bl_connpool_lease lease;
    bl_connpool_stats stats;

    bl_go(put_later, held);
    CHECK(!bl__connpool_get_bound(pool, &lease, &bound));
    CHECK(lease.conn == &connection);
    bl_connpool_put(&lease);
    bl_connpool_read_stats(pool, &stats);
    CHECK_EQ(stats.waits, 3);
    CHECK_EQ(stats.timeouts, 2);
    CHECK_EQ(stats.idle, 1);
    bl_chan_release(done);
}

int
main(void)
{
    bl_connpool_lease lease;

    pool = bl_connpool_new(
        &(bl_connpool_options){.open = open_nothing, .max_open = 1});
    CHECK(!bl_connpool_get_until(pool, &lease, 12345));
    until_it_is_closed();
    before_it_is_closed(&lease);
    bl_connpool_free(pool);
    return 0;
}
