/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/stress/plugin/plugin.c - what stress/profiled.c loads and unloads all the time:
 * its frames are on stacks that are walked, and its code goes away again. */
#include <stdlib.h>

int plugin_sort(int *numbers, int n, int (*compare)(const void *, const void *));
int plugin_call(void (*f)(void *), void *arg, int depth);

static volatile unsigned long sink;

__attribute__((noinline)) static void
compute(int n)
{
    for (int i = 0; i < n; i++)
        sink = sink * 3 + 1;
}

int
plugin_sort(int *numbers, int n, int (*compare)(const void *, const void *))
{
    compute(n);
    qsort(numbers, (size_t)n, sizeof *numbers, compare);
    return numbers[0];
}

/* Calls f behind so many frames. */
__attribute__((noinline)) int
plugin_call(void (*f)(void *), void *arg, int depth)
{
    int n = depth > 0 ? plugin_call(f, arg, depth - 1) + 1 : 0;

    compute(100);
    if (depth == 0)
        f(arg);
    return n;
}
