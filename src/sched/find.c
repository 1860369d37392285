/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/find.c - work finds a thread, and a thread finds work.
 *
 * Who wakes whom (Go's rule): who queues work wakes an idle P unless a thread is
 * looking for work already (sched.spinning); the last one that stops looking looks
 * once more after it has said so.  Work that only fills run_next wakes nobody: its
 * giver is about to park.  If it does not, the monitor sees to it. */
#include "sched/proc.h"

#include "os/os.h"
#include "sched/poll.h"

enum {
    STEAL_ROUNDS = 4,
    LINGER_LOOKS = 20,
    LINGER_PAUSES = 24,     /* about a microsecond */
    LINGER_POLLS = 4,       /* every so many looks one at the poller */
    IO_GRACE_NS = 10000000, /* deterministic mode: for I/O before its clock jumps */
};

/* --- waking ----------------------------------------------------------------- */

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
void
bl__stop_spinning(struct bl__m *m)
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

bool
bl__poll_for(struct bl__m *m, int64_t until)
{
    struct bl__g *ready = bl__poll_look(until);

    bl__note_look(m);
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
    if (bl__poll_is_wanted() && bl__poll_for(m, bl__os_now() + IO_GRACE_NS))
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
        bl__own_p(m, bl__idle_p_get());
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
    if (tick % BL__FAIRNESS == 0) {
        if (bl__poll_is_wanted())
            bl__poll_for(m, 0);
        /* As many as run until the next look.  One, as in Go, is not enough: what the
         * monitor finds in the poller, a hundred at a time, would stand in the queue for
         * all for a hundred times 61 turns. */
        if ((g = get_global(p, BL__FAIRNESS)))
            return g;
    }
    if (BL__UNLIKELY(bl__options.torture & BL__TORTURE_STEAL) && (g = steal(m, true)))
        return g;
    if ((g = bl__runq_get(p)) || (g = get_global(p, BL__RUNQ / 2)))
        return g;
    if (bl__poll_is_wanted() && bl__poll_for(m, 0) &&
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
            (i % LINGER_POLLS == 0 && bl__poll_is_wanted() && bl__poll_for(m, 0)))
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
struct bl__g *
bl__find_work(struct bl__m *m)
{
    struct bl__g *g;

    for (;;) {
        if (!m->p) {
            if (m->spinning) {
                m->spinning = false;
                atomic_fetch_sub_explicit(&bl__sched.spinning, 1, memory_order_seq_cst);
            }
            bl__stop_m(m);
            continue;
        }
        if (BL__UNLIKELY(m->p->id >= atomic_load_explicit(&bl__sched.nprocs,
                                                          memory_order_relaxed))) {
            retire(m);
            continue;
        }
        if ((g = look_around(m))) {
            bl__stop_spinning(m);
            return g;
        }
        if ((bl__sched.seed && advance_clock(m)) || linger(m))
            continue;
        go_idle(m);
    }
}
