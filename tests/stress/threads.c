/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/threads.c - plain threads and goroutines meet in the same channels and locks.
 *
 * Threads come and go while a round lasts.  Every member, of either kind, plays all
 * parts in turn, so that each kind waits for the other: messages are conserved, counts
 * are exact, and no wake-up is lost between a futex and a run queue. */
#include "stress.h"

enum { MEMBERS = 16, TURNS = 60 };

struct club {
    chan_of(uint64_t) c;
    _Atomic uint64_t sent, received, sum_sent, sum_received;
    bl_mutex mutex;
    long n;                      /* protected by mutex */
    _Atomic long want;
    bl_rwmutex shelf;
    long a, b;                   /* protected by shelf */
    bl_semaphore seats;
    _Atomic int64_t seated;
    bl_mutex door;
    bl_cond opened;
    int tickets;                 /* protected by door */
    bl_once once;
    _Atomic int begun;
    bl_waitgroup members, called;
};

struct member {
    struct club *club;
    struct stress_random r;
};

static _Atomic uint64_t total;

/* --- parts: each ends by itself, but for waiting that others surely end --- */

static int64_t
soon(struct member *m)
{
    return bl_now() + stress_below(&m->r, 300) * BL_MICROSECOND;
}

static void
note_sent(struct club *c, uint64_t v)
{
    c->sent++;
    c->sum_sent += v;
}

static void
note_received(struct club *c, uint64_t v)
{
    c->received++;
    c->sum_received += v;
}

static void
part_send(struct member *m)
{
    uint64_t v = stress_next(&m->r) >> 20;
    int64_t until = soon(m);

    if (bl_send_until(m->club->c, v, until) == 0)
        note_sent(m->club, v);
    else
        STRESS_COMPARE(bl_now(), >=, until);
}

static void
part_receive(struct member *m)
{
    int64_t until = soon(m);
    uint64_t v;

    if (bl_recv_until(m->club->c, &v, until) == 1)
        note_received(m->club, v);
    else
        STRESS_COMPARE(bl_now(), >=, until);
}

static void
part_select(struct member *m)
{
    uint64_t in, out = stress_next(&m->r) >> 20;
    chan_of(uint64_t) never = NULL;
    bl_timer *t = bl_timer_new(stress_below(&m->r, 300000));

    switch (bl_select(on_recv(m->club->c, &in), on_send(m->club->c, out),
                      on_recv(never, &in), on_recv(bl_timer_chan(t), NULL))) {
    case 0:
        note_received(m->club, in);
        break;
    case 1:
        note_sent(m->club, out);
        break;
    case 3:
        break;
    default:
        STRESS_CHECK(!"a nil channel was ready");
    }
    bl_timer_free(t);
}

static void
part_count(struct member *m)
{
    struct club *c = m->club;
    long n;

    bl_mutex_lock(&c->mutex);
    n = c->n;
    stress_dawdle(&m->r);
    c->n = n + 1;
    bl_mutex_unlock(&c->mutex);
    c->want++;
}

static void
part_shelf(struct member *m)
{
    struct club *c = m->club;

    if (stress_chance(&m->r, 30)) {
        bl_rwmutex_lock(&c->shelf);
        c->a++;
        stress_dawdle(&m->r);
        c->b++;
        bl_rwmutex_unlock(&c->shelf);
    } else {
        bl_rwmutex_rlock(&c->shelf);
        STRESS_COMPARE(c->a, ==, c->b);
        stress_dawdle(&m->r);
        STRESS_COMPARE(c->a, ==, c->b);
        bl_rwmutex_runlock(&c->shelf);
    }
}

static void
part_seats(struct member *m)
{
    struct club *c = m->club;
    int64_t n = stress_between(&m->r, 1, (int)c->seats.size);

    if (stress_chance(&m->r, 50))
        bl_semaphore_acquire(&c->seats, n);
    else if (bl_semaphore_acquire_until(&c->seats, n, soon(m)) != 0)
        return;
    c->seated += n;
    STRESS_COMPARE(c->seated, <=, c->seats.size);
    stress_dawdle(&m->r);
    c->seated -= n;
    bl_semaphore_release(&c->seats, n);
}

/* Gives before it takes, so that the last one finds a ticket. */
static void
part_door(struct member *m)
{
    struct club *c = m->club;

    bl_mutex_lock(&c->door);
    c->tickets++;
    bl_cond_signal(&c->opened);
    bl_mutex_unlock(&c->door);
    stress_dawdle(&m->r);
    bl_mutex_lock(&c->door);
    while (c->tickets == 0)
        bl_cond_wait(&c->opened, &c->door);
    c->tickets--;
    bl_mutex_unlock(&c->door);
}

