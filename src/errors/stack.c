/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/stack.c - the stack where an error was made, as program counters. */
#include "errors/errors.h"
#include "panic/g.h"
#include "unwind/cache.h"

struct noted {
    uintptr_t *frames;
    uint32_t count, room;
    uintptr_t pc; /* 0: its frame, where the list begins, has been found */
};

static inline void
note(void *arg, uintptr_t pc)
{
    struct noted *n = arg;

    if (n->pc == pc)
        n->pc = 0;
    if (n->pc == 0 && n->count < n->room)
        n->frames[n->count++] = pc;
}

/* The walk goes frame by frame where the fast one stops, and to the stack's end only:
 * below deferred code that a panic runs, it does not follow. */
uint32_t
bl__error_frames(uintptr_t *frames, uint32_t n, uintptr_t pc)
{
    struct noted noted = {frames, 0, n, pc};
    struct bl__ctx ctx;
    struct bl__rule rule;

    bl__here(&ctx);
    while (noted.count < n) {
        uintptr_t before = BL__CTX_SP(&ctx);
        bool is_noted = !ctx.exact && bl__skip_plain(&ctx, before + 1, note, &noted).pad;

        if (!is_noted)
            note(&noted, bl__ctx_at(&ctx) + 1);
        if (!bl__step(&ctx, &rule) || BL__CTX_PC(&ctx) == 0)
            break;
    }
    if (noted.count == 0) { /* not found: frames without a table */
        frames[0] = pc;
        noted.count = 1;
    }
    return noted.count;
}

int
bl_error_stack_depth(int n)
{
    int was = (int)bl__error_depth();

    if (n >= 0)
        __atomic_store_n(&bl__options.errorstack,
                         n > BL__ERROR_FRAMES ? BL__ERROR_FRAMES : n, __ATOMIC_RELAXED);
    return was;
}
