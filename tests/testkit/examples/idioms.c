/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/examples/idioms.c - whatever goes wrong in examples/idioms.c, all is released.
 *
 * The example is compiled into this file.  It has no steps of its own: here each of the
 * C library's functions that it calls in the middle of something is one.  What the kit
 * can't see, a Belay mutex, a lease, an entry in the trace, is told of in the same way. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who has come in has to go out.  (Going out nothing goes wrong: when a deferred call
 * panics, the result that is there already has no owner any more.) */
static int
trace_line(const char *format, const void *what)
{
    if (format[0] == '<') {
        BL_RELEASED("entry", what);
        return 0;
    }
    BL_STEP("trace");
    BL_ACQUIRED("entry", what);
    return 0;
}

static bl_error *
take_lease(bl_connpool *from, bl_connpool_lease *lease, int64_t until_ns)
{
    bl_error *err = bl_connpool_get_until(from, lease, until_ns);

    if (!err)
        BL_ACQUIRED("lease", lease);
    return err;
}

#define main idioms_main
#define snprintf(...) (BL_STEP("snprintf"), (snprintf)(__VA_ARGS__))
#define sscanf(...) (BL_STEP("sscanf"), (sscanf)(__VA_ARGS__))
#define printf(...) (BL_STEP("printf"), (printf)(__VA_ARGS__))
#define fread(...) (BL_STEP("fread"), (fread)(__VA_ARGS__))
#define fwrite(...) (BL_STEP("fwrite"), (fwrite)(__VA_ARGS__))
#define atoi(text) (BL_STEP("atoi"), (atoi)(text))
#define fprintf(stream, format, what, ...) trace_line(format, what)
#define bl_mutex_lock(m) (bl_mutex_lock(m), BL_ACQUIRED("mutex", m))
#define bl_mutex_unlock(m) (BL_RELEASED("mutex", m), bl_mutex_unlock(m))
#define bl_connpool_get_until(...) take_lease(__VA_ARGS__)
#define bl_connpool_put(lease) (BL_RELEASED("lease", lease), bl_connpool_put(lease))
#include "examples/idioms.c"
#undef main
#undef printf

/* Both assertions.  A call that may panic does so as well. */
static void
check(bl_test *t, void (*f)(void *arg), void *arg)
{
    bl_assert_no_leaks(t, f, arg);
    bl_assert_defers_run_with(t, f, arg, BL_CALLS_PANIC);
}

/* --- without the layers: the panic goes through the handler, and on ----------------- */

struct asked {
    bl_test *t;
    handler *handle;
    const char *rest;
    bool fails; /* with an error, if nothing else goes wrong */
};

static void
handle(void *arg)
{
    const struct asked *a = arg;
    char answer[100] = "";
    struct request r = {.text = "", .rest = a->rest, .answer = answer, .size = sizeof answer};
    bl_error *err;

    BL_ACQUIRED("request", a);
    defer { BL_RELEASED("request", a); };
    err = a->handle(&r);
    if (a->fails)
        bl_assert(a->t, err != NULL);
    error_release(err);
}

/* A fault in the division goes no further than safe_divide(). */
BL_TEST(safe_division)
{
    int q = 0;

    bl_assert(t, !safe_divide(7, 0, &q));
    bl_assert(t, safe_divide(7, 2, &q) && q == 3);
    check(t, handle, &(struct asked){t, handle_divide, "7 0", true});
    check(t, handle, &(struct asked){t, handle_divide, "7 2", false});
}

/* The second goes wrong in any case, in fclose(). */
BL_TEST(file_copy)
{
    check(t, handle, &(struct asked){t, handle_copy, "/etc/passwd /dev/null", false});
    check(t, handle, &(struct asked){t, handle_copy, "/etc/passwd /dev/full", true});
    check(t, handle, &(struct asked){t, handle_copy, "/nowhere /dev/null", true});
}

BL_TEST(both_styles)
{
    check(t, handle, &(struct asked){t, handle_sum, "1+2+39", false});
    check(t, handle, &(struct asked){t, handle_sum, "1+x", true});
}

/* All of it or nothing: the money is still there. */
static void
transfer(void *arg)
{
    accounts.from = 100;
    accounts.to = 0;
    BL_ACQUIRED("money", &accounts);
    defer {
        if (accounts.from + accounts.to == 100 && (accounts.to == 0 || accounts.to == 30))
            BL_RELEASED("money", &accounts);
    };
    handle(arg);
}

BL_TEST(transaction_and_mutex)
{
    check(t, transfer, &(struct asked){t, handle_transfer, "30", false});
    check(t, transfer, &(struct asked){t, handle_transfer, "200", true});
}

static int dialled;

static void
use_pool(void *arg)
{
    pool = bl_connpool_new(&(bl_connpool_options){.open = dial, .arg = &dialled});
    defer { bl_connpool_free(pool); };

    handle(arg);
    handle(arg);
}

BL_TEST(connections)
{
    check(t, use_pool, &(struct asked){t, handle_ask, "well", false});
}

/* --- with the layers, and with the group of closers -------------------------------------- */

static void
run_program(void *arg)
{
    const char *const *texts = arg;
    bool good = true;
    size_t n = 0;

    while (texts[n])
        n++;
    error_release(serve_all(texts, n, &good));
}

/* Handlers that panic by themselves, too. */
BL_TEST(trace_and_middleware)
{
    const char *texts[] = {"sum nothing", "transfer 13", "what", NULL};

    check(t, run_program, texts);
}

BL_TEST(closers)
{
    const char *texts[] = {"ask well", "ask badly", "copy /etc/passwd /dev/full", NULL};

    check(t, run_program, texts);
}
