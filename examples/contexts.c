/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* contexts.c - ask several servers at once, take the first answer, tell the others that
 * nobody wants theirs any longer; and do so within a time.
 *
 *     contexts
 *
 * The servers are made of sleeps, and the clock is a bubble's, so that an example of
 * seconds takes none, and says the same at the same time always.  What is worth copying
 * is fetch(): what it has started has ended when it returns, whichever way that is. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <inttypes.h>
#include <stdio.h>

error_static(err_answered, "somebody else was quicker");
error_static(err_too_late, "nobody has answered in time");

/* Who is asking: for all that works for one request. */
static const bl_context_key user_key = {.name = "user"};

static int64_t began;

static void
log_time(const char *what, const char *server)
{
    printf("%5" PRId64 " ms  %s: %s\n", (bl_now() - began) / BL_MILLISECOND, server, what);
}

/* --- servers --------------------------------------------------------------------- */

struct server {
    const char *name;
    int64_t takes;
};

static const struct server servers[] = {
    {"berlin", 300 * BL_MILLISECOND},
    {"lima", 120 * BL_MILLISECOND},
    {"osaka", 700 * BL_MILLISECOND},
};

enum { SERVERS = sizeof servers / sizeof servers[0] };

typedef chan_of(const struct server *) answers;

static bl_error *
hang_up(bl_context *ctx, void *server)
{
    const struct server *s = server;

    if (bl_sleep_ctx(s->takes / 2, ctx) < 0) /* on the other end somebody says goodbye */
        return context_cause(ctx);
    log_time("has hung up", s->name);
    return NULL;
}

/* Whatever has become of the question, the connection is closed, and has 100 ms for
 * it. */
static void
disconnect(bl_context *ctx, const struct server *s)
{
    bl_context *alone = context_without_cancel(ctx);
    defer { context_end(alone); };
    bl_context *limit = context_with_timeout(alone, 100 * BL_MILLISECOND);
    defer { context_end(limit); };
    bl_error *err = bl_cleanup_in(limit, BL_CUT_OFF, hang_up, (void *)s);
    defer { error_release(err); };

    if (err)
        log_time("does not hang up", s->name);
}

static void
ask(bl_context *ctx, const struct server *s, answers to)
{
    char why[64];
    bl_error *cause;

    defer { disconnect(ctx, s); };
    printf("%5d ms  %s: asked for %s\n", 0, s->name, (char *)context_value(ctx, &user_key));
    if (bl_sleep_ctx(s->takes, ctx) == 0 && bl_send_ctx(to, s, ctx) == 0)
        return;
    cause = context_cause(ctx);
    bl_error_text(cause, why, sizeof why);
    error_release(cause);
    log_time(why, s->name);
}

/* --- the request ------------------------------------------------------------------ */

struct asking {
    bl_context *ctx;
    answers to;
    const struct server *server;
};

static void
ask_one(void *arg)
{
    struct asking *a = arg;

    ask(a->ctx, a->server, a->to);
}

/* The blocks run from the last one up: cancel, wait, free. */
static bl_error *
fetch(bl_context *parent, int64_t within, const struct server **winner)
{
    struct asking all[SERVERS];
    bl_context *limit = bl_context_with_timeout_cause(parent, within, err_too_late);
    defer { context_end(limit); };
    bl_context *ctx = context_with_cancel(limit);
    defer { context_end(ctx); };
    answers to = chan_make(const struct server *, 0);
    defer { chan_free(to); };
    bl_waitgroup asked = {0};
    defer {
        context_cancel_cause(ctx, err_answered);
        bl_waitgroup_wait(&asked);
    };

    for (int i = 0; i < SERVERS; i++) {
        all[i] = (struct asking){ctx, to, &servers[i]};
        bl_waitgroup_go(&asked, ask_one, &all[i]);
        bl_bubble_wait(); /* for the order of what is printed */
    }
    return bl_recv_ctx(to, winner, ctx) == 1 ? NULL : context_cause(ctx);
}

static void
request(int64_t within)
{
    bl_context *ctx = context_with_value(context_background(), &user_key, "anna");
    defer { context_end(ctx); };
    const struct server *winner = NULL;
    bl_error *err;
    char why[64];

    began = bl_now();
    printf("within %" PRId64 " ms:\n", within / BL_MILLISECOND);
    err = fetch(ctx, within, &winner);
    bl_error_text(err, why, sizeof why);
    log_time(err ? why : winner->name, "result");
    error_release(err);
    bl_sleep(BL_SECOND); /* until those that were cut off have ended, too */
}

static void
requests(void *unused)
{
    (void)unused;
    request(BL_SECOND);
    request(50 * BL_MILLISECOND);
}

int
main(void)
{
    bl_bubble(requests, NULL);
    return 0;
}
