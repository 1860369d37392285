/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/custom.c - profiles of the program's own: things, and the stacks they came
 * from (Go's pprof.NewProfile). */
#include "observe/observe.h"

#include <belay/panic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct thing {
    struct thing *next;
    const void *thing;
    uint32_t n;
    uintptr_t pcs[];
};

struct bl_profile {
    struct bl_profile *next;     /* sorted by name */
    char *name;
    struct thing **buckets;      /* protected by mutex */
    size_t nbuckets, count;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* never held across a panic */
static bl_profile *profiles;     /* protected by mutex */

static bl_profile *
find(const char *name)
{
    bl_profile *p = profiles;

    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

bl_profile *
bl_profile_find(const char *name)
{
    bl_profile *p;

    pthread_mutex_lock(&mutex);
    p = find(name);
    pthread_mutex_unlock(&mutex);
    return p;
}

static bool
is_taken(const char *name)
{
    return bl__source_find(name) || strcmp(name, "profile") == 0 ||
           strcmp(name, "trace") == 0 || strcmp(name, "cmdline") == 0 ||
           strcmp(name, "symbol") == 0 || find(name);
}

bl_profile *
bl_profile_new(const char *name)
{
    bl_profile *p, **at = &profiles;

    if (!*name)
        bl_panic("pprof: NewProfile with empty name");
    p = calloc(1, sizeof *p);
    if (!p || !(p->name = strdup(name)))
        bl_panic("pprof: out of memory");
    pthread_mutex_lock(&mutex);
    if (is_taken(name)) {
        pthread_mutex_unlock(&mutex);
        free(p->name);
        free(p);
        bl_panic("pprof: NewProfile name already in use: %s", name);
    }
    while (*at && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    p->next = *at;
    *at = p;
    pthread_mutex_unlock(&mutex);
    return p;
}

void
bl__customs_before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

void
bl__customs_after_fork(void)
{
    pthread_mutex_unlock(&mutex);
}

/* --- things: mutex held -------------------------------------------------- */

static struct thing **
place_of(bl_profile *p, const void *thing)
{
    struct thing **at = &p->buckets[bl__hash(&thing, sizeof thing) & (p->nbuckets - 1)];

    while (*at && (*at)->thing != thing)
        at = &(*at)->next;
    return at;
}

static bool
grow(bl_profile *p)
{
    size_t n = p->nbuckets ? p->nbuckets * 2 : 16, old = p->nbuckets;
    struct thing **was = p->buckets, **buckets;

    if (p->count < p->nbuckets)
        return true;
    buckets = calloc(n, sizeof *buckets);
    if (!buckets)
        return old > 0;
    p->buckets = buckets;
    p->nbuckets = n;
    for (size_t i = 0; i < old; i++)
        for (struct thing *t = was[i], *next; t; t = next) {
            struct thing **at = place_of(p, t->thing);

            next = t->next;
            t->next = NULL;
            *at = t;
        }
    free(was);
    return true;
}

void
bl_profile_add(bl_profile *p, const void *thing, int skip)
{
    struct bl__stack stack;
    uint32_t from;
    struct thing *t, **at;
    bool is_there;

    bl__stack_here(&stack, 1);
    from = (uint32_t)(skip < 0 ? 0 : skip);
    if (from >= stack.n)
        from = stack.n - (stack.n > 0);
    t = malloc(sizeof *t + (stack.n - from) * sizeof *t->pcs);
    if (!t)
        bl_panic("pprof: out of memory");
    *t = (struct thing){.thing = thing, .n = stack.n - from};
    memcpy(t->pcs, stack.pcs + from, t->n * sizeof *t->pcs);
    pthread_mutex_lock(&mutex);
    if (!grow(p)) {
        pthread_mutex_unlock(&mutex);
        free(t);
        bl_panic("pprof: out of memory");
    }
    at = place_of(p, thing);
    is_there = *at != NULL;
    if (!is_there) {
        *at = t;
        p->count++;
    }
    pthread_mutex_unlock(&mutex);
    if (is_there) {
        free(t);
        bl_panic("pprof: Profile.Add of duplicate value");
    }
}

void
bl_profile_remove(bl_profile *p, const void *thing)
{
    struct thing **at, *t = NULL;

    pthread_mutex_lock(&mutex);
    if (p->nbuckets > 0) {
        at = place_of(p, thing);
        t = *at;
        if (t) {
            *at = t->next;
            p->count--;
        }
    }
    pthread_mutex_unlock(&mutex);
    free(t);
}

int64_t
bl_profile_count(bl_profile *p)
{
    int64_t n;

    pthread_mutex_lock(&mutex);
    n = (int64_t)p->count;
    pthread_mutex_unlock(&mutex);
    return n;
}

/* --- for the server ------------------------------------------------------ */

bl_profile *
bl__custom_at(unsigned i)
{
    bl_profile *p;

    pthread_mutex_lock(&mutex);
    for (p = profiles; p && i > 0; i--)
        p = p->next;
    pthread_mutex_unlock(&mutex);
    return p;
}

const char *
bl__custom_name(const bl_profile *p)
{
    return p->name;
}

int64_t
bl__custom_count(bl_profile *p)
{
    return bl_profile_count(p);
}

void
bl__custom_collect(bl_profile *custom, struct bl__profile *p)
{
    struct bl__kind kind = {custom->name, 1, {{custom->name, "count"}},
                            {custom->name, "count"}, 1, NULL};

    bl__profile_init(p, &kind);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < custom->nbuckets; i++)
        for (const struct thing *t = custom->buckets[i]; t; t = t->next) {
            struct bl__sample s = {.pcs = t->pcs, .n = t->n, .value = {1}};

            bl__profile_add(p, &s);
        }
    pthread_mutex_unlock(&mutex);
}
