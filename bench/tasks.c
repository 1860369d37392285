/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/tasks.c - what goroutines, messages, select, mutexes and timers cost.
 * go/tasks/tasks.go holds the same functions in the same order. */
#include "tasks.h"

enum {
    WAVE = 1000, /* goroutines that are parked at the same time */
    BATCH = 100, /* goroutines, timers that one join waits for */
    FEW = 4,
};

/* Nobody uses it when a case begins or ends. */
static bl_waitgroup joined;

/* --- goroutines ----------------------------------------------------------- */

static void
yield(int64_t n)
{
    while (n-- > 0)
        bl_gosched();
    bl_waitgroup_done(&joined);
}

/* Two goroutines a processor take turns: with one, on two processors, neither would
 * have anybody to yield to. */
static uint64_t
switches(int64_t n)
{
    int workers = 2 * bl_gomaxprocs(0);

    bl_waitgroup_add(&joined, workers);
    for (int i = 0; i < workers; i++)
        go(yield, n / workers);
    bl_waitgroup_wait(&joined);
    return (uint64_t)n;
}

static void
end(void)
{
    bl_waitgroup_done(&joined);
}

static uint64_t
spawn_and_join(int64_t n, int at_a_time)
{
    for (int64_t i = 0; i < n; i++) {
        bl_waitgroup_add(&joined, at_a_time);
        for (int j = 0; j < at_a_time; j++)
            go(end);
        bl_waitgroup_wait(&joined);
    }
    return (uint64_t)n;
}

static uint64_t
spawn_one(int64_t n)
{
    return spawn_and_join(n, 1);
}

static uint64_t
spawn_batch(int64_t n)
{
    return spawn_and_join(n, BATCH);
}

/* --- parked, woken, joined -------------------------------------------------- */

static bl_waitgroup ready;

static void
wait_for_one(numbers c)
{
    bl_waitgroup_done(&ready);
    bl_recv(c);
    bl_waitgroup_done(&joined);
}

static void
expect_wave(void)
{
    bl_waitgroup_add(&ready, WAVE);
    bl_waitgroup_add(&joined, WAVE);
}

/* All wait in one channel, which is closed. */
static uint64_t
park_in_one(int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        numbers c = chan_make(int64_t, 0);

        expect_wave();
        for (int j = 0; j < WAVE; j++)
            go(wait_for_one, c);
        bl_waitgroup_wait(&ready);
        chan_close(c);
        bl_waitgroup_wait(&joined);
        chan_free(c);
    }
    return (uint64_t)n;
}

/* Each waits in a channel of its own, and gets a message. */
static uint64_t
park_in_own(int64_t n)
{
    static numbers c[WAVE];

    for (int j = 0; j < WAVE && !c[j]; j++)
        c[j] = chan_make(int64_t, 0);
    for (int64_t i = 0; i < n; i++) {
        expect_wave();
        for (int j = 0; j < WAVE; j++)
            go(wait_for_one, c[j]);
        bl_waitgroup_wait(&ready);
        for (int j = 0; j < WAVE; j++)
            bl_send(c[j], j);
        bl_waitgroup_wait(&joined);
    }
    return (uint64_t)n;
}

/* --- messages --------------------------------------------------------------- */

static void
produce(numbers c, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        bl_send(c, i);
    bl_waitgroup_done(&joined);
}

static void
consume(numbers c, int64_t n, uint64_t *sum)
{
    uint64_t s = 0;

    for (int64_t i = 0; i < n; i++)
        s = 31 * s + (uint64_t)bl_recv(c);
    *sum = s;
    bl_waitgroup_done(&joined);
}

static uint64_t
messages(int64_t n, int capacity)
{
    numbers c = chan_make(int64_t, capacity);
    uint64_t sum;

    bl_waitgroup_add(&joined, 2);
    go(consume, c, n, &sum);
    go(produce, c, n);
    bl_waitgroup_wait(&joined);
    chan_free(c);
    return sum;
}

static uint64_t
unbuffered(int64_t n)
{
    return messages(n, 0);
}

static uint64_t
buffered(int64_t n)
{
    return messages(n, 128);
}

/* --- select ------------------------------------------------------------------ */

/* Every channel holds a message; the one that is taken gets another. */
static uint64_t
select_ready_2(int64_t n)
{
    numbers a = chan_make(int64_t, 1), b = chan_make(int64_t, 1);
    int64_t v = 0;
    uint64_t sum = 0;

    bl_send(a, 1);
    bl_send(b, 1);
    for (int64_t i = 0; i < n; i++) {
        switch (bl_select(on_recv(a, &v), on_recv(b, &v))) {
        case 0: bl_send(a, v); break;
        case 1: bl_send(b, v); break;
        }
        sum += (uint64_t)v;
    }
    chan_free(a);
    chan_free(b);
    return sum;
}

static void
make_few(numbers c[FEW], int capacity)
{
    for (int i = 0; i < FEW; i++)
        c[i] = chan_make(int64_t, capacity);
}

