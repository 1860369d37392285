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
#include "os/os.h"
#include "panic/g.h"

#include <backtrace.h>
#include <errno.h>
#include <link.h>
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
static _Atomic int looking;

/* Returns false for who has to do without a turn: in a crash in the middle of a look-up,
 * or if it lasts: the one whose turn it is may never run again. */
static bool
take_turn(void)
{
    const struct timespec moment = {0, 1000000};
    int self = bl__os_thread_id();

    for (int i = 0; i < 1200; i++) {
        int who = 0;

        if (atomic_compare_exchange_strong(&looking, &who, self))
            return true;
        if (who == self)
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

/* --- modules ------------------------------------------------------------- */

/* All that is read of a module is copied while the loader's list is locked: dlclose() in
 * another thread takes its names away.  dladdr() hands out pointers, and takes another
 * lock, that dlopen() keeps for as long as it works. */
struct lookup {
    uintptr_t pc;
    struct bl__module *module; /* NULL: not wanted */
    struct bl__symbol *symbol; /* the same */
    bool is_found;
};

static void
copy(char *to, size_t size, const char *from)
{
    size_t n = strnlen(from, size - 1);

    memcpy(to, from, n);
    to[n] = '\0';
}

/* What a module's dynamic section says of its symbols. */
struct dynamic {
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint32_t *hash;
};

/* The loader has relocated its addresses, but for those of the kernel's own module. */
static const void *
address_in(const struct dl_phdr_info *info, uintptr_t p)
{
    return (const void *)(p < info->dlpi_addr ? p + info->dlpi_addr : p);
}

static bool
read_dynamic(const struct dl_phdr_info *info, const ElfW(Dyn) *d, struct dynamic *out)
{
    *out = (struct dynamic){0};
    for (; d && d->d_tag != DT_NULL; d++) {
        const void *p = address_in(info, d->d_un.d_ptr);

        if (d->d_tag == DT_SYMTAB)
            out->symbols = p;
        else if (d->d_tag == DT_STRTAB)
            out->strings = p;
        else if (d->d_tag == DT_GNU_HASH)
            out->hash = p;
    }
    return out->symbols && out->strings && out->hash;
}

/* The table's beginning: buckets, the first symbol in it, words of the filter; then the
 * filter, the buckets (the first symbol of each), and the chains, whose last symbol's
 * hash is odd. */
static uint32_t
count_symbols(const uint32_t *hash)
{
    uint32_t nbuckets = hash[0], first = hash[1], last = 0;
    const uint32_t *buckets = hash + 4 + hash[2] * (sizeof(ElfW(Addr)) / sizeof *hash);
    const uint32_t *chains = buckets + nbuckets;

    for (uint32_t i = 0; i < nbuckets; i++)
        if (buckets[i] > last)
            last = buckets[i];
    if (last < first)
        return first;
    while (!(chains[last - first] & 1))
        last++;
    return last + 1;
}

static void
find_symbol(const struct dl_phdr_info *info, const ElfW(Dyn) *section, struct lookup *l)
{
    const ElfW(Sym) *best = NULL;
    uintptr_t at = l->pc - info->dlpi_addr;
    struct dynamic d;
    uint32_t n;

    if (!read_dynamic(info, section, &d))
        return;
    n = count_symbols(d.hash);
    for (uint32_t i = 0; i < n; i++) {
        const ElfW(Sym) *s = &d.symbols[i];

        if (s->st_shndx != SHN_UNDEF && s->st_name != 0 && s->st_value <= at &&
            ELF64_ST_TYPE(s->st_info) != STT_TLS &&
            (s->st_size == 0 || at - s->st_value < s->st_size) &&
            (!best || s->st_value > best->st_value))
            best = s;
    }
    if (!best)
        return;
    copy(l->symbol->name, sizeof l->symbol->name, d.strings + best->st_name);
    l->symbol->offset = at - best->st_value;
    l->is_found = true;
}

static void
copy_module(const struct dl_phdr_info *info, uintptr_t base, struct lookup *l)
{
    bool is_program = !info->dlpi_name || !*info->dlpi_name;

    copy(l->module->name, sizeof l->module->name,
         is_program ? program_invocation_name : info->dlpi_name);
    l->module->base = base;
    l->is_found = true;
}

static int
on_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct lookup *l = arg;
    const ElfW(Dyn) *section = NULL;
    uintptr_t base = UINTPTR_MAX;
    bool is_here = false;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type == PT_LOAD && start < base)
            base = start & ~(uintptr_t)4095;
        if (ph->p_type == PT_LOAD && l->pc - start < ph->p_memsz)
            is_here = true;
        if (ph->p_type == PT_DYNAMIC)
            section = (const void *)start;
    }
    if (is_here && l->module)
        copy_module(info, base, l);
    if (is_here && l->symbol)
        find_symbol(info, section, l);
    return is_here;
}

bool
bl__module_at(uintptr_t pc, struct bl__module *module)
{
    struct lookup l = {pc, module, NULL, false};

    dl_iterate_phdr(on_module, &l);
    return l.is_found;
}

/* --- symbols ------------------------------------------------------------- */

static void
on_symbol(void *data, uintptr_t pc, const char *name, uintptr_t start, uintptr_t size)
{
    struct lookup *l = data;

    (void)size;
    if (!name || !*name)
        return;
    copy(l->symbol->name, sizeof l->symbol->name, name);
    l->symbol->offset = pc - start;
    l->is_found = true;
}

bool
bl__symbol_at(uintptr_t pc, struct bl__symbol *symbol)
{
    struct lookup l = {pc, NULL, symbol, false};
    bool mine = take_turn();
    struct backtrace_state *bt = get_state();

    if (bt)
        backtrace_syminfo(bt, pc, on_symbol, on_error, &l);
    end_turn(mine);
    if (!l.is_found)
        dl_iterate_phdr(on_module, &l);
    return l.is_found;
}

bool
bl__is_machinery(const char *name)
{
    /* the last: what clang makes of a thunk */
    return strncmp(name, "bl_", 3) == 0 || strncmp(name, "_Unwind_", 8) == 0 ||
           (strncmp(name, "__", 2) == 0 && strstr(name, "_block_invoke"));
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
    struct bl__symbol symbol;

    (void)pc;
    if (!line.function && bl__symbol_at(l->pc, &symbol))
        line.function = symbol.name;
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
