/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/value.c - what panics carry: making, comparing and printing values. */
#include "os/os.h"
#include "panic/g.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char nil_panic[] = "panic called with nil argument";

/* --- making -------------------------------------------------------------- */

void
bl__info_runtime(bl_panic_info *info, const char *text)
{
    *info = (bl_panic_info){.kind = BL_PANIC_RUNTIME, .text = text};
}

/* Errors that are counted are errors.h's: its hooks are there then. */
static bool
is_counted(const bl_error *err)
{
    return err->kind->size != 0 && bl__hooks.release_error;
}

static BL__NORETURN void
bl__raise_here(struct bl__act *a, void *pc)
{
    a->info.pc = (uintptr_t)pc;
    bl__raise(a);
}

void
bl__panic_runtime(const char *text)
{
    struct bl__act *a = bl__act_push(bl__self(), BL__ACT_PANIC);

    bl__info_runtime(&a->info, text);
    bl__raise_here(a, __builtin_return_address(0));
}

/* Formats into the activation; a long message gets pages of its own, and is cut
 * where there are none. */
static void
set_text(struct bl__act *a, const char *format, va_list args)
{
    va_list again;
    int n;

    a->info.text = a->text;
    va_copy(again, args);
    n = vsnprintf(a->text, sizeof a->text, format, args);
    if (n < 0) {
        bl__info_runtime(&a->info, "belay: bl_panic: the format is wrong");
    } else if ((size_t)n >= sizeof a->text) {
        a->heap_size = (size_t)n + 1;
        a->heap_text = bl__os_map(a->heap_size);
        if (a->heap_text) {
            vsnprintf(a->heap_text, a->heap_size, format, again);
            a->info.text = a->heap_text;
        }
    }
    va_end(again);
}

/* The text of a format without conversions, short enough: no need for printf. */
static bool
copy_plain(struct bl__act *a, const char *format)
{
    size_t n = strcspn(format, "%");

    if (format[n] != '\0' || n >= sizeof a->text)
        return false;
    memcpy(a->text, format, n + 1);
    a->info.text = a->text;
    return true;
}

void
bl_panic(const char *format, ...)
{
    struct bl__act *a = bl__act_push(bl__self(), BL__ACT_PANIC);
    va_list args;

    if (!format) {
        bl__info_runtime(&a->info, nil_panic);
        bl__raise_here(a, __builtin_return_address(0));
    }
    a->info = (bl_panic_info){.kind = BL_PANIC_TEXT};
    if (!copy_plain(a, format)) {
        va_start(args, format);
        set_text(a, format, args);
        va_end(args);
    }
    bl__raise_here(a, __builtin_return_address(0));
}

void
bl_panic_error(const bl_error *err)
{
    const char *name = err ? err->kind->name : NULL; /* may fault: nothing begun */
    struct bl__act *a = bl__act_push(bl__self(), BL__ACT_PANIC);

    if (err) {
        a->info = (bl_panic_info){.kind = BL_PANIC_ERROR, .text = name, .error = err};
        a->owns_error = is_counted(err);
    } else {
        bl__info_runtime(&a->info, nil_panic);
    }
    bl__raise_here(a, __builtin_return_address(0));
}

/* What stands where the error of a panic that is over stood. */
static size_t
gone_text(const bl_error *err, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    (void)err;
    bl__put(&t, "belay: this error is gone: bl_error_retain() would have kept it");
    bl__text_flush(&t);
    return t.length;
}

void
bl__act_release_error(struct bl__act *a)
{
    static const bl_error_kind kind = {.name = "gone", .text = gone_text};
    static const bl_error gone = {&kind};
    const bl_error *err = a->info.error;

    a->owns_error = false;
    a->info.error = &gone;
    bl__hooks.release_error(err);
}

static const char *
type_name_of(const bl_value *v)
{
    static const char *const names[] = {"pointer", "bool",    "int",   "uint",
                                        "float",   "complex", "string"};

    return v->type_name ? v->type_name : names[v->kind];
}

