/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/plugin_host.c - loads the shared objects it is given in turn,
 * lets each panic, and unloads it (P1, R18, R32).  Their code tends to come to the
 * same addresses, so what is remembered of a frame must not outlive its object. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "in.h"

#include <dlfcn.h>
#include <stdint.h>

struct plugin {
    void *handle;
    int (*recovers)(int);
    void (*panics)(int, void (*)(int));
};

static uintptr_t seen[64];
static int reused;

static void
note_address(uintptr_t p)
{
    for (int i = 0; i < 64; i++) {
        if (seen[i] == p)
            reused++;
        if (seen[i] == p || !seen[i]) {
            seen[i] = p;
            return;
        }
    }
}

static void
load(struct plugin *p, const char *path)
{
    void *symbol;

    p->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->handle)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(p->handle);
    CHECK(symbol = dlsym(p->handle, "plugin_recovers"));
    memcpy(&p->recovers, &symbol, sizeof symbol);
    note_address((uintptr_t)symbol & ~(uintptr_t)4095);
    CHECK(symbol = dlsym(p->handle, "plugin_panics"));
    memcpy(&p->panics, &symbol, sizeof symbol);
}

static void
keep(int *to)
{
    const bl_panic_info *p = recover();

    *to = p ? (int)p->value.as.integer : -1;
}

static int
recovers_here(const struct plugin *p, int n)
{
    returns (int, r) {
        defer_call(keep, &r);
        p->panics(n, NOTE_INT);
    }
}

static void
use(const char *path, int shape, int n)
{
    static const char *const traces[] = {"100 0", "101 1", "200 102 2"};
    struct plugin p;

    load(&p, path);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(p.recovers(n), n * 10 + shape);
        CHECK_EQ(recovers_here(&p, n), n * 10 + shape);
        CHECK_TRACE(traces[shape]);
    }
    CHECK_EQ(dlclose(p.handle), 0);
}

int
main(int argc, char **argv)
{
    CHECK_EQ(argc, 4);
    for (int n = 0; n < 60; n++) {
        int shape = (n ^ n / 7) % 3;

        use(argv[shape + 1], shape, n);
    }
    if (!reused)
        fprintf(stderr, "note: no address was used twice\n");
    return 0;
}
