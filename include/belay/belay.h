/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/belay.h - everything, under bl_ names.
 *
 * For the short names (defer, returns, panic, ...) include belay/keywords.h as
 * well. */
#ifndef BELAY_BELAY_H
#define BELAY_BELAY_H

#include <belay/chan.h>
#include <belay/closer.h>
#include <belay/config.h>
#include <belay/connpool.h>
#include <belay/context.h>
#include <belay/defer.h>
#include <belay/errors.h>
#include <belay/go.h>
#include <belay/panic.h>
#include <belay/sync.h>
#include <belay/test.h>
#include <belay/time.h>

#endif
