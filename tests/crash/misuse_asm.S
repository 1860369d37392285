/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* misuse_asm.S - void asm_calls(void (*f)(void)), without call-frame information. */
        .text
        .globl  asm_calls
        .type   asm_calls, %function
asm_calls:
#if defined(__x86_64__)
        pushq   %rbx
        call    *%rdi
        popq    %rbx
        ret
#else
        stp     x29, x30, [sp, #-16]!
        blr     x0
        ldp     x29, x30, [sp], #16
        ret
#endif
        .size   asm_calls, .-asm_calls
        .section .note.GNU-stack,"",%progbits
