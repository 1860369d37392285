/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/engine.c - the one loop behind panic, goexit and returning after a
 * recovery.
 *
 * It walks frames from the innermost outwards.  In each frame it enters the
 * landing pad, if the tables name one for the place where the frame stands, and
 * then makes the frame's deferred calls.
 *
 *   A landing pad runs in the frame itself: the stack below is given up, and the
 *   pad's end, _Unwind_Resume, comes back to resume_from, which goes on with the
 *   same frame.
 *   A deferred call runs on top of the stack as it is.
 *
 * A newer panic simply starts a newer walk from where it was raised.  It meets
 * the frames that are there; what an older walk has run is off the lists
 * already, or behind the landing pad's place, so nothing runs twice.
 *
 * Recovery.  bl_recover() only marks the newest activation.  When the deferred
 * code that called it ends, bl__settle() drops every activation that was started
 * inside that frame, and the recovered one becomes an ACT_RETURN: the frame's
 * other deferred code runs as on a normal return, then the frame returns to its
 * caller.  A goexit among those dropped goes on instead (Go's rule M9).
 *
 * Functions that may be on the stack while users' code runs are named bl__...
 * although they are static: reports leave such frames out. */
#include "os/os.h"
#include "panic/g.h"
#include "unwind/cache.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

void __asan_handle_no_return(void) __attribute__((weak));

/* --- ends ---------------------------------------------------------------- */

static void
bl__end(void *p)
{
    struct bl__g *g = p;

    while (g->act)
        bl__act_drop(g, g->act);
    g->busy = false;
    if (g->m)
        bl__hooks.goexit(g);
    if (g->id == 1 && bl__os_is_single_thread())
        bl__fatal_at("no goroutines (main called runtime.Goexit) - deadlock!",
                     NULL, NULL);
    pthread_exit(NULL);
}

/* The outermost frame has been left. */
static BL__NORETURN void
bl__finish(struct bl__g *g, struct bl__act *a)
{
    if (g->calls)
        bl__skipped(g->calls);
    BL__CHECK(a->kind != BL__ACT_RETURN);
    if (a->kind == BL__ACT_PANIC)
        bl__report_panic(g);
    BL__LOG(g, a, "all frames left; the goroutine ends", 0, NULL);
    bl__call_at_root(bl__end, g);
}

/* Notes the frames from ctx on, for a report. */
static void
note_rest(struct bl__act *a, const struct bl__ctx *from)
{
    struct bl__ctx ctx = *from;
    struct bl__rule rule;

    do {
        bl__trace_add(&a->trace, bl__ctx_at(&ctx) + 1);
    } while (bl__step(&ctx, &rule) && BL__CTX_PC(&ctx) != 0);
}

static void
put_function(struct bl__text *t, uintptr_t at)
{
    struct bl__symbol symbol;

    bl__put(t, bl__symbol_at(at, &symbol) ? symbol.name : "an unknown function");
    bl__put(t, ", pc=");
    bl__put_hex(t, at + 1);
    bl__text_flush(t);
}

/* The walk of a can't go through the frame at ctx, for a reason that `what`
 * tells. */
static BL__NORETURN void
bl__stuck(struct bl__act *a, const char *what, const struct bl__ctx *ctx)
{
    char buf[256];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf);

    bl__put(&t, "the frame is ");
    put_function(&t, bl__ctx_at(ctx));
    note_rest(a, ctx);
    bl__fatal_trace(what, buf, &a->trace);
}

/* ctx is in the kernel's frame; the one noted last is the handler's. */
static BL__NORETURN void
bl__stuck_in_handler(struct bl__act *a, const struct bl__ctx *ctx)
{
    char buf[256];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf);
    uint32_t n = a->trace.count;
    uintptr_t entry = n == 0                ? BL__CTX_PC(ctx)
                      : n <= BL__TRACE_HALF ? a->trace.first[n - 1]
                                            : a->trace.last[(n - 1) % BL__TRACE_RING];

    bl__put(&t, "the handler is ");
    put_function(&t, entry - 1);
    note_rest(a, ctx);
    bl__fatal_trace("a panic can't leave a signal handler", buf, &a->trace);
}

/* --- landing ------------------------------------------------------------- */

