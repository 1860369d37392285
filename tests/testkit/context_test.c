/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/context_test.c - what only the inside of contexts shows: lost ones, and what is
 * left of those that have ended. */
#include "context/context.h"

#include <belay/belay.h>
#include <belay/test.h>
#include <pthread.h>
#include <stdlib.h>

static uintptr_t
address_of(void (*f)(void))
{
    return (uintptr_t)f;
}

static __attribute__((noinline)) bl_context *
make_one(bl_context *parent)
{
    bl_context *ctx = bl_context_with_cancel(parent);

    if (!ctx)
        abort();
    return ctx; /* behind the call, so that this function made it */
}

/* Those that nobody ends are found, with who has made them. */
BL_TEST(lost_ones_are_listed)
{
    struct bl__live list[8];
    bl_context *top = make_one(bl_context_background());
    bl_context *timeout = bl_context_with_timeout(top, BL_HOUR);
    bl_context *child = make_one(timeout), *other = make_one(bl_context_todo());
    uintptr_t from = address_of((void (*)(void))make_one), made = 0;
    size_t n;

    bl_assert_eq(t, bl__contexts_live(NULL, 0), 4);
    n = bl__contexts_live(list, 8);
    bl_assert_eq(t, n, 4);
    for (size_t i = 0; i < n; i++) {
        bl_assert(t, list[i].ctx == top || list[i].ctx == timeout ||
                         list[i].ctx == child || list[i].ctx == other);
        if (list[i].ctx == top)
            made = list[i].pc;
    }
    bl_assert(t, made - from < 256);
    for (size_t i = 0; i < n; i++)
        bl_assert(t, (list[i].pc == made) == (list[i].ctx != timeout));
    list[1].ctx = NULL;
    bl_assert_eq(t, bl__contexts_live(list, 1), 4);
    bl_assert(t, !list[1].ctx);
    bl_context_end(timeout); /* with child */
    bl_assert_eq(t, bl__contexts_live(NULL, 0), 2);
    bl_context_release(other);
    bl_assert_eq(t, bl__contexts_live(NULL, 0), 1);
    bl_context_end(child);
    bl_context_end(top);
    bl_assert_eq(t, bl__contexts_live(NULL, 0), 0);
}

static void
nothing(void *unused)
{
    (void)unused;
}

/* A wide and deep tree: every canceler once, no function, no value. */
BL_TEST(all_of_a_tree_are_found)
{
    enum { N = 200 };
    static const bl_context_key key = {.name = "key"};
    bl_context *some[N] = {bl_context_with_cancel(bl_context_background())};
    bl_context_func *funcs[N];
    size_t cancelers = 1;

    for (int i = 1; i < N; i++) {
        bl_context *parent = some[i * 7 % i / 3 + (i - 1) / 4 * 3 / 4];

        some[i] = i % 3 ? bl_context_with_cancel(parent)
                        : bl_context_with_value(parent, &key, NULL);
        cancelers += i % 3 != 0;
        funcs[i] = bl_context_after_func(some[i], nothing, NULL);
    }
    bl_assert_eq(t, bl__contexts_live(NULL, 0), cancelers);
    for (int i = 1; i < N; i++)
        bl_context_func_free(funcs[i]);
    for (int i = 0; i < N; i++)
        bl_context_end(some[i]);
    bl_assert_eq(t, bl__contexts_live(NULL, 0), 0);
}

/* A parent's list does not keep those that have ended. */
BL_TEST(ended_ones_are_detached)
{
    bl_context *top = bl_context_with_cancel(bl_context_background());
    bl_context *children[10];
    bl_context_func *af = bl_context_after_func(top, nothing, NULL);

    for (int i = 0; i < 10; i++)
        children[i] = i % 2 ? bl_context_with_cancel(top)
                            : bl_context_with_timeout(top, i == 4 ? 0 : BL_HOUR);
    for (int i = 0; i < 10; i++)
        bl_context_cancel(children[i]);
    bl_assert(t, bl_context_func_stop(af));
    bl_assert(t, !top->canceler->children.first);
    bl_assert(t, !atomic_load(&bl__deadline_of(children[0]->canceler)->timer.heap));
    bl_assert(t, atomic_load(&top->refs) == 1 + 10 + 1);
    for (int i = 0; i < 10; i++)
        bl_context_end(children[i]);
    bl_context_func_free(af);
    bl_assert(t, atomic_load(&top->refs) == 1);
    bl_context_end(top);
}

static _Atomic bool stop;

static void *
churn(void *arg)
{
    bl_context *top = arg;

    while (!stop) {
        bl_context *a = bl_context_with_cancel(top), *b = bl_context_with_cancel(a);

        bl_context_end(a);
        bl_context_end(b);
    }
    return NULL;
}

/* The list may be asked for at any time. */
BL_TEST(lists_while_others_work)
{
    bl_context *top = bl_context_with_cancel(bl_context_background());
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        bl_require(t, pthread_create(&threads[i], NULL, churn, top) == 0);
    for (int i = 0; i < 2000 && !bl_test_failed(t); i++) {
        size_t n = bl__contexts_live(NULL, 0);

        bl_assert(t, n >= 1 && n <= 5);
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    bl_assert_eq(t, bl__contexts_live(NULL, 0), 1);
    bl_context_end(top);
}
