/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/in.h - where a case runs: in a thread with a stack of the
 * wanted size, or in a child process whose end and stderr are looked at. */
#ifndef BELAY_TESTS_IN_H
#define BELAY_TESTS_IN_H

#include "../check.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define NOINLINE __attribute__((noinline))
#define UNUSED __attribute__((unused))

/* What the compiler must not see through. */
#define HIDE(x)                        \
    __extension__({                    \
        __typeof__((void)0, (x)) hidden_ = (x); \
        __asm__("" : "+r"(hidden_));   \
        hidden_;                       \
    })

/* Sanitizers make frames several times as large and everything slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static UNUSED void *
in_body(void *f)
{
    (*(void (**)(void))f)();
    return NULL;
}

/* Runs f in a thread of its own, with that much stack, and waits for it. */
static UNUSED void
in_thread(void (*f)(void), size_t stack)
{
    pthread_attr_t attr;
    pthread_t t;

    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attr, stack), 0);
    CHECK_EQ(pthread_create(&t, &attr, in_body, &f), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    pthread_attr_destroy(&attr);
}

struct ended {
    int status;       /* exit status; 128 + signal */
    char err[1 << 16]; /* what it wrote to stderr */
};

static struct ended ended;

static inline void
in_collect(int fd, pid_t pid)
{
    size_t n = 0;
    ssize_t got;
    int status;

    while ((got = read(fd, ended.err + n, sizeof ended.err - 1 - n)) > 0)
        n += (size_t)got;
    ended.err[n] = '\0';
    close(fd);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs f in a child process and fills `ended`.  A child whose f returns exits
 * with status 0; a CHECK that fails there is status 1 and tells in err. */
static UNUSED void
in_child(void (*f)(void))
{
    int fds[2];
    pid_t pid;

    CHECK_EQ(pipe(fds), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        alarm(60);
        f();
        _exit(0);
    }
    close(fds[1]);
    in_collect(fds[0], pid);
}

/* Whether the child's stderr begins with text. */
#define CHECK_BEGINS(text)                                                   \
    do {                                                                     \
        if (strncmp(ended.err, (text), strlen(text)) != 0) {                 \
            fprintf(stderr, "%s:%d: stderr is\n%s\nwant at its beginning\n%s\n", \
                    __FILE__, __LINE__, ended.err, (text));                  \
            _Exit(1);                                                        \
        }                                                                    \
    } while (0)

static UNUSED void
write_err(const char *text)
{
    CHECK_EQ(write(2, text, strlen(text)), (ssize_t)strlen(text));
}

static UNUSED double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A panic whose text is one word, from a function that the compiler can't see
 * into. */
static UNUSED NOINLINE void
boom(const char *word)
{
    if (HIDE(word))
        bl_panic("%s", word);
}

/* What deferred functions commonly do here: note what was recovered, or "nil". */
static UNUSED void
note_recovered(void)
{
    const bl_panic_info *p = bl_recover();

    NOTE(p ? p->text : "nil");
}

#endif
