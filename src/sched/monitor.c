/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/monitor.c - a thread of its own that keeps the Ps busy.
 *
 * It takes the P of a thread that sits in users' code for long while there is
 * other work: at once, nearly, if the thread sleeps in the kernel (it uses no CPU
 * time), after a time slice if it computes.  It wakes a thread for work that only
 * fills run_next, and for timers that nobody watches; it gives stacks back.  It
 * polls, every 20 us at first and every millisecond when nothing happens, and
 * sleeps for good while every P is idle. */
#include "sched/sched.h"

#include "os/os.h"
#include "sched/poll.h"

#include <unistd.h>

enum {
    POLL_MIN_NS = 20000,
    POLL_MAX_NS = 1000000,
    CALM_POLLS = 50,           /* without an event, before the interval grows */
    SLICE_NS = 10000000,       /* a computation's time until others get the P */
    BLOCKED_NS = 100000,       /* without CPU time: it sleeps in the kernel */
    LINGER_NS = 20000000,      /* all idle for so long: sleep for good */
    COARSE_NS = 100000000,     /* between two settings of sched.coarse_now */
};

/* Takes p from the thread that runs users' code with it.  Returns whether p has
 * come loose; otherwise the thread looks at m->attention when it comes inside. */
bool
bl__take_p(struct bl__p *p)
{
    struct bl__m *m;
    bool taken = false;

    bl__lock(&bl__sched.lock);
    m = atomic_load_explicit(&p->m, memory_order_relaxed);
    if (m) {
        atomic_store_explicit(&m->attention, 1, memory_order_relaxed);
        bl__os_barrier(); /* pairs with the signal fence in bl__enter */
        /* acquire: pairs with the release in bl__leave */
        taken = bl__sched.has_barrier && m->p == p &&
                atomic_load_explicit(&m->inside, memory_order_acquire) == 0;
    }
    if (taken) {
        m->p = NULL;
        m->detached = true;
        atomic_fetch_add_explicit(&bl__sched.detached, 1, memory_order_seq_cst);
        atomic_store_explicit(&p->m, NULL, memory_order_relaxed);
        BL__OBSERVE(detached, m->g);
    }
    bl__unlock(&bl__sched.lock);
    return taken;
}

/* Whether somebody waits for a P: p's own queue, the one for all, timers. */
static bool
is_needed(const struct bl__p *p, int64_t now)
{
    return !bl__runq_is_empty(p) ||
           atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) > 0 ||
           atomic_load_explicit(&p->timers.next, memory_order_relaxed) <= now ||
           (atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) == 0 &&
            bl__next_timer() <= now);
}

/* A computation is left alone for longer the more of them run without a P: each
 * costs a thread. */
static int64_t
slice(void)
{
    int detached = atomic_load_explicit(&bl__sched.detached, memory_order_relaxed);
    int n = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed);

    return SLICE_NS + SLICE_NS * (int64_t)detached / n;
}

/* Whether m has used no CPU time since the last look. */
static bool
is_blocked(struct bl__p *p, const struct bl__m *m)
{
    int64_t cpu = m->tid ? bl__os_thread_cpu(m->tid) : -1;
    bool same = cpu >= 0 && cpu == p->seen_cpu;

    p->seen_cpu = cpu;
    return same;
}

/* Returns whether anything was done. */
static bool
look_at(struct bl__p *p, int64_t now)
{
    struct bl__m *m = atomic_load_explicit(&p->m, memory_order_relaxed);
    uint32_t tick = atomic_load_explicit(&p->tick, memory_order_relaxed);
    int64_t ran;

    if (!m) {
        p->seen_at = now;
        return false;
    }
    if (tick != p->seen_tick) {
        p->seen_tick = tick;
        p->seen_at = now;
        p->seen_cpu = -1;
        return false;
    }
    ran = now - p->seen_at;
    if (ran < POLL_MIN_NS || !is_needed(p, now))
        return false;
    if (atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) > 0 &&
        !bl__runq_is_empty(p))
        bl__wake_p(); /* run_next, or a thief that came too early */
    if (ran < slice() &&
        (atomic_load_explicit(&m->inside, memory_order_relaxed) ||
         !is_blocked(p, m) || ran < BLOCKED_NS))
        return false;
    p->seen_at = now;
    if (!bl__take_p(p))
        return false;
    atomic_fetch_add_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
    bl__start_m(p, true);
    return true;
}

/* BELAYMAXPROCS has been lowered while p's goroutine was in users' code, where it may
 * stay for ever: what waits for p goes to the others. */
