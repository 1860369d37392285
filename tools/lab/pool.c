/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* pool.c - a closed connection that is put back into a pool.
 *
 * The other side has answered, and closed the connection: it restarts, or its patience is
 * at an end.  Put back, the connection keeps its descriptor; it is the first to be
 * handed out again, and whoever gets it fails. */
#include "lab.h"

/* One request: get a connection, ask, and read to the end of what comes. */
static void
use_wrong(bl_connpool *pool, bl_waitgroup *asked)
{
    bl_connpool_lease lease = {0};

    bl_returns_nothing {
        bl_error_release(bl_connpool_get(pool, &lease));
        bl_defer_call(bl_connpool_put, &lease); /* WRONG: also if it has been closed */
        if (lease.conn)
            scene_ask(lease.conn);
        bl_waitgroup_done(asked);
        if (lease.conn)
            scene_wait_for_end(lease.conn);
    }
}

static void
use_right(bl_connpool *pool, bl_waitgroup *asked)
{
    bl_connpool_lease lease = {0};

    bl_returns_nothing {
        bl_error_release(bl_connpool_get(pool, &lease));
        bl_defer_call(bl_connpool_put, &lease); /* for what may happen in between */
        if (lease.conn)
            scene_ask(lease.conn);
        bl_waitgroup_done(asked);
        if (lease.conn)
            scene_wait_for_end(lease.conn);
        bl_connpool_discard(&lease); /* RIGHT: nobody else shall have that one */
    }
}

static bl_error *
open_one(void *arg, int64_t until_ns, bl_closer *closer)
{
    bl_conn *c;
    bl_error *err = scene_dial(&c);

    (void)arg, (void)until_ns;
    *closer = err ? (bl_closer){0} : bl_with_closer(c, bl_conn_release);
    return err;
}

/* At first all requests are under way at the same time, each with a connection; once the
 * other side has closed these, there is one request after the other.  The pool stays: it
 * is the program's. */
static void
use_all(struct board *b, void (*use)(bl_connpool *, bl_waitgroup *))
{
    bl_connpool *pool = bl_connpool_new(&(bl_connpool_options){.open = open_one});
    bl_waitgroup asked = {0};
    int n = 0;

    for (; n < b->n && lab_now() < b->open_until_ns; n++) {
        bl_waitgroup_add(&asked, 1);
        bl_go(use, pool, &asked);
        bl_waitgroup_wait(&asked);
    }
    b->is_opened = true;
    while (b->phase < PHASE_GONE)
        bl_sleep(10 * BL_MILLISECOND);
    for (int i = 0; i < n && lab_now() < b->open_until_ns; i++) {
        bl_waitgroup_add(&asked, 1);
        use(pool, &asked);
    }
}

static void
run_wrong(struct board *b)
{
    use_all(b, use_wrong);
}

static void
run_right(struct board *b)
{
    use_all(b, use_right);
}

const struct mistake mistake_pool = {
    .name = "pool",
    .summary = "a connection that the other side has closed, put back into a pool",
    .wrong = run_wrong,
    .right = run_right,
    .asks = true,
};
