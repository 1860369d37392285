/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/fd.c - see fd.h.
 *
 * Everything is tried first.  Who has to wait leaves a waiter with the poller, as in
 * any other queue; an event, a deadline, a close and a context may end the wait, and one
 * of them claims it.
 *
 * A deadline costs nothing until somebody waits: then its timer starts, and it stays when
 * the wait is over.  A deadline that moves on before every read leaves it alone: when it
 * fires, it starts again for what the deadline is then, if somebody waits. */
#include "net/fd.h"

#include "os/os.h"

#include <belay/time.h>
#include <errno.h>
#include <unistd.h>

#define CLOSED UINT64_C(1)
#define HANDLE UINT64_C(2)
#define SHUT UINT64_C(4)
#define READING UINT64_C(8)
#define WRITING UINT64_C(16)
#define USER UINT64_C(32)
#define USERS (UINT64_C(0xfffff) * USER)
#define READER (USER << 20)
#define READERS (UINT64_C(0x7ffff) * READER)
#define WRITER (READER << 19)
#define WRITERS (UINT64_C(0x7ffff) * WRITER)

static const struct {
    uint64_t busy, one, all;
} bits[] = {
    [BL__READS] = {READING, READER, READERS},
    [BL__WRITES] = {WRITING, WRITER, WRITERS},
};

enum { IN_VAIN = 3, TRY_EVERY = 32 };

/* w->index of who has not been woken by an event. */
enum { BY_CLOSE = 1, BY_TIME };

static void on_time(struct bl__timer *t, int64_t now);

int
bl__fd_init(struct bl__fd *fd, int number, bool can_wait,
            void (*free_it)(struct bl__fd *fd))
{
    fd->poll = bl__poll_make(number);
    if (!fd->poll)
        return -ENOMEM;
    atomic_store_explicit(&fd->state, HANDLE, memory_order_relaxed);
    fd->can_wait = can_wait;
    fd->free = free_it;
    for (int d = 0; d < 2; d++) {
        fd->sides[d].deadline = BL_FOREVER;
        fd->sides[d].timer_at = BL_FOREVER;
        fd->sides[d].timer = (struct bl__timer){.fn = on_time, .arg = fd};
    }
    return 0;
}

/* --- users --------------------------------------------------------------------- */

static BL__NORETURN void
too_many(void)
{
    bl_panic("too many concurrent operations on a single file or socket");
}

/* Nobody uses it any more, or will. */
static BL__NOINLINE void
shut(struct bl__fd *fd)
{
    bool can_wait = fd->can_wait;
    int number = bl__fd_number(fd);

    for (int d = 0; d < 2; d++)
        bl__timer_stop_and_wait(&fd->sides[d].timer);
    if (atomic_load(&fd->is_shared) && atomic_load(&fd->poll->added))
        bl__poll_remove(fd->poll);
    bl__poll_free(fd->poll);
    close(number);
    /* acq_rel: pairs with bl__fd_release */
    if (!(atomic_fetch_or_explicit(&fd->state, SHUT, memory_order_acq_rel) & HANDLE))
        fd->free(fd);
    else if (can_wait) /* as a wait group's: not touched once the other goes on */
        bl__sema_release_all(&fd->closed, 1);
}

/* A user already; whoever wakes it has taken it off those that wait. */
static enum bl__entered
wait_for_turn(struct bl__fd *fd, enum bl__direction d)
{
    uint64_t old, new;

    for (;;) {
        bl__sema_acquire(&fd->turn[d], false, BL__WAIT_IO, NULL);
        old = atomic_load_explicit(&fd->state, memory_order_relaxed);
        do {
            if (old & CLOSED)
                return BL__IN_CLOSED;
            new = old & bits[d].busy ? old + bits[d].one : old | bits[d].busy;
        } while (!atomic_compare_exchange_weak_explicit(
            &fd->state, &old, new, memory_order_acquire, memory_order_relaxed));
        if (!(old & bits[d].busy))
            return BL__IN;
    }
}

