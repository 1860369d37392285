/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* gdb/program.c - goroutines of all kinds, for gdb_test.sh to look at. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <stdlib.h>

static chan_of(int) never;

static int
wait_here(int depth, const char *what)
{
    volatile int local = depth * 11;

    if (depth > 0)
        return wait_here(depth - 1, what) + local;
    return bl_recv(never) + what[0] + local;
}

static void
receiver(const char *what)
{
    wait_here(3, what);
}

static void
sleeper(void)
{
    bl_sleep(BL_HOUR);
}

static void
selector(void)
{
    int v;

    bl_select(on_recv(never, &v), on_recv(never, &v));
}

static void
ready(void)
{
    gosched();
}

/* Everybody else waits by now, but for one that has not begun. */
void
stop_here(int argc)
{
    if (argc > 1)
        abort();
}

int
main(int argc, char **argv)
{
    (void)argv;
    never = chan_make(int, 0);
    bl_go_with(((bl_go_options){.name = "the receiver"}), receiver, "hello");
    go(sleeper);
    go(selector);
    bl_go_with(((bl_go_options){.stack_bytes = 1 << 20}), selector);
    bl_sleep(20 * BL_MILLISECOND);
    go(ready);
    stop_here(argc);
    return 0;
}
