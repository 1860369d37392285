/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/select.c - one of several channel operations.
 *
 * First every case is tried by itself, in random order: one that is ready is done
 * and no other channel is locked.  When none was, all channels are locked, in the
 * order of their addresses, and tried again: only now it is certain that at no
 * moment one was ready.  Then the caller returns (default), or stands in every
 * queue with a waiter each and parks.  Whoever claims it first does the operation;
 * the other waiters are taken out on its way back. */
#include "sync/chan.h"

#include <errno.h>
#include <stdlib.h>

enum { FEW = 16 };

/* --- orders -------------------------------------------------------------- */

static void
shuffle(struct bl__selection *s)
{
    s->live = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t j;

        if (!s->cases[i].c)
            continue;
        j = bl__random(s->g, (uint32_t)s->live + 1);
        s->order[s->live++] = s->order[j];
        s->order[j] = (uint16_t)i;
    }
}

static uintptr_t
key(const struct bl__selection *s, uint16_t i)
{
    return (uintptr_t)s->cases[i].c;
}

static void
sink(struct bl__selection *s, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        uint16_t t;

        if (child + 1 < n && key(s, s->locks[child]) < key(s, s->locks[child + 1]))
            child++;
        if (key(s, s->locks[i]) >= key(s, s->locks[child]))
            return;
        t = s->locks[i];
        s->locks[i] = s->locks[child];
        s->locks[child] = t;
    }
}

/* Heap sort: no memory, no recursion, however many. */
static void
sort_locks(struct bl__selection *s)
{
    memcpy(s->locks, s->order, s->live * sizeof *s->locks);
    for (size_t i = s->live / 2; i-- > 0;)
        sink(s, i, s->live);
    for (size_t n = s->live; n-- > 1;) {
        uint16_t t = s->locks[0];

        s->locks[0] = s->locks[n];
        s->locks[n] = t;
        sink(s, 0, n);
    }
}

/* A channel may be in several cases: it is locked once. */
static void
lock_all(struct bl__selection *s)
{
    const bl_chan *last = NULL;

    for (size_t i = 0; i < s->live; i++) {
        bl_chan *c = s->cases[s->locks[i]].c;

        if (c != last)
            bl__lock(&c->lock);
        last = c;
    }
}

/* Behind the last unlock the goroutine may run, and s be gone. */
static void
unlock_all(void *p)
{
    struct bl__selection *s = p;
    size_t i = s->live;

    while (i > 0) {
        bl_chan *c = s->cases[s->locks[--i]].c;

        while (i > 0 && s->cases[s->locks[i - 1]].c == c)
            i--;
        bl__unlock(&c->lock);
    }
}

/* --- trying -------------------------------------------------------------- */

static enum bl__tried
try_case(const struct bl__selection *s, const bl_case *k, struct bl__g **wake)
{
    enum bl__tried tried;

    if (k->is_send)
        return bl__chan_try_send(k->c, k->value, wake);
    if (BL__UNLIKELY(k->c->timer != NULL))
        bl__chan_timer_sync(k->c, s->g);
    tried = bl__chan_try_recv(k->c, k->value, wake);
    if (k->ok && tried != BL__NOT_READY)
        *k->ok = tried == BL__DONE;
    return tried;
}

/* The case that has been done ends the select. */
static int
finish(struct bl__selection *s, size_t i, enum bl__tried tried, struct bl__g *wake)
{
    if (wake)
        bl__ready(wake, true);
    bl__leave(s->g);
    if (BL__UNLIKELY(tried == BL__CLOSED && s->cases[i].is_send))
        bl__panic_runtime("send on closed channel");
    return (int)i;
}

/* Each case by itself.  Returns its index, or -1 with nothing locked. */
static int
try_each(struct bl__selection *s)
{
    for (size_t i = 0; i < s->live; i++) {
        const bl_case *k = &s->cases[s->order[i]];
        struct bl__g *wake;
        enum bl__tried tried;

        bl__lock(&k->c->lock);
        tried = try_case(s, k, &wake);
        bl__unlock(&k->c->lock);
        if (tried != BL__NOT_READY)
            return finish(s, s->order[i], tried, wake);
    }
    return -1;
}

