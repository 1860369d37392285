/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/unit/unwind_frames.h - frames of every make, between main and observe().
 * Included once for each optimisation level, with LEVEL its suffix; then
 * NAME(chain)(n) goes through all of them, n times over. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(x) JOIN(x, LEVEL)

static int NAME(chain)(int n);

/* Many values that live across a call: all callee-saved registers are pushed. */
static __attribute__((noinline)) int
NAME(many)(int n)
{
    int a = value(n), b = value(a), c = value(b), d = value(c), e = value(d),
        f = value(e), g = value(f), r = NAME(chain)(n - 1);

    return r + a + b + c + d + e + f + g;
}

/* The stack is realigned: the CFA is no constant distance from anything but a
 * pointer that the frame keeps. */
static __attribute__((noinline)) int
NAME(aligned)(int n)
{
    char block[192] __attribute__((aligned(64)));

    fill(block, sizeof block, n);
    return NAME(many)(n) + block[n & 63];
}

static __attribute__((noinline)) int
NAME(aligned_alloca)(int n)
{
    char block[256] __attribute__((aligned(128)));
    char *more = __builtin_alloca((size_t)(n & 31) * 24 + 8);

    fill(block, sizeof block, n);
    fill(more, 8, n);
    return NAME(aligned)(n) + block[n & 63] + more[3];
}

static __attribute__((noinline)) int
NAME(dynamic)(int n)
{
    int array[(n & 15) + 1];

    fill((char *)array, sizeof array, n);
    return NAME(aligned_alloca)(n) + array[0];
}

#if !defined(__clang__)
/* A landing pad: the tight loop stops here. */
static __attribute__((noinline)) int
NAME(deferred)(int n)
{
    char block[64];
    bl_defer { fill(block, sizeof block, n); };

    return NAME(dynamic)(n) + 1;
}
#else
#define deferred dynamic
#endif

/* More arguments than registers: they are pushed around the call. */
static __attribute__((noinline)) int
NAME(pushed)(int n, long a, long b, long c, long d, long e, long f, long g, double h)
{
    return NAME(deferred)(n) + (int)(a + b + c + d + e + f + g + (long)h);
}

static int
NAME(compare)(const void *a, const void *b)
{
    observe("qsort");
    return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) int
NAME(callbacks)(int n)
{
    int few[5] = {3, n, 1, 2, 9}, key = 9;
    int *found;

    qsort(few, 5, sizeof few[0], NAME(compare));
    found = bsearch(&key, few, 5, sizeof few[0], NAME(compare));
    return found ? *found : NAME(pushed)(n, 1, 2, 3, 4, 5, 6, 7, 8.0);
}

static __attribute__((noinline)) int
NAME(large)(int n)
{
    char block[70000];

    fill(block, 64, n);
    raise(SIGUSR1); /* its handler observes, through the signal frame */
    return NAME(pushed)(n, 1, 2, 3, 4, 5, 6, 7, 8.0) + block[n & 63];
}

static __attribute__((noinline)) int
NAME(chain)(int n)
{
    observe("chain");
    if (n <= 0)
        return 0;
    return NAME(callbacks)(n) + NAME(large)(n);
}

#undef deferred
#undef JOIN_
#undef JOIN
#undef NAME
#undef LEVEL
