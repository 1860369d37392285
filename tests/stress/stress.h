/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/stress.h - what a stress program needs.
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct stress_random r;
 *
 *         stress_begin(argc, argv, "messages");
 *         while (stress_round(&r))
 *             one_round(&r);
 *         return stress_end(messages, "messages");
 *     }
 *
 * A program works in short rounds.  At the end of each everything it has started has
 * ended, and its invariants hold.  A round's choices come from the seed and the
 * round's number, so `--seed S --first N` begins with round N of the same run; what
 * the scheduler makes of them is chance, but for BELAYDEBUG=schedseed.
 *
 * When no round ends for --stall seconds somebody waits for ever: the watchdog says so,
 * waits a while for a debugger, and asks for every goroutine's stack by SIGQUIT.
 * Odd seeds have it in a thread, even ones in a signal handler: a process with threads
 * of its own is never said to be deadlocked, one without could be by mistake.
 *
 * Options: --seconds S, --seed N, --first ROUND, --rounds N, --stall S. */
#ifndef BELAY_STRESS_H
#define BELAY_STRESS_H

#include <belay/belay.h>
#include <belay/keywords.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRESS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRESS_SANITIZED 1
#endif
#endif
#ifndef STRESS_SANITIZED
#define STRESS_SANITIZED 0
#endif

#define STRESS_UNUSED __attribute__((unused))
#define STRESS_NOINLINE __attribute__((noinline))

enum {
    STRESS_DEBUGGER_S = 15, /* between saying that nothing goes on and SIGQUIT */
    STRESS_DUMP_S = 20,     /* for writing all stacks */
};

static struct {
    const char *name;
    double seconds;
    uint64_t seed;
    uint64_t first, rounds; /* 0: as many as there is time for */
    int stall_s;
    bool deterministic;     /* the clock is Belay's: it says nothing about lateness */
    double began;
    _Atomic uint64_t round; /* under way; 0: none yet */
    _Atomic bool failed;
    uint64_t seen_round;    /* the watchdog's */
    int quiet_s;            /* seconds since it has seen another one */
} stress = {.seconds = 5, .seed = 1, .first = 1, .stall_s = 30};

/* --- random numbers ------------------------------------------------------- */

/* Everybody has one's own, by value. */
struct stress_random {
    uint64_t state;
};

