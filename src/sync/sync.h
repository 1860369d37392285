/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/sync.h - what mutexes and the rest are made of.
 *
 * Public structs have plain members, so that C++ can read the header too; here they
 * are seen as the atomics, locks and queues that they are. */
#ifndef BELAY_SYNC_SYNC_H
#define BELAY_SYNC_SYNC_H

#include "sched/sched.h"

#include <belay/sync.h>

#define BL__U32(member) ((_Atomic uint32_t *)(member))
#define BL__I32(member) ((_Atomic int32_t *)(member))
#define BL__U64(member) ((_Atomic uint64_t *)(member))
#define BL__LOCK_OF(x) ((struct bl__lock *)&(x)->lock)
#define BL__QUEUE_OF(x) ((struct bl__queue *)&(x)->first)

_Static_assert(sizeof(struct bl__lock) == 4, "fits the public member");
_Static_assert(sizeof(struct bl__queue) == 2 * sizeof(void *), "the same");

/* What may end a wait before it has what it waits for. */
struct bl__bound {
    int64_t until;         /* BL_FOREVER: no time */
    struct bl_chan *done;  /* when it is closed; NULL: nothing */
};

/* Parks g, whose waiters are shared, as bl__park_until() does; b may be NULL.  The
 * locks that release(arg) undoes are of a lower rank than channels'.  Returns 0,
 * -ETIMEDOUT, or -ECANCELED (done is closed). */
int bl__park_bound(struct bl__g *g, void (*release)(void *arg), void *arg,
                   enum bl__reason reason, const struct bl__bound *b);

/* Takes one unit, or waits for one: at the front of the queue if `front`.  Returns
 * as bl__park_bound(): then there was no unit for the caller, but there may be one
 * now.
 *
 * Here and below *s is not touched any more once somebody else may have got a unit. */
int bl__sema_acquire(bl__sema *s, bool front, enum bl__reason reason,
                     const struct bl__bound *b);

/* Takes one unit if there is one. */
bool bl__sema_take(bl__sema *s);

/* What the public forms with a deadline, or a context, share.  NULL: no bound. */
int bl__mutex_lock_bound(bl_mutex *m, const struct bl__bound *b);
int bl__waitgroup_wait_bound(bl_waitgroup *wg, const struct bl__bound *b);
int bl__cond_wait_bound(bl_cond *c, bl_mutex *m, const struct bl__bound *b);
int bl__semaphore_acquire_bound(bl_semaphore *s, int64_t n, const struct bl__bound *b);

/* Gives n units: the first ones to who waits. */
void bl__sema_release_all(bl__sema *s, uint32_t n);

/* Gives one unit.  With hand_off the waiter that gets it runs next, before the caller. */
void bl__sema_release(bl__sema *s, bool hand_off);

/* The same for a caller that is inside Belay already. */
void bl__sema_release_inside(bl__sema *s);

/* bl_mutex_unlock() for a caller that is inside Belay already. */
void bl__mutex_unlock_inside(bl_mutex *m);

#endif
