/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/hold.c - see hold.h.  One at a time: a fork, whose child has the others' threads
 * no more, must know whom to let go. */
#include "sched/hold.h"

#include "os/os.h"

#include <sched.h>

enum {
    SPINS = 100,     /* then the thread is given away each time */
    TRIES = 10000,   /* the other reader may never come back */
    NO_BARRIER_NS = 100000, /* a store is seen by all long before */
};

static struct {
    struct bl__lock lock;
    struct bl__g *g;      /* protected by lock */
    _Atomic int reader;   /* the thread that has the lock; 0: none */
} held;

static bool
is_on_stack(const struct bl__g *g, uintptr_t sp)
{
    return sp >= g->stack_low && sp < g->stack_high;
}

static void
relax(int tries)
{
    if (tries < SPINS)
        bl__cpu_relax();
    else
        sched_yield();
}

/* Not by a thread that has it: a handler has interrupted that one, or it has faulted. */
static bool
take_lock(void)
{
    int me = bl__os_thread_id();

    /* relaxed: only a thread itself stores its number */
    for (int i = 0;
         i < TRIES && atomic_load_explicit(&held.reader, memory_order_relaxed) != me; i++) {
        if (bl__trylock(&held.lock)) {
            atomic_store_explicit(&held.reader, me, memory_order_relaxed);
            return true;
        }
        relax(i);
    }
    return false;
}

static void
give_lock_back(void)
{
    held.g = NULL;
    atomic_store_explicit(&held.reader, 0, memory_order_relaxed);
    bl__unlock(&held.lock);
}

static bool
mark(struct bl__g *g)
{
    /* acquire: pairs with the store in bl__switch */
    void *sp = atomic_load_explicit(&g->sp, memory_order_acquire);

    /* dead ones are linked by it */
    return is_on_stack(g, (uintptr_t)sp) &&
           atomic_compare_exchange_strong_explicit(&g->sp, &sp, (char *)sp + 1,
                                                   memory_order_acquire,
                                                   memory_order_relaxed);
}

/* What all threads have stored so far can be seen. */
static void
barrier(void)
{
    if (bl__sched.has_barrier)
        bl__os_barrier(); /* pairs with the signal fence in bl__rest_to_leave */
    else
        bl__os_nap(NO_BARRIER_NS);
}

/* If it has been held in vain it may have run by now, and has no mark any more. */
static void
unmark(struct bl__g *g)
{
    void *sp = atomic_load_explicit(&g->sp, memory_order_relaxed);

    if ((uintptr_t)sp & 1) /* release: pairs with the acquire in bl__await_let_go */
        atomic_compare_exchange_strong_explicit(&g->sp, &sp, (char *)sp - 1,
                                                memory_order_release,
                                                memory_order_relaxed);
}

static bool
is_marked(const struct bl__g *g)
{
    return (uintptr_t)atomic_load_explicit(&g->sp, memory_order_relaxed) & 1;
}

static bool
is_resting(const struct bl__g *g)
{
    uint32_t status = atomic_load_explicit(&g->status, memory_order_relaxed);

    return status == BL__G_WAITING || status == BL__G_RUNNABLE;
}

/* Who had looked at g->sp before it was marked may have set RUNNING, arrived, which takes
 * the mark away, and be waiting again.  The second barrier: who sees that status sees the
 * mark gone. */
bool
bl__hold(struct bl__g *g)
{
    if (!take_lock())
        return false;
    held.g = g;
    if (mark(g)) {
        barrier();
        if (is_resting(g)) {
            barrier();
            if (is_marked(g))
                return true;
        }
        unmark(g);
    }
    give_lock_back();
    return false;
}

void
bl__let_go(struct bl__g *g)
{
    unmark(g);
    give_lock_back();
}

void
bl__hold_in_child(void)
{
    if (held.g)
        unmark(held.g);
    give_lock_back();
}

void *
bl__await_let_go(struct bl__g *g)
{
    for (int i = 0;; i++) {
        /* acquire: pairs with the release in bl__let_go */
        void *sp = atomic_load_explicit(&g->sp, memory_order_acquire);

        if (((uintptr_t)sp & 1) == 0)
            return sp;
        relax(i);
    }
}
