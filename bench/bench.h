/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/bench.h - what the two C programs of the benchmark share.
 *
 * belay.c and hand.c hold the same cases, once with Belay and once with clean-up
 * written out; go/main.go is their third twin.  bench.c holds main(), the clock,
 * and the work that the cases do.  That work is in a file of its own so that the
 * compiler knows no more about it than about close() or free(): it may panic,
 * and it can't be inlined or left out.
 *
 * Every case is a function called through a pointer, in all three programs, so
 * that the loop around it costs the same everywhere.  What it returns is added
 * up, and so is what it releases, in an order-sensitive way: run.py compares the
 * sums, and refuses to compare times of cases that did different things. */
#ifndef BELAY_BENCH_H
#define BELAY_BENCH_H

#include <stdint.h>

#define BENCH_NOINLINE __attribute__((noinline, noclone))

struct bench_case {
    const char *name;         /* NULL ends the list */
    int64_t (*op)(int64_t arg);
    int64_t arg;
    int per;                  /* parts of one op that a time is given for */
};

extern const struct bench_case bench_cases[]; /* belay.c, hand.c */

/* Returns n, which stands for a resource; a negative one for a failure. */
int64_t bench_acquire(int64_t n);

/* Returns a number made of resource h. */
int64_t bench_use(int64_t h);

/* Adds h, times the number of releases so far, to the sum. */
void bench_release(int64_t h);

/* What a frame does after the call that panics: nothing, but it keeps that call
 * from being a tail call. */
void bench_after(void);

extern int64_t *bench_null; /* NULL, but the compiler can't know */

#endif