void
bl_panic_with(bl_value value)
{
    struct bl__act *a = bl__act_push(bl__self(), BL__ACT_PANIC);

    a->info = (bl_panic_info){
        .kind = BL_PANIC_VALUE, .text = type_name_of(&value), .value = value};
    bl__raise_here(a, __builtin_return_address(0));
}

void
bl_panic_value(const void *value, const char *type_name)
{
    struct bl__act *a = bl__act_push(bl__self(), BL__ACT_PANIC);

    a->info = (bl_panic_info){.kind = BL_PANIC_VALUE,
                              .text = type_name ? type_name : "pointer",
                              .value = bl_pointer(value, type_name)};
    bl__raise_here(a, __builtin_return_address(0));
}

/* The texts of the panic that is raised again may lie in an activation that is
 * about to be used for something else, so they are copied. */
/* Made by bl_panic_copy(), which has its text right behind it. */
static bool
is_copy(const bl_panic_info *info)
{
    return info->text == (const char *)(info + 1);
}

/* The text that a raises is its own from now on: who gave it may free it. */
static void
own_text(struct bl__act *a, const char *text)
{
    size_t n = strlen(text);

    if (n < sizeof a->text) {
        a->info.text = memcpy(a->text, text, n + 1);
    } else if ((a->heap_text = bl__os_map(n + 1))) {
        a->heap_size = n + 1;
        a->info.text = memcpy(a->heap_text, text, n + 1);
    }
}

void
bl_repanic(const bl_panic_info *info)
{
    struct bl__g *g = bl__self();
    struct bl__act *a = bl__act_push(g, BL__ACT_PANIC);

    if (!info) {
        bl__info_runtime(&a->info, nil_panic);
        bl__raise_here(a, __builtin_return_address(0));
    }
    a->info = *info;
    if (info->kind == BL_PANIC_ERROR && is_counted(info->error)) {
        bl__hooks.retain_error(info->error);
        a->owns_error = true;
    }
    if ((info->kind == BL_PANIC_TEXT && info->text != a->text) || is_copy(info))
        own_text(a, info->text);
    if (a->link && &a->link->info == info)
        a->link->repanicked = true;
    bl__raise_here(a, __builtin_return_address(0));
}

/* --- keeping ------------------------------------------------------------- */

bl_panic_info *
bl_panic_copy(const bl_panic_info *info)
{
    size_t n = info ? strlen(info->text) + 1 : 0;
    bl_panic_info *copy = info ? malloc(sizeof *copy + n) : NULL;

    if (copy) {
        *copy = *info;
        copy->text = memcpy(copy + 1, info->text, n);
        if (info->kind == BL_PANIC_ERROR && is_counted(info->error))
            bl__hooks.retain_error(info->error);
    }
    return copy;
}

void
bl_panic_free(bl_panic_info *copy)
{
    if (copy && copy->kind == BL_PANIC_ERROR && is_counted(copy->error))
        bl__hooks.release_error(copy->error);
    free(copy);
}

/* --- printing ------------------------------------------------------------ */

/* A newline is followed by a tab, so that no value can look like the report's
 * own lines. */
void
bl__put_indented(struct bl__text *t, const char *s)
{
    for (; *s; s++) {
        bl__put_char(t, *s);
        if (*s == '\n')
            bl__put_char(t, '\t');
    }
}

static void
put_bare(struct bl__text *t, const bl_value *v)
{
    switch (v->kind) {
    case BL_VALUE_BOOL:
        bl__put(t, v->as.boolean ? "true" : "false");
        break;
    case BL_VALUE_INT:
        bl__put_int(t, v->as.integer);
        break;
    case BL_VALUE_UINT:
        bl__put_uint(t, v->as.unsigned_integer);
        break;
    case BL_VALUE_FLOAT:
        bl__put_float(t, v->as.real);
        break;
    case BL_VALUE_COMPLEX:
        bl__put(t, "(");
        bl__put_float(t, v->as.real);
        if (!signbit(v->imaginary) && v->imaginary - v->imaginary == 0)
            bl__put(t, "+"); /* Inf has its own */
        bl__put_float(t, v->imaginary);
        bl__put(t, "i)");
        break;
    case BL_VALUE_STRING:
        bl__put_indented(t, v->as.string ? v->as.string : "");
        break;
    case BL_VALUE_POINTER:
        bl__put_hex(t, (uintptr_t)v->as.pointer);
        break;
    }
}

