/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tool.h - what the subcommands of belay(1) share.
 *
 * A subcommand is one `struct command` in a file of its own, named in main.c.  It
 * gets its operands; options are parsed by then.  Errors are one line on stderr.
 * Functions that can fail for reasons outside return false, and have said why; short
 * memory ends the process. */
#ifndef BELAY_TOOL_H
#define BELAY_TOOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

/* --- commands and options (main.c, options.c) -------------------------------- */

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

struct option {
    const char *name;      /* without dashes; one or two of them are accepted */
    enum option_kind kind;
    void *value;           /* bool *, const char ** or int *; a number is >= 0 */
    const char *argument;  /* how help calls it: "FILE" */
    const char *help;
};

struct command {
    const char *name, *summary;
    const char *usage;            /* one or more lines behind "usage: belay " */
    const char *details;          /* what help says besides; ends with '\n' */
    const struct option *options; /* up to a NULL name */
    int (*run)(int operands, char **operand);
};

extern const struct command command_prof, command_flame, command_goroutines, command_top,
    command_lab;

/* Takes the options out of argv; returns how many operands are left in it, -1 if
 * help was asked for, or -2 after a complaint. */
int options_take(const struct command *command, int argc, char **argv);
void options_help(const struct command *command, FILE *to);

/* "belay NAME: ...": the name is that of the running command. */
extern const char *tool_command;
void tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int tool_misused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout: EXIT_OK, or EXIT_FAILED if what was printed did not get out. */
int tool_finish(void);

/* --- memory (memory.c) --------------------------------------------------------- */

void *memory_get(size_t size);
void *memory_resize(void *old, size_t count, size_t size);

/* Memory that is given back all at once; zeroed. */
struct arena {
    struct arena_block *block;
};

void *arena_get(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size);
char *arena_text(struct arena *a, const char *text, size_t length);
void arena_take(struct arena *a, struct arena *from); /* now a's */
void arena_free(struct arena *a);

/* Numbers keys 0, 1, 2, ... in the order in which they first come. */
struct table {
    uint32_t *slots; /* number + 1; 0: empty */
    uint32_t nslots; /* a power of two */
    struct table_key {
        const void *data;
        uint32_t size, hash;
    } *keys;
    uint32_t count, room;
    struct arena arena;
};

enum { TABLE_NONE = UINT32_MAX };

uint32_t table_add(struct table *t, const void *key, size_t size);
uint32_t table_find(const struct table *t, const void *key, size_t size);
void table_free(struct table *t);

/* Bytes that grow; there is always a '\0' behind them. */
struct bytes {
    char *data;
    size_t size, room;
};

void bytes_add(struct bytes *b, const void *data, size_t size);
void bytes_print(struct bytes *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bytes_free(struct bytes *b);

/* Makes text that came from outside fit to be printed: what is not UTF-8, or is a
 * control character, becomes '?'.  Lines and tabs stay if asked for. */
void text_clean(char *text, size_t length, bool lines);

/* --- the terminal (terminal.c) --------------------------------------------------- */

bool terminal_has_colour(FILE *to);

/* "\033[1m" and the like, or "" where there is no colour. */
const char *colour(FILE *to, const char *codes);

/* Where stderr is a terminal, and only after a while: how far long work has come.
 * total 0: unknown.  progress_end() wipes the line. */
void progress(const char *what, uint64_t done, uint64_t total);
void progress_end(void);

/* --- input (input.c, fetch.c) ------------------------------------------------------ */

/* The greatest input, and the greatest thing a gzip may unpack to. */
#define INPUT_MAX ((size_t)1 << 29)

bool input_is_url(const char *name);

/* Reads all of a file, of stdin ("-") or of what a URL answers, and unpacks gzip. */
bool input_read(const char *name, struct bytes *into);

/* What data that is no profile looks like: "an ELF file". */
const char *input_kind(const struct bytes *data);

struct fetched {
    long status;        /* HTTP's; 0: there was no answer */
    struct bytes body;
    char error[256];    /* why there was no answer */
};

extern int fetch_timeout_seconds;
extern volatile bool fetch_stop; /* set by a signal handler: give up */

void fetch(const char *url, struct fetched *into);

/* What is said where the answer is not 200: "404 Not Found: Unknown profile". */
void fetch_complaint(const struct fetched *f, char *into, size_t size);

#endif
