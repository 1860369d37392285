/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/pprof.c - the library's start, and the list of profiles. */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct bl__core *bl__core;

static void
put_goroutines(struct bl__buf *out)
{
    bl__goroutines_text(out, NULL);
}

static const struct bl__source sources[] = {
    {"allocs", bl__collect_allocs, "A sampling of all past memory allocations", NULL, NULL},
    {"block", bl__collect_block, "Where goroutines wait (bl_set_block_profile_rate())", NULL,
     NULL},
    {"defer", bl__collect_defer,
     "Deferred calls that are pending, by the place that registered them", NULL, NULL},
    {"goroutine", bl__collect_goroutine,
     "Stack traces of all current goroutines. Use debug=2 for every single one", NULL,
     put_goroutines},
    {"goroutineleak", bl__collect_leaks,
     "Stack traces of goroutines that nothing will ever wake: looks at all memory. The count "
     "is the last result", bl__leaks_count, bl__leaks_text},
    {"heap", bl__collect_heap, "A sampling of memory allocations of live objects", NULL,
     NULL},
    {"mutex", bl__collect_mutex,
     "Who holds mutexes that others wait for (bl_set_mutex_profile_fraction())", NULL, NULL},
    {"panic", bl__collect_panic, "Panics raised and recovered, by place", NULL, NULL},
    {"threadcreate", bl__collect_threadcreate, "Threads that run goroutines", NULL, NULL},
};

enum { NSOURCES = sizeof sources / sizeof sources[0] };

const struct bl__source *
bl__source_at(unsigned i)
{
    return i < NSOURCES ? &sources[i] : NULL;
}

const struct bl__source *
bl__source_find(const char *name)
{
    for (unsigned i = 0; i < NSOURCES; i++)
        if (strcmp(sources[i].name, name) == 0)
            return &sources[i];
    return NULL;
}

/* --- to a file ----------------------------------------------------------- */

int
bl__write_all(int fd, const struct bl__buf *b)
{
    size_t at = 0;

    if (b->failed)
        return -ENOMEM;
    while (at < b->n) {
        ssize_t n = write(fd, b->data + at, b->n - at);

        if (n < 0 && errno != EINTR)
            return -errno;
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int
bl_pprof_write(const char *name, int fd, int debug)
{
    const struct bl__source *source = bl__source_find(name);
    bl_profile *custom = source ? NULL : bl_profile_find(name);
    struct bl__buf out = {0};
    struct bl__profile p;
    int error;

    if (!source && !custom)
        return -ENOENT;
    if (debug >= 2 && source && source->put_all) {
        source->put_all(&out);
    } else {
        if (source)
            source->collect(&p);
        else
            bl__custom_collect(custom, &p);
        (debug ? bl__profile_text : bl__profile_encode)(&p, &out);
        bl__profile_free(&p);
    }
    error = bl__write_all(fd, &out);
    bl__buf_free(&out);
    return error;
}

/* --- fork ---------------------------------------------------------------- */

static void
before_fork(void)
{
    bl__servers_before_fork();
    bl__customs_before_fork();
    bl__loader_begin();
}

static void
after_fork(void)
{
    bl__loader_end();
    bl__customs_after_fork();
    bl__servers_after_fork();
}

static void
in_child(void)
{
    bl__loader_end();
    bl__customs_after_fork();
    bl__servers_in_child();
    bl__stop_in_child();
    bl__leaks_in_child();
    bl__sites_in_child();
    bl__labels_in_child();
    bl__ages_in_child();
    bl__cpu_in_child();
    bl__sched_in_child();
}

/* --- the start ----------------------------------------------------------- */

void
bl__pprof_here(void)
{
}

/* Whether the module needs libbelay, and is not this library. */
static int
needs_belay(struct dl_phdr_info *info, size_t size, void *arg)
{
    const ElfW(Dyn) *dynamic = NULL;
    const char *strings = NULL;
    bool is_own = false;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)start;
        is_own = is_own || (ph->p_type == PT_LOAD &&
                            (uintptr_t)sources - start < ph->p_memsz);
    }
    if (is_own) /* if it is the program it is static, and was linked on purpose */
        return *(int *)arg == 0;
    ++*(int *)arg;
    for (const ElfW(Dyn) *d = dynamic; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_STRTAB)
            strings = (const char *)d->d_un.d_ptr;
    if ((uintptr_t)strings < info->dlpi_addr) /* the kernel's own: not relocated */
        return 0;
    for (const ElfW(Dyn) *d = dynamic; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_NEEDED &&
            strncmp(strings + d->d_un.d_val, "libbelay.so", 11) == 0)
            return 1;
    return 0;
}

/* Where the library was preloaded it is in the shell, too, that starts the program. */
static bool
is_wanted(void)
{
    int modules = 0;

    return dl_iterate_phdr(needs_belay, &modules) != 0;
}

/* What can't be served is said, and the program goes on: a child may have inherited the
 * variable, and the port is its parent's. */
static void
serve_from_environment(const char *address)
{
    int port = bl_pprof_serve(address);
    size_t n = strlen(address);

    if (port < 0)
        fprintf(stderr, "belay: BELAYDEBUG: pprof=%s: %s\n", address,
                port == -EACCES ? "not a loopback address (bl_pprof_serve_with() could)"
                                : strerror(-port));
    else if (n >= 2 && strcmp(address + n - 2, ":0") == 0)
        fprintf(stderr, "belay: profiles at http://%.*s:%d/debug/pprof/\n", (int)n - 2,
                address, port);
}

__attribute__((constructor(103))) static void
start(void)
{
    static const char text[] = "belay: libbelay-pprof and libbelay are of different "
                               "releases\n";

    bl__core = bl__read_core();
    if (strcmp(bl__core->version, BL_VERSION) != 0 ||
        bl__core->g_size != sizeof(struct bl__g) ||
        bl__core->sched_size != sizeof(struct bl__sched)) {
        (void)!write(2, text, sizeof text - 1);
        _exit(2);
    }
    bl__heap_init();
    pthread_atfork(before_fork, after_fork, in_child);
    bl__labels_start();
    if (bl__core->pprof_address[0] && is_wanted())
        serve_from_environment(bl__core->pprof_address);
}