/* As Go's printpanicval and printanycustomtype.  An error is printed by address
 * where its own text function must not run. */
static void
put_value(struct bl__text *t, const bl_value *v)
{
    const char *quote = v->kind == BL_VALUE_STRING ? "\"" : "";

    if (v->kind == BL_VALUE_POINTER) {
        bl__put(t, "(");
        bl__put(t, type_name_of(v));
        bl__put(t, ") ");
        put_bare(t, v);
    } else if (v->type_name && v->kind == BL_VALUE_COMPLEX) {
        bl__put(t, v->type_name);
        put_bare(t, v); /* has parentheses of its own */
    } else if (v->type_name) {
        bl__put(t, v->type_name);
        bl__put(t, "(");
        bl__put(t, quote);
        put_bare(t, v);
        bl__put(t, quote);
        bl__put(t, ")");
    } else {
        put_bare(t, v);
    }
}

void
bl__put_info(struct bl__text *t, const bl_panic_info *info)
{
    bl_value v;

    switch (info->kind) {
    case BL_PANIC_VALUE:
        put_value(t, &info->value);
        break;
    case BL_PANIC_ERROR:
        v = bl_pointer(info->error, info->text);
        put_value(t, &v);
        break;
    case BL_PANIC_TEXT:
    case BL_PANIC_RUNTIME:
    case BL_PANIC_FAULT:
        bl__put_indented(t, info->text);
        break;
    }
}

static void
bl__make_text(struct bl__act *a)
{
    const bl_error *err = a->info.error;
    size_t n = err->kind->text(err, a->text, sizeof a->text);

    a->info.text = a->text;
    a->has_text = true;
    if (n >= sizeof a->text && (a->heap_text = bl__os_map(n + 1))) {
        a->heap_size = n + 1;
        err->kind->text(err, a->heap_text, a->heap_size);
        a->info.text = a->heap_text;
    }
}

void
bl__make_texts(struct bl__act *a)
{
    for (; a; a = a->link) {
        const bl_value *v = &a->info.value;

        if (a->kind != BL__ACT_PANIC)
            continue;
        if (a->info.kind == BL_PANIC_ERROR)
            bl__make_text(a);
        else if (a->info.kind == BL_PANIC_VALUE && v->kind == BL_VALUE_STRING &&
                 v->as.string)
            *(volatile size_t *)&a->heap_size = strlen(v->as.string); /* may fault */
    }
}

size_t
bl_panic_text(const bl_panic_info *info, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    if (info && info->kind == BL_PANIC_ERROR)
        return info->error->kind->text(info->error, buf, size);
    if (info && info->kind == BL_PANIC_VALUE)
        put_value(&t, &info->value);
    else if (info)
        bl__put(&t, info->text);
    bl__text_flush(&t);
    return t.length;
}

/* Errors and pointers are the same by address; run-time errors of one text, and
 * the two truth values, are single objects in Go. */
bool
bl__info_same(const bl_panic_info *a, const bl_panic_info *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case BL_PANIC_ERROR:
        return a->error == b->error;
    case BL_PANIC_RUNTIME:
    case BL_PANIC_FAULT:
        return a->text == b->text;
    case BL_PANIC_VALUE:
        if (a->value.kind != b->value.kind ||
            a->value.type_name != b->value.type_name)
            return false;
        if (a->value.kind == BL_VALUE_BOOL)
            return a->value.as.boolean == b->value.as.boolean;
        return a->value.kind == BL_VALUE_POINTER &&
               a->value.as.pointer == b->value.as.pointer;
    case BL_PANIC_TEXT:
        break;
    }
    return false;
}
