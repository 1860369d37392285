/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* arch/aarch64/context.c - signal contexts: see arch.h. */
#define _GNU_SOURCE
#include "arch/arch.h"

#include <errno.h>
#include <signal.h> /* the records in a context */
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { CTX_SIZE = 336 }; /* entry.S has the same */
_Static_assert(sizeof(struct bl__ctx) == CTX_SIZE, "entry.S knows the layout");
_Static_assert(sizeof(struct bl__ctx) % 16 == 0, "sp stays aligned");

/* What the branch that brought us to the pc was (PSTATE.BTYPE). */
#define PSTATE_BTYPE UINT64_C(0xc00)

/* Not d8-d15: a report has no use for them. */
static const char *const names[] = {
    "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10",
    "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
    "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "lr",  "sp",  "pc",
};

const char *
bl__reg_name(int i)
{
    return i < (int)(sizeof names / sizeof names[0]) ? names[i] : 0;
}

/* The vector registers lie in a chain of tagged records; theirs is always
 * there. */
static const struct fpsimd_context *
vectors(const ucontext_t *uc)
{
    const unsigned char *p = uc->uc_mcontext.__reserved;
    const unsigned char *end = p + sizeof uc->uc_mcontext.__reserved;

    while (p + sizeof(struct _aarch64_ctx) <= end) {
        const struct _aarch64_ctx *head = (const void *)p;

        if (head->magic == FPSIMD_MAGIC)
            return (const void *)p;
        if (head->magic == 0 || head->size == 0)
            break;
        p += head->size;
    }
    return 0;
}

void
bl__ctx_from_signal(struct bl__ctx *ctx, const void *ucontext)
{
    const ucontext_t *uc = ucontext;
    const struct fpsimd_context *v = vectors(uc);

    for (int i = 0; i < 31; i++)
        ctx->r[i] = uc->uc_mcontext.regs[i];
    BL__CTX_SP(ctx) = uc->uc_mcontext.sp;
    BL__CTX_PC(ctx) = uc->uc_mcontext.pc;
    for (int i = 0; i < 8; i++)
        ctx->r[BL__REG_D8 + i] = v ? (uintptr_t)v->vregs[8 + i] : 0;
    ctx->exact = 1;
}

/* Linux has no red zone here; 128 bytes are left for code that believes in one. */
void
bl__ctx_inject_fault(void *ucontext, const struct bl__ctx *saved)
{
    ucontext_t *uc = ucontext;

    uc->uc_mcontext.sp = (BL__CTX_SP(saved) - 128) & ~(uintptr_t)15;
    uc->uc_mcontext.regs[0] = (uintptr_t)saved;
    uc->uc_mcontext.pc = (uintptr_t)bl__fault_entry;
    uc->uc_mcontext.pstate &= ~PSTATE_BTYPE;
}

void
bl__ctx_undo_call(void *ucontext)
{
    ucontext_t *uc = ucontext;

    uc->uc_mcontext.pc = bl__strip_ra(uc->uc_mcontext.regs[BL__REG_RA]) - 4;
}

/* The kernel looks at a signal set before it looks at what is to be done with it:
 * EFAULT means that the 8 bytes can't be read, and nothing is done anyway. */
static bool
can_read(uintptr_t at)
{
    enum { NO_SUCH_THING = 99 };

    return syscall(SYS_rt_sigprocmask, NO_SUCH_THING, at, NULL, 8) != 0 &&
           errno != EFAULT;
}

/* mov x8, #__NR_rt_sigreturn; svc #0 */
bool
bl__is_sigreturn(uintptr_t pc)
{
    static const uint32_t code[2] = {0xd2801168, 0xd4000001};
    int saved_errno = errno;
    bool yes = pc % 4 == 0 && can_read(pc) && !memcmp((void *)pc, code, sizeof code);

    errno = saved_errno;
    return yes;
}

/* Integer division never traps here: x / 0 is 0, INT_MIN / -1 is INT_MIN. */
bool
bl__ctx_quotient_overflow(const struct bl__ctx *ctx)
{
    (void)ctx;
    return false;
}
