/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/planted.c FOLDER - goroutines whose number is known in each state, with
 * deferred calls; writes their profiles into FOLDER. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECEIVERS = 50, SLEEPERS = 20, LOCKERS = 10, SPINNERS = 3, BLOCKERS = 2,
       LOOPED = 7, PANICS = 5 };

/* Behind a call: it is not the last thing a function does, so its frame stays. */
#define STAY() __asm__ volatile("")

static bl_chan *never;
static bl_mutex locked;
static volatile int spins = 1;
static int block[2];

static void
put_back(int n)
{
    (void)n;
}

/* Has three deferred calls of one place and one of another. */
__attribute__((noinline)) static void
receive(int n)
{
    bl_returns_nothing {
        bl_defer_call(put_back, n);
        for (int i = 0; i < 3; i++)
            bl_defer_call(put_back, i);
        bl_chan_recv(never, &n);
    }
}

__attribute__((noinline)) static void
slumber(void)
{
    bl_sleep(INT64_C(3600) * 1000000000);
    STAY();
}

__attribute__((noinline)) static void
want_lock(void)
{
    bl_mutex_lock(&locked);
    STAY();
}

__attribute__((noinline)) static void
spin(void)
{
    bl_returns_nothing {
        for (int i = 0; i < LOOPED; i++)
            bl_defer_call(put_back, i);
        while (spins)
            ;
    }
}

__attribute__((noinline)) static void
sit_in_kernel(void)
{
    char c;

    (void)!read(block[0], &c, 1);
}

__attribute__((noinline)) static void
fail(int n)
{
    bl_panic("number %d", n);
}

static void
note_panic(int *result)
{
    bl_returns_nothing {
        if (bl_recover())
            *result = -1;
    }
}

__attribute__((noinline)) static int
survive(int n)
{
    bl_returns (int, result) {
        bl_defer_call(put_back, n);
        bl_defer_call(note_panic, &result);
        fail(n);
    }
}

static void
write_profile(const char *folder, const char *name, int debug)
{
    char path[4096];
    int fd, error;

    snprintf(path, sizeof path, "%s/%s.%s", folder, name,
             debug == 0 ? "pb.gz" : debug == 1 ? "txt" : "all");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    error = bl_pprof_write(name, fd, debug);
    close(fd);
    if (error) {
        fprintf(stderr, "%s: %s\n", path, strerror(-error));
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    static const char *const names[] = {"goroutine", "defer", "panic", "threadcreate"};

    if (argc != 2 || pipe(block) != 0)
        return 2;
    bl_gomaxprocs(4);
    bl_panic_profile_start();
    never = bl_chan_new(sizeof(int), 0);
    bl_mutex_lock(&locked);
    for (int i = 0; i < RECEIVERS; i++)
        bl_go(receive, i);
    for (int i = 0; i < SLEEPERS; i++)
        bl_go(slumber);
    for (int i = 0; i < LOCKERS; i++)
        bl_go(want_lock);
    for (int i = 0; i < SPINNERS; i++)
        bl_go(spin);
    for (int i = 0; i < BLOCKERS; i++)
        bl_go(sit_in_kernel);
    for (volatile int i = 0; i < PANICS; i++)
        survive(i);
    bl_sleep(300000000);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int debug = 0; debug < (i == 0 ? 3 : 2); debug++)
            write_profile(argv[1], names[i], debug);
    return 0;
}
