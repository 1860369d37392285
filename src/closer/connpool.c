/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* closer/connpool.c - connections that are opened once and used by many.
 *
 * A slot is the right to have one connection open; there are max_open of them at a
 * time, counted in `open`.  A slot belongs to
 *   - the list of idle ones, with an open connection;
 *   - who opens, checks, resets, closes or has leased its connection;
 *   - the list of free ones, without a connection and not counted.
 * One that its owner has no use for goes to the goroutine that has waited longest, with
 * its connection or without.  So nobody waits while a slot is idle, or could be made.
 *
 * The lock protects all that is not constant, but for a slot's connection and times,
 * which are its owner's.  Users' functions run without it, and each of them may panic:
 * what is deferred here gives the slot on then.
 *
 * The pool's memory goes with its last reference.  The user has one, until
 * bl_connpool_free(); each lease has one, each call under way that could outlive them,
 * and the timer, from being set to the end of what it starts. */
#include "closer/connpool.h"

#include <belay/chan.h>
#include <belay/closer.h>
#include <belay/defer.h>
#include <belay/time.h>
#include <errno.h>
#include <stdlib.h>

bl_error_global(bl_err_connpool_closed, "connection pool is closed");

enum why {
    FOR_IDLE,
    FOR_LIFETIME,
    FOR_SURPLUS,
    FOR_HEALTH,
    FOR_BROKEN,
    FOR_END,
    REASONS,
    KEEP = REASONS, /* not closed at all */
};

struct bl__connpool_slot {
    struct bl__connpool_slot *next, *prev; /* in the list of idle, or free, ones */
    uint64_t lease;      /* number of the one who has it; 0: nobody */
    bl_closer conn;      /* empty: none */
    bool counted;        /* conn is, as opened */
    enum why why;        /* on its way to be closed with others */
    int64_t opened_at, idle_since;
};

struct bl_connpool {
    bl_connpool_options options; /* constant, as the next three */
    bl_timer *timer;         /* closes idle ones that are too old; NULL: no need */
    struct bl__bubble *bubble; /* it was made in; NULL: none */
    bool has_ages;           /* somebody has to look at the clock */
    struct bl__lock lock;
    bool closed;
    uint32_t references;
    struct bl__queue waiters;
    struct bl__connpool_slot *newest, *oldest; /* idle ones, by when they came back */
    struct bl__connpool_slot *free;
    int64_t open, idle, waiting;
    uint64_t leases;         /* so far: the newest one's number */
    int64_t timer_at;        /* when it fires, at the latest; 0: it is not set */
    uint64_t opened, waits, timeouts;
    int64_t wait_ns;
    uint64_t closed_for[REASONS];
};

/* --- the error of waiting for too long ------------------------------------------- */

static size_t
timeout_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    return (size_t)snprintf(buf, size, "connection pool: all connections are in use");
}

static const bl_error *
timeout_cause(const bl_error *err)
{
    (void)err;
    return bl_error_from_errno(ETIMEDOUT);
}

static const bl_error_kind timeout_kind = {
    .name = "bl_connpool_timeout",
    .text = timeout_text,
    .unwrap = timeout_cause,
};
static const bl_error timeout = {&timeout_kind};

static bl_error *
error_of(int error)
{
    if (error == -ETIMEDOUT)
        return (bl_error *)&timeout;
    return error == -ESHUTDOWN ? bl_err_connpool_closed : bl_error_from_errno(error);
}

/* --- references -------------------------------------------------------------------- */

static void
destroy(bl_connpool *pool)
{
    while (pool->free) {
        struct bl__connpool_slot *slot = pool->free;

        pool->free = slot->next;
        free(slot);
    }
    bl_timer_free(pool->timer);
    free(pool);
}

static void
hold(bl_connpool *pool)
{
    bl__lock(&pool->lock);
    pool->references++;
    bl__unlock(&pool->lock);
}

static void
drop(bl_connpool *pool)
{
    bool last;

    bl__lock(&pool->lock);
    last = --pool->references == 0;
    bl__unlock(&pool->lock);
    if (last)
        destroy(pool);
}

