/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/bound.c - waits that end at a time, or when a channel is closed.
 *
 * The channel is one more place to wait in: its closing claims the goroutine as any
 * other waker does. */
#include "sync/chan.h"
#include "sync/sync.h"

#include <errno.h>

/* On the parking goroutine's stack. */
struct releasing {
    void (*release)(void *);
    void *arg;
    struct bl__lock *done;
};

/* Behind the first unlock the goroutine may run, and *p be gone. */
static void
release_both(void *p)
{
    struct releasing r = *(struct releasing *)p;

    bl__unlock(r.done);
    if (r.release)
        r.release(r.arg);
}

static int
park_until(struct bl__g *g, void (*release)(void *), void *arg, enum bl__reason reason,
           int64_t until)
{
    return bl__park_until(g, release, arg, reason, until) ? 0 : -ETIMEDOUT;
}

int
bl__park_bound(struct bl__g *g, void (*release)(void *), void *arg,
               enum bl__reason reason, const struct bl__bound *b)
{
    bl_chan *done = b ? b->done : NULL;
    struct bl__waiter w = {.g = g, .shared = true};
    struct releasing r = {release, arg, done ? &done->lock : NULL};
    int error;

    if (!done)
        return park_until(g, release, arg, reason, b ? b->until : BL_FOREVER);
    bl__lock(&done->lock);
    if (done->closed) {
        /* it stands in the caller's queue already: nobody is to wake it any more */
        atomic_store_explicit(&g->claimed, 1, memory_order_relaxed);
        release_both(&r);
        return -ECANCELED;
    }
    if (BL__UNLIKELY(g->bubble && done->bubble != g->bubble))
        reason = BL__WAIT_SELECT_OUTSIDE; /* not the bubble's own affair */
    bl__queue_push(&done->receivers, &w);
    g->woken_by = NULL;
    error = park_until(g, release_both, &r, reason, b->until);
    bl__lock(&done->lock);
    bl__queue_remove(&done->receivers, &w);
    bl__unlock(&done->lock);
    return g->woken_by == &w ? -ECANCELED : error;
}
