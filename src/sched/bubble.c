/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/bubble.c - see bubble.h.
 *
 * A goroutine that blocks durably is counted out when it is off its stack and in
 * its queues, and counted in by who readies it, before it can run: so the count is
 * never zero while something could still happen.  The function that called
 * bl_bubble() is not of the bubble: it runs the clock. */
#include "sched/bubble.h"

#include "os/os.h"

#include <belay/test.h>
#include <stdlib.h>

enum { START_S = 946684800 }; /* 2000-01-01 00:00:00 UTC, as Go's synctest */

static const bool durable[] = {
#define BL__REASON_DURABLE(name, text, durable) durable,
    BL__REASONS(BL__REASON_DURABLE)
};

bool
bl__bubble_counts(const struct bl__g *g)
{
    return durable[g->reason];
}

/* With b->lock, which is released: whoever has waited for all to block goes on. */
static void
settle(struct bl__bubble *b)
{
    struct bl__g *g = NULL;

    if (b->running == 0 && b->waiter) {
        g = b->waiter;
        b->waiter = NULL;
    } else if (b->running == 0 && b->root_parked) {
        g = b->root;
        b->root_parked = false;
    }
    if (g && g != b->root)
        b->running++;
    bl__unlock(&b->lock);
    if (g && g != b->root)
        bl__ready_counted(g, true);
    else if (g)
        bl__ready(g, true);
}

void
bl__bubble_parked(struct bl__bubble *b)
{
    bl__lock(&b->lock);
    b->running--;
    settle(b);
}

void
bl__bubble_readies(struct bl__g *g)
{
    struct bl__bubble *b = g->bubble;

    if (!durable[g->reason])
        return;
    bl__lock(&b->lock);
    b->running++;
    bl__unlock(&b->lock);
}

void
bl__bubble_joins(struct bl__g *g, struct bl__bubble *b)
{
    bl__lock(&b->lock);
    b->total++;
    b->running++;
    bl__unlock(&b->lock);
    g->bubble = b;
}

void
bl__bubble_leaves(struct bl__g *g)
{
    struct bl__bubble *b = g->bubble;

    g->bubble = NULL;
    bl__lock(&b->lock);
    b->total--;
    b->running--;
    settle(b);
}

/* --- the clock ----------------------------------------------------------- */

/* Everything in b is blocked: time goes on to the next timer.  Returns false if
 * there is none. */
static bool
advance(struct bl__g *root, struct bl__bubble *b)
{
    int64_t next = atomic_load_explicit(&b->timers.next, memory_order_relaxed);
    struct bl__bubble *outer = root->bubble;

    if (next == INT64_MAX)
        return false;
    if (next > atomic_load_explicit(&b->now, memory_order_relaxed))
        atomic_store_explicit(&b->now, next, memory_order_relaxed);
    root->bubble = b; /* what timers start belongs to it */
    bl__timers_run(&b->timers, next);
    root->bubble = outer;
    return true;
}

/* Until no goroutine is left.  Returns false for a deadlock. */
static bool
run_clock(struct bl__g *root, struct bl__bubble *b)
{
    for (;;) {
        bl__lock(&b->lock);
        if (b->total == 0) {
            bl__unlock(&b->lock);
            return true;
        }
        if (b->running == 0 && !b->waiter) {
            bool more;

            /* counted: the first that a timer wakes must not find all the others
             * blocked while their timers, of the same moment, are still to be run */
            b->running++;
            bl__unlock(&b->lock);
            more = advance(root, b);
            bl__lock(&b->lock);
            b->running--;
            settle(b);
            if (!more)
                return false;
            continue;
        }
        b->root_parked = true;
        bl__park_unlock(root, &b->lock, BL__WAIT_BUBBLE);
    }
}

struct start {
    void (*f)(void *arg);
    void *arg;
    struct bl__bubble *bubble;
};

static void
run_main(void *unused, void *args)
{
    struct start *s = args;

    (void)unused;
    s->f(s->arg);
    s->bubble->main_done = true;
}

void
bl_bubble(void (*f)(void *arg), void *arg)
{
    static _Atomic uint64_t last_id;
    struct bl__bubble *b = calloc(1, sizeof *b);
    struct start s = {f, arg, b};
    struct bl__g *root, *g;
    int error = 0;
    bool ended;

    if (!b)
        bl_panic("belay: out of memory for a bubble");
    b->id = atomic_fetch_add(&last_id, 1) + 1;
    b->timers.next = INT64_MAX;
    b->now = (int64_t)START_S * 1000000000;
    bl__sched_start();
    root = bl__enter();
    if (root->bubble) {
        bl__leave(root);
        free(b);
        bl_panic("synctest.Run called from within a synctest bubble");
    }
    b->root = root;
    root->bubble = b; /* for bl__spawn */
    g = bl__spawn(run_main, &s, sizeof s, bl__stack_class(256 * 1024), NULL,
                  (uintptr_t)__builtin_return_address(0), NULL, &error);
    root->bubble = NULL;
    if (!g) {
        bl__leave(root);
        free(b);
        bl_panic("belay: go: out of memory for a goroutine's stack");
    }
    bl__enqueue(g, true);
    ended = run_clock(root, b);
    bl__leave(root);
    if (!ended) /* b stays: its goroutines look at it */
        bl_panic(b->main_done ? "deadlock: main bubble goroutine has exited but "
                                "blocked goroutines remain"
                              : "deadlock: all goroutines in bubble are blocked");
    free(b->timers.heap);
    free(b);
}

void
bl_bubble_wait(void)
{
    struct bl__g *g = bl__enter();
    struct bl__bubble *b = g->bubble;
    const char *wrong = NULL;

    if (!b) {
        bl__leave(g);
        bl_panic("goroutine is not in a bubble");
    }
    bl__lock(&b->lock);
    if (b->waiter)
        wrong = "wait already in progress";
    if (wrong || b->running == 1) {
        bl__unlock(&b->lock);
    } else {
        b->waiter = g;
        bl__park_unlock(g, &b->lock, BL__WAIT_BUBBLE_WAIT);
    }
    bl__leave(g);
    if (wrong)
        bl_panic("%s", wrong);
}
