/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/install/app.c - somebody's program, outside Belay's tree. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include <stdio.h>
#include <string.h>

static int cleaned;

static void
clean_up(int n)
{
    cleaned += n;
}

static int caught;

static void
catch_it(void)
{
    if (recover())
        caught = 1;
}

static int
divide(volatile int a, volatile int b)
{
    returns (int, q) {
        defer_call(catch_it);
        defer_call(clean_up, 3);
#ifndef __clang__
        defer { cleaned += 4; };
#endif
        q = a / b;
    }
}

int
main(void)
{
    int q = divide(8, 2);
    int p = divide(1, 0);

    printf("belay %s: %d %d, caught %d, cleaned %d\n", BL_VERSION, q, p, caught, cleaned);
    return q == 4 && p == 0 && caught && cleaned >= 6 ? 0 : 1;
}
