/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/context_wait_test.c - every call that waits ends when its context
 * does, and leaves things as if it had not been made; clean-up that a context bounds. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "concurrent.h"
#include "often.h"

#include <errno.h>
#include <stdatomic.h>

error_static(err_own, "own");

#define BACKGROUND context_background()

/* --- every form of waiting --------------------------------------------------------- */

/* What is waited for, none of which ever comes by itself. */
static struct {
    chan_of(int) full, empty;
    bl_mutex locked, cond_mutex;
    bl_waitgroup one;
    bl_cond cond;
    bl_semaphore taken;
} scene;

static void
set_scene(void)
{
    memset(&scene, 0, sizeof scene);
    scene.full = chan_make(int, 1);
    scene.empty = chan_make(int, 0);
    bl_send(scene.full, 7);
    bl_mutex_lock(&scene.locked);
    bl_waitgroup_add(&scene.one, 1);
    scene.taken.size = 2;
    bl_semaphore_acquire(&scene.taken, 1);
}

/* As it was: nobody waits, nothing was sent, received, locked or acquired. */
static void
clear_scene(void)
{
    CHECK_EQ(bl_recv(scene.full), 7);
    CHECK_EQ(chan_len(scene.full), 0);
    chan_free(scene.full);
    chan_free(scene.empty);
    bl_mutex_unlock(&scene.locked);
    CHECK(bl_mutex_try_lock(&scene.locked));
    CHECK(bl_mutex_try_lock(&scene.cond_mutex));
    bl_waitgroup_done(&scene.one);
    bl_waitgroup_wait(&scene.one);
    bl_semaphore_release(&scene.taken, 1);
    CHECK(bl_semaphore_try_acquire(&scene.taken, 2));
}

static int send_(bl_context *ctx) { return bl_send_ctx(scene.full, 8, ctx); }
static int receive(bl_context *ctx) { return bl_recv_ctx(scene.empty, NULL, ctx); }
static int send_to_null(bl_context *ctx) { return bl_chan_send_ctx(NULL, NULL, ctx); }
static int recv_of_null(bl_context *ctx) { return bl_chan_recv_ctx(NULL, NULL, ctx); }
static int nap(bl_context *ctx) { return bl_sleep_ctx(24 * BL_HOUR, ctx); }
static int nap_for_ever(bl_context *ctx) { return bl_sleep_ctx(INT64_MAX, ctx); }
static int lock(bl_context *ctx) { return bl_mutex_lock_ctx(&scene.locked, ctx); }
static int wait_(bl_context *ctx) { return bl_waitgroup_wait_ctx(&scene.one, ctx); }
static int acquire(bl_context *ctx) { return bl_semaphore_acquire_ctx(&scene.taken, 2, ctx); }

static int
select_(bl_context *ctx)
{
    int v;

    return bl_select_ctx(ctx, on_recv(scene.empty, &v), on_send(scene.full, 9));
}

static int
select_many(bl_context *ctx)
{
    bl_case cases[40];

    for (int i = 0; i < 40; i++)
        cases[i] = (bl_case){.c = (bl_chan *)(void *)scene.empty};
    return bl_select_cases_ctx(cases, 40, ctx);
}

static int
select_none(bl_context *ctx)
{
    return bl_select_cases_ctx(NULL, 0, ctx);
}

static int
cond(bl_context *ctx)
{
    int error;

    bl_mutex_lock(&scene.cond_mutex);
    error = bl_cond_wait_ctx(&scene.cond, &scene.cond_mutex, ctx);
    CHECK(!bl_mutex_try_lock(&scene.cond_mutex)); /* locked, whatever has happened */
    bl_mutex_unlock(&scene.cond_mutex);
    return error;
}

typedef int form(bl_context *ctx);

static form *const forms[] = {
    send_, receive, send_to_null, recv_of_null, nap,         nap_for_ever, lock,
    wait_, acquire, select_,      select_many,  select_none, cond,
};

enum { FORMS = sizeof forms / sizeof forms[0] };

static void
run_case(void *f)
{
    (*(void (**)(void))f)();
}

static void
in_bubble(void (*f)(void))
{
    bl_bubble(run_case, &f);
}

static void
cancel_at(bl_context *ctx, int64_t when)
{
    bl_sleep_until(when);
    context_cancel(ctx);
    context_release(ctx);
}

