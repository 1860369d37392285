/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/aarch64/stack.c - the first frame of a stack, and registers at rest. */
#include "arch/arch.h"

/* switch.S draws it. */
struct at_rest {
    uintptr_t x19_28[10], fp, lr, d8_15[8];
};

void *
bl__stack_begin(void *high, void (*fn)(void *), void *arg)
{
    struct at_rest *r = (struct at_rest *)((uintptr_t)high & ~(uintptr_t)15) - 1;

    *r = (struct at_rest){.x19_28 = {(uintptr_t)fn, (uintptr_t)arg},
                          .lr = (uintptr_t)bl__go_entry};
    return r;
}

void
bl__ctx_at_rest(struct bl__ctx *ctx, const void *sp)
{
    const struct at_rest *r = sp;

    for (int i = 0; i < 10; i++)
        ctx->r[19 + i] = r->x19_28[i];
    for (int i = 0; i < 8; i++)
        ctx->r[33 + i] = r->d8_15[i];
    ctx->r[29] = r->fp;
    ctx->r[30] = r->lr;
    BL__CTX_SP(ctx) = (uintptr_t)(r + 1);
    BL__CTX_PC(ctx) = r->lr;
    ctx->exact = 0;
}
