/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/park.c - the one way to wait.
 *
 * Who waits puts a struct bl__waiter, on its own stack, into one or more queues,
 * and parks; the locks of the queues are released when it is off its stack.  Who
 * ends the wait takes a waiter out of its queue and readies its goroutine.
 *
 * With one queue, taking the waiter out decides who wakes.  With several, or a
 * deadline, there may be several who would: the goroutine's `claimed` decides.
 *
 *   claimed   meaning                    who may change it, to what
 *   0         nobody wakes g yet         a waker -> 1 (and wakes)
 *   1         somebody does              g, before its next wait -> 0
 *
 * A plain thread waits on a futex instead:
 *
 *   wake      0 asleep or about to be    its waker -> 1
 *             1 woken                    itself -> 0 */
#include "sched/sched.h"

#include "os/os.h"
#include "sched/bubble.h"
#include "sched/track.h"

/* --- queues of waiters: the queue's lock held ---------------------------- */

void
bl__queue_push(struct bl__queue *q, struct bl__waiter *w)
{
    w->queue = q;
    w->next = NULL;
    w->prev = q->last;
    if (q->last)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
}

void
bl__queue_push_front(struct bl__queue *q, struct bl__waiter *w)
{
    w->queue = q;
    w->prev = NULL;
    w->next = q->first;
    if (q->first)
        q->first->prev = w;
    else
        q->last = w;
    q->first = w;
}

bool
bl__queue_remove(struct bl__queue *q, struct bl__waiter *w)
{
    if (w->queue != q)
        return false;
    if (w->prev)
        w->prev->next = w->next;
    else
        q->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        q->last = w->prev;
    w->queue = NULL;
    return true;
}

struct bl__waiter *
bl__queue_pop(struct bl__queue *q)
{
    struct bl__waiter *w;

    while ((w = q->first)) {
        bl__queue_remove(q, w);
        if (bl__claim(w))
            return w;
    }
    return NULL;
}

/* --- parking ------------------------------------------------------------- */

/* Returns false if time ended the wait, and nobody else. */
static bool
park_thread(struct bl__g *g, void (*release)(void *), void *arg, int64_t until)
{
    bool expired = false;

    g->sleeps = until == INT64_MAX; /* with a deadline it will go on by itself */
    if (g->sleeps)
        atomic_fetch_add_explicit(&bl__sched.parked_threads, 1, memory_order_seq_cst);
    if (release)
        release(arg);
    /* acquire: pairs with the release in bl__ready */
    while (atomic_load_explicit(&g->wake, memory_order_acquire) == 0) {
        uint32_t no = 0; /* a failure changes it */

        bl__os_futex_wait(&g->wake, 0, until);
        /* acq_rel: pairs with bl__claim */
        if (until != INT64_MAX && bl__os_now() >= until &&
            atomic_compare_exchange_strong_explicit(&g->claimed, &no, 1,
                                                    memory_order_acq_rel,
                                                    memory_order_acquire)) {
            expired = true;
            break;
        }
    }
    atomic_store_explicit(&g->wake, 0, memory_order_relaxed);
    bl__track_acquire(g);
    return !expired;
}

/* On the parking goroutine's stack. */
struct counted {
    void (*release)(void *);
    void *arg;
    struct bl__bubble *bubble;
};

/* Behind release() g may run, and its stack change. */
static void
release_and_count(void *p)
{
    struct counted c = *(struct counted *)p;

    if (c.release)
        c.release(c.arg);
    bl__bubble_parked(c.bubble);
}

static inline int64_t
coarse_now(void)
{
    int64_t now = atomic_load_explicit(&bl__sched.coarse_now, memory_order_relaxed);

    return BL__LIKELY(now != 0) ? now : bl__os_now();
}

static inline void
park(struct bl__g *g, void (*release)(void *), void *arg, enum bl__reason reason,
     int64_t since)
{
    g->reason = (uint8_t)reason;
    g->waiting_since = since;
    atomic_store_explicit(&g->status, BL__G_WAITING, memory_order_relaxed);
    if (BL__UNLIKELY(g->bubble && bl__bubble_counts(g))) {
        struct counted c = {release, arg, g->bubble};

        bl__switch_away(g, release_and_count, &c);
    } else if (BL__LIKELY(g->m != NULL)) {
        bl__switch_away(g, release, arg);
    } else {
        park_thread(g, release, arg, INT64_MAX);
    }
    bl__track_acquire(g);
    g->reason = BL__WAIT_NONE;
}

