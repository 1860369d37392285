/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/end.c - contexts end: cancelling, deadlines, functions to be called then. */
#include "context/context.h"

#include <belay/go.h>
#include <stdlib.h>

bl_error_global(bl_err_canceled, "context canceled");

static size_t
deadline_text(const bl_error *err, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    (void)err;
    bl__put(&t, "context deadline exceeded");
    bl__text_flush(&t);
    return t.length;
}

static bool
deadline_is(const bl_error *err, const bl_error *target)
{
    (void)err;
    return target == bl_err_timeout;
}

static const bl_error_kind deadline_kind = {
    .name = "context.deadlineExceededError",
    .text = deadline_text,
    .is = deadline_is,
};
static const bl_error deadline_exceeded = {&deadline_kind};
bl_error *const bl_err_deadline_exceeded = (bl_error *)&deadline_exceeded;

/* --- families ------------------------------------------------------------------------ */

struct bl__root bl__roots[BL__ROOTS];

__attribute__((constructor(102))) static void
start(void)
{
    bl__observed.contexts = bl__roots;
}

struct bl__family *
bl__root_family(const struct bl__g *g)
{
    uint32_t n = g->m ? (uint32_t)g->m->tid : (uint32_t)g->id;

    return &bl__roots[n % BL__ROOTS].family;
}

/* Returns whether it was listed. */
static bool
leave_family(struct bl__member *m)
{
    bool was_listed;

    bl__lock(&m->family->lock);
    was_listed = m->is_listed;
    if (was_listed)
        bl__family_remove(m->family, m);
    bl__unlock(&m->family->lock);
    return was_listed;
}

void
bl__detach(struct bl__canceler *c)
{
    /* acquire: pairs with the release below, of another thread that has cancelled c */
    if (atomic_load_explicit(&c->detached, memory_order_acquire))
        return;
    leave_family(&c->member);
    atomic_store_explicit(&c->detached, true, memory_order_release);
}

/* --- ending -------------------------------------------------------------------------- */

/* c, locked, has not ended.  Who sees err and then looks at the channel waits for the
 * channel's lock, or c's (bl_context_channel), and finds it closed. */
static void
finish(struct bl__canceler *c, bl_error *err, bl_error *cause, struct bl__ended *ended)
{
    bool asked = atomic_load_explicit(&c->asked, memory_order_relaxed);

    c->cause = cause;
    if (asked)
        bl__lock(&c->done.lock);
    /* release: who sees err sees the cause (bl_context_cause) */
    atomic_store_explicit(&c->err, err, memory_order_release);
    ended->last = bl__chan_close(&c->done, ended->last);
    if (asked)
        bl__unlock(&c->done.lock);
    if (c->base.kind == BL__CTX_DEADLINE)
        bl__timer_stop(&bl__deadline_of(c)->timer);
}

static void
drop_func(struct bl_context_func *af)
{
    /* acq_rel: pairs with itself, in whoever else drops it */
    if (atomic_fetch_sub_explicit(&af->refs, 1, memory_order_acq_rel) == 1)
        free(af);
}

/* Taken out of its family, whose reference is the caller's now. */
static void
collect_func(struct bl_context_func *af, struct bl__ended *ended)
{
    uint32_t pending = BL__FUNC_PENDING;

    if (!atomic_compare_exchange_strong(&af->state, &pending, BL__FUNC_STARTED)) {
        drop_func(af); /* its owner is just stopping it */
        return;
    }
    af->next = ended->funcs;
    ended->funcs = af;
}

/* The next child of c, which is locked: out of its family, and locked.  NULL: none is
 * left. */
static struct bl__canceler *
take_child(struct bl__canceler *c, struct bl__ended *ended)
{
    struct bl__member *m;

    while ((m = c->children.first)) {
        bl__family_remove(&c->children, m);
        if (!m->is_func) {
            bl__lock(&bl__member_canceler(m)->children.lock);
            return bl__member_canceler(m);
        }
        collect_func(bl__member_func(m), ended);
    }
    return NULL;
}

/* Ends what is below top, which has ended and is locked; returns without the lock.  A
 * loop, as trees may be deeper than stacks.  Once a canceler is unlocked it may be gone,
 * unless the one above it is still locked. */
static void
end_below(struct bl__canceler *top, bl_error *err, struct bl__ended *ended)
{
    struct bl__canceler *c = top, *up, *child;

    for (;;) {
        child = take_child(c, ended);
        if (child && atomic_load_explicit(&child->err, memory_order_relaxed)) {
            bl__unlock(&child->children.lock); /* it ends by itself at the moment */
        } else if (child) {
            finish(child, err, bl_error_retain(c->cause), ended);
            c = child;
        } else {
            up = c == top ? NULL : c->base.parent->canceler;
            bl__unlock(&c->children.lock);
            if (!up)
                return;
            c = up;
        }
    }
}

