/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/connpool.c - connection pools, whatever goes wrong.
 *
 * In a round some thousands of goroutines, and a few threads, use one pool.  They panic
 * with a lease, end by bl_goexit(), discard, put twice, let others put, give up waiting;
 * opening fails and panics, and so do checks, resets and closing; idle connections
 * break, grow too old, are too many; and at times the pool is closed under all of them.
 *
 * A connection's state is kept beside the pool, by its users:
 *
 *   FREE      not in use, and works       check() -> CHECKED; a saboteur -> BROKEN
 *   CHECKED   about to be handed out      its user -> USED
 *   USED      in use                      its user -> FREE, when it is in order again
 *   BROKEN    must not be handed out      close -> CLOSED
 *   CLOSED    the same
 *
 * A user who panics leaves it USED.  So what is handed out FREE or CHECKED is in nobody
 * else's hands, open and in order.  And in the end all that was opened is closed. */
#include "stress.h"

enum {
    USERS = STRESS_SANITIZED ? 1500 : 10000,
#ifdef __SANITIZE_THREAD__ /* it takes a stack that glibc reuses for a race */
    THREADS = 0,
#else
    THREADS = 3,
#endif
    USES = 3,
    ROOM = 1 << 17, /* connections in a round */
};

enum state { FREE, CHECKED, USED, BROKEN, CLOSED };

struct conn {
    _Atomic int state;
    _Atomic int opened; /* 1; 0 once it is closed */
    _Atomic bool used;  /* before: check() is asked */
};

static struct {
    bl_connpool *pool;
    bl_connpool_options options;
    int trouble;         /* per cent of calls in which something goes wrong */
    bool close_panics;
    bool closes_early;
    bool has_saboteur;
    _Atomic bool over;
    _Atomic uint64_t chance; /* of what the pool calls */
    _Atomic int opened, closed;
    _Atomic int open_now;
    bl_waitgroup users;
} now;

static struct conn *conns;
static _Atomic uint64_t uses, broken, timeouts, failures;

/* --- what the pool calls ---------------------------------------------------- */

/* Of so many in ten thousand. */
static bool
happens(int often)
{
    struct stress_random r = {atomic_fetch_add(&now.chance, UINT64_C(0x9e3779b97f4a7c15))};

    return stress_below(&r, 10000) < often * now.trouble;
}

static void
may_panic(int often)
{
    if (happens(often)) {
        atomic_fetch_add(&failures, 1);
        panic("stress");
    }
}

static bl_error *
close_conn(struct conn *c)
{
    STRESS_COMPARE(atomic_fetch_sub(&c->opened, 1), ==, 1);
    atomic_store(&c->state, CLOSED);
    atomic_fetch_add(&now.closed, 1);
    atomic_fetch_sub(&now.open_now, 1);
    if (now.close_panics)
        may_panic(20);
    return happens(10) ? bl_error_from_errno(EIO) : NULL;
}

static bl_error *
open_conn(void *unused, int64_t until, bl_closer *closer)
{
    struct conn *c;
    int n;

    (void)unused;
    (void)until;
    if (happens(10))
        gosched();
    may_panic(10);
    if (happens(20))
        return bl_error_from_errno(ECONNREFUSED);
    n = atomic_fetch_add(&now.opened, 1);
    STRESS_COMPARE(n, <, ROOM);
    c = &conns[n];
    c->state = FREE;
    c->opened = 1;
    c->used = false;
    n = atomic_fetch_add(&now.open_now, 1) + 1;
    if (now.options.max_open > 0)
        STRESS_COMPARE(n, <=, now.options.max_open);
    *closer = with_closer(c, close_conn);
    return NULL;
}

static bool
check_conn(void *unused, void *conn)
{
    struct conn *c = conn;
    int expected = FREE;

    (void)unused;
    if (happens(10))
        gosched();
    may_panic(5);
    if (happens(10))
        return false;
    if (!atomic_compare_exchange_strong(&c->state, &expected, CHECKED))
        STRESS_COMPARE(expected, ==, BROKEN);
    return expected == FREE;
}

static bool
reset_conn(void *unused, void *conn)
{
    const struct conn *c = conn;
    int state = c->state;

    (void)unused;
    STRESS_CHECK(state == FREE || state == BROKEN);
    may_panic(5);
    return !happens(10);
}

/* --- users ------------------------------------------------------------------ */

