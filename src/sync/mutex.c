/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/mutex.c - a mutex with two modes (the algorithm is Go's: sync/mutex.go).
 *
 *   state    LOCKED, WOKEN, STARVING; and above them the number of waiters
 *
 * Normal: a woken waiter competes with newcomers, who are running and mostly win.
 * WOKEN says that one has been woken, or that a newcomer is trying: no need to wake
 * another.  Starving, after a waiter has failed for 1 ms: the mutex is handed to the
 * first waiter, newcomers queue.  The last waiter, or one that has waited for less,
 * ends that.
 *
 * Unlike Go's, which has a collector: one step unlocks and decides whom to wake.  Behind
 * it only the semaphore is touched, and only if there is a waiter who waits for just that:
 * so the next owner who knows that nobody else comes may free the mutex at once, as in
 * `lock; last = --count == 0; unlock; if (last) free`. */
#include "sync/sync.h"

#include "os/os.h"
#include "sched/track.h"

#include <belay/go.h>

#define LOCKED    UINT64_C(1)
#define WOKEN     UINT64_C(2)
#define STARVING  UINT64_C(4)
#define WAITER    (UINT64_C(1) << 32)

enum {
    STARVING_NS = 1000000,
    SPINS = 4,
    PAUSES = 30,
};

/* Spinning is worth it only if the owner runs at the same time, and nobody here could
 * run instead (Go's rule).  The P is only looked at: the monitor may take it. */
static BL__NOT_TRACKED bool
may_spin(int spins)
{
    const struct bl__m *m = bl__self()->m;
    int others = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed) -
                 atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) -
                 atomic_load_explicit(&bl__sched.spinning, memory_order_relaxed);

    if (spins >= SPINS || others <= 1 || bl__sched.special)
        return false;
    return !m || bl__p_is_alone(m->p);
}

/* One attempt to change the state from old.  Returns whether it was made, and in
 * *got whether that was all there was to do. */
