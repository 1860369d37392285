/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/select_test.c - select: catalogue area S. */
#include "concurrent.h"

#include <errno.h>
#include <stdatomic.h>

static chan_of(int)
note_chan(const char *name, chan_of(int) c)
{
    NOTE(name);
    return c;
}

static int
note_value(const char *name, int v)
{
    NOTE(name);
    return v;
}

static void
S1_operands_once_in_order(void)
{
    chan_of(int) c = chan_make(int, 1);

    CHECK_EQ(bl_select_or(on_send(note_chan("a", NULL), note_value("b", 1)),
                          on_recv(note_chan("c", NULL), NULL)), -1);
    CHECK_TRACE("a b c");
    CHECK_EQ(bl_select(on_send(note_chan("a", c), note_value("b", 7)),
                       on_recv(note_chan("c", NULL), NULL)), 0);
    CHECK_TRACE("a b c");
    CHECK_EQ(bl_recv(c), 7);
    chan_free(c);
}

static void
S2_only_the_chosen_case_stores(void)
{
    chan_of(int) a = chan_make(int, 1), b = chan_make(int, 1);
    int x = -1, y = -1;
    bool ok = false;

    bl_send(b, 5);
    CHECK_EQ(bl_select(on_recv(a, &x), on_recv_ok(b, &y, &ok)), 1);
    CHECK_EQ(x, -1);
    CHECK_EQ(y, 5);
    CHECK(ok);
    chan_free(a);
    chan_free(b);
}

static void
S3_S4_fair(void)
{
    enum { N = 4000 };
    chan_of(int) a = chan_make(int, 1), b = chan_make(int, 1);
    int chosen[3] = {0}, v;

    bl_send(a, 1);
    bl_send(b, 1);
    for (int i = 0; i < N; i++) {
        int which = bl_select(on_recv(a, &v), on_recv(b, &v), on_recv(b, &v));

        chosen[which]++;
        bl_send(which == 0 ? a : b, 1);
    }
    for (int i = 0; i < 3; i++) /* b has two chances of three */
        CHECK(chosen[i] > N / 3 - N / 10 && chosen[i] < N / 3 + N / 10);
    chan_free(a);
    chan_free(b);
}

static void
S5_default_if_nothing_is_ready(void)
{
    chan_of(int) c = chan_make(int, 1);
    int v;

    CHECK_EQ(bl_select_or(on_recv(c, &v)), -1);
    CHECK_EQ(bl_select_or(on_send(c, 1)), 0);
    CHECK_EQ(bl_select_or(on_send(c, 1)), -1);
    CHECK_EQ(bl_select_or(on_recv(c, &v)), 0);
    CHECK_EQ(bl_select_or(), -1);
    chan_free(c);
}

/* One of two channels has the value at every moment. */
static void
move_about(chan_of(int) from, chan_of(int) to, bl_waitgroup *wg)
{
    bl_send(to, 1);
    CHECK_EQ(bl_try_recv(from, &(int){0}) == 1 || 1, 1);
    bl_waitgroup_done(wg);
}

static void
S6_default_is_never_taken_by_mistake(void)
{
    for (int i = 0; i < 1000; i++) {
        chan_of(int) a = chan_make(int, 1), b = chan_make(int, 1);
        bl_waitgroup wg = {0};
        int v;

        bl_send(a, 1);
        bl_waitgroup_add(&wg, 1);
        go(move_about, a, b, &wg);
        CHECK(bl_select_or(on_recv(a, &v), on_recv(b, &v)) >= 0);
        bl_waitgroup_wait(&wg);
        chan_free(a);
        chan_free(b);
    }
}

static void
select_nils(void)
{
    chan_of(int) nil = NULL;
    int v;

    bl_select(on_recv(nil, &v), on_send(nil, 1));
}

static void
select_nothing(void)
{
    bl_select_cases(NULL, 0, BL_FOREVER);
}

static void
S7_S8_blocks_for_ever(void)
{
    chan_of(int) nil = NULL;
    int v;

    check_fatal(select_nils, "fatal error: all goroutines are asleep - deadlock!\n\n"
                             "goroutine 1 [select");
    check_fatal(select_nothing, "fatal error: all goroutines are asleep - deadlock!\n\n"
                                "goroutine 1 [select (no cases)]:\n");
    CHECK_EQ(bl_select_or(on_recv(nil, &v), on_send(nil, 1)), -1);
    CHECK_EQ(bl_select_until(bl_now() + BL_MILLISECOND, on_recv(nil, &v)), -1);
}

