/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/chan.c - channels.
 *
 * A value goes straight from the sender to a receiver that waits, and the other
 * way round: whoever comes second copies, under the channel's lock, from or to the
 * other's stack, and readies it.  Who waits parks with the lock held; it is
 * released when the goroutine is off its stack. */
#include "sync/chan.h"

#include <errno.h>
#include <stdlib.h>

bl_chan *
bl_chan_new(size_t elem_bytes, ptrdiff_t capacity)
{
    size_t bytes;
    bl_chan *c;

    if (capacity < 0 || elem_bytes > PTRDIFF_MAX ||
        __builtin_mul_overflow(elem_bytes, (size_t)capacity, &bytes) ||
        bytes > PTRDIFF_MAX - sizeof *c)
        bl__panic_runtime("makechan: size out of range");
    c = malloc(sizeof *c + bytes);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->elem_bytes = elem_bytes;
    c->cap = (size_t)capacity;
    c->bubble = bl__self()->bubble;
    return c;
}

void
bl_chan_release(bl_chan *c)
{
    bool busy;

    if (!c)
        return;
    bl__lock(&c->lock);
    busy = c->receivers.first || c->senders.first;
    bl__unlock(&c->lock);
    if (busy)
        bl_panic("belay: bl_chan_free of a channel that somebody waits in");
    free(c);
}

/* --- at once: c locked --------------------------------------------------- */

static void *
slot(bl_chan *c, size_t i)
{
    return c->ring + c->elem_bytes * i;
}

static size_t
after(const bl_chan *c, size_t i)
{
    return i + 1 == c->cap ? 0 : i + 1;
}

static struct bl__g *
woken(struct bl__waiter *w)
{
    struct bl__g *g = w->g;

    w->success = true;
    if (w->shared)
        g->woken_by = w;
    return g;
}

enum bl__tried
bl__chan_try_send(bl_chan *c, const void *value, struct bl__g **wake)
{
    struct bl__waiter *w;

    *wake = NULL;
    if (BL__UNLIKELY(c->closed))
        return BL__CLOSED;
    if ((w = bl__queue_pop(&c->receivers))) {
        if (w->value)
            bl__copy(w->value, value, c->elem_bytes);
        *wake = woken(w);
        return BL__DONE;
    }
    if (c->count == c->cap)
        return BL__NOT_READY;
    bl__copy(slot(c, c->send_at), value, c->elem_bytes);
    c->send_at = after(c, c->send_at);
    c->count++;
    return BL__DONE;
}

/* The ring's first value, and the first waiting sender's into its place: the ring
 * is full if there is one, so the place is its end as well. */
static void
take(bl_chan *c, void *value, struct bl__waiter *sender)
{
    if (value)
        bl__copy(value, slot(c, c->recv_at), c->elem_bytes);
    c->recv_at = after(c, c->recv_at);
    c->count--;
    if (sender) {
        bl__copy(slot(c, c->send_at), sender->value, c->elem_bytes);
        c->send_at = after(c, c->send_at);
        c->count++;
    }
}

enum bl__tried
bl__chan_try_recv(bl_chan *c, void *value, struct bl__g **wake)
{
    struct bl__waiter *w = c->closed ? NULL : bl__queue_pop(&c->senders);

    *wake = NULL;
    if (c->count > 0) {
        take(c, value, w);
    } else if (w) {
        if (value)
            bl__copy(value, w->value, c->elem_bytes);
    } else if (c->closed) {
        if (value)
            memset(value, 0, c->elem_bytes);
        return BL__CLOSED;
    } else {
        return BL__NOT_READY;
    }
    if (w)
        *wake = woken(w);
    return BL__DONE;
}

/* --- waiting ------------------------------------------------------------- */

static void
unlock(void *p)
{
    bl__unlock(p);
}

/* With c locked; returns without the lock, inside.  False: the time was up. */
static bool
wait_in(bl_chan *c, struct bl__queue *q, struct bl__waiter *w, struct bl__g *g,
        int64_t until, enum bl__reason reason)
{
    const bool is_timer = c->timer != NULL; /* behind the wait c may be freed */
    bool in_time = true;

    w->g = g;
    reason = bl__chan_reason(c, g, reason);
    bl__queue_push(q, w);
    if (BL__UNLIKELY(is_timer))
        bl__chan_timer_watch(c);
    if (until == BL_FOREVER) {
        bl__park_unlock(g, &c->lock, reason);
    } else {
        w->shared = true;
        atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
        in_time = bl__park_until(g, unlock, &c->lock, reason,
                                 until);
    }
    if (BL__UNLIKELY(!in_time || is_timer)) {
        bl__lock(&c->lock);
        bl__queue_remove(q, w);
        if (is_timer)
            bl__chan_timer_unwatch(c);
        bl__unlock(&c->lock);
    }
    return in_time;
}

