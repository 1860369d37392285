/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/connpool_test.c - connection pools: who gets a connection, which
 * one, and what becomes of it.  (With chance: tests/stress/connpool.c.) */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "concurrent.h"
#include "in.h"

#include <errno.h>
#include <stdatomic.h>

error_static(err_refused, "refused");

/* --- connections to look at ----------------------------------------------------------- */

struct conn {
    int id;
    _Atomic int open; /* closed twice: -1 */
    _Atomic bool broken;
};

enum { CONNS = 4096 };

static struct conn conns[CONNS];
static _Atomic int opened, closed, checked;
static _Atomic int refuse;  /* so many are not opened */
static _Atomic int panics;  /* so many times open(), check(), ... panic */
static _Atomic int64_t open_until;

static void
begin(void)
{
    memset(conns, 0, sizeof conns);
    opened = closed = checked = 0;
    refuse = panics = 0;
}

/* One of the panics that are to come. */
static void
maybe_panic(const char *word)
{
    if (atomic_load(&panics) > 0 && atomic_fetch_sub(&panics, 1) > 0)
        boom(word);
}

static bl_error *
close_conn(struct conn *c)
{
    atomic_fetch_sub(&c->open, 1);
    atomic_fetch_add(&closed, 1);
    maybe_panic("close");
    return c->broken ? bl_errorf("close %d", c->id) : NULL;
}

static bl_error *
open_conn(void *unused, int64_t until, bl_closer *conn)
{
    struct conn *c;

    (void)unused;
    open_until = until;
    maybe_panic("open");
    if (atomic_load(&refuse) > 0 && atomic_fetch_sub(&refuse, 1) > 0)
        return err_refused;
    c = &conns[atomic_fetch_add(&opened, 1)];
    c->id = (int)(c - conns);
    c->open = 1;
    *conn = with_closer(c, close_conn);
    return NULL;
}

static bool
check_conn(void *unused, void *conn)
{
    const struct conn *c = conn;

    (void)unused;
    atomic_fetch_add(&checked, 1);
    maybe_panic("check");
    return !c->broken;
}

static bool
reset_conn(void *unused, void *conn)
{
    const struct conn *c = conn;

    (void)unused;
    maybe_panic("reset");
    return !c->broken;
}

static int
id_of(const bl_connpool_lease *lease)
{
    CHECK(lease->conn);
    CHECK_EQ(((struct conn *)lease->conn)->open, 1);
    return ((struct conn *)lease->conn)->id;
}

static void
break_it(const bl_connpool_lease *lease)
{
    ((struct conn *)lease->conn)->broken = true;
}

static bl_connpool_stats
stats_of(bl_connpool *pool)
{
    bl_connpool_stats stats;

    bl_connpool_read_stats(pool, &stats);
    return stats;
}

#define CHECK_STAT(pool, member, want) CHECK_EQ(stats_of(pool).member, (want))

/* The pool ends, and nothing is open any more. */
static void
end(bl_connpool *pool)
{
    bl_connpool_free(pool);
    CHECK_EQ(closed, opened);
    for (int i = 0; i < opened; i++)
        CHECK_EQ(conns[i].open, 0);
}

static bl_connpool *
new_pool(bl_connpool_options options)
{
    bl_connpool *pool;

    begin();
    options.open = open_conn;
    pool = bl_connpool_new(&options);
    CHECK(pool);
    return pool;
}

#define NEW_POOL(...) new_pool((bl_connpool_options){__VA_ARGS__})

static bl_connpool_lease
get(bl_connpool *pool)
{
    bl_connpool_lease lease;

    CHECK(!bl_connpool_get(pool, &lease));
    return lease;
}

/* --- which one ---------------------------------------------------------------------- */

static void
opens_when_needed(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 3);
    bl_connpool_lease a = get(pool), b = get(pool);

    CHECK_EQ(id_of(&a), 0);
    CHECK_EQ(id_of(&b), 1);
    CHECK_EQ(open_until, BL_FOREVER);
    bl_connpool_put(&a);
    CHECK(!a.conn);
    bl_connpool_put(&b);
    a = get(pool); /* the one used last */
    CHECK_EQ(id_of(&a), 1);
    CHECK_STAT(pool, open, 2);
    CHECK_STAT(pool, idle, 1);
    CHECK_STAT(pool, in_use, 1);
    CHECK_STAT(pool, opened, 2);
    CHECK_STAT(pool, waits, 0);
    bl_connpool_put(&a);
    end(pool);
}

