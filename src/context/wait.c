/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/wait.c - the calls that end when a context does: the bounded forms of sync/,
 * with the context's channel. */
#include "context/context.h"
#include "sync/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 16 };

/* 0, or what a call returns when ctx has ended. */
static int
number_of_end(const bl_context *ctx)
{
    const bl_error *err = bl_context_err(ctx);

    return !err                              ? 0
           : err == bl_err_deadline_exceeded ? -ETIMEDOUT
                                             : -ECANCELED;
}

/* The same before a wait for anything. */
static int
begin(bl_context *ctx, struct bl__bound *b)
{
    int error = number_of_end(ctx);

    *b = (struct bl__bound){BL_FOREVER, bl_context_channel(ctx)};
    return error;
}

/* What a bounded call with `b` has returned, for who called with ctx. */
static int
result(int error, const bl_context *ctx)
{
    return error == -ECANCELED ? number_of_end(ctx) : error;
}

/* NULL: no bound, which costs less. */
static const struct bl__bound *
or_none(const struct bl__bound *b)
{
    return b->done ? b : NULL;
}

/* --- channels ---------------------------------------------------------------------- */

/* The cases, and behind them the context's channel: ready when it has ended. */
static int
select_with_end(bl_case *cases, size_t n, bl_context *ctx)
{
    int error = number_of_end(ctx), i;

    if (error)
        return error;
    cases[n] = (bl_case){.c = bl_context_channel(ctx)};
    i = bl_select_cases(cases, n + 1, BL_FOREVER);
    return (size_t)i == n ? number_of_end(ctx) : i;
}

int
bl_select_cases_ctx(const bl_case *cases, size_t n, bl_context *ctx)
{
    bl_case few[FEW], *all = few;
    int i;

    if (n >= BL_SELECT_MAX)
        bl__panic_runtime("reflect.Select: too many cases (max 65536)");
    if (n >= FEW && !(all = malloc((n + 1) * sizeof *all)))
        bl_panic("belay: out of memory for a select of %zu cases", n);
    if (n > 0)
        memcpy(all, cases, n * sizeof *all);
    i = select_with_end(all, n, ctx);
    if (all != few)
        free(all);
    return i;
}

int
bl_chan_send_ctx(bl_chan *c, const void *value, bl_context *ctx)
{
    bl_case cases[2] = {{.c = c, .value = (void *)value, .is_send = true}};

    return select_with_end(cases, 1, ctx);
}

int
bl_chan_recv_ctx(bl_chan *c, void *value, bl_context *ctx)
{
    bool ok;
    bl_case cases[2] = {{.c = c, .value = value, .ok = &ok}};
    int i = select_with_end(cases, 1, ctx);

    return i < 0 ? i : ok;
}

/* --- the others -------------------------------------------------------------------- */

static int
sleep_bound(int64_t until, const struct bl__bound *b)
{
    struct bl__g *g = bl__enter();
    int error;

    atomic_store_explicit(&g->claimed, 0, memory_order_relaxed);
    error = bl__park_bound(g, NULL, NULL, BL__WAIT_SLEEP,
                           &(struct bl__bound){until, b->done});
    bl__leave(g);
    return error == -ETIMEDOUT ? 0 : error;
}

int
bl_sleep_ctx(int64_t ns, bl_context *ctx)
{
    struct bl__bound b;
    int error = begin(ctx, &b);
    int64_t until;

    if (error || ns <= 0)
        return error;
    until = bl_after_ns(ns);
    return result(sleep_bound(until == BL_FOREVER ? BL_FOREVER - 1 : until, &b), ctx);
}

int
bl_mutex_lock_ctx(bl_mutex *m, bl_context *ctx)
{
    struct bl__bound b;
    int error = begin(ctx, &b);

    return error ? error : result(bl__mutex_lock_bound(m, or_none(&b)), ctx);
}

int
bl_waitgroup_wait_ctx(bl_waitgroup *wg, bl_context *ctx)
{
    struct bl__bound b;
    int error = begin(ctx, &b);

    return error ? error : result(bl__waitgroup_wait_bound(wg, or_none(&b)), ctx);
}

int
bl_cond_wait_ctx(bl_cond *c, bl_mutex *m, bl_context *ctx)
{
    struct bl__bound b;
    int error = begin(ctx, &b);

    return error ? error : result(bl__cond_wait_bound(c, m, or_none(&b)), ctx);
}

int
bl_semaphore_acquire_ctx(bl_semaphore *s, int64_t n, bl_context *ctx)
{
    struct bl__bound b;
    int error = begin(ctx, &b);

    return error ? error : result(bl__semaphore_acquire_bound(s, n, or_none(&b)), ctx);
}
