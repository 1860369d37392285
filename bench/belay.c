/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/belay.c - the cases, with Belay.  hand.c and go/main.go hold the same
 * functions in the same order. */
#include "bench.h"

#include <belay/belay.h>
#include <belay/keywords.h>
#include <pthread.h>
#include <stdio.h>

/* --- defer { }, nothing goes wrong --------------------------------------- */

static int64_t
block_one(int64_t n)
{
    int64_t h = bench_acquire(n);
    defer { bench_release(h); };

    return bench_use(h);
}

/* The first `limit` of three resources can be had. */
static BENCH_NOINLINE int64_t
acquire_three(int64_t limit)
{
    int64_t a = bench_acquire(limit - 1);
    if (a < 0)
        return -1;
    defer { bench_release(a); };

    int64_t b = bench_acquire(limit - 2);
    if (b < 0)
        return -2;
    defer { bench_release(b); };

    int64_t c = bench_acquire(limit - 3);
    if (c < 0)
        return -3;
    defer { bench_release(c); };

    return bench_use(a + b + c);
}

static int64_t
block_three(int64_t most)
{
    int64_t sum = 0;

    for (int64_t limit = 0; limit <= most; limit++)
        sum += acquire_three(limit);
    return sum;
}

static int64_t
block_loop(int64_t n)
{
    int64_t sum = 0;

    for (int64_t i = 0;; i++) {
        int64_t h = bench_acquire(i);
        defer { bench_release(h); };

        if (i == n)
            break;
        if (i & 1)
            continue;
        sum += bench_use(h);
    }
    return sum;
}

static int64_t
block_mutex(int64_t n)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&mutex);
    defer { pthread_mutex_unlock(&mutex); };

    if (bench_use(n) < 0)
        return -1;
    return bench_use(n + 1);
}

/* --- returns and defer_call, nothing goes wrong -------------------------- */

static int64_t
returns_quiet(int64_t n)
{
    returns (int64_t, r) {
        defer {
            if (recover())
                r = -1;
        };
        r = bench_use(n);
    }
}

static int64_t
calls_one(int64_t n)
{
    returns (int64_t, r) {
        defer_call(bench_release, n);
        r = bench_use(n);
    }
}

static int64_t
calls_loop(int64_t n)
{
    returns (int64_t, r) {
        for (int64_t i = 0; i < n; i++)
            defer_call(bench_release, i);
        r = n;
    }
}

/* --- panic and recover --------------------------------------------------- */

static BENCH_NOINLINE int64_t
recovering(void (*frame)(int64_t), int64_t arg)
{
    returns (int64_t, r) {
        defer {
            if (recover())
                r = arg;
        };
        frame(arg);
    }
}

static BENCH_NOINLINE void
plain_frame(int64_t depth)
{
    if (depth > 1) {
        plain_frame(depth - 1);
    } else if (depth == 1) {
        bench_release(depth); /* that's for the sum */
        panic("benchmark");
    }
    bench_after();
}

static BENCH_NOINLINE void
block_frame(int64_t depth)
{
    defer { bench_release(depth); };

    if (depth > 1)
        block_frame(depth - 1);
    else if (depth == 1)
        panic("benchmark");
    bench_after();
}

static BENCH_NOINLINE void
call_frame(int64_t depth)
{
    returns_nothing {
        defer_call(bench_release, depth);
        if (depth > 1)
            call_frame(depth - 1);
        else if (depth == 1)
            panic("benchmark");
        bench_after();
    }
}

static size_t
error_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    return (size_t)snprintf(buf, size, "benchmark");
}

static BENCH_NOINLINE void
error_frame(int64_t arg)
{
    static const bl_error_kind kind = {.name = "benchmark", .text = error_text};
    static const bl_error error = {&kind};

    if (arg == 1)
        panic_error(&error);
    bench_after();
}

static BENCH_NOINLINE void
fault_frame(int64_t arg)
{
    *bench_null = arg;
    bench_after();
}

static int64_t
panic_plain(int64_t depth)
{
    return recovering(plain_frame, depth);
}

static int64_t
panic_block(int64_t depth)
{
    return recovering(block_frame, depth);
}

static int64_t
panic_call(int64_t depth)
{
    return recovering(call_frame, depth);
}

static int64_t
panic_error_value(int64_t arg)
{
    return recovering(error_frame, arg);
}

static int64_t
panic_fault(int64_t arg)
{
    return recovering(fault_frame, arg);
}

static int64_t
panic_copy(int64_t depth)
{
    returns (int64_t, r) {
        defer {
            bl_panic_info *copy = bl_panic_copy(recover());

            r = copy ? depth : 0;
            bl_panic_free(copy);
        };
        plain_frame(depth);
    }
}

const struct bench_case bench_cases[] = {
    {"block/one", block_one, 7, 1},
    {"block/three", block_three, 3, 1},
    {"block/loop", block_loop, 16, 1},
    {"block/mutex", block_mutex, 7, 1},
    {"returns/quiet", returns_quiet, 7, 1},
    {"calls/one", calls_one, 7, 1},
    {"calls/loop100", calls_loop, 100, 100},
    {"panic/plain/1", panic_plain, 1, 1},
    {"panic/plain/10", panic_plain, 10, 1},
    {"panic/plain/100", panic_plain, 100, 1},
    {"panic/block/1", panic_block, 1, 1},
    {"panic/block/10", panic_block, 10, 1},
    {"panic/block/100", panic_block, 100, 1},
    {"panic/call/1", panic_call, 1, 1},
    {"panic/call/10", panic_call, 10, 1},
    {"panic/call/100", panic_call, 100, 1},
    {"panic/error", panic_error_value, 1, 1},
    {"panic/fault", panic_fault, 1, 1},
    {"panic/copy", panic_copy, 1, 1},
    {0},
};
