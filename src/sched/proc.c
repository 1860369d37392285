/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/proc.c - threads run goroutines.
 *
 * A goroutine that parks goes straight to the next one of its P's queue.  When
 * there is none, or anything else is to be done first (timers, the queue for all),
 * it goes to g0, the thread's own stack, where the loop of this file looks for
 * work (find.c), and sleeps (thread.c).  What has to happen once a goroutine is off
 * its stack (unlock a channel, queue it, free it) is left in m->release, and done by
 * whoever runs next on the thread. */
#include "sched/proc.h"

#include "os/os.h"
#include "sched/hold.h"
#include "sched/poll.h"
#include "sched/track.h"

#include <belay/go.h>
#include <errno.h>

struct bl__sched bl__sched;

enum {
    STEP_NS = 1000,         /* deterministic mode: its clock goes on with each switch */
};

/* m->attention stays set: every way in may yield. */
bool
bl__yields_often(void)
{
    return bl__sched.seed || (bl__options.torture & BL__TORTURE_YIELD);
}

/* --- switching ----------------------------------------------------------- */

/* Not inlined: errno's address is the thread's, compilers keep it across calls,
 * and the thread may be another one behind the switch. */
static BL__NOINLINE void
save_errno(struct bl__g *g)
{
    g->saved_errno = errno;
}

static BL__NOINLINE void
restore_errno(const struct bl__g *g)
{
    errno = g->saved_errno;
}

static inline void
run_release(struct bl__m *m)
{
    void (*release)(void *) = m->release;

    if (release) {
        m->release = NULL;
        release(m->release_arg);
    }
}

static inline void
switch_to(struct bl__m *m, struct bl__g *from, struct bl__g *to, bool dying)
{
    void *sp;

    m->g = to;
    to->m = m;
    atomic_store_explicit(&to->status, BL__G_RUNNING, memory_order_relaxed);
    sp = bl__rest_to_leave(to);
    bl__set_self(to);
    bl__track_switch(m, from, to, dying);
    bl__switch(&from->sp, sp);
    bl__rest_left(from);
    bl__track_arrived(from);
    run_release(from->m);
    bl__track_runs(from);
}

static void bl__g0_main(void *p) BL__NORETURN;

/* The main thread's g0 gets a stack when it is needed first. */
static BL__NOINLINE void
start_g0(struct bl__m *m)
{
    char *low = bl__os_reserve(BL__G0_STACK, 4096);

    if (!low)
        bl__fatal_at("out of memory for the scheduler", NULL, NULL);
    bl__os_guard(low, 4096);
    bl__track_stack(low + 4096, low + BL__G0_STACK);
    m->g0.stack_low = (uintptr_t)low + 4096;
    m->g0.stack_high = m->g0_high = (uintptr_t)low + BL__G0_STACK;
    m->g0.sp = bl__stack_begin(low + BL__G0_STACK, bl__g0_main, m);
    m->has_started = true;
}

/* What to run next without a look at anything else; NULL: g0 knows. */
static inline struct bl__g *
pick(struct bl__m *m, struct bl__g *from)
{
    struct bl__p *p = m->p;
    int64_t next = atomic_load_explicit(&p->timers.next, memory_order_relaxed);
    uint32_t tick = atomic_load_explicit(&p->tick, memory_order_relaxed);
    bool is_next;
    struct bl__g *g;

    if (BL__UNLIKELY(from->locked_m != NULL || m->ends || bl__sched.special ||
                     p->id >= atomic_load_explicit(&bl__sched.nprocs,
                                                   memory_order_relaxed)))
        return NULL;
    if (next != INT64_MAX && next <= bl__os_now())
        return NULL;
    if ((tick + 1) % BL__FAIRNESS == 0 &&
        (atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) > 0 ||
         bl__poll_is_wanted()))
        return NULL;
    is_next = atomic_load_explicit(&p->run_next, memory_order_relaxed) != NULL;
    g = bl__runq_get(p);
    if (BL__UNLIKELY(g && g->locked_m)) {
        bl__enqueue_global(g);
        return NULL;
    }
    if (g && !is_next) /* run_next inherits the time slice */
        atomic_store_explicit(&p->tick, tick + 1, memory_order_relaxed);
    return g;
}

void
bl__switch_away(struct bl__g *g, void (*release)(void *), void *arg)
{
    struct bl__m *m = g->m;
    struct bl__g *next;

    save_errno(g);
    m->release = release;
    m->release_arg = arg;
    next = pick(m, g);
    if (!next) {
        next = &m->g0;
        if (BL__UNLIKELY(!m->has_started))
            start_g0(m);
        if (BL__UNLIKELY(bl__options.locks))
            bl__held_check(g);
    }
    switch_to(m, g, next, false);
    restore_errno(g);
}

/* g ends: as bl__switch_away, for good. */
void
bl__switch_for_good(struct bl__g *g, void (*release)(void *), void *arg)
{
    struct bl__m *m = g->m;
    struct bl__g *next;

    m->release = release;
    m->release_arg = arg;
    next = pick(m, g);
    if (!next) {
        next = &m->g0;
        if (!m->has_started)
            start_g0(m);
    }
    bl__track_release(g); /* its stack is another one's then; pick() has read the clock */
    switch_to(m, g, next, true);
    __builtin_unreachable();
}

/* What a new goroutine does first. */
void
bl__arrive(struct bl__g *g)
{
    bl__rest_left(g);
    bl__track_arrived(g);
    run_release(g->m);
    bl__track_runs(g);
}

/* --- goroutines that are bound to a thread ------------------------------- */

