/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/poll.h - waiting until a descriptor can be read, or written.
 *
 * A struct bl__poll stands for a descriptor.  Who wants to wait has found out, by
 * trying, that it must (-EAGAIN), and then, with poll->lock held, looks at
 * side->ready: an event has come since it last began to try.  If not, it leaves its
 * waiter in the side and parks; the lock is released behind it.
 *
 *   side->waiter  side->ready   meaning                who may leave it, to what
 *   NULL          0             nothing has come       who waits -> w, 0; event -> NULL, 1
 *   NULL          1             an event has come      who is about to try -> NULL, 0
 *   w             0             parked, or about to    event -> NULL, 0 and wakes; who
 *                                                      else wakes -> NULL, 0
 *
 * All but 1 -> 0 is done with the lock.  A waiter is shared: time, a context and a close
 * may claim its goroutine, too; an event that comes too late for it sets ready.
 *
 * One goroutine waits in a side at a time: the layer above sees to that. */
#ifndef BELAY_SCHED_POLL_H
#define BELAY_SCHED_POLL_H

#include "sched/sched.h"

enum bl__direction { BL__READS, BL__WRITES };

struct bl__poll {
    struct bl__lock lock;
    int fd;                          /* constant while in use */
    _Atomic bool added;              /* to the set of the poller */
    _Atomic bool is_odd;             /* an event has told of the end, or of urgent data */
    struct bl__poll_side {
        _Atomic bool ready;
        struct bl__waiter *waiter;   /* protected by lock */
    } sides[2];
    struct bl__poll *next;           /* while it is free */
    bool in_use;                     /* protected by the list's lock */
};

/* Never unmapped: the poller may come with events of a former life, which are as any
 * that come for nothing.  NULL when memory is short. */
struct bl__poll *bl__poll_make(int fd);

/* Nobody waits any more, and the descriptor is closed, or will be. */
void bl__poll_free(struct bl__poll *poll);

/* From now on events come, those that are due at once included.  Returns 0 or a
 * negative errno: -EPERM if the descriptor is of a kind that is always ready. */
int bl__poll_add(struct bl__poll *poll);

/* No more events: what it is of may stay open elsewhere. */
void bl__poll_remove(struct bl__poll *poll);

/* Who is about to try: events up to now do not matter.  The try has to come behind the
 * store: system calls that take a lock do.  acquire: pairs with tell_side, for is_odd. */
static inline void
bl__poll_reset(struct bl__poll *poll, enum bl__direction d)
{
    if (atomic_load_explicit(&poll->sides[d].ready, memory_order_acquire))
        atomic_store_explicit(&poll->sides[d].ready, false, memory_order_relaxed);
}

/* With the lock held: takes the side's waiter out if the caller may wake it.  NULL if
 * there is none, or it is woken already. */
struct bl__waiter *bl__poll_claim(struct bl__poll *poll, enum bl__direction d);

/* To be called by who is about to park, and has counted itself in waiting_io: sees to
 * it that somebody will look. */
void bl__poll_watch(const struct bl__g *g);

/* --- for the scheduler ----------------------------------------------------- */

/* Whether it can be worth a look. */
static inline bool
bl__poll_is_wanted(void)
{
    return BL__UNLIKELY(
        atomic_load_explicit(&bl__sched.waiting_io, memory_order_relaxed) > 0);
}

/* Looks what has happened, and waits for it until until_ns (0: does not wait).  Returns
 * those whose wait has ended, claimed, for bl__ready_all(); NULL: none. */
struct bl__g *bl__poll_look(int64_t until_ns);

/* g has done much without waiting: who waits for I/O gets a turn. */
void bl__poll_yield(struct bl__g *g);

/* Wakes the M that sleeps in bl__poll_look(). */
void bl__poll_interrupt(void);

/* An M, which needs no P for that, goes to sleep in the poller unless one does (thread.c). */
void bl__start_poller(void);

/* The parent's set is not ours. */
void bl__poll_in_child(void);

#endif
