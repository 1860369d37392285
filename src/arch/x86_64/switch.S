/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/x86_64/switch.S - from one stack to another: see arch.h.
 *
 * While a goroutine does not run, this lies at its saved stack pointer (System V
 * psABI, 3.2.1: what a callee keeps):
 *
 *      0  mxcsr, x87 control word
 *      8  r15  r14  r13  r12  rbx  rbp
 *     56  return address
 *
 * The control words are only loaded when they differ: loading is slow. */

        .text
        .globl  bl__switch
        .hidden bl__switch
        .type   bl__switch, @function
bl__switch:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset 6, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset 3, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset 12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset 13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset 14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset 15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        cmpl    %eax, (%rsp)
        jne     1f
2:      cmpw    %cx, 4(%rsp)
        jne     3f
4:      addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore 15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore 14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore 13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore 12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore 3
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore 6
        ret
        .cfi_adjust_cfa_offset 56
        .cfi_rel_offset 6, 48
        .cfi_rel_offset 3, 40
        .cfi_rel_offset 12, 32
        .cfi_rel_offset 13, 24
        .cfi_rel_offset 14, 16
        .cfi_rel_offset 15, 8
1:      ldmxcsr (%rsp)
        jmp     2b
3:      fldcw   4(%rsp)
        jmp     4b
        .cfi_endproc
        .size   bl__switch, .-bl__switch

/* Where a new goroutine begins: rbx is the function, r12 its argument.  The
 * outermost frame: unwinders stop here. */
        .globl  bl__go_entry
        .hidden bl__go_entry
        .type   bl__go_entry, @function
        .cfi_startproc
        .cfi_undefined rip
        nop                             /* unwinders look up pc - 1 */
bl__go_entry:
        xorl    %ebp, %ebp
        movq    %r12, %rdi
        call    *%rbx
        ud2
        .cfi_endproc
        .size   bl__go_entry, .-bl__go_entry

        .section .note.GNU-stack, "", @progbits