/* m's own goroutine does not run: others may have the P meanwhile. */
static void
wait_locked(struct bl__m *m)
{
    struct bl__p *p = m->p;

    if (p) {
        m->p = NULL;
        atomic_fetch_add_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
        bl__start_m(p, true);
    }
    while (!m->next_g || !m->p)
        bl__wait_for_work(m);
    m->next_g = NULL;
}

/* g is to run, but on a thread of its own: that gets our P. */
static void
hand_over(struct bl__m *m, struct bl__g *g)
{
    struct bl__m *to = g->locked_m;

    bl__stop_spinning(m);
    to->next_g = g;
    to->next_p = m->p;
    bl__lock(&bl__sched.lock);
    atomic_store_explicit(&m->p->m, to, memory_order_relaxed);
    bl__unlock(&bl__sched.lock);
    m->p = NULL;
    bl__wake_m(to);
}

/* The goroutine that was bound to m's thread has ended: so does the thread (Go's
 * rule), but for main's, which can only sleep. */
static void
end_thread(struct bl__m *m)
{
    struct bl__p *p = m->p;

    bl__stop_spinning(m);
    m->p = NULL;
    if (p) {
        atomic_fetch_add_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
        bl__start_m(p, true);
    }
    while (m == &bl__first_m)
        bl__wait_for_work(m);
}

/* --- the loop ------------------------------------------------------------ */

/* Returns when the thread is to end. */
void
bl__run_goroutines(struct bl__m *m)
{
    struct bl__g *g;

    for (;;) {
        if (BL__UNLIKELY(m->ends)) {
            end_thread(m);
            return;
        }
        if (m->detached) {
            m->detached = false;
            atomic_fetch_sub_explicit(&bl__sched.detached, 1, memory_order_seq_cst);
        }
        if (m->locked_g) {
            wait_locked(m);
            g = m->locked_g;
        } else {
            g = bl__find_work(m);
            if (g->locked_m) {
                hand_over(m, g);
                continue;
            }
        }
        if (BL__UNLIKELY(bl__sched.seed)) {
            /* a goroutine that polls for a time must see it come */
            atomic_fetch_add_explicit(&bl__sched.fake_now, STEP_NS, memory_order_relaxed);
            bl__sched.trace_hash = (bl__sched.trace_hash ^ g->id) * 0x100000001b3;
        }
        switch_to(m, &m->g0, g, false);
    }
}

/* The first switch to a g0 that is not its thread's own stack. */
static BL__NORETURN void
bl__g0_main(void *p)
{
    struct bl__m *m = p;

    bl__track_arrived(&m->g0);
    run_release(m);
    bl__run_goroutines(m);
    __builtin_unreachable(); /* main's thread does not end */
}

static void
release_to_local(void *p)
{
    struct bl__g *g = p;

    bl__enqueue(g, false);
}

static void
release_to_global(void *p)
{
    bl__enqueue_global(p);
    bl__wake_p();
}

void
bl__yield(struct bl__g *g)
{
    struct bl__m *m = g->m;

    if (!bl__sched.seed && bl__runq_is_empty(m->p) &&
        m->p->id < atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed) &&
        atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&m->p->timers.next, memory_order_relaxed) == INT64_MAX)
        return;
    atomic_store_explicit(&g->status, BL__G_RUNNABLE, memory_order_relaxed);
    bl__switch_away(g, release_to_local, g);
}

void
bl__poll_yield(struct bl__g *g)
{
    if (g->m && bl__poll_is_wanted()) {
        bl__poll_for(g->m, 0);
        bl__yield(g);
    }
}

/* m->attention is set: its P has been taken, or its goroutine has run for long. */
BL__NOINLINE void
bl__enter_slow(struct bl__g *g)
{
    struct bl__m *m = g->m;
    bool lost;

    bl__lock(&bl__sched.lock);
    if (!bl__yields_often())
        atomic_store_explicit(&m->attention, 0, memory_order_relaxed);
    lost = m->p == NULL;
    if (lost)
        BL__OBSERVE(came_back, g);
    if (lost && bl__sched.idle_ps) {
        bl__own_p(m, bl__idle_p_get());
        m->detached = false;
        atomic_fetch_sub_explicit(&bl__sched.detached, 1, memory_order_seq_cst);
        bl__unlock(&bl__sched.lock);
        bl__monitor_notify();
        return;
    }
    bl__unlock(&bl__sched.lock);
    if (!lost) {
        if (!bl__yields_often() || bl__random(g, 3) == 0)
            bl__yield(g);
        return;
    }
    save_errno(g);
    if (BL__UNLIKELY(bl__options.locks))
        bl__held_check(g);
    atomic_store_explicit(&g->status, BL__G_RUNNABLE, memory_order_relaxed);
    m->release = release_to_global;
    m->release_arg = g;
    if (!m->has_started)
        start_g0(m);
    switch_to(m, g, &m->g0, false);
    restore_errno(g);
}

/* --- randomness ---------------------------------------------------------- */

static uint32_t
next_random(uint64_t *state)
{
    /* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift
     * generators, scrambled" */
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (uint32_t)(x * 0x2545f4914f6cdd1d >> 32);
}

uint32_t
bl__random(struct bl__g *g, uint32_t n)
{
    static _Atomic uint64_t shared = 1;
    struct bl__p *p = g && g->m ? g->m->p : NULL;
    uint64_t seed;

    if (bl__sched.seed)
        return (uint32_t)((uint64_t)next_random(&bl__sched.random) * n >> 32);
    if (p)
        return (uint32_t)((uint64_t)next_random(&p->random) * n >> 32);
    seed = atomic_fetch_add_explicit(&shared, 0x9e3779b97f4a7c15, memory_order_relaxed);
    next_random(&seed);
    return (uint32_t)((uint64_t)next_random(&seed) * n >> 32);
}
