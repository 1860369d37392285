/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/untracked.h - what ThreadSanitizer is not to look at.
 *
 * While everything stands still one thread reads the others' registers, stacks and labels,
 * and what orders that is a signal and a futex, of which it knows nothing.  A handler also
 * runs in the few instructions of a switch in which it has been told of another goroutine
 * than the thread's.  And a report takes the loader's lock behind ThreadSanitizer's own: it
 * must not be made by whom a snapshot, which holds the loader's lock, waits for.
 *
 * Without ThreadSanitizer each call is one predictable branch. */
#ifndef BELAY_OBSERVE_UNTRACKED_H
#define BELAY_OBSERVE_UNTRACKED_H

void AnnotateIgnoreReadsBegin(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreWritesBegin(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreWritesEnd(const char *file, int line) __attribute__((weak));

/* The calling thread's accesses, up to bl__tracked_again.  They may be nested. */
static inline void
bl__untracked(void)
{
    if (__builtin_expect(AnnotateIgnoreReadsBegin && AnnotateIgnoreWritesBegin, 0)) {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
}

static inline void
bl__tracked_again(void)
{
    if (__builtin_expect(AnnotateIgnoreReadsEnd && AnnotateIgnoreWritesEnd, 0)) {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
}

#endif
