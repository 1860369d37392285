/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/x86_64/entry.S - ways into the engine and out of it: see arch.h.
 *
 * Every instruction has call-frame information, so that GDB, perf, libgcc and
 * our own unwinder walk through.  struct bl__ctx is 18 words: r[0..16], exact. */

#define CTX_SIZE 144
#define R(n) (8 * (n))
#define CTX_EXACT 136

/* What bl__act.exc.class holds: "BELAY\0\0\0" read as a little-endian word.
 * panic/act.h has the same. */
#define EXC_CLASS 0x00000059414c4542

        .text

/* Saves what a callee must keep, and the caller's sp and pc, at \ctx(%rsp).
 * \entry: bytes between %rsp and the return address.  Clobbers rax. */
.macro SAVE ctx, entry
        movq    %rbx, \ctx+R(3)(%rsp)
        movq    %rbp, \ctx+R(6)(%rsp)
        movq    %r12, \ctx+R(12)(%rsp)
        movq    %r13, \ctx+R(13)(%rsp)
        movq    %r14, \ctx+R(14)(%rsp)
        movq    %r15, \ctx+R(15)(%rsp)
        leaq    \entry+8(%rsp), %rax
        movq    %rax, \ctx+R(7)(%rsp)
        movq    \entry(%rsp), %rax
        movq    %rax, \ctx+R(16)(%rsp)
        movq    $0, \ctx+CTX_EXACT(%rsp)
.endm

/* \name(x): calls \target(x, ctx); returns what it returns. */
.macro ENTRY name, target
        .globl  \name
        .type   \name, @function
\name:
        .cfi_startproc
        subq    $CTX_SIZE+8, %rsp
        .cfi_adjust_cfa_offset CTX_SIZE+8
        SAVE    0, CTX_SIZE+8
        movq    %rsp, %rsi
        call    \target
        addq    $CTX_SIZE+8, %rsp
        .cfi_adjust_cfa_offset -(CTX_SIZE+8)
        ret
        .cfi_endproc
        .size   \name, .-\name
.endm

        .hidden bl__raise
        .hidden bl__resume_slow
        ENTRY   bl__raise, bl__raise_from
        ENTRY   bl__resume_slow, bl__resume_slow_from

/* A landing pad ends here.  Ours goes straight back into the engine; any other
 * exception to libgcc, as if the landing pad had called it.  Weak, so that a
 * static program that has libgcc's own is linked with that (it comes back
 * through the stop function in act.c). */
        .weak   _Unwind_Resume
        .type   _Unwind_Resume, @function
_Unwind_Resume:
        .cfi_startproc
        movabsq $EXC_CLASS, %rax
        cmpq    %rax, (%rdi)
        jne     1f
        subq    $CTX_SIZE+8, %rsp
        .cfi_adjust_cfa_offset CTX_SIZE+8
        SAVE    0, CTX_SIZE+8
        movq    %rsp, %rsi
        call    bl__resume_from
        ud2
        .cfi_adjust_cfa_offset -(CTX_SIZE+8)
1:      pushq   %rdi
        .cfi_adjust_cfa_offset 8
        call    bl__real_resume         /* finds it, once */
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        jmp     *%rax
        .cfi_endproc
        .size   _Unwind_Resume, .-_Unwind_Resume

        .globl  bl__recover_in_call
        .type   bl__recover_in_call, @function
bl__recover_in_call:
        .cfi_startproc
        subq    $CTX_SIZE+8, %rsp
        .cfi_adjust_cfa_offset CTX_SIZE+8
        SAVE    0, CTX_SIZE+8
        movq    %rsp, %rdi
        call    bl__recover_from
        addq    $CTX_SIZE+8, %rsp
        .cfi_adjust_cfa_offset -(CTX_SIZE+8)
        ret
        .cfi_endproc
        .size   bl__recover_in_call, .-bl__recover_in_call

        .globl  bl__here
        .hidden bl__here
        .type   bl__here, @function
bl__here:
        .cfi_startproc
        movq    %rbx, R(3)(%rdi)
        movq    %rbp, R(6)(%rdi)
        movq    %r12, R(12)(%rdi)
        movq    %r13, R(13)(%rdi)
        movq    %r14, R(14)(%rdi)
        movq    %r15, R(15)(%rdi)
        leaq    8(%rsp), %rax
        movq    %rax, R(7)(%rdi)
        movq    (%rsp), %rax
        movq    %rax, R(16)(%rdi)
        movq    $0, CTX_EXACT(%rdi)
        ret
        .cfi_endproc
        .size   bl__here, .-bl__here

        .globl  bl__call_thunk
        .hidden bl__call_thunk
        .type   bl__call_thunk, @function
