/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/x86_64/context.c - signal contexts: see arch.h. */
#define _GNU_SOURCE
#include "arch/arch.h"

#include <string.h>
#include <ucontext.h>

/* gregs index of each DWARF register. */
static const signed char greg_of[BL__NREGS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

static const char *const names[BL__NREGS] = {
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip",
};

const char *
bl__reg_name(int i)
{
    return i < BL__NREGS ? names[i] : 0;
}

void
bl__ctx_from_signal(struct bl__ctx *ctx, const void *ucontext)
{
    const ucontext_t *uc = ucontext;

    for (int i = 0; i < BL__NREGS; i++)
        ctx->r[i] = (uintptr_t)uc->uc_mcontext.gregs[greg_of[i]];
    ctx->exact = 1;
}

void
bl__ctx_inject_fault(void *ucontext, const struct bl__ctx *saved)
{
    ucontext_t *uc = ucontext;

    uc->uc_mcontext.gregs[REG_RSP] = (greg_t)((BL__CTX_SP(saved) - 128) & ~15UL);
    uc->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)saved;
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)bl__fault_entry;
}

void
bl__ctx_undo_call(void *ucontext)
{
    ucontext_t *uc = ucontext;
    uintptr_t *sp = (uintptr_t *)uc->uc_mcontext.gregs[REG_RSP];

    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(*sp - 1);
    uc->uc_mcontext.gregs[REG_RSP] += 8;
}

/* The value of the register or memory operand that a ModRM byte names. */
static uint64_t
operand(const struct bl__ctx *ctx, const uint8_t *p, unsigned rex, unsigned bytes)
{
    /* DWARF numbers of the encodings 0..7 */
    static const uint8_t dwarf[8] = {0, 2, 1, 3, 7, 6, 4, 5};
    unsigned mod = *p >> 6, rm = *p & 7;
    uintptr_t at = 0;
    const uint8_t *d = p + 1;
    uint64_t v = 0;

#define REGISTER(n, ext) ctx->r[(ext) ? (n) + 8 : dwarf[n]]
    if (mod == 3)
        return REGISTER(rm, rex & 1);
    if (rm == 4) { /* SIB */
        unsigned scale = *d >> 6, index = *d >> 3 & 7, base = *d & 7;

        d++;
        if (index != 4 || (rex & 2))
            at += REGISTER(index, rex & 2) << scale;
        if (base == 5 && mod == 0) {
            int32_t disp;

            memcpy(&disp, d, 4);
            at += (uintptr_t)(intptr_t)disp;
        } else {
            at += REGISTER(base, rex & 1);
        }
    } else if (rm == 5 && mod == 0) { /* rip-relative; no immediate follows */
        int32_t disp;

        memcpy(&disp, d, 4);
        at = (uintptr_t)(d + 4) + (uintptr_t)(intptr_t)disp;
    } else {
        at = REGISTER(rm, rex & 1);
    }
    if (mod == 1) {
        at += (uintptr_t)(intptr_t)(int8_t)*d;
    } else if (mod == 2) {
        int32_t disp;

        memcpy(&disp, d, 4);
        at += (uintptr_t)(intptr_t)disp;
    }
    memcpy(&v, (void *)at, bytes); /* the instruction has just read it */
    return v;
}

bool
bl__ctx_quotient_overflow(const struct bl__ctx *ctx)
{
    const uint8_t *p = (const uint8_t *)BL__CTX_PC(ctx);
    unsigned rex = 0, bits = 32;
    uint64_t v;

    for (; *p == 0x66 || *p == 0x2e || *p == 0x3e; p++)
        if (*p == 0x66)
            bits = 16;
    if ((*p & 0xf0) == 0x40)
        rex = *p++;
    if (rex & 8)
        bits = 64;
    if (*p == 0xf6)
        bits = 8;
    else if (*p != 0xf7)
        return false;
    p++;
    if ((*p >> 3 & 7) < 6) /* 6 div, 7 idiv */
        return false;
    if (bits == 8 && !rex && *p >> 6 == 3)
        return false; /* ah..bh: not worth knowing */
    v = operand(ctx, p, rex, bits / 8);
    return bits == 64 ? v != 0 : (v & ((UINT64_C(1) << bits) - 1)) != 0;
}
