/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bench/tasks.h - what the files of the benchmark of goroutines share.
 *
 * tasks.c holds the cases that cost a single processor something, parallel.c those
 * that several can share; timing.c holds main() and the clock.  go/tasks has the
 * same cases in Go, function for function. */
#ifndef BELAY_TASKS_H
#define BELAY_TASKS_H

#include <belay/belay.h>
#include <belay/keywords.h>
#include <stdint.h>

struct task {
    const char *name;            /* NULL ends the list */
    uint64_t (*op)(int64_t n);   /* does it n times; the result must be Go's */
    int64_t parts;               /* of one time, that a figure is given for */
    int64_t checked;             /* times that the printed result is of */
};

extern const struct task tasks[];          /* tasks.c */
extern const struct task parallel_tasks[]; /* parallel.c */

typedef chan_of(int64_t) numbers;

#endif
