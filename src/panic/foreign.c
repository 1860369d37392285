/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/foreign.c - exceptions that are not ours: C++'s, pthread_exit's and
 * pthread_cancel's, which libgcc carries through C frames.
 *
 * Two of libgcc's functions are defined here as well, and found first.
 *   _Unwind_Resume (entry.S): so that a panic does not have to set libgcc's
 *     context up after every landing pad.  Exceptions that are not ours get the
 *     real one.
 *   __gcc_personality_v0, which libgcc asks about each C frame: it does what
 *     libgcc's does, and notes which frame's landing pad is entered.  Without
 *     that a bl_returns body could not tell such an exception from a plain
 *     return. */
#define _GNU_SOURCE
#include "panic/g.h"
#include "unwind/unwind.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <unwind.h>

/* Weak: a static program that has no unwinder of its own must not get one, with
 * its _Unwind_Resume, because of us; and no foreign exception can exist there. */
#pragma weak _Unwind_GetIPInfo
#pragma weak _Unwind_GetCFA
#pragma weak _Unwind_GetGR
#pragma weak _Unwind_SetGR
#pragma weak _Unwind_SetIP
#pragma weak _Unwind_GetLanguageSpecificData
#pragma weak _Unwind_GetRegionStart
#pragma weak dlsym
#pragma weak _dl_find_object

void *bl__real_resume(void);

static _Atomic(void *) real;

/* In a static program our _Unwind_Resume is only linked if libgcc's is not there:
 * then no foreign exception can be either. */
void *
bl__real_resume(void)
{
    void *p = atomic_load_explicit(&real, memory_order_relaxed);

    if (p)
        return p;
    p = dlsym ? dlsym(RTLD_NEXT, "_Unwind_Resume") : NULL;
    if (!p)
        bl__fatal_at("a foreign exception, and no libgcc to go on with it", NULL,
                     NULL);
    atomic_store_explicit(&real, p, memory_order_relaxed);
    return p;
}

/* The unwinder's side of the personality routine's contract. */
struct unwinder {
    _Unwind_Ptr (*get_ip)(struct _Unwind_Context *, int *);
    _Unwind_Word (*get_cfa)(struct _Unwind_Context *);
    _Unwind_Word (*get_gr)(struct _Unwind_Context *, int);
    void (*set_gr)(struct _Unwind_Context *, int, _Unwind_Word);
    void (*set_ip)(struct _Unwind_Context *, _Unwind_Ptr);
    void *(*get_lsda)(struct _Unwind_Context *);
    _Unwind_Ptr (*get_start)(struct _Unwind_Context *);
};

/* Linked with -static-libgcc the program has no _Unwind_GetIPInfo that the linker
 * could have given us; the C library loads libgcc for itself, and `caller` is an
 * address in it.  A module's handle is its link map. */
static void
find_unwinder(struct unwinder *u, void *caller)
{
    struct dl_find_object found;
    void *lib;

    *u = (struct unwinder){
        _Unwind_GetIPInfo, _Unwind_GetCFA, _Unwind_GetGR, _Unwind_SetGR,
        _Unwind_SetIP, _Unwind_GetLanguageSpecificData, _Unwind_GetRegionStart,
    };
    if (u->get_ip)
        return;
    if (!dlsym || !_dl_find_object || _dl_find_object(caller, &found) != 0)
        bl__fatal_at("a foreign exception, and no libgcc to ask about it", NULL, NULL);
    lib = found.dlfo_link_map;
    *(void **)&u->get_ip = dlsym(lib, "_Unwind_GetIPInfo");
    *(void **)&u->get_cfa = dlsym(lib, "_Unwind_GetCFA");
    *(void **)&u->get_gr = dlsym(lib, "_Unwind_GetGR");
    *(void **)&u->set_gr = dlsym(lib, "_Unwind_SetGR");
    *(void **)&u->set_ip = dlsym(lib, "_Unwind_SetIP");
    *(void **)&u->get_lsda = dlsym(lib, "_Unwind_GetLanguageSpecificData");
    *(void **)&u->get_start = dlsym(lib, "_Unwind_GetRegionStart");
    atomic_store_explicit(&real, dlsym(lib, "_Unwind_Resume"), memory_order_relaxed);
}

/* The CFA of the frame that context stands for. */
static uintptr_t
cfa_of(const struct unwinder *u, struct _Unwind_Context *context)
{
    struct bl__ctx ctx = {.exact = 0};
    struct bl__rule rule;
    int exact = 0;

    BL__CTX_PC(&ctx) = u->get_ip(context, &exact);
    ctx.exact = exact != 0;
    BL__CTX_SP(&ctx) = u->get_cfa(context);
    for (int i = 0; i < BL__NREGS; i++)
        if (bl__is_saved(i) && i != BL__REG_PC)
            ctx.r[i] = u->get_gr(context, i);
    return bl__rule_find(bl__ctx_at(&ctx), &rule) ? bl__rule_cfa(&rule, &ctx) : 0;
}

_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions,
                                         _Unwind_Exception_Class class,
                                         struct _Unwind_Exception *exc,
                                         struct _Unwind_Context *context);

/* C frames never stop an exception; they clean up and pass it on. */
__attribute__((weak, visibility("default"))) _Unwind_Reason_Code
__gcc_personality_v0(int version, _Unwind_Action actions,
                     _Unwind_Exception_Class class, struct _Unwind_Exception *exc,
                     struct _Unwind_Context *context)
{
    struct unwinder u;
    struct bl__fde fde = {0};
    struct bl__pad pad;
    int exact = 0;
    uintptr_t at;

    (void)class;
    if (version != 1)
        return _URC_FATAL_PHASE1_ERROR;
    if (!(actions & _UA_CLEANUP_PHASE))
        return _URC_CONTINUE_UNWIND;
    find_unwinder(&u, __builtin_return_address(0));
    at = u.get_ip(context, &exact);
    at -= exact == 0;
    fde.lsda = u.get_lsda(context);
    fde.start = u.get_start(context);
    bl__pad_find(&fde, at, &pad);
    if (!pad.pc)
        return _URC_CONTINUE_UNWIND;
    bl__self()->foreign_cfa = cfa_of(&u, context);
    u.set_gr(context, __builtin_eh_return_data_regno(0), (_Unwind_Word)exc);
    u.set_gr(context, __builtin_eh_return_data_regno(1), 0);
    u.set_ip(context, pad.pc);
    return _URC_INSTALL_CONTEXT;
}

/* What clang's block literals point at.  The macros use only their code, but the
 * literal itself names this symbol; a program that has a blocks run-time gets
 * that one. */
__attribute__((weak, visibility("default"))) void *_NSConcreteGlobalBlock[32];
