/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* demo.c - parses a machine's own headers and documents, and survives them.
 *
 * The parser trusts its input.  It panics where the text makes no sense,
 * divides by counts that are zero in some files and follows the pointer that a
 * look-up returned.  On real trees all of that goes wrong hundreds of times.
 * Each file is handled inside `returns`, so that only this file is lost and the
 * program goes on; whatever is open or allocated at that moment is under
 * `defer`.
 *
 * Read handle_file() first, it is near the end.  hand.c is the same job with
 * error codes, demo.go the same in Go; all three agree on every file. */
#define _GNU_SOURCE
#include "job.h"
#include "scan.h"

#include <belay/keywords.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct expression {
    const struct macros *macros;
    const byte *at;
    const byte *end;
};

static int64_t evaluate(struct expression *e, int level);

/* --- what the parser panics with ----------------------------------------- */

struct syntax_error { /* an error value: what bl_error is comes first */
    bl_error base;
    byte quote; /* what began and has no end */
};

static size_t
syntax_error_text(const bl_error *err, char *buf, size_t size)
{
    const struct syntax_error *e = (const struct syntax_error *)err;

    return (size_t)snprintf(buf, size, "%s without end",
                            e->quote == '/' ? "comment" : "quote");
}

static const bl_error_kind syntax_error_kind = {.name = "syntax_error",
                                                .text = syntax_error_text};

/* An error value has to outlive its panic, but the parser does not. */
static _Noreturn void
fail_unterminated(const struct parser *p)
{
    static _Thread_local struct syntax_error e;

    e = (struct syntax_error){{&syntax_error_kind}, *p->at};
    panic_error(&e.base);
}

/* Memory that is short is a panic too, so nobody below has to ask. */
static void
must(bool enough)
{
    if (!enough)
        panic_with(bl_named(bl_string("out of memory"), "no_memory"));
}

/* --- constant expressions ------------------------------------------------ */

/* Nobody asks whether b is 0: that is a fault, and so a run-time panic.  Only
 * where the processor divides by 0 without a word it has to be said here.  (-1
 * is asked for because the smallest number has no opposite.) */
static int64_t
divide(int64_t a, int64_t b)
{
#if defined(__aarch64__)
    if (b == 0)
        panic_with(bl_named(bl_string("division by zero"), "zero_divisor"));
#endif
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t
remainder_of(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)divide(a, b) * (uint64_t)b);
}

static int64_t
apply(byte operator, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (operator) {
    case '|': return (int64_t)(x | y);
    case '^': return (int64_t)(x ^ y);
    case '&': return (int64_t)(x & y);
    case '<': return (int64_t)(x << (y & 63));
    case '>': return a >> (y & 63);
    case '+': return (int64_t)(x + y);
    case '-': return (int64_t)(x - y);
    case '*': return (int64_t)(x * y);
    case '/': return divide(a, b);
    default: return remainder_of(a, b);
    }
}

/* Headers use names that other headers define: then there is no macro here, and
 * this follows NULL. */
static int64_t
name_value(struct expression *e)
{
    const byte *name = e->at;

    e->at = skip_word(name);
    return find_macro(e->macros, name, (size_t)(e->at - name))->value;
}

static int64_t
operand(struct expression *e)
{
    int64_t value;

    e->at = skip_blank(e->at);
    if (*e->at >= '0' && *e->at <= '9') {
        e->at = scan_number(e->at, &value);
        return value;
    }
    switch (*e->at) {
    case '-': e->at++; return (int64_t)(0 - (uint64_t)operand(e));
    case '~': e->at++; return ~operand(e);
    case '(':
        e->at++;
        value = evaluate(e, 1);
        e->at = skip_blank(e->at) + 1;
        return value;
    default: return name_value(e);
    }
}

/* Reads operands joined by operators that bind at least as tight as level. */
static int64_t
evaluate(struct expression *e, int level)
{
    int64_t value = operand(e);
    int length, next;

    e->at = skip_blank(e->at);
    while ((next = scan_operator(e->at, e->end, &length)) >= level) {
        byte operator = *e->at;

        e->at += length;
        value = apply(operator, value, evaluate(e, next + 1));
        e->at = skip_blank(e->at);
    }
    return value;
}