static void
put_once(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 2);
    bl_connpool_lease a = get(pool), copy = a, none = {0}, b;

    bl_connpool_put(&a);
    bl_connpool_put(&a);
    bl_connpool_discard(&a);
    bl_connpool_put(&none);
    bl_connpool_discard(&none);
    bl_connpool_put(NULL);
    bl_connpool_discard(NULL);
    CHECK_STAT(pool, idle, 1);

    b = get(pool); /* the same connection: the copy is no lease of that one */
    CHECK_EQ(id_of(&b), 0);
    bl_connpool_put(&copy);
    bl_connpool_discard(&copy);
    CHECK_STAT(pool, idle, 0);
    CHECK_EQ(id_of(&b), 0);
    copy = b;
    bl_connpool_put(&copy);
    bl_connpool_discard(&b);
    CHECK_STAT(pool, idle, 1);
    CHECK_EQ(closed, 0);
    end(pool);
}

static void
discarded(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_connpool_lease a = get(pool);

    bl_connpool_discard(&a);
    CHECK(!a.conn);
    bl_connpool_put(&a);
    CHECK_EQ(closed, 1);
    CHECK_STAT(pool, open, 0);
    CHECK_STAT(pool, closed_broken, 1);
    a = get(pool);
    CHECK_EQ(id_of(&a), 1);
    bl_connpool_put(&a);
    end(pool);
}

static void
no_more_than_are_kept(void)
{
    bl_connpool *pool = NEW_POOL(.max_idle = 2), *none = NULL;
    bl_connpool_lease lease[5];

    for (int i = 0; i < 5; i++)
        lease[i] = get(pool);
    for (int i = 0; i < 5; i++)
        bl_connpool_put(&lease[i]);
    CHECK_STAT(pool, idle, 2);
    CHECK_STAT(pool, closed_surplus, 3);
    end(pool);

    none = NEW_POOL(.max_idle = -1);
    lease[0] = get(none);
    bl_connpool_put(&lease[0]);
    CHECK_STAT(none, open, 0);
    end(none);
}

/* --- who waits ---------------------------------------------------------------------- */

static void
wait_noting(bl_connpool *pool, int who, bl_waitgroup *done)
{
    bl_connpool_lease lease = get(pool);

    NOTE_INT(who);
    bl_connpool_put(&lease);
    bl_waitgroup_done(done);
}

static void
wait_until_waiting(bl_connpool *pool, int n)
{
    while (stats_of(pool).waiting < n)
        bl_sleep(50 * BL_MICROSECOND);
}

static void
first_come_first_served(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_connpool_lease lease = get(pool);
    bl_waitgroup done = {0};

    bl_waitgroup_add(&done, 5);
    for (int i = 0; i < 5; i++) {
        go(wait_noting, pool, i, &done);
        wait_until_waiting(pool, i + 1);
    }
    CHECK_STAT(pool, waiting, 5);
    bl_connpool_put(&lease);
    /* it is the first one's already: who comes now is behind all others */
    bl_waitgroup_add(&done, 1);
    wait_noting(pool, 5, &done);
    bl_waitgroup_wait(&done);
    CHECK_TRACE("0 1 2 3 4 5");
    CHECK_STAT(pool, waiting, 0);
    CHECK(stats_of(pool).waits >= 5); /* the last one may have come late */
    CHECK_STAT(pool, opened, 1);
    CHECK(stats_of(pool).wait_ns > 0);
    end(pool);
}

/* A slot without a connection: the first one opens in it. */
static void
a_discarded_ones_place(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_connpool_lease lease = get(pool);
    bl_waitgroup done = {0};

    bl_waitgroup_add(&done, 2);
    for (int i = 0; i < 2; i++) {
        go(wait_noting, pool, i, &done);
        wait_until_waiting(pool, i + 1);
    }
    bl_connpool_discard(&lease);
    bl_waitgroup_wait(&done);
    CHECK_TRACE("0 1");
    CHECK_EQ(opened, 2);
    end(pool);
}