/* Somebody wants to know for how long. */
static BL__NOINLINE void
park_observed(struct bl__g *g, void (*release)(void *), void *arg,
              enum bl__reason reason)
{
    int64_t since = bl__os_now();

    park(g, release, arg, reason, since);
    BL__OBSERVE(blocked, g, (int)reason, since);
}

void
bl__park(struct bl__g *g, void (*release)(void *), void *arg, enum bl__reason reason)
{
    if (BL__UNLIKELY(BL__OBSERVED(blocked) != NULL))
        park_observed(g, release, arg, reason);
    else
        park(g, release, arg, reason, coarse_now());
}

static void
unlock(void *p)
{
    bl__unlock(p);
}

void
bl__park_unlock(struct bl__g *g, struct bl__lock *l, enum bl__reason reason)
{
    bl__park(g, unlock, l, reason);
}

void
bl__ready(struct bl__g *g, bool next)
{
    if (BL__UNLIKELY(g->bubble != NULL))
        bl__bubble_readies(g);
    bl__ready_counted(g, next);
}

static void
wake_thread(struct bl__g *g)
{
    if (g->sleeps) /* it is awake from now on: see bl__check_deadlock */
        atomic_fetch_sub_explicit(&bl__sched.parked_threads, 1, memory_order_seq_cst);
    /* release: pairs with the acquire in park_thread */
    atomic_store_explicit(&g->wake, 1, memory_order_release);
    bl__os_futex_wake(&g->wake, 1);
}

static inline void
tell_ready(struct bl__g *g)
{
    if (BL__LIKELY(!bl__told))
        return;
    bl__track_release(g);
    if (g->m)
        BL__OBSERVE(readied, g);
}

void
bl__ready_all(struct bl__g *g)
{
    struct bl__g *first = NULL, **last = &first, *next;

    for (; g; g = next) {
        next = g->next;
        if (BL__UNLIKELY(g->bubble != NULL))
            bl__bubble_readies(g);
        if (BL__UNLIKELY(g->m == NULL)) {
            bl__track_release(g);
            wake_thread(g);
            continue;
        }
        atomic_store_explicit(&g->status, BL__G_RUNNABLE, memory_order_relaxed);
        *last = g;
        last = &g->next;
    }
    *last = NULL;
    if (BL__UNLIKELY(bl__told)) /* once `next` has been written, too */
        for (g = first; g; g = next) {
            next = g->next;
            tell_ready(g);
        }
    if (first)
        bl__enqueue_all(first);
}

void
bl__ready_counted(struct bl__g *g, bool next)
{
    tell_ready(g);
    if (BL__UNLIKELY(g->m == NULL)) {
        wake_thread(g);
        return;
    }
    atomic_store_explicit(&g->status, BL__G_RUNNABLE, memory_order_relaxed);
    bl__enqueue(g, next);
}

/* --- with a deadline ----------------------------------------------------- */

static void
expire(struct bl__timer *t, int64_t now)
{
    struct bl__g *g = t->arg;
    uint32_t no = 0;

    (void)now;
    /* acq_rel: pairs with bl__claim */
    if (atomic_compare_exchange_strong_explicit(&g->claimed, &no, 1,
                                                memory_order_acq_rel,
                                                memory_order_acquire)) {
        g->woken_by = t;
        bl__ready(g, false); /* t is gone */
    } else {
        /* release: pairs with the acquire in bl__timer_stop_and_wait */
        atomic_fetch_sub_explicit(&t->running, 1, memory_order_release);
    }
}

/* On the parking goroutine's stack. */
struct deadline {
    struct bl__timer timer;
    int64_t until;
    void (*release)(void *);
    void *arg;
};

/* The timer must not run before g is off its stack.  Once it is started g may run
 * again, and only waits for what `release` unlocks. */
static void
start_and_release(void *p)
{
    struct deadline *d = p;
    void (*release)(void *) = d->release;
    void *arg = d->arg;

    const struct bl__g *g = d->timer.arg;

    bl__timer_start(g->bubble, &d->timer, d->until);
    if (release)
        release(arg);
}

bool
bl__park_until(struct bl__g *g, void (*release)(void *), void *arg,
               enum bl__reason reason, int64_t until)
{
    struct deadline d = {{.fn = expire, .arg = g}, until, release, arg};

    if (until == INT64_MAX) {
        bl__park(g, release, arg, reason);
        return true;
    }
    if (!g->m)
        return park_thread(g, release, arg, until);
    g->woken_by = NULL;
    bl__park(g, start_and_release, &d, reason);
    if (g->woken_by == &d.timer)
        return false;
    bl__timer_stop_and_wait(&d.timer);
    return true;
}
