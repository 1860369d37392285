/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/held.c - BELAYDEBUG=locks: goroutines that park with a pthread mutex locked.
 *
 * Such a goroutine may go on on another thread, which then unlocks what it has not
 * locked; and another goroutine of the first thread that wants the mutex blocks the
 * thread, perhaps the only one on which the owner could go on. */
#include "locks/held.h"
#include "os/os.h"
#include "sched/sched.h"

#include <stdlib.h>
#include <unistd.h>

enum { SITES = 64 };

/* Whether it is the first time for that place, as far as is remembered. */
static bool
is_new(uintptr_t pc)
{
    static struct bl__lock lock;
    static uintptr_t seen[SITES];
    static unsigned n;
    bool is = true;

    bl__lock(&lock);
    for (unsigned i = 0; i < n && i < SITES; i++)
        is = is && seen[i] != pc;
    if (is)
        seen[n++ % SITES] = pc;
    bl__unlock(&lock);
    return is;
}

static void
put_report(struct bl__text *t, const struct bl__g *g, const struct bl__held *held,
           unsigned n)
{
    struct bl__ctx ctx;

    bl__put(t, "belay: a goroutine parks with a pthread mutex locked (use bl_mutex, or "
               "bl_lock_os_thread())\n");
    for (unsigned i = 0; i < n; i++) {
        bl__put(t, "mutex ");
        bl__put_hex(t, (uintptr_t)held[i].mutex);
        bl__put_frame(t, " locked in ", held[i].pc - 1, "");
    }
    bl__put(t, "\n");
    bl__put_header(t, g);
    bl__here(&ctx);
    bl__put_stack(t, g, &ctx);
    bl__put(t, "\n");
}

void
bl__held_check(const struct bl__g *g)
{
    const struct bl__held *held;
    unsigned n = bl__locks_held(&held);
    char buf[2048];
    struct bl__text t = BL__TEXT_TO(2, buf);

    if (n == 0 || g->locked_m || g->is_system)
        return;
    if (is_new(held[n - 1].pc)) {
        put_report(&t, g, held, n);
        bl__text_flush(&t);
        if (bl__options.locks > 1)
            _exit(2);
    }
    bl__locks_forget();
}

void
bl__held_init(void)
{
    char buf[256];
    struct bl__text t = BL__TEXT_TO(2, buf);

    if (!bl__options.locks)
        return;
    if (bl__locks_held) {
        bl__sched.special = true; /* no parking without a look */
        return;
    }
    bl__put(&t, "belay: BELAYDEBUG: locks=1 needs libbelay-locks: run the program with "
                "LD_PRELOAD=libbelay-locks.so\n");
    bl__text_flush(&t);
    _exit(2);
}
