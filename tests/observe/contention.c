/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/contention.c FOLDER - waits of known number and length; writes the
 * profiles of block and mutex. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MS = 1000000, RECEIVES = 20, WAITERS = 5 };

static bl_chan *c;
static bl_mutex m;

#define STAY() __asm__ volatile("")

__attribute__((noinline)) static void
send_slowly(void)
{
    for (int i = 0; i < RECEIVES; i++) {
        bl_sleep(5 * MS);
        bl_chan_send(c, &i);
    }
}

__attribute__((noinline)) static void
receive_all(void)
{
    int v;

    for (int i = 0; i < RECEIVES; i++)
        bl_chan_recv(c, &v);
}

__attribute__((noinline)) static void
want(bl_waitgroup *all)
{
    bl_mutex_lock(&m);
    bl_mutex_unlock(&m);
    bl_waitgroup_done(all);
    STAY();
}

__attribute__((noinline)) static void
hold(void)
{
    bl_waitgroup all = {0};

    bl_waitgroup_add(&all, WAITERS);
    bl_mutex_lock(&m);
    for (int i = 0; i < WAITERS; i++)
        bl_go(want, &all);
    bl_sleep(50 * MS);
    bl_mutex_unlock(&m);
    bl_waitgroup_wait(&all);
}

static void
write_profile(const char *folder, const char *name, int debug)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/%s.%s", folder, name, debug ? "txt" : "pb.gz");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    bl_pprof_write(name, fd, debug);
    close(fd);
}

int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    c = bl_chan_new(sizeof(int), 0);
    hold(); /* before anything is measured: not in any profile */
    bl_set_block_profile_rate(1);
    if (bl_set_mutex_profile_fraction(1) != 0 || bl_set_mutex_profile_fraction(-1) != 1)
        return 3;
    bl_go(send_slowly);
    receive_all();
    hold();
    bl_set_block_profile_rate(0);
    bl_set_mutex_profile_fraction(0);
    hold();
    for (int debug = 0; debug < 2; debug++) {
        write_profile(argv[1], "block", debug);
        write_profile(argv[1], "mutex", debug);
    }
    return 0;
}
