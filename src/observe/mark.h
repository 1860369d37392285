/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/mark.h - what mark.c and its helpers share: list.c, probe.c, regions.c, chunks.c. */
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

void bl__list_free(struct bl__list *l);

/* Sorts elements by the address that they begin with; size is a multiple of 8. */
void bl__list_sort(struct bl__list *l, size_t size);

/* The element whose [low, high) at is in, or NULL: for lists that are sorted, of structs
 * that begin with those two. */
void *bl__list_find(const struct bl__list *l, size_t size, uintptr_t at);

/* AddressSanitizer has memory that may not be read, but is, for once. */
#define BL__NO_ASAN __attribute__((no_sanitize("address")))

/* Faults of this process are those of probes. */
void bl__probe_init(void);
/* Reads memory that may not be there: words. */
bool bl__probe(uintptr_t from, void *to, size_t n);

/* Calls f(arg, low, high), which only reads.  Returns false if some of what it reads is not
 * there; it has not come to its end then. */
bool bl__probe_call(void (*f)(void *arg, uintptr_t low, uintptr_t high), void *arg,
                    uintptr_t low, uintptr_t high);

struct bl__region {
    uintptr_t low, high;
    bool is_shared;
};

struct bl__regions {
    struct bl__list list;        /* struct bl__region, by address */
    uintptr_t brk_low, brk_high; /* the heap that brk() gave */
    int pagemap;
    bool has_scan;               /* the kernel can say which pages are there */
};

/* Those that there are now, all zero before.  Returns BL__MARK_DONE, or why not. */
enum bl__marked bl__regions_read(struct bl__regions *r);
void bl__regions_free(struct bl__regions *r);

/* Calls each(arg, low, high) for what has been written of a part of a region.  Returns
 * false if that is not to be known. */
bool bl__regions_scan(struct bl__regions *r, const struct bl__region *part,
                      void (*each)(void *arg, uintptr_t low, uintptr_t high), void *arg);

/* An address, and the block of malloc() that it is in; high is 0: not known. */
struct bl__part {
    uintptr_t at, low, high;
    uint64_t owner;              /* the caller's */
};

/* Finds the blocks of n parts, by rising addresses.  [low, high) is what brk() gave. */
void bl__chunks_find(struct bl__part *parts, size_t n, uintptr_t low, uintptr_t high);

#endif
