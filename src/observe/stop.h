/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/stop.h - what stop.c and snapshot.c share: threads that stand still. */
#ifndef BELAY_OBSERVE_STOP_H
#define BELAY_OBSERVE_STOP_H

#include "observe/observe.h"

enum bl__slot_state { BL__SLOT_ASKED, BL__SLOT_HERE, BL__SLOT_LOST, BL__SLOT_ASLEEP };

/* A thread that runs goroutines, but for the caller's. */
struct bl__slot {
    struct bl__m *m;
    int tid;
    uint32_t moment;             /* in which it is asked */
    _Atomic uint32_t state;      /* enum bl__slot_state: see stop.c */
    bool is_taken;               /* its goroutine has been found */
    bool blocks_signals;         /* may go on behind our back */
    bool on_sigstack;            /* in a handler, of users' */
    uintptr_t sigstack_low, sigstack_high; /* where our handler is */
    struct bl__g *to;            /* it is about to switch there; NULL: it is not */
    struct bl__ctx ctx;
    struct bl__asleep asleep;
};

/* What to call while all stand still, and what has come of it. */
struct bl__stopping {
    void (*f)(void *arg);        /* may neither allocate nor lock */
    void *arg;
    enum bl__spared spared;
    bool keeps_modules;          /* the loader's list is locked meanwhile */
    bool done;                   /* f has been called */
    bool is_whole;               /* and nobody has gone on */
    int64_t stopped_ns;
};

/* Returns is_whole. */
bool bl__stop_run(struct bl__stopping *a);

/* --- what f may ask ------------------------------------------------------------------ */

/* The thread that g is on; NULL: none. */
struct bl__slot *bl__stop_slot_of(const struct bl__g *g);

/* Whether a thread has stopped on its way to g, which is still at rest. */
bool bl__stop_is_next(const struct bl__g *g);

/* Whether somebody may go on behind our back: it has not answered, and has a P. */
bool bl__stop_is_weak(void);

/* Whether somebody has lost patience. */
bool bl__stop_is_lost(void);

#endif
