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
    struct bl__lock lock;
    uint64_t id;
    int total;               /* goroutines in it; protected by lock, as the rest */
    int running;             /* of them, not durably blocked */
    int active;              /* holds the bubble awake while something is decided */
    struct bl__g *root;      /* runs the clock; parked while others run */
    bool root_parked;
    struct bl__g *waiter;    /* in bl_bubble_wait() */
    bool main_done;          /* the function has returned */
    struct bl__timers timers;
    _Atomic int64_t now;
};

/* g, of a bubble, is about to park, with g->reason set; or is made runnable. */
void bl__bubble_parks(struct bl__g *g);
void bl__bubble_readies(struct bl__g *g);
/* One more goroutine, or one less. */
void bl__bubble_joins(struct bl__g *g, struct bl__bubble *b);
void bl__bubble_leaves(struct bl__g *g);

#endif
