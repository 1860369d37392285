/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sync/once.c - what is to happen once; calls that share one flight. */
#include "sync/sync.h"

#include <belay/defer.h>
#include <stdlib.h>
#include <string.h>

static void
finish(bl_once *once)
{
    /* release: pairs with the acquire in bl_once_do */
    atomic_store_explicit(BL__U32(&once->done), 1, memory_order_release);
    bl_mutex_unlock(&once->mutex);
}

static void
run(bl_once *once, void (*f)(void *), void *arg)
{
    bl_returns_nothing {
        bl_mutex_lock(&once->mutex);
        if (once->done) {
            bl_mutex_unlock(&once->mutex);
            bl_leave;
        }
        bl_defer_call(finish, once);
        f(arg);
    }
}

void
bl_once_do(bl_once *once, void (*f)(void *arg), void *arg)
{
    /* acquire: pairs with the release in finish */
    if (BL__UNLIKELY(!atomic_load_explicit(BL__U32(&once->done),
                                           memory_order_acquire)))
        run(once, f, arg);
}

/* --- functions that run once --------------------------------------------- */

/* Keeps what f panics with, and lets the panic go on with its frames. */
static void
keep_panic(bl_once_func *of)
{
    const bl_panic_info *p = bl_recover();

    if (!p)
        return;
    of->panicked = bl_panic_copy(p);
    bl_repanic(p);
}

static void
run_func(void *arg)
{
    bl_once_func *of = arg;

    bl_returns_nothing {
        bl_defer_call(keep_panic, of);
        of->f(of->arg);
        of->returned = true;
    }
}

void
bl_once_func_call(bl_once_func *of)
{
    bl_once_do(&of->once, run_func, of);
    if (BL__LIKELY(of->returned))
        return;
    if (of->panicked)
        bl_repanic(of->panicked);
    bl_panic(NULL); /* it ended its goroutine: Go's nil panic */
}

/* --- single flight ------------------------------------------------------- */

struct bl__flight {
    struct bl__flight *next;
    const char *key;
    int users;             /* protected by the group's mutex, as the list */
    bl_waitgroup landed;
    void *result;
    bl_panic_info *panicked;
    bool returned;
};

static struct bl__flight **
find(bl_flights *fs, const char *key)
{
    struct bl__flight **at = &fs->first;

    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static void
land(bl_flights *fs, struct bl__flight *flight)
{
    const bl_panic_info *p = bl_recover();

    if (p)
        flight->panicked = bl_panic_copy(p);
    bl_mutex_lock(&fs->mutex);
    *find(fs, flight->key) = flight->next;
    bl_mutex_unlock(&fs->mutex);
    bl_waitgroup_done(&flight->landed);
}

static void
fly(bl_flights *fs, struct bl__flight *flight, void *(*f)(void *), void *arg)
{
    bl_returns_nothing {
        bl_defer_call(land, fs, flight);
        flight->result = f(arg);
        flight->returned = true;
    }
}

/* The last user frees it. */
static void
disembark(bl_flights *fs, struct bl__flight *flight)
{
    bool last;

    bl_mutex_lock(&fs->mutex);
    last = --flight->users == 0;
    bl_mutex_unlock(&fs->mutex);
    if (last) {
        bl_panic_free(flight->panicked);
        free(flight);
    }
}

static void *
result_of(bl_flights *fs, struct bl__flight *flight)
{
    bl_returns (void *, result) {
        bl_defer_call(disembark, fs, flight);
        if (flight->panicked)
            bl_repanic(flight->panicked);
        result = flight->result;
    }
}

void *
bl_flights_do(bl_flights *fs, const char *key, void *(*f)(void *arg), void *arg,
              bool *shared)
{
    struct bl__flight *flight;
    bool mine;

    bl_mutex_lock(&fs->mutex);
    flight = *find(fs, key);
    mine = !flight;
    if (mine) {
        flight = calloc(1, sizeof *flight);
        if (!flight) {
            bl_mutex_unlock(&fs->mutex);
            bl_panic("belay: out of memory for a flight");
        }
        flight->key = key;
        flight->next = fs->first;
        fs->first = flight;
        bl_waitgroup_add(&flight->landed, 1);
    }
    flight->users++;
    bl_mutex_unlock(&fs->mutex);
    if (mine)
        fly(fs, flight, f, arg);
    else
        bl_waitgroup_wait(&flight->landed);
    if (shared) {
        bl_mutex_lock(&fs->mutex);
        *shared = !mine || flight->users > 1;
        bl_mutex_unlock(&fs->mutex);
    }
    return result_of(fs, flight);
}
