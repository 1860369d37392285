/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* closer/connpool.h - what getting with a deadline, and with a context, share. */
#ifndef BELAY_CLOSER_CONNPOOL_H
#define BELAY_CLOSER_CONNPOOL_H

#include "sync/sync.h"

#include <belay/connpool.h>

/* bl_connpool_get() with a bound (NULL: none).  When its channel is closed the error is
 * ECANCELED's; that is looked at by who has to wait only, and open() gets the time. */
bl_error *bl__connpool_get_bound(bl_connpool *pool, bl_connpool_lease *lease,
                                 const struct bl__bound *b);

#endif
