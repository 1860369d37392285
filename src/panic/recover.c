/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/recover.c - what deferred code, and the macros around it, call.
 *
 * bl_recover() gives the newest panic to the code that the engine is running for
 * it, and to nobody else.  A block is known by its frame: it is inlined, so its
 * CFA is that of the frame whose landing pad is running.  A deferred function is
 * known by its caller: the thunk that the engine has called. */
#include "panic/g.h"
#include "unwind/unwind.h"

#include <string.h>

const bl_panic_info *bl__recover_from(struct bl__ctx *ctx);

void
bl__block_end(void *cfa)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = g->act;

    if (a && a->kind == BL__ACT_PANIC && a->recovered && a->mode == BL__ACT_PAD &&
        a->cfa == (uintptr_t)cfa)
        bl__settle(g, a, a->cfa);
}

static BL__NORETURN void
bl__plain_return(const char *function)
{
    bl_panic("belay: %s left its bl_returns body by return, break or goto: the "
             "named result would be lost; use bl_leave or bl_leave_with",
             function);
}

/* In a landing pad the engine goes on by itself and only needs the result, which
 * may live in a register of this frame. */
void
bl__body_left(const struct bl__left *left)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = g->act;

    if (a && a->cfa == (uintptr_t)left->cfa && a->mode == BL__ACT_PAD) {
        if (left->value)
            memcpy(a->result, left->value, left->size);
        a->load = left->load;
        return;
    }
    if (g->foreign_cfa == (uintptr_t)left->cfa)
        g->foreign_cfa = 0; /* C++, pthread_exit or pthread_cancel came through */
    else if (left->value)
        bl__plain_return(left->function);
    if (left->calls)
        bl__run(left->calls);
}

static const bl_panic_info *
take_panic(struct bl__g *g, struct bl__act *a)
{
    BL__LOG(g, a, "bl_recover", 0, NULL);
    a->recovered = true;
    return &a->info;
}

const bl_panic_info *
bl__recover_from_block(struct bl__g *g, uintptr_t cfa)
{
    struct bl__act *a = g->act;

    if (a->kind != BL__ACT_PANIC || a->recovered || a->mode != BL__ACT_PAD ||
        a->cfa != cfa)
        return NULL;
    return take_panic(g, a);
}

const bl_panic_info *
bl__recover_nowhere(void)
{
    if (bl__options.paniccheck)
        bl_panic("belay: bl_recover() in a block that can never recover: it needs "
                 "a bl_returns body and a block that is not in another block");
    return NULL;
}

/* Whether the code that begins at `function` is the deferred function itself.
 * One call deeper, in the place of a tail call, it would be another one; but it
 * may be the split-off part of the same, and `callee` may be a stub that jumps
 * to it. */
static bool
is_callee(uintptr_t callee, uintptr_t function)
{
    return callee == function || !bl__is_function_entry(callee) ||
           !bl__is_function_entry(function);
}

/* ctx is inside the function that evaluates bl_recover().  Whether that is r's
 * deferred function, called by its thunk, or in the thunk's place; then ctx
 * becomes the thunk's, or the caller's. */
static bool
is_deferred_function(const struct bl__record *r, struct bl__ctx *ctx,
                     struct bl__rule *rule)
{
    if (!bl__rule_find(bl__ctx_at(ctx), rule) ||
        !is_callee((uintptr_t)r->callee, rule->function))
        return false;
    bl__rule_step(rule, ctx, bl__rule_cfa(rule, ctx));
    return true;
}

static bool
called_by_thunk(const struct bl__act *a, const struct bl__record *r,
                struct bl__ctx *ctx)
{
    struct bl__rule rule;

    if (!is_deferred_function(r, ctx, &rule))
        return false;
    if (BL__CTX_SP(ctx) == a->callee_cfa)
        return true; /* the thunk jumped to it */
    if (!bl__rule_find(bl__ctx_at(ctx), &rule) ||
        bl__rule_cfa(&rule, ctx) != a->callee_cfa)
        return false;
    return rule.function == (uintptr_t)r->thunk ||
           !bl__is_function_entry((uintptr_t)r->thunk);
}

/* The deferred call under way that the newest activation, or else a normal end,
 * is making. */
static const struct bl__record *
running_record(const struct bl__g *g)
{
    const struct bl__calls *node = g->calls;

    while (node && !node->running)
        node = node->outer;
    return node ? node->running : NULL;
}

/* BELAYDEBUG=paniccheck=1: whether ctx's function is the deferred one and was
 * called by its thunk, or by what calls thunks. */
static bool
may_be_deferred(const struct bl__g *g, struct bl__ctx *ctx)
{
    const struct bl__record *r = g ? running_record(g) : NULL;
    struct bl__rule rule;

    if (!r || !is_deferred_function(r, ctx, &rule) ||
        !bl__rule_find(bl__ctx_at(ctx), &rule))
        return false;
    return rule.function == (uintptr_t)r->thunk ||
           rule.function == (uintptr_t)bl__run ||
           rule.function == (uintptr_t)bl__call_thunk;
}

const bl_panic_info *
bl__recover_from(struct bl__ctx *ctx)
{
    struct bl__g *g = bl__self_or_null();
    struct bl__act *a = g ? g->act : NULL;
    struct bl__ctx copy = *ctx;

    if (a && a->kind == BL__ACT_PANIC && !a->recovered && a->mode == BL__ACT_CALL &&
        called_by_thunk(a, a->record, &copy))
        return take_panic(g, a);
    if (BL__UNLIKELY(bl__options.paniccheck) && !may_be_deferred(g, ctx))
        bl_panic("belay: bl_recover() outside deferred code can never recover");
    return NULL;
}

