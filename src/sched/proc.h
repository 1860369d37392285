/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/proc.h - what proc.c, find.c, thread.c and start.c share. */
#ifndef BELAY_SCHED_PROC_H
#define BELAY_SCHED_PROC_H

#include "sched/sched.h"

enum {
    BL__FAIRNESS = 61,             /* every so often the queue for all comes first */
    BL__G0_STACK = 256 * 1024,
};

extern struct bl__m bl__first_m; /* main's thread's */

/* --- proc.c --------------------------------------------------------------------- */

/* m->attention stays set: every way in may yield. */
bool bl__yields_often(void);
/* On g0: runs what there is.  Returns when the thread is to end. */
void bl__run_goroutines(struct bl__m *m);

/* --- find.c --------------------------------------------------------------------- */

/* Blocks until there is something to run, and a P to run it with. */
struct bl__g *bl__find_work(struct bl__m *m);
/* Wakes whom the poller has something for; returns whether there was anybody. */
bool bl__poll_for(struct bl__m *m, int64_t until);
/* m has found work: perhaps there is more, for others. */
void bl__stop_spinning(struct bl__m *m);

/* --- thread.c ------------------------------------------------------------------- */

void bl__init_m(struct bl__m *m);
/* sched.lock held, or nobody else knows m. */
void bl__own_p(struct bl__m *m, struct bl__p *p);
void bl__wake_m(struct bl__m *m);
/* Sleeps until it is given a P or has taken one for a timer. */
void bl__wait_for_work(struct bl__m *m);
/* m, which has no P, sleeps until it has one. */
void bl__stop_m(struct bl__m *m);
/* Counts how often in a row nobody but m has looked at the poller. */
void bl__note_look(struct bl__m *m);

#endif
