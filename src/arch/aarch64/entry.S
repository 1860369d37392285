/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/aarch64/entry.S - ways into the engine and out of it: see arch.h.
 *
 * Every instruction has call-frame information, so that GDB, perf, libgcc and
 * our own unwinder walk through.  struct bl__ctx is 42 words: r[0..40], exact. */

#define CTX_SIZE 336
#define R(n) (8 * (n))
#define SP_ R(31)
#define PC_ R(32)
#define D(n) (R(33) + 8 * ((n) - 8))
#define CTX_EXACT 328

/* What bl__act.exc.class holds: "BELAY\0\0\0" read as a little-endian word.
 * panic/act.c has the same. */
#define EXC_CLASS_0 0x4542
#define EXC_CLASS_1 0x414c
#define EXC_CLASS_2 0x0059

        .text

/* A function that other code calls by address: `bti c`, a no-op elsewhere. */
.macro FUNCTION name
        .type   \name, %function
        .p2align 2
\name:
        .cfi_startproc
        hint    #34
.endm

.macro END name
        .cfi_endproc
        .size   \name, .-\name
.endm

/* Saves what a callee must keep at \base; x30 is the caller's pc. */
.macro SAVE base
        stp     x19, x20, [\base, R(19)]
        stp     x21, x22, [\base, R(21)]
        stp     x23, x24, [\base, R(23)]
        stp     x25, x26, [\base, R(25)]
        stp     x27, x28, [\base, R(27)]
        stp     x29, x30, [\base, R(29)]
        stp     d8, d9, [\base, D(8)]
        stp     d10, d11, [\base, D(10)]
        stp     d12, d13, [\base, D(12)]
        stp     d14, d15, [\base, D(14)]
        str     xzr, [\base, CTX_EXACT]
.endm

/* The reverse; x30 becomes the context's pc. */
.macro LOAD base
        ldp     x19, x20, [\base, R(19)]
        ldp     x21, x22, [\base, R(21)]
        ldp     x23, x24, [\base, R(23)]
        ldp     x25, x26, [\base, R(25)]
        ldp     x27, x28, [\base, R(27)]
        ldr     x29, [\base, R(29)]
        ldp     d8, d9, [\base, D(8)]
        ldp     d10, d11, [\base, D(10)]
        ldp     d12, d13, [\base, D(12)]
        ldp     d14, d15, [\base, D(14)]
.endm

/* Makes a frame that holds the caller's context at sp, which the engine changes
 * as it walks; the frame's own record of x29 and x30 is above it. */
.macro OPEN
        stp     x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset 29, -16
        .cfi_offset 30, -8
        sub     sp, sp, #CTX_SIZE
        .cfi_def_cfa_offset CTX_SIZE+16
        SAVE    sp
        add     x9, sp, #CTX_SIZE+16
        stp     x9, x30, [sp, SP_]
        add     x29, sp, #CTX_SIZE
.endm

.macro CLOSE
        add     sp, sp, #CTX_SIZE
        .cfi_def_cfa_offset 16
        ldp     x29, x30, [sp], #16
        .cfi_def_cfa_offset 0
        .cfi_restore 29
        .cfi_restore 30
        ret
.endm

/* \name(x): calls \target(x, ctx); returns what it returns. */
.macro ENTRY name, target
        .globl  \name
        .hidden \name
        FUNCTION \name
        OPEN
        mov     x1, sp
        bl      \target
        CLOSE
        END     \name
.endm

        ENTRY   bl__raise, bl__raise_from
        ENTRY   bl__resume_slow, bl__resume_slow_from

/* A landing pad ends here.  Ours goes straight back into the engine; any other
 * exception to libgcc, as if the landing pad had called it.  Weak, so that a
 * static program that has libgcc's own is linked with that (it comes back
 * through the stop function in act.c). */
        .weak   _Unwind_Resume
        FUNCTION _Unwind_Resume
        ldr     x9, [x0]
        mov     x10, #EXC_CLASS_0
        movk    x10, #EXC_CLASS_1, lsl #16
        movk    x10, #EXC_CLASS_2, lsl #32
        cmp     x9, x10
        b.ne    1f
        .cfi_remember_state
        OPEN
        mov     x1, sp
        bl      bl__resume_from
        brk     #1
        .cfi_restore_state
