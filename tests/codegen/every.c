/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/codegen/every.c - every macro once, with captures of every kind: built at
 * each level to see that no nested function needs a trampoline on the stack. */
#include "check.h"

#include <belay/belay.h>

struct pair {
    long a, b;
};

static int total;

static void
add(int n)
{
    total += n;
}

static struct pair
pair_of(int n)
{
    bl_returns (struct pair, p) {
        int local = n;
        bl_defer {
            if (bl_recover())
                p.b = local;
        };
        for (int i = 0; i < 3; i++)
            bl_defer_call(add, i * local);
        p.a = n;
        if (n > 1)
            bl_panic("n is %d", n);
        if (n == 1)
            bl_leave_with((struct pair){7, 8});
        bl_leave;
    }
}

static double
real_of(int n)
{
    bl_returns (double, r) {
        double scale = n;
        bl_defer {
            if (bl_recover())
                r *= scale;
        };
        r = 1.5;
        bl_panic_with(bl_int(n));
    }
}

static void
nothing_of(int n)
{
    bl_returns_nothing {
        bl_defer_call(add, n);
        bl_defer {
            bl_defer { total += n; };
            bl_recover();
        };
        bl_panic("from nothing_of");
    }
}

#ifdef TRAMPOLINE
static int
apply(int (*f)(int), int n)
{
    return f(n);
}
#endif

int
main(void)
{
    struct pair p = pair_of(2);

    CHECK_EQ(p.a, 2);
    CHECK_EQ(p.b, 2);
    CHECK_EQ(pair_of(1).b, 8);
    CHECK_EQ(pair_of(0).a, 0);
    CHECK_EQ(total, 9);
    CHECK_EQ(real_of(2) * 10, 30);
    nothing_of(5);
    CHECK_EQ(total, 19);
#ifdef TRAMPOLINE
    int captured(int n) { return total + n; }
    int local = total;
    int needs_one(int n) { return local + n; }
    CHECK_EQ(apply(captured, 1) + apply(needs_one, 1), 40);
#endif
    return 0;
}
