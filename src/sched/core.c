/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/core.c - the table of sched/core.h. */
#include "sched/core.h"

#include "os/os.h"

#include <belay/config.h>
#include <unistd.h>

struct bl__observed bl__observed;

/* The other bits are constant once threads run. */
static void
follow(bool on)
{
    if (on)
        __atomic_or_fetch(&bl__told, BL__TOLD_OBSERVER, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&bl__told, (uint8_t)~BL__TOLD_OBSERVER, __ATOMIC_RELAXED);
}

static const struct bl__core core = {
    .version = BL_VERSION,
    .g_size = sizeof(struct bl__g),
    .sched_size = sizeof(struct bl__sched),
#ifdef __SANITIZE_ADDRESS__
    .is_checked = true,
#endif
    .sched = &bl__sched,
    .observed = &bl__observed,
    .follow = follow,
    .hooks = &bl__hooks,
    .options = &bl__options,
    .pprof_address = bl__options_pprof,
    .defers = &bl__defer_counts,
    .self = bl__self,
    .self_or_null = bl__self_or_null,
    .main_goroutine = bl__main_goroutine,
    .each_goroutine = bl__each_goroutine,
    .each_slab = bl__each_slab,
    .reason_text = bl__reason_text,
    .not_begun = bl__not_begun,
    .now = bl__os_now,
    .barrier = bl__os_barrier,
    .stack_size = bl__os_stack_size,
    .here = bl__here,
    .ctx_at_rest = bl__ctx_at_rest,
    .ctx_from_signal = bl__ctx_from_signal,
    .rule_find = bl__rule_find_quietly,
    .function_at = bl__function_at,
    .rule_cfa = bl__rule_cfa,
    .rule_step = bl__rule_step,
    .symbols_at = bl__symbols_at,
    .symbol_at = bl__symbol_at,
    .module_at = bl__module_at,
    .is_machinery = bl__is_machinery,
    .put_header = bl__put_header,
    .put_trace = bl__put_trace,
    .put_frame = bl__put_frame,
    .put_pending = bl__put_pending,
    .text_flush = bl__text_flush,
};

const struct bl__core *
bl__read_core(void)
{
    return &core;
}

void
bl__core_init(void)
{
    static const char text[] = "belay: BELAYDEBUG: pprof=ADDRESS needs libbelay-pprof: "
                               "link it, or run the program with "
                               "LD_PRELOAD=libbelay-pprof.so\n";

    if (!bl__options_pprof[0] || bl__pprof_here)
        return;
    (void)!write(2, text, sizeof text - 1);
    _exit(2);
}