static void
forms_end_in_time(void)
{
    for (int i = 0; i < FORMS; i++) {
        bl_context *parent = context_with_cancel(BACKGROUND), *ctx;
        int64_t began = bl_now();

        if (forms[i] == lock || forms[i] == acquire) {
            context_end(parent);
            continue; /* they don't block durably: the clock would stand still */
        }
        set_scene();
        ctx = context_with_timeout(parent, BL_SECOND);
        CHECK_EQ(forms[i](ctx), -ETIMEDOUT);
        CHECK(bl_now() == began + BL_SECOND);
        CHECK_EQ(forms[i](ctx), -ETIMEDOUT); /* at once */
        CHECK(bl_now() == began + BL_SECOND);
        context_end(ctx);

        ctx = context_with_value(parent, &(bl_context_key){.name = "k"}, NULL);
        go(cancel_at, context_retain(parent), bl_now() + BL_MINUTE);
        CHECK_EQ(forms[i](ctx), -ECANCELED);
        CHECK(bl_now() == began + BL_SECOND + BL_MINUTE);
        CHECK_EQ(forms[i](ctx), -ECANCELED);
        context_end(ctx);
        context_end(parent);
        clear_scene();
    }
}

static void
every_form_ends_with_its_context(void)
{
    in_bubble(forms_end_in_time);
}

/* On the real clock, in goroutines, and in a plain thread. */
static void
check_real_forms(void)
{
    for (int i = 0; i < FORMS; i++) {
        bl_context *ctx = context_with_timeout(BACKGROUND, BL_MILLISECOND);

        set_scene();
        CHECK_EQ(forms[i](ctx), -ETIMEDOUT);
        context_end(ctx);
        ctx = context_with_cancel(BACKGROUND);
        go(cancel_at, context_retain(ctx), bl_now() + BL_MILLISECOND);
        CHECK_EQ(forms[i](ctx), -ECANCELED);
        context_end(ctx);
        clear_scene();
    }
}

static void
every_form_in_real_time(void)
{
    const char *debug = getenv("BELAYDEBUG");

    check_real_forms();
    if (!debug || !strstr(debug, "schedseed")) /* there a join stops everything */
        in_thread(check_real_forms, MIB);
}

/* --- what comes before the end ------------------------------------------------------ */

static void
meet(chan_of(int) c, bl_cond *cond_, bl_waitgroup *wg)
{
    bl_send(c, 3);
    bl_recv(c);
    bl_sleep(BL_MILLISECOND);
    bl_mutex_lock(&scene.cond_mutex);
    bl_cond_signal(cond_);
    bl_mutex_unlock(&scene.cond_mutex);
    bl_semaphore_release(&scene.taken, 1);
    bl_waitgroup_done(wg);
}

/* With each context the forms do what they do without: live, and never to end. */
static void
check_forms_succeed(bl_context *ctx)
{
    bl_waitgroup wg = {0};
    int v = 0;

    set_scene();
    bl_mutex_unlock(&scene.locked);
    CHECK_EQ(bl_mutex_lock_ctx(&scene.locked, ctx), 0);
    bl_waitgroup_add(&wg, 1);
    go(meet, scene.empty, &scene.cond, &wg);
    CHECK_EQ(bl_recv_ctx(scene.empty, &v, ctx), 1);
    CHECK_EQ(v, 3);
    CHECK_EQ(bl_send_ctx(scene.empty, 4, ctx), 0);
    bl_mutex_lock(&scene.cond_mutex);
    CHECK_EQ(bl_cond_wait_ctx(&scene.cond, &scene.cond_mutex, ctx), 0);
    bl_mutex_unlock(&scene.cond_mutex);
    CHECK_EQ(bl_semaphore_acquire_ctx(&scene.taken, 2, ctx), 0);
    bl_semaphore_release(&scene.taken, 1);
    CHECK_EQ(bl_waitgroup_wait_ctx(&wg, ctx), 0);
    CHECK_EQ(bl_sleep_ctx(BL_MICROSECOND, ctx), 0);
    CHECK_EQ(bl_sleep_ctx(0, ctx), 0);
    CHECK_EQ(bl_sleep_ctx(-1, ctx), 0);
    CHECK_EQ(bl_select_ctx(ctx, on_recv(scene.empty, NULL), on_recv(scene.full, &v)), 1);
    CHECK_EQ(v, 7);
    bl_send(scene.full, 7);
    chan_close(scene.empty);
    v = 5;
    CHECK_EQ(bl_recv_ctx(scene.empty, &v, ctx), 0);
    CHECK_EQ(v, 0);
    clear_scene();
}