static void
until_a_time(void *unused)
{
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_connpool_lease a = get(pool), b;
    int64_t began = bl_now();
    bl_error *err = bl_connpool_get_until(pool, &b, began + BL_SECOND);

    (void)unused;
    CHECK_EQ(bl_now() - began, BL_SECOND);
    CHECK_EQ(bl_error_errno(err), ETIMEDOUT);
    CHECK(!b.conn);
    error_release(err);
    bl_connpool_put(&b);
    CHECK_STAT(pool, timeouts, 1);
    CHECK_STAT(pool, wait_ns, BL_SECOND);

    bl_connpool_put(&a);
    CHECK(!bl_connpool_get_until(pool, &b, began)); /* what is there is there */
    bl_connpool_discard(&b);
    CHECK(!bl_connpool_get_until(pool, &b, bl_after_ns(BL_SECOND)));
    CHECK_EQ(open_until, bl_after_ns(BL_SECOND));
    bl_connpool_put(&b);
    end(pool);
}

static void
cancel_later(bl_context *ctx)
{
    bl_sleep(BL_SECOND);
    context_cancel_cause(ctx, error_retain(err_refused));
    context_release(ctx);
}

static void
until_a_context_ends(void *unused)
{
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_context *late = context_with_timeout(context_background(), BL_SECOND);
    bl_context *ctx = context_with_cancel(context_background());
    bl_connpool_lease a, b;
    int64_t began = bl_now();

    (void)unused;
    CHECK(!bl_connpool_get_ctx(pool, &a, late));
    CHECK_EQ(open_until, began + BL_SECOND);
    CHECK(bl_connpool_get_ctx(pool, &b, late) == bl_err_deadline_exceeded);
    CHECK_EQ(bl_now() - began, BL_SECOND);
    CHECK(!b.conn);

    go(cancel_later, context_retain(ctx));
    CHECK(bl_connpool_get_ctx(pool, &b, ctx) == err_refused);
    CHECK_EQ(bl_now() - began, 2 * BL_SECOND);
    CHECK_STAT(pool, timeouts, 2);
    bl_connpool_put(&a);
    CHECK(bl_connpool_get_ctx(pool, &b, ctx) == err_refused); /* too late for any */
    CHECK(!bl_connpool_get_ctx(pool, &b, context_background()));
    bl_connpool_put(&b);
    context_end(late);
    context_end(ctx);
    end(pool);
}

static void
get_late(bl_connpool *pool, bl_waitgroup *done)
{
    bl_connpool_lease lease;
    bl_error *err = bl_connpool_get_until(pool, &lease, bl_after_ns(BL_SECOND));

    CHECK_EQ(bl_error_errno(err), ETIMEDOUT);
    error_release(err);
    bl_waitgroup_done(done);
}

/* Who has given up is not in the way. */
static void
behind_a_timeout(void *unused)
{
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_connpool_lease a = get(pool);
    bl_waitgroup done = {0};

    (void)unused;
    bl_waitgroup_add(&done, 2);
    go(get_late, pool, &done);
    bl_bubble_wait();
    go(wait_noting, pool, 1, &done);
    bl_sleep(2 * BL_SECOND);
    bl_connpool_put(&a);
    bl_waitgroup_wait(&done);
    CHECK_TRACE("1");
    end(pool);
}

/* --- what went wrong between ---------------------------------------------------------- */

static bl_connpool *the_pool;

static void
use_it(bool recovers, bool good)
{
    bl_connpool_lease lease = get(the_pool);

    returns_nothing {
        defer_call(bl_connpool_put, &lease);
        if (recovers)
            defer_call(note_recovered); /* before the lease is put back */
        if (good)
            bl_connpool_mark_good(&lease);
        boom("between");
    }
}

static void
use_and_recover(bool recovers, bool good)
{
    returns_nothing {
        defer_call(note_recovered);
        use_it(recovers, good);
    }
}

static void
a_panic_between(void)
{
    the_pool = NEW_POOL(.max_open = 1);
    use_and_recover(false, false);
    CHECK_TRACE("between");
    CHECK_EQ(closed, 1);
    use_and_recover(true, false);
    CHECK_TRACE("between nil");
    CHECK_EQ(closed, 2);
    CHECK_STAT(the_pool, closed_broken, 2);
    use_and_recover(false, true);
    use_and_recover(true, true);
    CHECK_EQ(closed, 2); /* it was good */
    CHECK_STAT(the_pool, idle, 1);
    end(the_pool);
}

static void
use_well(void)
{
    bl_connpool_lease lease = get(the_pool);

    NOTE("used");
    bl_connpool_put(&lease);
}

