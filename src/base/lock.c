/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/lock.c - the lock's slow way. */
#define _GNU_SOURCE
#include "base/lock.h"

#include <sched.h>
#include <time.h>

enum { SPINS = 100, YIELDS = 20, NAP_NS = 50000 };

/* The holder may have lost its CPU, to a waiter of higher priority even: so the
 * last resort is a sleep, not a yield. */
void
bl__lock_slow(struct bl__lock *l)
{
    static const struct timespec nap = {0, NAP_NS}; /* not on a stack: see sched/track.h */

    for (int i = 0;; i++) {
        if (atomic_load_explicit(&l->held, memory_order_relaxed) == 0 &&
            bl__trylock(l))
            return;
        if (i < SPINS)
            bl__cpu_relax();
        else if (i < SPINS + YIELDS)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}
