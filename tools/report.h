/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* report.h - profiles as text. */
#ifndef BELAY_REPORT_H
#define BELAY_REPORT_H

#include "graph.h"

struct report {
    const struct pprof *p;
    uint32_t type;
    int64_t total;        /* percentages are of it; of all samples, before filters */
    const char *unit;     /* what values are printed in: "minimum" chooses one */
    const char *focus, *ignore;
    struct graph_limits limits;
};

/* The sum of the values' amounts, or of those of a base where there is one. */
int64_t report_total(const struct pprof *p, uint32_t type);

void report_top(struct report *r);
bool report_peek(struct report *r, const char *expression);
void report_traces(const struct report *r);
void report_tags(const struct report *r);
void report_raw(const struct pprof *p);

#endif
