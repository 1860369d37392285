/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/concurrent.h - for tests with goroutines: what a function panics with,
 * how a process ends, when everything has come to rest. */
#ifndef BELAY_TESTS_CONCURRENT_H
#define BELAY_TESTS_CONCURRENT_H

#include "check.h"

#include <belay/belay.h>
#include <belay/keywords.h>
#include <sys/wait.h>
#include <unistd.h>

static __attribute__((unused)) void
concurrent_note_panic(char *text)
{
    const bl_panic_info *p = recover();

    if (p)
        bl_panic_text(p, text, 200);
}

/* What f panics with, "" if it does not. */
static __attribute__((unused)) const char *
panic_of(void (*f)(void))
{
    static char text[200];

    text[0] = '\0';
    returns (const char *, result) {
        result = text;
        defer_call(concurrent_note_panic, text);
        f();
    }
}

static char fatal_text[16384]; /* what the last child has said */

/* Runs f in a child: it must end with status 2, and first say `want`. */
static __attribute__((unused)) void
check_fatal(void (*f)(void), const char *want)
{
    char *got = fatal_text;
    size_t n = 0;
    ssize_t r;
    int fd[2], status;
    pid_t child;

#if defined(__SANITIZE_THREAD__)
    if (strstr(want, "asleep") || strstr(want, "deadlock"))
        return; /* its own thread could always wake somebody, for all we know */
#endif
    CHECK(pipe(fd) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(fd[1], 2);
        close(fd[0]);
        close(fd[1]);
        alarm(20);
        f();
        _exit(0);
    }
    close(fd[1]);
    while (n < sizeof fatal_text - 1 &&
           (r = read(fd[0], got + n, sizeof fatal_text - 1 - n)) > 0)
        n += (size_t)r;
    for (char rest[4096]; read(fd[0], rest, sizeof rest) > 0;)
        ;
    close(fd[0]);
    CHECK(waitpid(child, &status, 0) == child);
    got[n] = '\0';
    if (strncmp(got, want, strlen(want)) != 0) {
        fprintf(stderr, "said\n%s\nwant\n%s\n", got, want);
        _Exit(1);
    }
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 2);
}

/* Whether some other goroutine runs, or could. */
static inline bool
is_anyone_active(void)
{
    static char text[1 << 16];
    int n = 0;

    bl_stack_all(text, sizeof text);
    for (const char *at = text; (at = strstr(at, " [run")) != NULL; at++)
        n++; /* the caller is one */
    return n > 1;
}

/* Until every other goroutine is blocked, for all that can be seen from here. */
static __attribute__((unused)) void
settle(void)
{
    for (int i = 0; i < 20; i++)
        gosched();
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    bl_sleep(20 * BL_MILLISECOND);
#else
    bl_sleep(2 * BL_MILLISECOND);
#endif
    for (int i = 0; i < 1000 && is_anyone_active(); i++)
        bl_sleep(BL_MILLISECOND);
}

#endif