bl__call_thunk:
        .cfi_startproc
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        movq    %rsp, (%rdx)
        movq    %rdi, %rax
        xorl    %edi, %edi
        call    *%rax
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   bl__call_thunk, .-bl__call_thunk

        .globl  bl__jump_to_pad
        .hidden bl__jump_to_pad
        .type   bl__jump_to_pad, @function
bl__jump_to_pad:
        .cfi_startproc
        movq    %rsi, %rax              /* exception object; selector is in rdx */
        movq    R(3)(%rdi), %rbx
        movq    R(6)(%rdi), %rbp
        movq    R(12)(%rdi), %r12
        movq    R(13)(%rdi), %r13
        movq    R(14)(%rdi), %r14
        movq    R(15)(%rdi), %r15
        movq    R(16)(%rdi), %rcx
        .cfi_undefined rip
        movq    R(7)(%rdi), %rsp
        jmp     *%rcx
        .cfi_endproc
        .size   bl__jump_to_pad, .-bl__jump_to_pad

/* load is entered as if the landing frame's callee had just been called: its
 * own ret takes us there.  A nested function takes its argument in rdi, a block
 * in rsi. */
        .globl  bl__land
        .hidden bl__land
        .type   bl__land, @function
bl__land:
        .cfi_startproc
        movq    R(3)(%rdi), %rbx
        movq    R(6)(%rdi), %rbp
        movq    R(12)(%rdi), %r12
        movq    R(13)(%rdi), %r13
        movq    R(14)(%rdi), %r14
        movq    R(15)(%rdi), %r15
        movq    R(16)(%rdi), %rcx
        .cfi_undefined rip
        movq    R(7)(%rdi), %rsp
        pushq   %rcx
        testq   %rsi, %rsi
        je      1f
        movq    %rsi, %rax
        movq    %rdx, %rdi
        movq    %rdx, %rsi
        jmp     *%rax
1:      ret
        .cfi_endproc
        .size   bl__land, .-bl__land

        .globl  bl__call_at_root
        .hidden bl__call_at_root
        .type   bl__call_at_root, @function
bl__call_at_root:
        .cfi_startproc
        .cfi_undefined rip
        andq    $-16, %rsp
        xorl    %ebp, %ebp
        movq    %rdi, %rax
        movq    %rsi, %rdi
        call    *%rax
        ud2
        .cfi_endproc
        .size   bl__call_at_root, .-bl__call_at_root

/* Where a fault's handler returns to, with rdi pointing at a struct bl__ctx that
 * has the interrupted registers.  It is copied onto this stack, which nobody else
 * reuses.  The CFA is the end of either copy; every register lies at an offset
 * from it, rsp included, which leads back to the interrupted instruction as a
 * signal frame does. */
        .globl  bl__fault_entry
        .hidden bl__fault_entry
        .type   bl__fault_entry, @function
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa %rdi, CTX_SIZE
        .cfi_offset 0, R(0)-CTX_SIZE
        .cfi_offset 1, R(1)-CTX_SIZE
        .cfi_offset 2, R(2)-CTX_SIZE
        .cfi_offset 3, R(3)-CTX_SIZE
        .cfi_offset 4, R(4)-CTX_SIZE
        .cfi_offset 5, R(5)-CTX_SIZE
        .cfi_offset 6, R(6)-CTX_SIZE
        .cfi_offset 7, R(7)-CTX_SIZE
        .cfi_offset 8, R(8)-CTX_SIZE
        .cfi_offset 9, R(9)-CTX_SIZE
        .cfi_offset 10, R(10)-CTX_SIZE
        .cfi_offset 11, R(11)-CTX_SIZE
        .cfi_offset 12, R(12)-CTX_SIZE
        .cfi_offset 13, R(13)-CTX_SIZE
        .cfi_offset 14, R(14)-CTX_SIZE
        .cfi_offset 15, R(15)-CTX_SIZE
        .cfi_offset 16, R(16)-CTX_SIZE
        nop                             /* unwinders look up pc - 1 */
bl__fault_entry:
        cld
        subq    $CTX_SIZE, %rsp
        .irp    at, 0, 16, 32, 48, 64, 80, 96, 112, 128
        movups  \at(%rdi), %xmm0
        movups  %xmm0, \at(%rsp)
        .endr
        .cfi_def_cfa %rsp, CTX_SIZE
        movq    %rsp, %rdi
        call    bl__fault_raise
        ud2
        .cfi_endproc
        .size   bl__fault_entry, .-bl__fault_entry
        .globl  bl__fault_entry_end
        .hidden bl__fault_entry_end
bl__fault_entry_end:

        .section .note.GNU-stack, "", @progbits
