/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/timer.c - heaps of timers: one a P, one a bubble.
 *
 * A timer is in at most one heap and knows its place there, so stopping one takes
 * it out at once.  Its function runs without the heap's lock, on whatever stack
 * the scheduler is on; it may ready and spawn, not park. */
#include "sched/sched.h"

#include "os/os.h"
#include "sched/bubble.h"

#include <stdlib.h>

int64_t
bl__now(const struct bl__g *g)
{
    if (BL__UNLIKELY(g && g->bubble))
        return atomic_load_explicit(&g->bubble->now, memory_order_relaxed);
    if (BL__UNLIKELY(bl__sched.seed))
        return atomic_load_explicit(&bl__sched.fake_now, memory_order_relaxed);
    return bl__os_now();
}

/* --- the heap: lock held ------------------------------------------------- */

static void
place(struct bl__timers *h, struct bl__timer *t, uint32_t i)
{
    h->heap[i] = t;
    t->index = i;
}

static void
sift_up(struct bl__timers *h, struct bl__timer *t, uint32_t i)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;

        if (h->heap[parent]->when <= t->when)
            break;
        place(h, h->heap[parent], i);
        i = parent;
    }
    place(h, t, i);
}

static void
sift_down(struct bl__timers *h, struct bl__timer *t, uint32_t i)
{
    for (;;) {
        uint32_t child = 4 * i + 1, least = child;

        if (child >= h->n)
            break;
        for (uint32_t c = child + 1; c < child + 4 && c < h->n; c++)
            if (h->heap[c]->when < h->heap[least]->when)
                least = c;
        if (h->heap[least]->when >= t->when)
            break;
        place(h, h->heap[least], i);
        i = least;
    }
    place(h, t, i);
}

static void
note_next(struct bl__timers *h)
{
    atomic_store_explicit(&h->next, h->n > 0 ? h->heap[0]->when : INT64_MAX,
                          memory_order_seq_cst);
}

static void
insert(struct bl__timers *h, struct bl__timer *t)
{
    if (h->n == h->size) {
        uint32_t size = h->size ? 2 * h->size : 64;
        struct bl__timer **heap = realloc(h->heap, size * sizeof *heap);

        if (!heap)
            bl__fatal_at("out of memory for timers", NULL, NULL);
        h->heap = heap;
        h->size = size;
    }
    /* release: pairs with the acquire in bl__timer_stop */
    atomic_store_explicit(&t->heap, h, memory_order_release);
    sift_up(h, t, h->n++);
    if (t->index == 0)
        note_next(h);
}

/* t->heap is left as it is. */
static void
take_out(struct bl__timers *h, struct bl__timer *t)
{
    uint32_t i = t->index;
    struct bl__timer *last = h->heap[--h->n];

    if (last != t) {
        sift_down(h, last, i);
        if (last->index == i)
            sift_up(h, last, i);
    }
    if (i == 0)
        note_next(h);
}

static void
extract(struct bl__timers *h, struct bl__timer *t)
{
    take_out(h, t);
    atomic_store_explicit(&t->heap, NULL, memory_order_release);
}

/* --- what others call ---------------------------------------------------- */

void
bl__timer_start(struct bl__bubble *b, struct bl__timer *t, int64_t when)
{
    struct bl__g *self = bl__self_or_null();
    struct bl__p *p = self && self->m ? self->m->p : NULL;
    struct bl__timers *h = b   ? &b->timers
                           : p ? &p->timers
                               : &bl__sched.ps[0]->timers;

    bl__lock(&h->lock);
    t->when = when;
    insert(h, t);
    bl__unlock(&h->lock);
    if (!p)
        bl__wake_p(); /* nobody may be watching that heap */
}

bool
bl__timer_stop(struct bl__timer *t)
{
    struct bl__timers *h;

    for (;;) {
        /* acquire: pairs with the release in insert and extract */
        h = atomic_load_explicit(&t->heap, memory_order_acquire);
        if (!h)
            return false;
        bl__lock(&h->lock);
        if (atomic_load_explicit(&t->heap, memory_order_relaxed) == h) {
            extract(h, t);
            bl__unlock(&h->lock);
            return true;
        }
        bl__unlock(&h->lock); /* it has just run, or moved with its P */
    }
}

bool
bl__timer_stop_and_wait(struct bl__timer *t)
{
    bool stopped = bl__timer_stop(t);

    /* Also if it was stopped: fn may have started it again, and not be over.
     * acquire: pairs with the release by which fn ends it */
    while (atomic_load_explicit(&t->running, memory_order_acquire) != 0)
        bl__cpu_relax();
    return stopped;
}

bool
bl__timers_run(struct bl__timers *h, int64_t now)
{
    bool any = false;

    while (atomic_load_explicit(&h->next, memory_order_relaxed) <= now) {
        struct bl__timer *t = NULL;

        bl__lock(&h->lock);
        if (h->n > 0 && h->heap[0]->when <= now) {
            t = h->heap[0];
            /* seen with the heap's NULL: bl__timer_stop_and_wait */
            atomic_fetch_add_explicit(&t->running, 1, memory_order_relaxed);
            extract(h, t);
        }
        bl__unlock(&h->lock);
        if (!t)
            break;
        any = true;
        BL__OBSERVE(fired, t);
        t->fn(t, now); /* from here on t may be gone */
    }
    return any;
}

void
bl__timers_move(struct bl__timers *from, struct bl__timers *to)
{
    bl__lock(&from->lock);
    while (from->n > 0) {
        struct bl__timer *t = from->heap[0];

        take_out(from, t); /* who stops it meanwhile must not find it in none */
        bl__lock(&to->lock);
        insert(to, t);
        bl__unlock(&to->lock);
    }
    bl__unlock(&from->lock);
}

int64_t
bl__next_timer(void)
{
    int n = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed);
    int64_t first = INT64_MAX;

    for (int i = 0; i < n; i++) {
        int64_t next = atomic_load_explicit(&bl__sched.ps[i]->timers.next,
                                            memory_order_seq_cst);

        if (next < first)
            first = next;
    }
    return first;
}
