/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/log.c - BELAYDEBUG=unwindlog=1: the chain of clean-up as it happens. */
#include "panic/g.h"

#include <string.h>

struct where {
    struct bl__text *t;
    bool done;
};

static void
put_where(void *arg, const struct bl__line *line)
{
    struct where *w = arg;
    const char *slash;

    if (w->done || !line->function)
        return;
    w->done = true;
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

/* belay: 1: panic #2 "boom": frame left: f (a.c:12) */
void
bl__log(const struct bl__g *g, const struct bl__act *a, const char *what,
        uintptr_t pc, const char *detail)
{
    static const char *const kinds[] = {"panic", "goexit", "return"};
    char buf[512];
    struct bl__text t = BL__TEXT_TO(2, buf);
    struct where w = {&t, false};
    int depth = 0;

    for (const struct bl__act *x = a; x; x = x->link)
        depth++;
    bl__put(&t, "belay: goroutine ");
    bl__put_uint(&t, g->id);
    bl__put(&t, ": ");
    if (a) {
        bl__put(&t, kinds[a->kind]);
        bl__put(&t, " #");
        bl__put_int(&t, depth);
        bl__put(&t, ": ");
    }
    bl__put(&t, what);
    if (pc)
        bl__symbols_at(pc - (detail == NULL), put_where, &w);
    if (detail) {
        bl__put(&t, " ");
        bl__put(&t, detail);
    } else if (pc && !w.done) {
        bl__put(&t, " ");
        bl__put_hex(&t, pc);
    }
    bl__put(&t, "\n");
    bl__text_flush(&t);
}
