/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/runq.c - queues of runnable goroutines: one a P, one for all.
 *
 * A P's queue is a ring.  Its owner puts at the tail and takes at the head;
 * thieves take half from the head.  Heads are claimed by compare-and-swap, the
 * tail is the owner's alone.  (The design is Go's: runtime/proc.go.)  The slot
 * run_next holds what was readied last: it runs first, so that two goroutines that
 * talk to each other stay on one P. */
#include "sched/sched.h"

enum { PREFETCH_STACK = 8, PREFETCH_G = 3 };

/* --- the one for all: sched.lock held ------------------------------------ */

static void
global_append(struct bl__g *first, struct bl__g *last, uint32_t n)
{
    last->next = NULL;
    if (bl__sched.queue_last)
        bl__sched.queue_last->next = first;
    else
        bl__sched.queue_first = first;
    bl__sched.queue_last = last;
    atomic_fetch_add_explicit(&bl__sched.queued, n, memory_order_relaxed);
}

void
bl__enqueue_global(struct bl__g *g)
{
    bl__lock(&bl__sched.lock);
    global_append(g, g, 1);
    bl__unlock(&bl__sched.lock);
}

static struct bl__g *
global_pop(void)
{
    struct bl__g *g = bl__sched.queue_first;

    bl__sched.queue_first = g->next;
    if (!g->next)
        bl__sched.queue_last = NULL;
    atomic_fetch_sub_explicit(&bl__sched.queued, 1, memory_order_relaxed);
    return g;
}

/* Deterministic mode: any of those that are queued. */
static struct bl__g *
global_pick(uint32_t i)
{
    struct bl__g **at = &bl__sched.queue_first, *last = NULL, *g;

    for (; i > 0; i--) {
        last = *at;
        at = &last->next;
    }
    g = *at;
    *at = g->next;
    if (!g->next)
        bl__sched.queue_last = last;
    atomic_fetch_sub_explicit(&bl__sched.queued, 1, memory_order_relaxed);
    return g;
}

/* One, and a fair share of the rest for p's own queue, as far as there is room: to run over
 * takes the lock that is held here. */
struct bl__g *
bl__global_get(struct bl__p *p, uint32_t most)
{
    uint32_t n = atomic_load_explicit(&bl__sched.queued, memory_order_relaxed);
    uint32_t share = n / (uint32_t)atomic_load_explicit(&bl__sched.nprocs,
                                                        memory_order_relaxed) + 1;
    uint32_t room = BL__RUNQ - bl__runq_length(p);
    struct bl__g *g;

    if (n == 0)
        return NULL;
    if (BL__UNLIKELY(bl__sched.seed))
        return global_pick(bl__random(NULL, n));
    if (share > n)
        share = n;
    if (share > most)
        share = most;
    if (share > room + 1)
        share = room + 1;
    g = global_pop();
    for (; share > 1; share--)
        bl__runq_put(p, global_pop(), false);
    return g;
}

/* --- a P's --------------------------------------------------------------- */

static struct bl__g *
slot(const struct bl__p *p, uint32_t i)
{
    return atomic_load_explicit(&p->slots[i % BL__RUNQ], memory_order_relaxed);
}

/* The ring is full: half of it, and g, go to the queue for all.  Nobody else writes
 * slots, so those that the new head has made ours can be read behind it. */
static bool
overflow(struct bl__p *p, struct bl__g *g, uint32_t head)
{
    enum { HALF = BL__RUNQ / 2 };

    /* release: thieves that see the new head have no business with the slots */
    if (!atomic_compare_exchange_strong_explicit(&p->head, &head, head + HALF,
                                                 memory_order_release,
                                                 memory_order_relaxed))
        return false;
    for (uint32_t i = 0; i + 1 < HALF; i++)
        slot(p, head + i)->next = slot(p, head + i + 1);
    slot(p, head + HALF - 1)->next = g;
    bl__lock(&bl__sched.lock);
    global_append(slot(p, head), g, HALF + 1);
    bl__unlock(&bl__sched.lock);
    return true;
}

/* Makes g run_next.  Returns what was, or NULL. */
static struct bl__g *
exchange_next(struct bl__p *p, struct bl__g *g)
{
    /* acq_rel: a thief that takes it sees g (pairs with the exchange in
     * bl__runq_steal and bl__runq_get) */
    return atomic_exchange_explicit(&p->run_next, g, memory_order_acq_rel);
}