static void
forms_do_what_they_do(void)
{
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_HOUR);

    check_forms_succeed(ctx);
    check_forms_succeed(BACKGROUND);
    context_end(ctx);
}

static void
send_on_closed(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    chan_of(int) c = chan_make(int, 0);

    returns_nothing {
        defer_call(bl_chan_release, (bl_chan *)(void *)c);
        defer_call(bl_context_end, ctx);
        chan_close(c);
        bl_send_ctx(c, 1, ctx);
    }
}

/* What is ready is not done for a context that has ended. */
static void
an_ended_context_wins(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    chan_of(int) c = chan_make(int, 2);
    bl_mutex m = {0};
    bl_waitgroup wg = {0};
    bl_semaphore s = {.size = 1};

    CHECK_STR(panic_of(send_on_closed), "send on closed channel");
    bl_send(c, 1);
    context_cancel(ctx);
    for (int i = 0; i < 30; i++) { /* not by chance */
        CHECK_EQ(bl_send_ctx(c, 2, ctx), -ECANCELED);
        CHECK_EQ(bl_recv_ctx(c, NULL, ctx), -ECANCELED);
        CHECK_EQ(bl_select_ctx(ctx, on_recv(c, NULL)), -ECANCELED);
    }
    CHECK_EQ(chan_len(c), 1);
    CHECK_EQ(bl_mutex_lock_ctx(&m, ctx), -ECANCELED);
    CHECK_EQ(bl_waitgroup_wait_ctx(&wg, ctx), -ECANCELED);
    CHECK_EQ(bl_semaphore_acquire_ctx(&s, 1, ctx), -ECANCELED);
    CHECK_EQ(bl_sleep_ctx(-1, ctx), -ECANCELED);
    CHECK(bl_mutex_try_lock(&m));
    CHECK(bl_semaphore_try_acquire(&s, 1));
    context_end(ctx);
    chan_free(c);
}

static void
too_many_cases(void)
{
    static bl_case cases[BL_SELECT_MAX];

    bl_select_cases_ctx(cases, BL_SELECT_MAX, BACKGROUND);
}

static void
a_select_has_a_limit(void)
{
    CHECK_STR(panic_of(too_many_cases), "reflect.Select: too many cases (max 65536)");
}

/* Those that wait for the same thing as one that gives up are not forgotten. */
static void
lock_and_note(int number, bl_context *ctx, bl_waitgroup *wg)
{
    if (bl_mutex_lock_ctx(&scene.locked, ctx) == 0) {
        NOTE_INT(number);
        bl_mutex_unlock(&scene.locked);
    }
    bl_waitgroup_done(wg);
}

static void
who_gives_up_wakes_nobody_in_vain(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    bl_waitgroup wg = {0};

    set_scene();
    bl_waitgroup_add(&wg, 3);
    go(lock_and_note, 1, ctx, &wg);
    settle();
    go(lock_and_note, 2, BACKGROUND, &wg);
    go(lock_and_note, 2, BACKGROUND, &wg);
    settle();
    context_cancel(ctx);
    settle();
    bl_mutex_unlock(&scene.locked);
    bl_waitgroup_wait(&wg);
    CHECK_TRACE("2 2");
    bl_mutex_lock(&scene.locked);
    clear_scene();
    context_end(ctx);
}

/* Ends and events at the same time: nothing is lost, and nothing twice. */
static void
sender(chan_of(int) c, bl_context *ctx, int n, _Atomic int *sent, bl_waitgroup *wg)
{
    for (int i = 0; i < n && bl_send_ctx(c, 1, ctx) == 0; i++)
        ++*sent;
    bl_waitgroup_done(wg);
}

static void
receiver(chan_of(int) c, bl_context *ctx, _Atomic int *received, bl_waitgroup *wg)
{
    int v;

    while (bl_recv_ctx(c, &v, ctx) > 0)
        *received += v;
    bl_waitgroup_done(wg);
}

