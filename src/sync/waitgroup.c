/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/waitgroup.c - waiting for others to be done.
 *
 *   state: the counter in the high half, the number of waiters in the low one */
#include "sync/sync.h"

#include <belay/defer.h>
#include <belay/go.h>

void
bl_waitgroup_add(bl_waitgroup *wg, int n)
{
    uint64_t change = (uint64_t)(int64_t)n << 32;
    uint64_t state = atomic_fetch_add(BL__U64(&wg->state), change) + change;
    int32_t counter = (int32_t)(state >> 32);
    uint32_t waiters = (uint32_t)state;

    if (BL__UNLIKELY(counter < 0))
        bl_panic("sync: negative WaitGroup counter");
    if (BL__UNLIKELY(waiters != 0 && n > 0 && counter == n))
        bl_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
    if (BL__LIKELY(counter > 0 || waiters == 0))
        return;
    if (atomic_load(BL__U64(&wg->state)) != state)
        bl_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
    atomic_store(BL__U64(&wg->state), 0);
    bl__sema_release_all(&wg->sema, waiters);
}

void
bl_waitgroup_done(bl_waitgroup *wg)
{
    bl_waitgroup_add(wg, -1);
}

/* A waiter goes before its time.  Returns false if the counter has become zero: then
 * there is a unit for the waiter, or will be in a moment. */
static bool
give_up(bl_waitgroup *wg)
{
    uint64_t state = atomic_load(BL__U64(&wg->state));

    while ((uint32_t)state != 0 && state >> 32 != 0)
        if (atomic_compare_exchange_weak(BL__U64(&wg->state), &state, state - 1))
            return true;
    return false;
}

int
bl__waitgroup_wait_bound(bl_waitgroup *wg, const struct bl__bound *b)
{
    uint64_t state = atomic_load(BL__U64(&wg->state));
    int error;

    while (state >> 32 != 0) {
        if (!atomic_compare_exchange_weak(BL__U64(&wg->state), &state, state + 1))
            continue;
        error = bl__sema_acquire(&wg->sema, false, BL__WAIT_WAITGROUP, b);
        if (error && give_up(wg))
            return error;
        if (error)
            bl__sema_acquire(&wg->sema, false, BL__WAIT_WAITGROUP, NULL);
        if (atomic_load(BL__U64(&wg->state)) != 0)
            bl_panic("sync: WaitGroup is reused before previous Wait has returned");
        return 0;
    }
    return 0;
}

void
bl_waitgroup_wait(bl_waitgroup *wg)
{
    bl__waitgroup_wait_bound(wg, NULL);
}

int
bl_waitgroup_wait_until(bl_waitgroup *wg, int64_t until_ns)
{
    return bl__waitgroup_wait_bound(wg, &(struct bl__bound){until_ns, NULL});
}

static void
run_member(bl_waitgroup *wg, void (*f)(void *), void *arg)
{
    bl_returns_nothing {
        bl_defer_call(bl_waitgroup_done, wg);
        f(arg);
    }
}

void
bl_waitgroup_go(bl_waitgroup *wg, void (*f)(void *arg), void *arg)
{
    bl_waitgroup_add(wg, 1);
    bl_go(run_member, wg, f, arg);
}
