/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* memory.c - arenas, tables, growing bytes.  A tool that has no memory left can only
 * say so: nothing here returns NULL. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static void *
checked(void *p)
{
    if (!p) {
        tool_error("out of memory");
        exit(EXIT_FAILED);
    }
    return p;
}

void *
memory_get(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *
memory_resize(void *old, size_t count, size_t size)
{
    return checked(reallocarray(old, count ? count : 1, size));
}

/* --- arenas ------------------------------------------------------------------- */

enum { ARENA_BLOCK = 1 << 16, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *older;
    size_t used, size;
    _Alignas(ALIGNMENT) char data[];
};

static void
add_block(struct arena *a, size_t size)
{
    struct arena_block *b = checked(calloc(1, sizeof *b + size));

    b->size = size;
    b->older = a->block;
    a->block = b;
}

void *
arena_get(struct arena *a, size_t size)
{
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    void *p;

    if (rounded < size)
        checked(NULL);
    if (!a->block || a->block->size - a->block->used < rounded)
        add_block(a, rounded > ARENA_BLOCK ? rounded : ARENA_BLOCK);
    p = a->block->data + a->block->used;
    a->block->used += rounded;
    return p;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        checked(NULL);
    return arena_get(a, bytes);
}

char *
arena_text(struct arena *a, const char *text, size_t length)
{
    char *copy = arena_get(a, length + 1);

    if (length > 0)
        memcpy(copy, text, length);
    return copy;
}

void
arena_take(struct arena *a, struct arena *from)
{
    struct arena_block **last = &a->block;

    while (*last)
        last = &(*last)->older;
    *last = from->block;
    from->block = NULL;
}

void
arena_free(struct arena *a)
{
    while (a->block) {
        struct arena_block *older = a->block->older;

        free(a->block);
        a->block = older;
    }
}

/* --- tables -------------------------------------------------------------------- */

/* FNV-1a, with a last mix: the low bits choose the slot. */
static uint32_t
hash_of(const void *key, size_t size)
{
    const unsigned char *p = key;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return (uint32_t)(h ^ (h >> 32));
}

/* The slot that has the key, or the empty one where it belongs. */
static uint32_t
slot_of(const struct table *t, const void *key, size_t size, uint32_t hash)
{
    uint32_t slot = hash & (t->nslots - 1);

    for (; t->slots[slot]; slot = (slot + 1) & (t->nslots - 1)) {
        const struct table_key *k = &t->keys[t->slots[slot] - 1];

        if (k->hash == hash && k->size == size && memcmp(k->data, key, size) == 0)
            break;
    }
    return slot;
}

static void
grow(struct table *t)
{
    t->nslots = t->nslots ? t->nslots * 2 : 64;
    free(t->slots);
    t->slots = checked(calloc(t->nslots, sizeof *t->slots));
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t slot = t->keys[i].hash & (t->nslots - 1);

        while (t->slots[slot])
            slot = (slot + 1) & (t->nslots - 1);
        t->slots[slot] = i + 1;
    }
}

uint32_t
table_find(const struct table *t, const void *key, size_t size)
{
    uint32_t slot;

    if (t->nslots == 0)
        return TABLE_NONE;
    slot = slot_of(t, key, size, hash_of(key, size));
    return t->slots[slot] ? t->slots[slot] - 1 : TABLE_NONE;
}

uint32_t
table_add(struct table *t, const void *key, size_t size)
{
    uint32_t hash = hash_of(key, size), slot;

    if (t->count >= t->nslots / 2)
        grow(t);
    slot = slot_of(t, key, size, hash);
    if (t->slots[slot])
        return t->slots[slot] - 1;
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 64;
        t->keys = memory_resize(t->keys, t->room, sizeof *t->keys);
    }
    t->keys[t->count] = (struct table_key){
        arena_text(&t->arena, key, size), (uint32_t)size, hash};
    t->slots[slot] = ++t->count;
    return t->count - 1;
}

void
table_free(struct table *t)
{
    free(t->slots);
    free(t->keys);
    arena_free(&t->arena);
    *t = (struct table){0};
}

/* --- bytes --------------------------------------------------------------------- */

static void
make_room(struct bytes *b, size_t more)
{
    if (b->room - b->size > more)
        return;
    b->room = b->room * 2 > b->size + more + 1 ? b->room * 2 : b->size + more + 1;
    b->data = memory_resize(b->data, b->room, 1);
}

void
bytes_add(struct bytes *b, const void *data, size_t size)
{
    make_room(b, size);
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void
bytes_print(struct bytes *b, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    make_room(b, (size_t)n);
    va_start(ap, format);
    vsnprintf(b->data + b->size, (size_t)n + 1, format, ap);
    va_end(ap);
    b->size += (size_t)n;
}

void
bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

/* --- text ------------------------------------------------------------------------ */

/* How many bytes the character at p has; 0 if that is not UTF-8. */
static size_t
character_length(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3
             : p[0] < 0xf5 ? 4 : 0;
    uint32_t c = n == 2 ? p[0] & 0x1f : n == 3 ? p[0] & 0x0f : p[0] & 0x07;

    if (n <= 1 || n > left)
        return n <= left ? n : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    return c < 0xa0 || c == 0xfffe || c == 0xffff ? 0 : n; /* C1; not in XML */
}

void
text_clean(char *text, size_t length, bool lines)
{
    unsigned char *p = (unsigned char *)text;

    for (size_t i = 0; i < length;) {
        size_t n = character_length(p + i, length - i);

        if (lines && (p[i] == '\n' || p[i] == '\t')) {
            i++;
        } else if (n == 0 || p[i] < 0x20 || p[i] == 0x7f) {
            p[i++] = '?';
        } else {
            i += n;
        }
    }
}
