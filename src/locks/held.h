/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* locks/held.h - what libbelay-locks tells the scheduler: which pthread mutexes the
 * calling thread has locked. */
#ifndef BELAY_LOCKS_HELD_H
#define BELAY_LOCKS_HELD_H

#include <stdint.h>

struct bl__held {
    const void *mutex;
    uintptr_t pc; /* behind the call that locked it */
};

/* Oldest first; returns how many.  Only in libbelay-locks: the core looks for it when it
 * starts, and goes without otherwise. */
unsigned bl__locks_held(const struct bl__held **held) __attribute__((weak));

/* Forgets them: they have been reported. */
void bl__locks_forget(void) __attribute__((weak));

#endif