/* --- slots: the lock held ---------------------------------------------------------- */

static void
push_idle(bl_connpool *pool, struct bl__connpool_slot *slot)
{
    slot->prev = NULL;
    slot->next = pool->newest;
    if (pool->newest)
        pool->newest->prev = slot;
    else
        pool->oldest = slot;
    pool->newest = slot;
    pool->idle++;
}

static void
remove_idle(bl_connpool *pool, struct bl__connpool_slot *slot)
{
    if (slot->prev)
        slot->prev->next = slot->next;
    else
        pool->newest = slot->next;
    if (slot->next)
        slot->next->prev = slot->prev;
    else
        pool->oldest = slot->prev;
    pool->idle--;
}

/* A slot that is counted from now on; NULL when memory is short. */
static struct bl__connpool_slot *
make_slot(bl_connpool *pool)
{
    struct bl__connpool_slot *slot = pool->free;

    if (slot)
        pool->free = slot->next;
    else if (!(slot = calloc(1, sizeof *slot)))
        return NULL;
    pool->open++;
    return slot;
}

static void
free_slot(bl_connpool *pool, struct bl__connpool_slot *slot)
{
    slot->next = pool->free;
    pool->free = slot;
    pool->open--;
}

/* Gives slot to who has waited longest, a goroutine to be readied; NULL: nobody waits.
 * A waiter's slot lies where `value` points. */
static struct bl__g *
hand_over(bl_connpool *pool, struct bl__connpool_slot *slot)
{
    struct bl__waiter *w = bl__queue_pop(&pool->waiters);

    if (!w)
        return NULL;
    slot->lease = ++pool->leases;
    *(struct bl__connpool_slot **)w->value = slot;
    return w->g;
}

/* Returns 0, -ESHUTDOWN, -ENOMEM, or -EAGAIN: wait. */
static int
take_slot(bl_connpool *pool, struct bl__connpool_slot **slot)
{
    if (pool->closed)
        return -ESHUTDOWN;
    if ((*slot = pool->newest))
        remove_idle(pool, *slot);
    else if (pool->options.max_open > 0 && pool->open >= pool->options.max_open)
        return -EAGAIN;
    else if (!(*slot = make_slot(pool)))
        return -ENOMEM;
    (*slot)->lease = ++pool->leases;
    return 0;
}

/* --- closing one ------------------------------------------------------------------- */

/* Its owner has done with slot, and its connection is closed. */
static void
release_slot(bl_connpool *pool, struct bl__connpool_slot *slot)
{
    struct bl__g *g = bl__enter(), *wake;

    slot->conn = (bl_closer){0};
    bl__lock(&pool->lock);
    wake = hand_over(pool, slot);
    if (!wake)
        free_slot(pool, slot);
    bl__unlock(&pool->lock);
    if (wake)
        bl__ready(wake, true);
    bl__leave(g);
}

/* Closes slot's connection, and adds the error to *err (NULL: it is dropped). */
static void
close_conn(bl_connpool *pool, struct bl__connpool_slot *slot, enum why why,
           bl_error **err)
{
    if (!bl_closer_is_open(&slot->conn))
        return;
    bl__lock(&pool->lock);
    pool->closed_for[why] += slot->counted;
    bl__unlock(&pool->lock);
    slot->counted = false;
    bl_close_into(err, &slot->conn);
}

/* The slot goes on behind it: until then the connection may count at its other end. */
static void
close_slot(bl_connpool *pool, struct bl__connpool_slot *slot, enum why why,
           bl_error **err)
{
    bl_returns_nothing {
        bl_defer_call(release_slot, pool, slot);
        close_conn(pool, slot, why, err);
    }
}

/* --- closing several, whatever panics -------------------------------------------------- */

struct closing {
    bl_connpool *pool;
    struct bl__connpool_slot *first; /* by `next`; each has lost its place in a list */
    bl_error **errors;               /* room for one each; NULL: dropped */
    size_t n;                        /* errors there */
};

static void close_all(struct closing *k);

static void
close_rest(struct closing *k)
{
    if (k->first)
        close_all(k);
}

