/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/closer_test.c - closers close exactly once, whoever closes; groups
 * close the last one first, and all of them, whatever happens. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

error_static(err_one, "one");
error_static(err_two, "two");

static const char *
text_of(const bl_error *err)
{
    static char text[512];

    bl_error_text(err, text, sizeof text);
    return text;
}

/* What it says, and then it is released. */
static void
check_error(bl_error *err, const char *want)
{
    CHECK_STR(text_of(err), want);
    error_release(err);
}

#define CHECK_ERROR(err, want) check_error((err), (want))

/* --- closers to look at ----------------------------------------------------------- */

static bl_error *
note_close(void *word)
{
    NOTE(word);
    return NULL;
}

static bl_error *
fail_close(void *word)
{
    NOTE(word);
    return bl_errorf("close %s", (const char *)word);
}

static bl_error *
panic_close(void *word)
{
    NOTE(word);
    boom(word);
    return NULL;
}

static bl_closer
noting(const char *word)
{
    return (bl_closer){.value = (void *)word, .close = note_close};
}

static bl_closer
failing(const char *word)
{
    return (bl_closer){.value = (void *)word, .close = fail_close};
}

static bl_closer
panicking(const char *word)
{
    return (bl_closer){.value = (void *)word, .close = panic_close};
}

/* --- one ---------------------------------------------------------------------------- */

static void
closes_once(void)
{
    bl_closer c = failing("a");

    CHECK(bl_closer_is_open(&c));
    CHECK_ERROR(bl_close(&c), "close a");
    CHECK(!bl_closer_is_open(&c));
    CHECK(error_is(bl_close(&c), bl_err_closed));
    CHECK_ERROR(bl_close(&c), "already closed");
    CHECK(!bl_closer_keep(&c));
    CHECK_TRACE("a");
}

static void
nothing_to_close(void)
{
    bl_closer c = {0};
    bl_error *err = NULL;

    CHECK(!bl_close(&c));
    CHECK(!bl_close(&c));
    CHECK(!bl_close(NULL));
    close_into(&err, &c);
    close_into(&err, NULL);
    CHECK(!err && !bl_closer_is_open(&c) && !bl_closer_keep(&c));
    c = bl_closer_file(NULL);
    CHECK(!bl_close(&c) && !bl_close(&c));
    c = bl_closer_fd(-1);
    CHECK(!bl_close(&c) && !bl_close(&c));
    c = bl_closer_memory(NULL);
    CHECK(!bl_close(&c) && !bl_close(&c));
}

static void
into_an_error(void)
{
    bl_closer a = failing("a"), b = failing("b"), c = noting("c");
    bl_error *err = NULL;

    close_into(&err, &a);
    CHECK_STR(text_of(err), "close a");
    close_into(&err, &b);
    CHECK_STR(text_of(err), "close a\nclose b");
    close_into(&err, &c);
    close_into(&err, &a);
    CHECK_ERROR(err, "close a\nclose b");
    a = failing("a");
    close_into(NULL, &a);
    CHECK_TRACE("a b c a");
}

static void
kept_open(void)
{
    bl_closer c = noting("a");

    CHECK(bl_closer_keep(&c));
    CHECK(!bl_closer_keep(&c));
    CHECK(error_is(bl_close(&c), bl_err_closed));
    CHECK_TRACE("");
}

/* The file is written twice: closed for its error, and by what is deferred. */
static bl_error *
close_both_ways(bl_closer *c, bool early)
{
    returns (bl_error *, err) {
        defer_call(close_into, &err, c);
        if (early)
            err = bl_close(c);
        else
            boom("before");
    }
}

static void
deferred_and_direct(void)
{
    bl_closer c = failing("a");

    CHECK_ERROR(close_both_ways(&c, true), "close a");
    CHECK_TRACE("a");
}

static void
deferred_behind_a_panic(void)
{
    returns_nothing {
        bl_closer c = noting("a");

        defer_call(note_recovered);
        close_both_ways(&c, false);
    }
}

static void
close_panicking(bl_closer *c)
{
    returns_nothing {
        defer_call(note_recovered);
        error_release(bl_close(c));
    }
}

/* It is not called a second time: nobody knows how far it has come. */
static void
a_panic_closes_too(void)
{
    bl_closer c = panicking("a");

    close_panicking(&c);
    CHECK(error_is(bl_close(&c), bl_err_closed));
    CHECK_TRACE("a a");
}

static bl_closer *recursive;

static bl_error *
close_again(void *word)
{
    NOTE(word);
    return bl_close(recursive);
}

static void
its_own_function_closes(void)
{
    bl_closer c = {.value = "a", .close = close_again};

    recursive = &c;
    CHECK_ERROR(bl_close(&c), "already closed");
    CHECK_TRACE("a");
}

