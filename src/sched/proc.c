/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/proc.c - threads run goroutines.
 *
 * A goroutine that parks goes straight to the next one of its P's queue.  When
 * there is none, or anything else is to be done first (timers, the queue for all),
 * it goes to g0, the thread's own stack, where the loop of this file looks for
 * work, steals, and sleeps.  What has to happen once a goroutine is off its stack
 * (unlock a channel, queue it, free it) is left in m->release, and done by
 * whoever runs next on the thread.
 *
 * Who wakes whom (Go's rule): who queues work wakes an idle P unless a thread is
 * looking for work already (sched.spinning); the last one that stops looking looks
 * once more after it has said so.  Work that only fills run_next wakes nobody: its
 * giver is about to park.  If it does not, the monitor sees to it. */
#include "sched/sched.h"

#include "os/os.h"
#include "sched/core.h"
#include "sched/poll.h"
#include "sched/track.h"

#include <belay/go.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct bl__sched bl__sched;

enum {
    FAIRNESS = 61,          /* every so often the queue for all comes first */
    STEAL_ROUNDS = 4,
    STEP_NS = 1000,         /* deterministic mode: its clock goes on with each switch */
    LINGER_LOOKS = 20,
    LINGER_PAUSES = 24,     /* about a microsecond */
    LOOKS_ALONE = 16,       /* so many times only one thread has looked for I/O: the
                               others compute */
    LINGER_POLLS = 4,       /* every so many looks one at the poller */
    IO_GRACE_NS = 10000000, /* deterministic mode: for I/O before its clock jumps */
    G0_STACK = 256 * 1024,
    DEAD_FIRST_NS = 10000000, /* all idle for so long: is it a deadlock? */
    DEAD_LAST_NS = 1000000000,
};

static struct bl__m first_m; /* main's thread's */

/* m->attention stays set: every way in may yield. */
static bool
yields_often(void)
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
    m->g = to;
    to->m = m;
    atomic_store_explicit(&to->status, BL__G_RUNNING, memory_order_relaxed);
    bl__set_self(to);
    bl__track_switch(m, from, to, dying);
    bl__switch(&from->sp, to->sp);
    bl__track_arrived(from);
    run_release(from->m);
    bl__track_runs(from);
}

static void bl__g0_main(void *p) BL__NORETURN;
static void run_goroutines(struct bl__m *m);

/* The main thread's g0 gets a stack when it is needed first. */
static BL__NOINLINE void
start_g0(struct bl__m *m)
{
    char *low = bl__os_reserve(G0_STACK, 4096);

    if (!low)
        bl__fatal_at("out of memory for the scheduler", NULL, NULL);
    bl__os_guard(low, 4096);
    bl__track_stack(low + 4096, low + G0_STACK);
    m->g0.stack_low = (uintptr_t)low + 4096;
    m->g0.stack_high = m->g0_high = (uintptr_t)low + G0_STACK;
    m->g0.sp = bl__stack_begin(low + G0_STACK, bl__g0_main, m);
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
    if ((tick + 1) % FAIRNESS == 0 &&
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
    bl__track_arrived(g);
    run_release(g->m);
    bl__track_runs(g);
}

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

static void
own(struct bl__m *m, struct bl__p *p)
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

static void
wake(struct bl__m *m)
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
        own(m, bl__idle_p_get());
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
static void
note_look(struct bl__m *m)
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

    note_look(m);
    atomic_store(&m->polls, 1); /* pairs with wake() */
    if (atomic_load(&m->wake) == 0)
        ready = bl__poll_look(until);
    atomic_store(&m->polls, 0);
    bl__lock(&bl__sched.lock);
    atomic_store_explicit(&bl__sched.poller, NULL, memory_order_relaxed);
    if (m->is_idle && has_goroutine(ready) && bl__sched.idle_ps) {
        atomic_store_explicit(&bl__sched.needs_poller, false, memory_order_relaxed);
        remove_idle(m);
        own(m, bl__idle_p_get());
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
static void
wait_for_work(struct bl__m *m)
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
        /* acquire: pairs with the release in wake() */
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
            own(m, m->next_p);
            m->next_p = NULL;
        }
        return;
    }
}