static chan_of(int) shared;

static void
send_case_on_closed(void)
{
    bl_select_or(on_send(shared, 1));
}

static void
S9_S10_closed_channels_are_ready(void)
{
    int v = 9;
    bool ok = true;

    shared = chan_make(int, 1);
    chan_close(shared);
    CHECK_EQ(bl_select(on_recv_ok(shared, &v, &ok)), 0);
    CHECK_EQ(v, 0);
    CHECK(!ok);
    CHECK_STR(panic_of(send_case_on_closed), "send on closed channel");
    chan_free(shared);
}

static void
select_send(void)
{
    chan_of(int) other = chan_make(int, 0);
    int v;

    returns_nothing {
        defer_call(bl_chan_release, (bl_chan *)(void *)other);
        bl_select(on_send(shared, 1), on_recv(other, &v));
    }
}

static void
note_select_send(void)
{
    NOTE(panic_of(select_send));
}

static void
S11_close_wakes_a_sender(void)
{
    shared = chan_make(int, 0);
    go(note_select_send);
    settle();
    chan_close(shared);
    settle();
    CHECK_TRACE("send on closed channel");
    chan_free(shared);
}

static void
select_many(chan_of(int) a, chan_of(int) b, chan_of(int) done)
{
    int v;

    bl_select(on_recv(a, &v), on_recv(a, &v), on_recv(b, &v), on_recv(a, &v));
    bl_send(done, v);
}

static void
S12_woken_once_and_nothing_stays(void)
{
    chan_of(int) a = chan_make(int, 0), b = chan_make(int, 0);
    chan_of(int) done = chan_make(int, 10);
    int sum = 0;

    for (int i = 0; i < 10; i++)
        go(select_many, a, b, done);
    for (int i = 0; i < 10; i++)
        bl_send(i % 2 ? a : b, i);
    for (int i = 0; i < 10; i++)
        sum += bl_recv(done);
    CHECK_EQ(sum, 45);
    CHECK_EQ(bl_try_send(a, 1), -EAGAIN);
    CHECK_EQ(bl_try_send(b, 1), -EAGAIN);
    CHECK_EQ(chan_len(done), 0);
    chan_free(a);
    chan_free(b);
    chan_free(done);
}

static void
select_with_itself(void)
{
    chan_of(int) c = chan_make(int, 0);
    int v;

    bl_select(on_send(c, 1), on_recv(c, &v));
}

static void
exchange(chan_of(int) c, int me, bl_waitgroup *wg)
{
    int got = 0;

    for (int i = 0; i < 200; i++) {
        if (bl_select(on_send(c, me), on_recv(c, &got)) == 1)
            CHECK(got != me);
    }
    bl_waitgroup_done(wg);
}

static void
S13_S14_never_with_itself(void)
{
    chan_of(int) c = chan_make(int, 0);
    bl_waitgroup wg = {0};

    check_fatal(select_with_itself, "fatal error: all goroutines are asleep");
    bl_waitgroup_add(&wg, 2);
    go(exchange, c, 1, &wg);
    go(exchange, c, 2, &wg);
    bl_waitgroup_wait(&wg);
    chan_free(c);
}

static int
fail_value(void)
{
    panic("operand");
}

static void
select_failing(void)
{
    bl_select(on_send(note_chan("a", NULL), fail_value()),
              on_send(note_chan("b", NULL), 1));
}

static void
S15_a_panic_stops_evaluation(void)
{
    CHECK_STR(panic_of(select_failing), "operand");
    CHECK_TRACE("a");
}

static void
S16_nil_disables_a_case(void)
{
    chan_of(int) a = chan_make(int, 4), b = chan_make(int, 4);
    int v, n = 0;
    bool ok;

    for (int i = 0; i < 4; i++) {
        bl_send(a, 1);
        bl_send(b, 10);
    }
    chan_close(a);
    chan_close(b);
    for (chan_of(int) x = a, y = b; x || y;) {
        int which = bl_select(on_recv_ok(x, &v, &ok), on_recv_ok(y, &v, &ok));

        n += v;
        if (!ok && which == 0)
            x = NULL;
        else if (!ok)
            y = NULL;
    }
    CHECK_EQ(n, 44);
    chan_free(a);
    chan_free(b);
}

