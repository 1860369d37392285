/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/chan_test.c - channels: catalogue area C. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "check.h"
#include "concurrent.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static void
send_and_note(chan_of(int) c, int v)
{
    bl_send(c, v);
    NOTE("sent");
}

static void
C1_unbuffered_send_waits_for_a_receiver(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(send_and_note, c, 7);
    settle();
    CHECK_TRACE("");
    CHECK_EQ(bl_recv(c), 7);
    settle();
    CHECK_TRACE("sent");
    chan_free(c);
}

static void
C2_C6_buffered_in_order(void)
{
    chan_of(int) c = chan_make(int, 3);
    chan_of(int) nil = NULL;

    for (int i = 0; i < 3; i++)
        CHECK_EQ(bl_try_send(c, i), 0);
    CHECK_EQ(bl_try_send(c, 3), -EAGAIN);
    CHECK_EQ(chan_len(c), 3);
    CHECK_EQ(chan_cap(c), 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bl_recv(c), i);
    CHECK_EQ(bl_try_recv(c, &(int){0}), -EAGAIN);
    CHECK_EQ(chan_len(nil), 0);
    CHECK_EQ(chan_cap(nil), 0);
    chan_free(c);
}

static void
recv_and_note(chan_of(int) c, int id)
{
    NOTE_INT(id * 10 + bl_recv(c));
}

/* settle() lets each of them arrive before the next. */
static void
C3_C4_receivers_in_order_of_arrival(void)
{
    chan_of(int) c = chan_make(int, 4);

    for (int i = 1; i <= 3; i++) {
        go(recv_and_note, c, i);
        settle();
    }
    for (int i = 1; i <= 3; i++) {
        bl_send(c, i);
        CHECK_EQ(chan_len(c), 0); /* handed over, not queued */
        settle();
    }
    CHECK_TRACE("11 22 33");
    chan_free(c);
}

static void
C3_C5_senders_in_order_of_arrival(void)
{
    chan_of(int) c = chan_make(int, 2);

    bl_send(c, 0);
    bl_send(c, 1);
    for (int i = 2; i < 6; i++) {
        go(send_and_note, c, i);
        settle();
    }
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(bl_recv(c), i);
        CHECK_EQ(chan_len(c), i < 4 ? 2 : 5 - i); /* filled up by the next sender */
    }
    settle();
    CHECK_TRACE("sent sent sent sent");
    chan_free(c);
}

static void
send_to_nil(void)
{
    chan_of(int) nil = NULL;

    bl_send(nil, 1);
}

static void
receive_from_nil(void)
{
    chan_of(int) nil = NULL;

    bl_recv(nil);
}

static void
C7_nil_blocks_for_ever(void)
{
    chan_of(int) nil = NULL;
    int v = 5;

    check_fatal(send_to_nil, "fatal error: all goroutines are asleep - deadlock!\n\n"
                             "goroutine 1 [chan send (nil chan)]:\n");
    check_fatal(receive_from_nil, "fatal error: all goroutines are asleep - deadlock!\n"
                                  "\ngoroutine 1 [chan receive (nil chan)]:\n");
    CHECK_EQ(bl_try_recv(nil, &v), -EAGAIN);
    CHECK_EQ(bl_try_send(nil, v), -EAGAIN);
    CHECK_EQ(bl_recv_until(nil, &v, bl_now() + BL_MILLISECOND), -ETIMEDOUT);
    CHECK_EQ(v, 5);
}

static void
close_nil(void)
{
    chan_of(int) nil = NULL;

    chan_close(nil);
}

static void
close_twice(void)
{
    chan_of(int) c = chan_make(int, 0);

    returns_nothing {
        defer_call(bl_chan_release, (bl_chan *)(void *)c);
        chan_close(c);
        chan_close(c);
    }
}

static void
send_on_closed(void)
{
    chan_of(int) c = chan_make(int, 3);

    returns_nothing {
        defer_call(bl_chan_release, (bl_chan *)(void *)c);
        chan_close(c);
        bl_send(c, 1);
    }
}

