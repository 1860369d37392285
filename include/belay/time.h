/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/time.h - sleeping, timers and tickers, as Go 1.23 and later have them.
 *
 *     bl_sleep(20 * BL_MILLISECOND);
 *     bl_timer *t = bl_timer_new(BL_SECOND);
 *     switch (bl_select(bl_on_recv(jobs, &job), bl_on_recv(bl_timer_chan(t), NULL)))
 *     ...
 *     bl_timer_free(t);
 *
 * Times are absolute nanoseconds of a clock that only goes on, bl_now();
 * durations are nanoseconds.  What ends "until" a time takes bl_now() + d: one
 * deadline for a whole job, however many calls it takes.
 *
 * A timer's channel carries the time at which it was to fire.  It behaves as if it
 * were unbuffered: after Stop or Reset no old value can be received. */
#ifndef BELAY_TIME_H
#define BELAY_TIME_H

#include <belay/chan.h>
#include <belay/config.h>
#include <belay/defer.h>

BL_BEGIN_DECLS

#define BL_NANOSECOND INT64_C(1)
#define BL_MICROSECOND INT64_C(1000)
#define BL_MILLISECOND INT64_C(1000000)
#define BL_SECOND INT64_C(1000000000)
#define BL_MINUTE (60 * BL_SECOND)
#define BL_HOUR (60 * BL_MINUTE)

/* Monotonic nanoseconds; a bubble's own in a bubble (belay/test.h).
 * Call from: anywhere.  Blocks: no. */
BL_API int64_t bl_now(void);

/* The time ns from now: bl_now() + ns, or BL_FOREVER where that overflows. */
BL_API int64_t bl_after_ns(int64_t ns);

/* Sleeps for ns; returns at once if that is not positive.
 * Call from: anywhere.  Blocks: for at least ns. */
BL_API void bl_sleep(int64_t ns);

/* Sleeps until an absolute time, bl_now() + d.
 * Call from: anywhere.  Blocks: until then. */
BL_API void bl_sleep_until(int64_t until_ns);

typedef struct bl_timer bl_timer;

/* Makes a timer that sends the time on its channel, once, after ns.  Returns NULL when
 * memory is short.
 * Call from: anywhere.  Blocks: no.  Owner: caller, bl_timer_free(). */
BL_API bl_timer *bl_timer_new(int64_t ns);

/* Makes a timer that calls f(arg) in a goroutine of its own after ns; it has no
 * channel.  Returns NULL when memory is short.  Owner: caller, bl_timer_free(), which
 * may be before it fires. */
BL_API bl_timer *bl_after_func(int64_t ns, void (*f)(void *arg), void *arg);

/* Makes a timer that sends the time every ns; slow receivers miss some.  Returns NULL
 * when memory is short.  Owner: caller, bl_timer_free().
 * Panics: "non-positive interval for NewTicker". */
BL_API bl_timer *bl_ticker_new(int64_t ns);

/* The timer's channel, of int64_t; NULL for bl_after_func's.  bl_timer_chan() is the
 * same with its type.  Owner: the timer. */
BL_API bl_chan *bl_timer_channel(bl_timer *t);
#define bl_timer_chan(t) ((bl_chan_of(int64_t))(void *)bl_timer_channel(t))

/* Stops t.  Returns whether that prevented it from firing: nobody can receive from
 * it then, and f does not run.  It does not wait for an f that runs, nor close the
 * channel. */
BL_API bool bl_timer_stop(bl_timer *t);

/* Fires after ns from now instead; a ticker: every ns.  Returns what
 * bl_timer_stop() would have.
 * Panics: for a ticker "non-positive interval for Ticker.Reset". */
BL_API bool bl_timer_reset(bl_timer *t, int64_t ns);

/* Stops and frees t; NULL is fine.  Nobody may be waiting in its channel. */
BL_API void bl_timer_free(bl_timer *t);

BL_END_DECLS

#endif
