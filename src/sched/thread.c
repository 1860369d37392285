/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/thread.c - Ms: made when there is work for one more, asleep while there is not,
 * woken again.
 *
 * One that sleeps does so on its own word, `wake`, or, one of all, in the poller.  Who
 * wakes it has put into next_p, next_g what it is to go on with. */
#include "sched/proc.h"

#include "os/os.h"
#include "sched/core.h"
#include "sched/poll.h"
#include "sched/track.h"

#include <belay/go.h>
#include <errno.h>
#include <string.h>

enum {
    LOOKS_ALONE = 16,       /* so many times only one thread has looked for I/O: the
                               others compute */
    DEAD_FIRST_NS = 10000000, /* all idle for so long: is it a deadlock? */
    DEAD_LAST_NS = 1000000000,
};

/* --- idle lists: sched.lock held ----------------------------------------- */

struct bl__p *
bl__idle_p_get(void)
{
    struct bl__p *p = bl__sched.idle_ps;

    if (!p)
        return NULL;
    bl__sched.idle_ps = p->next;
    p->state = BL__P_USED;
    atomic_fetch_sub_explicit(&bl__sched.idle, 1, memory_order_seq_cst);
    return p;
}

void
bl__idle_p_put(struct bl__p *p)
{
    atomic_store_explicit(&p->m, NULL, memory_order_relaxed);
    if (p->id >= atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed)) {
        bl__timers_move(&p->timers, &bl__sched.ps[0]->timers);
        p->state = BL__P_OUT;
        return;
    }
    p->state = BL__P_IDLE;
    p->next = bl__sched.idle_ps;
    bl__sched.idle_ps = p;
    atomic_fetch_add_explicit(&bl__sched.idle, 1, memory_order_seq_cst);
}

void
bl__own_p(struct bl__m *m, struct bl__p *p)
{
    m->p = p;
    atomic_store_explicit(&p->m, m, memory_order_relaxed);
}

static void
remove_idle(struct bl__m *m)
{
    struct bl__m **at = &bl__sched.idle_ms;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    m->is_idle = false;
    atomic_fetch_sub_explicit(&bl__sched.idle_threads, 1, memory_order_relaxed);
    if (bl__sched.keeper == m)
        bl__sched.keeper = NULL;
}

/* --- threads ------------------------------------------------------------- */

void
bl__wake_m(struct bl__m *m)
{
    /* with next_p, next_g; and either we see polls, or sleep_in_poller sees wake */
    atomic_store(&m->wake, 1);
    if (BL__UNLIKELY(atomic_load(&m->polls)))
        bl__poll_interrupt();
    else
        bl__os_futex_wake(&m->wake, 1);
}

/* The last one to fall asleep watches for a deadlock. */
static bool
is_watcher(void)
{
    return atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) ==
               atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed) &&
           atomic_load_explicit(&bl__sched.detached, memory_order_relaxed) == 0;
}

/* An idle M has slept until its time: timers may be due.  Returns whether it has
 * got a P. */
static bool
rise(struct bl__m *m, int64_t now)
{
    bool risen = false;

    bl__lock(&bl__sched.lock);
    if (m->is_idle && bl__next_timer() <= now && bl__sched.idle_ps) {
        remove_idle(m);
        bl__own_p(m, bl__idle_p_get());
        risen = true;
    } else if (bl__sched.keeper == m) {
        bl__sched.keeper = NULL;
    }
    if (m->is_idle && is_watcher())
        bl__check_deadlock();
    bl__unlock(&bl__sched.lock);
    if (risen)
        bl__monitor_notify();
    return risen;
}

/* Counts how often in a row nobody but m has looked at the poller. */
void
bl__note_look(struct bl__m *m)
{
    uint32_t alone = atomic_load_explicit(&bl__sched.looks_alone, memory_order_relaxed);

    if (atomic_load_explicit(&bl__sched.looked, memory_order_relaxed) != m) {
        atomic_store_explicit(&bl__sched.looked, m, memory_order_relaxed);
        atomic_store_explicit(&bl__sched.looks_alone, 0, memory_order_relaxed);
    } else if (alone < LOOKS_ALONE) {
        atomic_store_explicit(&bl__sched.looks_alone, alone + 1, memory_order_relaxed);
    }
}

static bool
looks_alone(const struct bl__m *m)
{
    return atomic_load_explicit(&bl__sched.looked, memory_order_relaxed) == m &&
           atomic_load_explicit(&bl__sched.looks_alone, memory_order_relaxed) >=
               LOOKS_ALONE;
}

/* Whether m, which goes to sleep, is to do so in the poller: the last one, or if those
 * that are awake don't look.  Lock held. */
static bool
is_to_poll(const struct bl__m *m)
{
    bool needed = atomic_load_explicit(&bl__sched.needs_poller, memory_order_relaxed);

    if (BL__LIKELY(!bl__poll_is_wanted() && !needed))
        return false;
    return m->is_idle && !atomic_load_explicit(&bl__sched.poller, memory_order_relaxed) &&
           (needed || looks_alone(m) ||
            atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) ==
                atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed));
}

