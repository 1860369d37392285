/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/context_test.c - catalogue area X: contexts.  Cases run many times
 * over, and must not make the heap grow; where time matters, in a bubble. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "concurrent.h"
#include "often.h"

#include <errno.h>
#include <stdatomic.h>

error_static(err_one, "one");
error_static(err_two, "two");

#define BACKGROUND context_background()

/* --- what contexts are asked here ------------------------------------------------- */

/* Consumes the reference. */
static const bl_error *
cause_of(bl_context *ctx)
{
    bl_error *cause = context_cause(ctx);

    error_release(cause); /* it is ctx's as well */
    return cause;
}

static bool
is_done(bl_context *ctx)
{
    return bl_select_or(on_recv(context_done(ctx), NULL)) == 0;
}

static const char *
text_of(const bl_context *ctx)
{
    static char buf[4096];

    CHECK(bl_context_text(ctx, buf, sizeof buf) < sizeof buf);
    return buf;
}

#define CHECK_LIVE(ctx)                          \
    do {                                         \
        CHECK(!context_err(ctx));                \
        CHECK(!is_done(ctx));                    \
        CHECK(!context_cause(ctx));              \
    } while (0)

#define CHECK_ENDED(ctx, err, cause)             \
    do {                                         \
        CHECK(context_err(ctx) == (err));        \
        CHECK(is_done(ctx));                     \
        CHECK(cause_of(ctx) == (cause));         \
    } while (0)

#define CHECK_CANCELED(ctx) CHECK_ENDED(ctx, bl_err_canceled, bl_err_canceled)
#define CHECK_EXPIRED(ctx) \
    CHECK_ENDED(ctx, bl_err_deadline_exceeded, bl_err_deadline_exceeded)

static void
run_case(void *f)
{
    (*(void (**)(void))f)();
}

static void (*in_a_bubble)(void);

static void
bubble(void)
{
    bl_bubble(run_case, &in_a_bubble);
}

#define OFTEN_IN_BUBBLE(name)                             \
    do {                                                  \
        in_a_bubble = name;                               \
        RUN(bubble);                                      \
        run_without_leak(#name, bubble, 2000);            \
    } while (0)

/* --- roots ------------------------------------------------------------------------- */

static const bl_context_key key_1 = {.name = "one"}, key_2 = {.name = "two"};

static void
check_root(bl_context *ctx, const char *text)
{
    CHECK(!context_done(ctx));
    CHECK_LIVE(ctx);
    CHECK(context_deadline(ctx) == BL_FOREVER);
    CHECK(!context_value(ctx, &key_1));
    CHECK_STR(text_of(ctx), text);
    CHECK(context_retain(ctx) == ctx);
    for (int i = 0; i < 3; i++)
        context_end(ctx); /* nothing happens to it */
}

static void
X1_background_and_todo(void)
{
    check_root(BACKGROUND, "context.Background");
    check_root(context_todo(), "context.TODO");
}

/* --- cancel ------------------------------------------------------------------------ */

static void
X2_cancel_ends_all_below_before_it_returns(void)
{
    bl_context *top = context_with_cancel(BACKGROUND);
    bl_context *value = context_with_value(top, &key_1, "v");
    bl_context *some[20];

    for (int i = 0; i < 20; i++) {
        bl_context *parent = i < 2 ? value : some[i / 2];

        some[i] = i % 3 ? context_with_cancel(parent)
                        : context_with_timeout(parent, BL_HOUR);
        CHECK_LIVE(some[i]);
    }
    context_cancel(top);
    CHECK_CANCELED(top);
    CHECK_CANCELED(value);
    for (int i = 0; i < 20; i++)
        CHECK_CANCELED(some[i]);
    for (int i = 0; i < 20; i++)
        context_end(some[i]);
    context_end(value);
    context_end(top);
}

static void
X3_a_child_ends_alone(void)
{
    bl_context *top = context_with_cancel(BACKGROUND);
    bl_context *first = context_with_cancel(top), *second = context_with_cancel(top);

    context_cancel(first);
    CHECK_CANCELED(first);
    CHECK_LIVE(second);
    CHECK_LIVE(top);
    context_end(first);
    for (int i = 0; i < 100; i++) /* detached: else the list would show it later */
        context_end(context_with_cancel(top));
    context_end(top);
    CHECK_CANCELED(second);
    context_end(second);
}

static void
cancel_it(bl_context *ctx, bl_error *cause, bl_waitgroup *wg)
{
    context_cancel_cause(ctx, cause);
    CHECK(context_err(ctx) == bl_err_canceled);
    context_release(ctx);
    bl_waitgroup_done(wg);
}

static void
X4_later_cancels_do_nothing(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    bl_waitgroup wg = {0};
    const bl_error *cause;

    context_cancel_cause(ctx, err_one);
    context_cancel_cause(ctx, err_two);
    context_cancel_cause(ctx, error_new("is released"));
    context_cancel(ctx);
    CHECK_ENDED(ctx, bl_err_canceled, err_one);
    context_end(ctx);

    ctx = context_with_cancel(BACKGROUND);
    bl_waitgroup_add(&wg, 8);
    for (int i = 0; i < 8; i++)
        go(cancel_it, context_retain(ctx), i % 2 ? err_one : err_two, &wg);
    bl_waitgroup_wait(&wg);
    cause = cause_of(ctx);
    CHECK(cause == err_one || cause == err_two);
    context_end(ctx);
}

static void
X5_done_is_always_the_same(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    bl_context *value = context_with_value(ctx, &key_1, NULL);
    chan_of(char) done = context_done(ctx);

    CHECK(done);
    CHECK(context_done(value) == done);
    context_cancel(ctx);
    CHECK(context_done(ctx) == done);
    CHECK(context_done(value) == done);
    CHECK_EQ(bl_recv_ok(done, NULL), 0);
    context_end(value);
    context_end(ctx);
}

/* A child that is done has an err, and a parent that has ended. */
static void
watch(bl_context *parent, bl_context *child, bl_waitgroup *wg)
{
    bl_recv(context_done(child));
    CHECK(context_err(child) == bl_err_canceled);
    CHECK(context_err(parent) == bl_err_canceled);
    CHECK(is_done(parent));
    context_release(child);
    context_release(parent);
    bl_waitgroup_done(wg);
}

static void
X6_err_before_done_and_parents_before_children(void)
{
    bl_context *parent = context_with_cancel(BACKGROUND);
    bl_context *child = context_with_cancel(parent);
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 4);
    for (int i = 0; i < 4; i++)
        go(watch, context_retain(parent), context_retain(child), &wg);
    gosched();
    context_cancel(parent);
    bl_waitgroup_wait(&wg);
    context_end(child);
    context_end(parent);
}

