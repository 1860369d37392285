/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/print.c - errors as text, alone or with everything behind them.
 *
 *     start: open app.conf: no such file or directory
 *     start(...)
 *     	/home/me/app.c:31 +0x1d
 *     caused by: open app.conf: no such file or directory
 *     read_config(...)
 *     	/home/me/app.c:12 +0x2f
 *     caused by: no such file or directory (ENOENT)
 */
#include "errors/errors.h"
#include "panic/g.h"

#include <stdlib.h>
#include <string.h>

enum { PRINTED = 1000 }; /* errors of a tree */

_Static_assert((int)BL__ERROR_FRAMES <= (int)BL__TRACE_HALF, "a trace holds them all");

size_t
bl_error_text(const bl_error *err, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    if (err && err->kind->text)
        return err->kind->text(err, buf, size);
    bl__put(&t, err ? err->kind->name : "<nil>");
    bl__text_flush(&t);
    return t.length;
}

char *
bl__error_text(const bl_error *err, char *buf, size_t size, size_t *length)
{
    size_t n = bl_error_text(err, buf, size), again;
    char *text;

    *length = n < size ? n : size - 1;
    if (n < size || !(text = malloc(n + 1)))
        return buf;
    again = bl_error_text(err, text, n + 1); /* a user's text may be another now */
    *length = again < n ? again : n;
    return text;
}

char *
bl_error_string(const bl_error *err)
{
    char few[BL__ERROR_TEXT_INLINE];
    size_t n, whole;
    char *text = bl__error_text(err, few, sizeof few, &n), *copy;

    if (text != few)
        return text;
    whole = n + 1 < sizeof few ? n : bl_error_text(err, NULL, 0);
    copy = whole == n ? malloc(n + 1) : NULL; /* else it was cut */
    return copy ? memcpy(copy, few, n + 1) : NULL;
}

/* --- everything -------------------------------------------------------------- */

/* `[2.1] ` for the first member of the root's second one. */
static void
put_place(struct bl__text *t, const struct bl__path *path)
{
    if (path->depth == 0)
        return;
    for (size_t i = 0; i < path->depth; i++) {
        bl__put(t, i ? "." : "[");
        bl__put_uint(t, path->forks[i].next);
    }
    bl__put(t, "] ");
}

static void
put_text(struct bl__text *t, const bl_error *err)
{
    char few[BL__ERROR_TEXT_INLINE];
    size_t n;
    char *text = bl__error_text(err, few, sizeof few, &n);
    const char *name = bl_error_name(err);

    bl__put_indented(t, text);
    if (text != few)
        free(text);
    if (err && name != err->kind->name) { /* ENOENT */
        bl__put(t, " (");
        bl__put(t, name);
        bl__put(t, ")");
    }
    bl__put(t, "\n");
}

static void
put_stack(struct bl__text *t, const bl_error *err)
{
    const struct bl__head *head;
    struct bl__trace trace;

    if (!err->kind->size)
        return;
    head = bl__head_of(err);
    trace.count = head->frames;
    for (uint32_t i = 0; i < head->frames; i++)
        trace.first[i] = ((const uintptr_t *)head)[-1 - (ptrdiff_t)i];
    if (head->frames == 0) {
        trace.first[0] = head->pc;
        trace.count = 1;
    }
    bl__put_trace(t, &trace);
}

static void
put_tree(struct bl__text *t, const bl_error *err)
{
    struct bl__path path;
    bool is_cause = false;
    int n = 0;

    if (!err)
        put_text(t, err);
    bl__path_begin(&path);
    for (; err && n < PRINTED; n++, err = bl__path_next(&path, err, &is_cause)) {
        put_place(t, &path);
        if (is_cause)
            bl__put(t, "caused by: ");
        put_text(t, err);
        put_stack(t, err);
    }
    if (err)
        bl__put(t, "...more errors elided...\n");
    bl__path_end(&path);
}

size_t
bl_error_detail(const bl_error *err, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    put_tree(&t, err);
    bl__text_flush(&t);
    return t.length;
}

void
bl_error_print(const bl_error *err, int fd)
{
    char buf[1024];
    struct bl__text t = BL__TEXT_TO(fd, buf);

    put_tree(&t, err);
    bl__text_flush(&t);
}