/* --- many at once ------------------------------------------------------------------- */

enum { RIVALS = 8, ROUNDS = SANITIZED ? 200 : 2000 };

static _Atomic int closed, told;
static bl_closer shared;
static int resource; /* not atomic: whoever is told finds it as closing left it */

static bl_error *
count_close(void *unused)
{
    (void)unused;
    resource++;
    atomic_fetch_add(&closed, 1);
    return err_one;
}

static void
rival(int how)
{
    bl_error *err = NULL;

    if (how % 3 == 0)
        err = bl_close(&shared);
    else if (how % 3 == 1)
        close_into(&err, &shared);
    else
        err = close_both_ways(&shared, true);
    if (error_is(err, err_one))
        atomic_fetch_add(&told, 1);
    else
        CHECK(!err || error_is(err, bl_err_closed));
}

static void *
rival_thread(void *unused)
{
    (void)unused;
    rival(0);
    return NULL;
}

static void
rival_goroutine(bl_waitgroup *all, int how)
{
    rival(how);
    bl_waitgroup_done(all);
}

static void
one_of_many_closes(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        bl_waitgroup all = {0};
        pthread_t thread;

        closed = told = 0;
        resource = 0;
        shared = (bl_closer){.close = count_close};
        bl_waitgroup_add(&all, RIVALS);
        for (int j = 0; j < RIVALS; j++)
            go(rival_goroutine, &all, j);
        if (i % 64 == 0) {
            CHECK_EQ(pthread_create(&thread, NULL, rival_thread, NULL), 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
        }
        bl_waitgroup_wait(&all);
        CHECK_EQ(closed, 1);
        CHECK_EQ(told, 1);
        CHECK_EQ(resource, 1);
    }
}

/* --- any function ------------------------------------------------------------------- */

static void
close_nothing(int n)
{
    NOTE_INT(n);
}

static int
close_int(int n)
{
    NOTE_INT(n);
    errno = n == 3 ? EBADF : n == 4 ? 0 : EIO;
    return n >= 3 && n <= 4 ? -1 : n == 5 ? -ENOSPC : n == 6 ? EBUSY : 0;
}

static bl_error *
close_error(const char *text)
{
    NOTE(text);
    return err_two;
}

static long
close_long(long n)
{
    NOTE_INT((int)n);
    return -1; /* thrown away */
}

struct wide {
    double x;
    int n;
};

static void
close_wide(struct wide w)
{
    NOTE_INT((int)w.x);
    NOTE_INT(w.n);
}

static void
close_double(double x)
{
    NOTE_INT((int)(10 * x));
}

static void
functions_of_any_kind(void)
{
    const int one = 1;
    char text[] = "text";
    struct wide w = {8, 9};
    void (*f)(int) = close_nothing;
    bl_closer c[] = {
        with_closer(one, close_nothing), with_closer(2, f),
        with_closer(text, close_error),  with_closer(7, close_long),
        with_closer(w, close_wide),      with_closer(1.5, close_double),
    };

    w.n = 0; /* it has a copy */
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        bl_error *err = bl_close(&c[i]);

        CHECK(i == 2 ? error_is(err, err_two) : !err);
        CHECK(error_is(bl_close(&c[i]), bl_err_closed));
    }
    CHECK_TRACE("1 2 text 7 8 9 15");
}

static void
results_like_errno(void)
{
    const int wants[] = {0, 0, 0, EBADF, EPERM, ENOSPC, EBUSY};

    for (int i = 1; i < 7; i++) {
        bl_closer c = with_closer(i, close_int);
        bl_error *err = bl_close(&c);

        CHECK_EQ(bl_error_errno(err), wants[i]);
        CHECK_EQ(err != NULL, wants[i] != 0);
    }
    CHECK_TRACE("1 2 3 4 5 6");
}

/* Each is a closer of its own, made at one place. */
static void
made_in_a_loop(void)
{
    bl_closers all = {0};

    for (int i = 0; i < 5; i++)
        CHECK(!bl_closers_add(&all, with_closer(i, close_nothing)));
    CHECK(!bl_closers_close(&all));
    CHECK_TRACE("4 3 2 1 0");
}

/* --- what the C library closes --------------------------------------------------- */

static void
files(void)
{
    FILE *f = tmpfile();
    bl_closer c;

    CHECK(f);
    c = bl_closer_file(f);
    CHECK(!bl_close(&c));
    CHECK_ERROR(bl_close(&c), "already closed");

    f = fopen("/dev/full", "w");
    CHECK(f && fputs("text", f) >= 0);
    c = bl_closer_file(f);
    CHECK_ERROR(bl_close(&c), "no space left on device");

    f = fopen("/dev/full", "w"); /* met before, and lost by fclose() */
    CHECK(f && fputs("text", f) >= 0 && fflush(f) != 0);
    c = bl_closer_file(f);
    CHECK_ERROR(bl_close(&c), "input/output error");
}

