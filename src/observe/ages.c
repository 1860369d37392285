/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/ages.c - how long deferred calls have been pending.
 *
 * Nobody reads a clock when a call is deferred.  But between snapshots calls stay what
 * they are: the id of a goroutine, the number of calls it had deferred before the body's
 * first one, and the number of older ones in that body name a call, and nothing else ever
 * has that name.  So a call is at least as old as the first snapshot that it was in, and
 * younger than the one before that, if that one was whole.  While a goroutine waits it
 * defers nothing: what is pending is older than the wait.
 *
 * Remembered is what the latest whole snapshot has seen, up to MOST of it: those who have
 * been there for longest stay. */
#include "observe/observe.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MOST = 1 << 16,        /* some six megabytes */
    COARSE_NS = 100000000, /* what the time is short of at which a wait began */
};
#define SECOND INT64_C(1000000000)

struct name {
    uint64_t goroutine, body, index;
};

/* Was there at `since`, and was not at `before`; 0: not known. */
struct times {
    int64_t since, before;
};

struct memory {
    struct bl__table names;
    struct times *times;   /* MOST of them */
    int64_t taken;         /* when the snapshot was */
    bool is_all;           /* that all of it is here */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct memory memory; /* protected by mutex */

/* --- remembering --------------------------------------------------------- */

static struct name
name_of(const struct bl__seen *seen, const struct bl__pending *d)
{
    return (struct name){seen->id, d->body, d->index};
}

static void
keep(struct memory *m, const struct name *name, const struct times *times)
{
    uint32_t i = m->names.n < MOST ? bl__table_add(&m->names, name, sizeof *name)
                                   : UINT32_MAX;

    if (i == UINT32_MAX)
        m->is_all = false;
    else
        m->times[i] = *times;
}

/* What its goroutine's waiting tells. */
static int64_t
not_later_than(const struct bl__seen *seen, int64_t taken)
{
    int64_t since = seen->waiting_since + COARSE_NS;

    return seen->status == BL__G_WAITING && since < taken ? since : taken;
}

static void
set_age(struct bl__pending *d, const struct times *times, int64_t taken)
{
    d->oldest.least = taken - times->since;
    d->oldest.most = times->before ? taken - times->before : INT64_MAX;
}

/* Those that are remembered; the others' age is left at 0. */
static void
recognise(const struct bl__snapshot *s, struct memory *next)
{
    for (struct bl__seen *seen = s->first; seen; seen = seen->next)
        for (uint32_t k = 0; k < seen->npending; k++) {
            struct bl__pending *d = &bl__seen_pending(seen)[k];
            struct name name = name_of(seen, d);
            uint32_t i = bl__table_find(&memory.names, &name, sizeof name);
            int64_t since = not_later_than(seen, s->taken);
            struct times times;

            if (i == UINT32_MAX)
                continue;
            times = memory.times[i];
            if (since < times.since)
                times.since = since;
            set_age(d, &times, s->taken);
            if (next)
                keep(next, &name, &times);
        }
}

static void
note_others(const struct bl__snapshot *s, struct memory *next)
{
    /* what a snapshot that came in between would say of them is not known here */
    int64_t before = memory.is_all && memory.taken < s->taken ? memory.taken : 0;

    for (struct bl__seen *seen = s->first; seen; seen = seen->next)
        for (uint32_t k = 0; k < seen->npending; k++) {
            struct bl__pending *d = &bl__seen_pending(seen)[k];
            struct name name = name_of(seen, d);
            struct times times = {not_later_than(seen, s->taken), before};

            if (d->oldest.most != 0)
                continue;
            set_age(d, &times, s->taken);
            if (next)
                keep(next, &name, &times);
        }
}

void
bl__ages_note(struct bl__snapshot *s)
{
    struct memory next = {.taken = s->taken, .is_all = s->left_out == 0}, *to = NULL;

    pthread_mutex_lock(&mutex);
    if (!s->is_cut && s->unknown == 0 && s->taken > memory.taken)
        next.times = malloc(MOST * sizeof *next.times);
    if (next.times)
        to = &next;
    recognise(s, to);
    note_others(s, to);
    if (to) {
        bl__table_free(&memory.names);
        free(memory.times);
        memory = next;
    }
    pthread_mutex_unlock(&mutex);
}

void
bl__ages_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
    memory = (struct memory){0};
}

/* --- ages ---------------------------------------------------------------- */

void
bl__age_add(struct bl__age *age, const struct bl__age *other)
{
    if (other->least > age->least)
        age->least = other->least;
    if (other->most > age->most)
        age->most = other->most;
}

/* As Go prints durations: 1h2m3s. */
static const char *
put_seconds(char *text, size_t size, int64_t s)
{
    if (s >= 3600)
        snprintf(text, size, "%" PRId64 "h%" PRId64 "m%" PRId64 "s", s / 3600, s / 60 % 60,
                 s % 60);
    else if (s >= 60)
        snprintf(text, size, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
    else
        snprintf(text, size, "%" PRId64 "s", s);
    return text;
}

const char *
bl__age_text(const struct bl__age *age, char *text, size_t size)
{
    bool has_most = age->most != 0 && age->most != INT64_MAX;
    char least[32], most[32];

    put_seconds(least, sizeof least, age->least / SECOND);
    put_seconds(most, sizeof most, has_most ? age->most / SECOND + 1 : 0);
    text[0] = '\0';
    if (age->least >= SECOND)
        snprintf(text, size, "at least %s%s%s", least, has_most ? ", at most " : "",
                 has_most ? most : "");
    else if (has_most)
        snprintf(text, size, "at most %s", most);
    return text;
}
