/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/watch.c - a request's context. */
#include "http/server.h"

void
bl__watch_begin(struct bl__served *c)
{
    (void)c;
}

void
bl__watch_stop(struct bl__served *c)
{
    (void)c;
}