static void
close_all(struct closing *k)
{
    bl_returns_nothing {
        bl_defer_call(close_rest, k);
        while (k->first) {
            struct bl__connpool_slot *slot = k->first;
            bl_error *err = NULL;

            k->first = slot->next;
            close_slot(k->pool, slot, slot->why, &err);
            if (err && k->errors)
                k->errors[k->n++] = err;
            else
                bl_error_release(err);
        }
    }
}

/* --- age ------------------------------------------------------------------------------ */

static int64_t
now_if_needed(const bl_connpool *pool)
{
    return pool->has_ages ? bl_now() : 0;
}

/* Why slot's connection is too old at now; KEEP: it is not. */
static enum why
age_of(const bl_connpool *pool, const struct bl__connpool_slot *slot, int64_t now)
{
    const bl_connpool_options *o = &pool->options;

    if (o->lifetime_ns > 0 && now - slot->opened_at >= o->lifetime_ns)
        return FOR_LIFETIME;
    if (o->idle_ns > 0 && now - slot->idle_since >= o->idle_ns)
        return FOR_IDLE;
    return KEEP;
}

/* When it will be. */
static int64_t
too_old_at(const bl_connpool *pool, const struct bl__connpool_slot *slot)
{
    const bl_connpool_options *o = &pool->options;
    int64_t when = BL_FOREVER, at;

    if (o->lifetime_ns > 0 &&
        !__builtin_add_overflow(slot->opened_at, o->lifetime_ns, &at))
        when = at;
    if (o->idle_ns > 0 &&
        !__builtin_add_overflow(slot->idle_since, o->idle_ns, &at) && at < when)
        when = at;
    return when;
}

/* Lock held: whether the timer is to be set for when, and by the caller. */
static bool
wants_timer(bl_connpool *pool, int64_t when)
{
    if (!pool->timer || when == BL_FOREVER || pool->closed ||
        (pool->timer_at != 0 && pool->timer_at <= when))
        return false;
    pool->timer_at = when;
    return true;
}

static bool
is_closed(bl_connpool *pool)
{
    bool closed;

    bl__lock(&pool->lock);
    closed = pool->closed;
    bl__unlock(&pool->lock);
    return closed;
}

/* What was set before, and who closes the pool meanwhile, gives its reference back to
 * one of the two. */
static void
set_timer(bl_connpool *pool, int64_t when)
{
    hold(pool);
    if (bl_timer_reset(pool->timer, when - bl_now()))
        drop(pool);
    if (is_closed(pool) && bl_timer_stop(pool->timer))
        drop(pool);
}

/* Takes those that are too old out of the idle ones.  *next is when the next one will
 * be. */
static struct bl__connpool_slot *
take_old(bl_connpool *pool, int64_t now, int64_t *next)
{
    struct bl__connpool_slot *old = NULL, *slot, *newer;

    *next = BL_FOREVER;
    for (slot = pool->oldest; slot; slot = newer) {
        enum why why = age_of(pool, slot, now);
        int64_t at = too_old_at(pool, slot);

        newer = slot->prev;
        if (why == KEEP) {
            *next = at < *next ? at : *next;
            continue;
        }
        remove_idle(pool, slot);
        slot->why = why;
        slot->next = old;
        old = slot;
    }
    return old;
}

/* The timer's goroutine. */
static void
close_old(void *arg)
{
    bl_connpool *pool = arg;
    struct closing k = {.pool = pool};
    int64_t now = bl_now(), next;
    bool again;

    bl_returns_nothing {
        bl_defer_call(drop, pool);
        bl__lock(&pool->lock);
        pool->timer_at = 0;
        k.first = take_old(pool, now, &next);
        again = wants_timer(pool, next);
        bl__unlock(&pool->lock);
        if (again)
            set_timer(pool, next);
        close_all(&k);
    }
}

/* --- get ------------------------------------------------------------------------------ */

static void
unlock(void *p)
{
    bl__unlock(p);
}

