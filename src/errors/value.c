/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/value.c - errors come and go: memory, counting, errors of text. */
#include "errors/errors.h"
#include "panic/g.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- errors of text ---------------------------------------------------------- */

static size_t
message_text(const bl_error *err, char *buf, size_t size)
{
    const struct bl__message *m = (const struct bl__message *)err;

    if (size > 0) {
        size_t n = m->length < size ? m->length : size - 1;

        memcpy(buf, bl__message_text(m), n);
        buf[n] = '\0';
    }
    return m->length;
}

static const bl_error *
unwrap(const bl_error *err)
{
    return ((const struct bl__message *)err)->causes[0];
}

static const bl_error *const *
causes_of(const bl_error *err, size_t *count)
{
    const struct bl__message *m = (const struct bl__message *)err;

    *count = m->count;
    return (const bl_error *const *)m->causes;
}

#define MESSAGE .text = message_text, .size = sizeof(struct bl__message)

const bl_error_kind bl__message_kinds[BL__MESSAGE_KINDS] = {
    [BL__TEXT] = {.name = "*errors.errorString", MESSAGE},
    [BL__WRAP] = {.name = "*fmt.wrapError", MESSAGE, .unwrap = unwrap},
    [BL__WRAP_ALL] = {.name = "*fmt.wrapErrors", MESSAGE, .causes = causes_of},
    [BL__JOIN] = {.name = "*errors.joinError", MESSAGE, .causes = causes_of},
};

/* --- memory ------------------------------------------------------------------ */

/* Bytes in front of the head, so that it stays aligned. */
static size_t
frames_bytes(uint32_t frames)
{
    return (frames * sizeof(uintptr_t) + 15) & ~(size_t)15;
}

static void *
fill_head(char *memory, uint32_t frames, uintptr_t pc)
{
    struct bl__head *head = (struct bl__head *)(memory + frames_bytes(frames));

    atomic_init(&head->refs, 1);
    head->frames = frames;
    head->pc = pc;
    return head + 1;
}

static BL__NOINLINE void *
alloc_with_stack(size_t size, uintptr_t pc)
{
    uintptr_t frames[BL__ERROR_FRAMES];
    uint32_t n = bl__error_frames(frames, bl__error_depth(), pc);
    char *memory = malloc(frames_bytes(n) + sizeof(struct bl__head) + size);
    uintptr_t *head;

    if (!memory)
        return NULL;
    head = (uintptr_t *)(memory + frames_bytes(n));
    for (uint32_t i = 0; i < n; i++)
        head[-1 - (ptrdiff_t)i] = frames[i];
    return fill_head(memory, n, pc);
}

void *
bl__error_alloc(size_t size, uintptr_t pc)
{
    char *memory;

    if (BL__UNLIKELY(bl__error_depth() > 0))
        return alloc_with_stack(size, pc);
    memory = malloc(sizeof(struct bl__head) + size);
    return memory ? fill_head(memory, 0, pc) : NULL;
}

void *
bl_error_make(const bl_error_kind *kind)
{
    bl_error *err;

    if (kind->size < sizeof *err)
        bl_panic("errors: bl_error_make: kind %s has no size", kind->name);
    err = bl__error_alloc(kind->size, BL__CALLER);
    if (!err)
        return NULL;
    memset(err, 0, kind->size);
    err->kind = kind;
    return err;
}

/* --- counting ---------------------------------------------------------------- */

static bool
is_counted(const bl_error *err)
{
    return err && err->kind->size != 0;
}

static BL__NORETURN BL__NOINLINE void
refuse_count(void)
{
    bl_fatal("errors: an error was released too often");
}

bl_error *
bl_error_retain(const bl_error *err)
{
    if (is_counted(err)) {
        uint32_t refs = atomic_fetch_add_explicit(&bl__head_of(err)->refs, 1,
                                                  memory_order_relaxed);

        if (BL__UNLIKELY(refs - 1 >= INT32_MAX))
            refuse_count();
    }
    return (bl_error *)err;
}

/* Returns whether that was the last one.  It leaves refs at 1 then: few errors ever
 * have two owners, and this spares the others a locked instruction. */
static bool
drop(struct bl__head *head)
{
    /* acquire, here and below: pairs with the release of the other owners, whose
     * looks at the error are over before it is freed */
    uint32_t refs = atomic_load_explicit(&head->refs, memory_order_acquire);

    if (refs != 1)
        refs = atomic_fetch_sub_explicit(&head->refs, 1, memory_order_acq_rel);
    if (BL__UNLIKELY(refs - 1 >= INT32_MAX))
        refuse_count();
    return refs == 1;
}

/* Puts head in front of the dead.  From here on refs is 0: an error that owns itself,
 * without being counted for it, is found out. */
static struct bl__head *
add_dead(struct bl__head *dead, struct bl__head *head)
{
    atomic_store_explicit(&head->refs, 0, memory_order_relaxed);
    head->pc = (uintptr_t)dead;
    return head;
}

static struct bl__head *
drop_cause(struct bl__head *dead, const bl_error *cause)
{
    if (!is_counted(cause) || !drop(bl__head_of(cause)))
        return dead;
    return add_dead(dead, bl__head_of(cause));
}

