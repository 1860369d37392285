/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/stack.c - the frames of code that stands still, in a signal handler or
 * elsewhere: by the core's rules for each program counter, which are cached.  That takes
 * tens of nanoseconds a frame, needs no frame pointers, and says whether the walk has
 * come to the end. */
#include "observe/observe.h"

/* Beyond the innermost half only the last ones are kept, in a ring. */
enum { HALF = BL__STACK_MOST / 2, DEEPEST = 100000 };

struct walk {
    struct bl__stack *stack;
    uintptr_t ring[HALF];
};

static void
note(struct walk *w, uintptr_t pc)
{
    struct bl__stack *s = w->stack;

    if (s->depth < HALF)
        s->pcs[s->depth] = pc;
    else
        w->ring[s->depth % HALF] = pc;
    s->depth++;
}

static void
unroll(struct walk *w)
{
    struct bl__stack *s = w->stack;
    uint32_t rest;

    s->n = s->depth < HALF ? s->depth : HALF;
    rest = s->depth - s->n < HALF ? s->depth - s->n : HALF;
    for (uint32_t i = s->depth - rest; i < s->depth; i++)
        s->pcs[s->n++] = w->ring[i % HALF];
}

void
bl__stack_walk(struct bl__stack *stack, const struct bl__ctx *from, uintptr_t low,
               uintptr_t high, void (*each)(void *, uintptr_t, uint32_t), void *arg)
{
    struct walk w;
    struct bl__ctx ctx = *from;
    struct bl__rule rule;

    w.stack = stack;
    stack->depth = 0;
    stack->is_whole = false;
    while (stack->depth < DEEPEST) {
        uintptr_t cfa;

        if (BL__CTX_PC(&ctx) == 0) {
            stack->is_whole = true;
            break;
        }
        if (BL__CTX_PC(&ctx) & BL__MARK)
            break; /* no address of a program: the walk has gone astray */
        note(&w, BL__CTX_PC(&ctx) + ctx.exact);
        if (!bl__core->rule_find(BL__CTX_PC(&ctx) - !ctx.exact, &rule))
            break;
        if (rule.flags & BL__RULE_END) {
            stack->is_whole = true;
            break;
        }
        cfa = bl__core->rule_cfa(&rule, &ctx);
        if (high != 0 && (cfa <= low || cfa > high || cfa < BL__CTX_SP(&ctx)))
            break;
        if (each && stack->depth <= HALF)
            each(arg, cfa, stack->depth - 1);
        bl__core->rule_step(&rule, &ctx, cfa);
    }
    unroll(&w);
}

__attribute__((noinline)) void
bl__stack_here(struct bl__stack *stack, uint32_t skip)
{
    struct bl__ctx ctx;
    uint32_t own = skip + 1; /* and this function */

    bl__core->here(&ctx);
    bl__stack_walk(stack, &ctx, 0, 0, NULL, NULL);
    if (own > stack->n)
        own = stack->n;
    stack->n -= own;
    stack->depth -= own;
    for (uint32_t i = 0; i < stack->n; i++)
        stack->pcs[i] = stack->pcs[i + own];
}
