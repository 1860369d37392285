/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/chunks.c - where the block of malloc() begins and ends that an address is in.
 *
 * glibc's heaps are chains of chunks: each has its size, eight bytes before its memory,
 * and the next one follows it.  A heap is believed only if its chain ends where the heap
 * does: with another malloc(), or while somebody changes the chain just there, it will
 * not, and then nothing is known.
 *
 *   main      what brk() gave; the last chunk, the top, ends where that does
 *   others    at multiples of 64 MiB: struct heap_info, in an arena's first one the
 *             arena, chunks, and the arena's top or a chunk of no size */
#include "observe/mark.h"

#include <string.h>

enum {
    PAGE = 4096,
    HEAP = 1 << 26,
    LEAST = 32,
    ARENA_TOP = 96,              /* where the arena has the address of its top */
    SEARCHED = 1 << 16,          /* at most so far in is a heap's first chunk */
};

#define FLAGS ((uintptr_t)7)

struct reader {
    uintptr_t page;
    uintptr_t words[PAGE / sizeof(uintptr_t)];
};

/* All zero, where there is nothing. */
static uintptr_t
read_word(struct reader *r, uintptr_t at)
{
    if (at / PAGE * PAGE != r->page) {
        r->page = at / PAGE * PAGE;
        if (!bl__probe(r->page, r->words, PAGE))
            memset(r->words, 0, sizeof r->words);
    }
    return r->words[at % PAGE / sizeof(uintptr_t)];
}

struct chain {
    uintptr_t first, end;        /* of the heap */
    uintptr_t top;               /* 0: not known */
};

/* The chunk behind that at `at`; 0: there is none. */
static uintptr_t
next_chunk(struct reader *r, const struct chain *c, uintptr_t at)
{
    uintptr_t size = read_word(r, at + 8) & ~FLAGS;

    return size < LEAST || size % 16 || size > c->end - at ? 0 : at + size;
}

static bool
ends_well(struct reader *r, const struct chain *c, uintptr_t last)
{
    uintptr_t size = read_word(r, last + 8) & ~FLAGS;

    if (last == c->top)
        return true;
    return c->top == 0 ? last == c->end : size <= 16 && c->end - last <= 64;
}

/* Walks the chain, and fills in what it comes by.  Returns whether it ends well. */
static bool
walk(struct reader *r, const struct chain *c, struct bl__part *parts, size_t n)
{
    uintptr_t at = c->first, next;
    size_t i = 0;

    while (at < c->end && at != c->top && (next = next_chunk(r, c, at))) {
        for (; i < n && parts[i].at < next; i++)
            if (parts[i].at >= at + 16) {
                parts[i].low = at + 16;
                parts[i].high = next + 8; /* the next one's first word is its, too */
            }
        at = next;
    }
    return ends_well(r, c, at);
}

static void
forget(struct bl__part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        parts[i].low = parts[i].high = 0;
}

/* A chain from one of the addresses from `low` on. */
static void
search(struct reader *r, struct chain *c, uintptr_t low, struct bl__part *parts, size_t n)
{
    uintptr_t most = low + SEARCHED < parts[0].at ? low + SEARCHED : parts[0].at;

    for (c->first = (low + 15) & ~(uintptr_t)15; c->first < most; c->first += 16) {
        if (walk(r, c, parts, n))
            return;
        forget(parts, n);
    }
}

static void
search_heap(struct reader *r, uintptr_t base, struct bl__part *parts, size_t n)
{
    uintptr_t arena = read_word(r, base), size = read_word(r, base + 16);
    uintptr_t from = arena - base < 128 ? arena : base;
    struct chain c = {.end = base + size};

    if (arena && arena % 8 == 0 && size <= HEAP && size % PAGE == 0 &&
        bl__probe(arena + ARENA_TOP, &c.top, 8) && c.top)
        search(r, &c, from + 16, parts, n);
}

void
bl__chunks_find(struct bl__part *parts, size_t n, uintptr_t low, uintptr_t high)
{
    struct reader r = {0};

    for (size_t i = 0, same; i < n; i += same) {
        uintptr_t base = parts[i].at & -(uintptr_t)HEAP;
        bool is_main = parts[i].at - low < high - low;

        for (same = 1; i + same < n; same++)
            if (is_main ? parts[i + same].at >= high
                        : (parts[i + same].at & -(uintptr_t)HEAP) != base)
                break;
        if (is_main)
            search(&r, &(struct chain){.end = high}, low, parts + i, same);
        else
            search_heap(&r, base, parts + i, same);
    }
}