static void
be_called(struct club *c, uint64_t v)
{
    note_sent(c, v);
    note_received(c, v);
    bl_waitgroup_done(&c->called);
}

static void
part_go(struct member *m)
{
    bl_waitgroup_add(&m->club->called, 1);
    go(be_called, m->club, stress_next(&m->r) >> 20);
}

static void
call_later(void *arg)
{
    struct club *c = arg;

    bl_waitgroup_done(&c->called);
}

static void
part_timer(struct member *m)
{
    struct club *c = m->club;
    bl_timer *t;

    bl_waitgroup_add(&c->called, 1);
    t = bl_after_func(stress_below(&m->r, 300000), call_later, c);
    bl_sleep(stress_below(&m->r, 300000));
    if (bl_timer_stop(t))
        bl_waitgroup_done(&c->called);
    bl_timer_free(t);
}

static void
begin_club(void *arg)
{
    struct club *c = arg;

    gosched();
    c->begun++;
}

static void
part_once(struct member *m)
{
    bl_once_do(&m->club->once, begin_club, m->club);
    STRESS_COMPARE(m->club->begun, ==, 1);
}

static void
check_caught(struct club *c)
{
    const bl_panic_info *info = recover();

    STRESS_CHECK(info && strcmp(info->text, "out of order") == 0);
    bl_mutex_unlock(&c->mutex);
}

static void
part_panic(struct member *m)
{
    struct club *c = m->club;

    bl_mutex_lock(&c->mutex);
    c->n++;
    c->want++;
    returns_nothing {
        defer_call(check_caught, c);
        panic("out of order");
    }
}

static void (*const parts[])(struct member *m) = {
    part_send,  part_receive, part_select, part_count, part_shelf, part_seats,
    part_door,  part_go,      part_timer,  part_once,  part_panic,
};

/* --- members -------------------------------------------------------------- */

static void
leave_club(struct club *c)
{
    bl_waitgroup_done(&c->members);
}

static void
be_member(struct member m)
{
    returns_nothing {
        defer_call(leave_club, m.club);
        for (int i = stress_between(&m.r, 1, TURNS); i > 0; i--) {
            parts[stress_below(&m.r, (int)(sizeof parts / sizeof parts[0]))](&m);
            stress_dawdle(&m.r);
            total++;
        }
        if (stress_chance(&m.r, 20))
            goexit();
    }
}

static void *
be_thread(void *arg)
{
    struct member m = *(struct member *)arg;

    free(arg);
    STRESS_CHECK(!bl_on_goroutine());
    be_member(m);
    return NULL;
}

static void
start_thread(struct member m)
{
    struct member *copy = stress_make(1, sizeof *copy);
    pthread_attr_t attr;
    pthread_t thread;

    *copy = m;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 1 << 18);
    STRESS_COMPARE(pthread_create(&thread, &attr, be_thread, copy), ==, 0);
    pthread_attr_destroy(&attr);
}

static void
check_club(struct club *c)
{
    uint64_t v;

    while (bl_try_recv(c->c, &v) == 1)
        note_received(c, v);
    STRESS_COMPARE(c->sent, ==, c->received);
    STRESS_COMPARE(c->sum_sent, ==, c->sum_received);
    STRESS_COMPARE(c->n, ==, c->want);
    STRESS_COMPARE(c->a, ==, c->b);
    STRESS_COMPARE(c->tickets, ==, 0);
    STRESS_CHECK(bl_semaphore_try_acquire(&c->seats, c->seats.size));
}

static void
run_round(struct stress_random *r)
{
    struct club *c = stress_make(1, sizeof *c);
    int n = stress_between(r, 2, MEMBERS);

    c->c = chan_make(uint64_t, stress_below(r, 3));
    c->seats.size = stress_between(r, 1, 6);
    bl_waitgroup_add(&c->members, n);
    for (int i = 0; i < n; i++) {
        struct member m = {c, stress_split(r)};

        if (stress_chance(r, 50))
            start_thread(m);
        else
            go(be_member, m);
        stress_dawdle(r);
    }
    bl_waitgroup_wait(&c->members);
    bl_waitgroup_wait(&c->called);
    check_club(c);
    chan_free(c->c);
    free(c);
}

int
main(int argc, char **argv)
{
    struct stress_random r;

    stress_begin(argc, argv, "threads");
    while (stress_round(&r))
        run_round(&r);
    return stress_end(total, "turns");
}