static void
leave_in_order(struct conn *c)
{
    int expected = USED;

    STRESS_CHECK(atomic_compare_exchange_strong(&c->state, &expected, FREE));
}

static void
forgive(void)
{
    recover();
}

static void
put_elsewhere(bl_connpool_lease lease)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, &now.users);
        defer_call(forgive);
        bl_connpool_put(&lease);
    }
}

/* In order, but told to somebody else, or to nobody. */
static void
end_well(struct stress_random *r, bl_connpool_lease *lease, struct conn *c)
{
    leave_in_order(c);
    switch (stress_below(r, 8)) {
    case 0: /* who comes first puts it back */
        bl_waitgroup_add(&now.users, 1);
        go(put_elsewhere, *lease);
        break;
    case 1:
        bl_connpool_mark_good(lease);
        atomic_fetch_add(&failures, 1);
        panic("good");
    case 2:
        bl_connpool_put(lease);
        break;
    }
}

static void
end_badly(struct stress_random *r, bl_connpool_lease *lease)
{
    atomic_fetch_add(&failures, 1);
    switch (stress_below(r, 4)) {
    case 0:
        bl_connpool_discard(lease);
        break;
    case 1:
        if (bl_on_goroutine())
            goexit();
        bl_connpool_discard(lease);
        break;
    case 2:
        if (!STRESS_SANITIZED) /* ThreadSanitizer takes two for a race */
            *(volatile int *)NULL = 0;
        panic("worse");
    default:
        panic("bad");
    }
}

/* The lease is put back behind it. */
static void
work(struct stress_random *r, bl_connpool_lease *lease)
{
    struct conn *c = lease->conn;
    int expected = c->used && now.options.check ? CHECKED : FREE;

    STRESS_CHECK(atomic_compare_exchange_strong(&c->state, &expected, USED));
    STRESS_COMPARE(c->opened, ==, 1);
    c->used = true;
    atomic_fetch_add(&uses, 1);
    stress_dawdle(r);
    if (stress_below(r, 200) < now.trouble)
        end_badly(r, lease);
    else
        end_well(r, lease, c);
}

static void
note_error(bl_error *err)
{
    if (bl_error_errno(err) == ETIMEDOUT)
        atomic_fetch_add(&timeouts, 1);
    else if (error_is(err, bl_err_connpool_closed))
        STRESS_CHECK(now.over);
    else
        STRESS_COMPARE(bl_error_errno(err), ==, ECONNREFUSED);
    error_release(err);
}

static void
use(struct stress_random *r, bl_connpool_lease *lease)
{
    bl_error *err;

    returns_nothing {
        defer_call(bl_connpool_put, lease);
        if (stress_chance(r, 30))
            err = bl_connpool_get_until(now.pool, lease,
                                        bl_after_ns(stress_below(r, 3000000)));
        else
            err = bl_connpool_get(now.pool, lease);
        if (err)
            note_error(err);
        else
            work(r, lease);
    }
}

static void
use_and_forgive(struct stress_random *r)
{
    bl_connpool_lease lease = {0};

    returns_nothing {
        defer_call(forgive);
        use(r, &lease);
    }
}

static void
be_user(struct stress_random r)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, &now.users); /* bl_goexit(), too */
        for (int i = 0; i < USES; i++)
            use_and_forgive(&r);
    }
}

static void *
be_thread(void *seed)
{
    struct stress_random r = *(struct stress_random *)seed;

    for (int i = 0; i < 50; i++)
        use_and_forgive(&r);
    return NULL;
}

/* Breaks what is not in use. */
static void
sabotage(struct stress_random r)
{
    for (int i = 0; i < 300; i++) {
        int n = now.opened, expected = FREE;
        int which = n - 1 - stress_below(&r, n < 60 ? n + 1 : 60);

        if (which >= 0 && conns[which].used &&
            atomic_compare_exchange_strong(&conns[which].state, &expected, BROKEN))
            atomic_fetch_add(&broken, 1);
        stress_dawdle(&r);
        gosched();
    }
    bl_waitgroup_done(&now.users);
}

static void
close_pool(void)
{
    returns_nothing {
        defer_call(forgive);
        atomic_store(&now.over, true);
        error_release(bl_connpool_close(now.pool));
    }
}

static void
close_early(struct stress_random r)
{
    bl_sleep(stress_below(&r, 20000) * BL_MICROSECOND);
    close_pool();
    bl_waitgroup_done(&now.users);
}

