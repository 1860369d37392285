/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/chan.h - what channels, select and timers share. */
#ifndef BELAY_SYNC_CHAN_H
#define BELAY_SYNC_CHAN_H

#include "sched/sched.h"

#include <belay/chan.h>
#include <string.h>

struct bl__chan_timer;

/* A ring of `cap` values, and two queues: at most one of them has waiters, but for
 * a select that stands in both.  With receivers waiting the ring is empty, with
 * senders waiting it is full. */
struct bl_chan {
    struct bl__lock lock;      /* protects all that is not constant */
    bool closed;
    size_t elem_bytes;         /* constant, as the next two */
    size_t cap;
    struct bl__chan_timer *timer; /* it belongs to; NULL: none */
    size_t count;              /* values in the ring */
    size_t send_at, recv_at;   /* where the next one goes, comes from */
    struct bl__queue receivers, senders;
    struct bl__bubble *bubble; /* it was made in; NULL: none */
    _Alignas(16) char ring[];
};

/* A select under way.  While it waits for ever it is its goroutine's `woken_by`, until
 * the one who wakes it stores the waiter there: who looks from outside finds the
 * waiters by it, which may lie anywhere. */
struct bl__selection {
    const bl_case *cases;
    size_t n;
    struct bl__g *g;
    uint16_t *order;             /* cases with a channel, to be tried */
    uint16_t *locks;             /* the same by address of their channels */
    size_t live;                 /* how many */
    struct bl__waiter *waiters;  /* one a case */
};

/* The reason to wait in c for: others may end it if c is not of g's bubble. */
static inline enum bl__reason
bl__chan_reason(const bl_chan *c, const struct bl__g *g, enum bl__reason reason)
{
    return BL__LIKELY(!g->bubble || c->bubble == g->bubble)
               ? reason
               : (enum bl__reason)(reason + 1);
}

static inline void
bl__copy(void *to, const void *from, size_t n)
{
    if (BL__LIKELY(n == 8))
        memcpy(to, from, 8);
    else if (n == 4)
        memcpy(to, from, 4);
    else if (n > 0)
        memcpy(to, from, n);
}

/* With c locked: does what can be done at once, and says which.  DONE and EMPTY
 * leave a goroutine to ready in *wake, NULL if there is none. */
enum bl__tried { BL__NOT_READY, BL__DONE, BL__CLOSED };
enum bl__tried bl__chan_try_send(bl_chan *c, const void *value, struct bl__g **wake);
enum bl__tried bl__chan_try_recv(bl_chan *c, void *value, struct bl__g **wake);

/* With c locked: closes it.  Those that have waited in it are claimed, and chained by
 * their `next` from *last on, for bl__ready_all(); returns the chain's new end. */
struct bl__g **bl__chan_close(bl_chan *c, struct bl__g **last);

/* --- a timer's channel (time.c); c locked ---------------------------------- */

/* Delivers what is due.  To be called before c's ring is looked at. */
void bl__chan_timer_sync(bl_chan *c, struct bl__g *g);
/* Somebody begins, or ends, to wait for it: only then it is in a heap. */
void bl__chan_timer_watch(bl_chan *c);
void bl__chan_timer_unwatch(bl_chan *c);

#endif
