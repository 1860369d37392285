/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/timers.c - sleep, timers, tickers and deadlines.
 *
 * One law holds for every timer that fires once: each time it is armed it either fires,
 * once and not early, or somebody's stop or reset says that it has prevented that.  So
 * whatever the interleaving, in the end
 *
 *     times armed == times fired + times prevented
 *
 * For a ticker a tick's time is its start plus a whole number of intervals. */
#include "stress.h"

enum {
    ACTORS = 40,      /* at once, in a round */
    OPS = 30,
    MANY = 300,       /* timers of one actor */
    EVER_LATE_S = 20, /* later than this is a bug, however busy the machine */
};

static _Atomic uint64_t total;
static _Atomic int64_t latest; /* ns, of all that was late */

/* Microseconds to milliseconds: short enough that arming, firing and stopping meet. */
static int64_t
some_time(struct stress_random *r)
{
    switch (stress_below(r, 4)) {
    case 0:
        return stress_below(r, 2000);
    case 1:
        return stress_below(r, 50) * BL_MICROSECOND;
    case 2:
        return stress_below(r, 400) * BL_MICROSECOND;
    default:
        return stress_below(r, 3000) * BL_MICROSECOND;
    }
}

static void
check_time(int64_t due)
{
    int64_t late = bl_now() - due;

    STRESS_COMPARE(late, >=, 0);
    if (!stress.deterministic)
        STRESS_COMPARE(late, <, EVER_LATE_S * BL_SECOND);
    if (late > latest)
        latest = late;
    total++;
}

/* --- sleep ---------------------------------------------------------------- */

static void
act_sleeper(struct stress_random *r)
{
    for (int i = 0; i < OPS; i++) {
        int64_t ns = some_time(r), due = bl_now() + ns;

        if (stress_chance(r, 50))
            bl_sleep(ns);
        else
            bl_sleep_until(due);
        check_time(due);
    }
}

/* Many wake at the same moment. */
static void
act_sleep_in_step(struct stress_random *r)
{
    int64_t due = (bl_now() / BL_MILLISECOND + stress_between(r, 1, 3)) * BL_MILLISECOND;

    for (int i = 0; i < 5; i++, due += BL_MILLISECOND) {
        bl_sleep_until(due);
        check_time(due);
    }
}

/* --- timers that call a function ------------------------------------------ */

struct alarm_clock {
    bl_timer *timer;
    _Atomic int armed, fired, prevented;
    _Atomic int64_t due_at_least; /* the earliest of all times it was armed for */
    bl_waitgroup users;
};

static void
ring(void *arg)
{
    struct alarm_clock *a = arg;

    STRESS_COMPARE(bl_now(), >=, a->due_at_least);
    a->fired++;
    total++;
}

static void
reset_or_stop(struct alarm_clock *a, struct stress_random *r)
{
    bool prevented;

    if (stress_chance(r, 60)) {
        a->armed++;
        prevented = bl_timer_reset(a->timer, some_time(r));
    } else {
        prevented = bl_timer_stop(a->timer);
    }
    if (prevented)
        a->prevented++;
}

static void
use_alarm(struct alarm_clock *a, struct stress_random r)
{
    for (int i = 0; i < OPS; i++) {
        reset_or_stop(a, &r);
        if (stress_chance(&r, 30))
            bl_sleep(some_time(&r));
        stress_dawdle(&r);
    }
    bl_waitgroup_done(&a->users);
}

/* Until all has fired that nobody has prevented. */
static void
settle_alarm(struct alarm_clock *a)
{
    while (a->fired + a->prevented < a->armed)
        bl_sleep(100 * BL_MICROSECOND);
    gosched(); /* once too often would be now */
    STRESS_COMPARE(a->fired + a->prevented, ==, a->armed);
    STRESS_CHECK(!bl_timer_stop(a->timer));
}

/* Several goroutines stop and reset the same timer. */
static void
act_alarm(struct stress_random *r)
{
    struct alarm_clock *a = stress_make(1, sizeof *a);
    int n = stress_between(r, 1, 4);

    a->armed = 1;
    a->due_at_least = bl_now();
    a->timer = bl_after_func(some_time(r), ring, a);
    bl_waitgroup_add(&a->users, n);
    for (int i = 0; i < n; i++)
        go(use_alarm, a, stress_split(r));
    bl_waitgroup_wait(&a->users);
    settle_alarm(a);
    bl_timer_free(a->timer);
    free(a);
}

/* One by one, with the exact time of each. */
static void
act_exact_alarms(struct stress_random *r)
{
    struct alarm_clock *a = stress_make(1, sizeof *a);

    for (int i = 0; i < OPS; i++) {
        int64_t ns = some_time(r);

        a->due_at_least = bl_now() + ns;
        a->armed++;
        if (i == 0)
            a->timer = bl_after_func(ns, ring, a);
        else
            STRESS_CHECK(!bl_timer_reset(a->timer, ns));
        bl_sleep(stress_chance(r, 50) ? ns : some_time(r));
        if (stress_chance(r, 50) && bl_timer_stop(a->timer))
            a->prevented++;
        settle_alarm(a);
    }
    bl_timer_free(a->timer);
    free(a);
}