/* --- deadlines --------------------------------------------------------------------- */

static void
X7_a_deadline_is_a_timeout(void)
{
    int64_t began = bl_now();
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_SECOND);
    bl_error *wrapped;
    char text[64];

    CHECK_LIVE(ctx);
    CHECK(context_deadline(ctx) == began + BL_SECOND);
    bl_recv(context_done(ctx));
    CHECK(bl_now() == began + BL_SECOND);
    CHECK_EXPIRED(ctx);
    bl_error_text(context_err(ctx), text, sizeof text);
    CHECK_STR(text, "context deadline exceeded");
    CHECK(error_is(context_err(ctx), bl_err_timeout));
    CHECK(!error_is(context_err(ctx), bl_err_canceled));
    wrapped = error_wrap(context_cause(ctx), "fetch");
    CHECK(error_is(wrapped, bl_err_deadline_exceeded));
    CHECK(error_is(wrapped, bl_err_timeout));
    error_release(wrapped);
    CHECK(!error_is(bl_err_canceled, bl_err_timeout));
    CHECK(error_is(bl_error_from_errno(ETIMEDOUT), bl_err_timeout));
    bl_error_text(bl_err_canceled, text, sizeof text);
    CHECK_STR(text, "context canceled");
    context_end(ctx);
}

static void
X8_the_earlier_deadline_counts(void)
{
    int64_t began = bl_now();
    bl_context *one = context_with_timeout(BACKGROUND, BL_SECOND);
    bl_context *later = context_with_deadline(one, began + BL_HOUR);
    bl_context *sooner = context_with_timeout(one, BL_MILLISECOND);
    bl_context *plain = context_with_cancel(sooner);

    CHECK(context_deadline(later) == began + BL_SECOND);
    CHECK_STR(strrchr(text_of(later), '.'), ".WithCancel"); /* no timer */
    CHECK(context_deadline(sooner) == began + BL_MILLISECOND);
    CHECK(context_deadline(plain) == began + BL_MILLISECOND);
    bl_sleep(BL_MILLISECOND);
    bl_bubble_wait();
    CHECK_EXPIRED(sooner);
    CHECK_EXPIRED(plain);
    CHECK_LIVE(one);
    bl_sleep(BL_SECOND);
    CHECK_EXPIRED(one);
    CHECK_EXPIRED(later);
    context_end(plain);
    context_end(sooner);
    context_end(later);
    context_end(one);
}

