/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/context.c - contexts come and go. */
#include "context/context.h"

#include <errno.h>
#include <stdlib.h>

#define CALLER ((uintptr_t)__builtin_return_address(0))

static bl_context background = {.kind = BL__CTX_BACKGROUND};
static bl_context todo = {.kind = BL__CTX_TODO};

bl_context *
bl_context_background(void)
{
    return &background;
}

bl_context *
bl_context_todo(void)
{
    return &todo;
}

/* --- what there is no memory for ------------------------------------------------- */

static struct bl__canceler no_memory = {
    .base = {.kind = BL__CTX_CANCEL, .parent = &background, .canceler = &no_memory},
    .until = BL_FOREVER,
    .detached = true,
    .done = {.closed = true, .elem_bytes = 1},
};

__attribute__((constructor(102))) static void
start(void)
{
    no_memory.err = bl_err_canceled;
    no_memory.cause = bl_error_from_errno(ENOMEM);
}

static BL__NOINLINE bl_context *
without_memory(bl_error *cause)
{
    bl_error_release(cause);
    return &no_memory.base;
}

/* --- making ------------------------------------------------------------------------ */

static void
check_parent(const bl_context *parent)
{
    if (BL__UNLIKELY(!parent))
        bl_panic("cannot create context from nil parent");
}

static void
fill_base(bl_context *ctx, enum bl__context_kind kind, bl_context *parent,
          struct bl__canceler *canceler)
{
    atomic_init(&ctx->refs, 1);
    ctx->kind = kind;
    ctx->parent = bl_context_retain(parent);
    ctx->canceler = canceler;
}

/* A deadline of another clock than g's is none for it. */
static int64_t
deadline_for(const struct bl__g *g, const struct bl__canceler *up)
{
    return up && up->done.bubble == g->bubble ? up->until : BL_FOREVER;
}

static void
fill(struct bl__canceler *c, enum bl__context_kind kind, bl_context *parent,
     int64_t until, const struct bl__g *g)
{
    fill_base(&c->base, kind, parent, c);
    c->until = until;
    c->member.is_func = false;
    c->member.is_listed = false;
    c->member.family = parent->canceler ? &parent->canceler->children
                                        : bl__root_family(g);
    atomic_init(&c->children.lock.held, 0);
    c->children.first = NULL;
    atomic_init(&c->err, NULL);
    c->cause = NULL;
    atomic_init(&c->detached, false);
    atomic_init(&c->asked, false);
    memset(&c->done, 0, sizeof c->done);
    c->done.elem_bytes = 1;
    c->done.bubble = g->bubble;
}

/* From here on others may end it. */
static void
join(struct bl__canceler *c)
{
    struct bl__canceler *up = c->base.parent->canceler;
    bool ended = false;

    bl__lock(&c->member.family->lock);
    /* relaxed: it is set with the lock held */
    if (up && atomic_load_explicit(&up->err, memory_order_relaxed))
        ended = true;
    else
        bl__family_add(c->member.family, &c->member);
    bl__unlock(&c->member.family->lock);
    if (ended)
        bl__end_new(c, up);
}

static bl_context *
make(bl_context *parent, const struct bl__g *g, uintptr_t pc)
{
    struct bl__canceler *c = malloc(sizeof *c);

    if (BL__UNLIKELY(!c))
        return without_memory(NULL);
    fill(c, BL__CTX_CANCEL, parent, deadline_for(g, parent->canceler), g);
    c->pc = pc;
    join(c);
    return &c->base;
}

bl_context *
bl_context_with_cancel(bl_context *parent)
{
    check_parent(parent);
    return make(parent, bl__self(), CALLER);
}

/* Where c has not ended yet, its timer is started; one whose time has come ends now. */
static void
arm(struct bl__deadline *d, struct bl__g *g)
{
    struct bl__canceler *c = &d->canceler;
    struct bl__ended ended;

    if (c->until > bl__now(g)) {
        bl__lock(&c->children.lock);
        if (!atomic_load_explicit(&c->err, memory_order_relaxed))
            bl__timer_start(c->done.bubble, &d->timer, c->until);
        bl__unlock(&c->children.lock);
        return;
    }
    bl__ended_begin(&ended);
    bl__end(c, bl_err_deadline_exceeded, bl_error_retain(d->cause), &ended);
    bl__detach(c);
    bl__end_rest(&ended);
}

static bl_context *
make_deadline(bl_context *parent, int64_t until, bl_error *cause, struct bl__g *g,
              uintptr_t pc)
{
    struct bl__deadline *d;

    if (until == BL_FOREVER || deadline_for(g, parent->canceler) < until) {
        bl_error_release(cause); /* it will never be the first one to come */
        return make(parent, g, pc);
    }
    d = malloc(sizeof *d);
    if (BL__UNLIKELY(!d))
        return without_memory(cause);
    d->timer = (struct bl__timer){.fn = bl__on_deadline, .arg = d};
    d->cause = cause;
    fill(&d->canceler, BL__CTX_DEADLINE, parent, until, g);
    d->canceler.pc = pc;
    join(&d->canceler);
    arm(d, g);
    return &d->canceler.base;
}

