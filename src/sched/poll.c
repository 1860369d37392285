/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/poll.c - the poller: one set of descriptors for the process.
 *
 * There is no thread for it.  A thread that runs out of goroutines looks, without
 * waiting, before it steals, and every so often though it has some; the last thread
 * that goes to sleep does so in here and not on its futex (thread.c).  While others
 * work, nobody sleeps here: an event would wake a second thread for what the first is
 * about to find.  If those that work don't look for a millisecond, the monitor looks,
 * and sends a thread to sleep here.
 *
 * Descriptors come into the set when somebody has to wait for them first, and leave it
 * by being closed. */
#include "sched/poll.h"

#include "os/os.h"

#include <errno.h>

enum { SLAB = 64 * 1024, EVENTS = 128 };

struct slab {
    struct slab *next;
    struct bl__poll polls[];
};

enum { PER_SLAB = (SLAB - sizeof(struct slab)) / sizeof(struct bl__poll) };

static struct {
    struct bl__lock lock;
    _Atomic int set, alarm;      /* descriptors + 1; 0: not made yet */
    struct bl__poll *free;       /* protected by lock, as what follows */
    struct slab *slabs;
} poller;

/* --- descriptors ----------------------------------------------------------- */

/* Lock held. */
static bool
grow(void)
{
    struct slab *slab = bl__os_map(SLAB);

    if (!slab)
        return false;
    slab->next = poller.slabs;
    poller.slabs = slab;
    for (size_t i = PER_SLAB; i-- > 0;) {
        slab->polls[i].next = poller.free;
        poller.free = &slab->polls[i];
    }
    return true;
}

struct bl__poll *
bl__poll_make(int fd)
{
    struct bl__poll *poll = NULL;

    bl__lock(&poller.lock);
    if (poller.free || grow()) {
        poll = poller.free;
        poller.free = poll->next;
        poll->in_use = true;
    }
    bl__unlock(&poller.lock);
    if (!poll)
        return NULL;
    bl__lock(&poll->lock); /* late events */
    poll->fd = fd;
    atomic_store_explicit(&poll->added, false, memory_order_relaxed);
    atomic_store_explicit(&poll->is_odd, false, memory_order_relaxed);
    for (int d = 0; d < 2; d++) {
        atomic_store_explicit(&poll->sides[d].ready, false, memory_order_relaxed);
        poll->sides[d].waiter = NULL;
    }
    bl__unlock(&poll->lock);
    return poll;
}

void
bl__poll_free(struct bl__poll *poll)
{
    bl__lock(&poller.lock);
    poll->in_use = false;
    poll->next = poller.free;
    poller.free = poll;
    bl__unlock(&poller.lock);
}

/* Lock held. */
static int
make_set(void)
{
    int set = bl__os_poll_make(), alarm = set < 0 ? set : bl__os_alarm_make();
    int error = alarm < 0 ? alarm : bl__os_poll_add_alarm(set, alarm);

    if (error < 0) {
        if (set >= 0)
            bl__os_close(set);
        if (alarm >= 0)
            bl__os_close(alarm);
        return error;
    }
    atomic_store(&poller.alarm, alarm + 1);
    atomic_store(&poller.set, set + 1);
    return 0;
}

int
bl__poll_add(struct bl__poll *poll)
{
    int error = 0;

    /* acquire: pairs with the store of set */
    if (BL__UNLIKELY(atomic_load_explicit(&poller.set, memory_order_acquire) == 0)) {
        bl__lock(&poller.lock);
        if (atomic_load(&poller.set) == 0)
            error = make_set();
        bl__unlock(&poller.lock);
    }
    if (error == 0)
        error = bl__os_poll_add(atomic_load(&poller.set) - 1, poll->fd, poll);
    if (error == -EEXIST)
        error = 0; /* the other direction was faster */
    if (error == 0)
        atomic_store_explicit(&poll->added, true, memory_order_relaxed);
    return error;
}

void
bl__poll_remove(struct bl__poll *poll)
{
    bl__os_poll_remove(atomic_load(&poller.set) - 1, poll->fd);
}

struct bl__waiter *
bl__poll_claim(struct bl__poll *poll, enum bl__direction d)
{
    struct bl__waiter *w = poll->sides[d].waiter;

    if (!w || !bl__claim(w))
        return NULL;
    poll->sides[d].waiter = NULL;
    return w;
}

/* --- events ---------------------------------------------------------------- */

static struct bl__g **
tell_side(struct bl__poll *poll, enum bl__direction d, struct bl__g **last)
{
    struct bl__waiter *w;

    bl__lock(&poll->lock);
    w = bl__poll_claim(poll, d);
    if (w) {
        w->success = true;
        *last = w->g;
        last = &w->g->next;
    } else {
        /* release: pairs with bl__poll_reset */
        atomic_store_explicit(&poll->sides[d].ready, true, memory_order_release);
    }
    bl__unlock(&poll->lock);
    return last;
}

struct bl__g *
bl__poll_look(int64_t until_ns)
{
    struct bl__event events[EVENTS];
    struct bl__g *first = NULL, **last = &first;
    int set = atomic_load_explicit(&poller.set, memory_order_acquire) - 1, n;

    if (set < 0)
        return NULL;
    atomic_fetch_add_explicit(&bl__sched.polled, 1, memory_order_relaxed);
    n = bl__os_poll_wait(set, events, EVENTS, until_ns);
    for (int i = 0; i < n; i++) {
        struct bl__poll *poll = events[i].tag;

        if (!poll) { /* who does not sleep leaves it for who does */
            if (until_ns != 0)
                bl__os_alarm_stop(atomic_load(&poller.alarm) - 1);
            continue;
        }
        if (events[i].what & BL__EVENT_ODD)
            atomic_store_explicit(&poll->is_odd, true, memory_order_relaxed);
        if (events[i].what & BL__EVENT_READ)
            last = tell_side(poll, BL__READS, last);
        if (events[i].what & BL__EVENT_WRITE)
            last = tell_side(poll, BL__WRITES, last);
    }
    *last = NULL;
    return first;
}

void
bl__poll_interrupt(void)
{
    bl__os_alarm_ring(atomic_load(&poller.alarm) - 1);
}

/* A goroutine's thread will look when it has nothing else to do.  A plain thread only
 * sleeps.  seq_cst, as its count in waiting_io: pairs with is_to_poll(), which looks at
 * that when who has slept in the poller has said that it does not any more. */
void
bl__poll_watch(const struct bl__g *g)
{
    if (BL__UNLIKELY(!g->m && !atomic_load(&bl__sched.poller)))
        bl__start_poller();
}

/* --- fork ------------------------------------------------------------------ */

/* What the parent adds and takes out would be so for us, too, and its events be lost
 * to it. */
void
bl__poll_in_child(void)
{
    int set = atomic_load(&poller.set) - 1, alarm = atomic_load(&poller.alarm) - 1;

    poller.lock = (struct bl__lock){0};
    if (set < 0)
        return;
    bl__os_close(set);
    bl__os_close(alarm);
    atomic_store(&poller.set, 0);
    if (make_set() < 0)
        bl__fatal_at("no descriptor left for the poller", NULL, NULL);
    for (struct slab *slab = poller.slabs; slab; slab = slab->next)
        for (size_t i = 0; i < PER_SLAB; i++)
            if (slab->polls[i].in_use && atomic_load(&slab->polls[i].added))
                bl__os_poll_add(atomic_load(&poller.set) - 1, slab->polls[i].fd,
                                &slab->polls[i]);
}
