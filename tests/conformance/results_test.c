/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/results_test.c - catalogue ids D19, D22 and R18 for every
 * class of result the ABI knows: the named result reaches the caller on a
 * normal end, after leave_with, changed by deferred code, after a recovery, and
 * as zero where nothing has set it. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#include <stdint.h>

struct two_longs {
    long a, b;
};
struct double_long {
    double d;
    long l;
};
struct long_double_ {
    long l;
    double d;
};
struct two_doubles {
    double a, b;
};
struct three_floats {
    float x, y, z;
};
struct small {
    char c[3];
};
struct odd {
    char c[13];
};
union either {
    double d;
    uint64_t bits;
};
enum colour { RED, GREEN = 70000, BLUE = -3 };
typedef long long_function(long);
typedef long_function *function_pointer;
typedef const char *text_pointer;
typedef struct two_longs *struct_pointer;
typedef unsigned char byte;
typedef _Complex double complex_double;
typedef _Complex float complex_float;
typedef _Complex long double complex_long_double;
typedef long double long_double;
typedef __int128 int128;
typedef unsigned long unsigned_long;
typedef float vector4 __attribute__((vector_size(16)));

#define CASE(T, name) \
    static T name##_want, name##_zero; \
    static void name##_set(T *to) { *to = name##_want; } \
    static void name##_recover(T *to) { if (recover()) *to = name##_want; } \
    static void name##_just_recover(void) { (void)recover(); } \
    static NOINLINE T name##_end(void) \
    { \
        returns (T, r) { \
            r = name##_want; \
        } \
    } \
    static NOINLINE T name##_leave(T v) \
    { \
        returns (T, r) { \
            defer_call(NOTE, "d"); \
            leave_with(v); \
        } \
    } \
    static NOINLINE T name##_changed(void) \
    { \
        returns (T, r) { \
            defer_call(name##_set, &r); \
            leave_with(name##_zero); \
        } \
    } \
    static NOINLINE T name##_recovered(void) \
    { \
        returns (T, r) { \
            defer_call(name##_recover, &r); \
            boom("p"); \
        } \
    } \
    static NOINLINE T name##_kept(void) \
    { \
        returns (T, r) { \
            defer_call(name##_just_recover); \
            r = name##_want; \
            boom("p"); \
            r = name##_zero; \
        } \
    } \
    static NOINLINE T name##_nothing(void) \
    { \
        returns (T, r) { \
            defer_call(name##_just_recover); \
            leave_with((boom("p"), name##_want)); \
        } \
    } \
    BLOCK_CASE(T, name)

#ifndef __clang__
#define BLOCK_CASE(T, name) \
    static NOINLINE T name##_block_changed(void) \
    { \
        returns (T, r) { \
            defer { r = name##_want; }; \
            leave_with(name##_zero); \
        } \
    } \
    static NOINLINE T name##_block_recovered(void) \
    { \
        returns (T, r) { \
            defer { if (recover()) r = name##_want; }; \
            boom("p"); \
        } \
    } \
    static NOINLINE T name##_block_kept(void) \
    { \
        returns (T, r) { \
            defer { (void)recover(); }; \
            r = name##_want; \
            boom("p"); \
            r = name##_zero; \
        } \
    } \
    static NOINLINE T name##_block_nothing(void) \
    { \
        returns (T, r) { \
            defer { (void)recover(); }; \
            leave_with((boom("p"), name##_want)); \
        } \
    } \
    static NOINLINE T name##_block_then_call(void) \
    { \
        returns (T, r) { \
            defer_call(name##_set, &r); \
            defer { (void)recover(); }; \
            boom("p"); \
        } \
    }
#define CHECK_BLOCKS(name, same) \
    CHECK(same(name##_block_changed(), name##_want)); \
    CHECK(same(name##_block_recovered(), name##_want)); \
    CHECK(same(name##_block_kept(), name##_want)); \
    CHECK(same(name##_block_nothing(), name##_zero)); \
    CHECK(same(name##_block_then_call(), name##_want));
#else
#define BLOCK_CASE(T, name)
#define CHECK_BLOCKS(name, same)
#endif

/* With `same` telling whether two values are equal: padding may differ. */
#define CHECK_CASE(name, same, ...) \
    do { \
        name##_want = (__VA_ARGS__); \
        CHECK(!same(name##_want, name##_zero)); \
        CHECK(same(name##_end(), name##_want)); \
        CHECK(same(name##_leave(name##_want), name##_want)); \
        CHECK(same(name##_changed(), name##_want)); \
        CHECK(same(name##_recovered(), name##_want)); \
        CHECK(same(name##_kept(), name##_want)); \
        CHECK(same(name##_nothing(), name##_zero)); \
        CHECK_BLOCKS(name, same) \
        CHECK_TRACE("d"); \
    } while (0)

#define EQUAL(a, b) ((a) == (b))
#define EQUAL_2(v, w, m, n) \
    __extension__({ \
        __typeof__(v) v_ = (v), w_ = (w); \
        v_.m == w_.m && v_.n == w_.n; \
    })
#define EQUAL_AB(v, w) EQUAL_2(v, w, a, b)
#define EQUAL_DL(v, w) EQUAL_2(v, w, d, l)
#define EQUAL_XYZ(a, b) \
    __extension__({ \
        __typeof__(a) a_ = (a), b_ = (b); \
        a_.x == b_.x && a_.y == b_.y && a_.z == b_.z; \
    })
#define EQUAL_BYTES(v, w) \
    __extension__({ \
        __typeof__(v) v_ = (v), w_ = (w); \
        !memcmp(&v_, &w_, sizeof v_); \
    })

CASE(char, a_char)
CASE(byte, a_byte)
CASE(short, a_short)
CASE(int, an_int)
CASE(long, a_long)
CASE(unsigned_long, an_unsigned_long)
CASE(bool, a_bool)
CASE(float, a_float)
CASE(double, a_double)
CASE(long_double, a_long_double)
CASE(complex_float, a_complex_float)
CASE(complex_double, a_complex_double)
CASE(complex_long_double, a_complex_long_double)
CASE(text_pointer, a_text)
CASE(struct_pointer, a_struct_pointer)
CASE(function_pointer, a_function)
CASE(struct two_longs, a_two_longs)
CASE(struct double_long, a_double_long)
CASE(struct long_double_, a_long_then_double)
CASE(struct two_doubles, a_two_doubles)
CASE(struct three_floats, a_three_floats)
CASE(struct small, a_small)
CASE(struct odd, an_odd)
CASE(union either, an_either)
CASE(int128, an_int128)
CASE(enum colour, a_colour)
CASE(vector4, a_vector)

/* R18: the caller goes on with the result. */
static void
D19_D22_R18_integers(void)
{
    CHECK_CASE(a_char, EQUAL, 'x');
    CHECK_CASE(a_byte, EQUAL, 200);
    CHECK_CASE(a_short, EQUAL, -12345);
    CHECK_CASE(an_int, EQUAL, -2000000000);
    CHECK_CASE(a_long, EQUAL, -0x123456789abcdefL);
    CHECK_CASE(an_unsigned_long, EQUAL, 0xfedcba9876543210UL);
    CHECK_CASE(a_bool, EQUAL, true);
    CHECK_CASE(an_int128, EQUAL, ((__int128)0x1234 << 100) + 77);
    CHECK_CASE(a_colour, EQUAL, GREEN);
    CHECK_CASE(a_colour, EQUAL, BLUE);
}

static void
D19_D22_R18_floating_point(void)
{
    CHECK_CASE(a_float, EQUAL, 1.5f);
    CHECK_CASE(a_double, EQUAL, -0.1);
    CHECK_CASE(a_long_double, EQUAL, 1.0L / 3);
    CHECK_CASE(a_complex_float, EQUAL, 1.5f - 2.5fi);
    CHECK_CASE(a_complex_double, EQUAL, 1.1 - 2.2i);
    CHECK_CASE(a_complex_long_double, EQUAL, 1.1L - 2.2Li);
    CHECK_CASE(a_vector, EQUAL_BYTES, (vector4){1, 2, 3, 4});
}

static long
twice(long n)
{
    return 2 * n;
}

static void
D19_D22_R18_pointers(void)
{
    static struct two_longs object;

    CHECK_CASE(a_text, EQUAL, "text");
    CHECK_CASE(a_struct_pointer, EQUAL, &object);
    CHECK_CASE(a_function, EQUAL, twice);
    CHECK_EQ(a_function_recovered()(21), 42);
}

static void
D19_D22_R18_structs(void)
{
    CHECK_CASE(a_two_longs, EQUAL_AB, (struct two_longs){-7, 1L << 60});
    CHECK_CASE(a_double_long, EQUAL_DL, (struct double_long){2.5, -9});
    CHECK_CASE(a_long_then_double, EQUAL_DL, (struct long_double_){-9, 2.5});
    CHECK_CASE(a_two_doubles, EQUAL_AB, (struct two_doubles){0.5, -3.25});
    CHECK_CASE(a_three_floats, EQUAL_XYZ, (struct three_floats){1, -2, 3.5f});
    CHECK_CASE(a_small, EQUAL_BYTES, (struct small){"ab"});
    CHECK_CASE(an_odd, EQUAL_BYTES, (struct odd){"abcdefghijkl"});
    CHECK_CASE(an_either, EQUAL_BYTES, (union either){.d = 6.5});
}

/* R18: what the caller keeps in registers survives the landing. */
static NOINLINE long
uses_many_registers(long a, long b, long c, double x, double y)
{
    long d = a * 3 + 1, e = b * 5 + 2, f = c * 7 + 3;
    double z = x * y;

    a_long_want = 1000;
    for (int i = 0; i < 3; i++) {
        d += a_long_recovered();
        e ^= a_long_kept() + i;
        f -= d & e;
        z += a_double_recovered() * i;
    }
    return a + b + c + d + e + f + (long)(z * 4);
}

static NOINLINE long
same_without(long a, long b, long c, double x, double y)
{
    long d = a * 3 + 1, e = b * 5 + 2, f = c * 7 + 3;
    double z = x * y;

    for (int i = 0; i < 3; i++) {
        d += 1000;
        e ^= 1000 + i;
        f -= d & e;
        z += a_double_want * i;
    }
    return a + b + c + d + e + f + (long)(z * 4);
}

static void
R18_callers_registers_survive(void)
{
    a_double_want = 0.75;
    for (long i = 0; i < 100; i++)
        CHECK_EQ(uses_many_registers(i, 3 * i, -i, 0.5 * (double)i, 8),
                 same_without(i, 3 * i, -i, 0.5 * (double)i, 8));
}

int
main(void)
{
    RUN(D19_D22_R18_integers);
    RUN(D19_D22_R18_floating_point);
    RUN(D19_D22_R18_pointers);
    RUN(D19_D22_R18_structs);
    RUN(R18_callers_registers_survive);
    return 0;
}
