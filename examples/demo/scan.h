/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* scan.h - the half of the parser that cannot fail.
 *
 * demo.c and hand.c read the same language: text with brackets, quotes,
 * comments and C's preprocessor lines.  What only looks at bytes and always has
 * an answer is here, so that both run the same inner loops.  What can go wrong,
 * and what is then done about it, is the difference between the two programs
 * and is written in each.
 *
 * The text ends in a zero byte that is not part of it (at == end there): every
 * loop may look one byte ahead without asking. */
#ifndef DEMO_SCAN_H
#define DEMO_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned char byte;

enum byte_class {
    BAD, /* control bytes: text has none */
    SPACE,
    NEWLINE,
    WORD, /* letters, digits, _, and all of UTF-8 beyond ASCII */
    QUOTE,
    OPEN,
    CLOSE,
    SLASH,
    HASH,
    MARK, /* any other printable byte */
};

/* One bracket pair.  A node knows its parent, so the parser's whole bracket
 * state is one index, and #else can go back to where #if was. */
struct node {
    int parent;
    int depth; /* 0: the file itself */
    int line;
    byte open;
};

struct branch { /* an #if that waits for its #endif */
    int node;   /* current bracket at the #if */
    int line;
};

struct macro {
    const byte *name; /* into the file's text; NULL: the slot is free */
    size_t length;
    int64_t value;
};

struct macros { /* open addressing, power of two, at most half full */
    struct macro *slots;
    size_t used;
    size_t room;
};

struct parser {
    const byte *text; /* the caller's */
    const byte *at;
    const byte *end;
    int line;
    bool fresh; /* only space so far on this line */
    int current; /* index of the innermost open bracket */
    struct node *nodes;
    size_t node_count, node_room;
    struct branch *branches;
    size_t branch_count, branch_room;
    struct macros macros;
    int64_t tokens, comments, comment_bytes, directives, deepest;
};

enum directive { NO_DIRECTIVE, IF, ELSE, ENDIF, DEFINE, OTHER_DIRECTIVE };

extern const byte scan_class[256];

enum directive scan_directive(const byte *name, size_t length);
const byte *scan_constant(const byte *at, const byte *end);
const byte *scan_number(const byte *at, int64_t *value);
int scan_operator(const byte *at, const byte *end, int *length);

/* What the parser owns.  Those that add say false when memory is short. */
bool add_node(struct parser *p, byte open);
bool add_branch(struct parser *p);
bool add_macro(struct parser *p, const byte *name, size_t length,
               int64_t value);
struct macro *find_macro(const struct macros *m, const byte *name,
                         size_t length);
void free_parser(struct parser *p);

static inline void
start_parser(struct parser *p, const byte *text, size_t size)
{
    *p = (struct parser){.text = text, .at = text, .end = text + size};
    p->line = 1;
    p->fresh = true;
}

static inline byte
closing(byte open)
{
    return open == '(' ? ')' : open == '[' ? ']' : '}';
}

static inline const byte *
skip_word(const byte *at)
{
    while (scan_class[*at] == WORD)
        at++;
    return at;
}

static inline const byte *
skip_blank(const byte *at)
{
    for (;; at++) {
        if (*at == '\\' && at[1] == '\n')
            at++;
        else if (scan_class[*at] != SPACE)
            return at;
    }
}

static inline void
scan_newline(struct parser *p)
{
    p->at++;
    p->line++;
    p->fresh = true;
}

static inline void
scan_mark(struct parser *p)
{
    p->at++;
    p->tokens++;
    p->fresh = false;
}

/* b'..', rb"..", u8"..", L'..': the word belongs to the quote behind it. */
static inline bool
is_quote_prefix(const byte *word, size_t length)
{
    if (length > 2)
        return false;
    for (size_t i = 0; i < length; i++)
        switch (word[i]) {
        case 'b': case 'B': case 'r': case 'R': case 'f': case 'F':
        case 'u': case 'U': case 'L': case '8':
            break;
        default:
            return false;
        }
    return true;
}

/* A word, with the apostrophe of don't, files' and 1'000'000. */
static inline void
scan_word(struct parser *p)
{
    const byte *word = p->at;
    const byte *at = skip_word(word);

    while (*at == '\'' && !is_quote_prefix(word, (size_t)(at - word)))
        at = skip_word(at + 1);
    p->at = at;
    p->tokens++;
    p->fresh = false;
}

/* Ends at the newline, which stays. */
static inline void
scan_line_comment(struct parser *p)
{
    const byte *at = p->at;

    while (at < p->end && *at != '\n')
        at++;
    p->comments++;
    p->comment_bytes += at - p->at;
    p->at = at;
}

/* Goes behind the comment's end; false, and nothing moved, if it has none. */
static inline bool
scan_block_comment(struct parser *p)
{
    int lines = 0;

    for (const byte *at = p->at + 2; at < p->end; at++) {
        if (*at == '\n')
            lines++;
        if (*at == '*' && at[1] == '/') {
            p->comments++;
            p->comment_bytes += at + 2 - p->at;
            p->at = at + 2;
            p->line += lines;
            return true;
        }
    }
    return false;
}

/* The same for Python's three quotes, which may span lines. */
static inline bool
scan_long_quote(struct parser *p)
{
    byte quote = *p->at;
    int lines = 0;

    for (const byte *at = p->at + 3; at < p->end; at++) {
        if (*at == '\n')
            lines++;
        if (*at == '\\' && at[1] != '\n') {
            at++;
        } else if (*at == quote && at[1] == quote && at[2] == quote) {
            p->at = at + 3;
            p->line += lines;
            return true;
        }
    }
    return false;
}

/* And for a quote that has to end on its line (or go on behind a \). */
static inline bool
scan_short_quote(struct parser *p)
{
    byte quote = *p->at;
    int lines = 0;

    for (const byte *at = p->at + 1; at < p->end; at++) {
        if (*at == quote) {
            p->at = at + 1;
            p->line += lines;
            return true;
        }
        if (*at == '\\' && at + 1 < p->end)
            lines += *++at == '\n';
        else if (*at == '\n')
            return false;
    }
    return false;
}

static inline bool
scan_quote(struct parser *p)
{
    p->tokens++;
    p->fresh = false;
    if (p->at[1] == *p->at && p->at[2] == *p->at)
        return scan_long_quote(p);
    return scan_short_quote(p);
}

/* Skips a quote on a preprocessor line; one without an end is just a byte. */
static inline const byte *
skip_quote(const byte *at)
{
    const byte *end = at + 1;

    while (*end != '\n' && *end != 0 && *end != *at)
        end += *end == '\\' && end[1] != '\n' && end[1] != 0 ? 2 : 1;
    return *end == *at ? end + 1 : at + 1;
}

/* The innermost bracket is closed. */
static inline void
scan_close(struct parser *p)
{
    p->current = p->nodes[p->current].parent;
    scan_mark(p);
}

/* #else, #elif: the brackets are again as they were at the #if. */
static inline void
back_to_branch(struct parser *p)
{
    p->current = p->branches[p->branch_count - 1].node;
}

#endif
