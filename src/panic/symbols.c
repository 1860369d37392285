/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* panic/symbols.c - names for program counters, by libbacktrace.
 *
 * libbacktrace comes with GCC, reads DWARF and symbol tables, allocates by mmap
 * only and so works in a crash.  Its first look-up reads the debug information
 * of every module: tens of milliseconds. */
#define _GNU_SOURCE
#include "panic/g.h"

#include <backtrace.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

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
    struct backtrace_state *bt = get_state();
    Dl_info info;

    if (bt)
        backtrace_syminfo(bt, pc, on_symbol, on_error, &s);
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
    struct backtrace_state *bt = get_state();
    struct lines l = {each, arg, pc};

    if (bt)
        backtrace_pcinfo(bt, pc, on_line, on_error, &l);
}
