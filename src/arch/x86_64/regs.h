/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/x86_64/regs.h - register numbers (System V psABI, figure 3.36).
 *
 * 0 rax, 1 rdx, 2 rcx, 3 rbx, 4 rsi, 5 rdi, 6 rbp, 7 rsp, 8-15 r8-r15, 16 the
 * return address. */
#ifndef BELAY_ARCH_X86_64_REGS_H
#define BELAY_ARCH_X86_64_REGS_H

enum {
    BL__NREGS = 17,
    BL__REG_SP = 7,
    BL__REG_FP = 6,
    BL__REG_PC = 16,
    BL__REG_RA = 16,
    BL__PC_ALIGN = 1,
};

/* What a callee saves, in the order of a compact rule's slots; the return
 * address is last. */
#define BL__SAVED_REGS 3, 6, 12, 13, 14, 15, 16
enum { BL__NSAVED = 7 };

/* The return address lies on the stack, in a slot of its own. */
#define BL__RA_IN_REGISTER 0

/* A function is entered with CFA = rsp + 8: the call pushed the return
 * address. */
enum { BL__ENTRY_CFA_OFFSET = 8 };

/* Where ptrace() has the stack pointer among the general registers. */
enum { BL__PTRACE_SP = 19 };

#endif