static void
try_send_on_closed(void)
{
    chan_of(int) c = chan_make(int, 3);

    returns_nothing {
        defer_call(bl_chan_release, (bl_chan *)(void *)c);
        chan_close(c);
        bl_try_send(c, 1);
    }
}

static void
P19_C8_C9_C10_misuse_panics(void)
{
    CHECK_STR(panic_of(close_nil), "close of nil channel");
    CHECK_STR(panic_of(close_twice), "close of closed channel");
    CHECK_STR(panic_of(send_on_closed), "send on closed channel");
    CHECK_STR(panic_of(try_send_on_closed), "send on closed channel");
}

static chan_of(int) shared;

static void
send_to_shared(void)
{
    bl_send(shared, 1);
}

static void
send_and_note_panic(void)
{
    NOTE(panic_of(send_to_shared));
}

static void
C11_waiting_senders_panic_at_close(void)
{
    int v;

    shared = chan_make(int, 0);
    go(send_and_note_panic);
    settle();
    chan_close(shared);
    settle();
    CHECK_TRACE("send on closed channel");
    CHECK(!bl_recv_ok(shared, &v)); /* its value is gone */
    chan_free(shared);
}

static void
recv_closed(chan_of(int) c)
{
    int v = 5;
    bool ok = bl_recv_ok(c, &v);

    CHECK(!ok);
    CHECK_EQ(v, 0);
    NOTE("closed");
}

static void
C12_waiting_receivers_wake_at_close(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(recv_closed, c);
    go(recv_closed, c);
    settle();
    chan_close(c);
    settle();
    CHECK_TRACE("closed closed");
    chan_free(c);
}

static void
C13_C17_queued_values_come_first(void)
{
    chan_of(int) c = chan_make(int, 3);
    int v;

    bl_send(c, 1);
    bl_send(c, 2);
    chan_close(c);
    CHECK(bl_recv_ok(c, &v));
    CHECK_EQ(v, 1);
    CHECK(bl_recv_ok(c, &v));
    CHECK_EQ(v, 2);
    for (int i = 0; i < 3; i++) {
        v = 9;
        CHECK(!bl_recv_ok(c, &v));
        CHECK_EQ(v, 0);
        v = 9;
        CHECK_EQ(bl_try_recv(c, &v), 0);
        CHECK_EQ(v, 0);
    }
    chan_free(c);
}

static void
send_some(chan_of(int) c, int n)
{
    for (int i = 0; i < n; i++)
        bl_send(c, i);
    chan_close(c);
}

static void
C14_range(void)
{
    chan_of(int) c = chan_make(int, 2);
    int sum = 0;

    go(send_some, c, 100);
    for_recv (int, v, c)
        sum += v;
    CHECK_EQ(sum, 4950);
    chan_free(c);
}

static void
make_negative(void)
{
    bl_chan_new(4, -1);
}

static void
make_absurd(void)
{
    bl_chan_new(1 << 20, PTRDIFF_MAX / 2);
}

static void
C15_absurd_sizes(void)
{
    CHECK_STR(panic_of(make_negative), "makechan: size out of range");
    CHECK_STR(panic_of(make_absurd), "makechan: size out of range");
}

static void
C16_no_elements(void)
{
    bl_chan *c = bl_chan_new(0, 2);

    bl_chan_send(c, NULL);
    bl_chan_send(c, NULL);
    CHECK_EQ(bl_chan_try_send(c, NULL), -EAGAIN);
    CHECK_EQ(bl_chan_length(c), 2);
    CHECK(bl_chan_recv(c, NULL));
    bl_chan_shut(c);
    CHECK(bl_chan_recv(c, NULL));
    CHECK(!bl_chan_recv(c, NULL));
    bl_chan_release(c);
}

enum { PRODUCERS = 8, CONSUMERS = 5, VALUES = 2000 };

static _Atomic char seen[PRODUCERS * VALUES];

static void
produce(chan_of(int) c, int first, bl_waitgroup *wg)
{
    for (int i = 0; i < VALUES; i++)
        bl_send(c, first + i);
    bl_waitgroup_done(wg);
}

