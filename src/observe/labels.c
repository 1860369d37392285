/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/labels.c - the labels that goroutines carry: Go's pprof.Do.
 *
 * A set is counted and never changes.  A sample of the CPU, taken in a signal handler, or
 * a snapshot may still name it when its last goroutine has gone: so while any of these is
 * under way sets are not freed, but kept in a list. */
#include "observe/observe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int frozen;                 /* protected by mutex */
static struct gone {
    struct gone *next;
    struct bl_labels *labels;
} *gone;                           /* protected by mutex */

static void
bury(struct bl_labels *labels)
{
    struct gone *n;

    pthread_mutex_lock(&mutex);
    if (frozen == 0) {
        free(labels);
    } else if ((n = malloc(sizeof *n))) { /* else they are lost, and harm nobody */
        *n = (struct gone){gone, labels};
        gone = n;
    }
    pthread_mutex_unlock(&mutex);
}

static void
keep(void *p)
{
    struct bl_labels *labels = p;

    atomic_fetch_add_explicit(&labels->count, 1, memory_order_relaxed);
}

static void
drop(void *p)
{
    struct bl_labels *labels = p;

    /* acq_rel: who frees them comes behind all that have used them */
    if (atomic_fetch_sub_explicit(&labels->count, 1, memory_order_acq_rel) == 1)
        bury(labels);
}

void
bl__labels_freeze(void)
{
    pthread_mutex_lock(&mutex);
    frozen++;
    pthread_mutex_unlock(&mutex);
}

void
bl__labels_thaw(void)
{
    struct gone *list = NULL;

    pthread_mutex_lock(&mutex);
    if (--frozen == 0) {
        list = gone;
        gone = NULL;
    }
    pthread_mutex_unlock(&mutex);
    while (list) {
        struct gone *n = list;

        list = n->next;
        free(n->labels);
        free(n);
    }
}

/* A snapshot has them out of another thread's goroutine; which may have ended. */
uint32_t
bl__labels_bytes(const struct bl_labels *labels, const char **bytes)
{
    if (!labels)
        return 0;
    /* acquire: pairs with the release in bl_labels_set */
    (void)atomic_load_explicit(&labels->count, memory_order_acquire);
    *bytes = labels->bytes;
    return labels->size;
}

/* Those who had frozen them are not there; what is in the list is lost. */
void
bl__labels_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
    frozen = 0;
    gone = NULL;
}

void
bl__labels_start(void)
{
    atomic_store(&bl__core->observed->labels_kept, keep);
    atomic_store(&bl__core->observed->labels_dropped, drop);
}

bl_labels *
bl_labels_set(const char *key, const char *value)
{
    struct bl__g *g = bl__core->self();
    struct bl_labels *old = g->labels, *new;
    char bytes[BL__LABELS_MOST];
    uint32_t size = old ? old->size : 0;

    if (old)
        memcpy(bytes, old->bytes, size);
    size = bl__labels_put(bytes, size, key, value);
    new = malloc(sizeof *new + size);
    if (new) {
        new->size = size;
        memcpy(new->bytes, bytes, size);
        /* release: pairs with the acquire in bl__labels_bytes */
        atomic_store_explicit(&new->count, 1, memory_order_release);
    } else if (old) {
        keep(old); /* for want of memory: as they were */
        new = old;
    }
    atomic_signal_fence(memory_order_seq_cst); /* a handler sees them complete */
    g->labels = new;
    return old;
}

void
bl_labels_restore(bl_labels *old)
{
    struct bl__g *g = bl__core->self();
    struct bl_labels *now = g->labels;

    g->labels = old;
    atomic_signal_fence(memory_order_seq_cst);
    if (now)
        drop(now);
}

const char *
bl_label(const char *key)
{
    const struct bl_labels *l = bl__core->self()->labels;

    return l ? bl__labels_find(l->bytes, l->size, key) : NULL;
}
