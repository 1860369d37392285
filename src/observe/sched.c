/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/sched.c - what the scheduler and the clean-up do in a while: how often, and how
 * long what could run has waited for a processor, has run, has sat in C code that blocks.
 *
 * The hooks are there while somebody wants to know.  Everything is counted from the first
 * one on, and who asks is told the difference.
 *
 * g->event_at is when g became runnable, began to run, or was detached: only who makes it
 * so writes it, and the queue that g goes through orders that. */
#include "observe/observe.h"

#include <inttypes.h>
#include <pthread.h>

enum count {
    SPAWNED, ENDED, EXITED, READIED, RUN, DETACHED, FIRED, DEFERRED, CALLED, CALLED_BY_ENGINE,
    NCOUNTS
};
enum span { WAITED, RAN, BLOCKED, NSPANS };

/* Buckets: four to each power of two, so what is said of times is right to 19 %. */
enum { STEPS = 4, BUCKETS = STEPS * 62 };

struct tally {
    uint64_t counts[NCOUNTS];
    uint64_t spans[NSPANS][BUCKETS];
};

static _Atomic uint64_t counts[NCOUNTS];
static _Atomic uint64_t spans[NSPANS][BUCKETS];
static _Atomic int64_t began;     /* events before are not known */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int askers;                /* protected by mutex */

/* --- hooks: on any thread, with the scheduler's locks ------------------------------- */

static void
count(enum count what)
{
    atomic_fetch_add_explicit(&counts[what], 1, memory_order_relaxed);
}

/* 0 to 7 have one each; 8, 10, 12, 14, 16, 20, ... begin one. */
static unsigned
bucket_of(int64_t ns)
{
    unsigned log;

    if (ns < 2 * STEPS)
        return ns < 0 ? 0 : (unsigned)ns;
    log = 63 - (unsigned)__builtin_clzll((uint64_t)ns);
    return STEPS * (log - 1) + (unsigned)(ns >> (log - 2) & (STEPS - 1));
}

/* Where the bucket ends. */
static int64_t
bucket_end(unsigned bucket)
{
    unsigned log = bucket / STEPS + 1;

    return bucket < 2 * STEPS ? bucket + 1
                              : (int64_t)(STEPS + bucket % STEPS + 1) << (log - 2);
}

/* The time since g's last event, which is now. */
static void
measure(struct bl__g *g, enum span span, int64_t now)
{
    if (g->event_at >= atomic_load_explicit(&began, memory_order_relaxed))
        atomic_fetch_add_explicit(&spans[span][bucket_of(now - g->event_at)], 1,
                                  memory_order_relaxed);
    g->event_at = now;
}

static void
spawned(struct bl__g *g)
{
    count(SPAWNED);
    g->event_at = bl__core->now();
}

static void
readied(struct bl__g *g)
{
    count(READIED);
    g->event_at = bl__core->now();
}

static void
switched(struct bl__g *from, struct bl__g *to)
{
    int64_t now = bl__core->now();

    if (!from->is_system)
        measure(from, RAN, now);
    if (to->is_system)
        return;
    count(RUN);
    measure(to, WAITED, now);
}

static void
ended(struct bl__g *g)
{
    (void)g;
    count(ENDED);
}

static void
detached(struct bl__g *g)
{
    count(DETACHED);
    measure(g, RAN, bl__core->now());
}

static void
came_back(struct bl__g *g)
{
    measure(g, BLOCKED, bl__core->now());
}

static void
fired(struct bl__timer *t)
{
    (void)t;
    count(FIRED);
}

static void
deferred(struct bl__g *g, const struct bl__site *site)
{
    (void)g, (void)site;
    count(DEFERRED);
}

static void
called(struct bl__g *g, const struct bl__site *site, bool is_engine)
{
    (void)g, (void)site;
    count(is_engine ? CALLED_BY_ENGINE : CALLED);
}

static void
exits(struct bl__g *g)
{
    (void)g;
    count(EXITED);
}

/* --- on and off ---------------------------------------------------------------------- */

static void
set_hooks(bool on)
{
    struct bl__observed *o = bl__core->observed;

    atomic_store(&o->spawned, on ? spawned : NULL);
    atomic_store(&o->readied, on ? readied : NULL);
    atomic_store(&o->switched, on ? switched : NULL);
    atomic_store(&o->ended, on ? ended : NULL);
    atomic_store(&o->detached, on ? detached : NULL);
    atomic_store(&o->came_back, on ? came_back : NULL);
    atomic_store(&o->fired, on ? fired : NULL);
    atomic_store(&o->deferred, on ? deferred : NULL);
    atomic_store(&o->called, on ? called : NULL);
    atomic_store(&o->exits, on ? exits : NULL);
    bl__core->follow(on);
}

