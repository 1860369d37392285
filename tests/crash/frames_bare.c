/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* frames_bare.c - compiled without debug information. */
#include "case.h"

void bare_middle(void (*f)(void));

FRAME void
bare_middle(void (*f)(void))
{
    f();
    say("returned");
}
