/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/foreign.c - where landing pads of exceptions that are not ours go.
 *
 * Our _Unwind_Resume is found before libgcc's, so that a panic does not have to
 * set libgcc's context up after every landing pad.  C++ exceptions, pthread_exit
 * and pthread_cancel get the real one. */
#define _GNU_SOURCE
#include "panic/g.h"

#include <dlfcn.h>
#include <stdatomic.h>

void *bl__real_resume(void);

static _Atomic(void *) real;

/* In a static program this is only linked if libgcc's is not there: then no
 * foreign exception can be either. */
void *
bl__real_resume(void)
{
    void *p = atomic_load_explicit(&real, memory_order_relaxed);

    if (p)
        return p;
    p = dlsym(RTLD_NEXT, "_Unwind_Resume");
    if (!p) {
        void *lib = dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_GLOBAL);

        p = lib ? dlsym(lib, "_Unwind_Resume") : NULL;
    }
    if (!p)
        bl__fatal_at("a foreign exception, and no libgcc to go on with it", NULL,
                     NULL);
    atomic_store_explicit(&real, p, memory_order_relaxed);
    return p;
}

/* What clang's block literals point at.  The macros use only their code, but the
 * literal itself names this symbol; a program that has a blocks run-time gets
 * that one. */
__attribute__((weak, visibility("default"))) void *_NSConcreteGlobalBlock[32];
