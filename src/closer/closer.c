/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* closer/closer.c - closing exactly once; groups; what the C library closes.
 *
 *   closed   meaning                         who may leave it, to what
 *   0        open, or nothing to close       who closes, or keeps -> 1
 *   1        closed, or about to be          nobody
 *
 * It is 1 before the closing function runs: one that panics, or closes its own closer,
 * is not called again. */
#include <belay/closer.h>

#include "base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

bl_error_global(bl_err_closed, "already closed");

/* --- one --------------------------------------------------------------------- */

static _Atomic uint32_t *
closed_of(const bl_closer *c)
{
    return (_Atomic uint32_t *)&c->closed;
}

static bool
is_empty(const bl_closer *c)
{
    return !c || (!c->close && !c->call);
}

/* Whether the caller is the one who closes.  acq_rel: what others did with the value
 * before they found it closed (release) is done when somebody else frees it, and the
 * other way round. */
static bool
claim(bl_closer *c)
{
    return atomic_exchange_explicit(closed_of(c), 1, memory_order_acq_rel) == 0;
}

static bl_error *
call(const bl_closer *c)
{
    return c->close ? c->close(c->value) : c->call(NULL, c);
}

bl_error *
bl_close(bl_closer *c)
{
    if (is_empty(c))
        return NULL;
    return claim(c) ? call(c) : bl_err_closed;
}

static void
add_error(bl_error **err, bl_error *more)
{
    if (!err)
        bl_error_release(more);
    else if (more)
        *err = *err ? bl_error_join(*err, more) : more;
}

void
bl_close_into(bl_error **err, bl_closer *c)
{
    if (!is_empty(c) && claim(c))
        add_error(err, call(c));
}

bool
bl_closer_keep(bl_closer *c)
{
    return !is_empty(c) && claim(c);
}

bool
bl_closer_is_open(const bl_closer *c)
{
    return !is_empty(c) &&
           atomic_load_explicit(closed_of(c), memory_order_acquire) == 0;
}

/* --- what the C library closes ----------------------------------------------- */

/* -1 is -EPERM as well, for a function that does not set errno. */
bl_error *
bl__closed_with(int result)
{
    if (result == 0)
        return NULL;
    if (result == -1 && errno != 0)
        return bl_error_from_errno(errno);
    return bl_error_from_errno(result);
}

static bl_closer
closer(void *value, bl_error *(*close)(void *value))
{
    return (bl_closer){.value = value, .close = value ? close : NULL};
}

static bl_error *
close_file(void *f)
{
    bool failed = ferror(f);

    if (fclose(f) == EOF)
        return bl_error_from_errno(errno);
    return failed ? bl_error_from_errno(EIO) : NULL;
}

static bl_error *
close_fd(void *value)
{
    if (close((int)(intptr_t)value) == 0 || errno == EINTR || errno == EINPROGRESS)
        return NULL;
    return bl_error_from_errno(errno);
}

static bl_error *
close_memory(void *p)
{
    free(p);
    return NULL;
}

static bl_error *
close_mutex(void *m)
{
    bl_mutex_unlock(m);
    return NULL;
}

static bl_error *
close_dir(void *dir)
{
    return bl__closed_with(closedir(dir));
}

static bl_error *
close_library(void *handle)
{
    const char *text;

    if (dlclose(handle) == 0)
        return NULL;
    text = dlerror();
    return bl_error_new(text ? text : "dlclose failed");
}

static bl_error *
close_other(void *other)
{
    bl_error *err = NULL;

    bl_close_into(&err, other);
    return err;
}

bl_closer
bl_closer_file(FILE *f)
{
    return closer(f, close_file);
}

bl_closer
bl_closer_fd(int fd)
{
    return (bl_closer){.value = (void *)(intptr_t)fd, .close = fd < 0 ? NULL : close_fd};
}

bl_closer
bl_closer_memory(void *p)
{
    return closer(p, close_memory);
}

bl_closer
bl_closer_mutex(bl_mutex *m)
{
    return closer(m, close_mutex);
}

bl_closer
bl_closer_dir(DIR *dir)
{
    return closer(dir, close_dir);
}

bl_closer
bl_closer_library(void *handle)
{
    return closer(handle, close_library);
}

bl_closer
bl_closer_of(bl_closer *other)
{
    return closer(other, close_other);
}

/* --- groups ------------------------------------------------------------------ */

struct bl__member {
    struct bl__member *earlier;
    bl_closer closer;
    bl_error *error; /* closing's */
};

