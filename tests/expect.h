/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/expect.h - errors that are expected, or not. */
#ifndef BELAY_TESTS_EXPECT_H
#define BELAY_TESTS_EXPECT_H

#include <belay/errors.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void
ok(bl_error *err)
{
    char text[512];

    if (!err)
        return;
    bl_error_text(err, text, sizeof text);
    fprintf(stderr, "unexpected error: %s\n", text);
    _Exit(1);
}

/* Releases err. */
static inline bool
is(bl_error *err, const bl_error *target)
{
    bool yes = bl_error_is(err, target);

    bl_error_release(err);
    return yes;
}

#endif