/* m, which has no P, sleeps until it has one. */
static void
stop_m(struct bl__m *m)
{
    bl__lock(&bl__sched.lock);
    m->next = bl__sched.idle_ms;
    bl__sched.idle_ms = m;
    m->is_idle = true;
    atomic_fetch_add_explicit(&bl__sched.idle_threads, 1, memory_order_relaxed);
    if (bl__sched.seed)
        bl__check_deadlock();
    bl__unlock(&bl__sched.lock);
    wait_for_work(m);
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
    if (m->next_p)
        own(m, m->next_p);
    m->next_p = NULL;
    run_goroutines(m);
    bl__os_sigstack_free(m->g0.sigstack);
    bury_m(m);
}

static void
init_m(struct bl__m *m)
{
    bl__g_init(&m->g0);
    m->g0.m = m;
    m->g0.busy = true;
    m->g0.is_system = true;
    m->g = &m->g0;
    m->attention = yields_often();
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
        init_m(m);
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
        error = bl__os_thread_start(worker, m, G0_STACK, false);
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
        wake(m);
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
        wake(m);
    else
        make_m(p, spinning);
    bl__monitor_notify();
}

/* Whether a P is idle.  If not, who makes one idle next will look for work again. */
static bool
one_is_idle(void)
{
    if (atomic_load(&bl__sched.idle) > 0)
        return true;
    if (!atomic_load(&bl__sched.wanted))
        atomic_store(&bl__sched.wanted, true);
    return atomic_load(&bl__sched.idle) > 0; /* pairs with go_idle */
}

/* While we count as looking for work others rely on that: so if no P is left after all
 * we have to look for one again behind it. */
void
bl__wake_p(void)
{
    while (one_is_idle()) {
        struct bl__p *p;
        int none = 0;

        if (atomic_load(&bl__sched.spinning) != 0 ||
            !atomic_compare_exchange_strong(&bl__sched.spinning, &none, 1))
            return;
        bl__lock(&bl__sched.lock);
        p = bl__idle_p_get();
        bl__unlock(&bl__sched.lock);
        if (p) {
            bl__start_m(p, true);
            return;
        }
        atomic_fetch_sub(&bl__sched.spinning, 1);
    }
}

/* Deterministic mode draws from the queue for all; torture=4 makes others take what
 * is readied here. */
static bool
moves(void)
{
    return bl__sched.seed || (bl__options.torture & BL__TORTURE_MOVE);
}

/* The caller's, if it is inside. */
static struct bl__p *
current_p(void)
{
    struct bl__g *self = bl__self_or_null();
    struct bl__m *m = self ? self->m : NULL;

    return m && atomic_load_explicit(&m->inside, memory_order_relaxed) ? m->p : NULL;
}

/* p's queue has more than before.  What only fills run_next is not worth a thread. */
static void
tell_idle(const struct bl__p *p, bool next)
{
    if (atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed) == 1)
        return;
    /* pairs with work_is_left(): either it sees the new one, or we that
     * nobody looks any more */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&bl__sched.idle, memory_order_relaxed) > 0 &&
        (!next || atomic_load_explicit(&p->head, memory_order_relaxed) !=
                      atomic_load_explicit(&p->tail, memory_order_relaxed)))
        bl__wake_p();
}

void
bl__enqueue(struct bl__g *g, bool next)
{
    struct bl__p *p = current_p();

    if (BL__UNLIKELY(!p || (bl__sched.special && moves()))) {
        bl__enqueue_global(g);
        bl__wake_p();
        return;
    }
    bl__runq_put(p, g, next);
    tell_idle(p, next);
}

void
bl__enqueue_all(struct bl__g *first)
{
    struct bl__p *p = current_p();

    if (BL__LIKELY(p && !(bl__sched.special && moves()))) {
        bl__runq_put_all(p, first);
        tell_idle(p, true);
        return;
    }
    while (first) {
        struct bl__g *next = first->next;

        bl__enqueue(first, false);
        first = next;
    }
}

/* --- looking for work ---------------------------------------------------- */

static void
start_spinning(struct bl__m *m)
{
    if (!m->spinning) {
        m->spinning = true;
        atomic_fetch_add_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
    }
}