static enum bl__reason
reason_to_wait(const bl_connpool *pool, const struct bl__g *g)
{
    return !g->bubble || g->bubble == pool->bubble ? BL__WAIT_CONNPOOL
                                                   : BL__WAIT_CONNPOOL_OUTSIDE;
}

/* With the lock, which it releases.  Who closes the pool wakes without a slot. */
static int
wait_for_slot(bl_connpool *pool, struct bl__g *g, struct bl__connpool_slot **slot,
              const struct bl__bound *b)
{
    struct bl__waiter w = {.g = g, .value = slot, .shared = true};
    int64_t began = bl__now(g);
    int error;

    *slot = NULL;
    pool->waiting++;
    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    bl__queue_push(&pool->waiters, &w);
    error = bl__park_bound(g, unlock, &pool->lock, reason_to_wait(pool, g), b);
    bl__lock(&pool->lock);
    if (error)
        bl__queue_remove(&pool->waiters, &w);
    pool->waiting--;
    pool->waits++;
    pool->wait_ns += bl__now(g) - began;
    pool->timeouts += error != 0;
    bl__unlock(&pool->lock);
    if (error)
        return error;
    return *slot ? 0 : -ESHUTDOWN;
}

/* With a reference to pool, whatever is returned. */
static int
acquire(bl_connpool *pool, struct bl__connpool_slot **slot, const struct bl__bound *b)
{
    struct bl__g *g = bl__enter();
    int error;

    bl__lock(&pool->lock);
    pool->references++;
    error = take_slot(pool, slot);
    if (error == -EAGAIN)
        error = wait_for_slot(pool, g, slot, b);
    else
        bl__unlock(&pool->lock);
    bl__leave(g);
    return error;
}

/* Whether slot's connection can be handed out as it is; if not, why. */
static enum why
fault_of(const bl_connpool *pool, const struct bl__connpool_slot *slot)
{
    int64_t now = now_if_needed(pool);
    enum why why = age_of(pool, slot, now);
    const bl_connpool_options *o = &pool->options;

    if (why != KEEP || !o->check ||
        (o->check_after_ns > 0 && now - slot->idle_since < o->check_after_ns))
        return why;
    return o->check(o->arg, slot->conn.value) ? KEEP : FOR_HEALTH;
}

/* Whether that is so, without asking the user. */
static bool
is_ready(const bl_connpool *pool, const struct bl__connpool_slot *slot)
{
    return bl_closer_is_open(&slot->conn) && !pool->options.check &&
           (!pool->has_ages || age_of(pool, slot, bl_now()) == KEEP);
}

static bl_error *
open_slot(bl_connpool *pool, struct bl__connpool_slot *slot, int64_t until)
{
    bl_error *err = pool->options.open(pool->options.arg, until, &slot->conn);

    if (err)
        return err;
    if (!bl_closer_is_open(&slot->conn))
        bl_panic("belay: a connection pool's open() has said neither what it has "
                 "opened nor an error");
    slot->opened_at = slot->idle_since = now_if_needed(pool);
    slot->counted = true;
    bl__lock(&pool->lock);
    pool->opened++;
    if (pool->closed)
        err = bl_err_connpool_closed;
    bl__unlock(&pool->lock);
    return err;
}

struct preparing {
    bl_connpool *pool;
    struct bl__connpool_slot *slot; /* NULL: all is well */
};

static void
abandon(struct preparing *k)
{
    bl_returns_nothing {
        bl_defer_call(drop, k->pool);
        close_slot(k->pool, k->slot, is_closed(k->pool) ? FOR_END : FOR_BROKEN, NULL);
    }
}

static void
abandon_unless_ready(struct preparing *k)
{
    if (k->slot)
        abandon(k);
}

/* slot has a connection that works then; or else it is another's, and the caller's
 * reference gone. */
static bl_error *
prepare(bl_connpool *pool, struct bl__connpool_slot *slot, int64_t until)
{
    struct preparing k = {.pool = pool, .slot = slot};

    bl_returns (bl_error *, err) {
        bl_defer_call(abandon_unless_ready, &k);
        if (bl_closer_is_open(&slot->conn)) {
            enum why why = fault_of(pool, slot);

            if (why != KEEP)
                close_conn(pool, slot, why, NULL);
        }
        if (!bl_closer_is_open(&slot->conn)) {
            slot->conn = (bl_closer){0};
            err = open_slot(pool, slot, until);
        }
        if (!err)
            k.slot = NULL;
    }
}