static bool
look_at_retired(struct bl__p *p, int64_t now)
{
    struct bl__m *m = atomic_load_explicit(&p->m, memory_order_relaxed);
    struct bl__g *g;

    if (!m || (bl__runq_is_empty(p) &&
               atomic_load_explicit(&p->timers.next, memory_order_relaxed) == INT64_MAX))
        return false;
    p->seen_at = now;
    if (!bl__take_p(p))
        return false;
    while ((g = bl__runq_get(p)))
        bl__enqueue_global(g);
    bl__lock(&bl__sched.lock);
    bl__idle_p_put(p); /* out; or idle, if the number has grown again */
    bl__unlock(&bl__sched.lock);
    bl__wake_p();
    return true;
}

/* Timers on idle Ps, and work for all that nobody has taken. */
static void
wake_for_the_rest(int64_t now)
{
    if (atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) > 0 &&
        (bl__next_timer() <= now ||
         atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) > 0))
        bl__wake_p();
}

/* Somebody waits for I/O, and for a while nobody has looked: all compute. */
static void
poll_for_the_rest(int64_t now)
{
    static uint32_t seen;
    static int64_t seen_at;
    uint32_t polled = atomic_load_explicit(&bl__sched.polled, memory_order_relaxed);
    struct bl__g *ready;

    if (polled != seen || !bl__poll_is_wanted() ||
        atomic_load_explicit(&bl__sched.poller, memory_order_relaxed)) {
        seen = polled;
        seen_at = now;
    }
    if (now - seen_at < POLL_MAX_NS)
        return;
    seen_at = now;
    ready = bl__poll_look(0);
    if (!ready)
        return;
    bl__ready_all(ready);
    if (atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) > 0)
        bl__start_poller(); /* who has time will know at once next time */
}

static void
trace(int64_t now)
{
    static int64_t last;
    char buf[2048];
    struct bl__text t = BL__TEXT_TO(2, buf);

    if (bl__options.schedtrace == 0 ||
        now - last < (int64_t)bl__options.schedtrace * 1000000)
        return;
    last = now;
    bl__put_schedtrace(&t);
    bl__text_flush(&t);
}

/* Who parks reads it: written seldom, it stays in their caches. */
static void
set_coarse_clock(int64_t now)
{
    int64_t last = atomic_load_explicit(&bl__sched.coarse_now, memory_order_relaxed);

    if (now - last >= COARSE_NS)
        atomic_store_explicit(&bl__sched.coarse_now, now, memory_order_relaxed);
}

/* Every P is idle: sleep until one is not. */
static void
sleep_for_good(void)
{
    int64_t until = INT64_MAX;

    if (bl__options.schedtrace)
        until = bl__os_now() + (int64_t)bl__options.schedtrace * 1000000;
    atomic_store_explicit(&bl__sched.coarse_now, 0, memory_order_relaxed);
    atomic_store(&bl__sched.monitor_wake, 0);
    atomic_store(&bl__sched.monitor_asleep, true);
    if (atomic_load(&bl__sched.idle) == atomic_load(&bl__sched.nprocs))
        bl__os_futex_wait(&bl__sched.monitor_wake, 0, until);
    atomic_store(&bl__sched.monitor_asleep, false);
}

void
bl__monitor_notify(void)
{
    if (BL__LIKELY(!atomic_load(&bl__sched.monitor_asleep)))
        return;
    atomic_store(&bl__sched.monitor_wake, 1);
    bl__os_futex_wake(&bl__sched.monitor_wake, 1);
}

void
bl__monitor(void *unused)
{
    int64_t interval = POLL_MIN_NS, now, busy_at = bl__os_now();
    int calm = 0;

    (void)unused;
    for (;;) {
        int n = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed);
        bool any = false, retiring = false;

        bl__os_nap(interval);
        now = bl__os_now();
        set_coarse_clock(now);
        for (int i = 0; i < n; i++)
            any |= look_at(bl__sched.ps[i], now);
        for (int i = n; i < BL__MAXPROCS && bl__sched.ps[i]; i++) {
            retiring |= atomic_load_explicit(&bl__sched.ps[i]->m,
                                             memory_order_relaxed) != NULL;
            any |= look_at_retired(bl__sched.ps[i], now);
        }
        wake_for_the_rest(now);
        poll_for_the_rest(now);
        trace(now);
        bl__stacks_scavenge();
        calm = any ? 0 : calm + 1;
        interval = any ? POLL_MIN_NS
                   : calm > CALM_POLLS && interval < POLL_MAX_NS ? 2 * interval
                                                                 : interval;
        if (retiring || atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) < n) {
            busy_at = now;
        } else if (now - busy_at > LINGER_NS) {
            sleep_for_good();
            busy_at = bl__os_now();
            interval = POLL_MIN_NS;
        }
    }
}
