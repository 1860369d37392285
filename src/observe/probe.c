/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/probe.c - reading memory that may not be there, in a process of its own: a fault
 * there goes on behind the reading. */
#define _GNU_SOURCE
#include "observe/mark.h"

#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

/* Where to go on if memory can't be read; NULL: it is read nowhere. */
static sigjmp_buf *volatile unreadable;

static void
on_fault(int sig)
{
    if (!unreadable)
        _exit(128 + sig);
    siglongjmp(*unreadable, 1);
}

void
bl__probe_init(void)
{
    struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGSEGV);
    sigaddset(&both, SIGBUS);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigprocmask(SIG_UNBLOCK, &both, NULL);
}

bool
bl__probe_call(void (*f)(void *arg, uintptr_t low, uintptr_t high), void *arg, uintptr_t low,
               uintptr_t high)
{
    sigjmp_buf here;

    if (sigsetjmp(here, 0) != 0) {
        unreadable = NULL;
        return false;
    }
    unreadable = &here;
    atomic_signal_fence(memory_order_seq_cst);
    f(arg, low, high);
    atomic_signal_fence(memory_order_seq_cst);
    unreadable = NULL;
    return true;
}

static BL__NO_ASAN void
copy_words(void *to, uintptr_t low, uintptr_t high)
{
    for (uintptr_t *word = to; low < high; low += sizeof low)
        *word++ = *(const volatile uintptr_t *)low;
}

bool
bl__probe(uintptr_t from, void *to, size_t n)
{
    return bl__probe_call(copy_words, to, from, from + n);
}