static void
panic_and_recover_inside(void)
{
    returns_nothing {
        defer_call(note_recovered);
        boom("inside");
    }
}

/* Deferred code that itself gets and puts, while a panic is under way; and a panic that
 * begins and ends between. */
static void
log_it(void)
{
    use_well();
    recover();
    use_well();
}

static void
panic_logging(void)
{
    returns_nothing {
        defer_call(log_it);
        boom("outside");
    }
}

static void
put_while_panicking(void)
{
    bl_connpool_lease lease;

    the_pool = NEW_POOL(.max_open = 1);
    panic_logging();
    CHECK_TRACE("used used");
    CHECK_EQ(closed, 0);
    lease = get(the_pool);
    panic_and_recover_inside();
    bl_connpool_put(&lease);
    CHECK_EQ(closed, 0);
    end(the_pool);
}

static void
exit_between(bl_waitgroup *done)
{
    bl_connpool_lease lease = get(the_pool);

    returns_nothing {
        defer_call(bl_waitgroup_done, done);
        defer_call(bl_connpool_put, &lease);
        goexit();
    }
}

static void
put_for_another(bl_connpool_lease *lease, bool in_panic, bl_waitgroup *done)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, done);
        defer_call(note_recovered);
        defer_call(bl_connpool_put, lease);
        if (in_panic)
            boom("elsewhere");
    }
}

static void
other_goroutines(void)
{
    bl_waitgroup done = {0};
    bl_connpool_lease lease;

    the_pool = NEW_POOL(.max_open = 1);
    bl_waitgroup_add(&done, 1);
    go(exit_between, &done);
    bl_waitgroup_wait(&done);
    CHECK_EQ(closed, 1);

    for (int in_panic = 0; in_panic < 2; in_panic++) {
        lease = get(the_pool);
        bl_waitgroup_add(&done, 1);
        go(put_for_another, &lease, in_panic, &done);
        bl_waitgroup_wait(&done);
        CHECK_EQ(closed, 1 + in_panic);
    }
    CHECK_TRACE("nil elsewhere");
    end(the_pool);
}

/* --- open, check, reset ---------------------------------------------------------------- */

static void
get_noting(void)
{
    bl_connpool_lease lease;

    returns_nothing {
        defer_call(note_recovered);
        defer_call(bl_connpool_put, &lease);
        bl_error *err = bl_connpool_get(the_pool, &lease);

        if (err)
            NOTE(error_is(err, err_refused) ? "refused" : "another error");
        error_release(err);
    }
}

static void
open_fails(void)
{
    the_pool = NEW_POOL(.max_open = 1);
    refuse = 2;
    get_noting();
    get_noting();
    CHECK_STAT(the_pool, open, 0);
    panics = 1;
    get_noting();
    CHECK_STAT(the_pool, open, 0);
    get_noting();
    CHECK_STAT(the_pool, open, 1);
    CHECK_TRACE("refused nil refused nil open nil");
    end(the_pool);
}

static void
get_in_turn(bl_waitgroup *done)
{
    get_noting();
    bl_waitgroup_done(done);
}

/* The place goes on to who waits. */
static void
open_fails_before_others(void)
{
    bl_waitgroup done = {0};
    bl_connpool_lease lease;

    the_pool = NEW_POOL(.max_open = 1);
    lease = get(the_pool);
    bl_waitgroup_add(&done, 3);
    for (int i = 0; i < 3; i++)
        go(get_in_turn, &done);
    wait_until_waiting(the_pool, 3);
    refuse = 1;
    panics = 0;
    bl_connpool_discard(&lease);
    bl_waitgroup_wait(&done);
    CHECK_TRACE("refused nil nil nil");
    end(the_pool);
}

static void
broken_while_idle(void)
{
    bl_connpool_lease a, b;

    the_pool = NEW_POOL(.max_open = 2, .check = check_conn);
    a = get(the_pool);
    b = get(the_pool);
    CHECK_EQ(checked, 0);
    break_it(&a);
    bl_connpool_put(&b);
    bl_connpool_put(&a);
    a = get(the_pool);
    b = get(the_pool);
    CHECK_EQ(checked, 2);
    CHECK_EQ(id_of(&a), 2);
    CHECK_EQ(id_of(&b), 1);
    CHECK_STAT(the_pool, closed_health, 1);
    bl_connpool_put(&a);
    panics = 1;
    get_noting(); /* nobody knows of that one */
    CHECK_TRACE("check");
    CHECK_STAT(the_pool, closed_broken, 1);
    CHECK_STAT(the_pool, open, 1);
    bl_connpool_put(&b);
    end(the_pool);
}

