/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/hijack.c - connections that a handler takes. */
#include "http/server.h"

bl_error_global(bl_err_http_hijacked, "http: connection has been hijacked");