/* Steele, Lea, Flood 2014: splitmix64. */
static inline uint64_t
stress_next(struct stress_random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline struct stress_random
stress_split(struct stress_random *r)
{
    return (struct stress_random){stress_next(r)};
}

/* 0 to n - 1. */
static inline int
stress_below(struct stress_random *r, int n)
{
    return (int)(stress_next(r) % (uint64_t)n);
}

static inline int
stress_between(struct stress_random *r, int least, int most)
{
    return least + stress_below(r, most - least + 1);
}

static inline bool
stress_chance(struct stress_random *r, int percent)
{
    return stress_below(r, 100) < percent;
}

/* --- time ----------------------------------------------------------------- */

/* Seconds of the real clock, whatever bl_now() says. */
static inline double
stress_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static STRESS_UNUSED STRESS_NOINLINE void
stress_spin(double seconds)
{
    double until = stress_clock() + seconds;

    while (stress_clock() < until)
        ;
}

/* Mostly nothing; else something that lets others in. */
static STRESS_UNUSED void
stress_dawdle(struct stress_random *r)
{
    switch (stress_below(r, 24)) {
    case 0:
    case 1:
        gosched();
        break;
    case 2:
        bl_sleep(stress_below(r, 100000));
        break;
    case 3:
        for (int i = stress_below(r, 300); i > 0; i--)
            __asm__ volatile("");
        break;
    case 4:
        if (stress_chance(r, 5))
            usleep((useconds_t)stress_below(r, 300));
        break;
    }
}

/* --- failing -------------------------------------------------------------- */

static const char *
stress_environment(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

static void
stress_print_where(void)
{
    fprintf(stderr, "stress: %s, round %llu, --seed %llu, BELAYMAXPROCS=%s BELAYDEBUG=%s\n",
            stress.name, (unsigned long long)stress.round, (unsigned long long)stress.seed,
            stress_environment("BELAYMAXPROCS"), stress_environment("BELAYDEBUG"));
}

/* The first one to fail tells, with all stacks, and ends the process. */
static BL_NORETURN BL_COLD STRESS_UNUSED STRESS_NOINLINE void
stress_fail(const char *file, int line, const char *what)
{
    static char stacks[1 << 20];

    if (atomic_exchange(&stress.failed, true))
        for (;;)
            pause();
    signal(SIGALRM, SIG_DFL);
    alarm(STRESS_DUMP_S);
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    stress_print_where();
    fflush(NULL);
    bl_stack_all(stacks, sizeof stacks);
    fputs(stacks, stderr);
    fputc('\n', stderr);
    _Exit(1);
}

#define STRESS_CHECK(condition)                              \
    do {                                                     \
        if (!(condition))                                    \
            stress_fail(__FILE__, __LINE__, #condition);     \
    } while (0)

static BL_NORETURN BL_COLD STRESS_UNUSED STRESS_NOINLINE void
stress_fail_compare(const char *file, int line, const char *what, long long got,
                    long long want)
{
    char text[400];

    snprintf(text, sizeof text, "%s: %lld and %lld", what, got, want);
    stress_fail(file, line, text);
}

/* STRESS_COMPARE(sent, ==, received), with both values in the message. */
#define STRESS_COMPARE(got, op, want)                                        \
    do {                                                                     \
        long long got_ = (long long)(got), want_ = (long long)(want);        \
        if (!(got_ op want_))                                                \
            stress_fail_compare(__FILE__, __LINE__, #got " " #op " " #want,  \
                                got_, want_);                                \
    } while (0)

/* --- the watchdog --------------------------------------------------------- */

static void
stress_say_stalled(void)
{
    char text[200];
    int n = snprintf(text, sizeof text, "stress: %s: round %llu does not end (--seed %llu)\n",
                     stress.name, (unsigned long long)stress.round,
                     (unsigned long long)stress.seed);

    if (write(2, text, (size_t)n) != n)
        _Exit(3);
}

/* Once a second; what it calls may be called in a signal handler (glibc's snprintf
 * of plain integers can be). */
static void
stress_watch(void)
{
    uint64_t round = stress.round;

    if (round != stress.seen_round || stress.failed) {
        stress.seen_round = round;
        stress.quiet_s = 0;
        return;
    }
    stress.quiet_s++;
    if (stress.quiet_s == stress.stall_s)
        stress_say_stalled();
    if (stress.quiet_s == stress.stall_s + STRESS_DEBUGGER_S)
        kill(getpid(), SIGQUIT);
    if (stress.quiet_s >= stress.stall_s + STRESS_DEBUGGER_S + STRESS_DUMP_S)
        _Exit(3);
}

static void *
stress_watch_in_thread(void *unused)
{
    sigset_t all;

    (void)unused;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        sleep(1);
        stress_watch();
    }
    return NULL;
}

static void
stress_watch_in_handler(int sig)
{
    int saved = errno;

    (void)sig;
    stress_watch();
    errno = saved;
}

static void
stress_start_watchdog(void)
{
    struct sigaction sa = {.sa_handler = stress_watch_in_handler,
                           .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval every = {{1, 0}, {1, 0}};
    pthread_t thread;

    if (stress.seed % 2 == 0) {
        sigaction(SIGALRM, &sa, NULL);
        setitimer(ITIMER_REAL, &every, NULL);
    } else if (pthread_create(&thread, NULL, stress_watch_in_thread, NULL) != 0) {
        stress_fail(__FILE__, __LINE__, "no thread for the watchdog");
    }
}

/* --- rounds --------------------------------------------------------------- */

static void
stress_set(const char *option, const char *value)
{
    if (strcmp(option, "--seconds") == 0)
        stress.seconds = strtod(value, NULL);
    else if (strcmp(option, "--seed") == 0)
        stress.seed = strtoull(value, NULL, 10);
    else if (strcmp(option, "--first") == 0)
        stress.first = strtoull(value, NULL, 10);
    else if (strcmp(option, "--rounds") == 0)
        stress.rounds = strtoull(value, NULL, 10);
    else if (strcmp(option, "--stall") == 0)
        stress.stall_s = atoi(value);
    else {
        fprintf(stderr, "%s: unknown option %s\n", stress.name, option);
        exit(2);
    }
}

static void
stress_begin(int argc, char **argv, const char *name)
{
    stress.name = name;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "%s: %s needs a value\n", name, argv[i]);
            exit(2);
        }
        stress_set(argv[i], argv[i + 1]);
    }
    stress.deterministic = strstr(stress_environment("BELAYDEBUG"), "schedseed=") != NULL;
    stress.began = stress_clock();
    stress_start_watchdog();
}

/* Until main is the only goroutine: those of the last round have all ended, though
 * perhaps not yet gone. */
static void
stress_wait_until_alone(void)
{
    while (bl_num_goroutine() > 1)
        bl_sleep(50 * BL_MICROSECOND);
}

/* Whether there is time for another round; *r is for its choices. */
static bool
stress_round(struct stress_random *r)
{
    uint64_t round = stress.round;

    stress_wait_until_alone();
    round = round == 0 ? stress.first : round + 1;
    if (stress_clock() - stress.began >= stress.seconds ||
        (stress.rounds && round - stress.first >= stress.rounds))
        return false;
    *r = (struct stress_random){stress.seed * UINT64_C(0x9fb21c651e98df25) + round};
    stress_next(r);
    stress.round = round;
    return true;
}

static int
stress_end(uint64_t count, const char *what)
{
    printf("%s: %llu rounds, %llu %s, %.1f s\n", stress.name,
           (unsigned long long)(stress.round ? stress.round - stress.first + 1 : 0),
           (unsigned long long)count, what, stress_clock() - stress.began);
    return 0;
}

/* Memory that no round can go on without. */
static STRESS_UNUSED void *
stress_make(size_t n, size_t bytes)
{
    void *p = calloc(n, bytes);

    if (!p)
        stress_fail(__FILE__, __LINE__, "out of memory");
    return p;
}

#endif
