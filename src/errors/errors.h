/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/errors.h - what error values are made of.
 *
 * A counted error has a head in front of it, and return addresses in front of that:
 *
 *     frames[n] ... frames[0] | head | bl_error ...
 *                                      ^ what everybody has
 *
 * refs              meaning                   who may leave it, to what
 *     1             one owner                 retain -> 2; release -> freed
 *     n             n owners                  retain -> n + 1; release -> n - 1
 *
 * Everything but refs is constant once the error has been handed out.  Who finds refs
 * at 1 is the only owner, so that nobody can be about to retain. */
#ifndef BELAY_ERRORS_ERRORS_H
#define BELAY_ERRORS_ERRORS_H

#include "base/base.h"

#include <belay/errors.h>
#include <stdatomic.h>

/* The functions themselves are wanted here. */
#undef bl_error_new
#undef bl_errorf
#undef bl_error_wrap
#undef bl_error_join_list

enum {
    BL__ERROR_FRAMES = 50,      /* at most; BL__TRACE_HALF */
    BL__ERROR_PATH = 65536,     /* errors of users' kinds on one path of a tree */
    BL__ERROR_TEXT_INLINE = 512,
};

struct bl__head {
    _Atomic uint32_t refs;
    uint32_t frames;            /* words in front of the head; 0: none */
    uintptr_t pc;               /* where it was made: a return address; in a dead
                                   error the next dead one */
};

_Static_assert(sizeof(struct bl__head) == 16, "errors stay aligned as malloc does");

/* Errors of text, with or without causes: four kinds of this. */
struct bl__message {
    bl_error base;
    uint32_t count;             /* of causes */
    uint32_t length;            /* of the text */
    bl_error *causes[];         /* count of them, then the text */
};

enum bl__message_kind {
    BL__TEXT,     /* no cause */
    BL__WRAP,     /* one, which may be NULL */
    BL__WRAP_ALL, /* several, in the order of the arguments */
    BL__JOIN,
    BL__MESSAGE_KINDS,
};

/* Their order is that of enum bl__message_kind. */
extern const bl_error_kind bl__message_kinds[BL__MESSAGE_KINDS];

static inline bool
bl__is_message(const bl_error *err)
{
    return (uintptr_t)err->kind - (uintptr_t)bl__message_kinds <
           sizeof(bl_error_kind) * BL__MESSAGE_KINDS;
}

static inline char *
bl__message_text(const struct bl__message *m)
{
    return (char *)(m->causes + m->count);
}

static inline struct bl__head *
bl__head_of(const bl_error *err)
{
    return (struct bl__head *)err - 1;
}

/* --- values (value.c) ------------------------------------------------------ */

/* Memory for a counted error of size bytes, made where pc is; only its head is filled
 * in.  NULL when there is none. */
void *bl__error_alloc(size_t size, uintptr_t pc);

/* An error with room for count causes and a text of that length, which are the
 * caller's to fill in.  NULL when there is no memory. */
struct bl__message *bl__message_alloc(enum bl__message_kind kind, size_t length,
                                      size_t count, uintptr_t pc);

/* What stands for an error that there is no memory for: the first of its causes, the
 * others released, or ENOMEM's. */
bl_error *bl__message_instead(bl_error *const *causes, size_t count);

/* The error's text, in buf if it fits, else in memory that is the caller's to free if
 * it is not buf; cut where there is none. */
char *bl__error_text(const bl_error *err, char *buf, size_t size, size_t *length);

/* --- trees (tree.c) ---------------------------------------------------------- */

/* An error that wraps several, on the way from the root to where a walk is. */
struct bl__fork {
    const bl_error *const *list;
    size_t count, next;         /* the member that comes next */
    uint32_t users;             /* errors of users' kinds above it */
};

struct bl__path {
    struct bl__fork *forks;
    size_t depth, room;
    uint32_t users;             /* errors of users' kinds above this place */
    struct bl__fork few[8];
};

static inline void
bl__path_begin(struct bl__path *path)
{
    path->forks = path->few;
    path->depth = 0;
    path->room = sizeof path->few / sizeof path->few[0];
    path->users = 0;
}

void bl__path_end(struct bl__path *path);

/* The next error in pre-order behind err, or NULL at the end.  *is_cause says that it
 * is err's only cause. */
const bl_error *bl__path_next(struct bl__path *path, const bl_error *err, bool *is_cause);

/* --- stacks (stack.c) -------------------------------------------------------- */

/* Stores up to n return addresses, from the frame that pc is in on; returns how many. */
uint32_t bl__error_frames(uintptr_t *frames, uint32_t n, uintptr_t pc);

static inline uint32_t
bl__error_depth(void)
{
    return (uint32_t)__atomic_load_n(&bl__options.errorstack, __ATOMIC_RELAXED);
}

#define BL__CALLER ((uintptr_t)__builtin_return_address(0))

#endif
