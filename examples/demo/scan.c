/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* scan.c - tables and tokens of scan.h, and what a parser keeps in memory. */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST_EXPRESSION = 64, FIRST_ROOM = 64 };

const byte scan_class[256] = {
    ['\t'] = SPACE, ['\n'] = NEWLINE, ['\v'] = SPACE, ['\f'] = SPACE,
    ['\r'] = SPACE, [' '] = SPACE, ['!'] = MARK, ['"'] = QUOTE, ['#'] = HASH,
    ['$' ... '&'] = MARK, ['\''] = QUOTE, ['('] = OPEN, [')'] = CLOSE,
    ['*' ... '.'] = MARK, ['/'] = SLASH, ['0' ... '9'] = WORD,
    [':' ... '@'] = MARK, ['A' ... 'Z'] = WORD, ['['] = OPEN, ['\\'] = MARK,
    [']'] = CLOSE, ['^'] = MARK, ['_'] = WORD, ['`'] = MARK,
    ['a' ... 'z'] = WORD, ['{'] = OPEN, ['|'] = MARK, ['}'] = CLOSE,
    ['~'] = MARK, [128 ... 255] = WORD,
};

/* --- preprocessor lines -------------------------------------------------- */

static const struct {
    const char *name;
    enum directive is;
} directives[] = {
    {"if", IF},
    {"ifdef", IF},
    {"ifndef", IF},
    {"elif", ELSE},
    {"else", ELSE},
    {"endif", ENDIF},
    {"define", DEFINE},
    {"include", OTHER_DIRECTIVE},
    {"undef", OTHER_DIRECTIVE},
    {"pragma", OTHER_DIRECTIVE},
    {"error", OTHER_DIRECTIVE},
    {"warning", OTHER_DIRECTIVE},
    {"line", OTHER_DIRECTIVE},
};

enum directive
scan_directive(const byte *name, size_t length)
{
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
        const char *want = directives[i].name;

        if (strlen(want) == length && memcmp(want, name, length) == 0)
            return directives[i].is;
    }
    return NO_DIRECTIVE;
}

/* --- constant expressions ------------------------------------------------ */

