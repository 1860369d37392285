/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/look.c - what contexts are asked, and what they look like as text. */
#include "context/context.h"

bl_error *
bl_context_err(const bl_context *ctx)
{
    bl_error *err;

    bl__check_context(ctx);
    if (!ctx->canceler)
        return NULL;
    /* acquire: pairs with the release in finish (end.c) */
    err = atomic_load_explicit(&ctx->canceler->err, memory_order_acquire);
    if (BL__UNLIKELY(!err && bl__sched.seed))
        bl_now(); /* who polls must see time go by */
    return err;
}

bl_error *
bl_context_cause(const bl_context *ctx)
{
    return bl_context_err(ctx) ? bl_error_retain(ctx->canceler->cause) : NULL;
}

int64_t
bl_context_deadline(const bl_context *ctx)
{
    bl__check_context(ctx);
    return ctx->canceler ? ctx->canceler->until : BL_FOREVER;
}

bl_chan *
bl_context_channel(bl_context *ctx)
{
    struct bl__canceler *c;

    bl__check_context(ctx);
    c = ctx->canceler;
    if (!c)
        return NULL;
    if (BL__UNLIKELY(!atomic_load_explicit(&c->asked, memory_order_relaxed))) {
        bl__lock(&c->children.lock); /* who ends it sees this, or has closed it */
        atomic_store_explicit(&c->asked, true, memory_order_relaxed);
        bl__unlock(&c->children.lock);
    }
    return &c->done;
}

void *
bl_context_value(const bl_context *ctx, const bl_context_key *key)
{
    bl__check_context(ctx);
    for (; ctx; ctx = ctx->parent) {
        const struct bl__value *v = (const struct bl__value *)ctx;

        if (ctx->kind == BL__CTX_VALUE && v->key == key)
            return v->value;
    }
    return NULL;
}

/* --- text ------------------------------------------------------------------------ */

enum { SECOND = 1000000000, BLOCK = 64 };

static void
put_seconds(struct bl__text *t, int64_t ns)
{
    uint64_t n = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, part = n % SECOND;

    if (ns < 0)
        bl__put_char(t, '-');
    bl__put_uint(t, n / SECOND);
    if (part > 0)
        bl__put_char(t, '.');
    for (uint64_t digit = SECOND / 10; part > 0; digit /= 10) {
        bl__put_char(t, (char)('0' + part / digit));
        part %= digit;
    }
    bl__put_char(t, 's');
}

static void
put_value(struct bl__text *t, const struct bl__value *v)
{
    bl__put(t, ".WithValue(");
    bl__put(t, v->key->name ? v->key->name : "?");
    bl__put(t, ", ");
    if (v->value)
        bl__put_hex(t, (uintptr_t)v->value);
    else
        bl__put(t, "<nil>");
    bl__put_char(t, ')');
}

static void
put_deadline(struct bl__text *t, const struct bl__canceler *c)
{
    int64_t left;

    if (__builtin_sub_overflow(c->until, bl__now(bl__self()), &left))
        left = INT64_MIN;
    bl__put(t, ".WithDeadline(");
    put_seconds(t, c->until);
    bl__put(t, " [");
    put_seconds(t, left);
    bl__put(t, "])");
}

static void
put_one(struct bl__text *t, const bl_context *ctx)
{
    switch (ctx->kind) {
    case BL__CTX_BACKGROUND:
        bl__put(t, "context.Background");
        break;
    case BL__CTX_TODO:
        bl__put(t, "context.TODO");
        break;
    case BL__CTX_VALUE:
        put_value(t, (const struct bl__value *)ctx);
        break;
    case BL__CTX_WITHOUT_CANCEL:
        bl__put(t, ".WithoutCancel");
        break;
    case BL__CTX_CANCEL:
        bl__put(t, ".WithCancel");
        break;
    case BL__CTX_DEADLINE:
        put_deadline(t, bl__canceler_of(ctx));
        break;
    }
}

/* From the root on, in blocks: a long chain needs neither memory nor stack. */
size_t
bl_context_text(const bl_context *ctx, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    const bl_context *some[BLOCK];
    size_t depth = 0;

    bl__check_context(ctx);
    for (const bl_context *at = ctx; at; at = at->parent)
        depth++;
    for (size_t first = 0; first < depth; first += BLOCK) {
        size_t n = depth - first < BLOCK ? depth - first : BLOCK, i = depth;

        for (const bl_context *at = ctx; at && i-- > first; at = at->parent)
            if (i < first + n)
                some[i - first] = at;
        for (i = 0; i < n; i++)
            put_one(&t, some[i]);
    }
    bl__text_flush(&t);
    return t.length;
}
