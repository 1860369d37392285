/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/context.h - how long work is wanted, as Go's contexts tell it: cancelling,
 * deadlines and values, handed down from call to call.
 *
 *     bl_error *fetch(bl_context *parent, const char *url)
 *     {
 *         bl_context *ctx = bl_context_with_timeout(parent, 2 * BL_SECOND);
 *         bl_defer { bl_context_end(ctx); };
 *
 *         bl_go(download, bl_context_retain(ctx), url, answers);
 *         if (bl_recv_ctx(answers, &answer, ctx) < 0)
 *             return bl_context_cause(ctx);       // why: too late, or cancelled
 *         ...
 *     }
 *
 * A context ends once: when it is cancelled, when its deadline comes, or when the one
 * that it was made from ends.  Then its channel is closed, and everything that waits in
 * a call whose name ends in _ctx goes on.  What it is made from is not ended with it.
 *
 * Whose it is takes three rules:
 *
 *   1. Who makes a context ends it, once: bl_context_end(), in a bl_defer.
 *   2. A function that is handed one only looks, while it runs.  What keeps one for
 *      longer, as a goroutine does, gets bl_context_retain(ctx), and releases that in
 *      the end: bl_context_release().
 *   3. A context keeps those that it was made from, so they may be let go in any order.
 *
 * Only bl_context_cancel() and bl_context_end() of a context itself, and of those
 * above it, end it: those of one made with a value or without cancel don't go further.
 *
 * Functions that make a context return one in any case.  Where memory is short it is
 * one that has ended, and whose cause is ENOMEM's error.  Except where it says
 * otherwise a NULL context is a nil dereference: a run-time panic.
 *
 * Everything here may be called from any thread, with the same context at the same
 * time, but not from a signal handler. */
#ifndef BELAY_CONTEXT_H
#define BELAY_CONTEXT_H

#include <belay/chan.h>
#include <belay/config.h>
#include <belay/errors.h>
#include <belay/sync.h>
#include <belay/time.h>

#pragma GCC system_header /* its macros use those of belay/chan.h */

BL_BEGIN_DECLS

typedef struct bl_context bl_context;

/* Why a context has ended.  The second one counts as bl_err_timeout as well. */
BL_API extern bl_error *const bl_err_canceled;          /* context canceled */
BL_API extern bl_error *const bl_err_deadline_exceeded; /* context deadline exceeded */

/* --- make -------------------------------------------------------------------- */

/* The context that never ends and has no values, for main, and where everything
 * begins.  The second one is the same, for where it is not clear yet which is the
 * right one.
 * Blocks: no.  Owner: nobody; to end it does nothing. */
BL_API bl_context *bl_context_background(void);
BL_API bl_context *bl_context_todo(void);

/* Makes a context that can be cancelled.
 * Blocks: no.  Panics: "cannot create context from nil parent", as all that make one.
 * Owner: caller, bl_context_end(). */
BL_API bl_context *bl_context_with_cancel(bl_context *parent);

/* Makes a context that ends at an absolute time, bl_now() + d, unless it is cancelled
 * before or the parent's deadline is earlier.  A time that has come already ends it at
 * once; BL_FOREVER is no time.
 * Blocks: no.  Owner: caller, bl_context_end(). */
BL_API bl_context *bl_context_with_deadline(bl_context *parent, int64_t until_ns);

/* Makes a context that ends ns from now; at once if that is not positive.
 * Blocks: no.  Owner: caller, bl_context_end(). */
BL_API bl_context *bl_context_with_timeout(bl_context *parent, int64_t ns);

/* The two with a cause for the case that it is the deadline that ends the context:
 * bl_context_cause() is that one then.  NULL: none.
 * Blocks: no.  Owner: caller, bl_context_end(); takes cause over. */
BL_API bl_context *bl_context_with_deadline_cause(bl_context *parent, int64_t until_ns,
                                                  bl_error *cause);
BL_API bl_context *bl_context_with_timeout_cause(bl_context *parent, int64_t ns,
                                                 bl_error *cause);

/* What a value is found by: a key's address, so declare it at file scope.
 *
 *     static const bl_context_key user_key = {.name = "user"};
 *     ctx = bl_context_with_value(ctx, &user_key, user);
 */
typedef struct bl_context_key {
    const char *name;            /* for bl_context_text() */
    void (*destroy)(void *value); /* called when the context that has the value is no
                                    more; NULL: the value outlives it, whoever owns it */
} bl_context_key;

/* Makes a context that has a value, which bl_context_value() finds in it and in those
 * that are made from it.  Values are for what goes with a request through all layers,
 * not for arguments.
 * Blocks: no.  Panics: "nil key".  Owner: caller, bl_context_end(); the value is taken
 * over if key has a destroy. */
BL_API bl_context *bl_context_with_value(bl_context *parent, const bl_context_key *key,
                                         const void *value);

