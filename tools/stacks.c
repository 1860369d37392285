/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stacks.c - goroutines out of text.
 *
 *     goroutine 7 [chan receive, 5 minutes, locked to thread]:
 *     main.worker(0x1, {0x2, 0x3})
 *         /src/main.go:12 +0x1d
 *     created by main.main in goroutine 1
 *         /src/main.go:33 +0x2e
 *
 * Go's crash reports may have "gp=... m=..." behind the id, and "labels:{...}" in the
 * brackets; Belay adds "pending defer in g: f(...)".  An empty line ends a goroutine. */
#define _GNU_SOURCE
#include "stacks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- the first line ------------------------------------------------------------------ */

static bool
begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* What stands in brackets: state, then words of which some are understood. */
static void
take_words(struct goroutine *g, char *words)
{
    char *labels = strstr(words, "labels:{");
    char *next;

    if (labels && labels > words) { /* they may have commas of their own */
        for (; labels > words && strchr(" ,", labels[-1]); labels--)
            continue;
        *labels = '\0';
    }
    g->state = words;
    next = strstr(words, ", ");
    while (next) {
        char *word = next + 2, *end;
        long n = strtol(word, &end, 10);

        *next = '\0';
        next = strstr(word, ", ");
        if (end != word && begins_with(end, " minute") && n > 0 && n < 100000000)
            g->minutes = (int)n;
        else if (begins_with(word, "locked to thread"))
            g->is_locked = true;
    }
}

/* The line of which `text` is the beginning starts a goroutine, which it fills in. */
static bool
take_header(struct goroutine *g, char *line)
{
    char *at, *open, *close;

    *g = (struct goroutine){0};
    if (!begins_with(line, "goroutine ") || !isdigit((unsigned char)line[10]))
        return false;
    g->id = strtoull(line + 10, &at, 10);
    open = strchr(at, '[');
    close = open ? strrchr(open, ']') : NULL;
    if (*at != ' ' || !close || close[1] != ':')
        return false;
    *close = '\0';
    take_words(g, open + 1);
    return true;
}

/* --- its frames ------------------------------------------------------------------------ */

/* "main.(*T).f(0x1, {0x2})" is main.(*T).f. */
static void
drop_arguments(char *function)
{
    size_t n = strlen(function);
    int depth = 0;

    if (n == 0 || function[n - 1] != ')')
        return;
    while (n-- > 0) {
        depth += function[n] == ')' ? 1 : function[n] == '(' ? -1 : 0;
        if (depth == 0)
            break;
    }
    if (n > 0 && n != SIZE_MAX)
        function[n] = '\0';
}

/* "/src/main.go:12 +0x1d" is /src/main.go:12. */
static const char *
place_in(char *line)
{
    char *offset = strstr(line, " +0x");

    if (offset)
        *offset = '\0';
    return line;
}

static void
take_creator(struct goroutine *g, char *line)
{
    char *in = strstr(line, " in goroutine ");

    if (in) {
        g->created_in = strtoull(in + 14, NULL, 10);
        *in = '\0';
    }
    drop_arguments(line);
    g->creator = (struct stack_frame){line, ""};
}

struct reading {
    struct stacks *into;
    struct goroutine *g;         /* NULL: between goroutines */
    struct stack_frame *frames;  /* of g, on the way */
    uint32_t room;
};

static void
add_frame(struct reading *r, const char *function)
{
    if (r->g->nframes == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->frames = memory_resize(r->frames, r->room, sizeof *r->frames);
    }
    r->frames[r->g->nframes++] = (struct stack_frame){function, ""};
}

static void
end_goroutine(struct reading *r)
{
    struct goroutine *g = r->g;

    if (!g)
        return;
    g->frames = arena_array(&r->into->arena, g->nframes, sizeof *g->frames);
    if (g->nframes > 0)
        memcpy(g->frames, r->frames, g->nframes * sizeof *g->frames);
    r->g = NULL;
}

static void
begin_goroutine(struct reading *r, const struct goroutine *g)
{
    struct stacks *s = r->into;

    end_goroutine(r);
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 256;
        s->all = memory_resize(s->all, s->room, sizeof *s->all);
    }
    s->all[s->count] = *g;
    r->g = &s->all[s->count++];
}

/* An indented line: where the function above it is; or words. */
static void
take_indented(struct reading *r, char *line)
{
    struct goroutine *g = r->g;

    line += strspn(line, " \t");
    if (begins_with(line, "goroutine running on other thread"))
        add_frame(r, "(running; its stack is not available)");
    else if (g->creator.function)
        g->creator.place = place_in(line);
    else if (g->nframes > 0)
        r->frames[g->nframes - 1].place = place_in(line);
}

static void
take_line(struct reading *r, char *line)
{
    struct goroutine g;

    if (take_header(&g, line)) {
        begin_goroutine(r, &g);
    } else if (!r->g) {
        return;
    } else if (*line == '\0') {
        end_goroutine(r);
    } else if (*line == '\t' || *line == ' ') {
        take_indented(r, line);
    } else if (begins_with(line, "created by ")) {
        take_creator(r->g, line + 11);
    } else {
        drop_arguments(line);
        add_frame(r, line);
    }
}

void
stacks_read(struct stacks *s, struct bytes *text)
{
    struct reading r = {.into = s};
    char *line = text->data, *end = text->data + text->size;

    *s = (struct stacks){0};
    for (char *p = line; (p = memchr(p, '\r', (size_t)(end - p))); p++)
        *p = ' ';
    text_clean(text->data, text->size, true);
    while (line < end) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *next = newline ? newline + 1 : end;

        for (char *last = newline ? newline : end; last > line && last[-1] == ' '; last--)
            last[-1] = '\0';
        if (newline)
            *newline = '\0';
        take_line(&r, line);
        progress("reading", (uint64_t)(line - text->data), text->size);
        line = next;
    }
    end_goroutine(&r);
    free(r.frames);
    progress_end();
}

void
stacks_free(struct stacks *s)
{
    free(s->all);
    arena_free(&s->arena);
}
