/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/defer.h - clean-up that is certain, and going on after a panic.
 *
 *     int count_lines(const char *path)
 *     {
 *         bl_returns (int, n) {                   // n is the result, 0 at first
 *             bl_defer { if (bl_recover()) n = -1; };
 *             FILE *f = fopen(path, "r");
 *             if (!f)
 *                 bl_leave_with(-errno);          // sets n; then defers run
 *             bl_defer { fclose(f); };
 *             n = parse(f);                       // may panic, may follow NULL
 *         }
 *     }
 *
 * bl_defer { ... }; is C's own defer (TS 25755): it runs when its block is left,
 *   by its end, break, goto, return, a panic, a fault or bl_goexit(), and sees
 *   the variables as they are then.  It costs what hand-written clean-up costs.
 * bl_defer_call(f, args...) is Go's: f and the arguments are evaluated now, the
 *   call is made when the bl_returns body ends; last in, first out; in loops,
 *   in any number.
 * bl_recover() stops a panic, in deferred code only; the function then returns
 *   to its caller with its named result, after its other defers have run.
 *
 * In a bl_returns body leave by its end, bl_leave or bl_leave_with.  `return v;`
 * there would pass v by the named result and panics on its first execution; in
 * bl_returns_nothing a plain `return;` is fine.  A bl_defer block must not be
 * left by return, break or goto.  A function has one body.
 *
 * Neither exit, _exit, abort nor longjmp runs deferred code (Go's os.Exit does
 * not either).
 *
 * C only; a C++ program gets bl_recover() for functions that bl_defer_call runs.
 * The short names (defer, returns, ...) are in belay/keywords.h. */
#ifndef BELAY_DEFER_H
#define BELAY_DEFER_H

#include <belay/panic.h>

#if defined(__belay_vet__)
#include <belay/detail/vet.h>
#else
#include <belay/detail/frame.h>

#ifndef __cplusplus

/* bl_returns (T, name) { ... }: the body of a function that returns T.  name is the
 * result, zero at first.  T is any type that fits into two registers: scalars,
 * pointers, structs up to 16 bytes without packed members; a larger one is a
 * compile-time error. */
#define bl_returns(T, name) BL__RETURNS(T, name)

/* bl_returns_nothing { ... }: the body of a function that returns void.  A plain
 * `return;` may leave it. */
#define bl_returns_nothing BL__RETURNS_NOTHING

/* bl_leave;: leaves the body as if its end had been reached: Go's bare return. */
#define bl_leave BL__LEAVE()

/* bl_leave_with(v);: sets the named result, then leaves: Go's `return v`. */
#define bl_leave_with(...) BL__LEAVE_WITH(__VA_ARGS__)

/* bl_defer { ... };: runs the block when the enclosing block is left.  GCC only,
 * with -fexceptions; anything else is a compile-time error that says so. */
#define bl_defer BL__DEFER(__COUNTER__)

/* bl_defer_call(f, args...): calls f(args...) when the body ends.  The compiler
 * checks it like a direct call.  Up to 32 arguments of any types; results are
 * thrown away.  For a null pointer write NULL, not 0.  The call comes when the
 * body's own variables are gone: pass the address of one that is declared before
 * bl_returns, or of the result.
 * Call from: inside bl_returns or bl_returns_nothing.  Blocks: no.  Allocates:
 * from a stack of the thread's own; when memory is short that is a fatal error. */
#define bl_defer_call(...) BL__DEFER_CALL(__VA_ARGS__)

/* Stops the panic that is running the deferred code it stands in, and returns
 * what was panicked with; NULL if there is none.  Only a bl_defer block of a
 * bl_returns function, or a function that bl_defer_call runs, can stop a panic:
 * in a function called by them it is NULL, as in Go; in a block inside another
 * block as well (give the inner one a function of its own).
 * Returns: const bl_panic_info *, see belay/panic.h.  Owner: Belay. */
#define bl_recover() BL__RECOVER()

#else
#define bl_recover() bl__recover_in_call()
#endif
#endif /* !__belay_vet__ */

#endif