void
bl__end(struct bl__canceler *c, bl_error *err, bl_error *cause, struct bl__ended *ended)
{
    bl__lock(&c->children.lock);
    if (atomic_load_explicit(&c->err, memory_order_relaxed)) {
        bl__unlock(&c->children.lock);
        bl_error_release(cause);
        return;
    }
    finish(c, err, cause ? cause : err, ended);
    end_below(c, err, ended);
}

/* Whoever has seen that up has ended sees its cause, too: it had up's lock. */
void
bl__end_new(struct bl__canceler *c, const struct bl__canceler *up)
{
    atomic_init(&c->err, atomic_load_explicit(&up->err, memory_order_acquire));
    c->cause = bl_error_retain(up->cause);
    c->done.closed = true;
    atomic_init(&c->detached, true);
}

void
bl__end_rest(struct bl__ended *ended)
{
    struct bl_context_func *af, *next;

    if (ended->wake)
        bl__ready_all(ended->wake);
    for (af = ended->funcs; af; af = next) {
        next = af->next;
        bl__go_inside(af->f, af->arg, "out of memory for a context's function");
        drop_func(af);
    }
}

static void
end_rest_from_outside(struct bl__ended *ended)
{
    struct bl__g *g;

    if (!ended->wake && !ended->funcs)
        return;
    bl__sched_start();
    g = bl__enter();
    bl__end_rest(ended);
    bl__leave(g);
}

void
bl__on_deadline(struct bl__timer *t, int64_t now)
{
    struct bl__deadline *d = t->arg;
    struct bl__ended ended;

    (void)now;
    bl__ended_begin(&ended);
    bl__end(&d->canceler, bl_err_deadline_exceeded, bl_error_retain(d->cause), &ended);
    bl__detach(&d->canceler);
    /* release: pairs with the acquire in bl__timer_stop_and_wait */
    atomic_fetch_sub_explicit(&t->running, 1, memory_order_release);
    bl__end_rest(&ended);
}

void
bl_context_cancel_cause(bl_context *ctx, bl_error *cause)
{
    struct bl__ended ended;

    bl__check_context(ctx);
    if (ctx->kind < BL__CTX_CANCEL)
        bl_panic("belay: cancel of a context that is not one to be cancelled");
    bl__ended_begin(&ended);
    bl__end(bl__canceler_of(ctx), bl_err_canceled, cause, &ended);
    bl__detach(bl__canceler_of(ctx));
    end_rest_from_outside(&ended);
}

void
bl_context_cancel(bl_context *ctx)
{
    bl_context_cancel_cause(ctx, NULL);
}

/* --- functions to be called -------------------------------------------------------- */

/* Whether it has been listed: else ctx has ended. */
static bool
list_func(struct bl_context_func *af, struct bl__canceler *c)
{
    bool ended;

    bl__lock(&c->children.lock);
    ended = atomic_load_explicit(&c->err, memory_order_relaxed) != NULL;
    if (!ended) {
        af->refs = 2;
        af->member.family = &c->children;
        bl__family_add(&c->children, &af->member);
    }
    bl__unlock(&c->children.lock);
    return !ended;
}

bl_context_func *
bl_context_after_func(bl_context *ctx, void (*f)(void *arg), void *arg)
{
    bl_context_func *af;

    bl__check_context(ctx);
    bl__check_context((const void *)(uintptr_t)f);
    af = calloc(1, sizeof *af);
    if (!af)
        return NULL;
    af->member.is_func = true;
    af->refs = 1;
    af->ctx = bl_context_retain(ctx);
    af->f = f;
    af->arg = arg;
    if (ctx->canceler && !list_func(af, ctx->canceler)) {
        af->state = BL__FUNC_STARTED;
        bl_go(f, arg);
    }
    return af;
}

bool
bl_context_func_stop(bl_context_func *af)
{
    uint32_t pending = BL__FUNC_PENDING;

    bl__check_context(af);
    if (!atomic_compare_exchange_strong(&af->state, &pending, BL__FUNC_STOPPED))
        return false;
    if (af->member.family && leave_family(&af->member))
        drop_func(af);
    return true;
}

void
bl_context_func_free(bl_context_func *af)
{
    bl_context *ctx;

    if (!af)
        return;
    bl_context_func_stop(af);
    ctx = af->ctx;
    drop_func(af);
    bl_context_release(ctx);
}
