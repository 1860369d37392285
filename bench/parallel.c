/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/parallel.c - work that several processors can share, some of it unwillingly.
 * go/tasks/parallel.go holds the same functions in the same order. */
#include "tasks.h"

#include <stdlib.h>

enum {
    PRIMES = 1500,
    LIMIT = 12554,         /* the 1500th prime and one */
    INTS = 4 << 20,
    CHUNK = 4096,
    CHUNKS = INTS / CHUNK,
    PAIRS = 4,
    RIVALS = 4,
};

static bl_waitgroup joined;

/* --- prime sieve -------------------------------------------------------------- */

static void
generate(numbers out)
{
    for (int64_t i = 2; i < LIMIT; i++)
        bl_send(out, i);
    chan_close(out);
    bl_waitgroup_done(&joined);
}

static void
filter(int64_t prime, numbers in, numbers out)
{
    for_recv (int64_t, v, in)
        if (v % prime != 0)
            bl_send(out, v);
    chan_close(out);
    bl_waitgroup_done(&joined);
}

/* A goroutine a prime, in a chain: each takes out the multiples of its own. */
static uint64_t
sieve_once(void)
{
    static numbers c[PRIMES + 1];
    uint64_t sum = 0;
    int64_t prime;
    int n = 0;

    c[0] = chan_make(int64_t, 0);
    bl_waitgroup_add(&joined, 1);
    go(generate, c[0]);
    while (bl_recv_ok(c[n], &prime)) {
        sum = 31 * sum + (uint64_t)prime;
        c[n + 1] = chan_make(int64_t, 0);
        bl_waitgroup_add(&joined, 1);
        go(filter, prime, c[n], c[n + 1]);
        n++;
    }
    bl_waitgroup_wait(&joined);
    for (int i = 0; i <= n; i++)
        chan_free(c[i]);
    return sum;
}

static uint64_t
sieve(int64_t n)
{
    uint64_t sum = 0;

    while (n-- > 0)
        sum += sieve_once();
    return sum;
}

/* --- sum -------------------------------------------------------------------------- */

static int32_t *ints;

static void
fill_ints(void)
{
    uint32_t x = 1;

    if (!(ints = malloc(INTS * sizeof *ints)))
        abort();
    for (int i = 0; i < INTS; i++) {
        x = x * 1664525 + 1013904223;
        ints[i] = (int32_t)(x >> 8);
    }
}

static void
sum_chunk(int64_t chunk, uint64_t *to)
{
    const int32_t *from = ints + chunk * CHUNK;
    uint64_t sum = 0;

    for (int i = 0; i < CHUNK; i++)
        sum += (uint64_t)from[i];
    *to = sum;
    bl_waitgroup_done(&joined);
}

static uint64_t
sum_in_chunks(int64_t n)
{
    static uint64_t sums[CHUNKS];
    uint64_t sum = 0;

    if (!ints)
        fill_ints();
    while (n-- > 0) {
        bl_waitgroup_add(&joined, CHUNKS);
        for (int64_t i = 0; i < CHUNKS; i++)
            go(sum_chunk, i, &sums[i]);
        bl_waitgroup_wait(&joined);
        for (int i = 0; i < CHUNKS; i++)
            sum = 31 * sum + sums[i];
    }
    return sum;
}

/* --- pairs ------------------------------------------------------------------------ */

static void
hit(numbers there, numbers back, int64_t n, uint64_t *sum)
{
    uint64_t s = 0;

    for (int64_t i = 0; i < n; i++) {
        bl_send(there, i);
        s = 31 * s + (uint64_t)bl_recv(back);
    }
    *sum = s;
    bl_waitgroup_done(&joined);
}

static void
hit_back(numbers there, numbers back, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        bl_send(back, bl_recv(there) + 1);
    bl_waitgroup_done(&joined);
}

/* n times there and back, by four pairs together. */
static uint64_t
pairs(int64_t n)
{
    numbers c[2 * PAIRS];
    uint64_t sums[PAIRS], sum = 0;

    bl_waitgroup_add(&joined, 2 * PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        numbers there = c[2 * i] = chan_make(int64_t, 0);
        numbers back = c[2 * i + 1] = chan_make(int64_t, 0);

        go(hit_back, there, back, n / PAIRS);
        go(hit, there, back, n / PAIRS, &sums[i]);
    }
    bl_waitgroup_wait(&joined);
    for (int i = 0; i < PAIRS; i++) {
        sum = 31 * sum + sums[i];
        chan_free(c[2 * i]);
        chan_free(c[2 * i + 1]);
    }
    return sum;
}

/* --- mutex ------------------------------------------------------------------------- */

static bl_mutex mutex;
static uint64_t counter;

static void
count(int64_t n)
{
    while (n-- > 0) {
        bl_mutex_lock(&mutex);
        counter++;
        bl_mutex_unlock(&mutex);
    }
    bl_waitgroup_done(&joined);
}

/* Four goroutines want the same mutex, and do nothing else. */
static uint64_t
contended(int64_t n)
{
    counter = 0;
    bl_waitgroup_add(&joined, RIVALS);
    for (int i = 0; i < RIVALS; i++)
        go(count, n / RIVALS);
    bl_waitgroup_wait(&joined);
    return counter;
}

const struct task parallel_tasks[] = {
    {"parallel/sieve", sieve, 1, 1},
    {"parallel/sum", sum_in_chunks, 1, 1},
    {"parallel/pairs", pairs, 1, 1000},
    {"parallel/mutex", contended, 1, 1000},
    {0},
};
