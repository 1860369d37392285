/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* base/lock.h - the lock inside the run-time: four bytes, zero is free.
 *
 * Critical sections are a few dozen instructions and never park, call users' code
 * or fault, so a waiter spins, then yields its thread, then sleeps for short
 * times; releasing is one plain store.  Not for users: a goroutine that waits
 * for one keeps its thread. */
#ifndef BELAY_BASE_LOCK_H
#define BELAY_BASE_LOCK_H

#include "base/base.h"

#include <stdatomic.h>

struct bl__lock {
    _Atomic uint32_t held;
};

/* The rest of bl__lock(): somebody has it. */
void bl__lock_slow(struct bl__lock *l);

static inline bool
bl__trylock(struct bl__lock *l)
{
    /* acquire: pairs with the release in bl__unlock */
    return atomic_exchange_explicit(&l->held, 1, memory_order_acquire) == 0;
}

static inline void
bl__lock(struct bl__lock *l)
{
    if (BL__UNLIKELY(!bl__trylock(l)))
        bl__lock_slow(l);
}

static inline void
bl__unlock(struct bl__lock *l)
{
    /* release: pairs with the acquire in bl__trylock */
    atomic_store_explicit(&l->held, 0, memory_order_release);
}

static inline void
bl__cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

#endif