enum bl__entered
bl__fd_enter(struct bl__fd *fd, enum bl__direction d)
{
    uint64_t old = atomic_load_explicit(&fd->state, memory_order_relaxed), new;

    do {
        if (old & CLOSED)
            return BL__NOT_IN;
        if ((old & USERS) == USERS || (old & bits[d].all) == bits[d].all)
            too_many();
        new = (old & bits[d].busy ? old + bits[d].one : old | bits[d].busy) + USER;
        /* acquire: pairs with the release in bl__fd_leave */
    } while (!atomic_compare_exchange_weak_explicit(
        &fd->state, &old, new, memory_order_acquire, memory_order_relaxed));
    return BL__LIKELY(!(old & bits[d].busy)) ? BL__IN : wait_for_turn(fd, d);
}

/* While somebody is woken the use goes on, so that fd is there. */
void
bl__fd_leave(struct bl__fd *fd, enum bl__direction d)
{
    uint64_t old = atomic_load_explicit(&fd->state, memory_order_relaxed), new;

    do {
        new = old & ~bits[d].busy;
        new -= old & bits[d].all ? bits[d].one : USER;
    } while (!atomic_compare_exchange_weak_explicit(
        &fd->state, &old, new, memory_order_acq_rel, memory_order_relaxed));
    if (BL__UNLIKELY(old & bits[d].all)) {
        bl__sema_release(&fd->turn[d], false);
        bl__fd_unuse(fd);
    } else if (BL__UNLIKELY((new & (CLOSED | USERS)) == CLOSED)) {
        shut(fd);
    }
}

bool
bl__fd_use(struct bl__fd *fd)
{
    uint64_t old = atomic_load_explicit(&fd->state, memory_order_relaxed);

    do {
        if (old & CLOSED)
            return false;
        if ((old & USERS) == USERS)
            too_many();
    } while (!atomic_compare_exchange_weak_explicit(
        &fd->state, &old, old + USER, memory_order_acquire, memory_order_relaxed));
    return true;
}

void
bl__fd_unuse(struct bl__fd *fd)
{
    uint64_t new = atomic_fetch_sub_explicit(&fd->state, USER, memory_order_acq_rel) - USER;

    if (BL__UNLIKELY((new & (CLOSED | USERS)) == CLOSED))
        shut(fd);
}

/* Those that wait for an event. */
static void
wake_waiters(struct bl__fd *fd)
{
    struct bl__g *self = bl__enter(), *first = NULL;

    bl__lock(&fd->poll->lock);
    for (int d = 0; d < 2; d++) {
        struct bl__waiter *w = bl__poll_claim(fd->poll, d);

        if (w) {
            w->index = BY_CLOSE;
            w->g->next = first;
            first = w->g;
        }
    }
    bl__unlock(&fd->poll->lock);
    if (first)
        bl__ready_all(first);
    bl__leave(self);
}

bool
bl__fd_close(struct bl__fd *fd)
{
    uint64_t old = atomic_load_explicit(&fd->state, memory_order_relaxed), new;
    bool can_wait = fd->can_wait;

    do {
        if (old & CLOSED)
            return false;
        if ((old & USERS) == USERS)
            too_many();
        new = (old | CLOSED) + USER;
        new &= ~(bits[BL__READS].all | bits[BL__WRITES].all);
    } while (!atomic_compare_exchange_weak_explicit(
        &fd->state, &old, new, memory_order_acq_rel, memory_order_relaxed));
    for (int d = 0; d < 2; d++)
        for (uint64_t n = (old & bits[d].all) / bits[d].one; n > 0; n--)
            bl__sema_release(&fd->turn[d], false);
    wake_waiters(fd);
    bl__fd_unuse(fd);
    if (can_wait)
        bl__sema_acquire(&fd->closed, false, BL__WAIT_WAITGROUP, NULL);
    return true;
}

void
bl__fd_release(struct bl__fd *fd)
{
    bl__fd_close(fd);
    /* acq_rel: pairs with shut() */
    if (atomic_fetch_and_explicit(&fd->state, ~HANDLE, memory_order_acq_rel) & SHUT)
        fd->free(fd);
}

/* --- deadlines ------------------------------------------------------------------- */

/* Lock held.  The side's timer, for g, which waits. */
static void
start_timer(struct bl__fd_side *side, const struct bl__g *g, int64_t until)
{
    if (side->timer_at <= until)
        return;
    if (side->timer_at != BL_FOREVER)
        bl__timer_stop(&side->timer);
    side->timer_at = until;
    bl__timer_start(g->bubble, &side->timer, until);
}

