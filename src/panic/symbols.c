/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/symbols.c - names for program counters, by libbacktrace.
 *
 * libbacktrace comes with GCC, reads DWARF and symbol tables, allocates by mmap
 * only and so works in a crash.  Its first look-up reads the debug information
 * of every module: tens of milliseconds, and as many megabytes.
 *
 * It has no lock: several threads whose first look-up comes at the same time, or the
 * first in the same file, all read it, and keep what they have read.  A server whose
 * handlers panic on all threads would have it a dozen times.  So they take turns. */
#define _GNU_SOURCE
#include "panic/g.h"

#include <backtrace.h>
#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static _Atomic(struct backtrace_state *) state;

static void
on_error(void *data, const char *message, int number)
{
    (void)data;
    (void)message;
    (void)number;
}

static struct backtrace_state *
get_state(void)
{
    struct backtrace_state *s = atomic_load(&state);

    if (!s) {
        s = backtrace_create_state(NULL, 1, on_error, NULL);
        atomic_store(&state, s);
    }
    return s;
}

/* The thread whose turn it is; 0: nobody's. */
static _Atomic uintptr_t looking;
static __thread char thread __attribute__((tls_model("initial-exec")));

/* Returns false for who has to do without a turn: in a crash in the middle of a look-up,
 * or if it lasts: the one whose turn it is may never run again. */
static bool
take_turn(void)
{
    const struct timespec moment = {0, 1000000};

    for (int i = 0; i < 1200; i++) {
        uintptr_t who = 0;

        if (atomic_compare_exchange_strong(&looking, &who, (uintptr_t)&thread))
            return true;
        if (who == (uintptr_t)&thread)
            return false;
        if (i < 200)
            sched_yield();
        else
            nanosleep(&moment, NULL); /* a second altogether */
    }
    return false;
}

static void
end_turn(bool mine)
{
    if (mine)
        atomic_store(&looking, 0);
}

void
bl__symbols_in_child(void)
{
    atomic_store(&looking, 0);
}

struct symbol {
    const char *name;
    uintptr_t start;
};

static void
on_symbol(void *data, uintptr_t pc, const char *name, uintptr_t start, uintptr_t size)
{
    struct symbol *s = data;

    (void)pc;
    (void)size;
    s->name = name;
    s->start = start;
}

const char *
bl__symbol_name(uintptr_t pc, uintptr_t *offset)
{
    struct symbol s = {NULL, 0};
    bool mine = take_turn();
    struct backtrace_state *bt = get_state();
    Dl_info info;

    if (bt)
        backtrace_syminfo(bt, pc, on_symbol, on_error, &s);
    end_turn(mine);
    if (!s.name && dladdr((void *)pc, &info) && info.dli_sname) {
        s.name = info.dli_sname;
        s.start = (uintptr_t)info.dli_saddr;
    }
    *offset = s.name ? pc - s.start : 0;
    return s.name;
}

bool
bl__is_machinery(const char *name)
{
    /* the last: what clang makes of a thunk */
    return strncmp(name, "bl_", 3) == 0 || strncmp(name, "_Unwind_", 8) == 0 ||
           (strncmp(name, "__", 2) == 0 && strstr(name, "_block_invoke"));
}

const char *
bl__module_name(uintptr_t pc, uintptr_t *base)
{
    Dl_info info;

    if (!dladdr((void *)pc, &info))
        return NULL;
    if (base)
        *base = (uintptr_t)info.dli_fbase;
    return info.dli_fname;
}

struct lines {
    void (*each)(void *arg, const struct bl__line *);
    void *arg;
    uintptr_t pc;
};

static int
on_line(void *data, uintptr_t pc, const char *file, int number, const char *function)
{
    struct lines *l = data;
    struct bl__line line = {function, file, number};
    uintptr_t offset;

    (void)pc;
    if (!line.function)
        line.function = bl__symbol_name(l->pc, &offset);
    l->each(l->arg, &line);
    return 0;
}

void
bl__symbols_at(uintptr_t pc, void (*each)(void *arg, const struct bl__line *), void *arg)
{
    bool mine = take_turn();
    struct backtrace_state *bt = get_state();
    struct lines l = {each, arg, pc};

    if (bt)
        backtrace_pcinfo(bt, pc, on_line, on_error, &l);
    end_turn(mine);
}