/* --- a round ---------------------------------------------------------------- */

static void
choose(struct stress_random *r)
{
    bl_connpool_options *o = &now.options;
    static const int64_t ages[] = {0, 0, BL_MICROSECOND, BL_MILLISECOND, BL_SECOND};

    *o = (bl_connpool_options){.open = open_conn};
    o->max_open = stress_chance(r, 90) ? stress_between(r, 1, 60) : 0;
    o->max_idle = stress_chance(r, 50) ? stress_between(r, -1, 20) : 0;
    o->idle_ns = ages[stress_below(r, 5)];
    o->lifetime_ns = ages[stress_below(r, 5)];
    if (stress_chance(r, 60))
        o->check = check_conn;
    if (stress_chance(r, 30))
        o->reset = reset_conn;
    now.trouble = stress_chance(r, 20) ? 0 : stress_between(r, 1, 30);
    /* a panic in the pool's own goroutine would be the end */
    now.close_panics = o->idle_ns == 0 && o->lifetime_ns == 0;
    now.closes_early = stress_chance(r, 20);
    now.has_saboteur = o->check && stress_chance(r, 50);
    now.over = false;
    now.chance = stress_next(r);
    now.opened = now.closed = now.open_now = 0;
}

static void
start(struct stress_random *r, pthread_t *thread, struct stress_random *seeds, int threads)
{
    int users = stress_chance(r, 50) ? USERS : stress_between(r, 1, 400);

    bl_waitgroup_add(&now.users, users + now.closes_early + now.has_saboteur);
    for (int i = 0; i < users; i++)
        go(be_user, stress_split(r));
    if (now.closes_early)
        go(close_early, stress_split(r));
    if (now.has_saboteur)
        go(sabotage, stress_split(r));
    for (int i = 0; i < threads; i++) {
        seeds[i] = stress_split(r);
        STRESS_COMPARE(pthread_create(&thread[i], NULL, be_thread, &seeds[i]), ==, 0);
    }
}

static void
check_stats(void)
{
    bl_connpool_stats s;

    bl_connpool_read_stats(now.pool, &s);
    STRESS_COMPARE(s.in_use, ==, 0);
    STRESS_COMPARE(s.waiting, ==, 0);
    STRESS_COMPARE(s.open, ==, s.idle);
    STRESS_COMPARE(s.opened, ==, now.opened);
    STRESS_COMPARE(s.opened - (uint64_t)s.open, ==,
                   s.closed_idle + s.closed_lifetime + s.closed_surplus +
                       s.closed_health + s.closed_broken + s.closed_end);
    if (now.options.max_open == 0)
        STRESS_COMPARE(s.waits, ==, 0);
}

/* The pool's own goroutine may still be closing what is too old. */
static void
wait_until_unused(void)
{
    bl_connpool_stats s;

    do {
        bl_sleep(50 * BL_MICROSECOND);
        bl_connpool_read_stats(now.pool, &s);
    } while (s.in_use > 0);
}

static void
one_round(struct stress_random *r)
{
    int threads = stress.deterministic || stress_chance(r, 50) ? 0 : THREADS;
    struct stress_random seeds[THREADS + 1];
    pthread_t thread[THREADS + 1];

    choose(r);
    now.pool = bl_connpool_new(&now.options);
    STRESS_CHECK(now.pool);
    start(r, thread, seeds, threads);
    for (int i = 0; i < threads; i++)
        STRESS_COMPARE(pthread_join(thread[i], NULL), ==, 0);
    bl_waitgroup_wait(&now.users);
    wait_until_unused();
    check_stats();
    close_pool();
    bl_connpool_free(now.pool);
    stress_wait_until_alone();
    STRESS_COMPARE(now.opened, ==, now.closed);
    for (int i = 0; i < now.opened; i++)
        STRESS_COMPARE(conns[i].opened, ==, 0);
}

int
main(int argc, char **argv)
{
    struct stress_random r;
    char what[200];

    stress_begin(argc, argv, "connpool");
    conns = stress_make(ROOM, sizeof *conns);
    while (stress_round(&r))
        one_round(&r);
    snprintf(what, sizeof what,
             "uses (%llu broken while idle, %llu timeouts, %llu panics and the like)",
             (unsigned long long)broken, (unsigned long long)timeouts,
             (unsigned long long)failures);
    free(conns);
    return stress_end(uses, what);
}