/* Handed from one to the next it is looked at, too. */
static void
get_good_one(bl_waitgroup *done)
{
    bl_connpool_lease lease = get(the_pool);

    CHECK_EQ(id_of(&lease), 1);
    bl_connpool_put(&lease);
    bl_waitgroup_done(done);
}

static void
broken_in_use(void)
{
    bl_waitgroup done = {0};
    bl_connpool_lease a;

    the_pool = NEW_POOL(.max_open = 1, .check = check_conn);
    a = get(the_pool);
    bl_waitgroup_add(&done, 1);
    go(get_good_one, &done);
    wait_until_waiting(the_pool, 1);
    break_it(&a);
    bl_connpool_put(&a);
    bl_waitgroup_wait(&done);
    end(the_pool);
}

static void
checked_when_old(void *unused)
{
    bl_connpool_lease a;

    (void)unused;
    the_pool = NEW_POOL(.check = check_conn, .check_after_ns = BL_SECOND);
    a = get(the_pool);
    bl_connpool_put(&a);
    bl_sleep(BL_SECOND - 1);
    a = get(the_pool);
    CHECK_EQ(checked, 0);
    bl_connpool_put(&a);
    bl_sleep(BL_SECOND);
    a = get(the_pool);
    CHECK_EQ(checked, 1);
    bl_connpool_put(&a);
    end(the_pool);
}

static void
put_noting(bl_connpool_lease *lease)
{
    returns_nothing {
        defer_call(note_recovered);
        bl_connpool_put(lease);
    }
}

static void
reset_for_the_next(void)
{
    bl_connpool_lease a;

    the_pool = NEW_POOL(.max_open = 1, .reset = reset_conn);
    a = get(the_pool);
    bl_connpool_put(&a);
    CHECK_STAT(the_pool, idle, 1);
    a = get(the_pool);
    break_it(&a);
    bl_connpool_put(&a);
    CHECK_STAT(the_pool, closed_health, 1);
    a = get(the_pool);
    panics = 1;
    put_noting(&a);
    put_noting(&a);
    CHECK_TRACE("reset nil");
    CHECK_STAT(the_pool, closed_broken, 1);
    CHECK_STAT(the_pool, open, 0);
    a = get(the_pool);
    panics = 2; /* closing panics as well */
    put_noting(&a);
    CHECK_TRACE("close");
    CHECK_STAT(the_pool, open, 0);
    a = get(the_pool);
    bl_connpool_put(&a);
    end(the_pool);
}

static void
open_nothing_conn(void)
{
    bl_connpool_lease lease;

    error_release(bl_connpool_get(the_pool, &lease));
}

static bl_error *
open_nothing(void *unused, int64_t until, bl_closer *conn)
{
    (void)unused, (void)until, (void)conn;
    return NULL;
}

static void
new_without_open(void)
{
    bl_connpool_new(&(bl_connpool_options){.max_open = 1});
}

static void
misuse(void)
{
    begin();
    the_pool = bl_connpool_new(&(bl_connpool_options){.open = open_nothing});
    CHECK_STR(panic_of(open_nothing_conn),
              "belay: a connection pool's open() has said neither what it has opened "
              "nor an error");
    CHECK_STAT(the_pool, open, 0);
    end(the_pool);
    CHECK_STR(panic_of(new_without_open),
              "belay: a connection pool needs a function that opens");
}

/* --- age ------------------------------------------------------------------------------ */

static void
unused_for_long(void *unused)
{
    bl_connpool_lease a, b;

    (void)unused;
    the_pool = NEW_POOL(.idle_ns = 10 * BL_SECOND);
    a = get(the_pool);
    b = get(the_pool);
    bl_connpool_put(&b);
    bl_sleep(4 * BL_SECOND);
    bl_connpool_put(&a);
    bl_sleep(6 * BL_SECOND + 1); /* its timer and ours: one behind the other */
    bl_bubble_wait();
    CHECK_STAT(the_pool, open, 1); /* nobody has asked: the pool itself does it */
    CHECK_STAT(the_pool, closed_idle, 1);
    a = get(the_pool);
    CHECK_EQ(id_of(&a), 0);
    bl_sleep(BL_HOUR);
    CHECK_STAT(the_pool, open, 1); /* used for long is not idle */
    bl_connpool_put(&a);
    bl_sleep(10 * BL_SECOND + 1);
    bl_bubble_wait();
    CHECK_STAT(the_pool, open, 0);
    CHECK_EQ(closed, 2);
    end(the_pool);
}