static void
X9_a_deadline_that_is_over_ends_at_once(void)
{
    const int64_t some[] = {0, -1, -BL_HOUR, INT64_MIN};

    for (int i = 0; i < 4; i++) {
        bl_context *ctx = context_with_timeout(BACKGROUND, some[i]);
        bl_context *child = context_with_cancel(ctx);

        CHECK_EXPIRED(ctx);
        context_cancel_cause(ctx, err_one);
        CHECK_EXPIRED(ctx);
        CHECK_EXPIRED(child);
        context_end(child);
        context_end(ctx);
        ctx = bl_context_with_deadline_cause(BACKGROUND, some[i], err_one);
        CHECK_ENDED(ctx, bl_err_deadline_exceeded, err_one);
        context_end(ctx);
    }
}

static void
no_deadline_is_fine_too(void)
{
    bl_context *ctx = context_with_deadline(BACKGROUND, BL_FOREVER);
    bl_context *far = context_with_timeout(BACKGROUND, INT64_MAX);

    CHECK(context_deadline(ctx) == BL_FOREVER);
    CHECK(context_deadline(far) == BL_FOREVER);
    bl_sleep(BL_HOUR);
    CHECK_LIVE(far);
    CHECK_LIVE(ctx);
    context_end(far);
    context_end(ctx);
}

/* --- causes ------------------------------------------------------------------------ */

static void
X10_children_of_an_ended_one_have_ended(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    bl_context *children[4];

    context_cancel_cause(ctx, err_one);
    children[0] = context_with_cancel(ctx);
    children[1] = context_with_timeout(ctx, BL_HOUR);
    children[2] = context_with_timeout(children[1], -1);
    children[3] = context_with_value(children[2], &key_1, "v");
    for (int i = 0; i < 4; i++)
        CHECK_ENDED(children[i], bl_err_canceled, err_one);
    context_cancel_cause(children[0], err_two);
    CHECK_ENDED(children[0], bl_err_canceled, err_one);
    for (int i = 0; i < 4; i++)
        context_end(children[i]);
    context_end(ctx);
}

static void
X11_the_first_cause_on_the_way_wins(void)
{
    bl_context *parent = context_with_cancel(BACKGROUND);
    bl_context *child = context_with_cancel(parent);

    context_cancel_cause(parent, err_one);
    context_cancel_cause(child, err_two);
    CHECK_ENDED(parent, bl_err_canceled, err_one);
    CHECK_ENDED(child, bl_err_canceled, err_one);
    context_end(child);
    context_end(parent);

    parent = context_with_cancel(BACKGROUND);
    child = context_with_cancel(parent);
    context_cancel_cause(child, err_two);
    context_cancel_cause(parent, err_one);
    CHECK_ENDED(parent, bl_err_canceled, err_one);
    CHECK_ENDED(child, bl_err_canceled, err_two);
    context_end(parent);
    context_end(child);
}

static void
X12_without_a_cause_it_is_err(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);

    context_cancel_cause(ctx, NULL);
    CHECK_CANCELED(ctx);
    context_end(ctx);
    ctx = bl_context_with_timeout_cause(BACKGROUND, 1, NULL);
    bl_sleep(2);
    CHECK_EXPIRED(ctx);
    context_end(ctx);
}

/* Counted causes: released with what has them. */
static void
X13_a_deadlines_cause_needs_the_deadline(void)
{
    bl_error *late = error_new("too late");
    bl_context *ctx = bl_context_with_timeout_cause(BACKGROUND, BL_SECOND, late);

    context_cancel(ctx);
    CHECK_CANCELED(ctx);
    context_end(ctx);

    late = error_new("too late");
    ctx = bl_context_with_timeout_cause(BACKGROUND, BL_SECOND, late);
    bl_sleep(BL_SECOND + 1);
    CHECK_ENDED(ctx, bl_err_deadline_exceeded, late);
    context_end(ctx);

    ctx = bl_context_with_timeout_cause(BACKGROUND, BL_SECOND, error_new("never"));
    context_cancel_cause(ctx, err_two);
    bl_sleep(BL_HOUR);
    CHECK_ENDED(ctx, bl_err_canceled, err_two);
    context_end(ctx);
}

