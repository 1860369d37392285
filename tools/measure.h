/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* measure.h - values with units, written as go tool pprof writes them. */
#ifndef BELAY_MEASURE_H
#define BELAY_MEASURE_H

#include <stdint.h>

struct measure {
    char text[48];
};

/* The value, converted; *unit is "" where none need be written. */
double measure_scale(int64_t value, const char *from, const char *to, const char **unit);

/* "1.50MB".  `to` may be "minimum" or "auto": what suits the value. */
struct measure measure_text(int64_t value, const char *from, const char *to);

/* "45.45%", six characters wide or more. */
struct measure measure_percent(int64_t value, int64_t total);

#endif
