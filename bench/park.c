/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/park.c - what goroutines take from the system, and when it gets it back.
 *
 *     park parked N     N goroutines, parked: bytes each, nanoseconds to make one,
 *                       lines in the process's map
 *     park ended N      N goroutines have ended, and nobody does anything: after how
 *                       many milliseconds half of their stacks have been given back,
 *                       and 99 of 100; how much is still resident then
 *     park released N   a thousand goroutines end, N times: what bl_release_stacks()
 *                       takes for each stack, median and 99th percentile
 *
 * Each prints one line, key=value.  go/park is the same program in Go. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAVE = 1000 };

#define LONGEST_NS (25 * BL_SECOND)

static bl_waitgroup ready, joined;

/* --- what the system says ----------------------------------------------------- */

/* The number of bytes behind `key` in a file of /proc whose unit is kB. */
static int64_t
read_bytes(const char *path, const char *key)
{
    FILE *f = fopen(path, "r");
    char line[256];
    int64_t kb = 0;

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kb = strtoll(line + strlen(key), NULL, 10);
    fclose(f);
    return kb * 1024;
}

/* Pages that are resident, and the page tables that map them.  What MADV_FREE has
 * given back stays until somebody else needs it: it is not counted. */
static int64_t
taken_bytes(void)
{
    return read_bytes("/proc/self/smaps_rollup", "Rss:") -
           read_bytes("/proc/self/smaps_rollup", "LazyFree:") +
           read_bytes("/proc/self/status", "VmPTE:");
}

static int
count_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    int lines = 0, ch;

    if (!f)
        return 0;
    while ((ch = getc(f)) != EOF)
        lines += ch == '\n';
    fclose(f);
    return lines;
}

/* --- parked --------------------------------------------------------------------- */

static void
wait_for_end(chan_of(int) c)
{
    bl_waitgroup_done(&ready);
    bl_recv(c);
    bl_waitgroup_done(&joined);
}

/* Returns how long it took until all of them were there. */
static int64_t
make_parked(int n, chan_of(int) c)
{
    int64_t start = bl_now();

    bl_waitgroup_add(&ready, n);
    bl_waitgroup_add(&joined, n);
    for (int i = 0; i < n; i++)
        go(wait_for_end, c);
    bl_waitgroup_wait(&ready);
    return bl_now() - start;
}

static void
report_parked(int n)
{
    chan_of(int) c = chan_make(int, 0);
    int64_t before = taken_bytes(), ns = make_parked(n, c);

    printf("bytes=%.1f ns=%.1f maps=%d\n", (double)(taken_bytes() - before) / n,
           (double)ns / n, count_maps());
}

static void
end_wave(int n)
{
    chan_of(int) c = chan_make(int, 0);

    make_parked(n, c);
    chan_close(c);
    bl_waitgroup_wait(&joined);
    chan_free(c);
}

/* --- ended ------------------------------------------------------------------------ */

static uint64_t
released(void)
{
    bl_stack_stats stats;

    bl_read_stack_stats(&stats);
    return stats.released;
}

/* Milliseconds from start until n stacks have been given back; -1: not in time. */
static int64_t
wait_for_release(uint64_t n, int64_t start)
{
    while (released() < n) {
        if (bl_now() - start > LONGEST_NS)
            return -1;
        bl_sleep(10 * BL_MILLISECOND);
    }
    return (bl_now() - start) / BL_MILLISECOND;
}

static void
report_ended(int n)
{
    int64_t before = taken_bytes(), start, half, most;
    int64_t rss = read_bytes("/proc/self/smaps_rollup", "Rss:");

    end_wave(n);
    start = bl_now();
    half = wait_for_release((uint64_t)n / 2, start);
    most = wait_for_release((uint64_t)n * 99 / 100, start);
    printf("p50_ms=%" PRId64 " p99_ms=%" PRId64 " taken=%.1f resident=%.1f\n", half,
           most, (double)(taken_bytes() - before) / n,
           (double)(read_bytes("/proc/self/smaps_rollup", "Rss:") - rss) / n);
}

/* --- released ------------------------------------------------------------------------ */

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
release_wave(void)
{
    uint64_t before;
    int64_t start, ns;

    end_wave(WAVE);
    before = released();
    start = bl_now();
    bl_release_stacks();
    ns = bl_now() - start;
    return (double)ns / (double)(released() - before);
}

static void
report_released(int n)
{
    double *ns = calloc((size_t)n, sizeof *ns);

    if (!ns)
        abort();
    for (int i = 0; i < n; i++)
        ns[i] = release_wave();
    qsort(ns, (size_t)n, sizeof *ns, by_size);
    printf("p50_ns=%.1f p99_ns=%.1f\n", ns[n / 2], ns[n * 99 / 100]);
    free(ns);
}

int
main(int argc, char **argv)
{
    int n = argc == 3 ? atoi(argv[2]) : 0;

    if (n > 0 && strcmp(argv[1], "parked") == 0)
        report_parked(n);
    else if (n > 0 && strcmp(argv[1], "ended") == 0)
        report_ended(n);
    else if (n > 0 && strcmp(argv[1], "released") == 0)
        report_released(n);
    else
        return fprintf(stderr, "usage: park parked|ended|released N\n"), 2;
    return 0;
}
