/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/mutex.c - a mutex with two modes (the algorithm is Go's: sync/mutex.go).
 *
 *   state       LOCKED, a byte of its own; WOKEN, STARVING, HANDED; and above them the
 *               number of waiters
 *   contended   somebody has waited, once (in the semaphore's struct)
 *
 * Normal: a woken waiter competes with newcomers, who are running and mostly win.
 * WOKEN says that one has been woken, or that a newcomer is trying: no need to wake
 * another.  Starving, after a waiter has failed for 1 ms: the mutex is handed to the
 * first waiter, newcomers queue.  The last waiter, or one that has waited for less,
 * ends that.  HANDED: who unlocked has seen to it.
 *
 * Not Go's: until somebody has waited, unlocking is a plain store, which saves one of
 * two atomic instructions.  The first one that is to wait sets `contended` for good,
 * and makes every running thread pass a barrier before it waits:
 *
 *     unlock                          first waiter
 *       LOCKED = 0  (plain)             contended = 1
 *       read contended                  barrier, in all threads
 *                                       read LOCKED
 *
 * One of the two sees the other's.  Others who see `contended` may wait at once: the
 * first one comes behind its barrier.  Either it finds the mutex free, and unlocks it
 * for them, or it finds an owner, who will see `contended` when it unlocks. */
#include "sync/sync.h"

#include "os/os.h"
#include "sched/track.h"

#include <belay/go.h>

#define LOCKED    UINT64_C(1)
#define WOKEN     (UINT64_C(1) << 8)
#define STARVING  (UINT64_C(1) << 9)
#define HANDED    (UINT64_C(1) << 10)
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

/* Where LOCKED is: both CPUs are little-endian. */
static inline uint8_t *
locked_byte(bl_mutex *m)
{
    return (uint8_t *)&m->state;
}

static inline bool
is_contended(bl_mutex *m)
{
    return atomic_load_explicit(BL__U32(&m->sema.contended), memory_order_relaxed) != 0;
}

/* From now on who unlocks looks for waiters, also those who have begun already. */
static uint64_t
announce(bl_mutex *m)
{
    atomic_store(BL__U32(&m->sema.contended), 1);
    if (bl__sched.has_barrier)
        bl__os_barrier(); /* pairs with the signal fence in unlock_quickly() */
    return atomic_load(BL__U64(&m->state));
}

/* One attempt to change the state from old.  Returns whether it was made, and in
 * *got whether that was all there was to do. */
static bool
try_change(bl_mutex *m, uint64_t *old, bool awoke, bool starving, bool *got)
{
    uint64_t new = *old;

    if ((*old & LOCKED) && !is_contended(m)) {
        *old = announce(m);
        return false;
    }
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
    uint64_t change = LOCKED - WAITER - HANDED;

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

/* `state` is what is left.  Whom to wake, if anybody. */
static BL__NOINLINE void
unlock_slow(bl_mutex *m, uint64_t state, bool inside)
{
    void (*release)(bl__sema *, bool) = inside ? bl__sema_release_inside
                                               : bl__sema_release;

    while ((state & STARVING) && !(state & (LOCKED | HANDED)))
        if (atomic_compare_exchange_strong(BL__U64(&m->state), &state,
                                           state | HANDED)) {
            release(&m->sema, true);
            return;
        }
    while (state / WAITER != 0 && !(state & (LOCKED | WOKEN | STARVING)))
        if (atomic_compare_exchange_strong(BL__U64(&m->state), &state,
                                           (state - WAITER) | WOKEN)) {
            release(&m->sema, false);
            return;
        }
}

/* Nobody had waited when we looked: see above. */
static inline void
unlock_quickly(bl_mutex *m, bool inside)
{
    if (BL__UNLIKELY(!__atomic_load_n(locked_byte(m), __ATOMIC_RELAXED)))
        bl__fatal_user("sync: unlock of unlocked mutex");
    /* release: pairs with the acquire in locking */
    __atomic_store_n(locked_byte(m), 0, __ATOMIC_RELEASE);
    atomic_signal_fence(memory_order_seq_cst); /* pairs with the barrier in announce() */
    if (BL__UNLIKELY(is_contended(m)))
        unlock_slow(m, atomic_fetch_add(BL__U64(&m->state), 0), inside);
}

static inline void
unlock(bl_mutex *m, bool inside)
{
    uint64_t state;

    if (BL__LIKELY(!is_contended(m) && bl__sched.has_barrier)) {
        unlock_quickly(m, inside);
        return;
    }
    /* release: pairs with the acquire in locking */
    state = atomic_fetch_sub_explicit(BL__U64(&m->state), LOCKED, memory_order_release);
    if (BL__UNLIKELY(!(state & LOCKED)))
        bl__fatal_user("sync: unlock of unlocked mutex");
    if (BL__UNLIKELY(state != LOCKED))
        unlock_slow(m, state - LOCKED, inside);
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
