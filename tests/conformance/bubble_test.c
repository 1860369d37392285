/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/bubble_test.c - bubbles: a clock that jumps, durable blocking,
 * deadlocks (Go's testing/synctest). */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "check.h"

#include <errno.h>

/* Runs f in a bubble; returns what it panicked with, "" if it did not. */
static char panic_text[200];

static void
run_bubble(void (*f)(void *), void *arg)
{
    bl_bubble(f, arg);
}

static void
note_panic(void)
{
    const bl_panic_info *p = recover();

    if (p)
        bl_panic_text(p, panic_text, sizeof panic_text);
}

static const char *
bubble(void (*f)(void *), void *arg)
{
    panic_text[0] = '\0';
    returns (const char *, text) {
        text = panic_text;
        defer_call(note_panic);
        run_bubble(f, arg);
    }
}

static void
sleep_an_hour(void *unused)
{
    int64_t began = bl_now();

    (void)unused;
    CHECK_EQ(began, INT64_C(946684800) * BL_SECOND);
    bl_sleep(BL_HOUR);
    CHECK_EQ(bl_now() - began, BL_HOUR);
}

static void
clock_jumps_when_all_sleep(void)
{
    int64_t began = bl_now();

    CHECK_STR(bubble(sleep_an_hour, NULL), "");
    CHECK(bl_now() - began < BL_MINUTE);
}

static void
sleep_and_note(int seconds)
{
    bl_sleep(seconds * BL_SECOND);
    NOTE_INT(seconds);
}

static void
sleepers(void *unused)
{
    (void)unused;
    go(sleep_and_note, 3);
    go(sleep_and_note, 1);
    go(sleep_and_note, 2);
    bl_bubble_wait();
    CHECK_EQ(check_length, 0); /* waiting is not sleeping: no time has gone */
    bl_sleep(2 * BL_SECOND + 1);
    bl_bubble_wait();
    CHECK_TRACE("1 2");
}

static void
sleepers_wake_in_order(void)
{
    CHECK_STR(bubble(sleepers, NULL), "");
    CHECK_TRACE("3"); /* bl_bubble() has waited for it */
}

static void
relay(chan_of(int) in, chan_of(int) out)
{
    int v;

    while (bl_recv_ok(in, &v)) {
        bl_sleep(BL_SECOND);
        bl_send(out, v + 1);
    }
    chan_close(out);
}

static void
pipeline(void *unused)
{
    chan_of(int) c[11];
    int64_t began = bl_now();

    (void)unused;
    for (int i = 0; i < 11; i++)
        c[i] = chan_make(int, 0);
    for (int i = 0; i < 10; i++)
        go(relay, c[i], c[i + 1]);
    bl_send(c[0], 0);
    CHECK_EQ(bl_recv(c[10]), 10);
    CHECK_EQ(bl_now() - began, 10 * BL_SECOND);
    chan_close(c[0]);
    bl_recv(c[10]);
    bl_bubble_wait();
    for (int i = 0; i < 11; i++)
        chan_free(c[i]);
}

static void
channels_in_a_bubble(void)
{
    CHECK_STR(bubble(pipeline, NULL), "");
}

static void
tick(void *unused)
{
    bl_timer *t = bl_ticker_new(BL_SECOND);
    int64_t began = bl_now(), at;

    (void)unused;
    for (int i = 1; i <= 5; i++) {
        CHECK(bl_recv_ok(bl_timer_chan(t), &at));
        CHECK_EQ(at - began, i * BL_SECOND);
    }
    bl_timer_free(t);
}

static void
tickers_tick(void)
{
    CHECK_STR(bubble(tick, NULL), "");
}

static void
note_fired(void *arg)
{
    (void)arg;
    NOTE("fired");
}

static void
start_after_func(void *unused)
{
    bl_timer *t = bl_after_func(BL_MINUTE, note_fired, NULL);

    (void)unused;
    bl_sleep(BL_MINUTE - 1);
    bl_bubble_wait();
    CHECK_EQ(check_length, 0);
    bl_sleep(1);
    bl_bubble_wait();
    CHECK_TRACE("fired");
    bl_timer_free(t);
}

static void
after_func_runs_in_the_bubble(void)
{
    CHECK_STR(bubble(start_after_func, NULL), "");
}

static void
deadline(void *unused)
{
    chan_of(int) c = chan_make(int, 0);
    int v = 7;

    (void)unused;
    CHECK_EQ(bl_recv_until(c, &v, bl_now() + BL_HOUR), -ETIMEDOUT);
    CHECK_EQ(bl_select_until(bl_now() + BL_HOUR, on_recv(c, &v)), -1);
    CHECK_EQ(bl_now(), INT64_C(946684800) * BL_SECOND + 2 * BL_HOUR);
    chan_free(c);
}

static void
deadlines_use_the_bubbles_clock(void)
{
    CHECK_STR(bubble(deadline, NULL), "");
}

static void
block(void *unused)
{
    chan_of(int) c = chan_make(int, 0);

    (void)unused;
    bl_recv(c);
}

static void
start_blocked(void *unused)
{
    (void)unused;
    go(block, (void *)NULL);
}

static void
deadlocks_are_found(void)
{
    CHECK_STR(bubble(block, NULL), "deadlock: all goroutines in bubble are blocked");
    CHECK_STR(bubble(start_blocked, NULL),
              "deadlock: main bubble goroutine has exited but blocked goroutines remain");
}

static void
nest(void *unused)
{
    (void)unused;
    CHECK_STR(bubble(sleep_an_hour, NULL),
              "synctest.Run called from within a synctest bubble");
    panic_text[0] = '\0';
}

static void
wait_outside(void)
{
    returns_nothing {
        defer_call(note_panic);
        bl_bubble_wait();
    }
}

static void
misuse_panics(void)
{
    CHECK_STR(bubble(nest, NULL), "");
    wait_outside();
    CHECK_STR(panic_text, "goroutine is not in a bubble");
}

/* A channel from outside can be served from outside: waiting there is not durable,
 * so the clock must not jump. */
static void
serve(chan_of(int) c)
{
    for (int i = 0; i < 200; i++)
        bl_gosched();
    bl_send(c, 42);
}

static void
wait_for_outside(void *arg)
{
    chan_of(int) c = arg;
    int64_t began = bl_now();

    go(sleep_and_note, 5);
    CHECK_EQ(bl_recv(c), 42);
    CHECK_EQ(bl_now(), began);
}

static void
channels_from_outside_are_not_durable(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(serve, c);
    CHECK_STR(bubble(wait_for_outside, c), "");
    CHECK_TRACE("5");
    chan_free(c);
}

int
main(void)
{
    RUN(clock_jumps_when_all_sleep);
    RUN(sleepers_wake_in_order);
    RUN(channels_in_a_bubble);
    RUN(tickers_tick);
    RUN(after_func_runs_in_the_bubble);
    RUN(deadlines_use_the_bubbles_clock);
    RUN(deadlocks_are_found);
    RUN(misuse_panics);
    RUN(channels_from_outside_are_not_durable);
    return 0;
}
