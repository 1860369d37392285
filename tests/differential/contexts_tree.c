/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/differential/contexts_tree.c - builds the trees of contexts that contexts.py has
 * written on standard input, ends them, and says what can be seen of them;
 * contexts_go/main.go is the same in Go, function for function, and the language is
 * described there. */
#include <belay/belay.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 64, FUNCS = 64, SAID = 256, LINES = 256, ARGS = 4, KEYS = 4 };

static const bl_context_key keys[KEYS] = {
    {.name = "k0"}, {.name = "k1"}, {.name = "k2"}, {.name = "k3"},
};

struct tree {
    int64_t began;
    bl_context *nodes[NODES]; /* NULL: dropped */
    bool can_cancel[NODES];
    int count, funcs_count, said_count;
    bl_context_func *funcs[FUNCS];
    char *said[SAID];
    bl_mutex mutex;
    bl_waitgroup helpers;
};

static char *lines[LINES];
static int lines_count;

static int64_t
ms(const struct tree *t, int64_t at)
{
    return (at - t->began) / BL_MILLISECOND;
}

static void
say(struct tree *t, const char *format, ...)
{
    char buf[64];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(buf, sizeof buf, format, args);
    va_end(args);
    snprintf(buf + n, sizeof buf - (size_t)n, "@%" PRId64, ms(t, bl_now()));
    bl_mutex_lock(&t->mutex);
    t->said[t->said_count++] = strdup(buf);
    bl_mutex_unlock(&t->mutex);
}

static bl_context *
context(struct tree *t, int i)
{
    return i == -1   ? bl_context_background()
           : i == -2 ? bl_context_todo()
                     : t->nodes[i];
}

static bl_error *
cause(int i)
{
    return i < 0 ? NULL : bl_errorf("c%d", i);
}

static const char *
name(const bl_error *err)
{
    static char buf[2][16];
    static int next;
    char *text = buf[next++ % 2];

    if (!err)
        return "nil";
    if (err == bl_err_canceled)
        return "canceled";
    if (err == bl_err_deadline_exceeded)
        return "deadline";
    bl_error_text(err, text, sizeof buf[0]);
    return text;
}

/* What a call that waits has returned. */
static const char *
name_of(int error)
{
    return error == -ECANCELED ? "canceled" : error == -ETIMEDOUT ? "deadline" : "nil";
}

/* --- making -------------------------------------------------------------------------- */

static const void *
value(int i)
{
    static const char all[10][4] = {"v0", "v1", "v2", "v3", "v4",
                                    "v5", "v6", "v7", "v8", "v9"};

    return i < 0 ? NULL : all[i];
}

static bool
make(struct tree *t, const char *what, const int *a)
{
    bl_context *ctx;
    bool is_cancel = strcmp(what, "cancel") == 0;
    bool is_deadline = strcmp(what, "deadline") == 0;
    bool is_timeout = strcmp(what, "timeout") == 0;

    if (is_cancel)
        ctx = bl_context_with_cancel(context(t, a[0]));
    else if (is_deadline)
        ctx = bl_context_with_deadline_cause(context(t, a[0]),
                                             t->began + a[1] * BL_MILLISECOND, cause(a[2]));
    else if (is_timeout)
        ctx = bl_context_with_timeout_cause(context(t, a[0]), a[1] * BL_MILLISECOND,
                                            cause(a[2]));
    else if (strcmp(what, "value") == 0)
        ctx = bl_context_with_value(context(t, a[0]), &keys[a[1]], value(a[2]));
    else if (strcmp(what, "without") == 0)
        ctx = bl_context_without_cancel(context(t, a[0]));
    else
        return false;
    t->can_cancel[t->count] = is_cancel || is_deadline || is_timeout;
    t->nodes[t->count++] = ctx;
    return true;
}

/* --- looking ------------------------------------------------------------------------- */

/* Without times and values. */
static void
print_text(const bl_context *ctx)
{
    char text[4096], *p = text;

    bl_context_text(ctx, text, sizeof text);
    while (*p) {
        if (strncmp(p, "WithDeadline(", 13) == 0) {
            printf("WithDeadline");
            p = strchr(p, ')') + 1;
        } else if (*p == ',') {
            p = strchr(p, ')');
        } else {
            putchar(*p++);
        }
    }
}

static void
look(struct tree *t, int i)
{
    bl_context *ctx = context(t, i);
    bl_error *why = bl_context_cause(ctx);
    bl_chan_of(char) done = bl_context_done(ctx);

    printf("%d: %s %s", i, name(bl_context_err(ctx)), name(why));
    bl_error_release(why);
    if (bl_context_deadline(ctx) != BL_FOREVER)
        printf(" %" PRId64, ms(t, bl_context_deadline(ctx)));
    if (done)
        printf(bl_try_recv(done, NULL) == 0 ? " done" : " open");
    for (int k = 0; k < KEYS; k++) {
        const char *v = bl_context_value(ctx, &keys[k]);

        if (v)
            printf(" k%d=%s", k, v);
    }
    putchar(' ');
    print_text(ctx);
    putchar('\n');
}

/* --- doing --------------------------------------------------------------------------- */

static void
nap(struct tree *t, int id, bl_context *ctx, int for_ms)
{
    say(t, "nap%d:%s", id, name_of(bl_sleep_ctx(for_ms * BL_MILLISECOND, ctx)));
    bl_context_release(ctx);
    bl_waitgroup_done(&t->helpers);
}

typedef bl_chan_of(int) ints;

