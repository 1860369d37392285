/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/served.c [ADDRESS [TOKEN]] - serves profiles while every worker computes;
 * prints the port; ends when its input does.  Without ADDRESS it leaves serving to
 * BELAYDEBUG.  Told "c" it prints how much has been computed; "f": it makes a child, which
 * stays for a while and does nothing, and prints its id. */
#include <belay/belay.h>
#include <belay/pprof.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SPINNERS_MOST = 64, CHILD_S = 5 };

static volatile unsigned long sink, computed[SPINNERS_MOST];
static bl_chan *never;

__attribute__((noinline)) static void
spin(int i)
{
    for (;; computed[i]++)
        sink = sink * 3 + 1;
}

static void
print_computed(void)
{
    unsigned long sum = 0;

    for (int i = 0; i < SPINNERS_MOST; i++)
        sum += computed[i];
    printf("%lu\n", sum);
}

static void
make_child(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        sleep(CHILD_S);
        _exit(0);
    }
    printf("%d\n", (int)pid);
}

static void
obey(char command)
{
    if (command == 'c')
        print_computed();
    else if (command == 'f')
        make_child();
    fflush(stdout);
}

__attribute__((noinline)) static void
labelled(const char *value)
{
    int v;

    bl_labels *old = bl_labels_set("request", value);
    bl_labels_set("a \"b\"", "c\\");
    bl_chan_recv(never, &v);
    bl_labels_restore(old);
}

__attribute__((noinline)) static void
open_session(bl_profile *sessions, const void *thing)
{
    bl_profile_add(sessions, thing, 0);
}

int
main(int argc, char **argv)
{
    bl_pprof_options options = {.token = argc > 2 ? argv[2] : NULL};
    static const char things[3];
    bl_profile *sessions = bl_profile_new("sessions");
    char c;
    int port = 0;

    never = bl_chan_new(sizeof(int), 0);
    for (int i = 0; i < bl_gomaxprocs(0) * 2 && i < SPINNERS_MOST; i++)
        bl_go(spin, i);
    for (int i = 0; i < 5; i++)
        bl_go(labelled, "number one");
    for (int i = 0; i < 3; i++)
        open_session(sessions, &things[i]);
    bl_profile_remove(sessions, &things[1]);
    bl_sleep(50000000);
    if (argc > 1)
        port = bl_pprof_serve_with(argv[1], &options);
    if (port < 0) {
        printf("%s\n", strerror(-port));
        return 3;
    }
    printf("%d\n", port);
    fflush(stdout);
    while (read(0, &c, 1) > 0)
        obey(c);
    bl_pprof_stop_serving();
    return 0;
}
