/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/cfi.c - runs call-frame instructions (DWARF 5, section 6.4) up to one
 * address.  Called once per program counter; rule.c keeps the outcome. */
#include "unwind/unwind.h"

#include <string.h>

enum {
    CFA_ADVANCE_LOC = 0x40, /* high two bits; operand in the low six */
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_LOC1 = 0x02,
    CFA_ADVANCE_LOC2 = 0x03,
    CFA_ADVANCE_LOC4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_NEGATE_RA_STATE_WITH_PC = 0x2c, /* aarch64: these two say whether the */
    CFA_NEGATE_RA_STATE = 0x2d,         /* return address is signed */
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET = 0x2f,
};

enum { MAX_REMEMBERED = 4 }; /* compilers nest two deep at the most */

struct machine {
    const struct bl__fde *fde;
    struct bl__row *row;
    const struct bl__row *initial; /* what CFA_RESTORE goes back to */
    uintptr_t loc, pc;
    int depth;
    struct bl__row remembered[MAX_REMEMBERED];
};

static void
set(struct machine *m, uint64_t reg, enum bl__how how, int64_t n, const uint8_t *expr)
{
    unsigned i = bl__reg_index(reg);

    if (i < BL__NREGS) /* vector registers and the like: not ours to keep */
        m->row->reg[i] = (struct bl__cell){(uint8_t)how, n, expr};
}

static void
restore(struct machine *m, uint64_t reg)
{
    unsigned i = bl__reg_index(reg);

    if (i < BL__NREGS)
        m->row->reg[i] = m->initial->reg[i];
}

/* Skips an expression and returns where it began. */
static const uint8_t *
read_expr(const uint8_t **p)
{
    const uint8_t *start = *p;
    uint64_t n = bl__read_uleb(p);

    *p += n;
    return start;
}

static void
def_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
    m->row->cfa_reg = reg;
    m->row->cfa_offset = offset;
    m->row->cfa_expr = NULL;
}

/* The instructions that say where a register is.  Returns false if op is none. */
static bool
run_register(struct machine *m, uint8_t op, const uint8_t **p)
{
    intptr_t align = m->fde->data_align;
    uint64_t reg;

    if (op < CFA_OFFSET_EXTENDED || op == CFA_DEF_CFA_EXPRESSION ||
        (op >= CFA_REMEMBER_STATE && op < CFA_EXPRESSION) || op == CFA_DEF_CFA_SF ||
        op == CFA_DEF_CFA_OFFSET_SF ||
        (op > CFA_VAL_EXPRESSION && op != CFA_GNU_NEGATIVE_OFFSET))
        return false;
    reg = bl__read_uleb(p);
    switch (op) {
    case CFA_OFFSET_EXTENDED:
        set(m, reg, BL__HOW_OFFSET, (int64_t)bl__read_uleb(p) * align, NULL);
        break;
    case CFA_OFFSET_EXTENDED_SF:
        set(m, reg, BL__HOW_OFFSET, bl__read_sleb(p) * align, NULL);
        break;
    case CFA_GNU_NEGATIVE_OFFSET:
        set(m, reg, BL__HOW_OFFSET, -(int64_t)bl__read_uleb(p) * align, NULL);
        break;
    case CFA_VAL_OFFSET:
        set(m, reg, BL__HOW_VAL_OFFSET, (int64_t)bl__read_uleb(p) * align, NULL);
        break;
    case CFA_VAL_OFFSET_SF:
        set(m, reg, BL__HOW_VAL_OFFSET, bl__read_sleb(p) * align, NULL);
        break;
    case CFA_REGISTER:
        set(m, reg, BL__HOW_REGISTER, bl__reg_index(bl__read_uleb(p)), NULL);
        break;
    case CFA_EXPRESSION:
        set(m, reg, BL__HOW_EXPR, 0, read_expr(p));
        break;
    case CFA_VAL_EXPRESSION:
        set(m, reg, BL__HOW_VAL_EXPR, 0, read_expr(p));
        break;
    case CFA_UNDEFINED:
        set(m, reg, BL__HOW_UNDEFINED, 0, NULL);
        break;
    case CFA_SAME_VALUE:
        set(m, reg, BL__HOW_SAME, 0, NULL);
        break;
    default: /* CFA_RESTORE_EXTENDED */
        restore(m, reg);
        break;
    }
    return true;
}