/* Makes a context with the parent's values that does not end with it, and has no
 * deadline: for clean-up that has to be done all the same.
 * Blocks: no.  Owner: caller, bl_context_end(). */
BL_API bl_context *bl_context_without_cancel(bl_context *parent);

/* --- end --------------------------------------------------------------------- */

/* Cancels ctx, and all that was made from it: they have ended when this returns.  Does
 * nothing to one that has ended.
 * Blocks: no.  Panics: when ctx was not made with cancel, a deadline or a timeout. */
BL_API void bl_context_cancel(bl_context *ctx);

/* The same with a cause that bl_context_cause() returns then; NULL: none.
 * Blocks: no.  Panics: as bl_context_cancel().  Owner: takes cause over. */
BL_API void bl_context_cancel_cause(bl_context *ctx, bl_error *cause);

/* Lets a context go that the caller has made: cancels it if it can be cancelled, and
 * releases it.  NULL is fine.
 * Blocks: no. */
BL_API void bl_context_end(bl_context *ctx);

/* Returns ctx with one more owner.  NULL is fine in both.
 * Blocks: no.  Owner: caller, too, bl_context_release(). */
BL_API bl_context *bl_context_retain(bl_context *ctx);

/* Gives one owner's share back, without ending ctx for the others.  The last one's
 * frees it, and those above that nobody else has.
 * Blocks: no.  Panics: when it frees one that somebody waits for. */
BL_API void bl_context_release(bl_context *ctx);

/* --- look -------------------------------------------------------------------- */

/* Returns NULL, or why ctx has ended: bl_err_canceled or bl_err_deadline_exceeded.
 * Blocks: no.  Owner: nobody, it stays. */
BL_API bl_error *bl_context_err(const bl_context *ctx);

/* Returns NULL, or the cause that ctx, or the one above that ended first, was cancelled
 * with; without one that is bl_context_err().
 * Blocks: no.  Owner: caller, bl_error_release(). */
BL_API bl_error *bl_context_cause(const bl_context *ctx);

/* The time at which ctx will end at the latest; BL_FOREVER if it has no deadline.  It
 * can be handed to what takes an absolute time.
 * Blocks: no. */
BL_API int64_t bl_context_deadline(const bl_context *ctx);

/* Returns the value that ctx, or else the nearest one above, has for key; NULL if none
 * has.
 * Blocks: no.  Owner: see bl_context_key. */
BL_API void *bl_context_value(const bl_context *ctx, const bl_context_key *key);

/* The channel that is closed when ctx ends, always the same; NULL if it never will.  It
 * is for bl_select() and the like: nobody may send to it, close or free it.
 * bl_context_done() is the same with its type, chan_of(char).
 * Blocks: no.  Owner: ctx. */
BL_API bl_chan *bl_context_channel(bl_context *ctx);
#define bl_context_done(ctx) ((bl_chan_of(char))(void *)bl_context_channel(ctx))

/* Writes how ctx was made into buf (size bytes, always terminated), as in
 * `context.Background.WithCancel.WithValue(user, 0x1234)`, and returns the length the
 * whole text has, as snprintf does.
 * Blocks: no. */
BL_API size_t bl_context_text(const bl_context *ctx, char *buf, size_t size);

/* --- afterwards -------------------------------------------------------------- */

typedef struct bl_context_func bl_context_func;

/* Has f(arg) called in a goroutine of its own when ctx has ended; at once if it has
 * already.  Returns NULL when memory is short: f will not be called.
 * Blocks: no.  Panics: for a NULL f.  Owner: caller, bl_context_func_free(), which
 * may be before ctx ends. */
BL_API bl_context_func *bl_context_after_func(bl_context *ctx, void (*f)(void *arg),
                                              void *arg);

/* Stops it.  Returns whether that prevented the call; does not wait for an f that
 * runs.
 * Blocks: no. */
BL_API bool bl_context_func_stop(bl_context_func *af);

/* Stops and frees it; NULL is fine.  An f that runs goes on.
 * Blocks: no. */
BL_API void bl_context_func_free(bl_context_func *af);

/* --- waits that a context ends ------------------------------------------------- */

/* All of these return -ECANCELED or -ETIMEDOUT when ctx was cancelled or its deadline
 * has come: then nothing else has happened.  A context that has ended already wins, even
 * if the call need not wait.  Where else a negative number is returned, it says so.
 * (bl_rwmutex, bl_once, error groups and flights have no such form: what they wait for
 * should be short, or end with the context itself.) */

/* Send and receive as bl_chan_send() and bl_chan_recv() do.  The first returns 0, the
 * second 1, or 0 once c is closed and empty; or see above.
 * Call from: anywhere.  Blocks: until then, or ctx ends.  Panics: as bl_chan_send(). */