static void
descriptors(void)
{
    int fd = open("/dev/null", O_RDONLY);
    bl_closer c = bl_closer_fd(fd), again = bl_closer_fd(fd);

    CHECK(fd >= 0);
    CHECK(!bl_close(&c));
    CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
    CHECK_ERROR(bl_close(&again), "bad file descriptor");
}

static void
the_rest_of_it(void)
{
    static bl_mutex m;
    bl_closers all = {0};
    void *library = dlopen("libc.so.6", RTLD_NOW);

    bl_mutex_lock(&m);
    CHECK(!bl_closers_add(&all, bl_closer_mutex(&m)));
    CHECK(!bl_closers_add(&all, bl_closer_memory(malloc(100))));
    CHECK(!bl_closers_add(&all, bl_closer_dir(opendir("/"))));
    CHECK(!bl_closers_add(&all, bl_closer_library(library)));
    CHECK(!bl_closers_close(&all));
    CHECK(bl_mutex_try_lock(&m));
    bl_mutex_unlock(&m);
}

static UNUSED void
a_pthread_mutex(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t m;
    bl_closer c = with_closer(&m, pthread_mutex_unlock);

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &attr);
    CHECK_ERROR(bl_close(&c), "operation not permitted");
    pthread_mutex_destroy(&m);
    pthread_mutexattr_destroy(&attr);
}

/* --- groups ------------------------------------------------------------------------- */

static void
last_in_first_out(void)
{
    bl_closers all = {0};

    CHECK(!bl_closers_add(&all, noting("a")));
    CHECK(!bl_closers_add(&all, noting("b")));
    CHECK(!bl_closers_add(&all, (bl_closer){0}));
    CHECK(!bl_closers_add(&all, noting("c")));
    CHECK(!bl_closers_close(&all));
    CHECK_TRACE("c b a");
    CHECK(error_is(bl_closers_close(&all), bl_err_closed));
    CHECK(!bl_closers_close(NULL));
    CHECK_TRACE("");
}

static void
errors_are_joined(void)
{
    bl_closers all = {0}, one = {0};
    bl_error *err;

    CHECK(!bl_closers_add(&all, failing("a")));
    CHECK(!bl_closers_add(&all, noting("b")));
    CHECK(!bl_closers_add(&all, with_closer("c", close_error)));
    err = bl_closers_close(&all);
    CHECK(error_is(err, err_two));
    CHECK_EQ(bl_error_cause_count(err), 2);
    CHECK_ERROR(err, "two\nclose a");
    CHECK_TRACE("c b a");

    CHECK(!bl_closers_add(&one, failing("a")));
    err = error_new("before");
    bl_closers_close_into(&err, &one);
    bl_closers_close_into(&err, &one);
    bl_closers_close_into(&err, NULL);
    CHECK_ERROR(err, "before\nclose a");
}

/* More errors than there is room for on the stack. */
static void
a_large_group(void)
{
    bl_closers all = {0};
    bl_error *err;

    for (int i = 0; i < 1000; i++)
        CHECK(!bl_closers_add(&all, failing("x")));
    err = bl_closers_close(&all);
    CHECK_EQ(bl_error_cause_count(err), 1000);
    error_release(err);
}

static bl_closers group;

static void
close_group_noting(void)
{
    returns_nothing {
        defer_call(note_recovered);
        CHECK_ERROR(bl_closers_close(&group), "not reached");
    }
}

static void
a_panic_leaves_nothing_open(void)
{
    group = (bl_closers){0};
    CHECK(!bl_closers_add(&group, noting("a")));
    CHECK(!bl_closers_add(&group, failing("b")));
    CHECK(!bl_closers_add(&group, panicking("c")));
    CHECK(!bl_closers_add(&group, failing("d")));
    close_group_noting();
    CHECK_TRACE("d c b a c"); /* the panic goes on behind them */
    CHECK(error_is(bl_closers_close(&group), bl_err_closed));
}

/* As with deferred calls: the newest panic is the one that is recovered. */
static void
several_panics(void)
{
    group = (bl_closers){0};
    CHECK(!bl_closers_add(&group, panicking("a")));
    CHECK(!bl_closers_add(&group, noting("b")));
    CHECK(!bl_closers_add(&group, panicking("c")));
    close_group_noting();
    CHECK_TRACE("c b a a");
}

static bl_error *
exit_close(void *word)
{
    NOTE(word);
    goexit();
}

static void
close_group_in_goroutine(bl_waitgroup *done)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, done);
        CHECK(!bl_closers_close(&group));
        NOTE("not reached");
    }
}

