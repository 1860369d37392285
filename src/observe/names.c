/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/names.c - functions and lines for program counters, by the core's symbols:
 * inlined functions too, so that nobody has to have the program's file. */
#include "observe/observe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t loader = PTHREAD_MUTEX_INITIALIZER;

struct adding {
    struct bl__names *names;
    struct bl__names_of *of;
    struct bl__line block; /* of a defer block: its function follows */
    bool has_block;
};

static const char unknown[] = "?";

static const char *
join(const char *s, size_t n, const char *suffix)
{
    char *copy = malloc(n + strlen(suffix) + 1);

    if (!copy)
        return unknown;
    memcpy(copy, s, n);
    strcpy(copy + n, suffix);
    return copy;
}

static void
free_text(const char *text)
{
    if (text != unknown)
        free((void *)text);
}

/* Without what GCC appends to the parts and copies of a function. */
static size_t
plain_length(const char *name)
{
    static const char *const suffixes[] = {".cold", ".part.", ".constprop.", ".isra."};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const char *at = strstr(name, suffixes[i]);

        if (at && (size_t)(at - name) < n)
            n = (size_t)(at - name);
    }
    return n;
}

/* Belay's own: its static functions have no prefix, but their files lie where this one
 * does. */
static bool
is_own(const struct bl__line *line)
{
    enum { FOLDER = sizeof __FILE__ - sizeof "observe/names.c" };

    return bl__core->is_machinery(line->function) ||
           (line->file && strncmp(line->file, __FILE__, FOLDER) == 0);
}

static void
put_line(struct adding *a, const struct bl__line *line, const char *suffix,
         const struct bl__line *place)
{
    struct bl__names *names = a->names;
    const char *name;

    if (names->nlines == names->lines_room) {
        uint32_t room = names->lines_room ? names->lines_room * 2 : 64;
        struct bl__named *lines = realloc(names->lines, room * sizeof *lines);

        if (!lines)
            return;
        names->lines = lines;
        names->lines_room = room;
    }
    name = join(line->function, plain_length(line->function), suffix);
    names->lines[names->nlines++] = (struct bl__named){
        name, place->file ? place->file : "", place->line, is_own(line), false};
    a->of->n++;
    a->of->is_own = a->of->is_own && is_own(line);
}

/* A defer block is an inlined function of the one that it stands in, which follows: f's
 * is f.defer. */
static void
on_line(void *arg, const struct bl__line *line)
{
    struct adding *a = arg;

    if (!line->function)
        return;
    if (strncmp(line->function, "bl__block_", 10) == 0) {
        a->block = *line;
        a->has_block = true;
        return;
    }
    put_line(a, line, a->has_block ? ".defer" : "", a->has_block ? &a->block : line);
    a->has_block = false;
}

/* What runs below main and below a thread's function. */
static bool
is_root(const struct bl__named *line)
{
    static const char *const roots[] = {"__libc_start_main", "__libc_start_call_main",
                                        "__libc_start_main_impl", "_start",
                                        "start_thread", "clone3", "clone"};

    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (strcmp(line->function, roots[i]) == 0)
            return true;
    return line->function == unknown && strstr(line->file, "/libc.so");
}

/* What has no line: its symbol, and the file that it is in. */
static void
put_symbol(struct adding *a, struct bl__names_of *of, uintptr_t at)
{
    struct bl__line line = {unknown, NULL, 0};
    struct bl__module module;
    struct bl__symbol symbol;
    struct bl__named *named;

    if (bl__core->symbol_at(at, &symbol)) {
        line.function = symbol.name;
        of->offset = symbol.offset;
    }
    put_line(a, &line, "", &line);
    if (of->n == 0)
        return;
    named = &a->names->lines[of->first];
    if (line.function == unknown) {
        free_text(named->function);
        named->function = unknown;
    }
    if (bl__core->module_at(at, &module)) {
        named->file = join(module.name, strlen(module.name), "");
        named->owns_file = true;
    }
}

static void
look_up(struct bl__names *names, struct bl__names_of *of, uintptr_t pc)
{
    struct adding a = {.names = names, .of = of};
    struct bl__line line = {NULL, NULL, 0};
    uintptr_t start;

    of->first = names->nlines;
    of->is_own = true;
    if (pc & BL__MARK) {
        const struct bl__site *site = (const void *)(pc & ~BL__MARK);

        line = (struct bl__line){site->function, site->file, site->line};
        put_line(&a, &line, "", &line);
        return;
    }
    start = bl__core->function_at(pc - 1);
    of->offset = start ? pc - 1 - start : 0;
    bl__core->symbols_at(pc - 1, on_line, &a);
    if (of->n > 0)
        return;
    put_symbol(&a, of, pc - 1);
}

static void
look_at(struct bl__names *names, struct bl__names_of *of, uintptr_t pc)
{
    bl__loader_begin();
    look_up(names, of, pc);
    bl__loader_end();
    of->is_root = of->is_own || (of->n > 0 && is_root(&names->lines[of->first]));
}

void
bl__loader_begin(void)
{
    pthread_mutex_lock(&loader);
}

void
bl__loader_end(void)
{
    pthread_mutex_unlock(&loader);
}

uint32_t
bl__names_trim(struct bl__names *names, const uintptr_t *pcs, uint32_t n)
{
    uint32_t left = n;

    while (left > 0 && bl__names_at(names, pcs[left - 1])->is_root)
        left--;
    return left > 0 ? left : n;
}

const struct bl__names_of *
bl__names_at(struct bl__names *names, uintptr_t pc)
{
    static const struct bl__names_of none;
    uint32_t known = names->pcs.n, i = bl__table_add(&names->pcs, &pc, sizeof pc);

    if (i == UINT32_MAX)
        return &none;
    if (i < known)
        return &names->of[i];
    if (i >= names->room) {
        uint32_t room = names->room ? names->room * 2 : 64;
        struct bl__names_of *of = realloc(names->of, room * sizeof *of);

        if (!of)
            abort(); /* the table has grown already: a few bytes more are not there */
        names->of = of;
        names->room = room;
    }
    names->of[i] = (struct bl__names_of){0};
    look_at(names, &names->of[i], pc);
    return &names->of[i];
}

void
bl__names_free(struct bl__names *names)
{
    for (uint32_t i = 0; i < names->nlines; i++) {
        free_text(names->lines[i].function);
        if (names->lines[i].owns_file)
            free_text(names->lines[i].file);
    }
    bl__table_free(&names->pcs);
    free(names->of);
    free(names->lines);
    *names = (struct bl__names){0};
}