static void
ask(int more)
{
    pthread_mutex_lock(&mutex);
    if (askers == 0)
        atomic_store(&began, bl__core->now());
    askers += more;
    set_hooks(askers > 0);
    pthread_mutex_unlock(&mutex);
}

/* Those who had asked are not there. */
void
bl__sched_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
    askers = 0;
    set_hooks(false);
}

static void
read_tally(struct tally *t)
{
    for (int i = 0; i < NCOUNTS; i++)
        t->counts[i] = atomic_load_explicit(&counts[i], memory_order_relaxed);
    for (int s = 0; s < NSPANS; s++)
        for (int i = 0; i < BUCKETS; i++)
            t->spans[s][i] = atomic_load_explicit(&spans[s][i], memory_order_relaxed);
}

static void
subtract(struct tally *t, const struct tally *before)
{
    for (int i = 0; i < NCOUNTS; i++)
        t->counts[i] -= before->counts[i];
    for (int s = 0; s < NSPANS; s++)
        for (int i = 0; i < BUCKETS; i++)
            t->spans[s][i] -= before->spans[s][i];
}

/* --- as text ------------------------------------------------------------------------- */

static void
put_count(struct bl__buf *out, const char *what, uint64_t n, double seconds)
{
    bl__buf_print(out, "%-34s %12" PRIu64 " %12.1f/s\n", what, n, (double)n / seconds);
}

/* The time below which so many of a thousand are. */
static int64_t
quantile(const uint64_t buckets[BUCKETS], uint64_t total, unsigned thousandths)
{
    uint64_t below = 0, wanted = (total * thousandths + 999) / 1000;

    for (unsigned i = 0; i < BUCKETS; i++)
        if ((below += buckets[i]) >= wanted)
            return bucket_end(i);
    return 0;
}

static void
put_time(struct bl__buf *out, int64_t ns)
{
    const char *unit = ns < 10000 ? "ns" : ns < 10000000 ? "µs" : "ms";
    int64_t n = ns < 10000 ? ns : ns < 10000000 ? ns / 1000 : ns / 1000000;

    bl__buf_print(out, " %7" PRId64 " %s", n, unit);
}

static void
put_span(struct bl__buf *out, const char *what, const uint64_t buckets[BUCKETS])
{
    static const unsigned thousandths[] = {500, 900, 990, 999, 1000};
    uint64_t total = 0;

    for (unsigned i = 0; i < BUCKETS; i++)
        total += buckets[i];
    bl__buf_print(out, "%-34s %12" PRIu64, what, total);
    for (unsigned i = 0; total && i < sizeof thousandths / sizeof thousandths[0]; i++)
        put_time(out, quantile(buckets, total, thousandths[i]));
    bl__buf_puts(out, "\n");
}

static void
put_tally(struct bl__buf *out, const struct tally *t, double seconds)
{
    static const char *const names[NCOUNTS] = {
        "goroutines made", "goroutines ended", "bl_goexit called", "made runnable again",
        "run", "lost the processor in C code", "timers that have come", "calls deferred",
        "called by their function's end", "called by a panic or goexit"};
    static const char *const what[NSPANS] = {"waited for a processor", "ran without a break",
                                             "in C code, without a processor"};

    bl__buf_print(out, "sched: %.2f seconds, %d processors\n\n", seconds,
                  atomic_load(&bl__core->sched->nprocs));
    for (int i = 0; i < NCOUNTS; i++)
        put_count(out, names[i], t->counts[i], seconds);
    bl__buf_print(out, "\n%-34s %12s %10s %10s %10s %10s %10s\n", "", "times", "50 %", "90 %",
                  "99 %", "99.9 %", "longest");
    for (int s = 0; s < NSPANS; s++)
        put_span(out, what[s], t->spans[s]);
}

bool
bl__sched_watch(const struct bl__asker *a, int64_t ns, struct bl__buf *out)
{
    struct tally before, now;
    int64_t start, end;
    bool waited;

    ask(1);
    start = bl__core->now();
    read_tally(&before);
    waited = a->wait(a->arg, ns);
    read_tally(&now);
    end = bl__core->now();
    ask(-1);
    subtract(&now, &before);
    if (waited)
        put_tally(out, &now, (double)(end - start) / 1e9);
    return waited;
}
