/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/filter.c - -run and -skip, patterns for the parts of a name between slashes,
 * as Go's; and -glob, the same with a shell's patterns for whole parts. */
#include "testkit/testkit.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 16, PART = 512 };

struct pattern {
    bool is_set, is_glob;
    int n;
    char text[PARTS][PART];
    regex_t regex[PARTS];
};

static struct pattern run, skip, glob;
static char wrong[PART + 256];

/* The first slash that stands in no brackets; NULL: there is none. */
static const char *
slash(const char *s)
{
    int brackets = 0, parentheses = 0;

    for (; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (*s == '[')
            brackets++;
        else if (*s == ']')
            brackets = brackets > 0 ? brackets - 1 : 0;
        else if (*s == '(' && brackets == 0)
            parentheses++;
        else if (*s == ')' && brackets == 0)
            parentheses--;
        else if (*s == '/' && brackets == 0 && parentheses == 0)
            return s;
    }
    return NULL;
}

static const char *
compile(struct pattern *p, const char *option, const char *s)
{
    const char *end;
    size_t n;
    int error;

    for (p->is_set = true; s; s = end ? end + 1 : NULL) {
        end = slash(s);
        n = end ? (size_t)(end - s) : strlen(s);
        if (p->n == PARTS || n >= PART) {
            snprintf(wrong, sizeof wrong, "%s: the pattern is too long", option);
            return wrong;
        }
        memcpy(p->text[p->n], s, n);
        if (p->is_glob) {
            p->n++;
            continue;
        }
        error = regcomp(&p->regex[p->n], p->text[p->n], REG_EXTENDED | REG_NOSUB);
        if (error) {
            n = (size_t)snprintf(wrong, sizeof wrong, "%s %s: ", option, p->text[p->n]);
            regerror(error, &p->regex[p->n], wrong + n, sizeof wrong - n);
            return wrong;
        }
        p->n++;
    }
    return NULL;
}

const char *
bl__kit_filter_init(const struct bl__kit_options *o)
{
    const char *error = NULL;

    glob.is_glob = true;
    if (o->run)
        error = compile(&run, "-run", o->run);
    if (o->skip && !error)
        error = compile(&skip, "-skip", o->skip);
    if (o->glob && !error)
        error = compile(&glob, "-glob", o->glob);
    return error;
}

/* Whether the parts of name match p's.  A name that has fewer parts: `shorter`. */
static bool
matches(const struct pattern *p, const char *name, bool shorter)
{
    char part[PART];
    const char *end;
    size_t n;

    for (int i = 0; i < p->n; i++, name = end ? end + 1 : NULL) {
        if (!name)
            return shorter;
        end = strchr(name, '/');
        n = end ? (size_t)(end - name) : strlen(name);
        n = n < PART ? n : PART - 1;
        memcpy(part, name, n);
        part[n] = '\0';
        if (p->is_glob ? fnmatch(p->text[i], part, 0) != 0
                       : regexec(&p->regex[i], part, 0, NULL, 0) != 0)
            return false;
    }
    return true;
}

bool
bl__kit_filter_selects(const char *name)
{
    return (!run.is_set || matches(&run, name, true)) &&
           (!glob.is_set || matches(&glob, name, true)) &&
           !(skip.is_set && matches(&skip, name, false));
}
