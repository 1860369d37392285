/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/track.h - telling sanitizers and Valgrind about stacks.
 *
 * The library itself need not be built with a sanitizer: what the program has
 * linked is found when it starts, through weak symbols.  Without one every call
 * here is one predictable branch. */
#ifndef BELAY_SCHED_TRACK_H
#define BELAY_SCHED_TRACK_H

#include "sched/sched.h"

void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size)
    __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size)
    __attribute__((weak));
void *__tsan_get_current_fiber(void) __attribute__((weak));
void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));

extern bool bl__tracked; /* constant after start */

static inline void
bl__track_init(void)
{
    bl__tracked = __sanitizer_start_switch_fiber || __tsan_create_fiber;
}

/* from's thread is about to go to `to`; dying: from will not come back. */
static inline void
bl__track_switch(struct bl__g *from, struct bl__g *to, bool dying)
{
    if (BL__LIKELY(!bl__tracked))
        return;
    if (__tsan_switch_to_fiber) {
        if (!from->fiber)
            from->fiber = __tsan_get_current_fiber();
        if (!to->fiber)
            to->fiber = __tsan_create_fiber(0);
        /* no ordering of its own: the locks and queues order what there is */
        __tsan_switch_to_fiber(to->fiber, 1);
    }
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack,
                                       (void *)to->stack_low,
                                       to->stack_high - to->stack_low);
}

static inline void
bl__track_arrived(struct bl__g *g)
{
    if (BL__UNLIKELY(bl__tracked) && __sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(g->fake_stack, NULL, NULL);
}

static inline void
bl__track_dead(struct bl__g *g)
{
    if (BL__UNLIKELY(bl__tracked) && g->fiber) {
        __tsan_destroy_fiber(g->fiber);
        g->fiber = NULL;
        g->fake_stack = NULL;
    }
}

#endif
