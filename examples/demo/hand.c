/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* hand.c - the demo's job as careful C does it without Belay.
 *
 * Every step that can fail returns a kind, every caller hands it on, and every
 * function cleans up on each way out.  It looks before it divides and before it
 * follows a pointer.  demo.c is the same job without those lines. */
#define _GNU_SOURCE
#include "job.h"
#include "scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const messages[KINDS] = {
    [UNBALANCED] = "unbalanced bracket or #if",
    [UNTERMINATED] = "comment or quote without end",
    [BAD_BYTE] = "not text",
    [UNKNOWN_NAME] = "unknown name in a constant expression",
    [ZERO_DIVISOR] = "division by zero",
    [NO_MEMORY] = "out of memory",
};

struct expression {
    const struct macros *macros;
    const byte *at;
    const byte *end;
};

static enum kind evaluate(struct expression *e, int level, int64_t *value);

/* --- constant expressions ------------------------------------------------ */

static enum kind
divide(int64_t a, int64_t b, int64_t *value)
{
    if (b == 0)
        return ZERO_DIVISOR;
    *value = b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
    return FINE;
}

static enum kind
remainder_of(int64_t a, int64_t b, int64_t *value)
{
    if (b == 0)
        return ZERO_DIVISOR;
    *value = b == -1 ? 0 : a % b;
    return FINE;
}

static enum kind
apply(byte operator, int64_t a, int64_t b, int64_t *value)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (operator) {
    case '|': *value = (int64_t)(x | y); break;
    case '^': *value = (int64_t)(x ^ y); break;
    case '&': *value = (int64_t)(x & y); break;
    case '<': *value = (int64_t)(x << (y & 63)); break;
    case '>': *value = a >> (y & 63); break;
    case '+': *value = (int64_t)(x + y); break;
    case '-': *value = (int64_t)(x - y); break;
    case '*': *value = (int64_t)(x * y); break;
    case '/': return divide(a, b, value);
    default: return remainder_of(a, b, value);
    }
    return FINE;
}

static enum kind
name_value(struct expression *e, int64_t *value)
{
    const byte *name = e->at;
    const struct macro *m;

    e->at = skip_word(name);
    m = find_macro(e->macros, name, (size_t)(e->at - name));
    if (!m)
        return UNKNOWN_NAME;
    *value = m->value;
    return FINE;
}

static enum kind
bracket_value(struct expression *e, int64_t *value)
{
    enum kind kind;

    e->at++;
    kind = evaluate(e, 1, value);
    if (kind != FINE)
        return kind;
    e->at = skip_blank(e->at) + 1;
    return FINE;
}

static enum kind
operand(struct expression *e, int64_t *value)
{
    byte sign;
    enum kind kind;

    e->at = skip_blank(e->at);
    sign = *e->at;
    if (sign == '(')
        return bracket_value(e, value);
    if (sign == '-' || sign == '~') {
        e->at++;
        kind = operand(e, value);
        if (kind != FINE)
            return kind;
        *value = sign == '-' ? (int64_t)(0 - (uint64_t)*value) : ~*value;
        return FINE;
    }
    if (sign < '0' || sign > '9')
        return name_value(e, value);
    e->at = scan_number(e->at, value);
    return FINE;
}

/* Reads operands joined by operators that bind at least as tight as level. */
static enum kind
evaluate(struct expression *e, int level, int64_t *value)
{
    int length, next;
    enum kind kind = operand(e, value);

    if (kind != FINE)
        return kind;
    e->at = skip_blank(e->at);
    while ((next = scan_operator(e->at, e->end, &length)) >= level) {
        byte operator = *e->at;
        int64_t right;

        e->at += length;
        kind = evaluate(e, next + 1, &right);
        if (kind != FINE)
            return kind;
        kind = apply(operator, *value, right, value);
        if (kind != FINE)
            return kind;
        e->at = skip_blank(e->at);
    }
    return FINE;
}

/* --- preprocessor lines -------------------------------------------------- */

static enum kind
skip_line(struct parser *p)
{
    while (p->at < p->end && *p->at != '\n') {
        if (*p->at == '/' && p->at[1] == '/') {
            scan_line_comment(p);
        } else if (*p->at == '/' && p->at[1] == '*') {
            if (!scan_block_comment(p))
                return UNTERMINATED;
        } else if (*p->at == '"') {
            p->at = skip_quote(p->at);
        } else if (*p->at == '\\' && p->at[1] == '\n') {
            p->at += 2;
            p->line++;
        } else {
            p->at++;
        }
    }
    return FINE;
}

static enum kind
define(struct parser *p)
{
    const byte *name = skip_blank(p->at);
    size_t length = (size_t)(skip_word(name) - name);
    const byte *body = name + length;
    const byte *end = *body == '(' ? NULL : scan_constant(body, p->end);
    struct expression e = {&p->macros, body, end};
    int64_t value;
    enum kind kind;

    if (end) {
        kind = evaluate(&e, 1, &value);
        if (kind != FINE)
            return kind;
        if (!add_macro(p, name, length, value))
            return NO_MEMORY;
    }
    p->at = body;
    return skip_line(p);
}

