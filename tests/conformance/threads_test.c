/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/threads_test.c - panics in many threads at once, in children
 * of fork, and through callbacks that C's library calls. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#include <search.h>

enum { THREADS = 8, TURNS = 3000 };

/* --- many threads (R29, R32, P22) ---------------------------------------- */

struct worker {
    long id, ran, recovered, faults;
    pthread_t thread;
};

static void
note_run(struct worker *w)
{
    w->ran++;
}

static void
recover_own(struct worker *w, long turn)
{
    const bl_panic_info *p = recover();

    w->ran++;
    if (!p)
        return;
    w->recovered++;
    if (p->kind == BL_PANIC_FAULT)
        w->faults++;
    else
        CHECK_EQ(p->value.as.integer, w->id * 1000000 + turn);
}

static NOINLINE void
work_deeper(struct worker *w, long turn, int n)
{
    returns_nothing {
        defer_call(note_run, w);
        if (n > 0) {
            work_deeper(w, turn, n - 1);
            leave;
        }
        if (turn % 3 == 0)
            *HIDE((volatile int *)NULL) = 1;
        else if (turn % 3 == 1)
            panic_with(bl_int(w->id * 1000000 + turn));
    }
}

static void
work_once(struct worker *w, long turn)
{
    returns_nothing {
        defer_call(recover_own, w, turn);
        work_deeper(w, turn, (int)(turn % 7));
    }
}

#ifndef __clang__
static long
work_once_block(struct worker *w, long turn)
{
    returns (long, r) {
        defer { w->ran++; };
        defer {
            const bl_panic_info *p = recover();

            r = p && p->kind == BL_PANIC_VALUE ? p->value.as.integer : -1;
        };
        work_deeper(w, turn, (int)(turn % 5));
    }
}
#else
static long
work_once_block(struct worker *w, long turn)
{
    work_once(w, turn);
    w->ran += turn % 5 - turn % 7;
    w->recovered -= turn % 3 != 2;
    w->faults -= turn % 3 == 0;
    return turn % 3 == 1 ? w->id * 1000000 + turn : -1;
}
#endif

static pthread_barrier_t start;

static void *
work(void *arg)
{
    struct worker *w = arg;

    pthread_barrier_wait(&start);
    for (long turn = 0; turn < TURNS; turn++) {
        work_once(w, turn);
        CHECK_EQ(work_once_block(w, turn),
                 turn % 3 == 1 ? w->id * 1000000 + turn : -1);
    }
    return NULL;
}

static long
want_runs(void)
{
    long n = 0;

    for (long turn = 0; turn < TURNS; turn++)
        n += turn % 7 + 2 + turn % 5 + 2;
    return n;
}

static void
R29_R32_P22_eight_threads_at_once(void)
{
    static struct worker workers[THREADS];

    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        workers[i].id = i + 1;
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECK_EQ(workers[i].ran, want_runs());
        CHECK_EQ(workers[i].recovered, TURNS / 3 * 2);
        CHECK_EQ(workers[i].faults, TURNS / 3);
    }
}

static void
recovers_in_thread(void)
{
    returns_nothing {
        defer_call(note_recovered);
        boom("thread");
    }
}

/* Threads come and go: what each had of Belay goes with it. */
static void
R32_two_thousand_short_threads(void)
{
    struct rusage before, after;

    for (int i = 0; i < 2000; i++) {
        in_thread(recovers_in_thread, 128 * 1024);
        CHECK_TRACE("thread");
        if (i == 100)
            getrusage(RUSAGE_SELF, &before);
    }
    getrusage(RUSAGE_SELF, &after);
    if (!SANITIZED)
        CHECK(after.ru_maxrss - before.ru_maxrss < 4096);
}

/* --- fork ---------------------------------------------------------------- */

static void
recovers_in_child(void)
{
    recovers_in_thread();
    in_thread(recovers_in_thread, MIB);
    CHECK_TRACE("thread thread");
    write_err("child was here");
}

static void
P1_child_of_fork_can_panic_and_recover(void)
{
    recovers_in_thread();
    CHECK_TRACE("thread");
    in_child(recovers_in_child);
    CHECK_EQ(ended.status, 0);
    CHECK_STR(ended.err, "child was here");
}