static void
ends_race_with_messages(void)
{
    for (int i = 0; i < 200; i++) {
        bl_context *ctx = context_with_cancel(BACKGROUND);
        chan_of(int) c = chan_make(int, i % 3);
        _Atomic int sent = 0, received = 0;
        bl_waitgroup wg = {0};

        bl_waitgroup_add(&wg, 6);
        for (int j = 0; j < 3; j++) {
            go(sender, c, ctx, 1000, &sent, &wg);
            go(receiver, c, ctx, &received, &wg);
        }
        for (int j = 0; j < i % 7; j++)
            gosched();
        context_cancel(ctx);
        bl_waitgroup_wait(&wg);
        CHECK_EQ(sent, received + (int)chan_len(c));
        context_end(ctx);
        chan_free(c);
    }
}

static void
hold(bl_context *ctx, bl_semaphore *s, bl_mutex *m, _Atomic int *inside, bl_waitgroup *wg)
{
    for (int i = 0; i < 300; i++) {
        if (bl_semaphore_acquire_ctx(s, 2, ctx) < 0)
            break;
        if (bl_mutex_lock_ctx(m, ctx) == 0) {
            CHECK_EQ(++*inside, 1);
            gosched();
            --*inside;
            bl_mutex_unlock(m);
        }
        bl_semaphore_release(s, 2);
    }
    bl_waitgroup_done(wg);
}

static void
ends_race_with_locks(void)
{
    for (int i = 0; i < 100; i++) {
        bl_context *some[4];
        bl_semaphore s = {.size = 4};
        bl_mutex m = {0};
        _Atomic int inside = 0;
        bl_waitgroup wg = {0};

        bl_waitgroup_add(&wg, 4);
        for (int j = 0; j < 4; j++) {
            some[j] = context_with_timeout(BACKGROUND, (i * 7 + j * 11) % 50 *
                                                           BL_MICROSECOND);
            go(hold, j ? some[j] : BACKGROUND, &s, &m, &inside, &wg);
        }
        bl_waitgroup_wait(&wg);
        CHECK(bl_mutex_try_lock(&m));
        CHECK(bl_semaphore_try_acquire(&s, 4));
        for (int j = 0; j < 4; j++)
            context_end(some[j]);
    }
}

/* A context from outside may end a wait in a bubble: that is no deadlock there. */
static bl_context *outside;

static void
wait_for_outside(void *unused)
{
    bl_waitgroup wg = {0};

    (void)unused;
    bl_waitgroup_add(&wg, 1);
    CHECK_EQ(bl_waitgroup_wait_ctx(&wg, outside), -ECANCELED);
    CHECK_EQ(bl_sleep_ctx(BL_HOUR, outside), -ECANCELED);
}

static void
cancel_soon(void)
{
    bl_sleep(2 * BL_MILLISECOND);
    context_cancel(outside);
}

static void
a_bubble_may_wait_for_outside(void)
{
    outside = context_with_timeout(BACKGROUND, BL_HOUR);
    go(cancel_soon);
    bl_bubble(wait_for_outside, NULL);
    context_end(outside);
}

/* Who polls makes no wait, and still sees the end. */
static void
polling_sees_the_end(void)
{
    bl_context *ctx = context_with_timeout(BACKGROUND, 2 * BL_MILLISECOND);

    while (!context_err(ctx))
        ;
    context_end(ctx);
}

/* --- clean-up ---------------------------------------------------------------------- */

struct session {
    int64_t takes;
    int *closed;
};

static struct session *
new_session(int64_t takes, int *closed)
{
    struct session *s = malloc(sizeof *s);

    *s = (struct session){takes, closed};
    *closed = 0;
    return s;
}

/* Says goodbye, which takes a while; frees its argument in any case. */
static bl_error *
say_goodbye(bl_context *ctx, void *arg)
{
    struct session *s = arg;
    int error = bl_sleep_ctx(s->takes, ctx);

    *s->closed = error ? 1 : 2;
    free(s);
    return error ? error_wrap(context_cause(ctx), "goodbye") : NULL;
}

/* Does not look at its context. */
static bl_error *
go_on(bl_context *ctx, void *arg)
{
    struct session *s = arg;

    bl_sleep(s->takes);
    *s->closed = context_err(ctx) ? 1 : 2;
    free(s);
    return error_new("nobody sees it");
}

