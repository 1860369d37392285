/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/system.c - sentinels, and the errors that errno and getaddrinfo() number.
 *
 * The usual numbers have static errors, known by their place in a table. */
#define _GNU_SOURCE
#include "errors/errors.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* --- sentinels --------------------------------------------------------------- */

static size_t
copy_text(const char *text, char *buf, size_t size)
{
    size_t length = strlen(text), n = length < size ? length : size - 1;

    if (size > 0) {
        memcpy(buf, text, n);
        buf[n] = '\0';
    }
    return length;
}

static size_t
sentinel_text(const bl_error *err, char *buf, size_t size)
{
    return copy_text(((const bl_sentinel *)err)->message, buf, size);
}

const bl_error_kind bl__sentinel_kind = {
    .name = "*errors.errorString",
    .text = sentinel_text,
};

bl_error_global(bl_err_not_exist, "file does not exist");
bl_error_global(bl_err_exist, "file already exists");
bl_error_global(bl_err_permission, "permission denied");
bl_error_global(bl_err_unsupported, "unsupported operation");
bl_error_global(bl_err_timeout, "timeout");

/* --- errno ------------------------------------------------------------------- */

enum { NERRNOS = 256, NGAIS = 128 };

static const bl_error_kind errno_kind, rare_errno_kind, gai_kind;
static const bl_error errnos[NERRNOS] = {[0 ... NERRNOS - 1] = {&errno_kind}};

struct rare_errno {
    bl_error base;
    int number;
};

static int
number_of(const bl_error *err)
{
    if (err->kind == &errno_kind)
        return (int)(err - errnos);
    return err->kind == &rare_errno_kind ? ((const struct rare_errno *)err)->number : 0;
}

/* The C library's words as Go writes them: without the capital at the beginning, but
 * for abbreviations. */
static size_t
copy_uncapped(const char *text, char *buf, size_t size)
{
    size_t n = copy_text(text, buf, size);

    if (size > 1 && isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
        buf[0] = (char)tolower((unsigned char)text[0]);
    return n;
}

static size_t
errno_text(const bl_error *err, char *buf, size_t size)
{
    int number = number_of(err);
    const char *text = strerrordesc_np(number);

    if (text)
        return copy_uncapped(text, buf, size);
    return (size_t)snprintf(buf, size, "errno %d", number);
}

/* The same as Go's syscall.Errno. */
static bool
errno_is(const bl_error *err, const bl_error *target)
{
    int number = number_of(err);

    if (target == bl_err_permission)
        return number == EACCES || number == EPERM;
    if (target == bl_err_exist)
        return number == EEXIST || number == ENOTEMPTY;
    if (target == bl_err_not_exist)
        return number == ENOENT;
    if (target == bl_err_unsupported)
        return number == ENOSYS || number == EOPNOTSUPP || number == ENOTSUP;
    if (target == bl_err_timeout)
        return number == ETIMEDOUT || number == EAGAIN || number == EWOULDBLOCK;
    return number_of(target) == number;
}

static const bl_error_kind errno_kind = {
    .name = "syscall.Errno",
    .text = errno_text,
    .is = errno_is,
};

static const bl_error_kind rare_errno_kind = {
    .name = "syscall.Errno",
    .text = errno_text,
    .is = errno_is,
    .size = sizeof(struct rare_errno),
};

bl_error *
bl_error_from_errno(int number)
{
    struct rare_errno *rare;

    if (number < 0 && number >= -INT_MAX)
        number = -number;
    if (number == 0)
        return NULL;
    if (number > 0 && number < NERRNOS)
        return (bl_error *)&errnos[number];
    rare = bl__error_alloc(sizeof *rare, BL__CALLER);
    if (!rare)
        return (bl_error *)&errnos[ENOMEM];
    *rare = (struct rare_errno){{&rare_errno_kind}, number};
    return &rare->base;
}

static bool
is_errno(const bl_error *err, void *unused)
{
    (void)unused;
    return number_of(err) != 0;
}

int
bl_error_errno(const bl_error *err)
{
    const bl_error *found = bl_error_find(err, is_errno, NULL);

    return found ? number_of(found) : 0;
}

/* --- getaddrinfo ------------------------------------------------------------- */

static const bl_error gais[NGAIS] = {[0 ... NGAIS - 1] = {&gai_kind}};

static const struct {
    int code;
    const char *name;
} gai_names[] = {
    {EAI_ADDRFAMILY, "EAI_ADDRFAMILY"}, {EAI_AGAIN, "EAI_AGAIN"},
    {EAI_ALLDONE, "EAI_ALLDONE"},       {EAI_BADFLAGS, "EAI_BADFLAGS"},
    {EAI_CANCELED, "EAI_CANCELED"},     {EAI_FAIL, "EAI_FAIL"},
    {EAI_FAMILY, "EAI_FAMILY"},         {EAI_IDN_ENCODE, "EAI_IDN_ENCODE"},
    {EAI_INPROGRESS, "EAI_INPROGRESS"}, {EAI_INTR, "EAI_INTR"},
    {EAI_MEMORY, "EAI_MEMORY"},         {EAI_NODATA, "EAI_NODATA"},
    {EAI_NONAME, "EAI_NONAME"},         {EAI_NOTCANCELED, "EAI_NOTCANCELED"},
    {EAI_OVERFLOW, "EAI_OVERFLOW"},     {EAI_SERVICE, "EAI_SERVICE"},
    {EAI_SOCKTYPE, "EAI_SOCKTYPE"},     {EAI_SYSTEM, "EAI_SYSTEM"},
};

static int
code_of(const bl_error *err)
{
    return err->kind == &gai_kind ? -(int)(err - gais) : 0;
}

static const char *
gai_name(int code)
{
    for (size_t i = 0; i < sizeof gai_names / sizeof gai_names[0]; i++)
        if (gai_names[i].code == code)
            return gai_names[i].name;
    return NULL;
}

static size_t
gai_text(const bl_error *err, char *buf, size_t size)
{
    int code = code_of(err);

    if (gai_name(code))
        return copy_uncapped(gai_strerror(code), buf, size);
    return (size_t)snprintf(buf, size, "getaddrinfo code %d", code);
}

static const bl_error_kind gai_kind = {.name = "getaddrinfo", .text = gai_text};

bl_error *
bl_error_from_gai(int code)
{
    if (code == 0)
        return NULL;
    if (code == EAI_SYSTEM && errno)
        return bl_error_from_errno(errno);
    if (code < 0 && code > -NGAIS)
        return (bl_error *)&gais[-code];
    return bl_errorf("getaddrinfo code %d", code);
}

static bool
is_gai(const bl_error *err, void *unused)
{
    (void)unused;
    return code_of(err) != 0;
}

int
bl_error_gai(const bl_error *err)
{
    const bl_error *found = bl_error_find(err, is_gai, NULL);

    return found ? code_of(found) : 0;
}

const char *
bl_error_name(const bl_error *err)
{
    const char *name = NULL;

    if (!err)
        return "<nil>";
    if (number_of(err))
        name = strerrorname_np(number_of(err));
    else if (code_of(err))
        name = gai_name(code_of(err));
    return name ? name : err->kind->name;
}