struct bl__act *
bl__settle(struct bl__g *g, struct bl__act *a, uintptr_t cfa)
{
    struct bl__act *x;

    BL__LOG(g, a, "recovered", 0, NULL);
    if (BL__UNLIKELY(a->observed != NULL))
        BL__OBSERVE(recovered, a);
    while ((x = a->link) && x->base < cfa && bl__same_stack(g, x->base, cfa)) {
        if (x->kind == BL__ACT_GOEXIT) {
            x->mode = a->mode;
            x->base = a->base;
            x->cfa = cfa;
            bl__act_drop(g, a);
            BL__LOG(g, x, "goexit goes on", 0, NULL);
            return x;
        }
        bl__act_drop(g, x);
    }
    a->kind = BL__ACT_RETURN;
    a->cfa = cfa;
    return a;
}

/* Frame cfa returns to its caller: its remaining deferred calls are made as on
 * a normal return, then control goes on behind the call of it. */
static BL__NORETURN void
bl__return_from(struct bl__g *g, struct bl__act *a, struct bl__ctx *ctx,
            const struct bl__rule *rule)
{
    struct bl__calls *node = g->calls;
    struct bl__record *r;

    if (node && node->cfa == a->cfa) {
        a->mode = BL__ACT_CALL;
        a->ctx = ctx;
        while ((r = node->top)) {
            node->top = r->next;
            node->running = r;
            BL__LOG(g, a, "calls deferred", 0, r->site->callee);
            g->busy = false;
            g->deferred_panic++;
            BL__OBSERVE(called, g, r->site, true);
            bl__call_thunk(r->thunk, r->args, &a->callee_cfa);
            g->busy = true;
        }
        if (node->frame->result)
            memcpy(a->result, node->frame->result, node->frame->size);
        a->load = node->frame->load;
        bl__calls_close(g, node);
    }
    bl__calls_check(g, a->cfa);
    bl__rule_take_step(rule, ctx, a->cfa);
    BL__LOG(g, a, "goes on in", BL__CTX_PC(ctx), NULL);
    bl__act_drop(g, a);
    g->busy = false;
    bl__land(ctx, a->load, a->result);
}

/* --- the walk ------------------------------------------------------------ */

/* Makes the deferred calls of frame cfa.  Returns the activation that goes on. */
static struct bl__act *
bl__run_calls(struct bl__g *g, struct bl__act *a, struct bl__ctx *ctx,
          const struct bl__rule *rule, uintptr_t cfa)
{
    struct bl__calls *node = g->calls;
    struct bl__record *r;

    while ((r = node->top)) {
        node->top = r->next;
        node->running = r;
        a->mode = BL__ACT_CALL;
        a->cfa = cfa;
        a->record = r;
        a->ctx = ctx;
        BL__LOG(g, a, "calls deferred", 0, r->site->callee);
        g->busy = false;
        g->deferred_panic++;
        BL__OBSERVE(called, g, r->site, true);
        bl__call_thunk(r->thunk, r->args, &a->callee_cfa);
        g->busy = true;
        BL__CHECK(g->act == a);
        if (a->recovered) {
            a = bl__settle(g, a, cfa);
            if (a->kind == BL__ACT_RETURN)
                bl__return_from(g, a, ctx, rule);
        }
    }
    bl__calls_close(g, node);
    return a;
}

/* Runs the frame's landing pad; the end of that is bl__resume_from. */
static inline BL__NORETURN void
enter_pad(struct bl__g *g, struct bl__act *a, struct bl__ctx *ctx,
          const struct bl__hit *hit)
{
    a->mode = BL__ACT_PAD;
    a->cfa = hit->cfa;
    a->base = BL__CTX_SP(ctx); /* the stack below is given up */
    BL__CTX_PC(ctx) = hit->pad;
    g->busy = false;
    bl__jump_to_pad(ctx, &a->exc, hit->selector);
}