/* Puts member in front; false: the group is closed. */
static bool
push(bl_closers *group, struct bl__member *member)
{
    bool open;

    bl_mutex_lock(&group->mutex);
    open = !group->closed;
    if (open) {
        member->earlier = group->last;
        group->last = member;
    }
    bl_mutex_unlock(&group->mutex);
    return open;
}

bl_error *
bl_closers_add(bl_closers *group, bl_closer c)
{
    struct bl__member *member;
    bl_error *err;

    if (is_empty(&c))
        return NULL;
    member = malloc(sizeof *member);
    if (member) {
        *member = (struct bl__member){.closer = c};
        if (push(group, member))
            return NULL;
        free(member);
    }
    err = member ? bl_err_closed : bl_error_from_errno(ENOMEM);
    bl_close_into(&err, &c);
    return err;
}

/* Closes the group for good; *was_open says whether it was open, what is returned who
 * was in it. */
static struct bl__member *
take_all(bl_closers *group, bool *was_open)
{
    struct bl__member *last;

    bl_mutex_lock(&group->mutex);
    *was_open = !group->closed;
    group->closed = true;
    last = group->last;
    group->last = NULL;
    bl_mutex_unlock(&group->mutex);
    return last;
}

struct closing {
    struct bl__member *next; /* to be closed */
    struct bl__member *done, **done_end; /* in the order of closing */
    size_t errors;           /* that the done ones have */
};

static void close_rest(struct closing *k);

/* Off the list before it runs: if it panics the rest begins behind it. */
static void
close_next(struct closing *k)
{
    struct bl__member *member = k->next;

    k->next = member->earlier;
    member->earlier = NULL;
    *k->done_end = member;
    k->done_end = &member->earlier;
    bl_close_into(&member->error, &member->closer);
    k->errors += member->error != NULL;
}

static void
go_on(struct closing *k)
{
    if (k->next)
        close_rest(k);
}

/* One more of these on the stack for each member that panics. */
static void
close_rest(struct closing *k)
{
    bl_returns_nothing {
        bl_defer_call(go_on, k);
        while (k->next)
            close_next(k);
    }
}

/* Behind a panic their errors are still there. */
static void
free_done(struct closing *k)
{
    while (k->done) {
        struct bl__member *member = k->done;

        k->done = member->earlier;
        bl_error_release(member->error);
        free(member);
    }
}

/* Takes the errors over from the members. */
static bl_error *
join_errors(struct closing *k)
{
    bl_error *few[16], **list = few, *err = NULL;
    size_t n = 0;

    if (k->errors > sizeof few / sizeof few[0])
        list = malloc(k->errors * sizeof *list);
    for (struct bl__member *m = k->done; m; m = m->earlier) {
        if (m->error && list)
            list[n++] = m->error;
        else
            add_error(&err, m->error); /* no memory: one by one */
        m->error = NULL;
    }
    if (n > 0)
        err = n == 1 ? list[0] : bl_error_join_list(list, n);
    if (list != few)
        free(list);
    return err;
}

static bl_error *
close_members(struct bl__member *last)
{
    struct closing k = {.next = last};

    k.done_end = &k.done;
    bl_returns (bl_error *, err) {
        bl_defer_call(free_done, &k);
        close_rest(&k);
        err = join_errors(&k);
    }
}

bl_error *
bl_closers_close(bl_closers *group)
{
    struct bl__member *last;
    bool was_open;

    if (!group)
        return NULL;
    last = take_all(group, &was_open);
    if (!was_open)
        return bl_err_closed;
    return last ? close_members(last) : NULL;
}

void
bl_closers_close_into(bl_error **err, bl_closers *group)
{
    struct bl__member *last;
    bool was_open;

    if (!group)
        return;
    last = take_all(group, &was_open);
    if (last)
        add_error(err, close_members(last));
}

size_t
bl_closers_keep(bl_closers *group)
{
    bool was_open;
    size_t n = 0;

    for (struct bl__member *m = take_all(group, &was_open), *earlier; m; m = earlier) {
        earlier = m->earlier;
        n += bl_closer_keep(&m->closer);
        free(m);
    }
    return n;
}

static bl_error *
close_group(void *group)
{
    bl_error *err = NULL;

    bl_closers_close_into(&err, group);
    return err;
}

bl_closer
bl_closer_group(bl_closers *group)
{
    return closer(group, close_group);
}
