/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* case.h - a program of many ways to die; the argument says which.
 *
 * PROGRAM.want says how each of them has to end; crash_test.sh runs and compares
 * them.  A line of source that bears a mark like `@here` in a comment is printed
 * as `{here}` instead of its number, so a test can insist on a line. */
#ifndef BELAY_TESTS_CRASH_CASE_H
#define BELAY_TESTS_CRASH_CASE_H

#include <belay/belay.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every function is to be a frame of its own at every optimisation level. */
#define FRAME __attribute__((noinline, noclone, noipa))
#ifdef __clang__
#undef FRAME
#define FRAME __attribute__((noinline, optnone))
#endif

struct crash_case {
    const char *name;
    void (*run)(void);
};

#define CASES(...)                                                     \
    static const struct crash_case cases[] = {__VA_ARGS__};            \
    int main(int argc, char **argv)                                    \
    {                                                                  \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {  \
            if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {     \
                cases[i].run();                                        \
                return 0;                                              \
            }                                                          \
        }                                                              \
        fprintf(stderr, "no such case\n");                             \
        return 99;                                                     \
    }

/* Says on stderr that this place was reached. */
static inline void
say(const char *what)
{
    (void)!write(2, what, strlen(what));
    (void)!write(2, "\n", 1);
}

#endif
