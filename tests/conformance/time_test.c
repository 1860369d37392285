/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/time_test.c - sleeping, timers, tickers: catalogue area T.
 *
 * What depends on exact times runs in a bubble, on its clock. */
#include "concurrent.h"

#include <errno.h>
#include <stdatomic.h>

static void
in_bubble(void (*f)(void *))
{
    bl_bubble(f, NULL);
}

static void
note_after(int ms)
{
    bl_timer *t = bl_timer_new(ms * BL_MILLISECOND);
    int64_t began = bl_now();

    bl_recv(bl_timer_chan(t));
    CHECK(bl_now() - began >= ms * BL_MILLISECOND - BL_MILLISECOND);
    NOTE_INT(ms);
    bl_timer_free(t);
}

static void
start_in_disorder(void *unused)
{
    static const int ms[] = {50, 10, 40, 20, 30};

    (void)unused;
    for (int i = 0; i < 5; i++)
        go(note_after, ms[i]);
}

static void
T1_in_order_and_never_early(void)
{
    int64_t began = bl_now();

    bl_sleep(3 * BL_MILLISECOND);
    CHECK(bl_now() - began >= 3 * BL_MILLISECOND);
    in_bubble(start_in_disorder);
    CHECK_TRACE("10 20 30 40 50");
}

static void
T2_nothing_and_too_much(void)
{
    bl_timer *t;

    bl_sleep(0);
    bl_sleep(-5);
    bl_sleep(INT64_MIN);
    t = bl_timer_new(-BL_HOUR);
    bl_recv(bl_timer_chan(t));
    bl_timer_free(t);
    t = bl_timer_new(INT64_MAX);
    CHECK_EQ(bl_try_recv(bl_timer_chan(t), &(int64_t){0}), -EAGAIN);
    CHECK(bl_timer_stop(t));
    bl_timer_free(t);
    CHECK_EQ(bl_after_ns(INT64_MAX), BL_FOREVER);
}

static void
stop_and_reset(void *unused)
{
    bl_timer *t = bl_timer_new(BL_SECOND);
    int64_t began = bl_now(), at;

    (void)unused;
    CHECK_EQ(chan_len(bl_timer_chan(t)), 0); /* T3 */
    CHECK_EQ(chan_cap(bl_timer_chan(t)), 0);
    bl_sleep(2 * BL_SECOND);
    CHECK_EQ(chan_len(bl_timer_chan(t)), 0);
    CHECK(bl_timer_stop(t)); /* T4: expired, unread */
    CHECK_EQ(bl_try_recv(bl_timer_chan(t), &at), -EAGAIN);
    CHECK(!bl_timer_stop(t)); /* T5 */
    CHECK(!bl_timer_reset(t, BL_SECOND)); /* T6: stopped; T23: as new */
    bl_sleep(2 * BL_SECOND);
    CHECK(bl_timer_reset(t, BL_SECOND)); /* expired, unread: the old value goes */
    CHECK_EQ(bl_try_recv(bl_timer_chan(t), &at), -EAGAIN);
    CHECK(bl_timer_reset(t, BL_SECOND)); /* running */
    CHECK_EQ(bl_recv(bl_timer_chan(t)) - began, 5 * BL_SECOND); /* T8 */
    CHECK(!bl_timer_stop(t)); /* T5: read */
    CHECK(!bl_timer_reset(t, BL_SECOND));
    bl_sleep(3 * BL_SECOND);
    CHECK_EQ(bl_recv(bl_timer_chan(t)) - began, 6 * BL_SECOND); /* T8: when due */
    bl_timer_free(t);
}

static void
T3_T4_T5_T6_T8_T23_stop_and_reset(void)
{
    in_bubble(stop_and_reset);
}

/* Stop says true, or the value is there: never both, never neither. */
static void
T7_stop_and_expiry_race(void)
{
    for (int i = 0; i < 300; i++) {
        bl_timer *t = bl_timer_new(i % 20 * BL_MICROSECOND);
        bool stopped, received;

        for (int k = 0; k < i % 7; k++)
            gosched();
        received = bl_try_recv(bl_timer_chan(t), &(int64_t){0}) == 1;
        stopped = bl_timer_stop(t);
        CHECK(stopped != received);
        CHECK_EQ(bl_try_recv(bl_timer_chan(t), &(int64_t){0}), -EAGAIN);
        bl_timer_free(t);
    }
}

static void
note_call(void *arg)
{
    CHECK(bl_on_goroutine());
    NOTE(arg);
}

static void
after_funcs(void *unused)
{
    bl_timer *t = bl_after_func(BL_SECOND, note_call, "called");

    (void)unused;
    CHECK(!bl_timer_channel(t));
    bl_sleep(BL_SECOND);
    bl_bubble_wait();
    CHECK_TRACE("called");
    CHECK(!bl_timer_stop(t)); /* T10 */
    CHECK(!bl_timer_reset(t, BL_SECOND)); /* T11 */
    CHECK(bl_timer_reset(t, 2 * BL_SECOND));
    bl_sleep(BL_SECOND);
    bl_bubble_wait();
    CHECK_TRACE("");
    bl_sleep(BL_SECOND);
    bl_bubble_wait();
    CHECK_TRACE("called");
    bl_timer_reset(t, BL_SECOND);
    CHECK(bl_timer_stop(t));
    bl_sleep(BL_MINUTE);
    CHECK_TRACE("");
    bl_timer_free(t);
}

static void
T9_T10_T11_after_func(void)
{
    in_bubble(after_funcs);
}

