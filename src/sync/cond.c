/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/cond.c - condition variables.
 *
 * A waiter is in the queue before the mutex is unlocked, and the mutex is unlocked
 * when the waiter is off its stack: no signal can come between. */
#include "sync/sync.h"

static void
check(bl_cond *c)
{
    bl_cond *none = NULL;
    _Atomic(bl_cond *) *self = (_Atomic(bl_cond *) *)&c->self;

    if (atomic_load_explicit(self, memory_order_relaxed) != c &&
        !atomic_compare_exchange_strong(self, &none, c) && none != c)
        bl_panic("sync.Cond is copied");
}

struct releasing {
    bl_cond *c;
    bl_mutex *m;
};

/* Once c is unlocked the waiter may run, and *p be gone. */
static void
release(void *p)
{
    struct releasing r = *(struct releasing *)p;

    bl__unlock(BL__LOCK_OF(r.c));
    bl__mutex_unlock_inside(r.m);
}

int
bl__cond_wait_bound(bl_cond *c, bl_mutex *m, const struct bl__bound *b)
{
    struct releasing r = {c, m};
    struct bl__waiter w = {.shared = b != NULL};
    struct bl__g *g;
    int error;

    check(c);
    g = bl__enter();
    w.g = g;
    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    bl__lock(BL__LOCK_OF(c));
    bl__queue_push(BL__QUEUE_OF(c), &w);
    error = bl__park_bound(g, release, &r, BL__WAIT_COND, b);
    if (error) {
        bl__lock(BL__LOCK_OF(c));
        bl__queue_remove(BL__QUEUE_OF(c), &w);
        bl__unlock(BL__LOCK_OF(c));
    }
    bl__leave(g);
    bl_mutex_lock(m);
    return error;
}

void
bl_cond_wait(bl_cond *c, bl_mutex *m)
{
    bl__cond_wait_bound(c, m, NULL);
}

int
bl_cond_wait_until(bl_cond *c, bl_mutex *m, int64_t until_ns)
{
    return bl__cond_wait_bound(c, m, &(struct bl__bound){until_ns, NULL});
}

static struct bl__g *
pop(bl_cond *c)
{
    struct bl__waiter *w;
    struct bl__g *g;

    bl__lock(BL__LOCK_OF(c));
    w = bl__queue_pop(BL__QUEUE_OF(c));
    g = w ? w->g : NULL;
    bl__unlock(BL__LOCK_OF(c));
    return g;
}

void
bl_cond_signal(bl_cond *c)
{
    struct bl__g *self, *g;

    check(c);
    self = bl__enter();
    if ((g = pop(c)))
        bl__ready(g, true);
    bl__leave(self);
}

/* Those that wait now: who comes later waits for the next one. */
void
bl_cond_broadcast(bl_cond *c)
{
    struct bl__g *self, *first = NULL, **last = &first;
    struct bl__waiter *w;

    check(c);
    self = bl__enter();
    bl__lock(BL__LOCK_OF(c));
    while ((w = bl__queue_pop(BL__QUEUE_OF(c)))) {
        *last = w->g;
        last = &w->g->next;
    }
    *last = NULL;
    bl__unlock(BL__LOCK_OF(c));
    bl__ready_all(first);
    bl__leave(self);
}
