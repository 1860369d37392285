/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/explore.c - bl_assert_no_leaks() and bl_assert_defers_run(): a function is
 * called again and again, watched, each time with one thing going wrong.
 *
 * What is proven: in every run whatever was acquired by calls that watch.c sees, or told
 * of, was released once, things other than memory in the reverse order.  Not proven: what
 * a defer that releases nothing does; runs in which two things go wrong; places that
 * neither call the C library nor bl_step(). */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RUNS = 10000, SETTLE_MS = 1000, SHOWN = 4 };

struct explore {
    bl_test *t;
    const char *file;
    int line;
    const char *what; /* f's name */
    void (*f)(void *arg);
    void *arg;
    bool ordered;
    unsigned runs;
    uint64_t acquired; /* in all runs */
    bool idle;         /* there was an undisturbed run in which nothing was acquired */
};

/* What goes wrong in a run: the n-th of what the mask says. */
struct plan {
    unsigned mask;
    long n; /* 0: nothing */
    enum bl__force force;
};

struct run {
    struct explore *x;
    const struct plan *plan;
    bool done;              /* what was to go wrong has */
    char panic[256];        /* f was left by it; "": not by one */
    int64_t goroutines;     /* left behind */
    int64_t contexts;
    int64_t descriptors;    /* left behind, and not seen by watch.c */
    struct bl__watch_result result;
};

/* --- one run ------------------------------------------------------------------------ */

static int64_t
count_descriptors(void)
{
    int64_t n = 0;
    DIR *d;

    bl__watch_quiet++;
    d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    bl__watch_quiet--;
    return n;
}

/* However f was left. */
static void
note_end(struct run *run)
{
    const bl_panic_info *p = bl_recover();

    run->done = bl__order_stop();
    if (p)
        bl_panic_text(p, run->panic, sizeof run->panic);
}

static void
call(void *arg)
{
    struct run *run = arg;
    const struct plan *plan = run->plan;

    bl_returns_nothing {
        bl_defer_call(note_end, run);
        bl__order_set(plan->mask, plan->n, 0, plan->force);
        run->x->f(run->x->arg);
    }
}

/* Waits for goroutines that end by themselves, a second at most.  Without a timer: those
 * take memory, and are the test's to see; but where time is not real there must be one. */
static void
settle(int64_t goroutines)
{
    uint64_t seed, hash;
    bool real = !bl__sched_trace(&seed, &hash);

    for (int i = 0; i < SETTLE_MS && bl_num_goroutine() > goroutines; i++) {
        bl_gosched();
        if (!real)
            bl_sleep(BL_MILLISECOND);
        else if (i > 10)
            usleep(1000);
    }
}

/* In a goroutine of its own: it may be ended. */
static void
run_once(struct run *run)
{
    int64_t goroutines = bl_num_goroutine(), descriptors;
    int64_t contexts = (int64_t)bl__contexts_live(NULL, 0);
    bl_waitgroup wg = {0};

    bl__calls_prepare();
    descriptors = count_descriptors();
    bl__watch_begin(run->x->ordered);
    bl_waitgroup_go(&wg, call, run);
    bl_waitgroup_wait(&wg);
    settle(goroutines);
    bl__watch_end(&run->result);
    bl__kit_doing(NULL);
    run->goroutines = bl_num_goroutine() - goroutines;
    run->contexts = (int64_t)bl__contexts_live(NULL, 0) - contexts;
    run->descriptors = count_descriptors() - descriptors;
    run->x->runs++;
    run->x->acquired += run->result.acquired;
    run->x->idle = run->x->idle || (!run->done && run->result.acquired == 0);
}

/* --- what was wrong ------------------------------------------------------------------- */

static void
place(uintptr_t pc, char *buf, size_t size)
{
    buf[0] = '\0';
    if (pc)
        bl__place(pc, buf, size);
}

static void
describe(const struct bl__watched *w, char *buf, size_t size)
{
    static const char *const names[] = {"memory",    "descriptor", "stream",
                                        "directory", "mutex",      "library"};
    char where[256];

    place(w->got_pc, where, sizeof where);
    if (w->kind == BL__OWN)
        snprintf(buf, size, "%s %#lx, acquired in%s,", w->what, (long)w->id - 1, where);
    else if (w->kind == BL__DESCRIPTOR)
        snprintf(buf, size, "descriptor %ld, of %s in%s,", (long)w->id - 1, w->what, where);
    else
        snprintf(buf, size, "%s %#lx, of %s in%s,", names[w->kind], (long)w->id, w->what,
                 where);
}