static enum kind
branch(struct parser *p, enum directive is)
{
    if (is == IF)
        return add_branch(p) ? FINE : NO_MEMORY;
    if (p->branch_count == 0)
        return UNBALANCED;
    if (is == ELSE)
        back_to_branch(p);
    else
        p->branch_count--;
    return FINE;
}

static enum kind
directive(struct parser *p)
{
    const byte *name = skip_blank(p->at + 1);
    const byte *end = skip_word(name);
    enum directive is = scan_directive(name, (size_t)(end - name));

    if (is == NO_DIRECTIVE) { /* a comment in other languages */
        scan_line_comment(p);
        return FINE;
    }
    p->directives++;
    p->fresh = false;
    p->at = end;
    switch (is) {
    case DEFINE: return define(p);
    case OTHER_DIRECTIVE: return skip_line(p);
    default: return branch(p, is);
    }
}

/* --- the rest of the text ------------------------------------------------ */

static enum kind
slash(struct parser *p)
{
    if (p->at[1] == '/')
        scan_line_comment(p);
    else if (p->at[1] != '*')
        scan_mark(p);
    else if (!scan_block_comment(p))
        return UNTERMINATED;
    return FINE;
}

static enum kind
open_bracket(struct parser *p)
{
    if (!add_node(p, *p->at))
        return NO_MEMORY;
    scan_mark(p);
    return FINE;
}

static enum kind
close_bracket(struct parser *p)
{
    if (p->current == 0 || closing(p->nodes[p->current].open) != *p->at)
        return UNBALANCED;
    scan_close(p);
    return FINE;
}

static enum kind
item(struct parser *p)
{
    switch (scan_class[*p->at]) {
    case SPACE: p->at++; return FINE;
    case NEWLINE: scan_newline(p); return FINE;
    case WORD: scan_word(p); return FINE;
    case QUOTE: return scan_quote(p) ? FINE : UNTERMINATED;
    case OPEN: return open_bracket(p);
    case CLOSE: return close_bracket(p);
    case SLASH: return slash(p);
    case HASH:
        if (p->fresh)
            return directive(p);
        /* fall through */
    case MARK: scan_mark(p); return FINE;
    default: return BAD_BYTE;
    }
}

static enum kind
parse(struct parser *p)
{
    enum kind kind;

    if (!add_node(p, 0))
        return NO_MEMORY;
    while (p->at < p->end) {
        kind = item(p);
        if (kind != FINE)
            return kind;
    }
    return p->branch_count != 0 || p->current != 0 ? UNBALANCED : FINE;
}

static enum kind
summary(const struct parser *p, uint64_t *sum)
{
    int64_t size = p->end - p->text;
    int64_t per_line, per_comment;
    enum kind kind;

    kind = divide(size, p->line - 1, &per_line);
    if (kind != FINE)
        return kind;
    kind = divide(p->comment_bytes, p->comments, &per_comment);
    if (kind != FINE)
        return kind;
    *sum = mix(mix((uint64_t)per_line, (uint64_t)per_comment),
               (uint64_t)p->tokens);
    *sum = mix(mix(*sum, p->node_count), (uint64_t)p->deepest);
    *sum = mix(mix(*sum, (uint64_t)p->directives), p->macros.used);
    return FINE;
}

/* --- files --------------------------------------------------------------- */

static struct outcome
parse_text(const byte *text, size_t size)
{
    struct parser p;
    uint64_t sum = 0;
    enum kind kind;

    start_parser(&p, text, size);
    kind = parse(&p);
    if (kind == FINE)
        kind = summary(&p, &sum);
    free_parser(&p);
    if (kind != FINE)
        return stopped(kind, p.line);
    return (struct outcome){sum, FINE, p.line};
}

static struct outcome
handle_open_file(int fd, size_t *size)
{
    struct stat about;
    struct outcome out;
    byte *text;

    if (fstat(fd, &about) < 0)
        return stopped(UNREADABLE, 0);
    if (about.st_size > LARGEST_FILE)
        return stopped(TOO_LARGE, 0);
    *size = (size_t)about.st_size;
    text = malloc(*size + 1);
    if (!text)
        return stopped(NO_MEMORY, 0);
    if (read_all(fd, text, size))
        out = parse_text(text, *size);
    else
        out = stopped(UNREADABLE, 0);
    free(text);
    return out;
}

static void
handle_file(struct job *job, const char *path)
{
    struct outcome out = stopped(UNREADABLE, 0);
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        out = handle_open_file(fd, &size);
        close(fd);
    }
    add_outcome(job, path, size, out);
    if (out.kind != FINE && out.kind < UNREADABLE)
        add_example(job, path, out, messages[out.kind]);
}

/* --- folders ------------------------------------------------------------- */

static void walk(struct job *job, const char *folder);

static int
visit(struct job *job, const char *folder, const struct dirent *entry)
{
    char *path;

    if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
        return -1;
    switch (type_of(path, entry)) {
    case DT_DIR: walk(job, path); break;
    case DT_REG: handle_file(job, path); break;
    default: break;
    }
    free(path);
    return 0;
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
    job->folders++;
    for (int i = 0; i < count && !is_full(job); i++)
        if (visit(job, folder, names[i]) < 0)
            break;
    free_names(names, count);
}

int
main(int argc, char **argv)
{
    return run_job(argc, argv,
                   "Parses the text files below the folders.  Cleans up by "
                   "hand, returns error codes.",
                   walk);
}