static bl_context *
with_deadline(bl_context *parent, int64_t until, bl_error *cause, uintptr_t pc)
{
    bl_context *ctx;
    struct bl__g *g;

    check_parent(parent);
    bl__sched_start();
    g = bl__enter();
    ctx = make_deadline(parent, until, cause, g, pc);
    bl__leave(g);
    return ctx;
}

/* As bl_after_ns(), but a poll of the clock it is not, and times may be past. */
static int64_t
time_after(int64_t ns)
{
    int64_t now = bl__now(bl__self()), when;

    return __builtin_add_overflow(now, ns, &when) ? BL_FOREVER : when;
}

bl_context *
bl_context_with_deadline(bl_context *parent, int64_t until_ns)
{
    return with_deadline(parent, until_ns, NULL, CALLER);
}

bl_context *
bl_context_with_deadline_cause(bl_context *parent, int64_t until_ns, bl_error *cause)
{
    return with_deadline(parent, until_ns, cause, CALLER);
}

bl_context *
bl_context_with_timeout(bl_context *parent, int64_t ns)
{
    return with_deadline(parent, time_after(ns), NULL, CALLER);
}

bl_context *
bl_context_with_timeout_cause(bl_context *parent, int64_t ns, bl_error *cause)
{
    return with_deadline(parent, time_after(ns), cause, CALLER);
}

bl_context *
bl_context_with_value(bl_context *parent, const bl_context_key *key, const void *value)
{
    struct bl__value *v;

    check_parent(parent);
    if (!key)
        bl_panic("nil key");
    v = malloc(sizeof *v);
    if (BL__UNLIKELY(!v)) {
        if (key->destroy)
            key->destroy((void *)value);
        return without_memory(NULL);
    }
    fill_base(&v->base, BL__CTX_VALUE, parent, parent->canceler);
    v->key = key;
    v->value = (void *)value;
    return &v->base;
}

bl_context *
bl_context_without_cancel(bl_context *parent)
{
    bl_context *ctx;

    check_parent(parent);
    ctx = malloc(sizeof *ctx);
    if (BL__UNLIKELY(!ctx))
        return without_memory(NULL);
    fill_base(ctx, BL__CTX_WITHOUT_CANCEL, parent, NULL);
    return ctx;
}

/* --- counting ------------------------------------------------------------------------ */

static BL__NORETURN BL__NOINLINE void
refuse_count(void)
{
    bl_fatal("context: a context was released too often");
}

bl_context *
bl_context_retain(bl_context *ctx)
{
    uint32_t refs;

    if (!ctx || atomic_load_explicit(&ctx->refs, memory_order_relaxed) == 0)
        return ctx;
    refs = atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    if (BL__UNLIKELY(refs - 1 >= INT32_MAX))
        refuse_count();
    return ctx;
}

/* Returns whether that was the last one. */
static bool
drop(bl_context *ctx)
{
    /* acquire, here and below: pairs with the release of the other owners, who are
     * done with ctx before it is freed */
    uint32_t refs = atomic_load_explicit(&ctx->refs, memory_order_acquire);

    if (refs == 0)
        return false;
    if (refs != 1)
        refs = atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel);
    if (BL__UNLIKELY(refs - 1 >= INT32_MAX))
        refuse_count();
    return refs == 1;
}

static void
destroy_canceler(struct bl__canceler *c)
{
    void *memory = c;

    bl__detach(c);
    if (c->base.kind == BL__CTX_DEADLINE) {
        memory = bl__deadline_of(c);
        bl__timer_stop_and_wait(&bl__deadline_of(c)->timer);
        bl_error_release(bl__deadline_of(c)->cause);
    }
    bl_error_release(c->cause);
    if (c->done.receivers.first)
        bl_panic("belay: release of a context that somebody waits for");
    free(memory);
}

static void
destroy_value(struct bl__value *v)
{
    if (v->key->destroy)
        v->key->destroy(v->value);
    free(v);
}

/* A loop: chains may be longer than stacks are deep. */
void
bl_context_release(bl_context *ctx)
{
    while (ctx && drop(ctx)) {
        bl_context *parent = ctx->parent;

        if (ctx->kind >= BL__CTX_CANCEL)
            destroy_canceler(bl__canceler_of(ctx));
        else if (ctx->kind == BL__CTX_VALUE)
            destroy_value((struct bl__value *)ctx);
        else
            free(ctx);
        ctx = parent;
    }
}

void
bl_context_end(bl_context *ctx)
{
    if (ctx && ctx->kind >= BL__CTX_CANCEL)
        bl_context_cancel(ctx);
    bl_context_release(ctx);
}