static void
X14_a_parents_deadline_brings_its_cause(void)
{
    bl_context *parent = bl_context_with_timeout_cause(BACKGROUND, BL_SECOND,
                                                       error_new("parent"));
    bl_context *child = bl_context_with_timeout_cause(parent, BL_HOUR,
                                                      error_new("child"));
    bl_error *cause;

    bl_sleep(BL_MINUTE);
    cause = context_cause(child);
    CHECK_ENDED(child, bl_err_deadline_exceeded, cause);
    context_end(parent);
    context_end(child); /* the cause is still ours */
    CHECK_STR(bl_error_name(cause), "*errors.errorString");
    error_release(cause);
}

static void
X15_causes_are_seen_through_values(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    bl_context *value = context_with_value(ctx, &key_1, "v");

    CHECK_LIVE(value);
    context_cancel_cause(ctx, error_new("counted"));
    CHECK_ENDED(value, bl_err_canceled, cause_of(ctx));
    context_end(ctx);
    CHECK_STR(bl_error_name(cause_of(value)), "*errors.errorString");
    context_end(value);
}

static void
X16_without_cancel_goes_on(void)
{
    bl_context *parent = context_with_timeout(BACKGROUND, BL_HOUR);
    bl_context *value = context_with_value(parent, &key_1, "v");
    bl_context *free_one = context_without_cancel(value);
    bl_context *child = context_with_cancel(free_one);

    context_cancel_cause(parent, err_one);
    context_end(parent);
    CHECK_STR(context_value(free_one, &key_1), "v");
    CHECK(!context_done(free_one));
    CHECK(context_deadline(free_one) == BL_FOREVER);
    CHECK_LIVE(free_one);
    CHECK_LIVE(child);
    CHECK(context_deadline(child) == BL_FOREVER);
    CHECK_STR(context_value(child, &key_1), "v");
    context_cancel(child);
    CHECK_CANCELED(child);
    CHECK_LIVE(free_one);
    context_end(free_one);
    context_end(value);
    context_end(child);
}

/* --- values ------------------------------------------------------------------------ */

static void
X17_the_nearest_value_counts(void)
{
    static const bl_context_key same_name = {.name = "one"};
    bl_context *a = context_with_value(BACKGROUND, &key_1, "a");
    bl_context *b = context_with_value(a, &key_2, "b");
    bl_context *c = context_with_cancel(b);
    bl_context *d = context_with_value(c, &key_1, "d");
    bl_context *nothing = context_with_value(d, &key_1, NULL);

    CHECK_STR(context_value(c, &key_1), "a");
    CHECK_STR(context_value(c, &key_2), "b");
    CHECK_STR(context_value(d, &key_1), "d");
    CHECK_STR(context_value(d, &key_2), "b");
    CHECK(!context_value(d, &same_name));
    CHECK(!context_value(nothing, &key_1)); /* shadowed */
    CHECK(!context_value(a, &key_2));
    CHECK(!context_value(a, NULL));
    context_end(a);
    context_end(b);
    context_end(c);
    context_end(d);
    CHECK_STR(context_value(nothing, &key_2), "b"); /* it has kept them */
    context_end(nothing);
}

static int destroyed;

static void
destroy(void *value)
{
    destroyed++;
    free(value);
}

static void
a_keys_destroy_ends_its_values(void)
{
    static const bl_context_key owning = {.name = "owning", .destroy = destroy};
    bl_context *ctx = context_with_value(BACKGROUND, &owning, strdup("v"));
    bl_context *child = context_with_cancel(ctx);

    destroyed = 0;
    context_end(ctx);
    CHECK_EQ(destroyed, 0);
    CHECK_STR(context_value(child, &owning), "v");
    context_end(child);
    CHECK_EQ(destroyed, 1);
}

/* --- misuse ------------------------------------------------------------------------ */

static void with_cancel_of_null(void) { context_with_cancel(NULL); }
static void with_deadline_of_null(void) { context_with_deadline(NULL, 1); }
static void with_timeout_of_null(void) { context_with_timeout(NULL, 1); }
static void with_value_of_null(void) { context_with_value(NULL, &key_1, NULL); }
static void without_cancel_of_null(void) { context_without_cancel(NULL); }
static void with_null_key(void) { context_with_value(BACKGROUND, NULL, "v"); }
static void cancel_of_background(void) { context_cancel(BACKGROUND); }
static void cancel_of_null(void) { context_cancel(NULL); }
static void err_of_null(void) { context_err(NULL); }
static void cause_of_null(void) { context_cause(NULL); }
static void deadline_of_null(void) { context_deadline(NULL); }
static void value_of_null(void) { context_value(NULL, &key_1); }
static void done_of_null(void) { (void)context_done(NULL); }
static void text_of_null(void) { bl_context_text(NULL, NULL, 0); }
static void nothing_to_call(void *unused) { (void)unused; }
static void after_null(void) { context_after_func(NULL, nothing_to_call, NULL); }
static void after_func_null(void) { context_after_func(BACKGROUND, NULL, NULL); }
static void stop_null(void) { bl_context_func_stop(NULL); }
static void sleep_in_null(void) { bl_sleep_ctx(1, NULL); }

