/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unit/context_test.c - what only the inside of contexts shows: lost ones, and what is
 * left of those that have ended. */
#include "context/context.h"

#include "check.h"

#include <belay/belay.h>
#include <pthread.h>

static uintptr_t
address_of(void (*f)(void))
{
    return (uintptr_t)f;
}

static __attribute__((noinline)) bl_context *
make_one(bl_context *parent)
{
    bl_context *ctx = bl_context_with_cancel(parent);

    CHECK(ctx);
    return ctx;
}

/* Those that nobody ends are found, with who has made them. */
static void
lost_ones_are_listed(void)
{
    struct bl__live list[8];
    bl_context *top = make_one(bl_context_background());
    bl_context *timeout = bl_context_with_timeout(top, BL_HOUR);
    bl_context *child = make_one(timeout), *other = make_one(bl_context_todo());
    uintptr_t from = address_of((void (*)(void))make_one);
    size_t n;

    CHECK_EQ(bl__contexts_live(NULL, 0), 4);
    n = bl__contexts_live(list, 8);
    CHECK_EQ(n, 4);
    for (size_t i = 0; i < n; i++) {
        CHECK(list[i].ctx == top || list[i].ctx == timeout || list[i].ctx == child ||
              list[i].ctx == other);
        CHECK((list[i].pc - from < 256) == (list[i].ctx != timeout));
    }
    list[1].ctx = NULL;
    CHECK_EQ(bl__contexts_live(list, 1), 4);
    CHECK(!list[1].ctx);
    bl_context_end(timeout); /* with child */
    CHECK_EQ(bl__contexts_live(NULL, 0), 2);
    bl_context_release(other);
    CHECK_EQ(bl__contexts_live(NULL, 0), 1);
    bl_context_end(child);
    bl_context_end(top);
    CHECK_EQ(bl__contexts_live(NULL, 0), 0);
}

static void
nothing(void *unused)
{
    (void)unused;
}

/* A wide and deep tree: every canceler once, no function, no value. */
static void
all_of_a_tree_are_found(void)
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
    CHECK_EQ(bl__contexts_live(NULL, 0), cancelers);
    for (int i = 1; i < N; i++)
        bl_context_func_free(funcs[i]);
    for (int i = 0; i < N; i++)
        bl_context_end(some[i]);
    CHECK_EQ(bl__contexts_live(NULL, 0), 0);
}

/* A parent's list does not keep those that have ended. */
static void
ended_ones_are_detached(void)
{
    bl_context *top = bl_context_with_cancel(bl_context_background());
    bl_context *children[10];
    bl_context_func *af = bl_context_after_func(top, nothing, NULL);

    for (int i = 0; i < 10; i++)
        children[i] = i % 2 ? bl_context_with_cancel(top)
                            : bl_context_with_timeout(top, i == 4 ? 0 : BL_HOUR);
    for (int i = 0; i < 10; i++)
        bl_context_cancel(children[i]);
    CHECK(bl_context_func_stop(af));
    CHECK(!top->canceler->children.first);
    CHECK(!atomic_load(&bl__deadline_of(children[0]->canceler)->timer.heap));
    CHECK(atomic_load(&top->refs) == 1 + 10 + 1);
    for (int i = 0; i < 10; i++)
        bl_context_end(children[i]);
    bl_context_func_free(af);
    CHECK(atomic_load(&top->refs) == 1);
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
static void
lists_while_others_work(void)
{
    bl_context *top = bl_context_with_cancel(bl_context_background());
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, top), 0);
    for (int i = 0; i < 2000; i++) {
        size_t n = bl__contexts_live(NULL, 0);

        CHECK(n >= 1 && n <= 5);
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(bl__contexts_live(NULL, 0), 1);
    bl_context_end(top);
}

int
main(void)
{
    RUN(lost_ones_are_listed);
    RUN(all_of_a_tree_are_found);
    RUN(ended_ones_are_detached);
    RUN(lists_while_others_work);
    return 0;
}