/* How many panics and the like are under way in g.  A lease that meets more when it is
 * put back has been passed by one: those that were there when it was got, deferred code
 * of theirs did that, end behind it. */
static uint32_t
depth_of(const struct bl__g *g)
{
    uint32_t n = 0;

    for (const struct bl__act *a = g->act; a; a = a->link)
        n++;
    return n;
}

static void
fill_lease(bl_connpool_lease *lease, bl_connpool *pool, struct bl__connpool_slot *slot)
{
    const struct bl__g *g = bl__self();

    *lease = (bl_connpool_lease){.conn = slot->conn.value,
                                 .pool = pool,
                                 .slot = slot,
                                 .number = slot->lease,
                                 .goroutine = g->id,
                                 .depth = depth_of(g)};
}

bl_error *
bl__connpool_get_bound(bl_connpool *pool, bl_connpool_lease *lease,
                       const struct bl__bound *b)
{
    struct bl__connpool_slot *slot;
    int error;

    *lease = (bl_connpool_lease){0};
    error = acquire(pool, &slot, b);
    if (error) {
        drop(pool);
        return error_of(error);
    }
    if (!is_ready(pool, slot)) {
        bl_error *err = prepare(pool, slot, b ? b->until : BL_FOREVER);

        if (err)
            return err;
    }
    fill_lease(lease, pool, slot);
    return NULL;
}

bl_error *
bl_connpool_get(bl_connpool *pool, bl_connpool_lease *lease)
{
    return bl__connpool_get_bound(pool, lease, NULL);
}

bl_error *
bl_connpool_get_until(bl_connpool *pool, bl_connpool_lease *lease, int64_t until_ns)
{
    return bl__connpool_get_bound(pool, lease, &(struct bl__bound){until_ns, NULL});
}

/* Whether err says that a wait was not worth it.  A deadline's timer may be a moment
 * behind the clock: its context ends now. */
static bool
ended_with(const bl_error *err, bl_context *ctx)
{
    int number = bl_error_errno(err);

    if (number == ETIMEDOUT && bl_now() >= bl_context_deadline(ctx))
        bl_chan_recv(bl_context_channel(ctx), NULL);
    return (number == ETIMEDOUT || number == ECANCELED) && bl_context_err(ctx);
}

bl_error *
bl_connpool_get_ctx(bl_connpool *pool, bl_connpool_lease *lease, bl_context *ctx)
{
    struct bl__bound b = {bl_context_deadline(ctx), bl_context_channel(ctx)};
    bl_error *err;

    *lease = (bl_connpool_lease){0};
    if (bl_context_err(ctx))
        return bl_context_cause(ctx);
    err = bl__connpool_get_bound(pool, lease, b.done ? &b : NULL);
    if (!err || !ended_with(err, ctx))
        return err;
    bl_error_release(err);
    return bl_context_cause(ctx);
}

/* --- put ------------------------------------------------------------------------------ */

/* Where a connection that comes back goes. */
struct returning {
    bl_connpool *pool;
    struct bl__connpool_slot *slot; /* NULL: it is there */
    struct bl__g *wake;             /* who gets it; NULL: nobody */
    int64_t timer_at;               /* to be set by the caller; 0: no need */
};

/* Lock held.  Keeps the connection for the next one who wants it; returns why that
 * can't be. */
static enum why
keep(struct returning *k)
{
    bl_connpool *pool = k->pool;
    enum why why = pool->closed ? FOR_END : age_of(pool, k->slot, k->slot->idle_since);
    int64_t at;

    if (why != KEEP || (k->wake = hand_over(pool, k->slot)))
        return why;
    if (pool->options.max_idle != 0 && pool->idle >= pool->options.max_idle)
        return FOR_SURPLUS;
    push_idle(pool, k->slot);
    at = too_old_at(pool, k->slot);
    if (wants_timer(pool, at))
        k->timer_at = at;
    return KEEP;
}

