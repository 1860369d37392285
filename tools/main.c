/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* main.c - belay(1): the table of its commands, help, and errors. */
#define _GNU_SOURCE
#include "tool.h"

#include <belay/config.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_prof,
    &command_flame,
    &command_goroutines,
    &command_top,
    &command_lab,
};
enum { NCOMMANDS = sizeof commands / sizeof commands[0] };

const char *tool_command;

/* --- what is said ------------------------------------------------------------- */

static void
complain(const char *format, va_list ap)
{
    progress_end();
    fflush(stdout);
    fprintf(stderr, "belay%s%s: ", tool_command ? " " : "",
            tool_command ? tool_command : "");
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
}

void
tool_error(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    complain(format, ap);
    va_end(ap);
}

int
tool_misused(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    complain(format, ap);
    va_end(ap);
    fprintf(stderr, "see belay help%s%s\n", tool_command ? " " : "",
            tool_command ? tool_command : "");
    return EXIT_MISUSED;
}

int
tool_finish(void)
{
    progress_end();
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_OK;
    if (errno != EPIPE) /* the reader has seen enough */
        tool_error("stdout: %s", strerror(errno));
    return EXIT_FAILED;
}

/* --- help -------------------------------------------------------------------------- */

static int
print_help(void)
{
    printf("usage: belay COMMAND ...\n\n"
           "Looks into programs that use Belay (or Go), and at what they have left.\n\n"
           "commands:\n");
    for (int i = 0; i < NCOMMANDS; i++)
        printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nbelay help COMMAND says more; so does man 1 belay.\n");
    return tool_finish();
}

static const struct command *
command_named(const char *name)
{
    for (int i = 0; i < NCOMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    tool_misused("there is no command '%s'", name);
    return NULL;
}

static int
print_help_of(const char *name)
{
    const struct command *c = command_named(name);

    if (!c)
        return EXIT_MISUSED;
    options_help(c, stdout);
    return tool_finish();
}

static int
run(const struct command *command, int argc, char **argv)
{
    int operands;

    tool_command = command->name;
    operands = options_take(command, argc, argv);
    if (operands == -1) {
        options_help(command, stdout);
        return tool_finish();
    }
    return operands < 0 ? EXIT_MISUSED : command->run(operands, argv);
}

int
main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const struct command *command;

    signal(SIGPIPE, SIG_IGN);
    if (!word) {
        tool_error("which command?");
        fprintf(stderr, "see belay help\n");
        return EXIT_MISUSED;
    }
    if (strcmp(word, "help") == 0 && argc > 2)
        return print_help_of(argv[2]);
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_help();
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        printf("belay %s\n", BL_VERSION);
        return tool_finish();
    }
    command = command_named(word);
    return command ? run(command, argc - 2, argv + 2) : EXIT_MISUSED;
}