static void
child_in_thread(void)
{
    in_child(recovers_in_child);
}

static void
P1_child_forked_by_another_thread(void)
{
    in_thread(child_in_thread, MIB);
    CHECK_EQ(ended.status, 0);
    CHECK_STR(ended.err, "child was here");
}

/* The child inherits the panic under way and goes on with it on its own. */
static pid_t forked;

static void
fork_now(void)
{
    forked = fork();
    CHECK(forked >= 0);
}

static void
forks_in_deferred_code(void)
{
    returns_nothing {
        defer_call(note_recovered);
        defer_call(fork_now);
        boom("p");
    }
}

static void
P6_child_forked_while_panicking(void)
{
    int status;

    forks_in_deferred_code();
    if (forked == 0) {
        CHECK_TRACE("p");
        _exit(7);
    }
    CHECK_TRACE("p");
    CHECK_EQ(waitpid(forked, &status, 0), forked);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* --- callbacks ----------------------------------------------------------- */

static int comparisons;

static int
compare_some(const void *a, const void *b)
{
    if (++comparisons == 5)
        boom("compare");
    return *(const int *)a - *(const int *)b;
}

static int
compare_recovering(const void *a, const void *b)
{
    returns (int, r) {
        defer_call(recovers_in_thread);
        r = *(const int *)a - *(const int *)b;
    }
}

static int
compare_faulting(const void *a, const void *b)
{
    return *(const int *)a - *HIDE(b ? (const volatile int *)NULL : NULL);
}

typedef int comparison(const void *, const void *);

static int
sort_with(comparison *compare)
{
    returns (int, r) {
        int n[] = {5, 3, 8, 1, 9, 2, 7, 4, 6, 0};

        r = -1;
        defer_call(note_recovered);
        qsort(n, 10, sizeof n[0], compare);
        r = n[0] * 10 + n[9];
    }
}

static void
P1_R18_panic_through_qsort(void)
{
    comparisons = 0;
    CHECK_EQ(sort_with(compare_some), -1);
    CHECK_TRACE("compare");
    CHECK_EQ(sort_with(compare_faulting), -1);
    CHECK_TRACE("runtime error: invalid memory address or nil pointer dereference");
}

static void
R1_recovery_inside_a_callback(void)
{
    CHECK_EQ(sort_with(compare_recovering), 9);
    check_trace[14] = '\0';
    CHECK_TRACE("thread thread ");
}

static int
search_with(comparison *compare)
{
    returns (int, r) {
        static const int sorted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        const int *found;

        r = -1;
        defer_call(note_recovered);
        found = bsearch(&sorted[4], sorted, 9, sizeof sorted[0], compare);
        r = found ? *found : 0;
    }
}

static void
P1_R18_panic_through_bsearch(void)
{
    comparisons = -100;
    CHECK_EQ(search_with(compare_some), 5);
    comparisons = 4;
    CHECK_EQ(search_with(compare_some), -1);
    CHECK_TRACE("nil compare");
}

static size_t number_of_items = 3;

static int
find_with(comparison *compare)
{
    returns (int, r) {
        static const int items[] = {7, 8, 9};
        const int *found;

        r = -1;
        defer_call(note_recovered);
        found = lfind(&items[2], items, &number_of_items, sizeof items[0], compare);
        r = found ? *found : 0;
    }
}

static void
P1_R18_panic_through_lfind(void)
{
    comparisons = -100;
    CHECK_EQ(find_with(compare_some), 9);
    comparisons = 3;
    CHECK_EQ(find_with(compare_some), -1);
    CHECK_TRACE("nil compare");
}

int
main(void)
{
    RUN(R29_R32_P22_eight_threads_at_once);
    RUN(R32_two_thousand_short_threads);
    RUN(P1_child_of_fork_can_panic_and_recover);
    RUN(P1_child_forked_by_another_thread);
    RUN(P6_child_forked_while_panicking);
    RUN(P1_R18_panic_through_qsort);
    RUN(R1_recovery_inside_a_callback);
    RUN(P1_R18_panic_through_bsearch);
    RUN(P1_R18_panic_through_lfind);
    return 0;
}