static bl_error *
fail(bl_context *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return error_new("failed");
}

static bl_error *
panic_in_it(bl_context *ctx, void *arg)
{
    (void)ctx;
    bl_sleep(*(int64_t *)arg);
    bl_panic("in clean-up");
}

static bl_error *
exit_in_it(bl_context *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    goexit();
}

/* Consumes err. */
static void
check_error(bl_error *err, const char *want, const bl_error *is, const bl_error *too)
{
    char text[200];

    bl_error_text(err, text, sizeof text);
    if (want)
        CHECK_STR(text, want);
    CHECK(!is || error_is(err, is));
    CHECK(!too || error_is(err, too));
    error_release(err);
}

static void
cleanup_that_is_done(void)
{
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_HOUR);
    int closed;

    for (unsigned mode = 1; mode <= 3; mode++) {
        CHECK(!bl_cleanup_in(ctx, mode, say_goodbye, new_session(BL_SECOND, &closed)));
        CHECK_EQ(closed, 2);
        CHECK(!bl_cleanup_in(BACKGROUND, mode, say_goodbye, new_session(1, &closed)));
        CHECK_EQ(closed, 2);
        check_error(bl_cleanup_in(ctx, mode, fail, NULL), "failed", NULL, NULL);
    }
    context_end(ctx);
}

static void
cleanup_is_skipped(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    int closed;
    struct session *s = new_session(BL_SECOND, &closed);

    context_cancel_cause(ctx, err_own);
    for (unsigned mode = BL_SKIP; mode <= (BL_SKIP | BL_CUT_OFF); mode += BL_CUT_OFF)
        check_error(bl_cleanup_in(ctx, mode, say_goodbye, s), "clean-up skipped: own",
                    bl_err_skipped, err_own);
    CHECK_EQ(closed, 0);
    free(s); /* it has never been seen */
    context_end(ctx);

    /* it ends while f runs: that goes on */
    ctx = context_with_timeout(BACKGROUND, BL_SECOND);
    s = new_session(BL_MINUTE, &closed);
    check_error(bl_cleanup_in(ctx, BL_SKIP, say_goodbye, s),
                "goodbye: context deadline exceeded", bl_err_deadline_exceeded,
                bl_err_timeout);
    CHECK_EQ(closed, 1);
    context_end(ctx);
}

static void
cleanup_is_cut_off(void)
{
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_SECOND);
    int closed;
    int64_t began = bl_now();

    check_error(bl_cleanup_in(ctx, BL_CUT_OFF, go_on, new_session(BL_HOUR, &closed)),
                "clean-up cut off: context deadline exceeded", bl_err_cut_off,
                bl_err_deadline_exceeded);
    CHECK(bl_now() == began + BL_SECOND);
    CHECK_EQ(closed, 0);
    bl_sleep(BL_HOUR);
    CHECK_EQ(closed, 1);

    /* begun all the same, and left alone at once */
    check_error(bl_cleanup_in(ctx, BL_CUT_OFF, go_on, new_session(BL_HOUR, &closed)),
                "clean-up cut off: context deadline exceeded", bl_err_cut_off,
                bl_err_timeout);
    CHECK(bl_now() == began + BL_SECOND + BL_HOUR);
    context_end(ctx); /* f has one of its own */
    bl_sleep(2 * BL_HOUR);
    CHECK_EQ(closed, 1);

    /* f may be the quicker one to see it: then its result counts */
    ctx = context_with_timeout(BACKGROUND, BL_SECOND);
    check_error(bl_cleanup_in(ctx, BL_CUT_OFF, say_goodbye, new_session(BL_HOUR, &closed)),
                NULL, bl_err_deadline_exceeded, NULL);
    bl_bubble_wait();
    CHECK_EQ(closed, 1);
    context_end(ctx);
}

static void cleanup_that_is_done_in_time(void) { in_bubble(cleanup_that_is_done); }
static void cleanup_is_skipped_when_late(void) { in_bubble(cleanup_is_skipped); }
static void cleanup_is_cut_off_when_late(void) { in_bubble(cleanup_is_cut_off); }

static void
wrong_mode(void)
{
    bl_cleanup_in(BACKGROUND, 4, fail, NULL);
}

