/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/keywords.h - the names without their prefix, for those who want them.
 *
 *     #include <belay/belay.h>
 *     #include <belay/keywords.h>
 *
 *     returns (int, q) {
 *         defer { if (recover()) q = -1; };
 *         q = a / b;
 *     }
 *
 * C only.  The macros are common words: include this header last, and only in
 * your own .c files.  `defer` means here what TS 25755's <stddefer.h> means by
 * it (block scope, variables as they are at the end), and runs on panics too,
 * so this header takes the name over from that one in either order. */
#ifndef BELAY_KEYWORDS_H
#define BELAY_KEYWORDS_H

#ifdef __cplusplus
#error "belay/keywords.h is for C; in C++ use the bl_ names and destructors"
#endif

#include <belay/chan.h>
#include <belay/closer.h>
#include <belay/context.h>
#include <belay/defer.h>
#include <belay/errors.h>
#include <belay/go.h>

#if defined(__has_include)
#if __has_include(<stddefer.h>)
#include <stddefer.h>
#endif
#endif
#undef defer

#define defer bl_defer
#define returns bl_returns
#define returns_nothing bl_returns_nothing
#define leave bl_leave
#define leave_with bl_leave_with
#define defer_call bl_defer_call
#define recover bl_recover
#define panic bl_panic
#define panic_error bl_panic_error
#define panic_value bl_panic_value
#define panic_with bl_panic_with
#define repanic bl_repanic
#define goexit bl_goexit

#define go bl_go
#define gosched bl_gosched
#define chan_of bl_chan_of
#define chan_make bl_chan_make
#define chan_close bl_chan_close
#define chan_free bl_chan_free
#define chan_len bl_chan_len
#define chan_cap bl_chan_cap
#define for_recv bl_for_recv
#define on_recv bl_on_recv
#define on_recv_ok bl_on_recv_ok
#define on_send bl_on_send

#define errorf bl_errorf
#define error_new bl_error_new
#define error_static bl_error_static
#define error_wrap bl_error_wrap
#define error_join bl_error_join
#define error_retain bl_error_retain
#define error_release bl_error_release
#define error_is bl_error_is
#define error_as bl_error_as
#define error_unwrap bl_error_unwrap
#define error_print bl_error_print

#define context_background bl_context_background
#define context_todo bl_context_todo
#define context_with_cancel bl_context_with_cancel
#define context_with_deadline bl_context_with_deadline
#define context_with_timeout bl_context_with_timeout
#define context_with_value bl_context_with_value
#define context_without_cancel bl_context_without_cancel
#define context_cancel bl_context_cancel
#define context_cancel_cause bl_context_cancel_cause
#define context_end bl_context_end
#define context_retain bl_context_retain
#define context_release bl_context_release
#define context_err bl_context_err
#define context_cause bl_context_cause
#define context_deadline bl_context_deadline
#define context_value bl_context_value
#define context_done bl_context_done
#define context_after_func bl_context_after_func

#define with_closer bl_with_closer
#define close_into bl_close_into

#endif