/* What is out of the ordinary about a frame. */
static BL__NOINLINE void
bl__look_at_flags(struct bl__g *g, struct bl__act *a, const struct bl__ctx *ctx,
              const struct bl__rule *rule)
{
    if (rule->flags & BL__RULE_END)
        bl__finish(g, a);
    if ((rule->flags & BL__RULE_SIGNAL) &&
        BL__CTX_PC(ctx) - (uintptr_t)bl__fault_entry >=
            (uintptr_t)bl__fault_entry_end - (uintptr_t)bl__fault_entry)
        bl__stuck_in_handler(a, ctx);
    if (rule->flags & BL__RULE_NOEXCEPT)
        bl__stuck(a, "a panic can't leave a C++ function that is noexcept", ctx);
    if ((rule->flags & BL__RULE_UNCOVERED) && ctx->exact)
        bl__stuck(a, "a fault where the compiler expected none: which defers are pending "
              "is not known (compile with -fnon-call-exceptions)", ctx);
    if (rule->flags & BL__RULE_UNCOVERED)
        bl__stuck(a, "a panic came out of a call that the compiler took for one that "
              "never throws: which defers are pending is not known", ctx);
}

/* The frame at cfa is running an older activation's landing pad: the frames that
 * one came from are only in its trace now. */
static void
note_older(struct bl__act *a)
{
    const struct bl__act *older = a->beside;

    if (older->kind != BL__ACT_RETURN)
        bl__trace_append(&a->trace, &older->trace, older->trace.count);
    a->beside = older->link;
}

/* ctx has left the deferred call that an older walk is making: every frame
 * between here and the one where that walk stands has been run by it.  Without
 * this, panics that replace one another would make it quadratic. */
static void
join_older(struct bl__act *a, struct bl__ctx *ctx)
{
    const struct bl__act *older = a->beside;

    if (older->kind != BL__ACT_RETURN) {
        bl__trace_append(&a->trace, &older->trace, older->trace.count);
        a->mode = BL__ACT_PAD; /* the frame has been noted: as after its pad */
    }
    *ctx = *older->ctx;
    a->beside = older->link;
}

static bool
has_come_to_older(const struct bl__act *a, enum bl__act_mode mode, uintptr_t at)
{
    return a->beside && a->beside->mode == mode && bl__act_mark(a->beside) == at;
}

/* The nearest frame outwards at which the walk has more to do than to step. */
static uintptr_t
next_stop(const struct bl__g *g, const struct bl__act *a)
{
    uintptr_t stop = g->calls ? g->calls->cfa : UINTPTR_MAX;
    uintptr_t mark = a->beside ? bl__act_mark(a->beside) : 0;

    return mark && mark < stop ? mark : stop;
}

static inline void
note_frame(void *act, uintptr_t pc)
{
    bl__trace_add(&((struct bl__act *)act)->trace, pc);
}

/* In a program linked with -static nothing describes _start. */
static bool
is_process_entry(uintptr_t pc)
{
    extern char _start[] __attribute__((weak));

    return _start && pc - (uintptr_t)_start < 64;
}

/* One frame, whatever it is.  Returns the activation that goes on. */
static struct bl__act *
bl__visit(struct bl__g *g, struct bl__act *a, struct bl__ctx *ctx)
{
    struct bl__rule rule;
    uintptr_t cfa;

    if (BL__UNLIKELY(!bl__rule_get(bl__ctx_at(ctx), &rule))) {
        if (BL__CTX_PC(ctx) == 0 || is_process_entry(BL__CTX_PC(ctx)))
            bl__finish(g, a);
        bl__stuck(a, "a panic can't leave a frame without an unwind table", ctx);
    }
    cfa = bl__rule_get_cfa(&rule, ctx);
    if (BL__UNLIKELY(cfa == 0))
        bl__stuck(a, "a panic can't leave a frame whose unwind table is not "
                     "understood", ctx);
    if (BL__UNLIKELY(rule.flags & ~BL__RULE_SLOW))
        bl__look_at_flags(g, a, ctx, &rule);
    if (a->mode == BL__ACT_WALK) { /* not back from a pad of this frame */
        bl__trace_add(&a->trace, bl__ctx_at(ctx) + 1);
        if (BL__UNLIKELY(has_come_to_older(a, BL__ACT_PAD, cfa)))
            note_older(a);
    }
    if (rule.pad) {
        BL__LOG(g, a, "enters the clean-up of", BL__CTX_PC(ctx), NULL);
        enter_pad(g, a, ctx, &(struct bl__hit){bl__rule_pad(&rule), cfa, rule.selector});
    }
    if (a->kind == BL__ACT_RETURN) {
        if (cfa == a->cfa)
            bl__return_from(g, a, ctx, &rule);
    } else if (g->calls && g->calls->cfa == cfa) {
        a = bl__run_calls(g, a, ctx, &rule, cfa);
    }
    BL__LOG(g, a, "leaves", BL__CTX_PC(ctx), NULL);
    a->mode = BL__ACT_WALK;
    bl__rule_take_step(&rule, ctx, cfa);
    if (BL__UNLIKELY(has_come_to_older(a, BL__ACT_CALL, cfa)))
        join_older(a, ctx);
    return a;
}