/* All together.  Returns its index, or -1 with everything locked. */
static int
try_all(struct bl__selection *s)
{
    sort_locks(s);
    lock_all(s);
    for (size_t i = 0; i < s->live; i++) {
        struct bl__g *wake;
        enum bl__tried tried = try_case(s, &s->cases[s->order[i]], &wake);

        if (tried != BL__NOT_READY) {
            unlock_all(s);
            return finish(s, s->order[i], tried, wake);
        }
    }
    return -1;
}

/* --- waiting ------------------------------------------------------------- */

static struct bl__queue *
queue_of(const bl_case *k)
{
    return k->is_send ? &k->c->senders : &k->c->receivers;
}

static void
stand_in_all(struct bl__selection *s)
{
    for (size_t i = 0; i < s->live; i++) {
        uint16_t at = s->order[i];
        const bl_case *k = &s->cases[at];

        s->waiters[at] = (struct bl__waiter){
            .g = s->g, .value = k->value, .shared = true, .index = at};
        bl__queue_push(queue_of(k), &s->waiters[at]);
        if (BL__UNLIKELY(k->c->timer != NULL))
            bl__chan_timer_watch(k->c);
    }
}

static void
leave_all(struct bl__selection *s)
{
    lock_all(s);
    for (size_t i = 0; i < s->live; i++) {
        const bl_case *k = &s->cases[s->order[i]];

        bl__queue_remove(queue_of(k), &s->waiters[s->order[i]]);
        if (BL__UNLIKELY(k->c->timer != NULL))
            bl__chan_timer_unwatch(k->c);
    }
    unlock_all(s);
}

static int
wait(struct bl__selection *s, int64_t until)
{
    const struct bl__waiter *w;
    const bl_case *k;
    enum bl__reason reason = s->n ? BL__WAIT_SELECT : BL__WAIT_SELECT_NONE;

    for (size_t i = 0; i < s->live && reason == BL__WAIT_SELECT; i++)
        reason = bl__chan_reason(s->cases[s->order[i]].c, s->g, reason);
    atomic_store_explicit(&s->g->claimed, 0, memory_order_relaxed);
    s->g->woken_by = s;
    stand_in_all(s);
    /* with nothing locked s may be gone as soon as the deadline's timer runs */
    if (!bl__park_until(s->g, s->live ? unlock_all : NULL, s, reason, until)) {
        leave_all(s);
        bl__leave(s->g);
        return -1;
    }
    w = s->g->woken_by;
    leave_all(s);
    bl__leave(s->g);
    k = &s->cases[w->index];
    if (k->is_send) {
        if (!w->success)
            bl__panic_runtime("send on closed channel");
        return w->index;
    }
    if (!w->success && k->value)
        memset(k->value, 0, k->c->elem_bytes);
    if (k->ok)
        *k->ok = w->success;
    return w->index;
}

static int
run(struct bl__selection *s, int64_t until)
{
    int done;

    s->g = bl__enter();
    shuffle(s);
    if ((done = try_each(s)) >= 0 || (done = try_all(s)) >= 0)
        return done;
    if (until != BL_NO_WAIT)
        return wait(s, until);
    unlock_all(s);
    bl__leave(s->g);
    return -1;
}

static int
run_many(struct bl__selection *s, int64_t until)
{
    size_t n = s->n;
    int done;

    if (n > BL_SELECT_MAX)
        bl__panic_runtime("reflect.Select: too many cases (max 65536)");
    s->waiters = malloc(n * (sizeof *s->waiters + 2 * sizeof *s->order));
    if (!s->waiters)
        bl_panic("belay: out of memory for a select of %zu cases", n);
    s->order = (uint16_t *)(s->waiters + n);
    s->locks = s->order + n;
    done = run(s, until);
    free(s->waiters);
    return done;
}

int
bl_select_cases(const bl_case *cases, size_t n, int64_t until_ns)
{
    struct bl__waiter waiters[FEW];
    uint16_t order[FEW], locks[FEW];
    struct bl__selection s = {.cases = cases, .n = n, .order = order, .locks = locks,
                          .waiters = waiters};

    return n <= FEW ? run(&s, until_ns) : run_many(&s, until_ns);
}
