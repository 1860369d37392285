/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/plugin.c - a shared object whose frames differ with SHAPE and
 * whose symbols do not: loaded where another one was, it must not be taken for it. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include <stdarg.h>
#include <string.h>

#ifndef SHAPE
#define SHAPE 0
#endif

int plugin_recovers(int n);
void plugin_panics(int n, void (*note)(int));

static void
keep(int *to)
{
    const bl_panic_info *p = recover();

    *to = p && p->kind == BL_PANIC_VALUE ? (int)p->value.as.integer : -1;
}

#if SHAPE == 1
/* Code in front, so that nothing lies where it does in the others. */
__attribute__((used)) static int
filler(int a, ...)
{
    va_list args;
    int sum = 0;

    va_start(args, a);
    while (a-- > 0)
        sum += va_arg(args, int);
    va_end(args);
    return sum;
}
#endif

static __attribute__((noinline)) void
raise_it(int n)
{
    volatile char room[16 + SHAPE * 200];

    memset((char *)room, n, sizeof room);
    if (room[3] == (char)n)
        panic_with(bl_int(n * 10 + SHAPE));
}

#ifndef __clang__
static __attribute__((noinline)) void
in_between(int n, void (*note)(int))
{
    volatile char room[8 + SHAPE * 333];

    room[0] = (char)n;
    defer {
        if (note)
            note(100 + SHAPE);
    };
#if SHAPE == 2
    defer {
        if (note)
            note(200);
    };
#endif
    raise_it(n + room[0] - (char)n);
    room[1] = 0;
}
#else
static __attribute__((noinline)) void
in_between(int n, void (*note)(int))
{
    if (note && SHAPE == 2)
        note(200);
    if (note)
        note(100 + SHAPE);
    raise_it(n);
}
#endif

int
plugin_recovers(int n)
{
    returns (int, r) {
        defer_call(keep, &r);
        in_between(n, NULL);
    }
}

void
plugin_panics(int n, void (*note)(int))
{
    returns_nothing {
        defer_call(note, SHAPE);
        in_between(n, note);
    }
}
