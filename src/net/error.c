/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/error.c - errors of the network: Go's net.OpError. */
#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bl_error_global(bl_err_eof, "EOF");
bl_error_global(bl_err_unexpected_eof, "unexpected EOF");
bl_error_global(bl_err_net_closed, "use of closed network connection");

BL__NOINLINE __attribute__((no_sanitize_thread)) ssize_t
bl__last_error(void)
{
    __asm__ volatile("" ::: "memory"); /* or it would be a function of nothing */
    return -errno;
}

/* --- timeouts and cancelling -------------------------------------------------------- */

static size_t
put_text(const char *text, char *buf, size_t size)
{
    struct bl__text t = BL__TEXT_INTO(buf, size);

    bl__put(&t, text);
    if (size > 0)
        bl__text_flush(&t);
    return t.length;
}

static size_t
timeout_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    return put_text("i/o timeout", buf, size);
}

static bool
timeout_is(const bl_error *err, const bl_error *target)
{
    (void)err;
    return target == bl_err_timeout || target == bl_err_deadline_exceeded;
}

static const bl_error_kind timeout_kind = {
    .name = "*net.timeoutError",
    .text = timeout_text,
    .is = timeout_is,
};

static size_t
canceled_text(const bl_error *err, char *buf, size_t size)
{
    (void)err;
    return put_text("operation was canceled", buf, size);
}

static bool
canceled_is(const bl_error *err, const bl_error *target)
{
    (void)err;
    return target == bl_err_canceled;
}

static const bl_error_kind canceled_kind = {
    .name = "*net.canceledError",
    .text = canceled_text,
    .is = canceled_is,
};

static const bl_error timeout = {&timeout_kind}, canceled = {&canceled_kind};

bl_error *
bl__net_cause(ssize_t result, const char *call, const bl_context *ctx)
{
    if (result == BL__CLOSED)
        return bl_err_net_closed;
    if (result == BL__EXPIRED)
        return (bl_error *)&timeout;
    if (result == BL__CANCELED)
        return (bl_error *)(ctx && bl_error_is(bl_context_err(ctx), bl_err_deadline_exceeded)
                                ? &timeout
                                : &canceled);
    return bl_error_wrap(bl_error_from_errno((int)result), "%s", call);
}

/* --- the operation ------------------------------------------------------------------- */

struct op {
    bl_net_error base;
    char *name;                  /* of a network that is none: the caller's may be gone */
};

static size_t
op_text(const bl_error *err, char *buf, size_t size)
{
    const bl_net_error *e = (const bl_net_error *)err;
    struct bl__text t = BL__TEXT_INTO(buf, size);
    size_t done;

    bl__put(&t, e->op);
    if (*e->network) {
        bl__put_char(&t, ' ');
        bl__put(&t, e->network);
    }
    if (e->source) {
        bl__put_char(&t, ' ');
        bl__put(&t, e->source);
    }
    if (e->address) {
        bl__put(&t, e->source ? "->" : " ");
        bl__put(&t, e->address);
    }
    bl__put(&t, ": ");
    if (size > 0)
        bl__text_flush(&t);
    done = t.length < size ? t.length : size;
    return t.length + bl_error_text(e->err, buf + done, size - done);
}

static const bl_error *
op_cause(const bl_error *err)
{
    return ((const bl_net_error *)err)->err;
}

static void
op_free(bl_error *err)
{
    struct op *e = (struct op *)err;

    free(e->base.source);
    free(e->base.address);
    free(e->name);
}

const bl_error_kind bl_net_error_kind = {
    .name = "*net.OpError",
    .text = op_text,
    .size = sizeof(struct op),
    .unwrap = op_cause,
    .clear = op_free,
};

static char *
copy_address(const bl_addr *addr)
{
    char text[BL_ADDR_TEXT];

    if (!addr || addr->length == 0)
        return NULL;
    bl__addr_text(addr, text, sizeof text, false);
    return *text ? strdup(text) : NULL;
}

bl_error *
bl__net_error(const char *op, const char *network, const bl_addr *source,
              const bl_addr *address, bl_error *cause)
{
    bl_net_error *e = bl_error_make(&bl_net_error_kind);

    if (!e)
        return cause;
    e->op = op;
    e->network = network;
    e->source = copy_address(source);
    e->address = copy_address(address);
    e->err = cause;
    return &e->base;
}

bl_error *
bl__net_unknown(const char *op, const char *network)
{
    bl_error *cause = bl_errorf("unknown network %s", network), *err;
    char *name = strdup(network);

    err = bl__net_error(op, name ? name : "", NULL, NULL, cause);
    if (err == cause)
        free(name);
    else
        ((struct op *)err)->name = name;
    return err;
}
