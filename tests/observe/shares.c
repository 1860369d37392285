/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/shares.c FILE - profiles functions that use known shares of the CPU, on
 * goroutines of one worker and in a thread of its own, in our code and in libc's; writes
 * the profile, and prints what each has used: "name nanoseconds". */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;
static char text[512];

static int64_t
cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((noinline)) static void
own_loop(void)
{
    for (int i = 0; i < 100000; i++)
        sink = sink * 3 + 1;
}

__attribute__((noinline)) static void
print_floats(void)
{
    for (int i = 0; i < 300; i++)
        snprintf(text, sizeof text, "%.15f %.17g", i / 7.0, i * 1e-300);
    sink++;
}

static int
compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void
sort_numbers(void)
{
    static int numbers[3000];

    for (int i = 0; i < 3000; i++)
        numbers[i] = (i * 7919) % 3001;
    qsort(numbers, 3000, sizeof numbers[0], compare);
    sink++;
}

__attribute__((noinline)) static void
allocate(void)
{
    for (int i = 0; i < 3000; i++) {
        void *p[8];

        for (int k = 0; k < 8; k++) {
            p[k] = malloc((size_t)(i % 500 + k * 40));
            __asm__ volatile("" : "+r"(p[k])); /* or clang leaves both calls out */
        }
        for (int k = 0; k < 8; k++)
            free(p[k]);
    }
    sink++;
}

static const struct {
    const char *name;
    void (*run)(void);
    int64_t share; /* percent */
} jobs[] = {{"own_loop", own_loop, 40}, {"print_floats", print_floats, 30},
            {"sort_numbers", sort_numbers, 20}, {"allocate", allocate, 10}};
enum { JOBS = sizeof jobs / sizeof jobs[0] };

static int64_t used[JOBS + 1], total_ns;

/* Runs until job i has used its share. */
__attribute__((noinline)) static void
work(int i)
{
    bl_labels *old = bl_labels_set("job", jobs[i].name);
    int64_t began = cpu_now(), want = total_ns * jobs[i].share / 100;

    while (cpu_now() - began < want)
        jobs[i].run();
    used[i] = cpu_now() - began;
    bl_labels_restore(old);
}

static void
goroutine(int i, bl_waitgroup *all)
{
    work(i);
    bl_waitgroup_done(all);
}

static void *
thread(void *unused)
{
    int64_t began = cpu_now();

    while (cpu_now() - began < total_ns / 2)
        own_loop();
    used[JOBS] = cpu_now() - began;
    return unused;
}

int
main(int argc, char **argv)
{
    bl_waitgroup all = {0};
    pthread_t t;
    int fd = argc > 1 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1, error;

    if (fd < 0)
        return 2;
    bl_gomaxprocs(1);
    total_ns = INT64_C(4000000000);
    bl_waitgroup_add(&all, JOBS);
    error = bl_cpu_profile_start();
    if (error || bl_cpu_profile_start() != -16)
        return 3;
    pthread_create(&t, NULL, thread, NULL);
    for (int i = 0; i < JOBS; i++)
        bl_go(goroutine, i, &all);
    bl_waitgroup_wait(&all);
    pthread_join(t, NULL);
    error = bl_cpu_profile_stop(fd);
    for (int i = 0; i < JOBS; i++)
        printf("%s %lld\n", jobs[i].name, (long long)used[i]);
    printf("thread %lld\n", (long long)used[JOBS]);
    return error ? 4 : 0;
}
