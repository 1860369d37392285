/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/observed.c - cases of belay.c and tasks.c for bench/observe.sh: so many times and
 * no more, so that instructions can be counted, or by turns with and without the profile
 * of the CPU.
 *
 *     observed CASE count N         does it N times
 *     observed CASE time SECONDS    prints the ns of CPU time that one takes at best
 *     observed CASE profile SECONDS prints by how many per cent more CPU time goes by
 *                                   under the profile (built with -DPROFILE) */
#include "bench.h"
#include "tasks.h"

#ifdef PROFILE
#include <belay/pprof.h>
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS 50e6

int64_t *bench_null;
static volatile int64_t sum;

BENCH_NOINLINE int64_t
bench_acquire(int64_t n)
{
    sum += n;
    return n;
}

BENCH_NOINLINE int64_t
bench_use(int64_t h)
{
    return h * 3;
}

BENCH_NOINLINE void
bench_release(int64_t h)
{
    sum += h;
}

BENCH_NOINLINE void
bench_after(void)
{
    sum++;
}

/* --- the cases -------------------------------------------------------------- */

static const struct bench_case *one;
static const struct task *other;

static void
find(const char *name)
{
    for (const struct bench_case *c = bench_cases; c->name; c++)
        if (strcmp(c->name, name) == 0)
            one = c;
    for (const struct task *t = tasks; t->name; t++)
        if (strcmp(t->name, name) == 0)
            other = t;
    if (!one && !other) {
        fprintf(stderr, "no case %s\n", name);
        exit(2);
    }
}

static void
run(int64_t n)
{
    if (other)
        other->op(n);
    for (int64_t i = 0; one && i < n; i++)
        sum += one->op(one->arg);
}

/* CPU time of all threads. */
static double
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double
time_ns(int64_t n)
{
    double start = now_ns();

    run(n);
    return now_ns() - start;
}

static int64_t
batch_size(void)
{
    int64_t n = 1;
    double ns;

    while ((ns = time_ns(n)) < BATCH_NS / 4)
        n *= 2;
    return 1 + (int64_t)((double)n * BATCH_NS / ns);
}

static void
print_best(double seconds)
{
    int64_t n = batch_size();
    double best = time_ns(n);

    for (double spent = 0; spent < seconds * 1e9;) {
        double ns = time_ns(n);

        spent += ns;
        if (ns < best)
            best = ns;
    }
    printf("%.3f\n", best / (double)n);
}

/* --- with and without the profile --------------------------------------------- */

#ifdef PROFILE
static double
time_profiled_ns(int64_t n, int nowhere)
{
    double start = now_ns(), ns;

    bl_cpu_profile_start();
    run(n);
    ns = now_ns() - start;
    bl_cpu_profile_stop(nowhere); /* writing is not what is measured */
    return ns;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* By turns, so that what else the machine does comes to both; the median of the ratios of
 * neighbours. */
static void
print_overhead(double seconds)
{
    static double ratios[10000];
    int nowhere = open("/dev/null", O_WRONLY), pairs = 0;
    int64_t n = 4 * batch_size();

    for (double spent = 0; spent < seconds * 1e9 && pairs < 10000; pairs++) {
        bool with_first = pairs & 1;
        double first = with_first ? time_profiled_ns(n, nowhere) : time_ns(n);
        double second = with_first ? time_ns(n) : time_profiled_ns(n, nowhere);

        ratios[pairs] = with_first ? first / second : second / first;
        spent += first + second;
    }
    qsort(ratios, (size_t)pairs, sizeof ratios[0], compare);
    printf("%.2f\n", 100 * (ratios[pairs / 2] - 1));
}
#endif

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    find(argv[1]);
    if (strcmp(argv[2], "count") == 0)
        run(atoll(argv[3]));
    else if (strcmp(argv[2], "time") == 0)
        print_best(atof(argv[3]));
#ifdef PROFILE
    else if (strcmp(argv[2], "profile") == 0)
        print_overhead(atof(argv[3]));
#endif
    else
        return 2;
    return 0;
}
