/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/undisturbed.c - goroutines that sleep in system calls while profiles are
 * taken: none is woken early, and each profile has their stacks and deferred calls. */
#define _GNU_SOURCE
#include <belay/belay.h>
#include <belay/pprof.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { EACH = 3, KINDS = 4, PROFILES = 10, SECONDS = 3 };

static _Atomic int early, done;

/* No tail call: the function is to be on the stack. */
static int
kept(int result)
{
    __asm__ volatile("" : "+r"(result));
    return result;
}

static void
nothing(int i)
{
    (void)i;
}

__attribute__((noinline)) static int
in_nanosleep(void)
{
    return kept(nanosleep(&(struct timespec){.tv_sec = SECONDS}, NULL));
}

__attribute__((noinline)) static int
in_poll(void)
{
    return kept(poll(NULL, 0, SECONDS * 1000));
}

__attribute__((noinline)) static int
in_select(void)
{
    struct timeval t = {.tv_sec = SECONDS};

    return kept(select(0, NULL, NULL, NULL, &t));
}

/* A frame whose size the compiler does not know: found by the frame pointer. */
__attribute__((noinline)) static int
in_sleep(void)
{
    volatile size_t size = 1000;
    char *room = __builtin_alloca(size);

    memset(room, 1, size);
    return (int)sleep(SECONDS) + (room[0] != 1);
}

static void
one(int (*wait)(void))
{
    bl_returns_nothing {
        for (int i = 0; i < 5; i++)
            bl_defer_call(nothing, i);
        if (wait() != 0)
            early++;
        done++;
    }
}

static char *
take(const char *name, int debug)
{
    static char text[1 << 20];
    int fd = memfd_create("profile", 0);
    ssize_t n;

    if (bl_pprof_write(name, fd, debug) != 0)
        perror("bl_pprof_write");
    n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return text;
}

static int
check(bool is_so, const char *what, const char *text)
{
    if (!is_so)
        printf("FAIL %s in:\n%s\n", what, text);
    return !is_so;
}

int
main(void)
{
    static int (*const kinds[KINDS])(void) = {in_nanosleep, in_poll, in_select, in_sleep};
    static const char *const names[KINDS] = {"in_nanosleep", "in_poll", "in_select",
                                             "in_sleep"};
    int failed = 0;

    bl_gomaxprocs(EACH * KINDS + 1);
    for (int i = 0; i < EACH * KINDS; i++)
        bl_go(one, kinds[i % KINDS]);
    usleep(100000);
    for (int i = 0; i < PROFILES && !failed && done == 0; i++) {
        const char *text = take("goroutine", 2);

        for (int k = 0; k < KINDS; k++)
            failed += check(strstr(text, names[k]) != NULL, names[k], text);
        text = take("defer", 1);
        failed += check(strstr(text, "defer profile: total 60\n") != NULL, "all 60", text);
    }
    failed += check(done == 0, "it was fast enough", "");
    while (done < EACH * KINDS)
        usleep(10000);
    printf("%d of %d ended early\n", early, EACH * KINDS);
    return failed || early ? 1 : 0;
}
