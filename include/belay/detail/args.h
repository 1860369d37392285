/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/detail/args.h - snapshots of call arguments, for bl_defer_call.
 *
 * A call f(a, b) becomes a struct with a member per argument.  Three lists are
 * needed: the members' declarations, the assignments that fill them, and the
 * expressions that hand them to f again.  The preprocessor can't count, so each
 * list is a ladder: rung n treats one argument and climbs down to n - 1.
 * Members are named a32, a31, ... by the rung that made them, so a call with
 * two arguments has a2 and a1, in that order.  32 arguments are the limit. */
#ifndef BELAY_DETAIL_ARGS_H
#define BELAY_DETAIL_ARGS_H

/* `, ##__VA_ARGS__` is a GNU extension.  It drops the comma under -std=c11 as well
 * as long as there is a named parameter before it and nothing at all behind. */
#pragma GCC system_header

#define BL__CAT_(a, b) a##b
#define BL__CAT(a, b) BL__CAT_(a, b)

/* How many arguments: 0 to 32.  The leading comma operand lets 0 work. */
#define BL__COUNT(first, ...) BL__COUNT_(0, ##__VA_ARGS__, \
    32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, \
    14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BL__COUNT_( \
    zero, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, \
    _16, _17, _18, _19, _20, _21, _22, _23, _24, _25, _26, _27, _28, _29, \
    _30, _31, _32, n, ...) \
    n

/* The comma operator turns arrays and functions into pointers and drops
 * qualifiers: the type a by-value parameter would have. */
#define BL__MEMBER(name, arg) __typeof__((void)0, (arg)) name;