static void
X18_misuse_panics(void)
{
    static void (*const parents[])(void) = {
        with_cancel_of_null, with_deadline_of_null, with_timeout_of_null,
        with_value_of_null, without_cancel_of_null,
    };
    static void (*const others[])(void) = {
        cancel_of_null, err_of_null, cause_of_null, deadline_of_null, value_of_null,
        done_of_null, text_of_null, after_null, after_func_null, stop_null, sleep_in_null,
    };

    for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++)
        CHECK_STR(panic_of(parents[i]), "cannot create context from nil parent");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CHECK_STR(panic_of(others[i]), "runtime error: invalid memory address or nil "
                                       "pointer dereference");
    CHECK_STR(panic_of(with_null_key), "nil key");
    CHECK_STR(panic_of(cancel_of_background),
              "belay: cancel of a context that is not one to be cancelled");
    context_end(NULL);
    context_release(NULL);
    CHECK(!context_retain(NULL));
    bl_context_func_free(NULL);
}

static bl_context *misused;

static void
cancel_misused(void)
{
    context_cancel(misused);
}

/* Who is only handed a context can't end it by deriving from it. */
static void
a_value_is_not_to_be_cancelled(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);

    misused = context_with_value(ctx, &key_1, "v");
    CHECK_STR(panic_of(cancel_misused),
              "belay: cancel of a context that is not one to be cancelled");
    context_end(misused);
    CHECK_LIVE(ctx);
    context_end(ctx);
}

static void
release_too_often(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND), *kept = context_retain(ctx);

    *(_Atomic uint32_t *)kept = 0xffffffffu; /* as freed memory may look */
    context_release(ctx);
}

static void
receive_from(chan_of(char) c)
{
    bl_recv(c);
}

static void
release_while_waited_for(void)
{
    char stacks[4096];
    bl_context *ctx = context_with_cancel(BACKGROUND);

    go(receive_from, context_done(ctx));
    do { /* a busy machine takes its time */
        settle();
        bl_stack_all(stacks, sizeof stacks);
    } while (!strstr(stacks, "[chan receive"));
    context_release(ctx);
}

static void
wrong_releases_are_found(void)
{
#if defined(__SANITIZE_THREAD__)
    return; /* it allows no threads in children */
#endif
    check_fatal(release_too_often, "fatal error: context: a context was released too often");
    check_fatal(release_while_waited_for,
                "panic: belay: release of a context that somebody waits for");
}

/* --- functions afterwards ---------------------------------------------------------- */

static _Atomic int called;

static void
call_it(void *arg)
{
    called += arg ? *(int *)arg : 1;
}

static void
X19_after_func_runs_when_it_has_ended(void)
{
    static int two = 2;
    bl_context *ctx = context_with_timeout(BACKGROUND, BL_SECOND);
    bl_context_func *first, *second, *third;

    called = 0;
    first = context_after_func(ctx, call_it, &two);
    bl_bubble_wait();
    CHECK_EQ(called, 0);
    bl_sleep(BL_SECOND);
    bl_bubble_wait();
    CHECK_EQ(called, 2);
    second = context_after_func(ctx, call_it, NULL); /* at once */
    bl_bubble_wait();
    CHECK_EQ(called, 3);
    third = context_after_func(BACKGROUND, call_it, NULL);
    CHECK(bl_context_func_stop(third)); /* as Go: it never could */
    CHECK(!bl_context_func_stop(third));
    bl_context_func_free(first);
    bl_context_func_free(second);
    bl_context_func_free(third);
    context_end(ctx);
    CHECK_EQ(called, 3);
}

static void
X20_stop_says_whether_it_was_in_time(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    bl_context_func *stopped = context_after_func(ctx, call_it, NULL);
    bl_context_func *runs = context_after_func(ctx, call_it, NULL);

    called = 0;
    CHECK(bl_context_func_stop(stopped));
    CHECK(!bl_context_func_stop(stopped));
    context_cancel(ctx);
    CHECK(!bl_context_func_stop(runs)); /* it has been started, if not begun */
    CHECK(!bl_context_func_stop(stopped));
    bl_context_func_free(runs);
    bl_bubble_wait();
    CHECK_EQ(called, 1);
    bl_context_func_free(stopped);
    context_end(ctx);
}

