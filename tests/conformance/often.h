/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/often.h - cases that must not leak, and those without memory. */
#ifndef BELAY_TESTS_OFTEN_H
#define BELAY_TESTS_OFTEN_H

#include "in.h"

#include <malloc.h>

/* Runs a case again and again: the heap must not grow.  (Under AddressSanitizer its
 * leak checker looks instead.) */
static UNUSED void
run_without_leak(const char *name, void (*f)(void), int times)
{
    size_t before;

    for (int i = 0; i < 3; i++)
        f();
    check_length = 0;
    before = mallinfo2().uordblks;
    for (int i = 0; i < times; i++) {
        check_length = 0;
        f();
    }
    if (mallinfo2().uordblks >= before + 16 * (size_t)times) {
        fprintf(stderr, "%s leaks: %zu bytes in use, then %zu\n", name, before,
                mallinfo2().uordblks);
        _Exit(1);
    }
    check_length = 0;
    check_trace[0] = '\0';
}

#define OFTEN(name)                           \
    do {                                      \
        RUN(name);                            \
        run_without_leak(#name, name, 200);   \
    } while (0)

/* For cases with goroutines: what one thread has freed stays with that thread for a
 * while, so there have to be many. */
#define OFTEN_ON_THREADS(name)                \
    do {                                      \
        RUN(name);                            \
        run_without_leak(#name, name, 2000);  \
    } while (0)

/* All sizes: what has been freed is kept by size.  (Emulators have no limit.) */
static UNUSED void
use_up_memory(void)
{
    size_t total = 0;

    for (size_t n = MIB; n >= 16; n = n > 1024 ? n / 2 : n - 16) {
        for (volatile char *p; (p = malloc(n)); total += n) {
            *p = 1;
            if (total > 512 * MIB)
                _exit(77);
        }
    }
}

#endif
