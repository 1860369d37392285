/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/bytes.c - bytes that grow, and a table of byte strings.  Where memory is short
 * they stop growing and say so. */
#include "observe/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
grow(struct bl__buf *b, size_t n)
{
    size_t size = b->size ? b->size : 256;
    char *data;

    if (b->failed || b->size - b->n >= n)
        return !b->failed;
    while (size - b->n < n)
        size *= 2;
    data = realloc(b->data, size);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->size = size;
    return true;
}

void
bl__buf_put(struct bl__buf *b, const void *p, size_t n)
{
    if (n > 0 && grow(b, n)) {
        memcpy(b->data + b->n, p, n);
        b->n += n;
    }
}

void
bl__buf_puts(struct bl__buf *b, const char *s)
{
    bl__buf_put(b, s, strlen(s));
}

void
bl__buf_print(struct bl__buf *b, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !grow(b, (size_t)n + 1))
        return;
    va_start(args, format);
    vsnprintf(b->data + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

void
bl__buf_free(struct bl__buf *b)
{
    free(b->data);
    *b = (struct bl__buf){0};
}

/* --- the table ----------------------------------------------------------- */

uint64_t
bl__hash(const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t h = 0x9e3779b97f4a7c15, word;

    for (; n >= 8; n -= 8, s += 8) {
        memcpy(&word, s, 8);
        h = (h ^ word) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
    }
    for (; n > 0; n--, s++)
        h = (h ^ *s) * 0x100000001b3;
    h ^= h >> 29;
    return h ? h : 1;
}

static uint32_t
slot_of(const struct bl__table *t, const void *key, size_t n, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (t->nslots - 1);

    for (; t->slots[i]; i = (i + 1) & (t->nslots - 1)) {
        const struct bl__entry *e = &t->entries[t->slots[i] - 1];

        if (e->hash == hash && e->size == n &&
            memcmp(t->bytes.data + e->at, key, n) == 0)
            break;
    }
    return i;
}

static bool
grow_slots(struct bl__table *t)
{
    uint32_t n = t->nslots ? t->nslots * 2 : 64;
    uint32_t *slots;

    if (t->slots && (t->n + 1) * 2 <= t->nslots)
        return true;
    slots = calloc(n, sizeof *slots);
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->nslots = n;
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t k = (uint32_t)t->entries[i].hash & (n - 1);

        while (slots[k])
            k = (k + 1) & (n - 1);
        slots[k] = i + 1;
    }
    return true;
}

static bool
grow_entries(struct bl__table *t)
{
    uint32_t room = t->room ? t->room * 2 : 32;
    struct bl__entry *entries;

    if (t->n < t->room)
        return true;
    entries = realloc(t->entries, room * sizeof *entries);
    if (!entries)
        return false;
    t->entries = entries;
    t->room = room;
    return true;
}

uint32_t
bl__table_add(struct bl__table *t, const void *key, size_t n)
{
    static const char zeros[8];
    uint64_t hash = bl__hash(key, n);
    uint32_t slot;
    size_t at;

    if (!grow_slots(t) || !grow_entries(t))
        return UINT32_MAX;
    slot = slot_of(t, key, n, hash);
    if (t->slots[slot])
        return t->slots[slot] - 1;
    at = t->bytes.n;
    bl__buf_put(&t->bytes, key, n);
    bl__buf_put(&t->bytes, zeros, 8 - n % 8); /* terminated, and the next one aligned */
    if (t->bytes.failed)
        return UINT32_MAX;
    t->entries[t->n] = (struct bl__entry){hash, at, (uint32_t)n};
    t->slots[slot] = ++t->n;
    return t->n - 1;
}

uint32_t
bl__table_find(const struct bl__table *t, const void *key, size_t n)
{
    return t->nslots ? t->slots[slot_of(t, key, n, bl__hash(key, n))] - 1 : UINT32_MAX;
}

const void *
bl__table_key(const struct bl__table *t, uint32_t i)
{
    return t->bytes.data + t->entries[i].at;
}

void
bl__table_free(struct bl__table *t)
{
    free(t->entries);
    free(t->slots);
    bl__buf_free(&t->bytes);
    *t = (struct bl__table){0};
}
