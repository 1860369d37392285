/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* os/os.h - what is asked of the kernel and the C library's thread side.
 *
 * Internal functions return values, never errno.  All may run in a signal
 * handler unless they say otherwise. */
#ifndef BELAY_OS_OS_H
#define BELAY_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory from the kernel, page granular.  NULL when there is none. */
void *bl__os_map(size_t size);
void bl__os_unmap(void *p, size_t size);

/* Bounds of the calling thread's stack: [*low, *high), *guard bytes below *low
 * fault.  The main thread's low end is where its limit lets it grow to.
 * Not from a signal handler: the C library may allocate. */
void bl__os_stack(uintptr_t *low, uintptr_t *high);

/* The same for a thread in a signal handler, from the process's map; both 0 if
 * that can't be read. */
void bl__os_stack_in_handler(uintptr_t *low, uintptr_t *high);

/* Whether the calling thread is the one that runs main. */
bool bl__os_is_main_thread(void);

/* Whether it is the only thread of the process. */
bool bl__os_is_single_thread(void);

/* Gives the calling thread an alternate signal stack unless it has one.
 * Returns what was mapped for it, NULL if nothing was. */
void *bl__os_sigstack_make(void);
void bl__os_sigstack_free(void *stack);

#endif