/* A list instead of recursion: chains may be longer than stacks are deep. */
static void
bury(struct bl__head *last)
{
    struct bl__head *dead = add_dead(NULL, last);

    while (dead) {
        bl_error *err = (bl_error *)(dead + 1);
        char *memory = (char *)dead - frames_bytes(dead->frames);
        const bl_error *const *list;
        size_t n;

        dead = (struct bl__head *)dead->pc;
        if (err->kind->unwrap) {
            dead = drop_cause(dead, err->kind->unwrap(err));
        } else if (err->kind->causes) {
            list = err->kind->causes(err, &n);
            for (size_t i = 0; i < n; i++)
                dead = drop_cause(dead, list[i]);
        }
        if (err->kind->clear)
            err->kind->clear(err);
        free(memory);
    }
}

void
bl_error_release(const bl_error *err)
{
    struct bl__head *head;

    if (!is_counted(err) || !drop(bl__head_of(err)))
        return;
    head = bl__head_of(err);
    if (err->kind == &bl__message_kinds[BL__TEXT])
        free((char *)head - frames_bytes(head->frames));
    else
        bury(head);
}

/* --- making ------------------------------------------------------------------ */

BL__NOINLINE bl_error *
bl__message_instead(bl_error *const *causes, size_t count)
{
    bl_error *kept = NULL;

    for (size_t i = 0; i < count; i++) {
        if (kept)
            bl_error_release(causes[i]);
        else
            kept = causes[i];
    }
    return kept ? kept : bl_error_from_errno(ENOMEM);
}

struct bl__message *
bl__message_alloc(enum bl__message_kind kind, size_t length, size_t count, uintptr_t pc)
{
    struct bl__message *m;

    if (BL__UNLIKELY(length >= UINT32_MAX || count >= UINT32_MAX))
        return NULL;
    m = bl__error_alloc(sizeof *m + count * sizeof m->causes[0] + length + 1, pc);
    if (BL__UNLIKELY(!m))
        return NULL;
    m->base.kind = &bl__message_kinds[kind];
    m->count = (uint32_t)count;
    m->length = (uint32_t)length;
    return m;
}

bl_error *
bl_error_new(const char *text)
{
    size_t length = strlen(text ? text : (text = "(null)")); /* printf's word for it */
    struct bl__message *m = bl__message_alloc(BL__TEXT, length, 0, BL__CALLER);

    if (BL__UNLIKELY(!m))
        return bl__message_instead(NULL, 0);
    memcpy(bl__message_text(m), text, length + 1);
    return &m->base;
}

/* Writes the members' texts, a line each.  A user's text may have become longer or
 * shorter since it was measured: length is what there is room for, then what there is. */
static void
join_texts(struct bl__message *m)
{
    char *begin = bl__message_text(m), *at = begin, *end = begin + m->length;

    for (uint32_t i = 0; i < m->count; i++) {
        size_t room = (size_t)(end - at), n;

        if (i > 0 && room > 0) {
            *at++ = '\n';
            room--;
        }
        n = bl_error_text(m->causes[i], at, room + 1);
        at += n < room ? n : room;
    }
    *at = '\0';
    m->length = (uint32_t)(at - begin);
}

bl_error *
bl_error_join_list(bl_error *const *list, size_t count)
{
    struct bl__message *m;
    size_t n = 0, length = 0;

    for (size_t i = 0; i < count; i++) {
        if (list[i]) {
            length += bl_error_text(list[i], NULL, 0) + 1;
            n++;
        }
    }
    if (n == 0)
        return NULL;
    m = bl__message_alloc(BL__JOIN, length - 1, n, BL__CALLER);
    if (!m)
        return bl__message_instead(list, count);
    n = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i])
            m->causes[n++] = list[i];
    join_texts(m);
    return &m->base;
}

/* --- panics ------------------------------------------------------------------ */

static size_t
panicked_text(const bl_error *err, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    bl__put(&t, ((const bl_panicked *)err)->message);
    bl__text_flush(&t);
    return t.length;
}

static void
panicked_clear(bl_error *err)
{
    free(((bl_panicked *)err)->message);
}

const bl_error_kind bl_panicked_kind = {
    .name = "bl_panicked",
    .text = panicked_text,
    .size = sizeof(bl_panicked),
    .clear = panicked_clear,
};

bl_error *
bl_error_from_panic(const bl_panic_info *info)
{
    bl_panicked *p;
    size_t n;

    if (!info || info->kind == BL_PANIC_ERROR)
        return info ? bl_error_retain(info->error) : NULL;
    /* a report prints a fault's own address; a return address is one more */
    p = bl__error_alloc(sizeof *p, info->pc + (info->kind == BL_PANIC_FAULT));
    if (!p)
        return bl_error_from_errno(ENOMEM);
    n = bl_panic_text(info, NULL, 0) + 1;
    *p = (bl_panicked){{&bl_panicked_kind}, info->kind, info->signal, info->address,
                       malloc(n)};
    if (!p->message) {
        bl_error_release(&p->base);
        return bl_error_from_errno(ENOMEM);
    }
    bl_panic_text(info, p->message, n);
    return &p->base;
}

static void
retain(const bl_error *err)
{
    bl_error_retain(err);
}

/* Here, so that a static program that has a counted error has the hooks, too. */
__attribute__((constructor(102))) static void
start(void)
{
    bl__hooks.retain_error = retain;
    bl__hooks.release_error = bl_error_release;
}
