/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/time.c - sleep, timers, tickers.
 *
 * A timer with a channel is in a heap only while somebody waits in the channel;
 * otherwise it is looked at when the channel is (Go's rule since 1.23): so a timer
 * that nobody waits for costs nothing and keeps no deadlock from being found.  Its
 * state is protected by the channel's lock. */
#include "sync/chan.h"

#include <belay/time.h>
#include <stdlib.h>

struct bl__chan_timer {
    struct bl__timer timer; /* in a heap while watched */
    bl_chan *c;
    int64_t when;           /* protected by c->lock, as the rest */
    int64_t period;         /* 0: fires once */
    bool armed;
    uint32_t watchers;
};

struct bl_timer {
    struct bl__chan_timer chan_timer; /* c is NULL: calls f */
    void (*f)(void *arg);
    void *arg;
    struct bl__bubble *bubble;
    bool is_ticker;
    struct bl__lock resetting; /* c is NULL: one puts it into a heap at a time */
};

int64_t
bl_now(void)
{
    const struct bl__g *g = bl__self();

    /* deterministic mode: who polls the clock must see it move */
    if (BL__UNLIKELY(bl__sched.seed && !g->bubble)) {
        bl__leave(bl__enter()); /* which may let others run */
        return atomic_fetch_add_explicit(&bl__sched.fake_now, BL_MICROSECOND,
                                         memory_order_relaxed);
    }
    return bl__now(g);
}

static int64_t
add(int64_t now, int64_t ns)
{
    int64_t when;

    if (ns <= 0)
        return now;
    return __builtin_add_overflow(now, ns, &when) ? INT64_MAX - 1 : when;
}

int64_t
bl_after_ns(int64_t ns)
{
    int64_t when = add(bl_now(), ns);

    return when == INT64_MAX - 1 ? BL_FOREVER : when;
}

/* --- sleep --------------------------------------------------------------- */

void
bl_sleep_until(int64_t until_ns)
{
    struct bl__g *g;

    if (until_ns <= bl_now())
        return;
    g = bl__enter();
    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    bl__park_until(g, NULL, NULL, BL__WAIT_SLEEP,
                   until_ns == BL_FOREVER ? INT64_MAX - 1 : until_ns);
    bl__leave(g);
}

void
bl_sleep(int64_t ns)
{
    if (ns > 0)
        bl_sleep_until(add(bl_now(), ns));
}

/* --- timers with a channel: the channel's lock held ---------------------- */

/* Fires once for everything that is due: a ticker's next time is the first one
 * after now. */
static struct bl__g *
fire(struct bl__chan_timer *ct, int64_t now)
{
    struct bl__g *wake = NULL;

    if (!ct->armed || ct->when > now)
        return NULL;
    bl__chan_try_send(ct->c, &ct->when, &wake);
    if (ct->period > 0)
        ct->when += ct->period * (1 + (now - ct->when) / ct->period);
    else
        ct->armed = false;
    return wake;
}

static void
on_time(struct bl__timer *t, int64_t now)
{
    struct bl__chan_timer *ct = t->arg;
    bl_chan *c = ct->c;
    struct bl__g *wake;

    bl__lock(&c->lock);
    wake = fire(ct, now);
    if (ct->armed && ct->watchers > 0 && !atomic_load(&t->heap))
        bl__timer_start(c->bubble, t, ct->when);
    /* release: pairs with the acquire in bl__timer_stop_and_wait.  Who frees the timer
     * takes the lock once more behind that. */
    atomic_fetch_sub_explicit(&t->running, 1, memory_order_release);
    bl__unlock(&c->lock);
    if (wake)
        bl__ready(wake, false);
}

/* Receivers that wait are in the heap's care; here there are none, or not yet. */
void
bl__chan_timer_sync(bl_chan *c, struct bl__g *g)
{
    struct bl__chan_timer *ct = c->timer;

    if (ct->armed && !c->receivers.first)
        fire(ct, bl__now(g));
}

void
bl__chan_timer_watch(bl_chan *c)
{
    struct bl__chan_timer *ct = c->timer;

    if (ct->watchers++ == 0 && ct->armed && !atomic_load(&ct->timer.heap))
        bl__timer_start(c->bubble, &ct->timer, ct->when);
}

void
bl__chan_timer_unwatch(bl_chan *c)
{
    if (--c->timer->watchers == 0)
        bl__timer_stop(&c->timer->timer);
}

/* --- timers that call ---------------------------------------------------- */

static void
on_call(struct bl__timer *t, int64_t now)
{
    const struct bl_timer *timer = t->arg;
    void (*f)(void *) = timer->f;
    void *arg = timer->arg;

    (void)now;
    /* release: pairs with the acquire in bl__timer_stop_and_wait */
    atomic_fetch_sub_explicit(&t->running, 1, memory_order_release);
    bl__go_inside(f, arg, "out of memory for a timer's goroutine");
}

/* --- life ---------------------------------------------------------------- */

static bl_timer *
make(int64_t period)
{
    bl_timer *t = calloc(1, sizeof *t);
    bl_chan *c = t ? bl_chan_new(sizeof(int64_t), 1) : NULL;

    if (!c) {
        free(t);
        return NULL;
    }
    t->is_ticker = period > 0;
    t->chan_timer = (struct bl__chan_timer){
        .timer = {.fn = on_time, .arg = &t->chan_timer}, .c = c, .period = period};
    c->timer = &t->chan_timer;
    return t;
}

bl_timer *
bl_timer_new(int64_t ns)
{
    bl_timer *t = make(0);

    if (t) {
        t->chan_timer.when = add(bl_now(), ns);
        t->chan_timer.armed = true;
    }
    return t;
}

bl_timer *
bl_ticker_new(int64_t ns)
{
    bl_timer *t;

    if (ns <= 0)
        bl_panic("non-positive interval for NewTicker");
    t = make(ns);
    if (t) {
        t->chan_timer.when = add(bl_now(), ns);
        t->chan_timer.armed = true;
    }
    return t;
}

bl_timer *
bl_after_func(int64_t ns, void (*f)(void *arg), void *arg)
{
    bl_timer *t = calloc(1, sizeof *t);
    struct bl__g *g;

    if (!t)
        return NULL;
    bl__sched_start();
    t->f = f;
    t->arg = arg;
    t->chan_timer.timer.fn = on_call;
    t->chan_timer.timer.arg = t;
    g = bl__enter();
    t->bubble = g->bubble;
    bl__timer_start(t->bubble, &t->chan_timer.timer, add(bl__now(g), ns));
    bl__leave(g);
    return t;
}

bl_chan *
bl_timer_channel(bl_timer *t)
{
    return t->chan_timer.c;
}

/* Old values go: c locked.  Returns whether one was there, or the timer armed. */
static bool
disarm(bl_timer *t, struct bl__g *g)
{
    struct bl__chan_timer *ct = &t->chan_timer;
    bool pending = ct->armed || ct->c->count > 0;
    struct bl__g *wake;
    int64_t old;

    (void)g;
    if (ct->c->count > 0)
        bl__chan_try_recv(ct->c, &old, &wake);
    ct->armed = false;
    bl__timer_stop(&ct->timer);
    return pending;
}

bool
bl_timer_stop(bl_timer *t)
{
    struct bl__chan_timer *ct = &t->chan_timer;
    struct bl__g *g = bl__enter();
    bool pending;

    if (!ct->c) {
        if (!t->f) {
            bl__leave(g);
            bl_panic("time: Stop called on uninitialized Timer");
        }
        pending = bl__timer_stop(&ct->timer);
    } else {
        bl__lock(&ct->c->lock);
        pending = disarm(t, g);
        bl__unlock(&ct->c->lock);
    }
    bl__leave(g);
    return pending;
}

bool
bl_timer_reset(bl_timer *t, int64_t ns)
{
    struct bl__chan_timer *ct = &t->chan_timer;
    struct bl__g *g;
    bool pending;

    if (!ct->c && !t->f)
        bl_panic("time: Reset called on uninitialized Timer");
    if (t->is_ticker && ns <= 0)
        bl_panic("non-positive interval for Ticker.Reset");
    g = bl__enter();
    if (!ct->c) {
        bl__lock(&t->resetting);
        pending = bl__timer_stop_and_wait(&ct->timer);
        bl__timer_start(t->bubble, &ct->timer, add(bl__now(g), ns));
        bl__unlock(&t->resetting);
    } else {
        bl__lock(&ct->c->lock);
        pending = disarm(t, g);
        ct->when = add(bl__now(g), ns);
        ct->period = t->is_ticker ? ns : 0;
        ct->armed = true;
        if (ct->watchers > 0)
            bl__timer_start(ct->c->bubble, &ct->timer, ct->when);
        bl__unlock(&ct->c->lock);
    }
    bl__leave(g);
    return pending;
}

void
bl_timer_free(bl_timer *t)
{
    struct bl__g *g;
    bl_chan *c;

    if (!t)
        return;
    g = bl__enter();
    c = t->chan_timer.c;
    if (c) {
        bl__lock(&c->lock);
        disarm(t, g); /* it does not start itself again */
        bl__unlock(&c->lock);
    }
    bl__timer_stop_and_wait(&t->chan_timer.timer);
    if (c) { /* on_time() may hold it still */
        bl__lock(&c->lock);
        c->timer = NULL;
        bl__unlock(&c->lock);
    }
    bl__leave(g);
    bl_chan_release(c);
    free(t);
}