static void
answer(ints c, int after_ms, bool receives, bl_waitgroup *done)
{
    bl_sleep(after_ms * BL_MILLISECOND);
    if (receives)
        bl_try_recv(c, NULL);
    else
        bl_try_send(c, 7);
    bl_waitgroup_done(done);
}

static void
message(struct tree *t, int id, bl_context *ctx, int after_ms, bool sends)
{
    ints c = bl_chan_make(int, 0);
    bl_waitgroup done = {0};
    int v = 0, error;

    bl_waitgroup_add(&done, 1);
    bl_go(answer, c, after_ms, sends, &done);
    error = sends ? bl_send_ctx(c, 7, ctx) : bl_recv_ctx(c, &v, ctx);
    if (error < 0)
        say(t, "msg%d:%s", id, name_of(error));
    else if (sends)
        say(t, "msg%d:sent", id);
    else
        say(t, "msg%d:%d", id, v);
    bl_waitgroup_wait(&done);
    bl_chan_free(c);
    bl_context_release(ctx);
    bl_waitgroup_done(&t->helpers);
}

static void
wait_for_end(struct tree *t, int id, bl_context *ctx)
{
    bl_recv(bl_context_done(ctx));
    say(t, "wait%d:%s", id, name(bl_context_err(ctx)));
    bl_context_release(ctx);
    bl_waitgroup_done(&t->helpers);
}

struct note {
    struct tree *t;
    int id;
};

static struct note notes[LINES];

static void
note(void *arg)
{
    struct note *n = arg;

    say(n->t, "after%d", n->id);
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
sleep_and_print(struct tree *t, int for_ms)
{
    bl_sleep(for_ms * BL_MILLISECOND);
    bl_bubble_wait();
    qsort(t->said, (size_t)t->said_count, sizeof t->said[0], by_text);
    printf("%" PRId64 ": ", ms(t, bl_now()));
    for (int i = 0; i < t->said_count; i++) {
        printf(i ? " %s" : "%s", t->said[i]);
        free(t->said[i]);
    }
    putchar('\n');
    t->said_count = 0;
}

static void
end(struct tree *t, int i, bl_error *why)
{
    bl_context_cancel_cause(t->nodes[i], why);
}

static void
act(struct tree *t, int id, const char *what, const int *a)
{
    bl_context *ctx = strcmp(what, "sleep") && strcmp(what, "stop") ? context(t, a[0]) : NULL;

    if (strcmp(what, "end") == 0) {
        end(t, a[0], NULL);
    } else if (strcmp(what, "endc") == 0) {
        end(t, a[0], cause(a[1]));
    } else if (strcmp(what, "sleep") == 0) {
        sleep_and_print(t, a[0]);
    } else if (strcmp(what, "after") == 0) {
        notes[id] = (struct note){t, id};
        t->funcs[t->funcs_count++] = bl_context_after_func(ctx, note, &notes[id]);
    } else if (strcmp(what, "stop") == 0) {
        printf("stop%d: %s\n", a[0], bl_context_func_stop(t->funcs[a[0]]) ? "true" : "false");
    } else if (strcmp(what, "look") == 0) {
        look(t, a[0]);
    } else if (strcmp(what, "drop") == 0) {
        bl_context_release(ctx);
        t->nodes[a[0]] = NULL;
    } else {
        bl_waitgroup_add(&t->helpers, 1);
        bl_context_retain(ctx);
        if (strcmp(what, "wait") == 0)
            bl_go(wait_for_end, t, id, ctx);
        else if (strcmp(what, "nap") == 0)
            bl_go(nap, t, id, ctx, a[1]);
        else
            bl_go(message, t, id, ctx, a[1], *what == 's');
    }
}

/* Ends everything, in the order in which it was made. */
static void
clear(struct tree *t)
{
    for (int i = 0; i < t->count; i++)
        if (t->can_cancel[i] && t->nodes[i])
            bl_context_cancel(t->nodes[i]);
    bl_waitgroup_wait(&t->helpers);
    for (int i = 0; i < t->funcs_count; i++)
        bl_context_func_free(t->funcs[i]);
    bl_bubble_wait(); /* those that run */
    for (int i = 0; i < t->count; i++)
        bl_context_release(t->nodes[i]);
    for (int i = 0; i < t->said_count; i++)
        free(t->said[i]);
}

static void
run(void *unused)
{
    struct tree t = {.began = bl_now()};

    (void)unused;
    for (int id = 0; id < lines_count; id++) {
        char what[16];
        int a[ARGS] = {0};

        sscanf(lines[id], "%15s %d %d %d", what, &a[0], &a[1], &a[2]);
        if (!make(&t, what, a))
            act(&t, id, what, a);
    }
    clear(&t);
}

static void
run_tree(const char *head)
{
    if (!*head)
        return;
    puts(head);
    bl_bubble(run, NULL);
    while (lines_count > 0)
        free(lines[--lines_count]);
}

int
main(void)
{
    static char line[1 << 12], head[64];
    size_t trees = 0, early = 0, late;

    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "tree ", 5) == 0) {
            run_tree(head);
            if (++trees == 500)
                early = mallinfo2().uordblks;
            snprintf(head, sizeof head, "%s", line);
        } else {
            lines[lines_count++] = strdup(line);
        }
    }
    run_tree(head);
    late = mallinfo2().uordblks;
    if (early && late > early + 16 * trees) {
        fprintf(stderr, "contexts_tree: %zu bytes more after %zu trees\n", late - early,
                trees);
        return 1;
    }
    return 0;
}