/* Lock held.  Whose wait the deadline, which has come, ends. */
static struct bl__g *
expire(struct bl__fd *fd, enum bl__direction d)
{
    struct bl__waiter *w = bl__poll_claim(fd->poll, d);

    if (!w)
        return NULL;
    w->index = BY_TIME;
    return w->g;
}

/* It may have been started anew meanwhile, or be early. */
static void
on_time(struct bl__timer *t, int64_t now)
{
    struct bl__fd *fd = t->arg;
    enum bl__direction d = t == &fd->sides[BL__READS].timer ? BL__READS : BL__WRITES;
    struct bl__fd_side *side = &fd->sides[d];
    struct bl__waiter *w;
    struct bl__g *wake = NULL;
    int64_t until;

    bl__lock(&fd->poll->lock);
    if (!atomic_load_explicit(&t->heap, memory_order_relaxed))
        side->timer_at = BL_FOREVER;
    w = fd->poll->sides[d].waiter;
    until = atomic_load_explicit(&side->deadline, memory_order_relaxed);
    if (w && until <= now)
        wake = expire(fd, d);
    else if (w && until != BL_FOREVER)
        start_timer(side, w->g, until);
    bl__unlock(&fd->poll->lock);
    /* release: pairs with the acquire in bl__timer_stop_and_wait */
    atomic_fetch_sub_explicit(&t->running, 1, memory_order_release);
    if (wake)
        bl__ready(wake, false); /* fd may be gone */
}

void
bl__fd_set_deadline(struct bl__fd *fd, enum bl__direction d, int64_t until)
{
    struct bl__g *self = bl__enter(), *wake = NULL;
    const struct bl__waiter *w;

    bl__lock(&fd->poll->lock);
    atomic_store_explicit(&fd->sides[d].deadline, until, memory_order_relaxed);
    w = fd->poll->sides[d].waiter;
    if (w && until <= bl__now(w->g))
        wake = expire(fd, d);
    else if (w && until != BL_FOREVER)
        start_timer(&fd->sides[d], w->g, until);
    bl__unlock(&fd->poll->lock);
    if (wake)
        bl__ready(wake, false);
    bl__leave(self);
}

static bool
has_expired(const struct bl__fd *fd, enum bl__direction d, const struct bl__g *g)
{
    int64_t until = atomic_load_explicit(&fd->sides[d].deadline, memory_order_relaxed);

    return BL__UNLIKELY(until != BL_FOREVER) && until <= bl__now(g);
}

/* --- waiting ------------------------------------------------------------------------ */

static void
unlock(void *lock)
{
    bl__unlock(lock);
}

/* Lock held.  What is known before the wait; 1: nothing. */
static int
look(struct bl__fd *fd, enum bl__direction d, const struct bl__g *g)
{
    struct bl__poll_side *side = &fd->poll->sides[d];

    if (atomic_load_explicit(&fd->state, memory_order_relaxed) & CLOSED)
        return BL__CLOSED;
    if (has_expired(fd, d, g))
        return BL__EXPIRED;
    if (!atomic_load_explicit(&side->ready, memory_order_relaxed))
        return 1;
    atomic_store_explicit(&side->ready, false, memory_order_relaxed);
    return 0;
}

/* Lock held; parks, and returns without it. */
static int
park(struct bl__fd *fd, enum bl__direction d, struct bl__g *g, const struct bl__bound *b)
{
    struct bl__poll_side *side = &fd->poll->sides[d];
    int64_t until = atomic_load_explicit(&fd->sides[d].deadline, memory_order_relaxed);
    struct bl__waiter w = {.g = g, .shared = true};
    int error;

    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    side->waiter = &w;
    if (BL__UNLIKELY(until != BL_FOREVER))
        start_timer(&fd->sides[d], g, until);
    error = bl__park_bound(g, unlock, &fd->poll->lock, BL__WAIT_IO, b);
    if (error) {
        bl__lock(&fd->poll->lock);
        side->waiter = NULL;
        bl__unlock(&fd->poll->lock);
        return error == -ECANCELED ? BL__CANCELED : BL__EXPIRED;
    }
    return w.index == BY_CLOSE ? BL__CLOSED : w.index == BY_TIME ? BL__EXPIRED : 0;
}

