/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors.c - error values from where something fails to where somebody decides.
 *
 *     errors [file...]
 *
 * Reads settings, `name = number` a line, and divides limit by workers.  Whatever can
 * go wrong does, in the texts that are built in: a file that is not there, one without
 * a line, several mistakes at once, a division by zero.  What is called later decides
 * what to do by what an error is, not by its text; main() prints the ones that nobody
 * has dealt with, with the places where they were made.
 *
 * Who owns an error?  Who has got it from a function, until it is handed on: returned,
 * wrapped, joined, or released. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

error_static(err_empty, "nothing in it");

/* --- a kind of our own: a mistake has a line ------------------------------------ */

struct mistake {
    bl_error base;
    int line;
    char what[80];
};

static size_t
mistake_text(const bl_error *err, char *buf, size_t size)
{
    const struct mistake *m = (const struct mistake *)err;

    return (size_t)snprintf(buf, size, "line %d: %s", m->line, m->what);
}

static const bl_error_kind mistake_kind = {
    .name = "mistake",
    .text = mistake_text,
    .size = sizeof(struct mistake), /* so it is counted, and bl_error_make() makes it */
};

static bl_error *
new_mistake(int line, const char *what, const char *text)
{
    struct mistake *m = bl_error_make(&mistake_kind);

    if (!m)
        return bl_error_from_errno(ENOMEM);
    m->line = line;
    snprintf(m->what, sizeof m->what, "%s: %.40s", what, text);
    return &m->base;
}

/* --- settings --------------------------------------------------------------------- */

struct settings {
    long limit, workers;
};

static bl_error *
read_line(struct settings *s, int number, char *line)
{
    char name[16];
    long value;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%15s = %ld", name, &value) != 2)
        return new_mistake(number, "no `name = number`", line);
    if (strcmp(name, "limit") == 0)
        s->limit = value;
    else if (strcmp(name, "workers") == 0)
        s->workers = value;
    else
        return new_mistake(number, "no such setting", name);
    return NULL;
}

/* Goes on behind a mistake, up to so many, and returns them all. */
enum { MISTAKES = 8 };

static bl_error *
read_lines(struct settings *s, FILE *f)
{
    bl_error *mistakes[MISTAKES], *all;
    size_t found = 0; /* and ours: whatever happens */
    char line[128];
    int n = 0;

    defer {
        while (found > 0)
            error_release(mistakes[--found]);
    };
    while (found < MISTAKES && fgets(line, sizeof line, f)) {
        mistakes[found] = read_line(s, ++n, line);
        found += mistakes[found] != NULL;
    }
    if (n == 0)
        return err_empty;
    all = bl_error_join_list(mistakes, found); /* NULL for none */
    found = 0; /* they are all's now */
    return all;
}

static const struct {
    const char *name, *text;
} built_in[] = {
    {"good", "limit = 12\nworkers = 4\n"},
    {"empty", ""},
    {"mistakes", "limit = 12\nworkers 4\nlimits = 3\n"},
    {"zero", "limit = 12\nworkers = 0\n"},
};

static FILE *
open_settings(const char *name)
{
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (strcmp(name, built_in[i].name) == 0)
            return fmemopen((void *)built_in[i].text, strlen(built_in[i].text), "r");
    return fopen(name, "r");
}

static bl_error *
load(struct settings *s, const char *name)
{
    FILE *f = open_settings(name);

    if (!f)
        return error_wrap(bl_error_from_errno(errno), "open %s", name);
    defer { fclose(f); };
    /* NULL stays NULL: success */
    return error_wrap(read_lines(s, f), "read %s", name);
}

/* A panic in here, as a division by zero, becomes an error. */
static bl_error *
divide(const struct settings *s, long *share)
{
    returns (bl_error *, err) {
        defer {
            const bl_panic_info *p = recover();

            if (p)
                err = error_wrap(bl_error_from_panic(p), "divide %ld by %ld", s->limit,
                                 s->workers);
        };

        *share = s->limit / s->workers;
    }
}

/* Decides what it can: without a file, or with an empty one, there are defaults. */
static bl_error *
share_of(const char *name, long *share)
{
    struct settings s = {100, 5};
    bl_error *err = load(&s, name);

    if (error_is(err, bl_err_not_exist) || error_is(err, err_empty)) {
        char why[128];
        defer { error_release(err); };

        bl_error_text(err, why, sizeof why);
        printf("%s: defaults (%s)\n", name, why);
    } else if (err) {
        return err;
    }
    return divide(&s, share);
}

static bool
show(const char *name)
{
    long share = 0;
    bl_error *err = share_of(name, &share);
    defer { error_release(err); };
    const struct mistake *first = error_as(err, &mistake_kind);

    if (!err) {
        printf("%s: %ld each\n", name, share);
        return true;
    }
    if (first)
        printf("%s: look at line %d first\n", name, first->line);
    printf("%s: ", name);
    fflush(stdout);
    error_print(err, STDOUT_FILENO);
    return false;
}

int
main(int argc, char **argv)
{
    bool good = true;

    if (argc < 2) {
        for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
            show(built_in[i].name);
        show("/nowhere/settings");
        return 0;
    }
    for (int i = 1; i < argc; i++)
        good &= show(argv[i]);
    return good ? 0 : 1;
}