static int
digit_value(byte c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* Reads a C integer into *value and returns its end; NULL if it is none (a
 * floating constant, say).  Too large ones wrap. */
const byte *
scan_number(const byte *at, int64_t *value)
{
    int base = *at == '0' ? 8 : 10;
    uint64_t sum = 0;

    if (base == 8 && (at[1] | 32) == 'x') {
        base = 16;
        at += 2;
    }
    for (; digit_value(*at) < base; at++)
        sum = sum * (uint64_t)base + (uint64_t)digit_value(*at);
    while ((*at | 32) == 'u' || (*at | 32) == 'l')
        at++;
    *value = (int64_t)sum;
    return *at == '.' || scan_class[*at] == WORD ? NULL : at;
}

/* The operator's precedence, 1 (loosest) to 6; 0 if there is none. */
int
scan_operator(const byte *at, const byte *end, int *length)
{
    if (at >= end)
        return 0;
    *length = 1;
    switch (*at) {
    case '|': return at[1] == '|' ? 0 : 1;
    case '^': return 2;
    case '&': return at[1] == '&' ? 0 : 3;
    case '<':
    case '>':
        *length = 2;
        return at[1] == *at ? 4 : 0;
    case '+':
    case '-': return 5;
    case '*':
    case '/':
    case '%': return at[1] == '/' || at[1] == '*' ? 0 : 6;
    default: return 0;
    }
}

/* Steps over one operand, with the signs and brackets in front of it. */
static const byte *
skip_operand(const byte *at, const byte *end, int *depth, bool *has_number)
{
    int64_t ignored;

    for (at = skip_blank(at); *at == '(' || *at == '-' || *at == '~';
         at = skip_blank(at + 1))
        if (*at == '(')
            ++*depth;
    if (at >= end || *depth > DEEPEST_EXPRESSION || scan_class[*at] != WORD)
        return NULL;
    if (*at < '0' || *at > '9')
        return skip_word(at);
    *has_number = true;
    return scan_number(at, &ignored);
}

/* Is the text of a macro a constant expression with a number in it?  Returns
 * its end (end of line or a comment), NULL if it is something else. */
const byte *
scan_constant(const byte *at, const byte *end)
{
    bool has_number = false;
    int depth = 0;
    int length;

    for (;;) {
        at = skip_operand(at, end, &depth, &has_number);
        if (!at)
            return NULL;
        for (at = skip_blank(at); *at == ')'; at = skip_blank(at + 1))
            if (--depth < 0)
                return NULL;
        if (!scan_operator(at, end, &length))
            break;
        at += length;
    }
    if (depth != 0 || !has_number)
        return NULL;
    return at >= end || *at == '\n' || *at == '/' ? at : NULL;
}

/* --- what a parser keeps ------------------------------------------------- */

static bool
has_room(void **items, size_t *room, size_t count, size_t size)
{
    size_t more = *room ? *room * 2 : FIRST_ROOM;
    void *grown;

    if (count < *room)
        return true;
    grown = realloc(*items, more * size);
    if (!grown)
        return false;
    *items = grown;
    *room = more;
    return true;
}

bool
add_node(struct parser *p, byte open)
{
    void *items = p->nodes;
    int depth;

    if (!has_room(&items, &p->node_room, p->node_count, sizeof *p->nodes))
        return false;
    p->nodes = items;
    depth = p->node_count ? p->nodes[p->current].depth + 1 : 0;
    if (depth > p->deepest)
        p->deepest = depth;
    p->nodes[p->node_count] =
        (struct node){p->current, depth, p->line, open};
    p->current = (int)p->node_count++;
    return true;
}

bool
add_branch(struct parser *p)
{
    void *items = p->branches;

    if (!has_room(&items, &p->branch_room, p->branch_count,
                  sizeof *p->branches))
        return false;
    p->branches = items;
    p->branches[p->branch_count++] = (struct branch){p->current, p->line};
    return true;
}

/* The slot where name is, or where it would go. */
static struct macro *
macro_slot(const struct macros *m, const byte *name, size_t length)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ name[i]) * 1099511628211u;
    for (size_t i = (size_t)(hash >> 20);; i++) {
        struct macro *slot = &m->slots[i & (m->room - 1)];

        if (!slot->name || (slot->length == length &&
                            memcmp(slot->name, name, length) == 0))
            return slot;
    }
}

static bool
grow_macros(struct macros *m)
{
    struct macros old = *m;

    m->room = old.room ? old.room * 2 : FIRST_ROOM;
    m->slots = calloc(m->room, sizeof *m->slots);
    if (!m->slots) {
        *m = old;
        return false;
    }
    for (size_t i = 0; i < old.room; i++) {
        const struct macro *was = &old.slots[i];

        if (was->name)
            *macro_slot(m, was->name, was->length) = *was;
    }
    free(old.slots);
    return true;
}

/* Defines name, or changes it. */
bool
add_macro(struct parser *p, const byte *name, size_t length, int64_t value)
{
    struct macros *m = &p->macros;
    struct macro *slot;

    if (m->used * 2 >= m->room && !grow_macros(m))
        return false;
    slot = macro_slot(m, name, length);
    m->used += !slot->name;
    *slot = (struct macro){name, length, value};
    return true;
}

/* NULL: no such macro. */
struct macro *
find_macro(const struct macros *m, const byte *name, size_t length)
{
    struct macro *slot = m->room ? macro_slot(m, name, length) : NULL;

    return slot && slot->name ? slot : NULL;
}

void
free_parser(struct parser *p)
{
    free(p->nodes);
    free(p->branches);
    free(p->macros.slots);
}
