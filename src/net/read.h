/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/read.h - calling a bl_read_func: what Go's bufio allows an io.Reader. */
#ifndef BELAY_NET_READ_H
#define BELAY_NET_READ_H

#include <belay/io.h>

enum { BL__EMPTY_READS = 100 };

/* Reads until something has come, or an error; or both at once. */
static inline bl_error *
bl__read_some(bl_read_func *read, void *from, void *buf, size_t size, size_t *n)
{
    *n = 0;
    for (int i = 0; i < BL__EMPTY_READS; i++) {
        bl_error *err = read(from, buf, size, n);

        if (*n > 0 || err)
            return err;
    }
    return bl_err_no_progress;
}

#endif