static void
tickers(void *unused)
{
    bl_timer *t = bl_ticker_new(20 * BL_MILLISECOND);
    int64_t began = bl_now(), at;

    (void)unused;
    bl_sleep(70 * BL_MILLISECOND);
    CHECK_EQ(bl_recv(bl_timer_chan(t)) - began, 20 * BL_MILLISECOND); /* T13 */
    CHECK_EQ(bl_try_recv(bl_timer_chan(t), &at), -EAGAIN); /* T12: one, not three */
    CHECK_EQ(bl_recv(bl_timer_chan(t)) - began, 80 * BL_MILLISECOND);
    CHECK(bl_timer_stop(t)); /* T14 */
    bl_sleep(BL_SECOND);
    CHECK_EQ(bl_try_recv(bl_timer_chan(t), &at), -EAGAIN);
    began = bl_now();
    bl_timer_reset(t, 30 * BL_MILLISECOND); /* T15 */
    CHECK_EQ(bl_recv(bl_timer_chan(t)) - began, 30 * BL_MILLISECOND);
    CHECK_EQ(bl_recv(bl_timer_chan(t)) - began, 60 * BL_MILLISECOND);
    bl_timer_free(t);
}

static void
T12_T13_T14_T15_tickers(void)
{
    in_bubble(tickers);
}

static void
bad_ticker(void)
{
    bl_ticker_new(0);
}

static bl_timer *ticker;

static void
bad_reset(void)
{
    bl_timer_reset(ticker, -1);
}

static void
T16_bad_intervals(void)
{
    CHECK_STR(panic_of(bad_ticker), "non-positive interval for NewTicker");
    ticker = bl_ticker_new(BL_HOUR);
    CHECK_STR(panic_of(bad_reset), "non-positive interval for Ticker.Reset");
    bl_timer_free(ticker);
}

static void
T18_timers_cost_no_goroutine(void)
{
    int64_t before = bl_num_goroutine();
    bl_timer *t[200];

    for (int i = 0; i < 200; i++)
        t[i] = i % 2 ? bl_timer_new(BL_HOUR) : bl_after_func(BL_HOUR, note_call, "x");
    CHECK_EQ(bl_num_goroutine(), before);
    for (int i = 0; i < 200; i++)
        bl_timer_free(t[i]);
}

static void
take_ticks(chan_of(int64_t) c, _Atomic int *n, bl_waitgroup *wg)
{
    while (*n < 20) {
        int64_t at;

        if (bl_recv_until(c, &at, bl_now() + BL_MILLISECOND) == 1)
            ++*n;
    }
    bl_waitgroup_done(wg);
}

static void
T20_several_wait_for_one(void)
{
    bl_timer *t = bl_ticker_new(200 * BL_MICROSECOND);
    bl_waitgroup wg = {0};
    _Atomic int n = 0;

    bl_waitgroup_add(&wg, 4);
    for (int i = 0; i < 4; i++)
        go(take_ticks, bl_timer_chan(t), &n, &wg);
    bl_waitgroup_wait(&wg);
    bl_timer_free(t);
}

static _Atomic bool stop;

static void
be_busy(bl_waitgroup *wg)
{
    while (!stop)
        gosched();
    bl_waitgroup_done(wg);
}

static void
T22_timers_fire_when_all_are_busy(void)
{
    bl_waitgroup wg = {0};

    stop = false;
    bl_waitgroup_add(&wg, 8);
    for (int i = 0; i < 8; i++)
        go(be_busy, &wg);
    for (int i = 0; i < 5; i++)
        bl_sleep(BL_MILLISECOND);
    stop = true;
    bl_waitgroup_wait(&wg);
}

struct chain {
    _Atomic int left;
    _Atomic(bl_timer *) timer[101];
    chan_of(int) done;
};

static void
next_in_chain(void *arg)
{
    struct chain *c = arg;
    int left = --c->left;

    if (left > 0)
        c->timer[left] = bl_after_func(0, next_in_chain, c);
    else
        bl_send(c->done, 1);
}

static void
T24_chains_of_after_func(void)
{
    static struct chain c;

    c.left = 100;
    c.done = chan_make(int, 1);

    c.timer[100] = bl_after_func(0, next_in_chain, &c);
    bl_recv(c.done);
    for (int i = 1; i <= 100; i++) {
        while (!c.timer[i]) /* who has started it may not have noted it yet */
            gosched();
        bl_timer_free(c.timer[i]);
    }
    chan_free(c.done);
}

/* F15: a timer that nobody waits for keeps no deadlock from being found. */
static void
forget_a_timer(void)
{
    bl_timer_new(BL_HOUR);
    bl_select_cases(NULL, 0, BL_FOREVER);
}

static void
send_late(chan_of(int) c)
{
    bl_sleep(30 * BL_MILLISECOND);
    bl_send(c, 1);
}

static void
F14_F15_timers_and_deadlocks(void)
{
    chan_of(int) c = chan_make(int, 0);

    check_fatal(forget_a_timer, "fatal error: all goroutines are asleep - deadlock!\n");
    go(send_late, c);
    CHECK_EQ(bl_recv(c), 1); /* F14: all asleep for a while, but not for ever */
    chan_free(c);
}

int
main(void)
{
    RUN(T1_in_order_and_never_early);
    RUN(T2_nothing_and_too_much);
    RUN(T3_T4_T5_T6_T8_T23_stop_and_reset);
    RUN(T7_stop_and_expiry_race);
    RUN(T9_T10_T11_after_func);
    RUN(T12_T13_T14_T15_tickers);
    RUN(T16_bad_intervals);
    RUN(T18_timers_cost_no_goroutine);
    RUN(T20_several_wait_for_one);
    RUN(T22_timers_fire_when_all_are_busy);
    RUN(T24_chains_of_after_func);
    RUN(F14_F15_timers_and_deadlocks);
    return 0;
}