1:      stp     x29, x30, [sp, #-32]!
        .cfi_def_cfa_offset 32
        .cfi_offset 29, -32
        .cfi_offset 30, -24
        mov     x29, sp
        str     x0, [sp, #16]
        bl      bl__real_resume         /* finds it, once */
        mov     x16, x0
        ldr     x0, [sp, #16]
        ldp     x29, x30, [sp], #32
        .cfi_def_cfa_offset 0
        .cfi_restore 29
        .cfi_restore 30
        br      x16
        END     _Unwind_Resume

        .globl  bl__recover_in_call
        FUNCTION bl__recover_in_call
        OPEN
        mov     x0, sp
        bl      bl__recover_from
        CLOSE
        END     bl__recover_in_call

        .globl  bl__here
        .hidden bl__here
        FUNCTION bl__here
        SAVE    x0
        mov     x9, sp
        stp     x9, x30, [x0, SP_]
        ret
        END     bl__here

        .globl  bl__call_thunk
        .hidden bl__call_thunk
        FUNCTION bl__call_thunk
        stp     x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset 29, -16
        .cfi_offset 30, -8
        mov     x29, sp
        str     x29, [x2]
        mov     x16, x0
        mov     x0, xzr
        blr     x16
        ldp     x29, x30, [sp], #16
        .cfi_def_cfa_offset 0
        .cfi_restore 29
        .cfi_restore 30
        ret
        END     bl__call_thunk

/* Jumps through x16 and x17 may go to `bti c` and `bti j` alike. */
        .globl  bl__jump_to_pad
        .hidden bl__jump_to_pad
        FUNCTION bl__jump_to_pad
        mov     x9, x0
        mov     x0, x1                  /* exception object */
        mov     x1, x2                  /* selector */
        LOAD    x9
        ldr     x30, [x9, R(30)]
        ldp     x10, x17, [x9, SP_]
        .cfi_undefined 30
        mov     sp, x10
        br      x17
        END     bl__jump_to_pad

/* load is entered as if the landing frame's callee had just been called: its
 * own ret takes us there.  A nested function takes its argument in x0, a block
 * in x1. */
        .globl  bl__land
        .hidden bl__land
        FUNCTION bl__land
        mov     x9, x0
        mov     x16, x1
        mov     x0, x2
        mov     x1, x2
        LOAD    x9
        ldp     x10, x30, [x9, SP_]
        .cfi_undefined 30
        mov     sp, x10
        cbz     x16, 1f
        br      x16
1:      ret
        END     bl__land

        .globl  bl__call_at_root
        .hidden bl__call_at_root
        FUNCTION bl__call_at_root
        .cfi_undefined 30
        mov     x29, xzr
        mov     x30, xzr
        mov     x16, x0
        mov     x0, x1
        blr     x16
        brk     #1
        END     bl__call_at_root

/* Where a fault's handler returns to, with x0 pointing at a struct bl__ctx that
 * has the interrupted registers.  It is copied onto this stack, which nobody else
 * reuses.  The CFA is the end of either copy; every register lies at an offset
 * from it, x30 as well as the pc: a leaf's return address is in x30.
 *
 * Three unwinders, three columns for the pc: AADWARF64 and GDB have 32; libgcc's
 * for signal frames is 96; ours reads both. */
        .globl  bl__fault_entry
        .hidden bl__fault_entry
        .type   bl__fault_entry, %function
        .p2align 2
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_return_column 96
        .cfi_def_cfa 0, CTX_SIZE
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
                   17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32
        .cfi_offset \n, R(\n)-CTX_SIZE
        .endr
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        .cfi_offset 64+\n, D(\n)-CTX_SIZE
        .endr
        .cfi_offset 96, PC_-CTX_SIZE
        nop                             /* unwinders look up pc - 1 */
bl__fault_entry:
        sub     sp, sp, #CTX_SIZE
        mov     x1, x0
        mov     x2, sp
        add     x3, sp, #CTX_SIZE
1:      ldp     x4, x5, [x1], #16
        stp     x4, x5, [x2], #16
        cmp     x2, x3
        b.ne    1b
        .cfi_def_cfa 31, CTX_SIZE
        mov     x0, sp
        bl      bl__fault_raise
        brk     #1
        END     bl__fault_entry
        .globl  bl__fault_entry_end
        .hidden bl__fault_entry_end
bl__fault_entry_end:

        .section .note.GNU-stack, "", %progbits