static void
no_mode(void)
{
    bl_cleanup_in(BACKGROUND, 0, fail, NULL);
}

static void
panics_while_waited_for(void)
{
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_HOUR);
    int64_t ns = 1;

    returns_nothing {
        defer_call(bl_context_end, ctx);
        bl_cleanup_in(ctx, BL_CUT_OFF, panic_in_it, &ns);
    }
}

static void
exits(bl_waitgroup *wg)
{
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_HOUR);

    returns_nothing {
        defer_call(bl_waitgroup_done, wg);
        defer_call(bl_context_end, ctx);
        bl_cleanup_in(ctx, BL_CUT_OFF, exit_in_it, NULL);
        NOTE("not here");
    }
}

static void
panics_alone(void)
{
    static int64_t ns = 2 * BL_MILLISECOND;
    bl_context *ctx = context_with_cancel(BACKGROUND);

    context_cancel(ctx);
    error_release(bl_cleanup_in(ctx, BL_CUT_OFF, panic_in_it, &ns));
    bl_sleep(BL_MINUTE); /* longer than it takes */
}

static void
a_panic_in_clean_up_is_the_callers(void)
{
    bl_waitgroup wg = {0};

    CHECK_STR(panic_of(panics_while_waited_for), "in clean-up");
    CHECK_STR(panic_of(wrong_mode),
              "belay: bl_cleanup_in: mode 4 is neither BL_SKIP nor BL_CUT_OFF");
    CHECK_STR(panic_of(no_mode),
              "belay: bl_cleanup_in: mode 0 is neither BL_SKIP nor BL_CUT_OFF");
    bl_waitgroup_add(&wg, 1);
    go(exits, &wg);
    bl_waitgroup_wait(&wg);
    CHECK_TRACE("");
}

static void
without_a_caller_a_panic_is_reported(void)
{
#if defined(__SANITIZE_THREAD__)
    return; /* it allows no threads in children */
#endif
    check_fatal(panics_alone, "panic: in clean-up [recovered, repanicked]\n");
}

static void
deferred_clean_up(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    int closed;

    returns_nothing {
        defer_call(bl_context_end, ctx);
        defer_call(bl_cleanup_or_log, ctx, (unsigned)BL_CUT_OFF, go_on,
                   (void *)new_session(BL_HOUR, &closed));
        defer_call(bl_cleanup_or_log, ctx, (unsigned)BL_SKIP, fail, NULL);
        context_cancel_cause(ctx, err_own);
        defer_call(bl_cleanup_or_log, BACKGROUND, (unsigned)BL_SKIP, fail, NULL);
        defer_call(bl_cleanup_or_log, BACKGROUND, (unsigned)BL_CUT_OFF, say_goodbye,
                   (void *)new_session(1, &closed));
    }
}

static void
deferred_clean_up_is_reported(void)
{
#if defined(__SANITIZE_THREAD__)
    return;
#endif
    in_child(deferred_clean_up);
    CHECK_EQ(ended.status, 0);
    /* static functions have names only where there is debug information */
    CHECK(strstr(ended.err, ": failed\nbelay: "));
    CHECK(strstr(ended.err, ": clean-up skipped: own\nbelay: "));
    CHECK(strstr(ended.err, ": clean-up cut off: own\n"));
    CHECK(strncmp(ended.err, "belay: ", 7) == 0);
}

int
main(void)
{
    /* in children: before there are threads */
    RUN(without_a_caller_a_panic_is_reported);
    RUN(deferred_clean_up_is_reported);
    OFTEN_ON_THREADS(every_form_ends_with_its_context);
    RUN(every_form_in_real_time);
    RUN(forms_do_what_they_do);
    RUN(an_ended_context_wins);
    RUN(a_select_has_a_limit);
    RUN(who_gives_up_wakes_nobody_in_vain);
    RUN(ends_race_with_messages);
    RUN(ends_race_with_locks);
    RUN(a_bubble_may_wait_for_outside);
    RUN(polling_sees_the_end);
    OFTEN_ON_THREADS(cleanup_that_is_done_in_time);
    OFTEN_ON_THREADS(cleanup_is_skipped_when_late);
    OFTEN_ON_THREADS(cleanup_is_cut_off_when_late);
    OFTEN_ON_THREADS(a_panic_in_clean_up_is_the_callers);
    return 0;
}