static void
call_slowly(void *arg)
{
    bl_recv(*(chan_of(int) *)arg);
    called++;
}

static void
X21_several_are_independent_and_not_waited_for(void)
{
    bl_context *ctx = context_with_cancel(BACKGROUND);
    chan_of(int) go_on = chan_make(int, 0);
    bl_context_func *funcs[6];

    called = 0;
    for (int i = 0; i < 6; i++)
        funcs[i] = context_after_func(ctx, i < 3 ? call_slowly : call_it,
                                      i < 3 ? (void *)&go_on : NULL);
    CHECK(bl_context_func_stop(funcs[0]));
    context_cancel(ctx);
    bl_bubble_wait();
    CHECK_EQ(called, 3);
    for (int i = 0; i < 6; i++)
        bl_context_func_free(funcs[i]); /* those that run go on */
    context_end(ctx);
    chan_close(go_on);
    bl_bubble_wait();
    CHECK_EQ(called, 5);
    chan_free(go_on);
}

/* --- propagation ------------------------------------------------------------------- */

static void
X22_no_goroutines_for_trees(void)
{
    bl_context *some[300], *parent = BACKGROUND;
    int64_t before;

    while ((before = bl_num_goroutine()) > 1)
        bl_sleep(BL_MILLISECOND); /* those of other cases */
    for (int i = 0; i < 300; i++) {
        some[i] = i % 3 == 0   ? context_with_cancel(parent)
                  : i % 3 == 1 ? context_with_value(parent, &key_1, "v")
                               : context_with_timeout(parent, BL_HOUR);
        if (i % 7)
            parent = some[i];
    }
    CHECK_EQ(bl_num_goroutine(), before);
    context_cancel(some[0]);
    CHECK_EQ(bl_num_goroutine(), before);
    for (int i = 0; i < 300; i++)
        context_end(some[i]);
}

static void
X25_cancel_stops_the_timer(void)
{
    bl_context *parent = context_with_cancel(BACKGROUND);
    int64_t began = bl_now();

    for (int i = 0; i < 100; i++) {
        bl_context *ctx = context_with_timeout(parent, BL_HOUR + i);

        if (i % 2)
            context_cancel(ctx);
        context_release(ctx);
    }
    bl_sleep(24 * BL_HOUR);
    CHECK(bl_now() - began == 24 * BL_HOUR);
    context_end(parent);
}

static void
cancel_child_after(bl_context *parent, bl_context *child, bl_waitgroup *wg)
{
    bl_recv(context_done(parent));
    context_cancel(child);
    context_release(child);
    context_release(parent);
    bl_waitgroup_done(wg);
}

static void
X26_a_child_cancelled_by_who_waits_for_its_parent(void)
{
    bl_context *parent = context_with_cancel(BACKGROUND);
    bl_context *child = context_with_cancel(parent);
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 1);
    go(cancel_child_after, context_retain(parent), context_retain(child), &wg);
    context_cancel(parent);
    bl_waitgroup_wait(&wg);
    CHECK_CANCELED(child);
    context_end(child);
    context_end(parent);
}

static void
X27_texts_are_chains(void)
{
    bl_context *a = context_with_cancel(BACKGROUND);
    bl_context *b = context_with_value(a, &key_1, (void *)0x12ab);
    bl_context *c = context_with_timeout(b, 90 * BL_SECOND + 250 * BL_MILLISECOND);
    bl_context *d = context_without_cancel(c);
    bl_context *e = context_with_value(d, &key_2, NULL);
    char few[20];

    bl_sleep(BL_SECOND / 2);
    CHECK_STR(text_of(e),
              "context.Background.WithCancel.WithValue(one, 0x12ab)"
              ".WithDeadline(946684890.25s [89.75s]).WithoutCancel.WithValue(two, <nil>)");
    CHECK_EQ(bl_context_text(a, few, sizeof few), 29);
    CHECK_STR(few, "context.Background.");
    CHECK_EQ(bl_context_text(a, NULL, 0), 29);
    context_end(a);
    context_end(b);
    context_end(c);
    context_end(d);
    context_end(e);
    a = context_with_timeout(context_todo(), -BL_SECOND);
    CHECK_STR(text_of(a), "context.TODO.WithDeadline(946684799.5s [-1s])");
    bl_sleep(1);
    CHECK_STR(text_of(a), "context.TODO.WithDeadline(946684799.5s [-1.000000001s])");
    context_end(a);
    a = context_with_deadline(BACKGROUND, INT64_MIN);
    CHECK_STR(text_of(a), "context.Background.WithDeadline(-9223372036.854775808s "
                          "[-9223372036.854775808s])");
    context_end(a);
}