/* A heap that grows and shrinks: timers that are freed before, while and after they
 * fire. */
static void
act_many_alarms(struct stress_random *r)
{
    struct alarm_clock *all = stress_make(MANY, sizeof *all);

    for (int i = 0; i < MANY; i++) {
        int64_t ns = some_time(r);

        all[i].armed = 1;
        all[i].due_at_least = bl_now() + ns;
        all[i].timer = bl_after_func(ns, ring, &all[i]);
    }
    for (int i = 0; i < MANY; i++) {
        struct alarm_clock *a = &all[stress_below(r, MANY)];

        if (a->timer && stress_chance(r, 60)) {
            a->prevented += bl_timer_stop(a->timer);
            bl_timer_free(a->timer);
            a->timer = NULL;
        }
        stress_dawdle(r);
    }
    for (int i = 0; i < MANY; i++) {
        while (all[i].fired + all[i].prevented < 1)
            bl_sleep(100 * BL_MICROSECOND);
        STRESS_COMPARE(all[i].fired + all[i].prevented, ==, 1);
        bl_timer_free(all[i].timer);
    }
    free(all);
}

/* --- timers with a channel ------------------------------------------------ */

struct egg_timer {
    bl_timer *timer;
    int armed, prevented;        /* its owner's */
    _Atomic int fired;
    bool shared;                 /* others receive, too */
    int64_t least;               /* not shared: no value is older than this */
    bl_chan *quit;
    bl_waitgroup waiters;
};

static void
note_value(struct egg_timer *e, int64_t when)
{
    check_time(when);
    if (!e->shared) /* else it may have been received before the last reset */
        STRESS_COMPARE(when, >=, e->least);
    e->fired++;
}

/* Gets values by waiting for them, with and without others to wait for. */
static void
wait_for_values(struct egg_timer *e, struct stress_random r)
{
    bl_chan_of(int64_t) c = bl_timer_chan(e->timer);
    bl_chan_of(char) quit = (bl_chan_of(char))(void *)e->quit;
    int64_t when;
    char unused;
    int i = 0;

    while (i != 1) {
        if (stress_chance(&r, 60))
            i = bl_select(on_recv(c, &when), on_recv(quit, &unused));
        else
            i = bl_select_until(bl_now() + some_time(&r), on_recv(c, &when),
                                on_recv(quit, &unused));
        if (i == 0)
            note_value(e, when);
        stress_dawdle(&r);
    }
    bl_waitgroup_done(&e->waiters);
}

/* The owner's own tries. */
static void
poll_values(struct egg_timer *e, struct stress_random *r)
{
    bl_chan_of(int64_t) c = bl_timer_chan(e->timer);
    int64_t when, until = bl_now() + some_time(r);
    int result = stress_chance(r, 50) ? bl_try_recv(c, &when) : bl_recv_until(c, &when, until);

    if (result == 1)
        note_value(e, when);
    else
        STRESS_CHECK(result == -EAGAIN || result == -ETIMEDOUT);
    STRESS_COMPARE(bl_chan_len(c), ==, 0);
}

static void
reset_or_stop_egg(struct egg_timer *e, struct stress_random *r)
{
    int64_t when;

    if (stress_chance(r, 50)) {
        e->prevented += bl_timer_stop(e->timer);
        STRESS_COMPARE(bl_try_recv(bl_timer_chan(e->timer), &when), ==, -EAGAIN);
    } else {
        int64_t ns = some_time(r), now = bl_now();

        e->armed++;
        e->prevented += bl_timer_reset(e->timer, ns);
        e->least = now + ns;
    }
}

static void
act_egg_timer(struct stress_random *r)
{
    struct egg_timer *e = stress_make(1, sizeof *e);
    int n = stress_below(r, 3);

    e->quit = bl_chan_new(1, 0);
    e->shared = n > 0;
    e->armed = 1;
    e->timer = bl_timer_new(some_time(r));
    bl_waitgroup_add(&e->waiters, n);
    for (int i = 0; i < n; i++)
        go(wait_for_values, e, stress_split(r));
    for (int i = 0; i < OPS; i++) {
        if (stress_chance(r, 50))
            poll_values(e, r);
        else
            reset_or_stop_egg(e, r);
        stress_dawdle(r);
    }
    e->prevented += bl_timer_stop(e->timer);
    bl_chan_shut(e->quit);
    bl_waitgroup_wait(&e->waiters);
    STRESS_COMPARE(e->armed, ==, e->fired + e->prevented);
    bl_timer_free(e->timer);
    bl_chan_release(e->quit);
    free(e);
}

/* --- tickers -------------------------------------------------------------- */