/* --- preprocessor lines -------------------------------------------------- */

static void
block_comment(struct parser *p)
{
    if (!scan_block_comment(p))
        fail_unterminated(p);
}

static void
skip_line(struct parser *p)
{
    while (p->at < p->end && *p->at != '\n') {
        if (*p->at == '/' && p->at[1] == '/') {
            scan_line_comment(p);
        } else if (*p->at == '/' && p->at[1] == '*') {
            block_comment(p);
        } else if (*p->at == '"') {
            p->at = skip_quote(p->at);
        } else if (*p->at == '\\' && p->at[1] == '\n') {
            p->at += 2;
            p->line++;
        } else {
            p->at++;
        }
    }
}

static void
define(struct parser *p)
{
    const byte *name = skip_blank(p->at);
    size_t length = (size_t)(skip_word(name) - name);
    const byte *body = name + length;
    const byte *end = *body == '(' ? NULL : scan_constant(body, p->end);
    struct expression e = {&p->macros, body, end};

    if (end)
        must(add_macro(p, name, length, evaluate(&e, 1)));
    p->at = body;
    skip_line(p);
}

static void
branch(struct parser *p, enum directive is)
{
    if (is == IF)
        must(add_branch(p));
    else if (p->branch_count == 0)
        panic("there is no #if");
    else if (is == ELSE)
        back_to_branch(p);
    else
        p->branch_count--;
}

static void
directive(struct parser *p)
{
    const byte *name = skip_blank(p->at + 1);
    const byte *end = skip_word(name);
    enum directive is = scan_directive(name, (size_t)(end - name));

    if (is == NO_DIRECTIVE) { /* a comment in other languages */
        scan_line_comment(p);
        return;
    }
    p->directives++;
    p->fresh = false;
    p->at = end;
    switch (is) {
    case DEFINE: define(p); break;
    case OTHER_DIRECTIVE: skip_line(p); break;
    default: branch(p, is);
    }
}

/* --- the rest of the text ------------------------------------------------ */

static void
slash(struct parser *p)
{
    if (p->at[1] == '/')
        scan_line_comment(p);
    else if (p->at[1] == '*')
        block_comment(p);
    else
        scan_mark(p);
}

static void
open_bracket(struct parser *p)
{
    must(add_node(p, *p->at));
    scan_mark(p);
}

static void
close_bracket(struct parser *p)
{
    if (p->current == 0 || closing(p->nodes[p->current].open) != *p->at)
        panic("unbalanced '%c'", *p->at);
    scan_close(p);
}

static void
item(struct parser *p)
{
    switch (scan_class[*p->at]) {
    case SPACE: p->at++; return;
    case NEWLINE: scan_newline(p); return;
    case WORD: scan_word(p); return;
    case QUOTE:
        if (!scan_quote(p))
            fail_unterminated(p);
        return;
    case OPEN: open_bracket(p); return;
    case CLOSE: close_bracket(p); return;
    case SLASH: slash(p); return;
    case HASH:
        if (p->fresh) {
            directive(p);
            return;
        }
        /* fall through */
    case MARK: scan_mark(p); return;
    default: panic_with(bl_named(bl_int(*p->at), "bad_byte"));
    }
}

static void
parse(struct parser *p)
{
    must(add_node(p, 0));
    while (p->at < p->end)
        item(p);
    if (p->branch_count != 0)
        panic("the #if of line %d has no #endif",
              p->branches[p->branch_count - 1].line);
    if (p->current != 0)
        panic("the '%c' of line %d is never closed",
              p->nodes[p->current].open, p->nodes[p->current].line);
}

