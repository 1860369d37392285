/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/test.h - testing concurrent code: bubbles with a clock of their own.
 *
 *     static void times_out(void *unused)
 *     {
 *         int64_t began = bl_now();
 *         bl_sleep(BL_HOUR);               // takes no time at all
 *         assert(bl_now() - began == BL_HOUR);
 *     }
 *     bl_bubble(times_out, NULL);
 *
 * In a bubble time stands still while anything runs.  When every goroutine of the
 * bubble is durably blocked, it jumps to the next timer.  Durably blocked is who
 * waits for what only the bubble can bring about: sleeping, channels and select
 * over channels made in the bubble, wait groups, condition variables; not a mutex,
 * a system call or a channel from outside.  (Go's testing/synctest.) */
#ifndef BELAY_TEST_H
#define BELAY_TEST_H

#include <belay/config.h>

BL_BEGIN_DECLS

/* Runs f(arg) in a goroutine in a bubble of its own, and returns when that and all
 * goroutines it started have ended.  The bubble's clock begins at midnight UTC,
 * 2000-01-01.
 * Call from: anywhere outside a bubble.  Blocks: until then.
 * Panics: when all of them are blocked for ever ("deadlock: ..."). */
BL_API void bl_bubble(void (*f)(void *arg), void *arg);

/* Waits until every other goroutine of the caller's bubble is durably blocked.
 * Call from: in a bubble.  Panics: outside one; when another one waits already. */
BL_API void bl_bubble_wait(void);

BL_END_DECLS

#endif