static void
consume(chan_of(int) c, bl_waitgroup *wg)
{
    for_recv (int, v, c)
        CHECK_EQ(seen[v]++, 0);
    bl_waitgroup_done(wg);
}

static void
many_to_many(int capacity)
{
    chan_of(int) c = chan_make(int, capacity);
    bl_waitgroup producers = {0}, consumers = {0};

    memset((void *)seen, 0, sizeof seen);
    for (int i = 0; i < PRODUCERS; i++) {
        bl_waitgroup_add(&producers, 1);
        go(produce, c, i * VALUES, &producers);
    }
    for (int i = 0; i < CONSUMERS; i++) {
        bl_waitgroup_add(&consumers, 1);
        go(consume, c, &consumers);
    }
    bl_waitgroup_wait(&producers);
    chan_close(c);
    bl_waitgroup_wait(&consumers);
    for (int i = 0; i < PRODUCERS * VALUES; i++)
        CHECK_EQ(seen[i], 1);
    chan_free(c);
}

static void
C18_each_value_once(void)
{
    many_to_many(0);
    many_to_many(1);
    many_to_many(10);
}

static void
close_soon(chan_of(int) c, bl_waitgroup *wg)
{
    chan_close(c);
    bl_waitgroup_done(wg);
}

static void
C19_a_value_is_always_ready(void)
{
    for (int i = 0; i < 500; i++) {
        chan_of(int) c = chan_make(int, 1);
        bl_waitgroup wg = {0};
        int v;

        bl_send(c, 1);
        bl_waitgroup_add(&wg, 1);
        go(close_soon, c, &wg);
        CHECK_EQ(bl_try_recv(c, &v), 1);
        bl_waitgroup_wait(&wg);
        chan_free(c);
    }
}

static void
hand_on(chan_of(int) from, chan_of(int) to)
{
    bl_send(to, bl_recv(from) + 1);
}

static void
C20_ten_thousand_in_a_chain(void)
{
#if defined(__SANITIZE_THREAD__)
    enum { N = 4000 }; /* it knows 8128 threads and goroutines at most */
#else
    enum { N = 10000 };
#endif
    chan_of(int) *c = malloc((N + 1) * sizeof *c);

    for (int i = 0; i <= N; i++)
        c[i] = chan_make(int, 0);
    for (int i = 0; i < N; i++)
        go(hand_on, c[i], c[i + 1]);
    bl_send(c[0], 0);
    CHECK_EQ(bl_recv(c[N]), N);
    for (int i = 0; i <= N; i++)
        chan_free(c[i]);
    free(c);
}

static long plain; /* no atomics: the channel orders it */

static void
write_plain(chan_of(int) c)
{
    for (int i = 0; i < 1000; i++) {
        plain = i;
        bl_send(c, i);
        bl_recv(c);
    }
}

static void
C21_happens_before(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(write_plain, c);
    for (int i = 0; i < 1000; i++) {
        bl_recv(c);
        CHECK_EQ(plain, i);
        plain = -1;
        bl_send(c, 0);
    }
    chan_free(c);
}

struct large {
    int n;
    char text[100];
};

static void
C23_values_are_copied(void)
{
    chan_of(struct large) c = chan_make(struct large, 2);
    struct large v = {1, "one"}, got;

    bl_send(c, v);
    v = (struct large){2, "two"};
    CHECK_EQ(bl_select(on_send(c, v)), 0);
    v.n = 3;
    CHECK(bl_recv_ok(c, &got));
    CHECK_EQ(got.n, 1);
    CHECK_STR(got.text, "one");
    CHECK_EQ(bl_recv(c).n, 2);
    chan_free(c);
}

/* --- deadlines, plain threads, ownership ------------------------------------------ */