static enum why
keep_slot(bl_connpool *pool, struct bl__connpool_slot *slot)
{
    struct returning k = {.pool = pool, .slot = slot};
    struct bl__g *g;
    enum why why;

    slot->idle_since = now_if_needed(pool);
    g = bl__enter();
    bl__lock(&pool->lock);
    why = keep(&k);
    bl__unlock(&pool->lock);
    if (k.wake)
        bl__ready(k.wake, true);
    bl__leave(g);
    if (k.timer_at)
        set_timer(pool, k.timer_at);
    return why;
}

static void
close_returned(struct returning *k)
{
    if (k->slot)
        close_slot(k->pool, k->slot, FOR_BROKEN, NULL);
}

/* With users' functions, which may panic. */
static void
return_slot(bl_connpool *pool, struct bl__connpool_slot *slot, enum why why)
{
    struct returning k = {.pool = pool, .slot = slot};
    const bl_connpool_options *o = &pool->options;

    bl_returns_nothing {
        bl_defer_call(drop, pool);
        bl_defer_call(close_returned, &k); /* if reset() panics */
        if (why == KEEP && o->reset && !o->reset(o->arg, slot->conn.value))
            why = FOR_HEALTH;
        if (why == KEEP)
            why = keep_slot(pool, slot);
        k.slot = NULL;
        if (why != KEEP)
            close_slot(pool, slot, why, NULL);
    }
}

/* Two may come with the same lease at the same time, or with copies of it: the first is
 * the one who finds its number in the slot. */
static bool
end_lease(bl_connpool_lease *lease)
{
    if (lease->slot->lease != lease->number)
        return false;
    lease->slot->lease = 0;
    lease->conn = NULL;
    atomic_store_explicit((_Atomic(bl_connpool *) *)&lease->pool, NULL,
                          memory_order_relaxed);
    return true;
}

static bl_connpool *
pool_of(bl_connpool_lease *lease)
{
    return lease ? atomic_load_explicit((_Atomic(bl_connpool *) *)&lease->pool,
                                        memory_order_relaxed)
                 : NULL;
}

/* Puts back what nobody needs to look at.  Returns false if that, and the lease's
 * reference, is left to the caller: *why says what is wrong with the connection. */
static bool
put_at_once(bl_connpool *pool, bl_connpool_lease *lease, enum why *why)
{
    struct returning k = {.pool = pool, .slot = lease->slot};
    int64_t now = now_if_needed(pool);
    struct bl__g *g = bl__enter();
    bool done = true;

    bl__lock(&pool->lock);
    if (end_lease(lease)) {
        k.slot->idle_since = now;
        if (*why == KEEP && !pool->options.reset)
            *why = keep(&k);
        done = *why == KEEP && !pool->options.reset && !k.timer_at;
        pool->references -= done; /* never the last: the pool is not closed */
    }
    bl__unlock(&pool->lock);
    if (k.wake)
        bl__ready(k.wake, true);
    bl__leave(g);
    if (!k.timer_at)
        return done;
    set_timer(pool, k.timer_at);
    drop(pool);
    return true;
}

static bool
was_interrupted(const bl_connpool_lease *lease)
{
    const struct bl__g *g = bl__self();
    uint32_t depth = depth_of(g);

    return g->id == lease->goroutine ? depth > lease->depth : depth > 0;
}

void
bl_connpool_put(bl_connpool_lease *lease)
{
    bl_connpool *pool = pool_of(lease);
    enum why why = KEEP;

    if (!pool)
        return;
    if (!lease->good && was_interrupted(lease))
        why = FOR_BROKEN;
    if (!put_at_once(pool, lease, &why))
        return_slot(pool, lease->slot, why);
}

void
bl_connpool_discard(bl_connpool_lease *lease)
{
    bl_connpool *pool = pool_of(lease);
    enum why why = FOR_BROKEN;

    if (pool && !put_at_once(pool, lease, &why))
        return_slot(pool, lease->slot, why);
}

void
bl_connpool_mark_good(bl_connpool_lease *lease)
{
    lease->good = true;
}

