/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/expr.c - DWARF expressions (DWARF 5, section 2.5) as call-frame tables
 * use them: signal frames, procedure linkage tables, realigned stacks. */
#include "unwind/unwind.h"

#include <string.h>

enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST1S = 0x09,
    OP_CONST2U = 0x0a,
    OP_CONST2S = 0x0b,
    OP_CONST4U = 0x0c,
    OP_CONST4S = 0x0d,
    OP_CONST8U = 0x0e,
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_OVER = 0x14,
    OP_PICK = 0x15,
    OP_SWAP = 0x16,
    OP_ABS = 0x19,
    OP_AND = 0x1a,
    OP_MINUS = 0x1c,
    OP_MUL = 0x1e,
    OP_NEG = 0x1f,
    OP_NOT = 0x20,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_BRA = 0x28,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_SKIP = 0x2f,
    OP_LIT0 = 0x30,
    OP_REG0 = 0x50,
    OP_BREG0 = 0x70,
    OP_REGX = 0x90,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96,
};

enum { STACK = 32 };

struct eval {
    const struct bl__ctx *ctx;
    uintptr_t s[STACK];
    int n;
    bool ok;
};

static void
push(struct eval *e, uintptr_t v)
{
    if (e->n == STACK)
        e->ok = false;
    else
        e->s[e->n++] = v;
}

static uintptr_t
pop(struct eval *e)
{
    if (e->n == 0) {
        e->ok = false;
        return 0;
    }
    return e->s[--e->n];
}

static uintptr_t
reg(struct eval *e, uint64_t n)
{
    unsigned i = bl__reg_index(n);

    if (i >= BL__NREGS) {
        e->ok = false;
        return 0;
    }
    return e->ctx->r[i];
}

/* Little-endian value of n bytes; both CPUs are. */
static uintptr_t
read_fixed(const uint8_t **p, unsigned n, bool is_signed)
{
    uint64_t v = 0;

    memcpy(&v, *p, n);
    *p += n;
    if (is_signed && n < 8 && (v >> (8 * n - 1) & 1))
        v |= ~UINT64_C(0) << (8 * n);
    return v;
}

static bool
run_constant(struct eval *e, uint8_t op, const uint8_t **p)
{
    if (op >= OP_LIT0 && op < OP_REG0)
        push(e, op - OP_LIT0);
    else if (op >= OP_CONST1U && op <= OP_CONST8S)
        push(e, read_fixed(p, 1U << ((op - OP_CONST1U) / 2), op & 1));
    else if (op == OP_ADDR)
        push(e, read_fixed(p, 8, false));
    else if (op == OP_CONSTU)
        push(e, bl__read_uleb(p));
    else if (op == OP_CONSTS)
        push(e, (uintptr_t)bl__read_sleb(p));
    else
        return false;
    return true;
}

static bool
run_register(struct eval *e, uint8_t op, const uint8_t **p)
{
    if (op >= OP_REG0 && op < OP_BREG0) {
        push(e, reg(e, op - OP_REG0));
    } else if (op >= OP_BREG0 && op < OP_REGX) {
        push(e, reg(e, op - OP_BREG0) + (uintptr_t)bl__read_sleb(p));
    } else if (op == OP_REGX) {
        push(e, reg(e, bl__read_uleb(p)));
    } else if (op == OP_BREGX) {
        uintptr_t v = reg(e, bl__read_uleb(p));

        push(e, v + (uintptr_t)bl__read_sleb(p));
    } else {
        return false;
    }
    return true;
}

static bool
run_unary(struct eval *e, uint8_t op, const uint8_t **p)
{
    uintptr_t a;

    switch (op) {
    case OP_DEREF:
        a = pop(e);
        push(e, e->ok ? *(uintptr_t *)a : 0);
        return true;
    case OP_DEREF_SIZE: {
        const uint8_t *at = (const uint8_t *)pop(e);
        uint8_t n = *(*p)++;

        push(e, e->ok && n <= 8 ? read_fixed(&at, n, false) : 0);
        return true;
    }
    case OP_ABS:
        a = pop(e);
        push(e, (intptr_t)a < 0 ? -a : a);
        return true;
    case OP_NEG:
        push(e, -pop(e));
        return true;
    case OP_NOT:
        push(e, ~pop(e));
        return true;
    case OP_PLUS_UCONST:
        a = pop(e);
        push(e, a + bl__read_uleb(p));
        return true;
    default:
        return false;
    }
}

static bool
run_binary(struct eval *e, uint8_t op)
{
    uintptr_t b, a, v;

    if (op < OP_AND || op > OP_NE)
        return false;
    b = pop(e);
    a = pop(e);
    switch (op) {
    case OP_AND: v = a & b; break;
    case OP_MINUS: v = a - b; break;
    case OP_MUL: v = a * b; break;
    case OP_OR: v = a | b; break;
    case OP_PLUS: v = a + b; break;
    case OP_SHL: v = b < 64 ? a << b : 0; break;
    case OP_SHR: v = b < 64 ? a >> b : 0; break;
    case OP_SHRA: v = (uintptr_t)((intptr_t)a >> (b < 64 ? b : 63)); break;
    case OP_XOR: v = a ^ b; break;
    case OP_EQ: v = a == b; break;
    case OP_GE: v = (intptr_t)a >= (intptr_t)b; break;
    case OP_GT: v = (intptr_t)a > (intptr_t)b; break;
    case OP_LE: v = (intptr_t)a <= (intptr_t)b; break;
    case OP_LT: v = (intptr_t)a < (intptr_t)b; break;
    case OP_NE: v = a != b; break;
    default: e->ok = false; v = 0; break; /* OP_DIV, OP_MOD: never seen */
    }
    push(e, v);
    return true;
}

static bool
run_stack(struct eval *e, uint8_t op, const uint8_t **p)
{
    uintptr_t a, b;
    unsigned i = op == OP_OVER ? 1 : 0;

    switch (op) {
    case OP_PICK:
        i = *(*p)++;
        /* fallthrough */
    case OP_DUP:
    case OP_OVER:
        if (i >= (unsigned)e->n)
            e->ok = false;
        else
            push(e, e->s[(unsigned)e->n - 1 - i]);
        return true;
    case OP_DROP:
        pop(e);
        return true;
    case OP_SWAP:
        b = pop(e);
        a = pop(e);
        push(e, b);
        push(e, a);
        return true;
    case OP_NOP:
        return true;
    default:
        return false;
    }
}

static bool
run_jump(struct eval *e, uint8_t op, const uint8_t **p)
{
    int16_t by;

    if (op != OP_SKIP && op != OP_BRA)
        return false;
    by = (int16_t)read_fixed(p, 2, true);
    if (op == OP_SKIP || pop(e))
        *p += by;
    return true;
}

bool
bl__expr_eval(const uint8_t *p, const struct bl__ctx *ctx,
              const uintptr_t *initial, uintptr_t *value)
{
    struct eval e = {.ctx = ctx, .ok = true};
    uint64_t length = bl__read_uleb(&p);
    const uint8_t *end = p + length;

    if (initial)
        push(&e, *initial);
    while (p < end && e.ok) {
        uint8_t op = *p++;

        /* jumps first: their codes lie among the binary operators' */
        if (!run_jump(&e, op, &p) && !run_constant(&e, op, &p) &&
            !run_register(&e, op, &p) && !run_unary(&e, op, &p) &&
            !run_stack(&e, op, &p) && !run_binary(&e, op))
            return false;
    }
    *value = pop(&e);
    return e.ok;
}
