/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/bench.c - runs the cases of belay.c or hand.c.
 *
 *     belay [case...]      prints, for each (all, if none is named):
 *     name <tab> nanoseconds <tab> sum <tab> mallocs per op
 *
 * The time is CPU time, and that of the fastest of a few short batches: what the
 * rest of the machine does to a batch only ever slows it down. */
#include "bench.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCHES = 5,
    CHECKED = 100, /* ops whose sum and mallocs are printed */
};

#define BATCH_NS 2e6

/* --- the work ------------------------------------------------------------ */

int64_t *bench_null;

static uint64_t sum, releases, afters;

int64_t
bench_acquire(int64_t n)
{
    return n;
}

int64_t
bench_use(int64_t h)
{
    return 3 * h + 1;
}

void
bench_release(int64_t h)
{
    sum += (uint64_t)h * ++releases;
}

void
bench_after(void)
{
    afters++;
}

/* --- counting mallocs ---------------------------------------------------- */

/* These replace the C library's for the whole process, libbelay.so included.
 * The case panic/copy shows that they do: it has to count one. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static uint64_t mallocs;

void *
malloc(size_t size)
{
    mallocs++;
    return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    mallocs++;
    return __libc_calloc(count, size);
}

void *
realloc(void *p, size_t size)
{
    mallocs++;
    return __libc_realloc(p, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    mallocs++;
    return __libc_memalign(alignment, size);
}

/* --- measuring ----------------------------------------------------------- */

static uint64_t
repeat(const struct bench_case *c, int64_t n)
{
    uint64_t results = 0;

    while (n-- > 0)
        results += (uint64_t)c->op(c->arg);
    return results;
}

static double
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
time_ns(const struct bench_case *c, int64_t n)
{
    double start = now_ns();

    repeat(c, n);
    return now_ns() - start;
}

/* How many ops make a batch. */
static int64_t
batch_size(const struct bench_case *c)
{
    int64_t n = 1;
    double ns;

    while ((ns = time_ns(c, n)) < BATCH_NS / 4)
        n *= 2;
    return 1 + (int64_t)((double)n * BATCH_NS / ns);
}

static double
fastest_ns(const struct bench_case *c)
{
    int64_t n = batch_size(c);
    double best = time_ns(c, n);

    for (int i = 1; i < BATCHES; i++) {
        double ns = time_ns(c, n);

        if (ns < best)
            best = ns;
    }
    return best / (double)n / c->per;
}

static void
measure(const struct bench_case *c)
{
    double ns = fastest_ns(c);
    uint64_t before;

    sum = releases = afters = 0;
    before = mallocs;
    sum += repeat(c, CHECKED);
    before = mallocs - before;
    printf("%s\t%.4f\t%" PRIu64 "\t%g\n", c->name, ns,
           sum + afters, (double)before / CHECKED);
}

static const struct bench_case *
find(const char *name)
{
    for (const struct bench_case *c = bench_cases; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    fprintf(stderr, "no case %s\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        measure(find(argv[i]));
    for (const struct bench_case *c = bench_cases; argc == 1 && c->name; c++)
        measure(c);
    return 0;
}