static void
too_old(void *unused)
{
    bl_connpool_lease a;

    (void)unused;
    the_pool = NEW_POOL(.lifetime_ns = BL_MINUTE);
    a = get(the_pool);
    bl_connpool_put(&a);
    bl_sleep(BL_MINUTE / 2);
    a = get(the_pool);
    CHECK_EQ(id_of(&a), 0);
    bl_sleep(BL_MINUTE / 2);
    CHECK_EQ(id_of(&a), 0); /* not while it is in use */
    bl_connpool_put(&a);
    CHECK_STAT(the_pool, closed_lifetime, 1);
    a = get(the_pool);
    bl_connpool_put(&a);
    bl_sleep(BL_MINUTE + 1);
    bl_bubble_wait();
    CHECK_STAT(the_pool, closed_lifetime, 2);
    CHECK_STAT(the_pool, open, 0);
    end(the_pool);
}

/* --- end ------------------------------------------------------------------------------ */

static void
wait_for_the_end(bl_connpool *pool, bl_waitgroup *done)
{
    bl_connpool_lease lease;

    CHECK(error_is(bl_connpool_get(pool, &lease), bl_err_connpool_closed));
    CHECK(!lease.conn);
    bl_waitgroup_done(done);
}

static void
closed_with_all(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 4, .idle_ns = BL_HOUR);
    bl_connpool_lease lease[4], late;
    bl_waitgroup done = {0};
    bl_error *err;

    for (int i = 0; i < 4; i++)
        lease[i] = get(pool);
    bl_waitgroup_add(&done, 3);
    for (int i = 0; i < 3; i++)
        go(wait_for_the_end, pool, &done);
    wait_until_waiting(pool, 3);
    CHECK(!bl_connpool_close(pool));
    bl_waitgroup_wait(&done);
    CHECK_EQ(closed, 0);
    err = bl_connpool_get(pool, &late);
    CHECK(error_is(err, bl_err_connpool_closed));
    CHECK(error_is(bl_connpool_close(pool), bl_err_closed));
    bl_connpool_put(&lease[0]);
    bl_connpool_discard(&lease[1]);
    CHECK_EQ(closed, 2);
    CHECK_STAT(pool, closed_end, 1);
    bl_connpool_free(pool); /* with two leases out */
    CHECK_EQ(closed, 2);
    bl_connpool_put(&lease[2]);
    bl_connpool_put(&lease[3]);
    bl_connpool_put(&lease[3]);
    CHECK_EQ(closed, 4);
    bl_connpool_free(NULL);
}

static void
errors_of_closing(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 0);
    bl_connpool_lease lease[3];
    char text[100];
    bl_error *err;

    for (int i = 0; i < 3; i++)
        lease[i] = get(pool);
    break_it(&lease[0]);
    break_it(&lease[2]);
    for (int i = 0; i < 3; i++)
        bl_connpool_put(&lease[i]);
    err = bl_connpool_close(pool);
    bl_error_text(err, text, sizeof text);
    CHECK_STR(text, "close 2\nclose 0");
    error_release(err);
    end(pool);
}

static void
close_noting(bl_connpool *pool)
{
    returns_nothing {
        defer_call(note_recovered);
        error_release(bl_connpool_close(pool));
    }
}

static void
a_panic_while_closing(void)
{
    bl_connpool *pool = NEW_POOL(.max_open = 0);
    bl_connpool_lease lease[5];

    for (int i = 0; i < 5; i++)
        lease[i] = get(pool);
    break_it(&lease[0]);
    break_it(&lease[4]);
    for (int i = 0; i < 5; i++)
        bl_connpool_put(&lease[i]);
    panics = 2;
    close_noting(pool);
    CHECK_TRACE("close");
    CHECK_EQ(closed, 5);
    CHECK_STAT(pool, open, 0);
    end(pool);
}

