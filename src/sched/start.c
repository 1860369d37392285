/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/start.c - the scheduler's beginning, in a process and in the child of a fork; and
 * how many Ps there are. */
#include "sched/proc.h"

#include "os/os.h"
#include "sched/core.h"
#include "sched/hold.h"
#include "sched/poll.h"
#include "sched/track.h"

#include <pthread.h>
#include <stdlib.h>

struct bl__m bl__first_m;

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
    bl__hold_in_child();
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
    struct bl__m *m = &bl__first_m;
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
    bl__init_m(m);
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
    bl__own_p(m, bl__idle_p_get());
    bl__unlock(&bl__sched.lock);
    atomic_store(&bl__sched.goroutines, 1);
}