void
bl__runq_put(struct bl__p *p, struct bl__g *g, bool next)
{
    uint32_t head, tail;

    if (next && !(g = exchange_next(p, g)))
        return;
    for (;;) {
        /* acquire: pairs with the release of head in bl__runq_steal */
        head = atomic_load_explicit(&p->head, memory_order_acquire);
        tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
        if (tail - head < BL__RUNQ)
            break;
        if (overflow(p, g, head))
            return;
    }
    atomic_store_explicit(&p->slots[tail % BL__RUNQ], g, memory_order_relaxed);
    /* release: a thief that sees the new tail also sees the slot (pairs with the
     * acquire of tail in bl__runq_steal) */
    atomic_store_explicit(&p->tail, tail + 1, memory_order_release);
}

/* As many of the list as there is room for, but not its last one, are published
 * together.  Returns the rest. */
static struct bl__g *
put_some(struct bl__p *p, struct bl__g *first)
{
    /* acquire: pairs with the release of head in bl__runq_steal */
    uint32_t head = atomic_load_explicit(&p->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

    for (; first->next && tail - head < BL__RUNQ; first = first->next)
        atomic_store_explicit(&p->slots[tail++ % BL__RUNQ], first,
                              memory_order_relaxed);
    /* release: as in bl__runq_put; behind it those in the ring may run */
    atomic_store_explicit(&p->tail, tail, memory_order_release);
    return first;
}

void
bl__runq_put_all(struct bl__p *p, struct bl__g *first)
{
    struct bl__g *old = exchange_next(p, NULL), *next;

    if (old)
        bl__runq_put(p, old, false);
    while ((first = put_some(p, first))->next) {
        next = first->next; /* it is full: make room */
        bl__runq_put(p, first, false);
        first = next;
    }
    bl__runq_put(p, first, true);
}

/* g will run next but one: its struct and the newest of its stack, which lies right
 * below for most.  A thousand goroutines that take turns don't fit into the first
 * cache. */
static inline void
prefetch(const struct bl__g *g)
{
    for (int line = -PREFETCH_STACK; line < PREFETCH_G; line++)
        __builtin_prefetch((const char *)g + 64 * line, 1);
}

struct bl__g *
bl__runq_get(struct bl__p *p)
{
    struct bl__g *g = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    uint32_t head, tail;

    /* acquire: pairs with the exchange in bl__runq_put */
    if (g && (g = atomic_exchange_explicit(&p->run_next, NULL, memory_order_acquire)))
        return g;
    for (;;) {
        head = atomic_load_explicit(&p->head, memory_order_acquire);
        tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
        if (tail == head)
            return NULL;
        if (tail - head > 1)
            prefetch(slot(p, head + 1));
        g = slot(p, head);
        /* release: the slot has been read before it is free (pairs with the
         * acquire of head in bl__runq_put) */
        if (atomic_compare_exchange_weak_explicit(&p->head, &head, head + 1,
                                                  memory_order_acq_rel,
                                                  memory_order_relaxed))
            return g;
    }
}

uint32_t
bl__runq_length(const struct bl__p *p)
{
    uint32_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

    return tail - atomic_load_explicit(&p->head, memory_order_relaxed);
}

bool
bl__runq_is_empty(const struct bl__p *p)
{
    return atomic_load_explicit(&p->head, memory_order_seq_cst) ==
               atomic_load_explicit(&p->tail, memory_order_seq_cst) &&
           !atomic_load_explicit(&p->run_next, memory_order_seq_cst);
}

/* Half of victim's queue: one to run, the rest for p's own, as far as there is room:
 * they are written there, and seen by others when they are p's. */
struct bl__g *
bl__runq_steal(struct bl__p *p, struct bl__p *victim, bool run_next)
{
    uint32_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed), head, n;
    /* acquire: pairs with the release of head here, by who steals from p */
    uint32_t room = BL__RUNQ -
                    (tail - atomic_load_explicit(&p->head, memory_order_acquire));
    struct bl__g *first;

    for (;;) {
        head = atomic_load_explicit(&victim->head, memory_order_acquire);
        /* acquire: pairs with the release of tail in bl__runq_put */
        n = atomic_load_explicit(&victim->tail, memory_order_acquire) - head;
        n -= n / 2;
        if (n > BL__RUNQ / 2)
            continue; /* head and tail are of different times */
        if (n == 0)
            /* acquire: pairs with the exchange in bl__runq_put */
            return run_next ? atomic_exchange_explicit(&victim->run_next, NULL,
                                                       memory_order_acquire)
                            : NULL;
        if (BL__UNLIKELY(n > room + 1))
            n = room + 1;
        first = slot(victim, head);
        for (uint32_t i = 1; i < n; i++)
            atomic_store_explicit(&p->slots[(tail + i - 1) % BL__RUNQ],
                                  slot(victim, head + i), memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&victim->head, &head, head + n,
                                                  memory_order_acq_rel,
                                                  memory_order_relaxed))
            break;
    }
    /* release: as in bl__runq_put */
    if (n > 1)
        atomic_store_explicit(&p->tail, tail + n - 1, memory_order_release);
    return first;
}
