/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/unwind.h - from a frame's registers to its caller's, and what the
 * frame has to say about clean-up.
 *
 * What is known about one program counter is a *rule*: how to find the CFA, where
 * the callee-saved registers lie, which landing pad belongs to it.  A rule is
 * computed once from the call-frame tables (fde.c, cfi.c, lsda.c) and kept in a
 * cache (rule.c).  Nothing here allocates, locks or keeps state between calls
 * but the cache, so all of it may run in a signal handler. */
#ifndef BELAY_UNWIND_UNWIND_H
#define BELAY_UNWIND_UNWIND_H

#include "arch/arch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where struct bl__ctx has a DWARF column; BL__NREGS if it doesn't keep it. */
static inline unsigned
bl__reg_index(uint64_t column)
{
#ifdef BL__PORT_REG_INDEX
    return BL__PORT_REG_INDEX(column);
#else
    return column < BL__NREGS ? (unsigned)column : (unsigned)BL__NREGS;
#endif
}

/* --- tables (fde.c) ------------------------------------------------------ */

/* One function's entry in the call-frame tables. */
struct bl__fde {
    uintptr_t start, end;      /* of the code it describes */
    const uint8_t *cie_code;   /* initial instructions */
    const uint8_t *cie_end;
    const uint8_t *code;       /* the function's own */
    const uint8_t *code_end;
    const uint8_t *lsda;       /* language-specific data; NULL if none */
    uintptr_t personality;     /* 0 if none */
    uintptr_t code_align;
    intptr_t data_align;
    uint8_t ra;                /* index of the return address; BL__NREGS: none */
    bool is_signal;            /* augmentation 'S' */
    bool is_pinned;            /* its module can't be unloaded */
    uint8_t pointer_encoding;  /* of addresses in its instructions */
};

/* Finds the entry for the instruction at pc.  Returns false if there is none. */
bool bl__fde_find(uintptr_t pc, struct bl__fde *fde);

/* How often modules have been unloaded so far.  Takes the loader's lock. */
unsigned long long bl__unloads(void);

/* Reads an encoded pointer (LSB, "DWARF exception header encoding").  *p moves
 * past it.  base is what a relative encoding other than pcrel adds. */
uintptr_t bl__read_pointer(const uint8_t **p, uint8_t encoding, uintptr_t base);
uint64_t bl__read_uleb(const uint8_t **p);
int64_t bl__read_sleb(const uint8_t **p);

/* --- rows (cfi.c, expr.c) ------------------------------------------------ */

enum bl__how {
    BL__HOW_SAME,       /* the caller's value is in the register */
    BL__HOW_UNDEFINED,
    BL__HOW_OFFSET,     /* saved at CFA + n */
    BL__HOW_VAL_OFFSET, /* is CFA + n */
    BL__HOW_REGISTER,   /* is in register n */
    BL__HOW_EXPR,       /* saved at the address that an expression yields */
    BL__HOW_VAL_EXPR,   /* is what an expression yields */
};

struct bl__cell {
    uint8_t how;           /* enum bl__how */
    int64_t n;
    const uint8_t *expr;   /* ULEB length, then the operations */
};

/* The table row in force at one instruction. */
struct bl__row {
    struct bl__cell reg[BL__NREGS];
    const uint8_t *cfa_expr; /* not NULL: the CFA is what it yields */
    uint64_t cfa_reg;
    int64_t cfa_offset;
    uintptr_t args_size;
};

/* Runs the instructions up to pc.  Returns false for what it can't decode. */
bool bl__row_at(const struct bl__fde *fde, uintptr_t pc, struct bl__row *row);

/* Evaluates a DWARF expression over ctx's registers, *initial pushed first
 * unless NULL.  Returns false for an operation it does not know. */
bool bl__expr_eval(const uint8_t *expr, const struct bl__ctx *ctx,
                   const uintptr_t *initial, uintptr_t *value);

/* --- landing pads (lsda.c) ----------------------------------------------- */

struct bl__pad {
    uintptr_t pc;      /* 0: none that a panic has to enter */
    intptr_t selector; /* what the code there compares to find its handler */
    bool is_covered;   /* the table names this instruction */
    bool has_pads;     /* the table has any landing pad at all */
};

void bl__pad_find(const struct bl__fde *fde, uintptr_t pc, struct bl__pad *pad);

/* --- rules (rule.c; the fast path is inline, in cache.h) ------------------ */

enum bl__rule_flag {
    BL__RULE_END = 1,        /* outermost frame: return address undefined */
    BL__RULE_SIGNAL = 2,     /* a signal frame: the caller's pc is exact */
    BL__RULE_SLOW = 4,       /* saved[] can't say it: step through the row */
    BL__RULE_UNCOVERED = 8,  /* has landing pads, but none known for this pc */
    BL__RULE_NOEXCEPT = 16,  /* C++: nothing may be thrown here */
};

struct bl__rule {
    uintptr_t at;                   /* the instruction it is for */
    uintptr_t plain_at;             /* in the cache only: see cache.h */
    uintptr_t function;             /* where the code that has `at` begins */
    int32_t pad;                    /* landing pad, from `at`; 0 if none */
    int32_t selector;
    int32_t cfa_offset;
    uint32_t mask;                  /* bit i: saved[i] is to be restored */
    int16_t saved[BL__NSAVED];      /* words from the CFA */
    uint8_t cfa_reg;
    uint8_t flags;                  /* enum bl__rule_flag */
};

/* The frame's landing pad; 0 if it has none for this place. */
static inline uintptr_t
bl__rule_pad(const struct bl__rule *rule)
{
    return rule->pad ? rule->at + (uintptr_t)(intptr_t)rule->pad : 0;
}

/* The instruction a frame is executing: its pc, or, since a return address may
 * belong to the next function already, the byte before it. */
static inline uintptr_t
bl__ctx_at(const struct bl__ctx *ctx)
{
    return BL__CTX_PC(ctx) - !ctx->exact;
}

/* Finds the rule for the instruction at `at`.  Returns false if no table
 * describes it.
 * Call from: anywhere, signal handlers included.  Blocks: no. */
bool bl__rule_find(uintptr_t at, struct bl__rule *rule);

/* The same without the loader's lock, which bl__rule_find takes for code that dlopen()
 * brought: for those who have interrupted, or stopped, somebody who may have it.  The
 * code must stay where it is meanwhile: what is on a stack does. */
bool bl__rule_find_quietly(uintptr_t at, struct bl__rule *rule);

/* Where the code begins that has `at`: for code that may be gone, or going.  Returns 0
 * if that is not known.  Takes the loader's lock. */
uintptr_t bl__function_at(uintptr_t at);

/* The frame's canonical frame address: the stack pointer at its call. */
uintptr_t bl__rule_cfa(const struct bl__rule *rule, const struct bl__ctx *ctx);

/* Turns ctx into its caller's.  cfa is what bl__rule_cfa returned. */
void bl__rule_step(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa);

/* Finds ctx's rule and steps to the caller.  Returns false, and leaves ctx as it
 * is, at the outermost frame and where no table describes the code. */
bool bl__step(struct bl__ctx *ctx, struct bl__rule *rule);

/* Whether register i (a column) is one that a callee has to keep. */
bool bl__is_saved(int i);

/* Whether code that begins at `start` is entered by a call: the row there says
 * that nothing but the return address is on the stack.  False for the split-off
 * cold part of a function. */
bool bl__is_function_entry(uintptr_t start);

/* Remembers which modules can't be unloaded.  Called once, at load. */
void bl__unwind_init(void);

#endif