/* --- the rest of a pool's life -------------------------------------------------------- */

bl_connpool *
bl_connpool_new(const bl_connpool_options *options)
{
    bl_connpool *pool;

    if (!options->open)
        bl_panic("belay: a connection pool needs a function that opens");
    pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->options = *options;
    pool->references = 1;
    pool->bubble = bl__self()->bubble;
    pool->has_ages = options->idle_ns > 0 || options->lifetime_ns > 0 ||
                     (options->check && options->check_after_ns > 0);
    if (options->idle_ns > 0 || options->lifetime_ns > 0) {
        pool->timer = bl_after_func(BL_HOUR, close_old, pool);
        if (!pool->timer) {
            free(pool);
            return NULL;
        }
        bl_timer_stop(pool->timer); /* nothing is old yet */
    }
    return pool;
}

void
bl_connpool_read_stats(bl_connpool *pool, bl_connpool_stats *stats)
{
    bl__lock(&pool->lock);
    *stats = (bl_connpool_stats){
        .open = pool->open,
        .in_use = pool->open - pool->idle,
        .idle = pool->idle,
        .waiting = pool->waiting,
        .opened = pool->opened,
        .waits = pool->waits,
        .wait_ns = pool->wait_ns,
        .timeouts = pool->timeouts,
        .closed_idle = pool->closed_for[FOR_IDLE],
        .closed_lifetime = pool->closed_for[FOR_LIFETIME],
        .closed_surplus = pool->closed_for[FOR_SURPLUS],
        .closed_health = pool->closed_for[FOR_HEALTH],
        .closed_broken = pool->closed_for[FOR_BROKEN],
        .closed_end = pool->closed_for[FOR_END],
    };
    bl__unlock(&pool->lock);
}

/* Closes the pool for those who come; returns who has been waiting. */
static struct bl__g *
shut(bl_connpool *pool, struct closing *k, size_t *idle)
{
    struct bl__g *first = NULL, **last = &first;
    struct bl__waiter *w;

    pool->closed = true;
    *idle = (size_t)pool->idle;
    while (pool->oldest) {
        struct bl__connpool_slot *slot = pool->oldest;

        remove_idle(pool, slot);
        slot->why = FOR_END;
        slot->next = k->first;
        k->first = slot;
    }
    while ((w = bl__queue_pop(&pool->waiters))) {
        *last = w->g;
        last = &w->g->next;
    }
    *last = NULL;
    return first;
}

static void
end_closing(struct closing *k)
{
    for (size_t i = 0; i < k->n; i++)
        bl_error_release(k->errors[i]);
    free(k->errors);
    drop(k->pool);
}

/* k has a reference. */
static bl_error *
close_idle(struct closing *k)
{
    bl_returns (bl_error *, err) {
        bl_defer_call(end_closing, k);
        close_all(k);
        if (k->n > 0)
            err = k->n == 1 ? k->errors[0] : bl_error_join_list(k->errors, k->n);
        k->n = 0;
    }
}

bl_error *
bl_connpool_close(bl_connpool *pool)
{
    struct closing k = {.pool = pool};
    struct bl__g *g = bl__enter(), *wake = NULL;
    size_t idle = 0;
    bool was_closed;

    bl__lock(&pool->lock);
    was_closed = pool->closed;
    if (!was_closed) {
        pool->references++;
        wake = shut(pool, &k, &idle);
    }
    bl__unlock(&pool->lock);
    bl__ready_all(wake);
    bl__leave(g);
    if (was_closed)
        return bl_err_closed;
    if (pool->timer && bl_timer_stop(pool->timer))
        drop(pool);
    k.errors = idle > 0 ? calloc(idle, sizeof(bl_error *)) : NULL;
    return close_idle(&k);
}

static void
close_quietly(bl_connpool *pool)
{
    bl_returns_nothing {
        bl_defer_call(drop, pool);
        bl_error_release(bl_connpool_close(pool));
    }
}

void
bl_connpool_free(bl_connpool *pool)
{
    if (pool)
        close_quietly(pool);
}
