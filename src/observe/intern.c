/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/intern.c - places that have registered deferred calls, each once, for good.
 *
 * A struct bl__site lies in the program, or in a module that dlclose() takes away with
 * its texts; a profile names it for longer.  By its texts, not its address: a module that
 * is loaded again has the same places. */
#include "observe/observe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

struct kept {
    struct kept *next;
    struct bl__site site;
    char texts[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kept *buckets[BUCKETS]; /* protected by mutex; only ever grows */

static uint64_t
hash_of(const struct bl__site *s)
{
    return bl__hash(s->file, strlen(s->file)) + 3 * bl__hash(s->function, strlen(s->function)) +
           5 * bl__hash(s->callee, strlen(s->callee)) + 7 * (uint64_t)s->line;
}

static bool
is_same(const struct bl__site *a, const struct bl__site *b)
{
    return a->line == b->line && strcmp(a->file, b->file) == 0 &&
           strcmp(a->function, b->function) == 0 && strcmp(a->callee, b->callee) == 0;
}

static const char *
copy(char **to, const char *s)
{
    char *at = *to;

    *to = stpcpy(at, s) + 1;
    return at;
}

static struct kept *
make(const struct bl__site *s)
{
    size_t size = strlen(s->file) + strlen(s->function) + strlen(s->callee) + 3;
    struct kept *k = malloc(sizeof *k + size);
    char *to;

    if (!k)
        return NULL;
    to = k->texts;
    k->site = (struct bl__site){copy(&to, s->file), copy(&to, s->function),
                                copy(&to, s->callee), s->line};
    return k;
}

const struct bl__site *
bl__site_keep(const struct bl__site *site)
{
    static const struct bl__site unknown = {"", "?", "?", 0};
    struct kept **bucket = &buckets[hash_of(site) % BUCKETS], *k;

    pthread_mutex_lock(&mutex);
    for (k = *bucket; k && !is_same(&k->site, site); k = k->next)
        ;
    if (!k && (k = make(site))) {
        k->next = *bucket;
        *bucket = k;
    }
    pthread_mutex_unlock(&mutex);
    return k ? &k->site : &unknown;
}

/* A list is whole at each moment: what is being put in comes last. */
void
bl__sites_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
}
