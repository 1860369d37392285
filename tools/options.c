/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* options.c - options out of a command's table, in the way of Go's tools: one dash or
 * two, `-n 5` or `-n=5`, before or after the operands. */
#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct option *
option_named(const struct command *command, const char *name, size_t length)
{
    for (const struct option *o = command->options; o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

static bool
set_number(const struct option *o, const char *text)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 0 || n > INT_MAX) {
        tool_misused("-%s wants a number, not '%s'", o->name, text);
        return false;
    }
    *(int *)o->value = (int)n;
    return true;
}

static bool
set(const struct option *o, const char *text)
{
    switch (o->kind) {
    case OPTION_NUMBER:
        return set_number(o, text);
    case OPTION_TEXT:
        *(const char **)o->value = text;
        return true;
    default:
        *(bool *)o->value = true;
        return true;
    }
}

/* The option that argv[*i] is, with its value, which may be the next argument. */
static bool
take_one(const struct command *command, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *o = option_named(command, name, length);

    if (!o) {
        tool_misused("there is no option -%.*s", (int)length, name);
        return false;
    }
    if (o->kind == OPTION_FLAG && equals) {
        tool_misused("-%s takes no value", o->name);
        return false;
    }
    if (o->kind != OPTION_FLAG && !equals && *i + 1 >= argc) {
        tool_misused("-%s wants %s", o->name, o->argument);
        return false;
    }
    return set(o, equals ? equals + 1 : o->kind == OPTION_FLAG ? "" : argv[++*i]);
}

static bool
asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-help") == 0 ||
           strcmp(word, "-h") == 0;
}

int
options_take(const struct command *command, int argc, char **argv)
{
    int operands = 0;
    bool only_operands = false;

    for (int i = 0; i < argc; i++) {
        if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0')
            argv[operands++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (asks_for_help(argv[i]))
            return -1;
        else if (!take_one(command, argc, argv, &i))
            return -2;
    }
    return operands;
}

void
options_help(const struct command *command, FILE *to)
{
    const char *line = command->usage;
    const char *label = "usage:";

    for (const char *end; *line; line = *end ? end + 1 : end, label = "      ") {
        end = strchrnul(line, '\n');
        fprintf(to, "%s belay %.*s\n", label, (int)(end - line), line);
    }
    fprintf(to, "\n%s\n", command->details);
    if (command->options->name)
        fprintf(to, "options:\n");
    for (const struct option *o = command->options; o->name; o++) {
        char left[64];

        snprintf(left, sizeof left, "-%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        fprintf(to, "  %-18s %s\n", left, o->help);
    }
}
