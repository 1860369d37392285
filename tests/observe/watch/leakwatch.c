/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/watch/leakwatch.c - a library to be preloaded: looks for leaked goroutines
 * again and again while the program runs, and aborts it when one of them has gone on: it
 * was a false alarm.  LEAKWATCH_MS is the time between two looks; LEAKWATCH_LOG a file
 * that says, at the end, how many there were. */
#define _GNU_SOURCE
#include "sched/core.h"

#include <belay/pprof.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 16 };

struct leaked {
    uint64_t id;
    char state[48];
};

static struct leaked before[MOST];
static int nbefore, looks, most;
static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER; /* not while the program forks */

/* The state of goroutine id in a list of them; NULL: it is gone. */
static const char *
state_of(const char *text, uint64_t id)
{
    char head[64];
    const char *at;

    snprintf(head, sizeof head, "goroutine %llu [", (unsigned long long)id);
    at = strncmp(text, head, strlen(head)) == 0 ? text : NULL;
    if (!at) {
        memmove(head + 2, head, strlen(head) + 1);
        head[0] = head[1] = '\n';
        at = strstr(text, head);
    }
    return at ? strchr(at, '[') + 1 : NULL;
}

static void
check(const char *text)
{
    for (int i = 0; i < nbefore; i++) {
        const char *state = state_of(text, before[i].id);

        if (state && strncmp(state, before[i].state, strlen(before[i].state)) == 0)
            continue;
        fprintf(stderr, "leakwatch: goroutine %llu was leaked [%s], and is %.40s\n%s",
                (unsigned long long)before[i].id, before[i].state, state ? state : "gone",
                text);
        abort();
    }
}

static void
note(const char *text)
{
    nbefore = 0;
    for (const char *at = strstr(text, " (leaked)"); at && nbefore < MOST;
         at = strstr(at + 1, " (leaked)")) {
        const char *line = memrchr(text, '\n', (size_t)(at - text));
        const char *state = memrchr(text, '[', (size_t)(at - text));
        struct leaked *l = &before[nbefore++];

        l->id = strtoull((line ? line + 1 : text) + strlen("goroutine "), NULL, 10);
        snprintf(l->state, sizeof l->state, "%.*s", (int)(at - state - 1), state + 1);
    }
    most = nbefore > most ? nbefore : most;
}

static void
look(int fd)
{
    char *text;
    off_t n;

    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0 ||
        bl_pprof_write("goroutineleak", fd, 2) != 0)
        return;
    n = lseek(fd, 0, SEEK_END);
    text = calloc(1, (size_t)n + 1);
    if (!text || pread(fd, text, (size_t)n, 0) != n)
        abort();
    if (strstr(text, "\n# goroutineleak: not known")) {
        fprintf(stderr, "leakwatch: %s", strstr(text, "\n# ") + 1);
    } else {
        check(text);
        note(text);
        looks++;
    }
    free(text);
}

static struct timespec every;

static void *
watch(void *unused)
{
    int fd = memfd_create("leakwatch", MFD_CLOEXEC);

    for (;;) {
        nanosleep(&every, NULL);
        pthread_mutex_lock(&looking);
        look(fd);
        pthread_mutex_unlock(&looking);
    }
    return unused;
}

__attribute__((destructor)) static void
tell(void)
{
    const char *path = getenv("LEAKWATCH_LOG");
    int fd = path && looks > 0 ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;

    if (fd >= 0)
        dprintf(fd, "%s: looked %d times, at most %d leaked\n", program_invocation_short_name,
                looks, most);
}

/* The thread wakes nobody: deadlocks are still seen. */
static void
count(int change)
{
    struct bl__sched *sched = bl__read_core()->sched;

    while (!bl__trylock(&sched->lock))
        sched_yield();
    sched->base_threads += change;
    bl__unlock(&sched->lock);
}

static void
start_thread(void)
{
    pthread_t t;

    nbefore = looks = most = 0;
    if (pthread_create(&t, NULL, watch, NULL) == 0)
        count(1);
}

static void
before_fork(void)
{
    pthread_mutex_lock(&looking);
}

static void
after_fork(void)
{
    pthread_mutex_unlock(&looking);
}

static void
start_child(void)
{
    pthread_mutex_init(&looking, NULL);
    count(-1); /* it did not come along */
    start_thread();
}

__attribute__((constructor)) static void
start(void)
{
    const char *ms = getenv("LEAKWATCH_MS");

    every.tv_nsec = (ms ? atol(ms) : 20) * 1000000;
    pthread_atfork(before_fork, after_fork, start_child);
    start_thread();
}