/* The instructions about the CFA and whole rows.  Returns false for an unknown
 * one: then nothing after it can be understood either. */
static bool
run_frame(struct machine *m, uint8_t op, const uint8_t **p)
{
    uint64_t reg;

    switch (op) {
    case CFA_NOP:
    case CFA_NEGATE_RA_STATE_WITH_PC:
    case CFA_NEGATE_RA_STATE:
        return true;
    case CFA_DEF_CFA:
        reg = bl__reg_index(bl__read_uleb(p));
        def_cfa(m, reg, (int64_t)bl__read_uleb(p));
        return true;
    case CFA_DEF_CFA_SF:
        reg = bl__reg_index(bl__read_uleb(p));
        def_cfa(m, reg, bl__read_sleb(p) * m->fde->data_align);
        return true;
    case CFA_DEF_CFA_REGISTER:
        def_cfa(m, bl__reg_index(bl__read_uleb(p)), m->row->cfa_offset);
        return true;
    case CFA_DEF_CFA_OFFSET:
        def_cfa(m, m->row->cfa_reg, (int64_t)bl__read_uleb(p));
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        def_cfa(m, m->row->cfa_reg, bl__read_sleb(p) * m->fde->data_align);
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        m->row->cfa_expr = read_expr(p);
        return true;
    case CFA_REMEMBER_STATE:
        if (m->depth == MAX_REMEMBERED)
            return false;
        m->remembered[m->depth++] = *m->row;
        return true;
    case CFA_RESTORE_STATE:
        if (m->depth == 0)
            return false;
        *m->row = m->remembered[--m->depth];
        return true;
    case CFA_GNU_ARGS_SIZE:
        m->row->args_size = bl__read_uleb(p);
        return true;
    default:
        return false;
    }
}

/* Moves loc; returns false if op is no such instruction. */
static bool
run_advance(struct machine *m, uint8_t op, const uint8_t **p)
{
    uintptr_t delta = 0;

    switch (op) {
    case CFA_SET_LOC:
        m->loc = bl__read_pointer(p, m->fde->pointer_encoding, 0);
        return true;
    case CFA_ADVANCE_LOC1:
        delta = (*p)[0];
        *p += 1;
        break;
    case CFA_ADVANCE_LOC2:
        delta = (uintptr_t)((*p)[0] | (*p)[1] << 8);
        *p += 2;
        break;
    case CFA_ADVANCE_LOC4:
        delta = (uintptr_t)((*p)[0] | (*p)[1] << 8 | (*p)[2] << 16) |
                (uintptr_t)(*p)[3] << 24;
        *p += 4;
        break;
    default:
        return false;
    }
    m->loc += delta * m->fde->code_align;
    return true;
}

/* Runs [p, end) until the row for m->pc is complete. */
static bool
run(struct machine *m, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        uint8_t op = *p++, low = op & 0x3f;

        if ((op & 0xc0) == CFA_ADVANCE_LOC) {
            m->loc += low * m->fde->code_align;
        } else if ((op & 0xc0) == CFA_OFFSET) {
            set(m, low, BL__HOW_OFFSET,
                (int64_t)bl__read_uleb(&p) * m->fde->data_align, NULL);
        } else if ((op & 0xc0) == CFA_RESTORE) {
            restore(m, low);
        } else if (!run_advance(m, op, &p) && !run_register(m, op, &p) &&
                   !run_frame(m, op, &p)) {
            return false;
        }
        if (m->loc > m->pc)
            return true;
    }
    return true;
}

bool
bl__row_at(const struct bl__fde *fde, uintptr_t pc, struct bl__row *row)
{
    struct bl__row initial;
    struct machine m = {
        .fde = fde, .row = row, .initial = &initial, .loc = 0, .pc = pc,
    };

    memset(row, 0, sizeof *row);
    memset(&initial, 0, sizeof initial);
    if (!run(&m, fde->cie_code, fde->cie_end))
        return false;
    initial = *row;
    m.loc = fde->start;
    return run(&m, fde->code, fde->code_end);
}
