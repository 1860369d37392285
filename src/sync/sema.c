/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/sema.c - counting semaphores: the one thing that mutexes wait with; and the
 * weighted one for users.
 *
 * All of it is protected by its lock.  Who gives a unit hands it to the first waiter;
 * without one it stays (count).  The last one to get a unit may give the memory
 * back as soon as it goes on: so nothing is touched behind the unlock, and nobody takes a
 * unit without the lock. */
#include "sync/sync.h"

#include <belay/chan.h>
#include <errno.h>

static bool
take(bl__sema *s)
{
    if (s->count == 0)
        return false;
    s->count--;
    return true;
}

bool
bl__sema_take(bl__sema *s)
{
    bool taken;

    bl__lock(BL__LOCK_OF(s));
    taken = take(s);
    bl__unlock(BL__LOCK_OF(s));
    return taken;
}

static void
unlock(void *p)
{
    bl__unlock(p);
}

/* Once in the queue, with s locked; returns without the lock. */
static int
wait_once(bl__sema *s, struct bl__g *g, struct bl__waiter *w, bool front,
          enum bl__reason reason, const struct bl__bound *b)
{
    int error;

    *w = (struct bl__waiter){.g = g, .shared = b != NULL};
    if (front)
        bl__queue_push_front(BL__QUEUE_OF(s), w);
    else
        bl__queue_push(BL__QUEUE_OF(s), w);
    if (!b) {
        bl__park_unlock(g, BL__LOCK_OF(s), reason);
        return 0;
    }
    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    error = bl__park_bound(g, unlock, BL__LOCK_OF(s), reason, b);
    if (error) {
        bl__lock(BL__LOCK_OF(s));
        bl__queue_remove(BL__QUEUE_OF(s), w);
        bl__unlock(BL__LOCK_OF(s));
    }
    return error;
}

int
bl__sema_acquire(bl__sema *s, bool front, enum bl__reason reason,
                 const struct bl__bound *b)
{
    struct bl__g *g = bl__enter();
    struct bl__waiter w;
    int error = 0;

    bl__lock(BL__LOCK_OF(s));
    if (take(s))
        bl__unlock(BL__LOCK_OF(s));
    else
        error = wait_once(s, g, &w, front, reason, b);
    bl__leave(g);
    return error;
}

/* Gives n units to those that wait, and leaves the rest. */
void
bl__sema_release_all(bl__sema *s, uint32_t n)
{
    struct bl__g *self = bl__enter(), *first = NULL, **last = &first;
    struct bl__waiter *w;

    bl__lock(BL__LOCK_OF(s));
    for (; n > 0 && (w = bl__queue_pop(BL__QUEUE_OF(s))); n--) {
        *last = w->g;
        last = &w->g->next;
    }
    *last = NULL;
    s->count += n;
    bl__unlock(BL__LOCK_OF(s));
    while (first) {
        struct bl__g *g = first;

        first = g->next;
        bl__ready(g, false);
    }
    bl__leave(self);
}

void
bl__sema_release_inside(bl__sema *s)
{
    struct bl__waiter *w;
    struct bl__g *g = NULL;

    bl__lock(BL__LOCK_OF(s));
    w = bl__queue_pop(BL__QUEUE_OF(s));
    if (w)
        g = w->g;
    else
        s->count++;
    bl__unlock(BL__LOCK_OF(s));
    if (!g)
        return;
    BL__OBSERVE(contended, g->waiting_since);
    bl__ready(g, true);
}

void
bl__sema_release(bl__sema *s, bool hand_off)
{
    struct bl__g *g = bl__enter();

    bl__sema_release_inside(s);
    if (hand_off && g->m)
        bl__yield(g);
    bl__leave(g);
}

/* --- weighted: lock held ------------------------------------------------- */

/* A waiter's units lie where `value` points. */
static int64_t
wanted(const struct bl__waiter *w)
{
    return *(const int64_t *)w->value;
}

/* Chains whoever can go on now by their goroutines' `next`. */
static struct bl__g *
grant(bl_semaphore *s)
{
    struct bl__queue *q = BL__QUEUE_OF(s);
    struct bl__g *first = NULL, **last = &first;

    while (q->first && wanted(q->first) <= s->size - s->taken) {
        int64_t n = wanted(q->first);
        struct bl__waiter *w = q->first;

        bl__queue_remove(q, w);
        if (!bl__claim(w))
            continue; /* its time was up */
        s->taken += n;
        w->success = true;
        *last = w->g;
        last = &w->g->next;
    }
    *last = NULL;
    return first;
}

static bool
take_units(bl_semaphore *s, int64_t n)
{
    if (n > s->size - s->taken || BL__QUEUE_OF(s)->first)
        return false;
    s->taken += n;
    return true;
}

int
bl__semaphore_acquire_bound(bl_semaphore *s, int64_t n, const struct bl__bound *b)
{
    struct bl__g *g = bl__enter(), *wake = NULL;
    int error = 0;

    bl__lock(BL__LOCK_OF(s));
    if (take_units(s, n)) {
        bl__unlock(BL__LOCK_OF(s));
    } else {
        struct bl__waiter w = {.g = g, .value = &n, .shared = true};

        atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
        bl__queue_push(BL__QUEUE_OF(s), &w);
        error = bl__park_bound(g, unlock, BL__LOCK_OF(s), BL__WAIT_SEMAPHORE, b);
        if (error) { /* those behind may have waited for us only */
            bl__lock(BL__LOCK_OF(s));
            bl__queue_remove(BL__QUEUE_OF(s), &w);
            wake = grant(s);
            bl__unlock(BL__LOCK_OF(s));
            bl__ready_all(wake);
        }
    }
    bl__leave(g);
    return error;
}

int
bl_semaphore_acquire_until(bl_semaphore *s, int64_t n, int64_t until_ns)
{
    return bl__semaphore_acquire_bound(s, n, &(struct bl__bound){until_ns, NULL});
}

void
bl_semaphore_acquire(bl_semaphore *s, int64_t n)
{
    bl__semaphore_acquire_bound(s, n, NULL);
}

bool
bl_semaphore_try_acquire(bl_semaphore *s, int64_t n)
{
    bool taken;

    bl__lock(BL__LOCK_OF(s));
    taken = take_units(s, n);
    bl__unlock(BL__LOCK_OF(s));
    return taken;
}

void
bl_semaphore_release(bl_semaphore *s, int64_t n)
{
    struct bl__g *g = bl__enter(), *wake = NULL;
    bool wrong;

    bl__lock(BL__LOCK_OF(s));
    wrong = n > s->taken;
    if (!wrong) {
        s->taken -= n;
        wake = grant(s);
    }
    bl__unlock(BL__LOCK_OF(s));
    bl__ready_all(wake);
    bl__leave(g);
    if (wrong)
        bl_panic("semaphore: released more than held");
}
