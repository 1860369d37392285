/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/track.c - what sanitizers are told once. */
#include "sched/track.h"

void
bl__track_init(void)
{
    if (__sanitizer_start_switch_fiber || __tsan_create_fiber)
        bl__told |= BL__TOLD_SANITIZER;
}

/* What is reachable from a goroutine that is still there when the program ends is
 * not a leak.  Of one that is off its stack only what it uses: the rest may be
 * memory that was never touched. */
static void
add_root(void *unused, struct bl__g *g)
{
    uintptr_t sp = (uintptr_t)bl__rest(g), low = sp ? sp : g->stack_low;

    (void)unused;
    bl__track_root((void *)low, (uintptr_t)(g + 1) - low);
}

/* LeakSanitizer looks when all destructors have run. */
__attribute__((destructor)) static void
add_roots(void)
{
    if (__lsan_register_root_region)
        bl__each_goroutine(add_root, NULL);
}