/* --- memory ------------------------------------------------------------------------ */

/* Released by the owner of a tree in any order, and not ended before. */
static void
trees_end_in_any_order(void)
{
    bl_context *some[64] = {BACKGROUND};

    for (unsigned i = 1; i < 64; i++)
        some[i] = i % 5 == 0   ? context_without_cancel(some[i / 2])
                  : i % 5 == 1 ? context_with_timeout(some[i / 2], BL_HOUR)
                  : i % 5 == 2 ? context_with_value(some[i / 2], &key_1, "v")
                               : context_with_cancel(some[i / 2]);
    for (unsigned i = 1; i < 64; i++) {
        unsigned j = i * 37 % 64;

        if (j % 3)
            context_end(some[j]);
        else
            context_release(some[j]);
    }
}

/* Neither ending nor freeing needs stack; the text is as long as the chain. */
static void
a_long_chain(void)
{
    enum { N = 100000 };
    bl_context *top = context_with_cancel(BACKGROUND), *last = top;

    for (int i = 0; i < N; i++) {
        bl_context *next = i % 2 ? context_with_cancel(last)
                                 : context_with_value(last, &key_1, NULL);

        if (last != top)
            context_release(last);
        last = next;
        if (i == 1000)
            CHECK(bl_context_text(last, NULL, 0) > 10 * 1000);
    }
    context_cancel(top);
    CHECK_CANCELED(last);
    context_release(top);
    context_release(last);
}

static void
many_children(void)
{
    enum { N = 20000 };
    static bl_context *some[N];
    bl_context *top = context_with_cancel(BACKGROUND);

    for (int i = 0; i < N; i++)
        some[i] = context_with_cancel(top);
    for (int i = 0; i < N; i += 2)
        context_end(some[i]);
    context_end(top);
    for (int i = 1; i < N; i += 2) {
        CHECK_CANCELED(some[i]);
        context_end(some[i]);
    }
}

static void
no_memory(void)
{
    static const bl_context_key owning = {.name = "owning", .destroy = destroy};
    struct rlimit limit = {256 * MIB, 256 * MIB};
    bl_context *parent = context_with_cancel(BACKGROUND), *ctx;
    char *value = strdup("v");
    bl_error *late = error_new("late");

    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    use_up_memory();
    ctx = context_with_cancel(parent);
    CHECK_ENDED(ctx, bl_err_canceled, bl_error_from_errno(ENOMEM));
    CHECK(bl_context_with_timeout_cause(parent, BL_HOUR, error_retain(late)) == ctx);
    CHECK(context_without_cancel(parent) == ctx);
    CHECK(context_with_value(parent, &owning, value) == ctx);
    CHECK_EQ(destroyed, 1);
    CHECK(!context_after_func(parent, call_it, NULL));
    context_cancel(ctx);
    context_end(ctx);
    context_end(ctx);
    CHECK_STR(text_of(ctx), "context.Background.WithCancel");
    error_release(late);
    CHECK_LIVE(parent);
    context_end(parent);
}

static void
where_memory_is_short_it_has_ended(void)
{
    if (SANITIZED)
        return; /* their own memory is beyond all limits */
    destroyed = 0;
    in_child(no_memory);
    if (ended.status == 77)
        return;
    if (ended.status != 0)
        fputs(ended.err, stderr);
    CHECK_EQ(ended.status, 0);
}

/* --- threads ----------------------------------------------------------------------- */

static bl_context *shared_top;
static _Atomic int seen_ends;

static void
grow_and_end(uint32_t seed)
{
    bl_context *some[8] = {0};

    for (int i = 0; i < 4000; i++) {
        unsigned slot = (seed = seed * 1664525 + 1013904223) >> 29;
        bl_context *parent = some[(seed >> 20) % 8];

        context_end(some[slot]);
        if (parent == some[slot] || !parent)
            parent = shared_top;
        some[slot] = NULL;
        switch ((seed >> 10) % 8) {
        case 0:
            some[slot] = context_with_timeout(parent, (seed >> 12) % 100000);
            break;
        case 1:
            some[slot] = context_with_value(parent, &key_1, parent);
            break;
        case 2: {
            bl_context_func *af = context_after_func(parent, call_it, NULL);

            if (seed & 1024)
                gosched();
            bl_context_func_free(af);
            break;
        }
        default:
            some[slot] = context_with_cancel(parent);
            if (some[slot] && context_err(some[slot]))
                seen_ends++;
        }
    }
    for (int i = 0; i < 8; i++)
        context_end(some[i]);
}

