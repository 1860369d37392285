/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/hold.h - a goroutine that rests is kept there while somebody reads its stack.
 *
 *   g->sp   meaning                              who may change it, to what
 *   NULL    g runs, or is about to leave         bl__switch, leaving -> where its
 *           its stack                            registers lie
 *   even    at rest                              who runs it, arriving -> NULL;
 *                                                bl__hold -> odd
 *   odd     at rest, and somebody reads:         bl__let_go, bl__hold itself -> even
 *           who would run it waits
 *
 * Who is to run g sets g->status to RUNNING, and looks at g->sp then; bl__hold marks
 * g->sp, and looks at g->status then: one of them sees the other.  Switching is often and
 * reading is rare, so the barrier between the two steps is bl__hold's alone, for all
 * threads.  (tests/model/hold.pml) */
#ifndef BELAY_SCHED_HOLD_H
#define BELAY_SCHED_HOLD_H

#include "sched/sched.h"

/* If g rests, keeps it from running, until bl__let_go: soon, and without waiting for
 * anything, or holding another.  Returns false for one that runs. */
bool bl__hold(struct bl__g *g);
void bl__let_go(struct bl__g *g);
/* In the child of a fork nobody reads. */
void bl__hold_in_child(void);

/* The rest of bl__rest_to_leave(): somebody reads g's stack. */
void *bl__await_let_go(struct bl__g *g);

/* g's status is RUNNING: where it has rested. */
static inline void *
bl__rest_to_leave(struct bl__g *g)
{
    void *sp;

    atomic_signal_fence(memory_order_seq_cst); /* pairs with the barrier in bl__hold */
    sp = atomic_load_explicit(&g->sp, memory_order_relaxed);
    return BL__LIKELY(((uintptr_t)sp & 1) == 0) ? sp : bl__await_let_go(g);
}

/* g is on its stack again. */
static inline void
bl__rest_left(struct bl__g *g)
{
    atomic_store_explicit(&g->sp, NULL, memory_order_relaxed);
}

#endif
