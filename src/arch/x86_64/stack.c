/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/x86_64/stack.c - the first frame of a stack, and registers at rest. */
#include "arch/arch.h"

/* switch.S draws it. */
struct at_rest {
    uint32_t mxcsr, x87;
    uintptr_t r15, r14, r13, r12, rbx, rbp, pc;
};

void *
bl__stack_begin(void *high, void (*fn)(void *), void *arg)
{
    /* bl__go_entry is entered by ret: rsp is then 16-aligned, as before a call */
    struct at_rest *r = (struct at_rest *)((uintptr_t)high & ~(uintptr_t)15) - 1;
    uint32_t mxcsr = __builtin_ia32_stmxcsr();
    uint16_t x87;

    __asm__("fnstcw %0" : "=m"(x87));
    *r = (struct at_rest){
        .mxcsr = mxcsr & ~0x3fu, /* control bits; status is not inherited */
        .x87 = x87,
        .r12 = (uintptr_t)arg,
        .rbx = (uintptr_t)fn,
        .pc = (uintptr_t)bl__go_entry,
    };
    return r;
}

void
bl__ctx_at_rest(struct bl__ctx *ctx, const void *sp)
{
    const struct at_rest *r = sp;

    ctx->r[3] = r->rbx;
    ctx->r[6] = r->rbp;
    ctx->r[12] = r->r12;
    ctx->r[13] = r->r13;
    ctx->r[14] = r->r14;
    ctx->r[15] = r->r15;
    BL__CTX_SP(ctx) = (uintptr_t)(r + 1);
    BL__CTX_PC(ctx) = r->pc;
    ctx->exact = 0;
}