/* Averages that a file without a line or a comment does not have. */
static uint64_t
summary(const struct parser *p)
{
    int64_t per_line = divide(p->end - p->text, p->line - 1);
    int64_t per_comment = divide(p->comment_bytes, p->comments);
    uint64_t sum = mix((uint64_t)per_line, (uint64_t)per_comment);

    sum = mix(sum, (uint64_t)p->tokens);
    sum = mix(mix(sum, p->node_count), (uint64_t)p->deepest);
    return mix(mix(sum, (uint64_t)p->directives), p->macros.used);
}

/* --- files --------------------------------------------------------------- */

static enum kind
kind_of_value(const bl_value *value)
{
    if (strcmp(value->type_name, "bad_byte") == 0)
        return BAD_BYTE;
    if (strcmp(value->type_name, "zero_divisor") == 0)
        return ZERO_DIVISOR;
    return NO_MEMORY;
}

/* What is not the parser's doing is a bug, and not for us to stop. */
static enum kind
kind_of(const bl_panic_info *why)
{
    switch (why->kind) {
    case BL_PANIC_TEXT: return UNBALANCED;
    case BL_PANIC_ERROR: return UNTERMINATED;
    case BL_PANIC_VALUE: return kind_of_value(&why->value);
    case BL_PANIC_FAULT:
        if (why->signal == SIGFPE)
            return ZERO_DIVISOR;
        if (why->signal == SIGSEGV && why->address < sizeof(struct macro))
            return UNKNOWN_NAME;
        /* fall through */
    default: repanic(why);
    }
}

static struct outcome
survived(struct job *job, const char *path, const bl_panic_info *why, int line)
{
    struct outcome out = stopped(kind_of(why), line);
    char text[160];

    if (!job->example[out.kind][0]) {
        bl_panic_text(why, text, sizeof text);
        add_example(job, path, out, text);
    }
    return out;
}

/* Handles one file.  The parser may panic, divide by zero or follow NULL at any
 * depth: then the blocks below run, last in first out, the outermost makes an
 * outcome of the panic, the deferred call closes the file, and the caller gets
 * the outcome as if nothing had been. */
static struct outcome
handle_file(struct job *job, const char *path, size_t *size)
{
    returns (struct outcome, out) {
        struct parser p = {.line = 0};
        struct stat about;

        defer {
            const bl_panic_info *why = recover();

            if (why)
                out = survived(job, path, why, p.line);
        };

        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            leave_with(stopped(UNREADABLE, 0));
        defer_call(close, fd);
        if (fstat(fd, &about) < 0)
            leave_with(stopped(UNREADABLE, 0));
        if (about.st_size > LARGEST_FILE)
            leave_with(stopped(TOO_LARGE, 0));

        *size = (size_t)about.st_size;
        byte *text = malloc(*size + 1);
        must(text != NULL);
        defer { free(text); };
        if (!read_all(fd, text, size))
            leave_with(stopped(UNREADABLE, 0));

        start_parser(&p, text, *size);
        defer { free_parser(&p); };
        parse(&p);
        out = (struct outcome){summary(&p), FINE, p.line};
    }
}

/* --- folders ------------------------------------------------------------- */

static void walk(struct job *job, const char *folder);

static void
visit(struct job *job, const char *folder, const struct dirent *entry)
{
    char *path;
    size_t size = 0;

    must(asprintf(&path, "%s/%s", folder, entry->d_name) >= 0);
    defer { free(path); };
    switch (type_of(path, entry)) {
    case DT_DIR: walk(job, path); break;
    case DT_REG: {
        struct outcome out = handle_file(job, path, &size);

        add_outcome(job, path, size, out);
        break;
    }
    default: break;
    }
}

static void
walk(struct job *job, const char *folder)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, by_name);

    if (count < 0) {
        add_unreadable_folder(job, folder);
        return;
    }
    defer { free_names(names, count); };
    job->folders++;
    for (int i = 0; i < count && !is_full(job); i++)
        visit(job, folder, names[i]);
}

int
main(int argc, char **argv)
{
    return run_job(argc, argv,
                   "Parses the text files below the folders.  Panics, divides "
                   "by zero and follows\nNULL on some, and goes on after each.",
                   walk);
}
