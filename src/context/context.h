/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/context.h - what contexts are made of.
 *
 * Every context points to the one it was made from, which it has a reference to, and to
 * the nearest canceler at or above itself: that one knows whether it has ended.
 *
 *     background <- with_cancel <- with_value <- with_timeout
 *                   canceler A     A             canceler B
 *
 * Cancelers, and functions to be called afterwards, are also in the list of the
 * canceler above them, their family; those that have none there are in a list for all
 * (bl__roots).  Who ends a canceler takes all that is below it out of the lists, with
 * the locks on the way down to where it is held: a parent's lock is taken before its
 * child's, and what is inside a canceler's lock is only its channel's, and a heap of
 * timers'.  Waking and spawning come when all of them are free again.
 *
 * Who ends another one's child holds the parent's lock while it touches the child.  So a
 * canceler is freed by whoever lets its last reference go, but not before that one has
 * had the family's lock as well (bl__detach). */
#ifndef BELAY_CONTEXT_CONTEXT_H
#define BELAY_CONTEXT_CONTEXT_H

#include "sync/chan.h"

#include <belay/context.h>
#include <stddef.h>

enum bl__context_kind {
    BL__CTX_BACKGROUND,
    BL__CTX_TODO,
    BL__CTX_VALUE,
    BL__CTX_WITHOUT_CANCEL,
    BL__CTX_CANCEL,   /* a canceler, as those behind it */
    BL__CTX_DEADLINE, /* with a timer */
};

/* refs          meaning             who may leave it, to what
 * 0             not counted         nobody
 * n             n owners            retain -> n + 1; release -> n - 1, or freed */
struct bl_context {
    _Atomic uint32_t refs;
    enum bl__context_kind kind;      /* constant, as the rest */
    bl_context *parent;              /* NULL: none */
    struct bl__canceler *canceler;   /* NULL: it never ends */
};

struct bl__value {
    bl_context base;
    const bl_context_key *key;
    void *value;
};

/* A list of canceler's members, and its lock. */
struct bl__family {
    struct bl__lock lock;
    struct bl__member *first;
};

struct bl__member {
    struct bl__member *next, *prev;  /* protected by the family's lock */
    struct bl__family *family;       /* constant; NULL: never was in one */
    bool is_listed;                  /* protected by the family's lock */
    bool is_func;                    /* constant */
};

struct bl__canceler {
    bl_context base;
    struct bl__member member;
    struct bl__family children;      /* its lock protects the end, too */
    _Atomic(bl_error *) err;         /* NULL: has not ended; never changes then */
    bl_error *cause;                 /* constant once err is set; owned */
    int64_t until;                   /* constant; BL_FOREVER: no deadline */
    uintptr_t pc;                    /* where it was made: a return address */
    _Atomic bool detached;           /* nobody can come to it through its family */
    _Atomic bool asked;              /* for the channel, which need not be locked before */
    struct bl_chan done;             /* without values; last, as its ring is empty */
};

struct bl__deadline {
    struct bl__timer timer;
    bl_error *cause;                 /* constant; owned; NULL: none */
    struct bl__canceler canceler;
};

/* state       meaning               who may leave it, to what
 * PENDING     f is to be called     its owner -> STOPPED; who ends ctx -> STARTED
 * STOPPED     f will not be called  nobody
 * STARTED     a goroutine calls f   nobody */
enum bl__func_state { BL__FUNC_PENDING, BL__FUNC_STOPPED, BL__FUNC_STARTED };

struct bl_context_func {
    struct bl__member member;
    _Atomic uint32_t refs;           /* its owner's, and the family's */
    _Atomic uint32_t state;
    bl_context *ctx;                 /* its owner has a reference to */
    void (*f)(void *arg);
    void *arg;
    struct bl_context_func *next;    /* of those to be started */
};

/* What is left to do when locks are free again. */
struct bl__ended {
    struct bl__g *wake, **last;      /* claimed, by their `next` */
    struct bl_context_func *funcs;   /* by their `next` */
};

static inline struct bl__canceler *
bl__canceler_of(const bl_context *ctx)
{
    return (struct bl__canceler *)((char *)ctx - offsetof(struct bl__canceler, base));
}

static inline struct bl__deadline *
bl__deadline_of(struct bl__canceler *c)
{
    return (struct bl__deadline *)((char *)c - offsetof(struct bl__deadline, canceler));
}

static inline struct bl__canceler *
bl__member_canceler(struct bl__member *m)
{
    return (struct bl__canceler *)((char *)m - offsetof(struct bl__canceler, member));
}

static inline struct bl_context_func *
bl__member_func(struct bl__member *m)
{
    return (struct bl_context_func *)((char *)m -
                                      offsetof(struct bl_context_func, member));
}

static inline void
bl__check_context(const void *ctx)
{
    if (BL__UNLIKELY(!ctx))
        bl__panic_runtime("runtime error: invalid memory address or nil pointer "
                          "dereference");
}

/* --- families: the lock held (end.c) ------------------------------------------- */

static inline void
bl__family_add(struct bl__family *family, struct bl__member *m)
{
    m->is_listed = true;
    m->prev = NULL;
    m->next = family->first;
    if (m->next)
        m->next->prev = m;
    family->first = m;
}

static inline void
bl__family_remove(struct bl__family *family, struct bl__member *m)
{
    m->is_listed = false;
    if (m->next)
        m->next->prev = m->prev;
    if (m->prev)
        m->prev->next = m->next;
    else
        family->first = m->next;
}

/* --- ending (end.c) -------------------------------------------------------------- */

/* What nothing above can end: several lists, for threads not to be in each other's
 * way. */
enum { BL__ROOTS = 16 };

struct bl__root {
    _Alignas(64) struct bl__family family;
};

extern struct bl__root bl__roots[BL__ROOTS];

/* The one of them for g. */
struct bl__family *bl__root_family(const struct bl__g *g);

/* Ends c and what is below it, unless it has ended.  Takes cause over (NULL: err). */
void bl__end(struct bl__canceler *c, bl_error *err, bl_error *cause,
             struct bl__ended *ended);

/* Wakes, and starts, what waited for it; the caller is inside Belay, and may be no
 * goroutine. */
void bl__end_rest(struct bl__ended *ended);

/* A new c, which nobody else knows, ends as the one above it has. */
void bl__end_new(struct bl__canceler *c, const struct bl__canceler *up);

/* Takes c out of its family.  When it returns nobody can come to c that way. */
void bl__detach(struct bl__canceler *c);

/* A deadline's timer. */
void bl__on_deadline(struct bl__timer *t, int64_t now);

static inline void
bl__ended_begin(struct bl__ended *ended)
{
    ended->wake = NULL;
    ended->last = &ended->wake;
    ended->funcs = NULL;
}

#endif
