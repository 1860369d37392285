/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/sniff.c - what kind of data this is. */
#include "http/http.h"

const char *
bl__sniff(const void *data, size_t n)
{
    (void)data, (void)n;
    return "text/plain; charset=utf-8";
}