static void
free_few(numbers c[FEW])
{
    for (int i = 0; i < FEW; i++)
        chan_free(c[i]);
}

static uint64_t
select_ready_4(int64_t n)
{
    numbers c[FEW];
    int64_t v = 0;
    uint64_t sum = 0;

    make_few(c, 1);
    for (int i = 0; i < FEW; i++)
        bl_send(c[i], 1);
    for (int64_t i = 0; i < n; i++) {
        int which = bl_select(on_recv(c[0], &v), on_recv(c[1], &v),
                              on_recv(c[2], &v), on_recv(c[3], &v));

        bl_send(c[which], v);
        sum += (uint64_t)v;
    }
    free_few(c);
    return sum;
}

/* Sends to k channels by turns; the receiver has to wait in all of them. */
static void
produce_by_turns(numbers *c, int k, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        bl_send(c[i % k], i);
    bl_waitgroup_done(&joined);
}

static void
select_of_2(numbers *c, int64_t n, uint64_t *sum)
{
    uint64_t s = 0;
    int64_t v = 0;

    for (int64_t i = 0; i < n; i++) {
        int which = bl_select(on_recv(c[0], &v), on_recv(c[1], &v));

        s = 31 * s + (uint64_t)(which + v);
    }
    *sum = s;
    bl_waitgroup_done(&joined);
}

static void
select_of_4(numbers *c, int64_t n, uint64_t *sum)
{
    uint64_t s = 0;
    int64_t v = 0;

    for (int64_t i = 0; i < n; i++) {
        int which = bl_select(on_recv(c[0], &v), on_recv(c[1], &v),
                              on_recv(c[2], &v), on_recv(c[3], &v));

        s = 31 * s + (uint64_t)(which + v);
    }
    *sum = s;
    bl_waitgroup_done(&joined);
}

static uint64_t
select_waiting(int64_t n, int k, void (*consumer)(numbers *, int64_t, uint64_t *))
{
    numbers c[FEW];
    uint64_t sum;

    make_few(c, 0);
    bl_waitgroup_add(&joined, 2);
    go(consumer, c, n, &sum);
    go(produce_by_turns, c, k, n);
    bl_waitgroup_wait(&joined);
    free_few(c);
    return sum;
}

static uint64_t
select_waiting_2(int64_t n)
{
    return select_waiting(n, 2, select_of_2);
}

static uint64_t
select_waiting_4(int64_t n)
{
    return select_waiting(n, 4, select_of_4);
}

/* --- mutex --------------------------------------------------------------------- */

static uint64_t
lock_and_unlock(int64_t n)
{
    static bl_mutex mutex;
    static uint64_t counter;

    counter = 0;
    for (int64_t i = 0; i < n; i++) {
        bl_mutex_lock(&mutex);
        counter++;
        bl_mutex_unlock(&mutex);
    }
    return counter;
}

/* --- pools ---------------------------------------------------------------------- */

static uint64_t
pool_item(int64_t n)
{
    static bl_pool pool;
    static int item;
    uint64_t got = 0;

    bl_pool_put(&pool, &item);
    for (int64_t i = 0; i < n; i++) {
        void *p = bl_pool_get(&pool);

        got += p == &item;
        bl_pool_put(&pool, p);
    }
    bl_pool_clear(&pool);
    return got;
}

static void
close_number(int n)
{
    (void)n;
}

static bl_error *
open_number(void *unused, int64_t until_ns, bl_closer *conn)
{
    (void)unused;
    (void)until_ns;
    *conn = with_closer(7, close_number);
    return NULL;
}

/* A connection got and put back, by who has no competition. */
static uint64_t
get_and_put(const bl_connpool_options *options, int64_t n)
{
    bl_connpool *pool = bl_connpool_new(options);
    uint64_t got = 0;

    for (int64_t i = 0; i < n; i++) {
        bl_connpool_lease lease;

        got += !bl_connpool_get(pool, &lease);
        bl_connpool_put(&lease);
    }
    bl_connpool_free(pool);
    return got;
}

static uint64_t
pool_conn(int64_t n)
{
    return get_and_put(
        &(bl_connpool_options){.open = open_number, .max_open = 8}, n);
}

/* With ages: the clock is read. */
static uint64_t
pool_conn_aged(int64_t n)
{
    return get_and_put(&(bl_connpool_options){.open = open_number,
                                              .max_open = 8,
                                              .idle_ns = BL_MINUTE,
                                              .lifetime_ns = BL_HOUR},
                       n);
}

static void
use_conn(bl_connpool *pool, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        bl_connpool_lease lease;

        bl_connpool_get(pool, &lease);
        bl_gosched(); /* the others come, and have to wait */
        bl_connpool_put(&lease);
    }
    bl_waitgroup_done(&joined);
}

/* Four want one. */
static uint64_t
pool_conn_waiting(int64_t n)
{
    bl_connpool *pool = bl_connpool_new(
        &(bl_connpool_options){.open = open_number, .max_open = 1});

    bl_waitgroup_add(&joined, FEW);
    for (int i = 0; i < FEW; i++)
        go(use_conn, pool, n / FEW);
    bl_waitgroup_wait(&joined);
    bl_connpool_free(pool);
    return (uint64_t)n;
}

