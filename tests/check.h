/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/check.h - what a test program needs: it exits 0 when it has passed, 77
 * when it could not run, and says where and with which values it failed. */
#ifndef BELAY_TESTS_CHECK_H
#define BELAY_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _Exit(1);                                                      \
        }                                                                  \
    } while (0)

#define CHECK_EQ(got, want)                                                \
    do {                                                                   \
        long long got_ = (long long)(got), want_ = (long long)(want);      \
        if (got_ != want_) {                                               \
            fprintf(stderr, "%s:%d: %s is %lld, want %lld\n", __FILE__,    \
                    __LINE__, #got, got_, want_);                          \
            _Exit(1);                                                      \
        }                                                                  \
    } while (0)

#define CHECK_STR(got, want)                                               \
    do {                                                                   \
        const char *got_ = (got), *want_ = (want);                         \
        if (strcmp(got_, want_) != 0) {                                    \
            fprintf(stderr, "%s:%d: %s is\n%s\nwant\n%s\n", __FILE__,      \
                    __LINE__, #got, got_, want_);                          \
            _Exit(1);                                                      \
        }                                                                  \
    } while (0)

/* A trace of what ran, in order: NOTE("a"), then CHECK_TRACE("a b"). */
static char check_trace[1 << 16];
static size_t check_length;

/* Threads and goroutines may note at the same time. */
static char check_lock;

static inline void
check_begin(void)
{
    while (__atomic_test_and_set(&check_lock, __ATOMIC_ACQUIRE))
        ;
}

static inline void
check_end(void)
{
    __atomic_clear(&check_lock, __ATOMIC_RELEASE);
}

static inline void
NOTE(const char *word)
{
    size_t n = strlen(word);

    check_begin();
    if (check_length + n + 2 > sizeof check_trace)
        abort();
    if (check_length)
        check_trace[check_length++] = ' ';
    memcpy(check_trace + check_length, word, n + 1);
    check_length += n;
    check_end();
}

static inline void
NOTE_INT(int n)
{
    char buf[16];

    snprintf(buf, sizeof buf, "%d", n);
    NOTE(buf);
}

#define CHECK_TRACE(want)                     \
    do {                                      \
        check_begin();                        \
        CHECK_STR(check_trace, (want));       \
        check_length = 0;                     \
        check_trace[0] = '\0';                \
        check_end();                          \
    } while (0)

/* Runs a case and says which: RUN(D4_last_in_first_out). */
#define RUN(name)                                  \
    do {                                           \
        check_length = 0;                          \
        check_trace[0] = '\0';                     \
        if (getenv("BELAY_TEST_VERBOSE"))          \
            fprintf(stderr, "  %s\n", #name);      \
        name();                                    \
    } while (0)

#endif