static void *
grow_in_thread(void *arg)
{
    grow_and_end((uint32_t)(uintptr_t)arg);
    return NULL;
}

static void
grow_in_goroutine(uint32_t seed, bl_waitgroup *wg)
{
    grow_and_end(seed);
    bl_waitgroup_done(wg);
}

/* All of them in one tree, which ends in the middle of it. */
static void
all_threads_at_once(void)
{
    pthread_t threads[2];
    bl_waitgroup wg = {0};

    shared_top = context_with_timeout(BACKGROUND, 3 * BL_MILLISECOND);
    bl_waitgroup_add(&wg, 4);
    for (uintptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, grow_in_thread, (void *)(i + 10)), 0);
    for (uint32_t i = 0; i < 4; i++)
        go(grow_in_goroutine, i, &wg);
    bl_waitgroup_wait(&wg);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    bl_sleep(4 * BL_MILLISECOND);
    CHECK_EXPIRED(shared_top);
    context_end(shared_top);
}

/* Whoever cancels and the timer meet: exactly one of them ends it. */
static void
cancel_against_deadline(void)
{
    int expired = 0;

    for (int i = 0; i < 300; i++) {
        bl_context *ctx = bl_context_with_timeout_cause(BACKGROUND, 20000, err_one);
        const bl_error *err;
        int64_t until = bl_now() + i * 150;

        while (bl_now() < until)
            ;
        context_cancel_cause(ctx, err_two);
        err = context_err(ctx);
        CHECK(cause_of(ctx) == (err == bl_err_canceled ? err_two : err_one));
        expired += err == bl_err_deadline_exceeded;
        context_end(ctx);
    }
    if (getenv("BELAY_TEST_VERBOSE"))
        fprintf(stderr, "    %d of 300 expired\n", expired);
}

static void
ends(void)
{
    OFTEN(X1_background_and_todo);
    OFTEN_ON_THREADS(X2_cancel_ends_all_below_before_it_returns);
    OFTEN_ON_THREADS(X3_a_child_ends_alone);
    OFTEN_ON_THREADS(X4_later_cancels_do_nothing);
    OFTEN_ON_THREADS(X5_done_is_always_the_same);
    OFTEN_ON_THREADS(X6_err_before_done_and_parents_before_children);
    OFTEN_IN_BUBBLE(X7_a_deadline_is_a_timeout);
    OFTEN_IN_BUBBLE(X8_the_earlier_deadline_counts);
    OFTEN_IN_BUBBLE(X9_a_deadline_that_is_over_ends_at_once);
    OFTEN_IN_BUBBLE(no_deadline_is_fine_too);
    OFTEN_ON_THREADS(X10_children_of_an_ended_one_have_ended);
    OFTEN_ON_THREADS(X11_the_first_cause_on_the_way_wins);
    OFTEN_IN_BUBBLE(X12_without_a_cause_it_is_err);
    OFTEN_IN_BUBBLE(X13_a_deadlines_cause_needs_the_deadline);
    OFTEN_IN_BUBBLE(X14_a_parents_deadline_brings_its_cause);
    OFTEN_ON_THREADS(X15_causes_are_seen_through_values);
    OFTEN_ON_THREADS(X16_without_cancel_goes_on);
    OFTEN_ON_THREADS(X17_the_nearest_value_counts);
    OFTEN_ON_THREADS(a_keys_destroy_ends_its_values);
    OFTEN(X18_misuse_panics);
    OFTEN(a_value_is_not_to_be_cancelled);
}

int
main(void)
{
    RUN(wrong_releases_are_found); /* in children: before there are threads */
    RUN(where_memory_is_short_it_has_ended);
    ends();
    OFTEN_IN_BUBBLE(X19_after_func_runs_when_it_has_ended);
    OFTEN_IN_BUBBLE(X20_stop_says_whether_it_was_in_time);
    OFTEN_IN_BUBBLE(X21_several_are_independent_and_not_waited_for);
    OFTEN_ON_THREADS(X22_no_goroutines_for_trees);
    OFTEN_IN_BUBBLE(X25_cancel_stops_the_timer);
    OFTEN_ON_THREADS(X26_a_child_cancelled_by_who_waits_for_its_parent);
    OFTEN_IN_BUBBLE(X27_texts_are_chains);
    OFTEN_ON_THREADS(trees_end_in_any_order);
    RUN(a_long_chain);
    RUN(many_children);
    RUN(all_threads_at_once);
    RUN(cancel_against_deadline);
    return 0;
}