/* m has found work: perhaps there is more, for others. */
static void
stop_spinning(struct bl__m *m)
{
    if (m->spinning) {
        m->spinning = false;
        atomic_fetch_sub_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
        bl__wake_p();
    }
}

/* run_next of a P whose goroutine is inside Belay will run there in a moment. */
static bool
may_take_next(struct bl__p *victim)
{
    struct bl__m *m = atomic_load_explicit(&victim->m, memory_order_relaxed);

    if (m && atomic_load_explicit(&m->inside, memory_order_relaxed))
        return false;
    for (int i = 0; m && i < 64; i++)
        bl__cpu_relax();
    return true;
}

static struct bl__g *
steal(struct bl__m *m, bool last)
{
    int n = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed);
    uint32_t start = bl__random(&m->g0, (uint32_t)n);
    struct bl__g *g;

    for (int i = 0; i < n; i++) {
        struct bl__p *victim = bl__sched.ps[(start + (uint32_t)i) % (uint32_t)n];

        if (victim == m->p)
            continue;
        if (last && atomic_load_explicit(&victim->timers.next, memory_order_relaxed) !=
                        INT64_MAX &&
            bl__timers_run(&victim->timers, bl__os_now()) &&
            (g = bl__runq_get(m->p)))
            return g;
        g = bl__runq_steal(m->p, victim, last && may_take_next(victim));
        if (g)
            return g;
    }
    return NULL;
}

static struct bl__g *
steal_rounds(struct bl__m *m)
{
    int n = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed);
    int busy = n - atomic_load_explicit(&bl__sched.idle, memory_order_relaxed);
    struct bl__g *g;

    if (n == 1 || bl__sched.seed)
        return NULL;
    if (!m->spinning &&
        2 * atomic_load_explicit(&bl__sched.spinning, memory_order_relaxed) >= busy)
        return NULL;
    start_spinning(m);
    for (int i = 0; i < STEAL_ROUNDS; i++)
        if ((g = steal(m, i == STEAL_ROUNDS - 1)))
            return g;
    return NULL;
}

static struct bl__g *
get_global(struct bl__p *p, uint32_t most)
{
    struct bl__g *g;

    if (atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) == 0)
        return NULL;
    bl__lock(&bl__sched.lock);
    g = bl__global_get(p, most);
    bl__unlock(&bl__sched.lock);
    return g;
}

/* BELAYMAXPROCS has been lowered: this P is one too many. */
static void
retire(struct bl__m *m)
{
    struct bl__p *p = m->p;
    struct bl__g *g;

    while ((g = bl__runq_get(p)))
        bl__enqueue_global(g);
    bl__lock(&bl__sched.lock);
    if (p->id >= atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed)) {
        bl__idle_p_put(p); /* which puts it out */
        m->p = NULL;
    }
    bl__unlock(&bl__sched.lock);
    if (m->spinning) { /* else nobody would be woken */
        m->spinning = false;
        atomic_fetch_sub(&bl__sched.spinning, 1);
    }
    bl__wake_p();
}

/* Wakes whom the poller has something for; returns whether there was anybody. */
static bool
poll(struct bl__m *m, int64_t until)
{
    struct bl__g *ready = bl__poll_look(until);

    note_look(m);
    if (atomic_load_explicit(&bl__sched.needs_poller, memory_order_relaxed))
        atomic_store_explicit(&bl__sched.needs_poller, false, memory_order_relaxed);
    if (ready)
        bl__ready_all(ready);
    return ready != NULL;
}

/* Deterministic mode: nothing can run, so the clock goes on.  What waits for I/O gets
 * some real time first. */
static bool
advance_clock(struct bl__m *m)
{
    struct bl__p *p = m->p;
    int64_t next = atomic_load_explicit(&p->timers.next, memory_order_relaxed);

    if (next == INT64_MAX)
        return false;
    if (bl__poll_is_wanted() && poll(m, bl__os_now() + IO_GRACE_NS))
        return true;
    if (next > atomic_load_explicit(&bl__sched.fake_now, memory_order_relaxed))
        atomic_store_explicit(&bl__sched.fake_now, next, memory_order_relaxed);
    return bl__timers_run(&p->timers, next);
}