#define BL__MEMBERS(s, ...) \
    BL__CAT(BL__MEMBERS_, BL__COUNT(s, ##__VA_ARGS__))(__VA_ARGS__)
#define BL__MEMBERS_0()
#define BL__MEMBERS_1(x) BL__MEMBER(a1, x)
#define BL__MEMBERS_2(x, ...) BL__MEMBER(a2, x) BL__MEMBERS_1(__VA_ARGS__)
#define BL__MEMBERS_3(x, ...) BL__MEMBER(a3, x) BL__MEMBERS_2(__VA_ARGS__)
#define BL__MEMBERS_4(x, ...) BL__MEMBER(a4, x) BL__MEMBERS_3(__VA_ARGS__)
#define BL__MEMBERS_5(x, ...) BL__MEMBER(a5, x) BL__MEMBERS_4(__VA_ARGS__)
#define BL__MEMBERS_6(x, ...) BL__MEMBER(a6, x) BL__MEMBERS_5(__VA_ARGS__)
#define BL__MEMBERS_7(x, ...) BL__MEMBER(a7, x) BL__MEMBERS_6(__VA_ARGS__)
#define BL__MEMBERS_8(x, ...) BL__MEMBER(a8, x) BL__MEMBERS_7(__VA_ARGS__)
#define BL__MEMBERS_9(x, ...) BL__MEMBER(a9, x) BL__MEMBERS_8(__VA_ARGS__)
#define BL__MEMBERS_10(x, ...) BL__MEMBER(a10, x) BL__MEMBERS_9(__VA_ARGS__)
#define BL__MEMBERS_11(x, ...) BL__MEMBER(a11, x) BL__MEMBERS_10(__VA_ARGS__)
#define BL__MEMBERS_12(x, ...) BL__MEMBER(a12, x) BL__MEMBERS_11(__VA_ARGS__)
#define BL__MEMBERS_13(x, ...) BL__MEMBER(a13, x) BL__MEMBERS_12(__VA_ARGS__)
#define BL__MEMBERS_14(x, ...) BL__MEMBER(a14, x) BL__MEMBERS_13(__VA_ARGS__)
#define BL__MEMBERS_15(x, ...) BL__MEMBER(a15, x) BL__MEMBERS_14(__VA_ARGS__)
#define BL__MEMBERS_16(x, ...) BL__MEMBER(a16, x) BL__MEMBERS_15(__VA_ARGS__)
#define BL__MEMBERS_17(x, ...) BL__MEMBER(a17, x) BL__MEMBERS_16(__VA_ARGS__)
#define BL__MEMBERS_18(x, ...) BL__MEMBER(a18, x) BL__MEMBERS_17(__VA_ARGS__)
#define BL__MEMBERS_19(x, ...) BL__MEMBER(a19, x) BL__MEMBERS_18(__VA_ARGS__)
#define BL__MEMBERS_20(x, ...) BL__MEMBER(a20, x) BL__MEMBERS_19(__VA_ARGS__)
#define BL__MEMBERS_21(x, ...) BL__MEMBER(a21, x) BL__MEMBERS_20(__VA_ARGS__)
#define BL__MEMBERS_22(x, ...) BL__MEMBER(a22, x) BL__MEMBERS_21(__VA_ARGS__)
#define BL__MEMBERS_23(x, ...) BL__MEMBER(a23, x) BL__MEMBERS_22(__VA_ARGS__)
#define BL__MEMBERS_24(x, ...) BL__MEMBER(a24, x) BL__MEMBERS_23(__VA_ARGS__)
#define BL__MEMBERS_25(x, ...) BL__MEMBER(a25, x) BL__MEMBERS_24(__VA_ARGS__)
#define BL__MEMBERS_26(x, ...) BL__MEMBER(a26, x) BL__MEMBERS_25(__VA_ARGS__)
#define BL__MEMBERS_27(x, ...) BL__MEMBER(a27, x) BL__MEMBERS_26(__VA_ARGS__)
#define BL__MEMBERS_28(x, ...) BL__MEMBER(a28, x) BL__MEMBERS_27(__VA_ARGS__)
#define BL__MEMBERS_29(x, ...) BL__MEMBER(a29, x) BL__MEMBERS_28(__VA_ARGS__)
#define BL__MEMBERS_30(x, ...) BL__MEMBER(a30, x) BL__MEMBERS_29(__VA_ARGS__)
#define BL__MEMBERS_31(x, ...) BL__MEMBER(a31, x) BL__MEMBERS_30(__VA_ARGS__)
#define BL__MEMBERS_32(x, ...) BL__MEMBER(a32, x) BL__MEMBERS_31(__VA_ARGS__)

#define BL__FILL(s, ...) \
    BL__CAT(BL__FILL_, BL__COUNT(s, ##__VA_ARGS__))(s, ##__VA_ARGS__)
#define BL__FILL_0(s)
#define BL__FILL_1(s, x) s.a1 = (x);
#define BL__FILL_2(s, x, ...) s.a2 = (x); BL__FILL_1(s, __VA_ARGS__)
#define BL__FILL_3(s, x, ...) s.a3 = (x); BL__FILL_2(s, __VA_ARGS__)
#define BL__FILL_4(s, x, ...) s.a4 = (x); BL__FILL_3(s, __VA_ARGS__)
#define BL__FILL_5(s, x, ...) s.a5 = (x); BL__FILL_4(s, __VA_ARGS__)
#define BL__FILL_6(s, x, ...) s.a6 = (x); BL__FILL_5(s, __VA_ARGS__)
#define BL__FILL_7(s, x, ...) s.a7 = (x); BL__FILL_6(s, __VA_ARGS__)
#define BL__FILL_8(s, x, ...) s.a8 = (x); BL__FILL_7(s, __VA_ARGS__)
#define BL__FILL_9(s, x, ...) s.a9 = (x); BL__FILL_8(s, __VA_ARGS__)
#define BL__FILL_10(s, x, ...) s.a10 = (x); BL__FILL_9(s, __VA_ARGS__)
#define BL__FILL_11(s, x, ...) s.a11 = (x); BL__FILL_10(s, __VA_ARGS__)
#define BL__FILL_12(s, x, ...) s.a12 = (x); BL__FILL_11(s, __VA_ARGS__)
#define BL__FILL_13(s, x, ...) s.a13 = (x); BL__FILL_12(s, __VA_ARGS__)
#define BL__FILL_14(s, x, ...) s.a14 = (x); BL__FILL_13(s, __VA_ARGS__)
#define BL__FILL_15(s, x, ...) s.a15 = (x); BL__FILL_14(s, __VA_ARGS__)
#define BL__FILL_16(s, x, ...) s.a16 = (x); BL__FILL_15(s, __VA_ARGS__)
#define BL__FILL_17(s, x, ...) s.a17 = (x); BL__FILL_16(s, __VA_ARGS__)
#define BL__FILL_18(s, x, ...) s.a18 = (x); BL__FILL_17(s, __VA_ARGS__)
#define BL__FILL_19(s, x, ...) s.a19 = (x); BL__FILL_18(s, __VA_ARGS__)
#define BL__FILL_20(s, x, ...) s.a20 = (x); BL__FILL_19(s, __VA_ARGS__)
#define BL__FILL_21(s, x, ...) s.a21 = (x); BL__FILL_20(s, __VA_ARGS__)
#define BL__FILL_22(s, x, ...) s.a22 = (x); BL__FILL_21(s, __VA_ARGS__)
#define BL__FILL_23(s, x, ...) s.a23 = (x); BL__FILL_22(s, __VA_ARGS__)
#define BL__FILL_24(s, x, ...) s.a24 = (x); BL__FILL_23(s, __VA_ARGS__)
#define BL__FILL_25(s, x, ...) s.a25 = (x); BL__FILL_24(s, __VA_ARGS__)
#define BL__FILL_26(s, x, ...) s.a26 = (x); BL__FILL_25(s, __VA_ARGS__)
#define BL__FILL_27(s, x, ...) s.a27 = (x); BL__FILL_26(s, __VA_ARGS__)
#define BL__FILL_28(s, x, ...) s.a28 = (x); BL__FILL_27(s, __VA_ARGS__)
#define BL__FILL_29(s, x, ...) s.a29 = (x); BL__FILL_28(s, __VA_ARGS__)
#define BL__FILL_30(s, x, ...) s.a30 = (x); BL__FILL_29(s, __VA_ARGS__)
#define BL__FILL_31(s, x, ...) s.a31 = (x); BL__FILL_30(s, __VA_ARGS__)
#define BL__FILL_32(s, x, ...) s.a32 = (x); BL__FILL_31(s, __VA_ARGS__)

#define BL__PASS(s, ...) \
    BL__CAT(BL__PASS_, BL__COUNT(s, ##__VA_ARGS__))(s)
#define BL__PASS_0(s)
#define BL__PASS_1(s) s->a1
#define BL__PASS_2(s) s->a2, BL__PASS_1(s)
#define BL__PASS_3(s) s->a3, BL__PASS_2(s)
#define BL__PASS_4(s) s->a4, BL__PASS_3(s)
#define BL__PASS_5(s) s->a5, BL__PASS_4(s)
#define BL__PASS_6(s) s->a6, BL__PASS_5(s)
#define BL__PASS_7(s) s->a7, BL__PASS_6(s)
#define BL__PASS_8(s) s->a8, BL__PASS_7(s)
#define BL__PASS_9(s) s->a9, BL__PASS_8(s)
#define BL__PASS_10(s) s->a10, BL__PASS_9(s)
#define BL__PASS_11(s) s->a11, BL__PASS_10(s)
#define BL__PASS_12(s) s->a12, BL__PASS_11(s)
#define BL__PASS_13(s) s->a13, BL__PASS_12(s)
#define BL__PASS_14(s) s->a14, BL__PASS_13(s)
#define BL__PASS_15(s) s->a15, BL__PASS_14(s)
#define BL__PASS_16(s) s->a16, BL__PASS_15(s)
#define BL__PASS_17(s) s->a17, BL__PASS_16(s)
#define BL__PASS_18(s) s->a18, BL__PASS_17(s)
#define BL__PASS_19(s) s->a19, BL__PASS_18(s)
#define BL__PASS_20(s) s->a20, BL__PASS_19(s)
#define BL__PASS_21(s) s->a21, BL__PASS_20(s)
#define BL__PASS_22(s) s->a22, BL__PASS_21(s)
#define BL__PASS_23(s) s->a23, BL__PASS_22(s)
#define BL__PASS_24(s) s->a24, BL__PASS_23(s)
#define BL__PASS_25(s) s->a25, BL__PASS_24(s)
#define BL__PASS_26(s) s->a26, BL__PASS_25(s)
#define BL__PASS_27(s) s->a27, BL__PASS_26(s)
#define BL__PASS_28(s) s->a28, BL__PASS_27(s)
#define BL__PASS_29(s) s->a29, BL__PASS_28(s)
#define BL__PASS_30(s) s->a30, BL__PASS_29(s)
#define BL__PASS_31(s) s->a31, BL__PASS_30(s)
#define BL__PASS_32(s) s->a32, BL__PASS_31(s)

#endif