BL_API int bl_chan_send_ctx(bl_chan *c, const void *value, bl_context *ctx);
BL_API int bl_chan_recv_ctx(bl_chan *c, void *value, bl_context *ctx);

/* Does one of the n cases as bl_select_cases() does.  Returns its index; or see above.
 * Call from: anywhere.  Blocks: until one is ready, or ctx ends.
 * Panics: as its case does; when n is BL_SELECT_MAX or more. */
BL_API int bl_select_cases_ctx(const bl_case *cases, size_t n, bl_context *ctx);

#ifndef __cplusplus

/* bl_send_ctx(c, v, ctx): sends v as bl_send() does, returns as bl_chan_send_ctx(). */
#define bl_send_ctx(c, v, ctx) BL__SEND(bl_chan_send_ctx, c, v, ctx)

/* bl_recv_ctx(c, to, ctx): receives into *to, which may be NULL, and returns as
 * bl_chan_recv_ctx(). */
#define bl_recv_ctx(c, to, ctx) BL__RECV(bl_chan_recv_ctx, c, to, ctx)

/* bl_select_ctx(ctx, case, ...): does one of the cases, as bl_select_cases_ctx(). */
#define bl_select_ctx(ctx, ...)                                                \
    bl_select_cases_ctx((const bl_case[]){__VA_ARGS__},                        \
                        sizeof((const bl_case[]){__VA_ARGS__}) /               \
                            sizeof(bl_case),                                   \
                        (ctx))

#endif

/* Sleeps for ns.  Returns 0; or see above.
 * Call from: anywhere.  Blocks: for at least ns, or until ctx ends. */
BL_API int bl_sleep_ctx(int64_t ns, bl_context *ctx);

/* Locks m.  Returns 0; or see above: then it is not locked.
 * Call from: anywhere.  Blocks: until it is unlocked, or ctx ends. */
BL_API int bl_mutex_lock_ctx(bl_mutex *m, bl_context *ctx);

/* Waits for the others.  Returns 0; or see above.
 * Call from: anywhere.  Blocks: until the counter is zero, or ctx ends. */
BL_API int bl_waitgroup_wait_ctx(bl_waitgroup *wg, bl_context *ctx);

/* Waits to be signalled.  Returns 0; or see above: either way with m locked.
 * Call from: anywhere.  Blocks: until then, or ctx ends; then for m.
 * Panics: as bl_cond_wait(). */
BL_API int bl_cond_wait_ctx(bl_cond *c, bl_mutex *m, bl_context *ctx);

/* Takes n units.  Returns 0; or see above.
 * Call from: anywhere.  Blocks: until there are so many, or ctx ends. */
BL_API int bl_semaphore_acquire_ctx(bl_semaphore *s, int64_t n, bl_context *ctx);

/* --- clean-up that a context bounds -------------------------------------------- */

/* What becomes of clean-up when its context ends; both together are fine. */
typedef enum bl_cleanup_mode {
    BL_SKIP = 1,    /* it is not begun if the context has ended */
    BL_CUT_OFF = 2, /* nobody waits for it any longer when the context has ended */
} bl_cleanup_mode;

BL_API extern bl_error *const bl_err_skipped; /* clean-up skipped */
BL_API extern bl_error *const bl_err_cut_off; /* clean-up cut off */

/* Does clean-up that may take long because it talks to others: f(ctx, arg), which
 * should look at ctx.  Returns what f returns, or an error that wraps one of the above
 * and the context's cause.
 *
 * With BL_SKIP f is not called if ctx has ended, and otherwise is called by the caller.
 * With BL_CUT_OFF f runs in a goroutine of its own, so that the caller can go when ctx
 * ends; f then goes on alone, and what it returns is thrown away (unless it has been
 * quicker to see the end than the caller).  So arg must not be a
 * variable of the caller's, and is f's to free; only after bl_err_skipped f has never
 * seen it.  A panic of f is the caller's, as long as that waits.  (Where ctx can't end,
 * or there is no memory for a goroutine, the caller calls f.)
 * Call from: anywhere.  Blocks: as f does; BL_CUT_OFF: until ctx ends at most.
 * Panics: for any other mode; as f does.  Owner: caller. */
BL_API bl_error *bl_cleanup_in(bl_context *ctx, unsigned mode,
                               bl_error *(*f)(bl_context *ctx, void *arg), void *arg);

/* The same for deferred calls, whose results nobody sees: writes a line to stderr for
 * an error, with f's name.
 *
 *     bl_defer_call(bl_cleanup_or_log, ctx, BL_CUT_OFF, say_goodbye, session);
 *
 * Blocks, Panics: as bl_cleanup_in(). */
BL_API void bl_cleanup_or_log(bl_context *ctx, unsigned mode,
                              bl_error *(*f)(bl_context *ctx, void *arg), void *arg);

BL_END_DECLS

#endif