static void
S20_discarded_values_are_received(void)
{
    chan_of(int) c = chan_make(int, 2);

    bl_send(c, 1);
    bl_send(c, 2);
    CHECK_EQ(bl_select(on_recv(c, NULL)), 0);
    CHECK_EQ(bl_recv(c), 2);
    chan_free(c);
}

static void
S19_timers_are_not_starved(void)
{
    chan_of(int) c = chan_make(int, 1);
    bl_timer *t = bl_timer_new(BL_MILLISECOND);
    int v;

    for (bool fired = false; !fired;) {
        bl_try_send(c, 1);
        fired = bl_select(on_recv(c, &v), on_recv(bl_timer_chan(t), NULL)) == 1;
    }
    bl_timer_free(t);
    chan_free(c);
}

static void
select_too_many(void)
{
    static bl_case cases[BL_SELECT_MAX + 1];

    bl_select_cases(cases, BL_SELECT_MAX + 1, BL_NO_WAIT);
}

static void
send_one(chan_of(int) c)
{
    bl_send(c, 42);
}

static void
S21_many_cases(void)
{
    bl_case *cases = calloc(BL_SELECT_MAX, sizeof *cases);
    int v = 0;

    for (int i = 0; i < BL_SELECT_MAX; i++)
        cases[i] = (bl_case)on_recv(chan_make(int, 0), &v);
    CHECK_EQ(bl_select_cases(cases, BL_SELECT_MAX, BL_NO_WAIT), -1);
    go(send_one, (chan_of(int))(void *)cases[60000].c);
    CHECK_EQ(bl_select_cases(cases, BL_SELECT_MAX, BL_FOREVER), 60000);
    CHECK_EQ(v, 42);
    for (int i = 0; i < BL_SELECT_MAX; i++)
        bl_chan_release(cases[i].c);
    free(cases);
    CHECK_STR(panic_of(select_too_many), "reflect.Select: too many cases (max 65536)");
}

static void
S18_deadlines_and_residue(void)
{
    chan_of(int) a = chan_make(int, 0), b = chan_make(int, 0);
    int v;

    for (int i = 0; i < 100; i++)
        CHECK_EQ(bl_select_until(bl_now() + 5 * BL_MICROSECOND, on_recv(a, &v),
                                 on_send(b, 1)), -1);
    CHECK_EQ(bl_try_send(a, 1), -EAGAIN);
    CHECK_EQ(bl_try_recv(b, &v), -EAGAIN);
    chan_free(a);
    chan_free(b);
}

/* Every value that one side has sent another has received, whichever cases meet. */
static void
mix(chan_of(int) a, chan_of(int) b, _Atomic long *balance, bl_waitgroup *wg)
{
    for (int i = 0; i < 1000; i++) {
        int v;

        switch (bl_select_until(bl_now() + (i % 8) * 20 * BL_MICROSECOND, on_send(a, i),
                                on_recv(a, &v), on_send(b, i), on_recv(b, &v))) {
        case 0:
        case 2:
            *balance += i;
            break;
        case 1:
        case 3:
            *balance -= v;
            break;
        }
    }
    bl_waitgroup_done(wg);
}

static void
selects_meet_selects(void)
{
    chan_of(int) a = chan_make(int, 0), b = chan_make(int, 0);
    _Atomic long balance = 0;
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 8);
    for (int i = 0; i < 8; i++)
        go(mix, a, b, &balance, &wg);
    bl_waitgroup_wait(&wg);
    CHECK_EQ(balance, 0);
    chan_free(a);
    chan_free(b);
}

int
main(void)
{
    RUN(S1_operands_once_in_order);
    RUN(S2_only_the_chosen_case_stores);
    RUN(S3_S4_fair);
    RUN(S5_default_if_nothing_is_ready);
    RUN(S6_default_is_never_taken_by_mistake);
    RUN(S7_S8_blocks_for_ever);
    RUN(S9_S10_closed_channels_are_ready);
    RUN(S11_close_wakes_a_sender);
    RUN(S12_woken_once_and_nothing_stays);
    RUN(S13_S14_never_with_itself);
    RUN(S15_a_panic_stops_evaluation);
    RUN(S16_nil_disables_a_case);
    RUN(S18_deadlines_and_residue);
    RUN(S19_timers_are_not_starved);
    RUN(S20_discarded_values_are_received);
    RUN(S21_many_cases);
    RUN(selects_meet_selects);
    return 0;
}