static bool
try_change(bl_mutex *m, uint64_t *old, bool awoke, bool starving, bool *got)
{
    uint64_t new = *old;

    if (!(*old & STARVING))
        new |= LOCKED; /* newcomers of a starving mutex queue */
    if (*old & (LOCKED | STARVING))
        new += WAITER;
    if (starving && (*old & LOCKED))
        new |= STARVING;
    if (awoke)
        new &= ~WOKEN;
    /* acquire: pairs with the release in unlocking */
    if (!atomic_compare_exchange_strong_explicit(BL__U64(&m->state), old, new,
                                                 memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    *got = !(*old & (LOCKED | STARVING));
    return true;
}

/* Woken in starvation mode: the mutex is ours, but the state does not say so. */
static void
take_over(bl_mutex *m, uint64_t old, bool starving)
{
    uint64_t change = LOCKED - WAITER;

    if (!starving || old / WAITER == 1)
        change -= STARVING;
    atomic_fetch_add_explicit(BL__U64(&m->state), change, memory_order_acquire);
}

/* A waiter goes before its time.  One that has been woken (WOKEN is set for it, or the
 * mutex handed to it) takes a last chance: whoever woke it relies on that.  Returns
 * whether the mutex is the caller's after all. */
static bool
give_up(bl_mutex *m, bool starving)
{
    uint64_t old = atomic_load(BL__U64(&m->state)), new;

    for (;;) {
        if (bl__sema_take(&m->sema)) { /* woken, in the last moment */
            old = atomic_load(BL__U64(&m->state));
            if (old & STARVING) {
                take_over(m, old, starving);
                return true;
            }
            do {
                new = old & ~WOKEN;
                if (!(old & (LOCKED | STARVING)))
                    new |= LOCKED;
            } while (!atomic_compare_exchange_weak(BL__U64(&m->state), &old, new));
            return !(old & (LOCKED | STARVING));
        }
        old = atomic_load(BL__U64(&m->state));
        /* With no waiter left, or a starving mutex on its way from hand to hand, the
         * unit is about to come. */
        if (old / WAITER == 0 || (old & (LOCKED | STARVING)) == STARVING) {
            bl_gosched();
            continue;
        }
        new = old - WAITER;
        if (new / WAITER == 0)
            new &= ~STARVING;
        if (atomic_compare_exchange_strong(BL__U64(&m->state), &old, new))
            return false;
    }
}

static BL__NOINLINE int
lock_slow(bl_mutex *m, const struct bl__bound *b)
{
    int64_t since = 0;
    bool starving = false, awoke = false, front, got;
    int spins = 0, error;
    uint64_t old = atomic_load_explicit(BL__U64(&m->state), memory_order_relaxed);

    for (;;) {
        if ((old & (LOCKED | STARVING)) == LOCKED && may_spin(spins)) {
            if (!awoke && !(old & WOKEN) && old / WAITER != 0 &&
                atomic_compare_exchange_strong(BL__U64(&m->state), &old, old | WOKEN))
                awoke = true;
            for (int i = 0; i < PAUSES; i++)
                bl__cpu_relax();
            spins++;
            old = atomic_load_explicit(BL__U64(&m->state), memory_order_relaxed);
            continue;
        }
        if (!try_change(m, &old, awoke, starving, &got))
            continue;
        if (got)
            return 0;
        front = since != 0; /* it has waited already */
        if (!front)
            since = bl__os_now();
        error = bl__sema_acquire(&m->sema, front, BL__WAIT_MUTEX, b);
        if (BL__UNLIKELY(error))
            return give_up(m, starving) ? 0 : error;
        starving = starving || bl__os_now() - since > STARVING_NS;
        old = atomic_load_explicit(BL__U64(&m->state), memory_order_relaxed);
        if (old & STARVING) {
            take_over(m, old, starving);
            return 0;
        }
        awoke = true;
        spins = 0;
    }
}

int
bl__mutex_lock_bound(bl_mutex *m, const struct bl__bound *b)
{
    uint64_t free = 0;

    /* acquire: pairs with the release in unlocking */
    if (BL__LIKELY(atomic_compare_exchange_strong_explicit(
            BL__U64(&m->state), &free, LOCKED, memory_order_acquire,
            memory_order_relaxed)))
        return 0;
    return lock_slow(m, b);
}

void
bl_mutex_lock(bl_mutex *m)
{
    bl__mutex_lock_bound(m, NULL);
}

int
bl_mutex_lock_until(bl_mutex *m, int64_t until_ns)
{
    return bl__mutex_lock_bound(m, &(struct bl__bound){until_ns, NULL});
}

bool
bl_mutex_try_lock(bl_mutex *m)
{
    uint64_t old = atomic_load_explicit(BL__U64(&m->state), memory_order_relaxed);

    return !(old & (LOCKED | STARVING)) &&
           atomic_compare_exchange_strong_explicit(BL__U64(&m->state), &old,
                                                   old | LOCKED, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* There are waiters, or there were. */
static BL__NOINLINE void
unlock_slow(bl_mutex *m, uint64_t old, bool inside)
{
    bool hands, wakes;
    uint64_t new;

    do {
        if (!(old & LOCKED))
            bl__fatal_user("sync: unlock of unlocked mutex");
        hands = old & STARVING;
        wakes = !hands && old / WAITER != 0 && !(old & WOKEN);
        new = old - LOCKED + (wakes ? WOKEN - WAITER : 0);
        /* release: pairs with the acquire in locking */
    } while (!atomic_compare_exchange_weak_explicit(BL__U64(&m->state), &old, new,
                                                    memory_order_release,
                                                    memory_order_relaxed));
    if (!hands && !wakes)
        return;
    if (inside)
        bl__sema_release_inside(&m->sema);
    else
        bl__sema_release(&m->sema, hands);
}

static inline void
unlock(bl_mutex *m, bool inside)
{
    uint64_t old = LOCKED;

    /* release: pairs with the acquire in locking */
    if (BL__UNLIKELY(!atomic_compare_exchange_strong_explicit(
            BL__U64(&m->state), &old, 0, memory_order_release, memory_order_relaxed)))
        unlock_slow(m, old, inside);
}

void
bl_mutex_unlock(bl_mutex *m)
{
    unlock(m, false);
}

void
bl__mutex_unlock_inside(bl_mutex *m)
{
    unlock(m, true);
}