static void
goexit_leaves_nothing_open(void)
{
    bl_waitgroup done = {0};

    group = (bl_closers){0};
    CHECK(!bl_closers_add(&group, noting("a")));
    CHECK(!bl_closers_add(&group, ((bl_closer){.value = "b", .close = exit_close})));
    CHECK(!bl_closers_add(&group, noting("c")));
    bl_waitgroup_add(&done, 1);
    go(close_group_in_goroutine, &done);
    bl_waitgroup_wait(&done);
    CHECK_TRACE("c b a");
}

static bl_error *
use_group(bool fail)
{
    bl_closers all = {0};

    returns (bl_error *, err) {
        defer_call(bl_closers_close_into, &err, &all);
        err = bl_closers_add(&all, noting("a"));
        CHECK(!err);
        if (fail)
            leave_with(error_new("failed"));
        err = bl_closers_add(&all, failing("b"));
    }
}

static void
a_deferred_group(void)
{
    CHECK_ERROR(use_group(true), "failed");
    CHECK_ERROR(use_group(false), "close b");
    CHECK_TRACE("a b a");
}

static void
added_too_late(void)
{
    bl_closers all = {0};
    bl_error *err;

    CHECK(!bl_closers_close(&all));
    err = bl_closers_add(&all, failing("a"));
    CHECK(error_is(err, bl_err_closed));
    CHECK_ERROR(err, "already closed\nclose a");
    CHECK_TRACE("a");
}

static void
a_kept_group(void)
{
    bl_closers all = {0};
    bl_closer a = noting("a");

    CHECK(!bl_closers_add(&all, bl_closer_of(&a)));
    CHECK(!bl_closers_add(&all, noting("b")));
    CHECK_EQ(bl_closers_keep(&all), 2);
    CHECK_EQ(bl_closers_keep(&all), 0);
    CHECK(error_is(bl_closers_close(&all), bl_err_closed));
    CHECK(bl_closer_is_open(&a));
    CHECK_TRACE("");
}

static void
shared_and_nested(void)
{
    bl_closers outer = {0}, inner = {0};
    bl_closer a = noting("a"), b = failing("b");

    CHECK(!bl_closers_add(&outer, noting("first")));
    CHECK(!bl_closers_add(&outer, bl_closer_group(&inner)));
    CHECK(!bl_closers_add(&inner, bl_closer_of(&a)));
    CHECK(!bl_closers_add(&inner, bl_closer_of(&b)));
    CHECK(!bl_close(&a)); /* the group finds it closed, which is no error */
    CHECK_ERROR(bl_closers_close(&outer), "close b");
    CHECK_TRACE("a b first");
    CHECK(error_is(bl_close(&b), bl_err_closed));
}

/* While others add, one closes: what is added is closed by somebody. */
static _Atomic int opened;

static void
count_closed(int n)
{
    (void)n;
    atomic_fetch_add(&closed, 1);
}

static void
add_some(bl_waitgroup *done)
{
    for (int i = 0; i < 20; i++) {
        atomic_fetch_add(&opened, 1);
        error_release(bl_closers_add(&group, with_closer(i, count_closed)));
        if (i % 4 == 0)
            gosched();
    }
    bl_waitgroup_done(done);
}

static void
added_while_closing(void)
{
    for (int i = 0; i < ROUNDS / 10; i++) {
        bl_waitgroup done = {0};

        group = (bl_closers){0};
        opened = closed = 0;
        bl_waitgroup_add(&done, 4);
        for (int j = 0; j < 4; j++)
            go(add_some, &done);
        gosched();
        CHECK(!bl_closers_close(&group));
        bl_waitgroup_wait(&done);
        CHECK_EQ(opened, 80);
        CHECK_EQ(closed, opened);
    }
}

int
main(void)
{
    RUN(closes_once);
    RUN(nothing_to_close);
    RUN(into_an_error);
    RUN(kept_open);
    RUN(deferred_and_direct);
    RUN(deferred_behind_a_panic);
    CHECK_TRACE("a before");
    RUN(a_panic_closes_too);
    RUN(its_own_function_closes);
    RUN(one_of_many_closes);
    RUN(functions_of_any_kind);
    RUN(results_like_errno);
    RUN(made_in_a_loop);
    RUN(files);
    RUN(descriptors);
    RUN(the_rest_of_it);
#if !defined(__SANITIZE_THREAD__) /* it has its own opinion of that unlock */
    RUN(a_pthread_mutex);
#endif
    RUN(last_in_first_out);
    RUN(errors_are_joined);
    RUN(a_large_group);
    RUN(a_panic_leaves_nothing_open);
    RUN(several_panics);
    RUN(goexit_leaves_nothing_open);
    RUN(a_deferred_group);
    RUN(added_too_late);
    RUN(a_kept_group);
    RUN(shared_and_nested);
    RUN(added_while_closing);
    return 0;
}