/* --- timers -------------------------------------------------------------------- */

static void
fired(void *unused)
{
    (void)unused;
    bl_waitgroup_done(&joined);
}

/* A deadline that is not reached. */
static uint64_t
timer_stopped(int64_t n)
{
    uint64_t stopped = 0;

    for (int64_t i = 0; i < n; i++) {
        bl_timer *t = bl_after_func(BL_HOUR, fired, NULL);

        stopped += bl_timer_stop(t);
        bl_timer_free(t);
    }
    return stopped;
}

/* Made, due at once, its goroutine run and joined, and freed, which is the
 * collector's in Go. */
static uint64_t
timer_fired(int64_t n)
{
    bl_timer *t[BATCH];

    for (int64_t i = 0; i < n; i++) {
        bl_waitgroup_add(&joined, BATCH);
        for (int j = 0; j < BATCH; j++)
            t[j] = bl_after_func(1, fired, NULL);
        bl_waitgroup_wait(&joined);
        for (int j = 0; j < BATCH; j++)
            bl_timer_free(t[j]);
    }
    return (uint64_t)n;
}

/* --- contexts ------------------------------------------------------------------ */

/* Made, cancelled and freed, which is the collector's in Go.  One of a hundred is asked
 * whether it has ended. */
static uint64_t
contexts(bl_context *parent, int64_t timeout, int64_t n)
{
    uint64_t ended = 0;

    for (int64_t i = 0; i < n; i++) {
        bl_context *ctx = timeout ? context_with_timeout(parent, timeout)
                                  : context_with_cancel(parent);

        context_cancel(ctx);
        if (i % 100 == 0)
            ended += context_err(ctx) == bl_err_canceled;
        context_release(ctx);
    }
    return ended;
}

static uint64_t
context_cancelled(int64_t n)
{
    return contexts(context_background(), 0, n);
}

static uint64_t
context_of_parent(int64_t n)
{
    bl_context *parent = context_with_cancel(context_background());
    uint64_t ended = contexts(parent, 0, n);

    context_end(parent);
    return ended;
}

static uint64_t
context_timeout(int64_t n)
{
    return contexts(context_background(), BL_HOUR, n);
}

/* A parent with many children, which end with it. */
static uint64_t
context_tree(int64_t n)
{
    bl_context *children[BATCH];
    uint64_t ended = 0;

    for (int64_t i = 0; i < n; i++) {
        bl_context *parent = context_with_cancel(context_background());

        for (int j = 0; j < BATCH; j++)
            children[j] = context_with_cancel(parent);
        context_cancel(parent);
        for (int j = 0; j < BATCH; j++) {
            ended += context_err(children[j]) == bl_err_canceled;
            context_release(children[j]);
        }
        context_release(parent);
    }
    return ended;
}

/* Ten deep: the value is at the far end. */
static uint64_t
context_find_value(int64_t n)
{
    static const bl_context_key key = {.name = "key"}, other = {.name = "other"};
    bl_context *all[10], *parent = context_background();
    uint64_t found = 0;

    for (int i = 0; i < 10; i++)
        parent = all[i] = i == 0   ? context_with_value(parent, &key, &found)
                          : i == 5 ? context_with_cancel(parent)
                                   : context_with_value(parent, &other, NULL);
    for (int64_t i = 0; i < n; i++)
        found += context_value(parent, &key) == &found;
    for (int i = 0; i < 10; i++)
        context_end(all[i]);
    return found;
}

const struct task tasks[] = {
    {"go/switch", switches, 1, 1200},
    {"go/spawn/1", spawn_one, 1, 1000},
    {"go/spawn/100", spawn_batch, BATCH, 10},
    {"go/pwj/one", park_in_one, WAVE, 1},
    {"go/pwj/own", park_in_own, WAVE, 1},
    {"chan/unbuffered", unbuffered, 1, 1000},
    {"chan/buffered", buffered, 1, 1000},
    {"select/ready/2", select_ready_2, 1, 1000},
    {"select/ready/4", select_ready_4, 1, 1000},
    {"select/waiting/2", select_waiting_2, 1, 1000},
    {"select/waiting/4", select_waiting_4, 1, 1000},
    {"mutex/alone", lock_and_unlock, 1, 1000},
    {"pool/item", pool_item, 1, 1000},
    {"pool/conn", pool_conn, 1, 1000},
    {"pool/conn/aged", pool_conn_aged, 1, 1000},
    {"pool/conn/waiting", pool_conn_waiting, 1, 1000},
    {"after/stopped", timer_stopped, 1, 1000},
    {"after/fired", timer_fired, BATCH, 10},
    {"context/cancel", context_cancelled, 1, 1000},
    {"context/child", context_of_parent, 1, 1000},
    {"context/timeout", context_timeout, 1, 1000},
    {"context/tree", context_tree, BATCH, 10},
    {"context/value", context_find_value, 1, 1000},
    {0},
};
