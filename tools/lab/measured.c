/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* measured.c - the process in which a form runs, and which looks at itself.
 *
 * Its main goroutine takes a sample again and again: memory from /proc, descriptors from
 * there, too, goroutines from Belay, deferred calls from the profile `defer`, for which
 * everything stands still for a moment.  That takes the longer the more there is; the next
 * sample waits four times as long. */
#define _GNU_SOURCE
#include "lab.h"

#include <belay/pprof.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *const figure_names[NFIGURES] = {"memory", "descriptors", "goroutines",
                                              "pending defers"};

enum { FAST = 10, SLOW = 100 }; /* ms between samples */
#define SETTLE_NS (INT64_C(10) * 1000000000) /* at most */
#define REST_NS (INT64_C(300) * 1000000)     /* without a change: settled */
#define HEAP_RATE 1                          /* all of it is noted; for who is served */

int64_t
lab_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
lab_sleep(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    nanosleep(&t, NULL);
}

void
lab_give_up(struct board *b, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(b->error, sizeof b->error, format, ap);
    va_end(ap);
    _exit(1);
}

/* --- the four figures ------------------------------------------------------------- */

/* The number behind `label`, in a file that is read from where it is; or 0. */
static int64_t
read_number(FILE *file, const char *label)
{
    char line[256];

    while (fgets(line, sizeof line, file))
        if (strncmp(line, label, strlen(label)) == 0)
            return strtoll(line + strlen(label), NULL, 10);
    return 0;
}

/* What the process has for itself, without what it has given back (MADV_FREE), which is
 * only fetched when somebody needs it.  What sockets take in the kernel is not in it. */
static int64_t
measure_memory(void)
{
    FILE *maps = fopen("/proc/self/smaps_rollup", "r");
    int64_t kilobytes = 0;

    if (maps) {
        kilobytes = read_number(maps, "Anonymous:");
        kilobytes -= read_number(maps, "LazyFree:");
        fclose(maps);
    }
    return kilobytes * 1024;
}

/* Linux says how many there are since 6.2; before that they have to be counted. */
static int64_t
measure_descriptors(void)
{
    struct stat st;
    int64_t n = 0;
    DIR *dir;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return st.st_size;
    dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n - 3; /* ".", ".." and the one for reading */
}

static int64_t
measure_defers(void)
{
    int fd = memfd_create("defer", MFD_CLOEXEC);
    FILE *text = fd < 0 ? NULL : fdopen(fd, "r");
    int64_t n = 0;

    if (text && bl_pprof_write("defer", fd, 1) == 0) {
        rewind(text);
        n = read_number(text, "defer profile: total ");
    }
    if (text)
        fclose(text);
    return n;
}

static void
measure(int64_t value[NFIGURES])
{
    value[MEMORY] = measure_memory();
    value[DESCRIPTORS] = measure_descriptors();
    value[GOROUTINES] = bl_num_goroutine();
    value[DEFERS] = measure_defers();
}

/* --- samples ------------------------------------------------------------------------ */

static int64_t before[NFIGURES];

static const struct sample *
take_sample(struct board *b, int phase)
{
    uint32_t n = b->nsamples < SAMPLES ? b->nsamples : SAMPLES - 1;
    struct sample *s = &b->samples[n];
    int at_first = b->phase;

    measure(s->value);
    for (int i = 0; i < NFIGURES; i++)
        s->value[i] -= before[i];
    s->at_ns = lab_now() - b->began_ns;
    s->served = b->served;
    s->failed = b->failed;
    s->phase = phase ? phase : at_first;
    if (at_first == PHASE_OPEN)
        b->seen_open++;
    b->nsamples = n + 1;
    return s;
}

static int64_t
pause_after(const struct board *b, int64_t took)
{
    int64_t pause = (lab_now() - b->began_ns < BL_SECOND ? FAST : SLOW) * BL_MILLISECOND;

    if (took * 4 > pause)
        pause = took * 4;
    return pause < BL_SECOND ? pause : BL_SECOND;
}

static bool
is_same(const struct sample *a, const struct sample *b)
{
    return a->served == b->served && a->failed == b->failed &&
           memcmp(a->value + DESCRIPTORS, b->value + DESCRIPTORS,
                  sizeof a->value - sizeof a->value[0]) == 0;
}

/* Until all have gone, and nothing changes any more. */
static void
watch(struct board *b, bool asks)
{
    struct sample last = {0};
    int64_t gone_ns = 0, same_ns = 0, now;

    do {
        int64_t began = lab_now();
        const struct sample *s = take_sample(b, 0);

        now = lab_now();
        if (b->phase < PHASE_GONE || (asks && !b->is_finished))
            gone_ns = now;
        if (gone_ns == now || !is_same(s, &last))
            same_ns = now;
        last = *s;
        bl_sleep(pause_after(b, now - began));
    } while (now - same_ns < REST_NS && now - gone_ns < SETTLE_NS);
}

/* What is free, but not given back yet, is no leak. */
static void
give_back(void)
{
    bl_release_stacks();
    malloc_trim(0);
}

/* --- the process ----------------------------------------------------------------------- */

static void
run_form_for_ever(struct board *b, void (*run)(struct board *))
{
    run(b);
    b->is_finished = true;
    bl_chan_recv(NULL, NULL);
}

static bl_listener *
listen_for_clients(struct board *b)
{
    bl_listener *l;
    char why[200];
    bl_error *err = bl_listen("tcp", "127.0.0.1:0", &l);

    if (err) {
        bl_error_text(err, why, sizeof why);
        lab_give_up(b, "%s", why);
    }
    b->port = bl_addr_port(bl_listener_addr(l));
    return l;
}

static void
start_serving(struct board *b)
{
    int port;

    bl_set_heap_profile_rate(HEAP_RATE);
    port = bl_pprof_serve(b->serve_address);
    if (port == -EACCES)
        lab_give_up(b, "-serve %s: not an address of this machine alone",
                    b->serve_address);
    if (port < 0)
        lab_give_up(b, "-serve %s: %s", b->serve_address, strerror(-port));
    b->serve_port = port;
}

static void
nothing(void)
{
}

/* The first time takes memory itself, for names and lines; the poller has descriptors of
 * its own. */
static void
warm_up(void)
{
    bl_conn *pair[2];
    char byte;
    size_t n;

    bl_error_release(bl_conn_pair(pair));
    bl_error_release(bl_conn_read_until(pair[0], &byte, 1, bl_now() + 1, &n));
    bl_conn_release(pair[0]);
    bl_conn_release(pair[1]);
    bl_returns_nothing {
        bl_defer_call(nothing);
        measure(before);
    }
}

_Noreturn void
measured_main(struct board *b, void (*run)(struct board *), bool asks)
{
    if (b->serve_address)
        start_serving(b);
    scene_set(b, asks ? NULL : listen_for_clients(b));
    warm_up();
    if (!asks)
        bl_go(run_form_for_ever, b, run);
    bl_sleep(20 * BL_MILLISECOND);
    measure(before);
    before[GOROUTINES] += asks;
    b->phase = PHASE_OPENING;
    if (asks)
        bl_go(run_form_for_ever, b, run);
    watch(b, asks);
    give_back();
    take_sample(b, PHASE_SETTLED);
    if (b->serve_address)
        bl_sleep(b->keep_seconds * BL_SECOND);
    _exit(0);
}