/* The ticker was started between `began` and `ended`. */
static void
follow_ticks(bl_timer *t, int64_t began, int64_t ended, int64_t every, struct stress_random *r)
{
    bl_chan_of(int64_t) c = bl_timer_chan(t);
    int64_t first = bl_recv(c), last = first, n = (first - began) / every;

    check_time(first);
    STRESS_COMPARE(n, >=, 1);
    STRESS_COMPARE(first, <=, ended + n * every);
    for (int i = 0; i < 4; i++) {
        int64_t when;

        if (stress_chance(r, 30))
            bl_sleep(some_time(r));
        when = bl_recv(c);
        check_time(when);
        STRESS_COMPARE(when, >, last);
        STRESS_COMPARE((when - first) % every, ==, 0);
        last = when;
    }
}

static void
act_ticker(struct stress_random *r)
{
    int64_t every = 20 * BL_MICROSECOND + some_time(r), began = bl_now(), unused;
    bl_timer *t = bl_ticker_new(every);
    int64_t ended = bl_now();

    follow_ticks(t, began, ended, every, r);
    for (int i = 0; i < 3; i++) {
        every = 20 * BL_MICROSECOND + some_time(r);
        began = bl_now();
        bl_timer_reset(t, every);
        ended = bl_now();
        follow_ticks(t, began, ended, every, r);
    }
    bl_timer_stop(t);
    STRESS_COMPARE(bl_try_recv(bl_timer_chan(t), &unused), ==, -EAGAIN);
    bl_timer_free(t);
}

/* --- deadlines that meet channel operations ------------------------------- */

struct meeting {
    chan_of(uint32_t) c;
    _Atomic uint32_t sent, received;
    _Atomic uint64_t sum_sent, sum_received;
    bl_waitgroup everybody;
};

static void
try_to_send(struct meeting *m, struct stress_random r)
{
    for (uint32_t i = 0; i < OPS; i++) {
        int64_t until = bl_now() + some_time(&r) / 8;
        uint32_t v = (uint32_t)stress_below(&r, 1 << 20);

        if (bl_send_until(m->c, v, until) == 0) {
            m->sent++;
            m->sum_sent += v;
        } else {
            check_time(until);
        }
    }
    bl_waitgroup_done(&m->everybody);
}

static void
try_to_receive(struct meeting *m, struct stress_random r)
{
    for (int i = 0; i < OPS; i++) {
        int64_t until = bl_now() + some_time(&r) / 8;
        uint32_t v;
        int result = stress_chance(&r, 50)
                         ? bl_recv_until(m->c, &v, until)
                         : bl_select_until(until, on_recv(m->c, &v), on_recv(m->c, &v)) + 1;

        if (result > 0) {
            m->received++;
            m->sum_received += v;
        } else {
            check_time(until);
        }
    }
    bl_waitgroup_done(&m->everybody);
}

static void
act_meeting(struct stress_random *r)
{
    struct meeting *m = stress_make(1, sizeof *m);
    int n = stress_between(r, 1, 6);
    uint32_t v;

    m->c = chan_make(uint32_t, stress_chance(r, 70) ? 0 : 2);
    bl_waitgroup_add(&m->everybody, 2 * n);
    for (int i = 0; i < n; i++) {
        go(try_to_send, m, stress_split(r));
        go(try_to_receive, m, stress_split(r));
    }
    bl_waitgroup_wait(&m->everybody);
    while (bl_try_recv(m->c, &v) == 1) {
        m->received++;
        m->sum_received += v;
    }
    STRESS_COMPARE(m->sent, ==, m->received);
    STRESS_COMPARE(m->sum_sent, ==, m->sum_received);
    chan_free(m->c);
    free(m);
}

/* --- rounds --------------------------------------------------------------- */

static void (*const acts[])(struct stress_random *r) = {
    act_sleeper,  act_sleep_in_step, act_alarm,   act_exact_alarms, act_many_alarms,
    act_egg_timer, act_egg_timer,    act_ticker,  act_meeting,
};

static void
act(int which, struct stress_random r, bl_waitgroup *wg)
{
    acts[which](&r);
    bl_waitgroup_done(wg);
}

static void
run_round(struct stress_random *r)
{
    int n = stress_between(r, 1, ACTORS);
    bl_waitgroup wg = {0};

    for (int i = 0; i < n; i++) {
        bl_waitgroup_add(&wg, 1);
        go(act, stress_below(r, (int)(sizeof acts / sizeof acts[0])), stress_split(r), &wg);
    }
    if (!stress.deterministic && stress_chance(r, 20)) /* timers of processors that go */
        for (int i = 0; i < 20; i++) {
            int procs = bl_gomaxprocs(0);

            bl_gomaxprocs(stress_between(r, 1, 8));
            bl_sleep(some_time(r));
            bl_gomaxprocs(procs);
        }
    bl_waitgroup_wait(&wg);
}

int
main(int argc, char **argv)
{
    struct stress_random r;
    char what[80];

    stress_begin(argc, argv, "timers");
    while (stress_round(&r))
        run_round(&r);
    snprintf(what, sizeof what, "times, the latest by %.1f ms", (double)latest / 1e6);
    return stress_end(total, what);
}
