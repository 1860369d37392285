/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/paste.h - what the service's handlers share. */
#ifndef PASTE_PASTE_H
#define PASTE_PASTE_H

#include "store.h"

#include <belay/http.h>
#include <stdatomic.h>

struct service {
    store *store;
    bl_http_server *server;
    _Atomic int64_t begun, left; /* handlers; each is left by a deferred block */
    _Atomic int64_t reported;    /* panics that the log has in full */
};

/* routes.c: what the service is for. */
void add_routes(bl_http_mux *mux, struct service *s);

/* faults.c: what no service should have, for --faults. */
void add_faults(bl_http_mux *mux, struct service *s);

#endif