static bool
has_goroutine(const struct bl__g *g)
{
    while (g && !g->m)
        g = g->next;
    return g != NULL;
}

/* Returns whether it has got a P, for those that it has woken. */
static bool
sleep_in_poller(struct bl__m *m, int64_t until)
{
    struct bl__g *ready = NULL;
    bool risen = false;

    bl__note_look(m);
    atomic_store(&m->polls, 1); /* pairs with bl__wake_m() */
    if (atomic_load(&m->wake) == 0)
        ready = bl__poll_look(until);
    atomic_store(&m->polls, 0);
    bl__lock(&bl__sched.lock);
    atomic_store_explicit(&bl__sched.poller, NULL, memory_order_relaxed);
    if (m->is_idle && has_goroutine(ready) && bl__sched.idle_ps) {
        atomic_store_explicit(&bl__sched.needs_poller, false, memory_order_relaxed);
        remove_idle(m);
        bl__own_p(m, bl__idle_p_get());
        risen = true;
    }
    bl__unlock(&bl__sched.lock);
    if (risen)
        bl__monitor_notify();
    if (ready)
        bl__ready_all(ready);
    return risen;
}

/* Sleeps until it is given a P or has taken one for a timer. */
void
bl__wait_for_work(struct bl__m *m)
{
    int64_t patience = DEAD_FIRST_NS, until, timer, now;
    bool polls;

    for (;;) {
        now = bl__os_now();
        until = is_watcher() ? now + patience : INT64_MAX;
        bl__lock(&bl__sched.lock);
        timer = bl__next_timer();
        if (m->is_idle && timer != INT64_MAX && bl__sched.idle_ps &&
            (!bl__sched.keeper || bl__sched.keeper == m ||
             timer < bl__sched.keeper_until)) {
            bl__sched.keeper = m;
            bl__sched.keeper_until = timer;
            until = timer;
        }
        polls = is_to_poll(m);
        if (BL__UNLIKELY(polls)) {
            atomic_store_explicit(&bl__sched.poller, m, memory_order_relaxed);
            if (bl__sched.keeper != m)
                until = INT64_MAX; /* no deadlock while somebody waits for I/O */
        }
        bl__unlock(&bl__sched.lock);
        if (BL__UNLIKELY(polls) && sleep_in_poller(m, until))
            return;
        /* acquire: pairs with the release in bl__wake_m() */
        while (!polls && atomic_load_explicit(&m->wake, memory_order_acquire) == 0) {
            if (BL__UNLIKELY(bl__options.torture & BL__TORTURE_SPURIOUS))
                bl__os_futex_wait(&m->wake, 0, bl__os_now() + 100000);
            else
                bl__os_futex_wait(&m->wake, 0, until);
            if (until != INT64_MAX && bl__os_now() >= until)
                break;
        }
        if (atomic_load_explicit(&m->wake, memory_order_acquire) == 0) {
            if (rise(m, bl__os_now()))
                return;
            if (patience < DEAD_LAST_NS)
                patience *= 2;
            continue;
        }
        atomic_store_explicit(&m->wake, 0, memory_order_relaxed);
        if (m->next_p) {
            bl__own_p(m, m->next_p);
            m->next_p = NULL;
        }
        return;
    }
}

/* m, which has no P, sleeps until it has one. */
void
bl__stop_m(struct bl__m *m)
{
    bl__lock(&bl__sched.lock);
    m->next = bl__sched.idle_ms;
    bl__sched.idle_ms = m;
    m->is_idle = true;
    atomic_fetch_add_explicit(&bl__sched.idle_threads, 1, memory_order_relaxed);
    if (bl__sched.seed)
        bl__check_deadlock();
    bl__unlock(&bl__sched.lock);
    bl__wait_for_work(m);
}

/* m's thread is about to end. */
static void
bury_m(struct bl__m *m)
{
    struct bl__m **at = &bl__sched.all_ms;

    bl__set_self(NULL);
    bl__lock(&bl__sched.lock);
    while (*at != m)
        at = &(*at)->all;
    *at = m->all;
    bl__sched.nms--;
    m->next = bl__sched.dead_ms;
    bl__sched.dead_ms = m;
    bl__unlock(&bl__sched.lock);
}

/* Memory for an M: a dead one's, or fresh. */
static struct bl__m *
new_m(void)
{
    struct bl__m *m;

    bl__lock(&bl__sched.lock);
    m = bl__sched.dead_ms;
    if (m)
        bl__sched.dead_ms = m->next;
    bl__unlock(&bl__sched.lock);
    if (!m)
        return bl__os_map(sizeof *m);
    memset(m, 0, sizeof *m);
    return m;
}

