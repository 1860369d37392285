/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/assert.c - what is held, compared, panicked with and died of. */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool
bl__test_holds(bl_test *t, const char *file, int line, bool holds, const char *condition)
{
    if (!holds)
        bl__test_say(t, BL__TEST_ERROR, file, line, "it does not hold: %s", condition);
    return holds;
}

/* --- values ------------------------------------------------------------------------ */

static bool
is_integer(bl_value v)
{
    return v.kind == BL_VALUE_INT || v.kind == BL_VALUE_UINT || v.kind == BL_VALUE_BOOL;
}

/* -1 is not the same as the unsigned number with its bits. */
static bool
same_integers(bl_value a, bl_value b)
{
    uint64_t x = a.kind == BL_VALUE_BOOL ? a.as.boolean : a.as.unsigned_integer;
    uint64_t y = b.kind == BL_VALUE_BOOL ? b.as.boolean : b.as.unsigned_integer;
    bool x_negative = a.kind == BL_VALUE_INT && a.as.integer < 0;
    bool y_negative = b.kind == BL_VALUE_INT && b.as.integer < 0;

    return x == y && x_negative == y_negative;
}

static double
number_of(bl_value v)
{
    switch (v.kind) {
    case BL_VALUE_BOOL:
        return v.as.boolean;
    case BL_VALUE_INT:
        return (double)v.as.integer;
    case BL_VALUE_UINT:
        return (double)v.as.unsigned_integer;
    default:
        return v.as.real;
    }
}

static bool
same_values(bl_value a, bl_value b)
{
    if (is_integer(a) && is_integer(b))
        return same_integers(a, b);
    if ((is_integer(a) || a.kind == BL_VALUE_FLOAT) &&
        (is_integer(b) || b.kind == BL_VALUE_FLOAT))
        return number_of(a) == number_of(b);
    if (a.kind == BL_VALUE_STRING && b.kind == BL_VALUE_STRING && a.as.string && b.as.string)
        return strcmp(a.as.string, b.as.string) == 0;
    if (is_integer(a) || is_integer(b) || a.kind == BL_VALUE_FLOAT || b.kind == BL_VALUE_FLOAT)
        return false;
    return a.as.pointer == b.as.pointer; /* strings may be NULL */
}

static void
describe(bl_value v, char *buf, size_t size)
{
    switch (v.kind) {
    case BL_VALUE_BOOL:
        snprintf(buf, size, "%s", v.as.boolean ? "true" : "false");
        break;
    case BL_VALUE_INT:
        snprintf(buf, size, "%" PRId64, v.as.integer);
        break;
    case BL_VALUE_UINT:
        snprintf(buf, size, "%" PRIu64, v.as.unsigned_integer);
        break;
    case BL_VALUE_STRING:
        snprintf(buf, size, v.as.string ? "\"%.400s\"" : "NULL", v.as.string);
        break;
    case BL_VALUE_POINTER:
        snprintf(buf, size, "%p", v.as.pointer);
        break;
    default:
        snprintf(buf, size, "%.17g", v.as.real);
        break;
    }
}

bool
bl__test_same(bl_test *t, const char *file, int line, const char *what, bl_value got,
              bl_value want)
{
    char is[512], should[512];

    if (same_values(got, want))
        return true;
    describe(got, is, sizeof is);
    describe(want, should, sizeof should);
    bl__test_say(t, BL__TEST_ERROR, file, line, "%s is %s, want %s", what, is, should);
    return false;
}

/* --- panics ------------------------------------------------------------------------ */

struct attempt {
    bool panicked;
    char text[1024];
};

static void
catch_panic(struct attempt *a)
{
    const bl_panic_info *p = bl_recover();

    a->panicked = p != NULL;
    if (p)
        bl_panic_text(p, a->text, sizeof a->text);
}

static void
call_and_catch(void (*f)(void *arg), void *arg, struct attempt *a)
{
    bl_returns_nothing {
        bl_defer_call(catch_panic, a);
        f(arg);
    }
}

bool
bl__test_panics(bl_test *t, const char *file, int line, const char *what,
                void (*f)(void *arg), void *arg, const char *text)
{
    struct attempt a = {0};

    call_and_catch(f, arg, &a);
    if (!a.panicked)
        bl__test_say(t, BL__TEST_ERROR, file, line, "%s did not panic", what);
    else if (text && !strstr(a.text, text))
        bl__test_say(t, BL__TEST_ERROR, file, line, "%s panicked with \"%s\", want \"%s\"",
                     what, a.text, text);
    else
        return true;
    return false;
}

/* --- death ------------------------------------------------------------------------- */

static void
call_and_exit(void (*f)(void *arg), void *arg)
{
    f(arg);
    fflush(NULL);
    _exit(0);
}

/* In a goroutine of its own: a panic would run the test's deferred code here, too. */
static BL_NORETURN void
die_in(int output, void (*f)(void *arg), void *arg)
{
    bl_waitgroup never = {0};

    bl__kit_be_silent();
    dup2(output, 1);
    dup2(output, 2);
    close(output);
    bl_waitgroup_add(&never, 1);
    bl_go(call_and_exit, f, arg);
    for (;;)
        bl_waitgroup_wait(&never);
}

/* What pid prints, until its end; *status as waitpid() gives it. */
static char *
await(pid_t pid, int output, int *status)
{
    struct bl__kit_text said = {0};
    char buf[4096];
    ssize_t n;

    bl__watch_quiet++;
    while ((n = read(output, buf, sizeof buf)) != 0) {
        if (n > 0)
            bl__kit_add(&said, buf, (size_t)n);
        else if (errno != EINTR)
            break;
    }
    close(output);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    bl__kit_add(&said, "", 0);
    bl__watch_quiet--;
    return said.bytes;
}

bool
bl__test_dies(bl_test *t, const char *file, int line, const char *what,
              void (*f)(void *arg), void *arg, const char *text)
{
    int output[2], status = 0;
    char *said;
    pid_t pid;
    bool lives;

    fflush(NULL);
    if (pipe2(output, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        bl__test_say(t, BL__TEST_ERROR, file, line, "no process for %s: %s", what,
                     strerror(errno));
        return false;
    }
    if (pid == 0)
        die_in(output[1], f, arg);
    close(output[1]);
    said = await(pid, output[0], &status);
    lives = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (lives)
        bl__test_say(t, BL__TEST_ERROR, file, line, "%s did not die", what);
    else if (text && !strstr(said, text))
        bl__test_say(t, BL__TEST_ERROR, file, line, "%s died without saying \"%s\":\n%s", what,
                     text, said);
    bl__watch_quiet++;
    lives = lives || (text && !strstr(said, text));
    free(said);
    bl__watch_quiet--;
    return !lives;
}
