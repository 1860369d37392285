/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/core.h - the core as libbelay-pprof sees it.
 *
 * That library is a file of its own, and the core exports nothing that is not in a
 * public header: so what the two share is one table, which the core hands out.  Both
 * come from the same release, or the library refuses. */
#ifndef BELAY_SCHED_CORE_H
#define BELAY_SCHED_CORE_H

#include "panic/observed.h"
#include "sched/bubble.h"
#include "sched/sched.h"
#include "unwind/unwind.h"

struct bl__core {
    const char *version;       /* BL_VERSION */
    size_t g_size, sched_size; /* of the structs, as the core knows them */
    bool is_checked;           /* by AddressSanitizer: no walk may begin at a guess */
    struct bl__sched *sched;
    struct bl__observed *observed;
    void (*follow)(bool on);   /* whether hooks behind bl__told are to be called */
    struct bl__hooks *hooks;
    const struct bl__options *options;
    const char *pprof_address; /* BELAYDEBUG's; "": none */
    struct bl__defer_counts *defers; /* of goroutines that have ended */

    struct bl__g *(*self)(void);
    struct bl__g *(*self_or_null)(void);
    struct bl__g *(*main_goroutine)(void); /* NULL: it has ended, or never was one */
    void (*each_goroutine)(void (*each)(void *arg, struct bl__g *g), void *arg);
    void (*each_slab)(void (*each)(void *arg, uintptr_t low, uintptr_t high), void *arg);
    const char *(*reason_text)(unsigned reason);
    uintptr_t (*not_begun)(const struct bl__g *g);
    int64_t (*now)(void);
    void (*barrier)(void);
    size_t (*stack_size)(size_t bytes);

    void (*here)(struct bl__ctx *ctx);
    void (*ctx_at_rest)(struct bl__ctx *ctx, const void *sp);
    void (*ctx_from_signal)(struct bl__ctx *ctx, const void *ucontext);
    bool (*rule_find)(uintptr_t at, struct bl__rule *rule);
    uintptr_t (*function_at)(uintptr_t at);
    uintptr_t (*rule_cfa)(const struct bl__rule *rule, const struct bl__ctx *ctx);
    void (*rule_step)(const struct bl__rule *rule, struct bl__ctx *ctx, uintptr_t cfa);

    void (*symbols_at)(uintptr_t pc, void (*each)(void *, const struct bl__line *),
                       void *arg);
    bool (*symbol_at)(uintptr_t pc, struct bl__symbol *symbol);
    bool (*module_at)(uintptr_t pc, struct bl__module *module);
    bool (*is_machinery)(const char *name);
    void (*put_header)(struct bl__text *t, const struct bl__g *g);
    void (*put_trace)(struct bl__text *t, const struct bl__trace *trace);
    void (*put_frame)(struct bl__text *t, const char *before, uintptr_t pc,
                      const char *behind);
    void (*put_pending)(struct bl__text *t, const struct bl__site *site, uint64_t times);
    void (*text_flush)(struct bl__text *t);
};

__attribute__((visibility("default"))) const struct bl__core *bl__read_core(void);

/* Only in libbelay-pprof; the core looks for it when BELAYDEBUG asks for a server. */
__attribute__((visibility("default"))) void bl__pprof_here(void) __attribute__((weak));

/* Ends the process if BELAYDEBUG has pprof=ADDRESS, and nobody will serve it. */
void bl__core_init(void);

#endif
