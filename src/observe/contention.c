/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/contention.c - the profiles block (where goroutines wait) and mutex (who makes
 * them wait): Go's, with its two ways to take a part of the events.
 *
 * The hooks run inside the scheduler, so nothing is allocated: see sites.c.  Counts are
 * kept in thousandths, as one event may stand for several and a half. */
#include "observe/observe.h"

enum { PLACES = 8192, DEPTH = 48, COUNT = 0, DELAY = 1, PARTS = 1000 };

static const struct bl__kind block_kind = {
    "block", 2, {{"contentions", "count"}, {"delay", "nanoseconds"}},
    {"contentions", "count"}, 1, NULL};
static const struct bl__kind mutex_kind = {
    "mutex", 2, {{"contentions", "count"}, {"delay", "nanoseconds"}},
    {"contentions", "count"}, 1, NULL};

static struct bl__sites *_Atomic blocks, *_Atomic mutexes;
static _Atomic int64_t rate;     /* ns; 0: off */
static _Atomic int fraction;     /* 0: off */
static _Atomic uint64_t random_state = 88172645463325252;

/* Below n.  Threads that draw at once may draw the same: no harm. */
static uint64_t
draw(uint64_t n)
{
    uint64_t x = atomic_load_explicit(&random_state, memory_order_relaxed);

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    atomic_store_explicit(&random_state, x, memory_order_relaxed);
    return (x >> 11) % n;
}

static __attribute__((noinline)) void
count(struct bl__sites *sites, int64_t parts, int64_t delay)
{
    struct bl__stack stack;
    struct bl__place *place;

    bl__stack_here(&stack, 2); /* and the hook */
    place = bl__sites_find(sites, stack.pcs, stack.n, 0);
    if (!place)
        return;
    atomic_fetch_add_explicit(&place->value[COUNT], parts, memory_order_relaxed);
    atomic_fetch_add_explicit(&place->value[DELAY], delay, memory_order_relaxed);
}

/* --- hooks --------------------------------------------------------------- */

static bool
is_blocking(int reason)
{
    switch (reason) {
    case BL__WAIT_RECV:
    case BL__WAIT_RECV_OUTSIDE:
    case BL__WAIT_SEND:
    case BL__WAIT_SEND_OUTSIDE:
    case BL__WAIT_SELECT:
    case BL__WAIT_SELECT_OUTSIDE:
    case BL__WAIT_MUTEX:
    case BL__WAIT_RWMUTEX_R:
    case BL__WAIT_RWMUTEX_W:
    case BL__WAIT_WAITGROUP:
    case BL__WAIT_COND:
    case BL__WAIT_SEMAPHORE:
        return true;
    default:
        return false;
    }
}

/* An event shorter than the rate is taken with the chance delay / rate, and stands for
 * rate / delay of them: so sums are right on average (Go's rule). */
static void
blocked(struct bl__g *g, int reason, int64_t since)
{
    int64_t r = atomic_load_explicit(&rate, memory_order_relaxed), delay, parts = PARTS;

    (void)g;
    if (r == 0 || !is_blocking(reason))
        return;
    delay = bl__core->now() - since;
    if (delay < 1)
        delay = 1;
    if (delay < r) {
        if (draw((uint64_t)r) >= (uint64_t)delay)
            return;
        parts = r > INT64_MAX / PARTS ? INT64_MAX / delay : r * PARTS / delay;
        delay = r;
    }
    count(atomic_load(&blocks), parts, delay);
}

static void
contended(int64_t since)
{
    int n = atomic_load_explicit(&fraction, memory_order_relaxed);

    if (n == 0 || draw((uint64_t)n) != 0)
        return;
    count(atomic_load(&mutexes), (int64_t)n * PARTS, (bl__core->now() - since) * n);
}

/* --- switches ------------------------------------------------------------ */

static bool
have_sites(struct bl__sites *_Atomic *sites)
{
    struct bl__sites *none = NULL, *s;

    if (atomic_load(sites))
        return true;
    s = bl__sites_new(PLACES, DEPTH);
    return s && (atomic_compare_exchange_strong(sites, &none, s) || none);
}

/* With the hook `blocked` set the times at which waits begin are exact, which `contended`
 * needs too. */
static void
set_hooks(void)
{
    bool block = atomic_load(&rate) > 0, mutex = atomic_load(&fraction) > 0;

    atomic_store(&bl__core->observed->blocked, block || mutex ? blocked : NULL);
    atomic_store(&bl__core->observed->contended, mutex ? contended : NULL);
}

void
bl_set_block_profile_rate(int64_t ns)
{
    if (ns > 0 && !have_sites(&blocks))
        return;
    atomic_store(&rate, ns > 0 ? ns : 0);
    set_hooks();
}

int
bl_set_mutex_profile_fraction(int n)
{
    int old = atomic_load(&fraction);

    if (n < 0 || (n > 0 && !have_sites(&mutexes)))
        return old;
    atomic_store(&fraction, n);
    set_hooks();
    return old;
}

/* --- profiles ------------------------------------------------------------ */

static void
add(void *arg, struct bl__place *place)
{
    struct bl__sample s = {.pcs = place->pcs, .n = place->n};

    s.value[COUNT] = (atomic_load(&place->value[COUNT]) + PARTS / 2) / PARTS;
    s.value[DELAY] = atomic_load(&place->value[DELAY]);
    bl__profile_add(arg, &s);
}

void
bl__collect_block(struct bl__profile *p)
{
    bl__profile_init(p, &block_kind);
    bl__sites_each(atomic_load(&blocks), add, p);
}

void
bl__collect_mutex(struct bl__profile *p)
{
    bl__profile_init(p, &mutex_kind);
    p->sampling = atomic_load(&fraction);
    bl__sites_each(atomic_load(&mutexes), add, p);
}
