/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/tree.c - walks over what errors wrap.
 *
 * Pre-order, depth first, first to last, as Go's errors.Is.  Chains are followed in a
 * loop, and the ways back from where errors wrap several are in a struct bl__path, on
 * the heap when there are many: nothing here recurses. */
#include "errors/errors.h"
#include "panic/g.h"

#include <stdlib.h>
#include <string.h>

void
bl__path_end(struct bl__path *path)
{
    if (path->forks != path->few)
        free(path->forks);
}

static BL__NOINLINE void
widen(struct bl__path *path)
{
    size_t n = path->room * 2;
    struct bl__fork *more = malloc(n * sizeof *more);

    if (!more)
        bl_fatal("errors: out of memory for a walk");
    memcpy(more, path->forks, path->depth * sizeof *more);
    bl__path_end(path);
    path->forks = more;
    path->room = n;
}

static BL__NOINLINE BL__NORETURN void
refuse_circle(struct bl__path *path)
{
    bl__path_end(path);
    bl_panic("errors: more than %d errors wrap each other: is it a circle?",
             BL__ERROR_PATH);
}

/* Goes back to the last fork that has members left, and takes the next one. */
static const bl_error *
next_member(struct bl__path *path)
{
    while (path->depth > 0) {
        struct bl__fork *f = &path->forks[path->depth - 1];

        while (f->next < f->count) {
            const bl_error *err = f->list[f->next++];

            path->users = f->users;
            if (err)
                return err;
        }
        path->depth--;
    }
    return NULL;
}

/* What is behind err: its cause, its first member, or a member further up. */
static inline const bl_error *
step(struct bl__path *path, const bl_error *err, bool *is_cause)
{
    const bl_error_kind *kind = err->kind;
    const bl_error *cause;
    struct bl__fork *f;

    *is_cause = false;
    if (!bl__is_message(err) && ++path->users >= BL__ERROR_PATH)
        refuse_circle(path);
    if (kind->unwrap) {
        cause = kind->unwrap(err);
        *is_cause = cause != NULL;
        if (cause)
            return cause;
    } else if (kind->causes) {
        if (path->depth == path->room)
            widen(path);
        f = &path->forks[path->depth];
        f->list = kind->causes(err, &f->count);
        f->next = 0;
        f->users = path->users;
        path->depth++;
    }
    return next_member(path);
}

const bl_error *
bl__path_next(struct bl__path *path, const bl_error *err, bool *is_cause)
{
    return step(path, err, is_cause);
}

/* --- searching --------------------------------------------------------------- */

/* Looks for something that test(err, arg) returns, error by error: behind err, or from
 * err on. */
static inline __attribute__((always_inline)) const void *
search_behind(const bl_error *err,
              const void *(*test)(const bl_error *err, const void *arg), const void *arg)
{
    struct bl__path path;
    const void *found = NULL;
    bool unused;

    bl__path_begin(&path);
    while (!found && (err = step(&path, err, &unused)))
        found = test(err, arg);
    bl__path_end(&path);
    return found;
}

static inline __attribute__((always_inline)) const void *
search(const bl_error *err, const void *(*test)(const bl_error *err, const void *arg),
       const void *arg)
{
    const void *found = err ? test(err, arg) : NULL;

    return found || !err ? found : search_behind(err, test, arg);
}

static inline const void *
test_is(const bl_error *err, const void *target)
{
    if (err == target || (err->kind->is && err->kind->is(err, target)))
        return err;
    return NULL;
}

static inline const void *
test_as(const bl_error *err, const void *kind)
{
    if (err->kind == kind)
        return err;
    return err->kind->as ? err->kind->as(err, kind) : NULL;
}

/* A chain of errors that wrap one each needs no path. */
bool
bl_error_is(const bl_error *err, const bl_error *target)
{
    if (!err || !target)
        return err == target;
    for (;;) {
        if (test_is(err, target))
            return true;
        if (err->kind != &bl__message_kinds[BL__WRAP])
            break;
        err = ((const struct bl__message *)err)->causes[0];
        if (!err)
            return false;
    }
    if (!err->kind->unwrap && !err->kind->causes)
        return false;
    return search_behind(err, test_is, target) != NULL;
}

const void *
bl_error_as(const bl_error *err, const bl_error_kind *kind)
{
    if (!err)
        return NULL;
    if (!kind)
        bl_panic("errors: target cannot be nil");
    return search(err, test_as, kind);
}

struct fit {
    bool (*fits)(const bl_error *err, void *arg);
    void *arg;
};

static inline const void *
test_fit(const bl_error *err, const void *arg)
{
    const struct fit *f = arg;

    return f->fits(err, f->arg) ? err : NULL;
}

const bl_error *
bl_error_find(const bl_error *err, bool (*fits)(const bl_error *err, void *arg),
              void *arg)
{
    struct fit f = {fits, arg};

    return search(err, test_fit, &f);
}

/* --- one step ---------------------------------------------------------------- */

const bl_error *
bl_error_unwrap(const bl_error *err)
{
    return err && err->kind->unwrap ? err->kind->unwrap(err) : NULL;
}

size_t
bl_error_cause_count(const bl_error *err)
{
    size_t n = 0;

    if (!err)
        return 0;
    if (err->kind->unwrap)
        return err->kind->unwrap(err) != NULL;
    if (err->kind->causes)
        err->kind->causes(err, &n);
    return n;
}

const bl_error *
bl_error_cause(const bl_error *err, size_t i)
{
    const bl_error *const *list;
    size_t n = 0;

    if (!err)
        return NULL;
    if (err->kind->unwrap)
        return i == 0 ? err->kind->unwrap(err) : NULL;
    if (!err->kind->causes)
        return NULL;
    list = err->kind->causes(err, &n);
    return i < n ? list[i] : NULL;
}