/* What had gone wrong in the run. */
static void
circumstances(const struct run *run, char *buf, size_t size)
{
    static const char *const forced[] = {"with %s failing in%s: ", "with a panic at %s in%s: ",
                                         "with bl_goexit() at %s in%s: "};
    char where[256];

    buf[0] = '\0';
    if (!run->done)
        return;
    place(bl__order.pc, where, sizeof where);
    snprintf(buf, size, forced[run->plan->force], bl__order.call, where);
}

static void
tell_problem(const struct run *run, const struct bl__watch_problem *p)
{
    const struct explore *x = run->x;
    char it[512], other[512], when[512], where[256];

    describe(&p->it, it, sizeof it);
    circumstances(run, when, sizeof when);
    place(p->other.gone_pc, where, sizeof where);
    switch (p->fault) {
    case BL__LOST:
        bl__test_say(x->t, BL__TEST_ERROR, x->file, x->line, "%s: %s%s was never released",
                     x->what, when, it);
        break;
    case BL__TWICE:
        bl__test_say(x->t, BL__TEST_ERROR, x->file, x->line,
                     "%s: %s%s was released a second time in%s", x->what, when, it, where);
        break;
    case BL__ENTRUSTED:
        bl__test_say(x->t, BL__TEST_ERROR, x->file, x->line,
                     "%s: %s%s was closed in%s, but a stream or directory closes it, too",
                     x->what, when, it, where);
        break;
    case BL__DISORDER:
        describe(&p->other, other, sizeof other);
        place(p->it.gone_pc, where, sizeof where);
        bl__test_say(x->t, BL__TEST_ERROR, x->file, x->line,
                     "%s: %s%s was released in%s, before %s which was acquired later", x->what,
                     when, it, where, other);
        break;
    }
}

static void
tell_rest(const struct run *run, int64_t n, const char *what)
{
    const struct explore *x = run->x;
    char when[512];

    circumstances(run, when, sizeof when);
    if (n > 0)
        bl__test_say(x->t, BL__TEST_ERROR, x->file, x->line, "%s: %s%lld %s%s left behind",
                     x->what, when, (long long)n, what, n == 1 ? " is" : "s are");
}

/* How many of the descriptors that are left watch.c knows of. */
static int64_t
known_descriptors(const struct run *run)
{
    int64_t n = 0;

    for (unsigned i = 0; i < run->result.n && i < BL__PROBLEMS; i++) {
        const struct bl__watch_problem *p = &run->result.problems[i];

        n += p->fault == BL__LOST && (p->it.kind == BL__DESCRIPTOR ||
                                      p->it.kind == BL__STREAM || p->it.kind == BL__DIRECTORY);
    }
    return n;
}

static bool
is_clean(const struct run *run)
{
    return run->result.n == 0 && run->goroutines <= 0 && run->contexts <= 0 &&
           run->descriptors <= 0;
}

/* Whether all that is wrong may be something that is kept for good, once. */
static bool
may_be_kept(const struct run *run)
{
    return run->result.lost_only == run->result.n && run->goroutines <= 0 &&
           run->contexts <= 0;
}

static void
tell_stacks(const struct explore *x)
{
    static char stacks[16384];

    bl__watch_quiet++;
    bl_stack_all(stacks, sizeof stacks);
    bl__watch_quiet--;
    bl__test_say(x->t, BL__TEST_LOG, x->file, x->line, "all goroutines:\n%s", stacks);
}

/* Those that have not ended, whoever made them: the lost ones are among them. */
static void
tell_contexts(const struct explore *x)
{
    struct bl__live live[SHOWN];
    size_t n = bl__contexts_live(live, SHOWN);

    for (size_t i = 0; i < n && i < SHOWN; i++) {
        char where[256];

        place(live[i].pc, where, sizeof where);
        bl__test_say(x->t, BL__TEST_LOG, x->file, x->line, "a context made in%s", where);
    }
}

