/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/profile.c - samples, added up by stack and labels. */
#include "observe/observe.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The key of a sample: this, then its pcs and its labels. */
struct key {
    int64_t bytes;
    uint32_t n, labels_size;
    char rest[];
};

static int64_t
real_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
bl__profile_init(struct bl__profile *p, const struct bl__kind *kind)
{
    *p = (struct bl__profile){.kind = *kind, .began_ns = real_time()};
}

/* As in bl__names_at: the table has grown already. */
static void *
must_realloc(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p)
        abort();
    return p;
}

/* The number of the sample with that key; UINT32_MAX: memory is short. */
static uint32_t
find_or_make(struct bl__profile *p, const struct key *key, size_t size)
{
    uint32_t known = p->keys.n, i = bl__table_add(&p->keys, key, size);

    if (i == UINT32_MAX)
        return i;
    if (i >= p->room) {
        p->room = p->room ? p->room * 2 : 64;
        p->values = must_realloc(p->values, p->room * sizeof *p->values);
        p->oldest = must_realloc(p->oldest, p->room * sizeof *p->oldest);
    }
    if (i == known) {
        memset(p->values[i], 0, sizeof p->values[i]);
        p->oldest[i] = (struct bl__age){0};
    }
    return i;
}

void
bl__profile_add(struct bl__profile *p, const struct bl__sample *s)
{
    _Alignas(8) char buf[sizeof(struct key) + BL__STACK_MOST * 8 + BL__LABELS_MOST];
    struct key *key = (struct key *)buf;
    uint32_t n = s->n < BL__STACK_MOST ? s->n : BL__STACK_MOST, i;

    if (s->labels_size > BL__LABELS_MOST)
        return;
    *key = (struct key){s->bytes, n, s->labels_size};
    memcpy(key->rest, s->pcs, n * sizeof *s->pcs);
    if (s->labels_size > 0)
        memcpy(key->rest + n * sizeof *s->pcs, s->labels, s->labels_size);
    i = find_or_make(p, key, sizeof *key + n * sizeof *s->pcs + s->labels_size);
    if (i == UINT32_MAX)
        return;
    for (int k = 0; k < BL__VALUES; k++)
        p->values[i][k] += s->value[k];
    bl__age_add(&p->oldest[i], &s->oldest);
}

void
bl__profile_subtract(struct bl__profile *p, const struct bl__profile *before)
{
    for (uint32_t i = 0; i < before->keys.n; i++) {
        struct bl__sample s = bl__profile_sample(before, i);

        for (int k = 0; k < BL__VALUES; k++)
            s.value[k] = -s.value[k];
        s.oldest = (struct bl__age){0};
        bl__profile_add(p, &s);
    }
    p->duration_ns = p->began_ns - before->began_ns;
}

struct bl__sample
bl__profile_sample(const struct bl__profile *p, uint32_t i)
{
    const struct key *key = bl__table_key(&p->keys, i);
    struct bl__sample s = {.pcs = (const uintptr_t *)key->rest, .n = key->n,
                           .labels = key->rest + key->n * sizeof(uintptr_t),
                           .labels_size = key->labels_size, .bytes = key->bytes,
                           .oldest = p->oldest[i]};

    memcpy(s.value, p->values[i], sizeof s.value);
    return s;
}

bool
bl__sample_is_empty(const struct bl__sample *s)
{
    for (int i = 0; i < BL__VALUES; i++)
        if (s->value[i] != 0)
            return false;
    return true;
}

void
bl__profile_free(struct bl__profile *p)
{
    bl__table_free(&p->keys);
    free(p->values);
    free(p->oldest);
    p->values = NULL;
    p->oldest = NULL;
    p->room = 0;
}

/* --- labels -------------------------------------------------------------- */

const char *
bl__labels_find(const char *labels, uint32_t size, const char *key)
{
    for (uint32_t at = 0; at < size;) {
        const char *k = labels + at, *v = k + strlen(k) + 1;

        if (strcmp(k, key) == 0)
            return v;
        at = (uint32_t)(v + strlen(v) + 1 - labels);
    }
    return NULL;
}

uint32_t
bl__labels_put(char *labels, uint32_t size, const char *key, const char *value)
{
    uint32_t klen = (uint32_t)strlen(key) + 1, vlen = (uint32_t)strlen(value) + 1, at = 0;

    while (at < size && strcmp(labels + at, key) < 0) {
        at += (uint32_t)strlen(labels + at) + 1;
        at += (uint32_t)strlen(labels + at) + 1;
    }
    if (at < size && strcmp(labels + at, key) == 0) { /* the new value replaces it */
        uint32_t old = klen + (uint32_t)strlen(labels + at + klen) + 1;

        memmove(labels + at, labels + at + old, size - at - old);
        size -= old;
    }
    if (size + klen + vlen > BL__LABELS_MOST)
        return size;
    memmove(labels + at + klen + vlen, labels + at, size - at);
    memcpy(labels + at, key, klen);
    memcpy(labels + at + klen, value, vlen);
    return size + klen + vlen;
}
