/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/arena.c - memory that is freed at once. */
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, BLOCK = 4096 };

struct bl__arena_block {
    struct bl__arena_block *next;
    size_t size;
    char data[] __attribute__((aligned(ALIGN)));
};

void
bl__arena_init(struct bl__arena *a, void *first, size_t size)
{
    *a = (struct bl__arena){.at = first, .first = first, .first_size = size};
    a->end = first ? a->at + size : NULL;
}

static void *
grow(struct bl__arena *a, size_t size)
{
    size_t room = size > BLOCK / 2 ? size : BLOCK - sizeof(struct bl__arena_block);
    struct bl__arena_block *block;

    if (room > SIZE_MAX / 2 || !(block = malloc(sizeof *block + room)))
        return NULL;
    block->next = a->blocks;
    block->size = room;
    a->blocks = block;
    if (room - size > (size_t)(a->end - a->at)) {
        a->at = block->data + size;
        a->end = block->data + room;
    }
    return block->data;
}

void *
bl__arena_try(struct bl__arena *a, size_t size)
{
    char *p = a->at;

    if (BL__UNLIKELY(size > SIZE_MAX / 2))
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (BL__UNLIKELY(!p || size > (size_t)(a->end - p)))
        return grow(a, size);
    a->at += size;
    return p;
}

void *
bl__arena_alloc(struct bl__arena *a, size_t size)
{
    void *p = bl__arena_try(a, size);

    if (!p)
        bl_panic_error(bl_error_from_errno(ENOMEM));
    return p;
}

char *
bl__arena_copy(struct bl__arena *a, const char *text, size_t n)
{
    char *copy = bl__arena_alloc(a, n + 1);

    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *
bl__arena_print(struct bl__arena *a, const char *format, ...)
{
    va_list args, again;
    char *text;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    text = bl__arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void
bl__arena_reset(struct bl__arena *a)
{
    while (a->blocks) {
        struct bl__arena_block *block = a->blocks;

        a->blocks = block->next;
        free(block);
    }
    a->at = a->first;
    a->end = a->first ? a->first + a->first_size : NULL;
}
