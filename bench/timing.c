/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/timing.c - runs the cases of tasks.c and parallel.c.
 *
 *     tasks case...        prints, for each:
 *     name <tab> nanoseconds <tab> result
 *
 * The time is the lower quartile of a few batches: the fastest would, on two processors,
 * be that of the luckiest way to share the work, and the median what the rest of the
 * machine did to it.  With one processor it is CPU time, as in bench.c; with more it is
 * that on the wall, since CPU time says nothing about how well they share. */
#include "tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCHES = 5,
    BATCHES_OF_LONG = 3, /* where one time takes longer than a batch should */
};

#define BATCH_NS 5e6

static double
now_ns(void)
{
    struct timespec t;

    clock_gettime(bl_gomaxprocs(0) == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC,
                  &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
time_ns(const struct task *task, int64_t n)
{
    double start = now_ns();

    task->op(n);
    return now_ns() - start;
}

/* How often a batch does it; *ns is what it took to do it that often. */
static int64_t
batch_size(const struct task *task, double *ns)
{
    int64_t n = task->checked;

    while ((*ns = time_ns(task, n)) < BATCH_NS / 4)
        n *= 2;
    n = (int64_t)((double)n * BATCH_NS / *ns);
    return n > 0 ? n : 1;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
quartile_ns(const struct task *task)
{
    double times[BATCHES], first;
    int64_t n = batch_size(task, &first);
    int batches = first > BATCH_NS * 2 ? BATCHES_OF_LONG : BATCHES;

    for (int i = 0; i < batches; i++)
        times[i] = time_ns(task, n);
    qsort(times, (size_t)batches, sizeof times[0], by_size);
    return times[batches / 4] / (double)n / (double)task->parts;
}

/* The first run is not timed: it makes threads and stacks. */
static void
measure(const struct task *task)
{
    uint64_t result = task->op(task->checked);

    printf("%s\t%.4f\t%" PRIu64 "\n", task->name, quartile_ns(task), result);
}

static const struct task *
find(const char *name)
{
    const struct task *lists[] = {tasks, parallel_tasks};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct task *task = lists[i]; task->name; task++)
            if (strcmp(task->name, name) == 0)
                return task;
    fprintf(stderr, "no case %s\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        measure(find(argv[i]));
    return 0;
}