/* Whether anything waits in a queue.  What is on its way from the queue for all to a
 * P's is in neither, so whoever moves it is waited for. */
static bool
work_is_left(void)
{
    int n = atomic_load(&bl__sched.nprocs);
    bool any;

    bl__lock(&bl__sched.lock);
    any = atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) > 0;
    bl__unlock(&bl__sched.lock);
    for (int i = 0; i < n && !any; i++)
        any = atomic_load(&bl__sched.ps[i]->head) != atomic_load(&bl__sched.ps[i]->tail);
    return any;
}

/* m, which has none, takes an idle P if there is one. */
static void
take_again(struct bl__m *m)
{
    bl__lock(&bl__sched.lock);
    if (bl__sched.idle_ps)
        own(m, bl__idle_p_get());
    bl__unlock(&bl__sched.lock);
    if (!m->p)
        return;
    start_spinning(m);
    bl__monitor_notify();
}

/* Gives the P up, unless there is work after all. */
static void
go_idle(struct bl__m *m)
{
    bl__lock(&bl__sched.lock);
    if (atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) > 0) {
        bl__unlock(&bl__sched.lock);
        return;
    }
    bl__idle_p_put(m->p);
    m->p = NULL;
    bl__unlock(&bl__sched.lock);
    if (!m->spinning) {
        /* others look for work, but who woke in between may have found no idle P */
        if (atomic_load(&bl__sched.wanted) && atomic_exchange(&bl__sched.wanted, false))
            take_again(m);
        return;
    }
    m->spinning = false;
    /* pairs with the fence in tell_idle */
    atomic_fetch_sub(&bl__sched.spinning, 1);
    if (work_is_left())
        take_again(m);
}

/* Something to run for m's P, or NULL. */
static struct bl__g *
look_around(struct bl__m *m)
{
    struct bl__p *p = m->p;
    uint32_t tick = atomic_load_explicit(&p->tick, memory_order_relaxed) + 1;
    int64_t next = atomic_load_explicit(&p->timers.next, memory_order_relaxed);
    struct bl__g *g;

    atomic_store_explicit(&p->tick, tick, memory_order_relaxed);
    if (next != INT64_MAX)
        bl__timers_run(&p->timers, bl__now(NULL));
    if (tick % FAIRNESS == 0) {
        if (bl__poll_is_wanted())
            poll(m, 0);
        if ((g = get_global(p, 1)))
            return g;
    }
    if (BL__UNLIKELY(bl__options.torture & BL__TORTURE_STEAL) && (g = steal(m, true)))
        return g;
    if ((g = bl__runq_get(p)) || (g = get_global(p, BL__RUNQ / 2)))
        return g;
    if (bl__poll_is_wanted() && poll(m, 0) &&
        ((g = bl__runq_get(p)) || (g = get_global(p, BL__RUNQ / 2))))
        return g;
    return steal_rounds(m);
}

/* Falling asleep and being woken costs both sides microseconds, so a thread that
 * looks for work goes on looking for about as long.  A look every microsecond, and
 * not all the time: it then finds several to steal.  Returns whether there is
 * something. */
static bool
linger(struct bl__m *m)
{
    int n = atomic_load_explicit(&bl__sched.nprocs, memory_order_relaxed);

    if (!m->spinning || bl__sched.special)
        return false;
    for (int i = 0; i < LINGER_LOOKS; i++) {
        for (int j = 0; j < LINGER_PAUSES; j++)
            bl__cpu_relax();
        if (atomic_load_explicit(&bl__sched.queued, memory_order_relaxed) > 0 ||
            (i % LINGER_POLLS == 0 && bl__poll_is_wanted() && poll(m, 0)))
            return true;
        for (int k = 0; k < n; k++) {
            const struct bl__p *p = bl__sched.ps[k];

            if (atomic_load_explicit(&p->head, memory_order_relaxed) !=
                atomic_load_explicit(&p->tail, memory_order_relaxed))
                return true;
        }
    }
    return false;
}

