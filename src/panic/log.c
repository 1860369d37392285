/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/log.c - BELAYDEBUG=unwindlog=1: the chain of clean-up as it happens.
 *
 *     belay: goroutine 1: panic #1 (boom): frame left f (a.c:12) */
#include "panic/g.h"

#include <belay/test.h>

#include <string.h>
#include <unistd.h>

struct where {
    struct bl__text *t;
    bool found;   /* a function of the program's has been printed */
    bool any;     /* some function is known */
};

/* Prints the innermost function that is not Belay's own. */
static void
put_where(void *arg, const struct bl__line *line)
{
    struct where *w = arg;
    const char *slash;

    if (w->found || !line->function)
        return;
    w->any = true;
    if (bl__is_machinery(line->function))
        return;
    w->found = true;
    bl__put(w->t, " ");
    bl__put(w->t, line->function);
    if (line->file) {
        slash = strrchr(line->file, '/');
        bl__put(w->t, " (");
        bl__put(w->t, slash ? slash + 1 : line->file);
        bl__put(w->t, ":");
        bl__put_int(w->t, line->line);
        bl__put(w->t, ")");
    }
}

size_t
bl__place(uintptr_t pc, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);
    struct where w = {&t, false, false};

    bl__symbols_at(pc - 1, put_where, &w);
    if (!w.found) {
        bl__put(&t, " ");
        bl__put_hex(&t, pc);
    }
    bl__text_flush(&t);
    return t.length;
}

static void
put_act(struct bl__text *t, const struct bl__act *a)
{
    static const char *const kinds[] = {"panic", "goexit", "return"};
    int depth = 0;

    for (const struct bl__act *x = a; x; x = x->link)
        depth++;
    bl__put(t, kinds[a->kind]);
    bl__put(t, " #");
    bl__put_int(t, depth);
    if (a->kind == BL__ACT_PANIC) {
        bl__put(t, " (");
        bl__put_info(t, &a->info);
        bl__put(t, ")");
    }
    bl__put(t, ": ");
}

void
bl__log(const struct bl__g *g, const struct bl__act *a, const char *what,
        uintptr_t pc, const char *detail)
{
    char buf[1024];
    struct bl__text t = BL__TEXT_INTO(buf, sizeof buf - 1);
    struct where w = {&t, false, false};
    size_t before;

    bl__put(&t, "belay: goroutine ");
    bl__put_uint(&t, g->id);
    bl__put(&t, ": ");
    if (a)
        put_act(&t, a);
    bl__put(&t, what);
    before = t.length;
    if (detail) {
        bl__put(&t, " ");
        bl__put(&t, detail);
    } else if (pc) {
        bl__symbols_at(pc - 1, put_where, &w);
        if (w.any && !w.found)
            return; /* a frame of the engine */
        if (t.length == before) {
            bl__put(&t, " ");
            bl__put_hex(&t, pc);
        }
    }
    bl__put(&t, "\n");
    bl__text_flush(&t);
    (void)!write(2, buf, strlen(buf));
}