static void
tell(const struct run *run)
{
    for (unsigned i = 0; i < run->result.n && i < SHOWN; i++)
        tell_problem(run, &run->result.problems[i]);
    if (run->result.n > SHOWN)
        bl__test_say(run->x->t, BL__TEST_ERROR, run->x->file, run->x->line,
                     "%s: and %u more", run->x->what, run->result.n - SHOWN);
    tell_rest(run, run->goroutines, "goroutine");
    if (run->goroutines > 0)
        tell_stacks(run->x);
    tell_rest(run, run->contexts, "context");
    if (run->contexts > 0)
        tell_contexts(run->x);
    tell_rest(run, run->descriptors - known_descriptors(run), "descriptor");
}

/* Runs once; what is left behind must be left again and again to count: each processor
 * may keep something once.  *done is whether what was to go wrong has. */
static bool
check(struct explore *x, const struct plan *plan, bool *done)
{
    struct run run = {.x = x, .plan = plan};
    int procs = bl_gomaxprocs(0);

    run_once(&run);
    for (int i = 0; i < 1 + procs && !is_clean(&run) && may_be_kept(&run); i++) {
        run = (struct run){.x = x, .plan = plan};
        run_once(&run);
    }
    *done = run.done;
    if (plan->n == 0 && run.panic[0])
        bl__test_say(x->t, BL__TEST_ERROR, x->file, x->line,
                     "%s panics without being made to: %s", x->what, run.panic);
    else if (is_clean(&run))
        return true;
    tell(&run);
    return false;
}

/* Each of them in its turn, until there is none left. */
static bool
check_each(struct explore *x, unsigned mask, enum bl__force force)
{
    struct plan plan = {.mask = mask, .force = force};
    bool done = true;

    for (plan.n = 1; done; plan.n++) {
        if (x->runs > MOST_RUNS) {
            bl__test_say(x->t, BL__TEST_LOG, x->file, x->line,
                         "%s: after %d runs the rest is left out", x->what, MOST_RUNS);
            return true;
        }
        if (!check(x, &plan, &done))
            return false;
    }
    return true;
}

static void
tell_blindness(const struct explore *x)
{
    static bool told;

    if (told || bl__watch_sees_heap())
        return;
    told = true;
    bl__test_say(x->t, BL__TEST_LOG, x->file, x->line, "%s: a sanitizer has the heap%s", x->what,
                 bl__watch_sees_calls() ? ", so memory is not watched"
                                        : " and the C library's calls: only bl_acquired() is "
                                          "watched");
}

/* --- both assertions ------------------------------------------------------------------------ */

bool
bl__test_leaks(bl_test *t, const char *file, int line, const char *what,
               void (*f)(void *arg), void *arg)
{
    struct explore x = {.t = t, .file = file, .line = line, .what = what, .f = f, .arg = arg};
    static const struct plan nothing;
    bool done;

    tell_blindness(&x);
    return check(&x, &nothing, &done);
}

bool
bl__test_defers(bl_test *t, const char *file, int line, const char *what,
                void (*f)(void *arg), void *arg, unsigned flags)
{
    struct explore x = {.t = t, .file = file, .line = line, .what = what, .f = f, .arg = arg,
                        .ordered = !(flags & BL_ANY_ORDER)};
    static const struct plan nothing;
    bool done;

    tell_blindness(&x);
    if (!check(&x, &nothing, &done) ||
        !check_each(&x, BL_FAIL_ANY, BL__FORCE_FAILURE) ||
        !check_each(&x, BL__STEP, BL__FORCE_PANIC) ||
        !check_each(&x, BL__STEP, BL__FORCE_GOEXIT) ||
        ((flags & BL_CALLS_PANIC) && !check_each(&x, BL_FAIL_ANY, BL__FORCE_PANIC)))
        return false;
    bl__test_say(t, BL__TEST_LOG, file, line, "%s: %u runs, %llu acquired, all released", what,
                 x.runs, (unsigned long long)x.acquired);
    if (x.idle)
        bl__test_say(t, BL__TEST_ERROR, file, line,
                     "%s acquires nothing that could be watched: nothing is proven", what);
    return !x.idle;
}