/* A bubble's timers must not outlive it. */
static BL__NOINLINE void
stop_bubble_timer(struct bl__fd *fd, enum bl__direction d)
{
    bl__lock(&fd->poll->lock);
    if (bl__timer_stop(&fd->sides[d].timer))
        fd->sides[d].timer_at = BL_FOREVER;
    bl__unlock(&fd->poll->lock);
}

int
bl__fd_wait(struct bl__fd *fd, enum bl__direction d, const struct bl__bound *b)
{
    struct bl__g *g = bl__enter();
    int error = 0;

    if (BL__UNLIKELY(!atomic_load_explicit(&fd->poll->added, memory_order_relaxed)))
        error = bl__poll_add(fd->poll);
    if (error == 0) {
        atomic_fetch_add_explicit(&bl__sched.waiting_io, 1, memory_order_seq_cst);
        bl__poll_watch(g);
        bl__lock(&fd->poll->lock);
        error = look(fd, d, g);
        if (error <= 0)
            bl__unlock(&fd->poll->lock);
        else
            error = park(fd, d, g, b);
        atomic_fetch_sub_explicit(&bl__sched.waiting_io, 1, memory_order_seq_cst);
        if (BL__UNLIKELY(g->bubble != NULL))
            stop_bubble_timer(fd, d);
    }
    bl__leave(g);
    return error;
}

/* Whether to wait before the first try.  What comes behind a read that took all is an
 * event, and it is still to come; but not the end, if that was there already, nor what
 * stands behind urgent data, at which a read stops.  Who has the descriptor elsewhere may
 * have made something of it whose reads are short for other reasons. */
static bool
is_in_vain(struct bl__fd *fd, struct bl__fd_side *side)
{
    return side->in_vain >= IN_VAIN && ++side->spared % TRY_EVERY != 0 &&
           !atomic_load_explicit(&fd->poll->sides[BL__READS].ready, memory_order_relaxed) &&
           !atomic_load_explicit(&fd->poll->is_odd, memory_order_relaxed) &&
           !atomic_load_explicit(&fd->is_shared, memory_order_relaxed) &&
           atomic_load_explicit(&fd->poll->added, memory_order_relaxed);
}

ssize_t
bl__fd_try(struct bl__fd *fd, enum bl__direction d, const struct bl__bound *b,
           ssize_t (*attempt)(int number, void *arg), void *arg)
{
    struct bl__fd_side *side = &fd->sides[d];
    bool learns = side->drained;
    int error;

    if (has_expired(fd, d, bl__self()))
        return BL__EXPIRED;
    side->drained = false;
    if (learns && is_in_vain(fd, side)) {
        learns = false;
        if ((error = bl__fd_wait(fd, d, b)))
            return error;
    }
    for (;;) {
        ssize_t r;

        bl__poll_reset(fd->poll, d);
        r = attempt(bl__fd_number(fd), arg);
        if (r == -EINTR)
            continue;
        if (learns)
            side->in_vain = r != -EAGAIN            ? 0
                            : side->in_vain < IN_VAIN ? side->in_vain + 1
                                                      : IN_VAIN;
        learns = false;
        if (r != -EAGAIN || !fd->can_wait)
            return r;
        side->moved = 0;
        error = bl__fd_wait(fd, d, b);
        if (error)
            return error;
    }
}

void
bl__fd_give_way(struct bl__fd *fd, enum bl__direction d)
{
    struct bl__g *g = bl__enter();

    fd->sides[d].moved = 0;
    bl__poll_yield(g);
    bl__leave(g);
}

/* poll() takes no lock: see bl__poll_reset. */
static ssize_t
try_poll(int number, void *arg)
{
    atomic_thread_fence(memory_order_seq_cst);
    return bl__os_is_ready(number, *(enum bl__direction *)arg == BL__WRITES) ? 0 : -EAGAIN;
}

int
bl__fd_poll(struct bl__fd *fd, enum bl__direction d)
{
    return (int)bl__fd_try(fd, d, NULL, try_poll, &d);
}