/* Blocks until there is something to run, and a P to run it with. */
static struct bl__g *
find_work(struct bl__m *m)
{
    struct bl__g *g;

    for (;;) {
        if (!m->p) {
            if (m->spinning) {
                m->spinning = false;
                atomic_fetch_sub_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
            }
            stop_m(m);
            continue;
        }
        if (BL__UNLIKELY(m->p->id >= atomic_load_explicit(&bl__sched.nprocs,
                                                          memory_order_relaxed))) {
            retire(m);
            continue;
        }
        if ((g = look_around(m))) {
            stop_spinning(m);
            return g;
        }
        if ((bl__sched.seed && advance_clock(m)) || linger(m))
            continue;
        go_idle(m);
    }
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
        wait_for_work(m);
    m->next_g = NULL;
}

/* g is to run, but on a thread of its own: that gets our P. */
static void
hand_over(struct bl__m *m, struct bl__g *g)
{
    struct bl__m *to = g->locked_m;

    stop_spinning(m);
    to->next_g = g;
    to->next_p = m->p;
    bl__lock(&bl__sched.lock);
    atomic_store_explicit(&m->p->m, to, memory_order_relaxed);
    bl__unlock(&bl__sched.lock);
    m->p = NULL;
    wake(to);
}

/* The goroutine that was bound to m's thread has ended: so does the thread (Go's
 * rule), but for main's, which can only sleep. */
static void
end_thread(struct bl__m *m)
{
    struct bl__p *p = m->p;

    stop_spinning(m);
    m->p = NULL;
    if (p) {
        atomic_fetch_add_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
        bl__start_m(p, true);
    }
    while (m == &first_m)
        wait_for_work(m);
}

/* --- the loop ------------------------------------------------------------ */

/* Returns when the thread is to end. */
static void
run_goroutines(struct bl__m *m)
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
            g = find_work(m);
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
    run_goroutines(m);
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

