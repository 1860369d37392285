/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/cleanup.c - clean-up that a context bounds.
 *
 * What may be cut off runs in a goroutine of its own.  It and the caller share a struct
 * bl__cleanup; the first of them to be done says so in `state`, and the second one knows
 * then what to do with the result:
 *
 *   state      meaning                  who may leave it, to what
 *   RUNNING    f runs, and is waited for  the goroutine -> DONE; the caller -> ALONE
 *   DONE       the result is there      nobody
 *   ALONE      nobody waits any longer  nobody */
#include "context/context.h"

#include <belay/go.h>
#include <stdlib.h>
#include <unistd.h>

bl_error_global(bl_err_skipped, "clean-up skipped");
bl_error_global(bl_err_cut_off, "clean-up cut off");

typedef bl_error *cleaner(bl_context *ctx, void *arg);

enum { RUNNING, DONE, ALONE };

struct bl__cleanup {
    _Atomic uint32_t refs;   /* the caller's, and the goroutine's */
    _Atomic uint32_t state;
    bl_context *ctx;         /* with a reference */
    cleaner *f;
    void *arg;
    bl_waitgroup done;
    bl_error *err;           /* the result: what f has returned, */
    bl_panic_info *panicked; /* or panicked with, a copy, */
    bool returned;           /* or neither: it has called bl_goexit() */
};

static void
drop(struct bl__cleanup *k)
{
    /* acq_rel: pairs with itself, in the other one */
    if (atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    bl_context_release(k->ctx);
    free(k);
}

static bool
leave_state(struct bl__cleanup *k, uint32_t to)
{
    uint32_t running = RUNNING;

    return atomic_compare_exchange_strong(&k->state, &running, to);
}

/* The panic that goes on has its own copy. */
static void
panic_again(bl_panic_info *panicked)
{
    bl_returns_nothing {
        bl_defer_call(bl_panic_free, panicked);
        bl_repanic(panicked);
    }
}

/* --- the goroutine ------------------------------------------------------------------- */

/* When nobody waits any longer, a panic is this goroutine's own again. */
static void
finish(struct bl__cleanup *k)
{
    const bl_panic_info *p = k->returned ? NULL : bl_recover();
    bool alone;

    if (p && !(k->panicked = bl_panic_copy(p)))
        bl_repanic(p);
    alone = !leave_state(k, DONE);
    if (alone) {
        bl_error_release(k->err);
        bl_panic_free(k->panicked);
    }
    bl_waitgroup_done(&k->done);
    drop(k);
    if (alone && p)
        bl_repanic(p);
}

static void
run(struct bl__cleanup *k)
{
    bl_returns_nothing {
        bl_defer_call(finish, k);
        k->err = k->f(k->ctx, k->arg);
        k->returned = true;
    }
}

/* --- the caller ---------------------------------------------------------------------- */

/* NULL: no memory for it. */
static struct bl__cleanup *
start(bl_context *ctx, cleaner *f, void *arg)
{
    struct bl__cleanup *k = calloc(1, sizeof *k);

    if (!k)
        return NULL;
    k->refs = 2;
    k->ctx = bl_context_retain(ctx);
    k->f = f;
    k->arg = arg;
    bl_waitgroup_add(&k->done, 1);
    if (bl_try_go(run, k) == 0)
        return k;
    k->refs = 1;
    drop(k);
    return NULL;
}

static bl_error *
take_result(struct bl__cleanup *k)
{
    bl_panic_info *panicked = k->panicked;
    bl_error *err = k->err;
    bool returned = k->returned;

    drop(k);
    if (panicked)
        panic_again(panicked);
    if (!returned)
        bl_goexit();
    return err;
}

static bl_error *
wait_or_cut_off(struct bl__cleanup *k)
{
    bl_error *cause;

    if (bl_waitgroup_wait_ctx(&k->done, k->ctx) == 0 || !leave_state(k, ALONE))
        return take_result(k);
    cause = bl_context_cause(k->ctx);
    drop(k);
    return bl_errorf("%pw: %pw", bl_err_cut_off, cause);
}

bl_error *
bl_cleanup_in(bl_context *ctx, unsigned mode, cleaner *f, void *arg)
{
    struct bl__cleanup *k;

    bl__check_context(ctx);
    if (mode == 0 || mode > (BL_SKIP | BL_CUT_OFF))
        bl_panic("belay: bl_cleanup_in: mode %u is neither BL_SKIP nor BL_CUT_OFF", mode);
    if ((mode & BL_SKIP) && bl_context_err(ctx))
        return bl_errorf("%pw: %pw", bl_err_skipped, bl_context_cause(ctx));
    if (!(mode & BL_CUT_OFF) || !ctx->canceler)
        return f(ctx, arg);
    k = start(ctx, f, arg);
    return k ? wait_or_cut_off(k) : f(ctx, arg);
}

/* --- for deferred calls ---------------------------------------------------------------- */

static void
write_line(const bl_error *err, cleaner *f)
{
    char buf[512], *text = bl_error_string(err);
    struct bl__text t = BL__TEXT_TO(STDERR_FILENO, buf);
    struct bl__symbol symbol;

    bl__put(&t, "belay: ");
    if (bl__symbol_at((uintptr_t)f, &symbol))
        bl__put(&t, symbol.name);
    else
        bl__put_hex(&t, (uintptr_t)f);
    bl__put(&t, ": ");
    bl__put(&t, text ? text : "out of memory");
    bl__put_char(&t, '\n');
    bl__text_flush(&t);
    free(text);
}

void
bl_cleanup_or_log(bl_context *ctx, unsigned mode, cleaner *f, void *arg)
{
    bl_error *err = bl_cleanup_in(ctx, mode, f, arg);

    if (err)
        write_line(err, f);
    bl_error_release(err);
}
