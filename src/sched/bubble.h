/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/bubble.h - goroutines with a clock of their own, for tests: the scheduler's
 * side of bl_bubble() in belay/test.h.
 *
 * A bubble counts its goroutines that are not durably blocked (waiting for what
 * only the bubble itself can bring about).  When that count is zero, first who
 * waits in bl_bubble_wait() goes on; when nobody does, the clock jumps to the next
 * timer; when there is none, that is a deadlock. */
#ifndef BELAY_SCHED_BUBBLE_H
#define BELAY_SCHED_BUBBLE_H

#include "sched/sched.h"

struct bl__bubble {
    struct bl__lock lock;    /* protects all but now and timers */
    uint64_t id;             /* constant, for reports */
    int total;               /* goroutines in it */
    int running;             /* of them, not durably blocked */
    bool root_parked;        /* root waits for running to become 0 */
    bool main_done;          /* the function has returned */
    struct bl__g *root;      /* called bl_bubble(); constant */
    struct bl__g *waiter;    /* in bl_bubble_wait(); NULL: nobody */
    struct bl__timers timers;
    _Atomic int64_t now;
};

/* Whether g, about to park, blocks durably. */
bool bl__bubble_counts(const struct bl__g *g);

/* A goroutine of b is off its stack, durably blocked. */
void bl__bubble_parked(struct bl__bubble *b);

/* g, of a bubble, is about to be made runnable. */
void bl__bubble_readies(struct bl__g *g);

/* One more goroutine, one less. */
void bl__bubble_joins(struct bl__g *g, struct bl__bubble *b);
void bl__bubble_leaves(struct bl__g *g);

#endif
