/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/mark.h - what mark.c and chunks.c share. */
#ifndef BELAY_OBSERVE_MARK_H
#define BELAY_OBSERVE_MARK_H

#include "observe/observe.h"

/* Grows with mmap; all zero is an empty one. */
struct bl__list {
    void *data;
    size_t n;                    /* elements */
    size_t size;                 /* bytes there are */
};

/* Room for one more; NULL: memory is short. */
void *bl__list_add(struct bl__list *l, size_t size);

/* Sorts elements by the address that they begin with; size is a multiple of 8. */
void bl__list_sort(struct bl__list *l, size_t size);

/* AddressSanitizer has memory that may not be read, but is, for once. */
#define BL__NO_ASAN __attribute__((no_sanitize("address")))

/* Reads memory that may not be there: words. */
bool bl__probe(uintptr_t from, void *to, size_t n);

/* An address, and the block of malloc() that it is in; high is 0: not known. */
struct bl__part {
    uintptr_t at, low, high;
    uint64_t owner;              /* the caller's */
};

/* Finds the blocks of n parts, by rising addresses.  [low, high) is what brk() gave. */
void bl__chunks_find(struct bl__part *parts, size_t n, uintptr_t low, uintptr_t high);

#endif
