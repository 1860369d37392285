/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* exit_test.c - the ways a process ends: F1, F2, F3, F4, F5, P2, P3,
 * P28, R36.  Each case is a process of its own.  (F6 to F19 belong to sync and the scheduler;
 * stack overflow, F9, and what reports look like are in tests/crash.) */
#include "../check.h"

#include <belay/belay.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- scaffolding ---------------------------------------------------------- */

static char out[8192];

/* Runs f in a process of its own.  Returns its status (128 + signal if killed);
 * what it wrote to stderr is in out. */
static int
run_in_child(void (*f)(void))
{
    int ends[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        f();
        _exit(100);
    }
    close(ends[1]);
    while (used < sizeof out - 1 &&
           (n = read(ends[0], out + used, sizeof out - 1 - used)) > 0)
        used += (size_t)n;
    out[used] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The report's text up to its first empty line. */
static const char *
head(void)
{
    char *end = strstr(out, "\n\n");

    if (end)
        *end = '\0';
    return out;
}

static void
say(const char *text)
{
    (void)!write(2, text, strlen(text));
}

static void
recover_and_say(void)
{
    say(bl_recover() ? "recovered\n" : "nil\n");
}

/* --- exit ------------------------------------------------------------------- */

static void *
waits_deferring(void *ready)
{
    bl_returns (void *, r) {
        bl_defer_call(say, "the thread's\n");
        pthread_barrier_wait(ready);
        for (;;)
            pause();
        r = ready;
    }
}

static void
start_waiting_thread(void)
{
    static pthread_barrier_t ready;
    pthread_t t;

    pthread_barrier_init(&ready, NULL, 2);
    CHECK_EQ(pthread_create(&t, NULL, waits_deferring, &ready), 0);
    pthread_barrier_wait(&ready);
}

/* main's return calls exit, so does this. */
static void
returns_from_main(void)
{
    start_waiting_thread();
    exit(0);
}

static void
F1_return_from_main(void)
{
    CHECK_EQ(run_in_child(returns_from_main), 0);
    CHECK_STR(out, "");
}

static void
exits_in_body(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred\n");
        start_waiting_thread();
        exit(300);
    }
}

static void
F2_exit_runs_no_deferred_call(void)
{
    CHECK_EQ(run_in_child(exits_in_body), 300 % 256);
    CHECK_STR(out, "");
}

static void
exits_in_defer(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "later\n");
        bl_defer_call(exit, 3);
        bl_defer_call(say, "sooner\n");
        bl_panic("A");
    }
}

static void
F2_F3_exit_in_a_deferred_call(void)
{
    CHECK_EQ(run_in_child(exits_in_defer), 3);
    CHECK_STR(out, "sooner\n");
}

static void
aborts(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred\n");
        abort();
    }
}

static void
F2_abort_runs_no_deferred_call(void)
{
    CHECK_EQ(run_in_child(aborts), 128 + SIGABRT);
    CHECK_STR(out, "");
}

/* --- functions that exit calls ------------------------------------------------ */

static void
panics_and_recovers(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        bl_panic("A");
    }
}

static void
panics(void)
{
    bl_panic("at exit");
}

static void
recovers_at_exit(void)
{
    atexit(panics_and_recovers);
    exit(0);
}

static void
panics_at_exit(void)
{
    atexit(panics);
    exit(0);
}

static void
F2_functions_at_exit_may_panic(void)
{
    CHECK_EQ(run_in_child(recovers_at_exit), 0);
    CHECK_STR(out, "recovered\n");
    CHECK_EQ(run_in_child(panics_at_exit), 2);
    CHECK_STR(head(), "panic: at exit");
}

/* P28: before main. */
static void
panics_in_constructor(void)
{
    setenv("BELAY_TEST_CONSTRUCTOR", "1", 1);
    execl("/proc/self/exe", "exit_test", (char *)NULL);
}

__attribute__((constructor)) static void
constructor(void)
{
    if (getenv("BELAY_TEST_CONSTRUCTOR"))
        bl_panic("before main");
}

