/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/aarch64/regs.h - register numbers (DWARF for the Arm 64-bit
 * Architecture, section 4.1).
 *
 * 0-30 x0-x30, 31 sp, 32 pc; then, with numbers of our own, the low halves of
 * the vector registers that a callee keeps: 33-40 d8-d15, columns 72-79. */
#ifndef BELAY_ARCH_AARCH64_REGS_H
#define BELAY_ARCH_AARCH64_REGS_H

enum {
    BL__NREGS = 41,
    BL__REG_SP = 31,
    BL__REG_FP = 29,
    BL__REG_PC = 32,
    BL__REG_RA = 30,
    BL__REG_D8 = 33,
    BL__PC_ALIGN = 4,
};

/* What a callee saves, in the order of a compact rule's slots. */
#define BL__SAVED_REGS                                                       \
    19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 33, 34, 35, 36, 37, 38, \
        39, 40
enum { BL__NSAVED = 20 };

/* The return address is in x30 until the function saves it; a leaf never does. */
#define BL__RA_IN_REGISTER 1

/* A function is entered with CFA = sp: a call pushes nothing. */
enum { BL__ENTRY_CFA_OFFSET = 0 };

/* Where ptrace() has the stack pointer among the general registers. */
enum { BL__PTRACE_SP = 31 };

/* Where a DWARF column is kept.  Column 96 is what libgcc takes for the pc of a
 * signal frame (entry.S). */
#define BL__COLUMN_D8 72
#define BL__COLUMN_SIGNAL_PC 96
#define BL__PORT_REG_INDEX(column)                                         \
    ((column) < BL__REG_D8               ? (unsigned)(column)              \
     : (column) - BL__COLUMN_D8 < 8      ? (unsigned)(column) - 72 + BL__REG_D8 \
     : (column) == BL__COLUMN_SIGNAL_PC  ? (unsigned)BL__REG_PC            \
                                         : (unsigned)BL__NREGS)

/* A return address without its signature (pointer authentication).  One that
 * has none stays as it is, so nobody has to know the frame's state; the
 * instruction, xpaclri, does nothing on a processor without signatures. */
static inline uintptr_t
bl__strip_ra(uintptr_t ra)
{
    register uintptr_t x30 __asm__("x30") = ra;

    __asm__("hint #7" : "+r"(x30));
    return x30;
}

/* Whether pc is at the kernel's return from a signal handler: the vDSO has no
 * table for it.  sp is then the signal frame, this far below its ucontext_t. */
bool bl__is_sigreturn(uintptr_t pc);
#define BL__SIGFRAME_UCONTEXT 128

#endif
