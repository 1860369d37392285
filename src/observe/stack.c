/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/stack.c - the frames of code that stands still, in a signal handler or
 * elsewhere: by the core's rules for each program counter, which are cached.  That takes
 * tens of nanoseconds a frame, needs no frame pointers, and says whether the walk has
 * come to the end. */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Beyond the innermost half only the last ones are kept, in a ring. */
enum { HALF = BL__STACK_MOST / 2, DEEPEST = 100000 };

struct walk {
    struct bl__stack *stack;
    uintptr_t low, high;     /* pages that are known to be there */
    bool checks_code;        /* whether code is there, before its module's tables are read */
    uintptr_t code;          /* a page of it that is; 0: none so far */
    uintptr_t ring[HALF];
};

/* --- memory that may not be there ----------------------------------------- */

enum { PAGE = 4096, SAVED = 64 /* bytes below the CFA that a frame's registers lie in */ };

bool
bl__peek(void *to, const void *from, size_t size)
{
    struct iovec here = {to, size}, there = {(void *)from, size};
    pid_t pid = (pid_t)syscall(SYS_getpid); /* a handler in the child of vfork() */

    return syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0) == (long)size;
}

/* The kernel reads a signal mask there before it sees that it is not told what to do with
 * it.  No sandbox forbids that call. */
static bool
is_page_there(uintptr_t page)
{
    const int nothing = -1;
    int saved = errno;
    bool is_there;

    syscall(SYS_rt_sigprocmask, nothing, page, NULL, sizeof(uint64_t));
    is_there = errno != EFAULT;
    errno = saved;
    return is_there;
}

/* A deferred dlclose() takes the memory of a module whose frames a panic has not left yet,
 * and the loader still knows it then. */
static bool
is_code_there(struct walk *w, uintptr_t pc)
{
    uintptr_t page = pc & ~(uintptr_t)(PAGE - 1);

    if (!w->checks_code || page == w->code)
        return true;
    w->code = page;
    return is_page_there(page);
}

/* Whether what the frame has saved can be read: tables may be wrong, and code written by
 * hand may have none for the instructions between two of its own. */
static bool
is_there(struct walk *w, uintptr_t cfa)
{
    uintptr_t first = (cfa - SAVED) & ~(uintptr_t)(PAGE - 1);

    if (cfa < PAGE + SAVED || cfa % sizeof(uintptr_t) != 0)
        return false;
    for (uintptr_t page = first; page < cfa; page += PAGE) {
        if (page >= w->low && page < w->high)
            continue;
        if (!is_page_there(page))
            return false;
        if (page != w->high)
            w->low = page;
        w->high = page + PAGE;
    }
    return true;
}

/* --- the walk ------------------------------------------------------------- */

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

/* Interrupted in code without a rule.  On an ARM linkers write none for the stubs by which
 * functions of other modules are called; these touch neither the stack pointer nor the
 * register that says who has called. */
static bool
leave_stub(struct bl__ctx *ctx)
{
#if BL__RA_IN_REGISTER
    uintptr_t caller = bl__strip_ra(ctx->r[BL__REG_RA]);

    if (!ctx->exact || caller == BL__CTX_PC(ctx))
        return false;
    BL__CTX_PC(ctx) = caller;
    ctx->exact = 0;
    return true;
#else
    (void)ctx;
    return false;
#endif
}

static void
walk(struct bl__stack *stack, const struct bl__ctx *from, uintptr_t low, uintptr_t high,
     bool checks_code, void (*each)(void *, uintptr_t, uint32_t), void *arg)
{
    struct walk w;
    struct bl__ctx ctx = *from;
    struct bl__rule rule;

    w.stack = stack;
    w.low = BL__CTX_SP(from) & ~(uintptr_t)(PAGE - 1);
    w.high = w.low + PAGE;
    w.checks_code = checks_code;
    w.code = 0;
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
        if (!is_code_there(&w, BL__CTX_PC(&ctx)))
            break;
        if (!bl__core->rule_find(BL__CTX_PC(&ctx) - !ctx.exact, &rule)) {
            if (leave_stub(&ctx))
                continue;
            break;
        }
        if (rule.flags & BL__RULE_END) {
            stack->is_whole = true;
            break;
        }
        cfa = bl__core->rule_cfa(&rule, &ctx);
        if (high != 0 ? cfa <= low || cfa > high || cfa < BL__CTX_SP(&ctx)
                      : !is_there(&w, cfa))
            break;
        if (each && stack->depth <= HALF)
            each(arg, cfa, stack->depth - 1);
        bl__core->rule_step(&rule, &ctx, cfa);
    }
    unroll(&w);
}

void
bl__stack_walk(struct bl__stack *stack, const struct bl__ctx *from, uintptr_t low,
               uintptr_t high, void (*each)(void *, uintptr_t, uint32_t), void *arg)
{
    walk(stack, from, low, high, false, each, arg);
}

static void
walk_own(struct bl__stack *stack, const struct bl__ctx *from, const struct bl__g *g,
         bool checks_code)
{
    uintptr_t sp = BL__CTX_SP(from);
    bool is_on_own = g && sp - g->stack_low < g->stack_high - g->stack_low;

    walk(stack, from, sp - 1, is_on_own ? g->stack_high : 0, checks_code, NULL, NULL);
}

void
bl__stack_walk_of(struct bl__stack *stack, const struct bl__ctx *from, const struct bl__g *g)
{
    walk_own(stack, from, g, false);
}

void
bl__stack_walk_interrupted(struct bl__stack *stack, const struct bl__ctx *from,
                           const struct bl__g *g)
{
    walk_own(stack, from, g, true);
}

__attribute__((noinline)) void
bl__stack_here(struct bl__stack *stack, uint32_t skip)
{
    struct bl__ctx ctx;
    uint32_t own = skip + 1; /* and this function */

    bl__core->here(&ctx);
    bl__stack_walk_of(stack, &ctx, bl__core->self_or_null());
    if (own > stack->n)
        own = stack->n;
    stack->n -= own;
    stack->depth -= own;
    for (uint32_t i = 0; i < stack->n; i++)
        stack->pcs[i] = stack->pcs[i + own];
}