/* Frames that need nothing but stepping, and the landing pad behind them. */
static inline __attribute__((always_inline)) void
hurry(struct bl__g *g, struct bl__act *a, struct bl__ctx *ctx, uintptr_t stop)
{
    struct bl__hit hit = bl__skip_plain(ctx, stop, note_frame, a);

    if (hit.pad)
        enter_pad(g, a, ctx, &hit);
}

static BL__NOINLINE BL__NORETURN void
bl__walk(struct bl__g *g, struct bl__act *a, struct bl__ctx *ctx)
{
    for (;;) {
        a = bl__visit(g, a, ctx);
        if (a->mode == BL__ACT_WALK && a->kind != BL__ACT_RETURN && !ctx->exact &&
            BL__LIKELY(!bl__options.unwindlog))
            hurry(g, a, ctx, next_stop(g, a));
    }
}

static BL__NOINLINE void
observe_raised(struct bl__act *a, const struct bl__ctx *ctx)
{
    if (a->kind == BL__ACT_PANIC)
        BL__OBSERVE(raised, a, ctx);
}

void
bl__raise_from(void *act, struct bl__ctx *ctx)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = act;

    if (__asan_handle_no_return)
        __asan_handle_no_return();
    a->base = BL__CTX_SP(ctx);
    bl__calls_check(g, a->base);
    g->busy = true;
    BL__LOG(g, a, "raised in", a->info.pc + (a->is_fault ? 1 : 0), NULL);
    if (BL__UNLIKELY(BL__OBSERVED(raised) != NULL))
        observe_raised(a, ctx);
    bl__walk(g, a, ctx);
}

/* A landing pad has ended.  Returns the activation that goes on. */
static inline struct bl__act *
after_pad(struct bl__g *g)
{
    struct bl__act *a = g->act;

    g->busy = true;
    BL__CHECK(a && a->mode == BL__ACT_PAD);
    if (BL__UNLIKELY(a->recovered) && a->kind == BL__ACT_PANIC)
        a = bl__settle(g, a, a->cfa);
    return a;
}

/* ctx is in the pad's frame: the pad called _Unwind_Resume itself.  This is the
 * way from one defer block to the next, so it is all in one function. */
void
bl__resume_from(void *exc, struct bl__ctx *ctx)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = after_pad(g);
    uintptr_t stop = next_stop(g, a);

    (void)exc; /* the newest activation is what matters now */
    if (BL__LIKELY(a->kind != BL__ACT_RETURN && a->cfa < stop &&
                   !bl__options.unwindlog) &&
        bl__step_plain(ctx, a->cfa)) {
        a->mode = BL__ACT_WALK;
        hurry(g, a, ctx, stop);
    }
    bl__walk(g, a, ctx);
}

/* ctx is somewhere in libgcc, called by the pad's frame. */
void
bl__resume_slow_from(void *exc, struct bl__ctx *ctx)
{
    struct bl__g *g = bl__self();

    (void)exc;
    bl__walk(g, after_pad(g), ctx);
}

bool
bl__anything_pending(struct bl__g *g, const struct bl__ctx *from)
{
    struct bl__ctx ctx = *from;
    struct bl__rule rule;

    if (g->calls)
        return true;
    while (bl__step(&ctx, &rule))
        if (rule.pad)
            return true;
    return false;
}

void
bl_goexit(void)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = bl__act_push(g, BL__ACT_GOEXIT);

    BL__OBSERVE(exits, g);
    a->info.pc = (uintptr_t)__builtin_return_address(0);
    bl__raise(a);
}