/* m->attention is set: its P has been taken, or its goroutine has run for long. */
BL__NOINLINE void
bl__enter_slow(struct bl__g *g)
{
    struct bl__m *m = g->m;
    bool lost;

    bl__lock(&bl__sched.lock);
    if (!yields_often())
        atomic_store_explicit(&m->attention, 0, memory_order_relaxed);
    lost = m->p == NULL;
    if (lost && bl__sched.idle_ps) {
        own(m, bl__idle_p_get());
        m->detached = false;
        atomic_fetch_sub_explicit(&bl__sched.detached, 1, memory_order_seq_cst);
        bl__unlock(&bl__sched.lock);
        bl__monitor_notify();
        return;
    }
    bl__unlock(&bl__sched.lock);
    if (!lost) {
        if (!yields_often() || bl__random(g, 3) == 0)
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

/* --- the beginning ------------------------------------------------------- */


static bool
is_inside(const struct bl__g *g)
{
    return g->m && atomic_load_explicit(&g->m->inside, memory_order_relaxed);
}

static struct bl__p *
make_p(int id)
{
    struct bl__p *p = bl__os_map(sizeof *p);

    if (!p)
        return NULL;
    bl__track_root(p, sizeof *p);
    p->id = id;
    p->timers.next = INT64_MAX;
    p->random = ((uint64_t)bl__os_now() + (uint64_t)id) * 0x9e3779b97f4a7c15 | 1;
    return p;
}

/* Busy Ps that are too many retire when their M looks for work. */
static void
put_out_idle(void)
{
    struct bl__p *p = bl__sched.idle_ps, *next;

    bl__sched.idle_ps = NULL;
    atomic_store(&bl__sched.idle, 0);
    for (; p; p = next) {
        next = p->next;
        bl__idle_p_put(p);
    }
}

int
bl__set_nprocs(int n)
{
    int old;

    bl__lock(&bl__sched.lock);
    old = atomic_load(&bl__sched.nprocs);
    for (int i = old; i < n; i++)
        if (!bl__sched.ps[i] && !(bl__sched.ps[i] = make_p(i)))
            n = i; /* no memory: as many as there are */
    atomic_store(&bl__sched.nprocs, n);
    for (int i = n; i-- > old;)
        if (bl__sched.ps[i]->state == BL__P_OUT)
            bl__idle_p_put(bl__sched.ps[i]);
    if (n < old)
        put_out_idle();
    bl__unlock(&bl__sched.lock);
    return old;
}

static int
wanted_procs(void)
{
    const char *s = getenv("BELAYMAXPROCS");
    char *end;
    long n;

    if (!s || !*s)
        return bl__os_cpus();
    n = strtol(s, &end, 10);
    if (*end || n < 1 || n > BL__MAXPROCS) {
        char buf[256];
        struct bl__text t = BL__TEXT_TO(2, buf);

        bl__put(&t, "belay: BELAYMAXPROCS: bad value '");
        bl__put(&t, s);
        bl__put(&t, "': give a number from 1 to 1024\n");
        bl__text_flush(&t);
        _Exit(2);
    }
    return (int)n;
}

/* --- fork ---------------------------------------------------------------- */

static void
before_fork(void)
{
    bl__lock(&bl__sched.lock);
}

static void
after_fork(void)
{
    bl__unlock(&bl__sched.lock);
}

/* The child has the forking thread only: the goroutine that runs there goes on, and
 * those that are queued or parked; those that ran on other threads are gone. */
static void
in_child(void)
{
    struct bl__g *self = bl__self_or_null();
    struct bl__m *m = self ? self->m : NULL;
    int n = atomic_load(&bl__sched.nprocs);

    bl__sched.idle_ms = bl__sched.keeper = NULL;
    atomic_store(&bl__sched.poller, NULL);
    atomic_store(&bl__sched.needs_poller, false);
    bl__poll_in_child();
    bl__symbols_in_child();
    bl__sched.all_ms = m;
    bl__sched.nms = m != NULL;
    bl__sched.monitor_started = false;
    bl__sched.idle_ps = NULL;
    atomic_store(&bl__sched.idle, 0);
    atomic_store(&bl__sched.idle_threads, 0);
    atomic_store(&bl__sched.spinning, 0);
    atomic_store(&bl__sched.detached, m && !m->p);
    atomic_store(&bl__sched.monitor_asleep, false);
    atomic_store(&bl__sched.coarse_now, 0);
    atomic_store(&bl__sched.parked_threads, 0);
    if (m) {
        m->all = NULL;
        m->tid = bl__os_thread_id();
    }
    for (int i = n; i-- > 0;)
        if (bl__sched.ps[i]->state != BL__P_OUT && (!m || m->p != bl__sched.ps[i]))
            bl__idle_p_put(bl__sched.ps[i]);
    bl__unlock(&bl__sched.lock);
}

/* main's thread becomes the first M and main goroutine 1; other threads come when
 * there is work for them.  After panic/g.c's start. */
__attribute__((constructor(102))) static void
start(void)
{
    struct bl__m *m = &first_m;
    struct bl__g *g;
    int n = wanted_procs();

    bl__sched.max_threads = BL__MAXTHREADS;
    bl__sched.began = bl__os_now();
    bl__sched.seed = (uint64_t)bl__options.schedseed;
    bl__sched.special = bl__sched.seed || bl__options.torture;
    bl__held_init();
    bl__core_init();
    bl__sched.random = (bl__sched.seed * 0x9e3779b97f4a7c15) | 1;
    bl__sched.has_barrier = bl__os_barrier_init();
    bl__sched.fake_now = 1000000000;
    pthread_atfork(before_fork, after_fork, in_child);
    bl__track_init();
    bl__dump_init();
    bl__hooks.is_inside = is_inside;
    if (bl__sched.seed)
        n = 1;
    bl__set_nprocs(n);
    init_m(m);
    m->tid = bl__os_thread_id();
    bl__sched.all_ms = m;
    bl__sched.nms = 1;
    bl__sched.base_threads = bl__os_thread_count();
    if (!bl__os_is_main_thread())
        return; /* loaded by another thread: main stays a plain one */
    g = bl__self();
    g->m = m;
    m->g = g;
    atomic_store(&g->status, BL__G_RUNNING);
    atomic_store(&m->inside, 0);
    bl__lock(&bl__sched.lock);
    own(m, bl__idle_p_get());
    bl__unlock(&bl__sched.lock);
    atomic_store(&bl__sched.goroutines, 1);
}
