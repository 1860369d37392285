/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/fd.h - a descriptor that goroutines share: who may read and write, who waits, and
 * when it is really closed.
 *
 * state: flags and counts in one word (after Go's fdMutex)
 *
 *   CLOSED    no new user                           close -> 1
 *   HANDLE    the owners have it                    the last release -> 0
 *   SHUT      the descriptor is closed              the last user behind CLOSED -> 1
 *   READING   somebody reads; others queue          its user
 *   WRITING   the same
 *   users     calls that are under way              enter + 1, leave - 1
 *   waiting   for READING, for WRITING              who queues + 1, who wakes - 1
 *
 * Who makes it SHUT without HANDLE frees the memory. */
#ifndef BELAY_NET_FD_H
#define BELAY_NET_FD_H

#include "sched/poll.h"
#include "sync/sync.h"

#include <belay/net.h>
#include <sys/types.h>

/* What ends a call, beside errnos. */
enum {
    BL__EXPIRED = -100001,  /* its deadline, or the call's */
    BL__CLOSED = -100002,
    BL__CANCELED = -100003, /* its context */
};

enum bl__entered { BL__NOT_IN, BL__IN, BL__IN_CLOSED };

struct bl__fd {
    _Atomic uint64_t state;
    struct bl__poll *poll;       /* its fd is ours */
    void (*free)(struct bl__fd *fd);
    bl__sema turn[2];            /* for READING, WRITING */
    bl__sema closed;             /* who closes waits until it is */
    bool can_wait;               /* O_NONBLOCK */
    _Atomic bool is_shared;      /* it may be open elsewhere as well */
    struct bl__fd_side {
        _Atomic int64_t deadline; /* BL_FOREVER: none */
        struct bl__timer timer;  /* in a heap or not: protected by poll->lock, ... */
        int64_t timer_at;        /* ... as is when; BL_FOREVER: it is not */
        uint32_t moved;          /* bytes without a wait; its user's, as what follows */
        bool drained;            /* the last read took all there was */
        uint8_t in_vain;         /* tries in a row, behind such a read, that had to wait */
        uint8_t spared;          /* such tries that were not made */
    } sides[2];
};

/* Returns 0 or a negative errno. */
int bl__fd_init(struct bl__fd *fd, int number, bool can_wait,
                void (*free_it)(struct bl__fd *fd));

static inline int
bl__fd_number(const struct bl__fd *fd)
{
    return fd->poll->fd;
}

/* Begins a read, or write, when no other is under way.  IN: bl__fd_leave() ends it.
 * IN_CLOSED: it was closed meanwhile; bl__fd_unuse().  NOT_IN: it is closed. */
enum bl__entered bl__fd_enter(struct bl__fd *fd, enum bl__direction d);
/* Any other use; returns false if it is closed. */
bool bl__fd_use(struct bl__fd *fd);

/* Ends it; fd may be gone then. */
void bl__fd_leave(struct bl__fd *fd, enum bl__direction d);
void bl__fd_unuse(struct bl__fd *fd);

/* Returns false if it is closed already. */
bool bl__fd_close(struct bl__fd *fd);

/* The owners let it go: closes it if that has not been done; fd may be gone then. */
void bl__fd_release(struct bl__fd *fd);

/* Calls attempt(number, arg) until it need not wait.  Returns what that has returned, but
 * -EAGAIN; or one of the above. */
ssize_t bl__fd_try(struct bl__fd *fd, enum bl__direction d, const struct bl__bound *b,
                   ssize_t (*attempt)(int number, void *arg), void *arg);

/* The descriptor is known elsewhere, where it may stay open. */
static inline void
bl__fd_share(struct bl__fd *fd)
{
    atomic_store_explicit(&fd->is_shared, true, memory_order_relaxed);
}

/* With the turn: waits until a read, or write, would not have to. */
int bl__fd_poll(struct bl__fd *fd, enum bl__direction d);

/* Who moves much without having to wait lets others go on now and then: who has been
 * sent something by it takes that while a cache has it. */
enum { BL__GIVE_WAY_BYTES = 512 * 1024 };

void bl__fd_give_way(struct bl__fd *fd, enum bl__direction d);

/* With the turn, behind each step. */
static inline void
bl__fd_moved(struct bl__fd *fd, enum bl__direction d, size_t bytes)
{
    if (BL__UNLIKELY((fd->sides[d].moved += (uint32_t)bytes) >= BL__GIVE_WAY_BYTES))
        bl__fd_give_way(fd, d);
}

/* With the turn, behind a read of TCP that has returned less than was asked for: there
 * was no more.  If the next one has always had to wait then, it is not tried. */
static inline void
bl__fd_is_drained(struct bl__fd *fd)
{
    fd->sides[BL__READS].drained = true;
}

/* Waits for an event.  0, or one of the above, or a negative errno. */
int bl__fd_wait(struct bl__fd *fd, enum bl__direction d, const struct bl__bound *b);

void bl__fd_set_deadline(struct bl__fd *fd, enum bl__direction d, int64_t until);

#endif
