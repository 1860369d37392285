/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/stack.c - the stack where an error was made, as program counters. */
#include "errors/errors.h"
#include "panic/g.h"
#include "unwind/cache.h"

/* bl__step without the calls: the rules of frames that make errors are in the cache. */
static inline bool
step(struct bl__ctx *ctx)
{
    struct bl__rule rule;
    uintptr_t cfa;

    if (!bl__rule_get(bl__ctx_at(ctx), &rule) || (rule.flags & BL__RULE_END))
        return false;
    cfa = bl__rule_get_cfa(&rule, ctx);
    if (cfa == 0)
        return false;
    bl__rule_take_step(&rule, ctx, cfa);
    return BL__CTX_PC(ctx) != 0;
}

/* To the stack's end only: below deferred code that a panic runs, it does not follow. */
uint32_t
bl__error_frames(uintptr_t *frames, uint32_t n, uintptr_t pc)
{
    uint32_t count = 0;
    struct bl__ctx ctx;

    bl__here(&ctx);
    do {
        uintptr_t at = bl__ctx_at(&ctx) + 1;

        if (count > 0 || at == pc)
            frames[count++] = at;
    } while (count < n && step(&ctx));
    if (count == 0) /* not found: frames without a table */
        frames[count++] = pc;
    return count;
}

int
bl_error_stack_depth(int n)
{
    int was = (int)bl__error_depth();

    if (n >= 0)
        __atomic_store_n(&bl__options.errorstack,
                         n > BL__ERROR_FRAMES ? BL__ERROR_FRAMES : n, __ATOMIC_RELAXED);
    return was;
}
