/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/aarch64/switch.S - from one stack to another: see arch.h.
 *
 * While a goroutine does not run, this lies at its saved stack pointer (AAPCS64,
 * 6.1: what a callee keeps; FPCR is not of it):
 *
 *      0  x19 .. x28
 *     80  x29 x30
 *     96  d8 .. d15 */

        .text
        .globl  bl__switch
        .hidden bl__switch
        .type   bl__switch, %function
        .p2align 2
bl__switch:
        .cfi_startproc
        hint    #34
        stp     x19, x20, [sp, -160]!
        .cfi_def_cfa_offset 160
        .cfi_offset 19, -160
        .cfi_offset 20, -152
        stp     x21, x22, [sp, 16]
        .cfi_offset 21, -144
        .cfi_offset 22, -136
        stp     x23, x24, [sp, 32]
        .cfi_offset 23, -128
        .cfi_offset 24, -120
        stp     x25, x26, [sp, 48]
        .cfi_offset 25, -112
        .cfi_offset 26, -104
        stp     x27, x28, [sp, 64]
        .cfi_offset 27, -96
        .cfi_offset 28, -88
        stp     x29, x30, [sp, 80]
        .cfi_offset 29, -80
        .cfi_offset 30, -72
        stp     d8, d9, [sp, 96]
        .cfi_offset 72, -64
        .cfi_offset 73, -56
        stp     d10, d11, [sp, 112]
        .cfi_offset 74, -48
        .cfi_offset 75, -40
        stp     d12, d13, [sp, 128]
        .cfi_offset 76, -32
        .cfi_offset 77, -24
        stp     d14, d15, [sp, 144]
        .cfi_offset 78, -16
        .cfi_offset 79, -8
        mov     x9, sp
        stlr    x9, [x0]
        mov     sp, x1
        ldp     d14, d15, [sp, 144]
        ldp     d12, d13, [sp, 128]
        ldp     d10, d11, [sp, 112]
        ldp     d8, d9, [sp, 96]
        ldp     x29, x30, [sp, 80]
        ldp     x27, x28, [sp, 64]
        ldp     x25, x26, [sp, 48]
        ldp     x23, x24, [sp, 32]
        ldp     x21, x22, [sp, 16]
        ldp     x19, x20, [sp], 160
        .cfi_def_cfa_offset 0
        .cfi_restore 19
        .cfi_restore 20
        .cfi_restore 21
        .cfi_restore 22
        .cfi_restore 23
        .cfi_restore 24
        .cfi_restore 25
        .cfi_restore 26
        .cfi_restore 27
        .cfi_restore 28
        .cfi_restore 29
        .cfi_restore 30
        .cfi_restore 72
        .cfi_restore 73
        .cfi_restore 74
        .cfi_restore 75
        .cfi_restore 76
        .cfi_restore 77
        .cfi_restore 78
        .cfi_restore 79
        ret
        .cfi_endproc
        .size   bl__switch, .-bl__switch

/* Where a new goroutine begins: x19 is the function, x20 its argument.  The
 * outermost frame: unwinders stop here. */
        .globl  bl__go_entry
        .hidden bl__go_entry
        .type   bl__go_entry, %function
        .cfi_startproc
        .cfi_undefined x30
        nop                             /* unwinders look up pc - 1 */
bl__go_entry:
        hint    #36                     /* bti j: entered by ret or br */
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x20
        blr     x19
        brk     #0
        .cfi_endproc
        .size   bl__go_entry, .-bl__go_entry

        .section .note.GNU-stack, "", %progbits