static void
P28_before_main(void)
{
    CHECK_EQ(run_in_child(panics_in_constructor), 2);
    CHECK_STR(head(), "panic: before main");
}

/* --- uncaught panics ----------------------------------------------------------- */

static void *
thread_panics(void *arg)
{
    bl_returns (void *, r) {
        bl_defer_call(say, "the thread's\n");
        bl_panic("A");
        r = arg;
    }
}

static void
thread_dies(void)
{
    bl_returns_nothing {
        pthread_t t;

        bl_defer_call(say, "main's\n");
        pthread_create(&t, NULL, thread_panics, NULL);
        for (;;)
            pause();
    }
}

static void
P2_P3_any_thread_ends_the_process(void)
{
    CHECK_EQ(run_in_child(thread_dies), 2);
    CHECK_STR(head(), "the thread's\npanic: A");
}

/* Buffers of stdio are not flushed, as with Go's bufio. */
static void
buffers_and_panics(void)
{
    static char buffer[256];

    setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
    atexit(panics_and_recovers);
    fprintf(stderr, "buffered\n");
    bl_panic("A");
}

static void
P2_nothing_runs_behind_the_report(void)
{
    CHECK_EQ(run_in_child(buffers_and_panics), 2);
    CHECK_STR(head(), "panic: A");
}

/* --- fatal errors ---------------------------------------------------------------- */

static void
dies(void)
{
    bl_fatal("no more %s", "luck");
}

static void
dies_deferring(void)
{
    bl_returns_nothing {
        bl_defer_call(recover_and_say);
        dies();
    }
}

static void
F5_R36_fatal_ignores_defers_and_recover(void)
{
    CHECK_EQ(run_in_child(dies_deferring), 2);
    CHECK_STR(head(), "fatal error: no more luck");
}

static void
dies_in_defer(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "later\n");
        bl_defer_call(dies);
        bl_panic("A");
    }
}

static void
F5_V4_fatal_in_a_panic(void)
{
    CHECK_EQ(run_in_child(dies_in_defer), 2);
    CHECK_STR(head(), "panic: A\n\tfatal error: no more luck");
}

static void
logs_fatally(void)
{
    bl_returns_nothing {
        bl_defer_call(say, "deferred\n");
        say("cannot go on\n");
        exit(1);
    }
}

/* F4: log.Fatal is print and exit, in C as well. */
static void
F4_log_and_exit(void)
{
    CHECK_EQ(run_in_child(logs_fatally), 1);
    CHECK_STR(out, "cannot go on\n");
}

/* --- threads ended by others ------------------------------------------------------ */

#ifndef __clang__ /* needs landing pads */
static void *
ends_by_pthread_exit(void *arg)
{
    bl_returns (void *, r) {
        bl_defer_call(NOTE, "deferred");
        pthread_exit(arg);
        r = arg;
    }
}

/* pthread_exit is an unwinding of its own: what is deferred runs. */
static void
F2_pthread_exit_runs_deferred_calls(void)
{
    pthread_t t;
    void *result;

    CHECK_EQ(pthread_create(&t, NULL, ends_by_pthread_exit, &result), 0);
    CHECK_EQ(pthread_join(t, &result), 0);
    CHECK_TRACE("deferred");
}
#endif

int
main(void)
{
    RUN(F1_return_from_main);
    RUN(F2_exit_runs_no_deferred_call);
    RUN(F2_F3_exit_in_a_deferred_call);
    RUN(F2_abort_runs_no_deferred_call);
    RUN(F2_functions_at_exit_may_panic);
    RUN(P28_before_main);
    RUN(P2_P3_any_thread_ends_the_process);
    RUN(P2_nothing_runs_behind_the_report);
    RUN(F4_log_and_exit);
    RUN(F5_R36_fatal_ignores_defers_and_recover);
    RUN(F5_V4_fatal_in_a_panic);
#ifndef __clang__
    RUN(F2_pthread_exit_runs_deferred_calls);
#endif
    return 0;
}