static bl_error *
open_closing(void *unused, int64_t until, bl_closer *conn)
{
    CHECK(!bl_connpool_close(the_pool));
    return open_conn(unused, until, conn);
}

static void
closed_while_opening(void)
{
    bl_connpool_lease lease;

    begin();
    the_pool = bl_connpool_new(&(bl_connpool_options){.open = open_closing});
    CHECK(error_is(bl_connpool_get(the_pool, &lease), bl_err_connpool_closed));
    CHECK_EQ(opened, 1);
    CHECK_STAT(the_pool, open, 0);
    CHECK_STAT(the_pool, closed_end, 1);
    end(the_pool);
}

static void
in_a_group(void)
{
    bl_closers all = {0};
    bl_connpool *pool = NEW_POOL(.max_open = 1);
    bl_connpool_lease lease = get(pool);

    CHECK(!bl_closers_add(&all, with_closer(pool, bl_connpool_free)));
    CHECK(!bl_closers_add(&all, with_closer(&lease, bl_connpool_put)));
    CHECK(!bl_closers_close(&all));
    CHECK_EQ(closed, 1);
}

/* --- threads ---------------------------------------------------------------------------- */

enum { USERS = 6, USES = SANITIZED ? 300 : 3000 };

static _Atomic int in_use[CONNS];
static _Atomic int using_now, most;

static void
use_often(void)
{
    for (int i = 0; i < USES; i++) {
        bl_connpool_lease lease = get(the_pool);
        int id = id_of(&lease), n = atomic_fetch_add(&using_now, 1) + 1;

        CHECK_EQ(atomic_fetch_add(&in_use[id], 1), 0);
        if (n > most)
            most = n;
        if (i % 8 == 0)
            gosched();
        atomic_fetch_sub(&in_use[id], 1);
        atomic_fetch_sub(&using_now, 1);
        if (i % 100 == 0)
            bl_connpool_discard(&lease);
        else
            bl_connpool_put(&lease);
    }
}

static void *
use_in_thread(void *unused)
{
    (void)unused;
    use_often();
    return NULL;
}

static void
use_in_goroutine(bl_waitgroup *done)
{
    use_often();
    bl_waitgroup_done(done);
}

static void
threads_and_goroutines(void)
{
    pthread_t thread[USERS];
    bl_waitgroup done = {0};

    the_pool = NEW_POOL(.max_open = 3, .idle_ns = BL_MILLISECOND);
    memset(in_use, 0, sizeof in_use);
    bl_waitgroup_add(&done, USERS);
    for (int i = 0; i < USERS; i++) {
        go(use_in_goroutine, &done);
        CHECK_EQ(pthread_create(&thread[i], NULL, use_in_thread, NULL), 0);
    }
    bl_waitgroup_wait(&done); /* first: schedseed= leaves a goroutine that joins its P */
    for (int i = 0; i < USERS; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK(most <= 3);
    while (stats_of(the_pool).open > 0) /* nothing is leased: they are all too old soon */
        bl_sleep(BL_MILLISECOND);
    end(the_pool);
}

#define RUN_IN_BUBBLE(f)    \
    do {                    \
        check_length = 0;   \
        check_trace[0] = 0; \
        bl_bubble(f, NULL); \
    } while (0)

int
main(void)
{
    RUN(opens_when_needed);
    RUN(put_once);
    RUN(discarded);
    RUN(no_more_than_are_kept);
    RUN(first_come_first_served);
    RUN(a_discarded_ones_place);
    RUN_IN_BUBBLE(until_a_time);
    RUN_IN_BUBBLE(until_a_context_ends);
    RUN_IN_BUBBLE(behind_a_timeout);
    RUN(a_panic_between);
    RUN(put_while_panicking);
    RUN(other_goroutines);
    RUN(open_fails);
    RUN(open_fails_before_others);
    RUN(broken_while_idle);
    RUN(broken_in_use);
    RUN_IN_BUBBLE(checked_when_old);
    RUN(reset_for_the_next);
    RUN(misuse);
    RUN_IN_BUBBLE(unused_for_long);
    RUN_IN_BUBBLE(too_old);
    RUN(closed_with_all);
    RUN(errors_of_closing);
    RUN(a_panic_while_closing);
    RUN(closed_while_opening);
    RUN(in_a_group);
    RUN(threads_and_goroutines);
    return 0;
}
