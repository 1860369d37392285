/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/arch.h - what a port provides; nothing else in Belay knows the CPU.
 *
 * A port is a folder with regs.h (register numbers, the compact list of saved
 * registers), entry.S (the functions below) and context.c (signal contexts).
 * Register numbers are DWARF's, as the psABI assigns them. */
#ifndef BELAY_ARCH_ARCH_H
#define BELAY_ARCH_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "arch/x86_64/regs.h"
#elif defined(__aarch64__)
#include "arch/aarch64/regs.h"
#else
#error "belay: no port for this processor"
#endif

/* A frame's registers, indexed by DWARF number.  Only what a callee must keep
 * is meaningful, unless `exact`: then all are, and pc is the instruction itself
 * and not a return address.  entry.S knows the offset of every member. */
struct bl__ctx {
    uintptr_t r[BL__NREGS];
    uintptr_t exact;
};

#define BL__CTX_SP(c) ((c)->r[BL__REG_SP])
#define BL__CTX_PC(c) ((c)->r[BL__REG_PC])

/* Enter C with the caller's registers in a struct bl__ctx, first argument kept:
 *
 *     bl__raise(act)           bl__raise_from(act, ctx)           no return
 *     _Unwind_Resume(exc)      bl__resume_from(exc, ctx) if exc is ours, else
 *                              the real one, as if it had been called     no return
 *     bl__resume_slow(exc)     bl__resume_slow_from(exc, ctx)     no return
 *     bl__recover_in_call()    bl__recover_from(ctx)              its value
 *     bl__here(ctx)            fills *ctx for the caller          nothing
 */
void bl__raise(void *act) __attribute__((noreturn));
void bl__resume_slow(void *exc) __attribute__((noreturn));
void bl__here(struct bl__ctx *ctx);

void bl__raise_from(void *act, struct bl__ctx *ctx) __attribute__((noreturn));
void bl__resume_from(void *exc, struct bl__ctx *ctx) __attribute__((noreturn));
void bl__resume_slow_from(void *exc, struct bl__ctx *ctx) __attribute__((noreturn));

/* Calls thunk(NULL, args) and stores into *cfa, before the call, what the
 * callee's canonical frame address will be. */
void bl__call_thunk(void (*thunk)(void *, void *), void *args, uintptr_t *cfa);

/* Continues at ctx's pc, a landing pad, with ctx's registers, the exception
 * object and the selector where the ABI's personality routines put them. */
void bl__jump_to_pad(const struct bl__ctx *ctx, void *exc, intptr_t selector)
    __attribute__((noreturn));

/* Returns to ctx's pc as a function would: its callee-saved registers, stack
 * pointer, and the result that load(value) returns; load may be NULL. */
void bl__land(const struct bl__ctx *ctx, void (*load)(void), const void *value)
    __attribute__((noreturn));

/* Runs fn(arg) as the outermost frame of a stack: unwinders stop there. */
void bl__call_at_root(void (*fn)(void *), void *arg) __attribute__((noreturn));

/* --- stacks (switch.S, stack.c) ------------------------------------------ */

/* Saves what a callee must keep on this stack, stores the stack pointer in *save, with
 * release, and continues where `to` was saved.  Returns when somebody switches back. */
void bl__switch(void *_Atomic *save, void *to);

/* Prepares a stack that ends at high: the first switch to the returned pointer
 * calls fn(arg), as the outermost frame.  fn does not return. */
void *bl__stack_begin(void *high, void (*fn)(void *), void *arg);
void bl__go_entry(void);

/* The registers that bl__switch saved at sp. */
void bl__ctx_at_rest(struct bl__ctx *ctx, const void *sp);

/* --- signals (context.c) ------------------------------------------------- */

/* Copies the interrupted registers out of a handler's third argument. */
void bl__ctx_from_signal(struct bl__ctx *ctx, const void *ucontext);

/* Makes the handler's return continue in bl__fault_entry, on the interrupted
 * stack, below the red zone.  That copies *saved, the interrupted registers, onto
 * that stack, in a frame that unwinds to the interrupted instruction, calls
 * bl__fault_raise(copy), and never returns. */
void bl__ctx_inject_fault(void *ucontext, const struct bl__ctx *saved);
void bl__fault_entry(void);
extern const char bl__fault_entry_end[] __attribute__((visibility("hidden")));
void bl__fault_raise(struct bl__ctx *ctx) __attribute__((noreturn));

/* The interrupted instruction can't be executed: makes the context that of the
 * call that went there, its pc inside the call instruction. */
void bl__ctx_undo_call(void *ucontext);

/* Whether the SIGFPE at ctx is a quotient that does not fit, not a division by
 * zero: some CPUs raise the same trap for both. */
bool bl__ctx_quotient_overflow(const struct bl__ctx *ctx);

/* Name of register i for reports, NULL beyond the last. */
const char *bl__reg_name(int i);

#endif
