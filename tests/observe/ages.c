/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/ages.c FOLDER - deferred calls whose ages are known, most of them in
 * goroutines that never wait for long; writes the profile "defer" into FOLDER each
 * 1.2 seconds, thrice as text, and then twice as protobuf. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bl_chan *never;
static _Atomic bool done;

static void
release_early(int n)
{
    (void)n;
}

static void
release_waiting(int n)
{
    (void)n;
}

static void
release_outer(int n)
{
    (void)n;
}

static void
release_brief(int n)
{
    (void)n;
}

static void
release_leaked(int n)
{
    (void)n;
}

static void
release_late(int n)
{
    (void)n;
}

/* Its age is known from the wait alone. */
__attribute__((noinline)) static void
wait_long(int n)
{
    bl_returns_nothing {
        bl_defer_call(release_waiting, n);
        bl_chan_recv(never, &n);
    }
}

/* Each time at the same place of the stack and of the arena. */
__attribute__((noinline)) static void
handle(int n)
{
    bl_returns_nothing {
        bl_defer_call(release_brief, n);
        bl_sleep(20 * BL_MILLISECOND);
    }
}

__attribute__((noinline)) static void
serve(int n)
{
    bl_returns_nothing {
        bl_defer_call(release_outer, n);
        while (!done)
            handle(n);
    }
}

/* The first is old, the last is not, and there are more all the time. */
__attribute__((noinline)) static void
leak(int n)
{
    bl_returns_nothing {
        bl_defer_call(release_early, n);
        while (!done) {
            bl_defer_call(release_leaked, n);
            bl_sleep(20 * BL_MILLISECOND);
        }
    }
}

__attribute__((noinline)) static void
come_late(int n)
{
    bl_returns_nothing {
        bl_defer_call(release_late, n);
        while (!done)
            bl_sleep(20 * BL_MILLISECOND);
    }
}

static void
write_profile(const char *folder, int i, int debug)
{
    char path[4096];
    int fd, error;

    snprintf(path, sizeof path, "%s/%d.%s", folder, i, debug ? "txt" : "pb.gz");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    error = bl_pprof_write("defer", fd, debug);
    close(fd);
    if (error) {
        fprintf(stderr, "%s: %s\n", path, strerror(-error));
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    never = bl_chan_new(sizeof(int), 0);
    bl_go(wait_long, 1);
    bl_go(serve, 2);
    bl_go(leak, 3);
    bl_sleep(1200 * BL_MILLISECOND);
    for (int i = 0; i < 3; i++) {
        write_profile(argv[1], i, 1);
        if (i == 1)
            bl_go(come_late, 4);
        if (i < 2)
            bl_sleep(1200 * BL_MILLISECOND);
    }
    write_profile(argv[1], 2, 0);
    bl_sleep(1200 * BL_MILLISECOND);
    write_profile(argv[1], 3, 0);
    done = true;
    return 0;
}