/* Nothing will ever come through a NULL channel. */
static int
wait_on_nil(struct bl__g *g, int64_t until, enum bl__reason reason)
{
    if (until == BL_NO_WAIT) {
        bl__leave(g);
        return -EAGAIN;
    }
    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    bl__park_until(g, NULL, NULL, reason, until);
    bl__leave(g);
    return -ETIMEDOUT;
}

static BL__NORETURN void
bl__panic_closed(struct bl__g *g)
{
    bl__leave(g);
    bl__panic_runtime("send on closed channel");
}

/* 0, or -ETIMEDOUT, -EAGAIN. */
static int
send(bl_chan *c, const void *value, int64_t until)
{
    struct bl__g *g = bl__enter(), *wake;
    enum bl__tried tried;

    if (BL__UNLIKELY(!c))
        return wait_on_nil(g, until, BL__WAIT_SEND_NIL);
    bl__lock(&c->lock);
    tried = bl__chan_try_send(c, value, &wake);
    if (tried == BL__NOT_READY && until != BL_NO_WAIT) {
        struct bl__waiter w = {.value = (void *)value};
        bool in_time = wait_in(c, &c->senders, &w, g, until, BL__WAIT_SEND);

        if (BL__UNLIKELY(in_time && !w.success))
            bl__panic_closed(g);
        bl__leave(g);
        return in_time ? 0 : -ETIMEDOUT;
    }
    bl__unlock(&c->lock);
    if (wake)
        bl__ready(wake, true);
    if (BL__UNLIKELY(tried == BL__CLOSED))
        bl__panic_closed(g);
    bl__leave(g);
    return tried == BL__DONE ? 0 : -EAGAIN;
}

/* 1, 0 (closed), or -ETIMEDOUT, -EAGAIN. */
static int
receive(bl_chan *c, void *value, int64_t until)
{
    struct bl__g *g = bl__enter(), *wake;
    enum bl__tried tried;

    if (BL__UNLIKELY(!c))
        return wait_on_nil(g, until, BL__WAIT_RECV_NIL);
    bl__lock(&c->lock);
    if (BL__UNLIKELY(c->timer != NULL))
        bl__chan_timer_sync(c, g);
    tried = bl__chan_try_recv(c, value, &wake);
    if (tried == BL__NOT_READY && until != BL_NO_WAIT) {
        struct bl__waiter w = {.value = value};
        bool in_time = wait_in(c, &c->receivers, &w, g, until, BL__WAIT_RECV);

        if (BL__UNLIKELY(in_time && !w.success && value))
            memset(value, 0, c->elem_bytes);
        bl__leave(g);
        return in_time ? w.success : -ETIMEDOUT;
    }
    bl__unlock(&c->lock);
    if (wake)
        bl__ready(wake, true);
    bl__leave(g);
    return tried == BL__DONE ? 1 : tried == BL__CLOSED ? 0 : -EAGAIN;
}

void
bl_chan_send(bl_chan *c, const void *value)
{
    send(c, value, BL_FOREVER);
}

bool
bl_chan_recv(bl_chan *c, void *value)
{
    return receive(c, value, BL_FOREVER) > 0;
}

int
bl_chan_send_until(bl_chan *c, const void *value, int64_t until_ns)
{
    return send(c, value, until_ns == BL_NO_WAIT ? 0 : until_ns);
}

int
bl_chan_recv_until(bl_chan *c, void *value, int64_t until_ns)
{
    return receive(c, value, until_ns == BL_NO_WAIT ? 0 : until_ns);
}

int
bl_chan_try_send(bl_chan *c, const void *value)
{
    return send(c, value, BL_NO_WAIT);
}

int
bl_chan_try_recv(bl_chan *c, void *value)
{
    return receive(c, value, BL_NO_WAIT);
}

/* --- the end ------------------------------------------------------------- */

struct bl__g **
bl__chan_close(bl_chan *c, struct bl__g **last)
{
    struct bl__waiter *w;

    c->closed = true;
    while ((w = bl__queue_pop(&c->receivers)) || (w = bl__queue_pop(&c->senders))) {
        w->success = false;
        if (w->shared)
            w->g->woken_by = w;
        *last = w->g;
        last = &w->g->next;
    }
    *last = NULL;
    return last;
}

void
bl_chan_shut(bl_chan *c)
{
    struct bl__g *g, *wake;

    if (!c)
        bl__panic_runtime("close of nil channel");
    g = bl__enter();
    bl__lock(&c->lock);
    if (c->closed) {
        bl__unlock(&c->lock);
        bl__leave(g);
        bl__panic_runtime("close of closed channel");
    }
    bl__chan_close(c, &wake);
    bl__unlock(&c->lock);
    bl__ready_all(wake);
    bl__leave(g);
}

size_t
bl_chan_length(const bl_chan *c)
{
    bl_chan *locked = (bl_chan *)c;
    size_t n;

    if (!c || c->timer)
        return 0;
    bl__lock(&locked->lock);
    n = c->count;
    bl__unlock(&locked->lock);
    return n;
}

size_t
bl_chan_capacity(const bl_chan *c)
{
    return c && !c->timer ? c->cap : 0;
}