static void
deadlines_leave_nothing_behind(void)
{
    chan_of(int) c = chan_make(int, 0);
    int v = 1;

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(bl_recv_until(c, &v, bl_now() + 10 * BL_MICROSECOND), -ETIMEDOUT);
        CHECK_EQ(bl_send_until(c, 1, bl_now() + 10 * BL_MICROSECOND), -ETIMEDOUT);
        CHECK_EQ(bl_recv_until(c, &v, bl_now() - 1), -ETIMEDOUT);
    }
    CHECK_EQ(bl_try_send(c, 1), -EAGAIN); /* nobody waits any more */
    CHECK_EQ(bl_try_recv(c, &v), -EAGAIN);
    go(send_and_note, c, 3);
    CHECK_EQ(bl_recv_until(c, &v, bl_now() + BL_MINUTE), 1);
    CHECK_EQ(v, 3);
    settle();
    check_length = 0;
    chan_free(c);
}

/* Time and value race: what was sent has been received exactly once. */
static void
send_with_deadline(chan_of(int) c, _Atomic int *sent, bl_waitgroup *wg)
{
    for (int i = 0; i < 300; i++)
        if (bl_send_until(c, 1, bl_now() + i % 30 * BL_MICROSECOND) == 0)
            ++*sent;
    bl_waitgroup_done(wg);
}

static void
receive_with_deadline(chan_of(int) c, _Atomic int *received, bl_waitgroup *wg)
{
    int v;

    for (int i = 0; i < 300; i++)
        if (bl_recv_until(c, &v, bl_now() + i % 30 * BL_MICROSECOND) == 1)
            ++*received;
    bl_waitgroup_done(wg);
}

static void
deadlines_race_with_values(void)
{
    chan_of(int) c = chan_make(int, 0);
    _Atomic int sent = 0, received = 0;
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 8);
    for (int i = 0; i < 4; i++) {
        go(send_with_deadline, c, &sent, &wg);
        go(receive_with_deadline, c, &received, &wg);
    }
    bl_waitgroup_wait(&wg);
    CHECK_EQ(sent, received);
    chan_free(c);
}

static void *
thread_sum(void *arg)
{
    chan_of(int) *c = arg;
    intptr_t sum = 0;

    for_recv (int, v, c[0])
        sum += v;
    bl_send(c[1], (int)sum);
    return NULL;
}

static void
plain_threads_take_part(void)
{
    chan_of(int) c[2] = {chan_make(int, 0), chan_make(int, 0)};
    pthread_t thread[3];
    int sum = 0;

    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&thread[i], NULL, thread_sum, c) == 0);
    go(send_some, c[0], 1000);
    for (int i = 0; i < 3; i++)
        sum += bl_recv(c[1]);
    CHECK_EQ(sum, 499500);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    chan_free(c[0]);
    chan_free(c[1]);
}

static void
free_shared(void)
{
    chan_free(shared);
}

static void
freeing_under_a_waiter_panics(void)
{
    shared = chan_make(int, 0);
    go(recv_closed, shared);
    settle();
    CHECK_STR(panic_of(free_shared),
              "belay: bl_chan_free of a channel that somebody waits in");
    chan_close(shared);
    settle();
    CHECK_TRACE("closed");
    chan_free(shared);
}

int
main(void)
{
    RUN(C1_unbuffered_send_waits_for_a_receiver);
    RUN(C2_C6_buffered_in_order);
    RUN(C3_C4_receivers_in_order_of_arrival);
    RUN(C3_C5_senders_in_order_of_arrival);
    RUN(C7_nil_blocks_for_ever);
    RUN(P19_C8_C9_C10_misuse_panics);
    RUN(C11_waiting_senders_panic_at_close);
    RUN(C12_waiting_receivers_wake_at_close);
    RUN(C13_C17_queued_values_come_first);
    RUN(C14_range);
    RUN(C15_absurd_sizes);
    RUN(C16_no_elements);
    RUN(C18_each_value_once);
    RUN(C19_a_value_is_always_ready);
    RUN(C20_ten_thousand_in_a_chain);
    RUN(C21_happens_before);
    RUN(C23_values_are_copied);
    RUN(deadlines_leave_nothing_behind);
    RUN(deadlines_race_with_values);
    RUN(plain_threads_take_part);
    RUN(freeing_under_a_waiter_panics);
    return 0;
}