static void
worker(void *arg)
{
    struct bl__m *m = arg;

    bl__lock(&bl__sched.lock); /* who holds it can stop all threads that run any code */
    m->tid = bl__os_thread_id();
    bl__unlock(&bl__sched.lock);
    m->g0.sigstack = bl__os_sigstack_make();
    bl__os_stack(&m->g0.stack_low, &m->g0.stack_high);
    m->g0_high = (uintptr_t)__builtin_frame_address(0);
    bl__set_self(&m->g0);
    bl__track_thread(m);
    if (m->next_p)
        bl__own_p(m, m->next_p);
    m->next_p = NULL;
    bl__run_goroutines(m);
    bl__os_sigstack_free(m->g0.sigstack);
    bury_m(m);
}

void
bl__init_m(struct bl__m *m)
{
    bl__g_init(&m->g0);
    m->g0.m = m;
    m->g0.busy = true;
    m->g0.is_system = true;
    m->g = &m->g0;
    m->attention = bl__yields_often();
    atomic_store_explicit(&m->inside, 1, memory_order_relaxed);
}

static BL__NORETURN void
thread_exhaustion(void)
{
    char buf[128];
    struct bl__text t = BL__TEXT_TO(2, buf);

    bl__put(&t, "runtime: program exceeds ");
    bl__put_int(&t, bl__sched.max_threads);
    bl__put(&t, "-thread limit\n");
    bl__text_flush(&t);
    bl__fatal_at("thread exhaustion", NULL, NULL);
}

int
bl_set_max_threads(int n)
{
    struct bl__g *g = bl__enter();
    bool is_too_low;
    int old;

    bl__lock(&bl__sched.lock);
    old = bl__sched.max_threads;
    if (n > 0)
        bl__sched.max_threads = n;
    is_too_low = bl__sched.nms > bl__sched.max_threads;
    bl__unlock(&bl__sched.lock);
    if (is_too_low)
        thread_exhaustion();
    bl__leave(g);
    return old;
}

/* A new thread for p, which may be NULL.  When the system has none left p waits for one
 * of ours. */
static void
make_m(struct bl__p *p, bool spinning)
{
    struct bl__m *m = new_m();
    int error = m ? 0 : -ENOMEM;

    if (m) {
        bl__init_m(m);
        m->next_p = p;
        m->spinning = spinning;
        m->has_started = true;
        bl__lock(&bl__sched.lock);
        if (bl__sched.nms >= bl__sched.max_threads) {
            bl__unlock(&bl__sched.lock);
            thread_exhaustion();
        }
        bl__sched.nms++;
        m->all = bl__sched.all_ms;
        bl__sched.all_ms = m;
        if (p)
            atomic_store_explicit(&p->m, m, memory_order_relaxed);
        bl__unlock(&bl__sched.lock);
        error = bl__os_thread_start(worker, m, BL__G0_STACK, false);
    }
    if (error == 0)
        return;
    if (spinning)
        atomic_fetch_sub_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
    bl__lock(&bl__sched.lock);
    if (m) {
        struct bl__m **at = &bl__sched.all_ms;

        while (*at != m)
            at = &(*at)->all;
        *at = m->all;
        bl__sched.nms--;
        m->next = bl__sched.dead_ms;
        bl__sched.dead_ms = m;
    }
    if (p)
        bl__idle_p_put(p);
    bl__unlock(&bl__sched.lock);
}

/* The one that sleeps in the poller only if there is no other.  Lock held. */
static struct bl__m *
choose_idle(void)
{
    struct bl__m *m = bl__sched.idle_ms;

    if (m && m->next &&
        m == atomic_load_explicit(&bl__sched.poller, memory_order_relaxed))
        m = m->next;
    return m;
}

/* Who works needs not be disturbed for that: a P is taken only for what has come. */
void
bl__start_poller(void)
{
    struct bl__m *m = NULL;
    bool is_there;

    bl__lock(&bl__sched.lock);
    is_there = atomic_load_explicit(&bl__sched.poller, memory_order_relaxed) != NULL;
    if (!is_there) {
        atomic_store_explicit(&bl__sched.needs_poller, true, memory_order_relaxed);
        m = bl__sched.idle_ms;
    }
    if (m)
        remove_idle(m);
    bl__unlock(&bl__sched.lock);
    if (m)
        bl__wake_m(m);
    else if (!is_there)
        make_m(NULL, false);
}

void
bl__start_m(struct bl__p *p, bool spinning)
{
    struct bl__m *m;

    bl__lock(&bl__sched.lock);
    m = choose_idle();
    if (m) {
        remove_idle(m);
        m->next_p = p;
        m->spinning = spinning;
        atomic_store_explicit(&p->m, m, memory_order_relaxed);
    }
    bl__unlock(&bl__sched.lock);
    if (m)
        bl__wake_m(m);
    else
        make_m(p, spinning);
    bl__monitor_notify();
}
