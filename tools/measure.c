/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* measure.c - bytes, times and counts. */
#include "measure.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    const char *aliases[4];
    double factor;
};

struct family {
    const struct unit *units;
    int nunits;
    const char *common; /* where nothing else fits */
    double common_factor;
};

static const struct unit sizes[] = {
    {"B", {"b", "byte"}, 1},
    {"kB", {"kb", "kbyte", "kilobyte"}, 1024.0},
    {"MB", {"mb", "mbyte", "megabyte"}, 1048576.0},
    {"GB", {"gb", "gbyte", "gigabyte"}, 1073741824.0},
    {"TB", {"tb", "tbyte", "terabyte"}, 1099511627776.0},
    {"PB", {"pb", "pbyte", "petabyte"}, 1125899906842624.0},
};

static const struct unit times[] = {
    {"ns", {"ns", "nanosecond"}, 1},
    {"us", {"μs", "us", "microsecond"}, 1e3},
    {"ms", {"ms", "millisecond"}, 1e6},
    {"s", {"s", "sec", "second"}, 1e9},
    {"hrs", {"hour", "hr"}, 3600e9},
};

static const struct family families[] = {
    {sizes, sizeof sizes / sizeof sizes[0], "B", 1},
    {times, sizeof times / sizeof times[0], "s", 1e9},
};
enum { NFAMILIES = sizeof families / sizeof families[0] };

/* "Nanoseconds" is "nanosecond"; "s" is not the plural of nothing. */
static bool
is_alias(const char *alias, const char *unit)
{
    size_t n = strlen(unit);

    if (n > 2 && (unit[n - 1] == 's' || unit[n - 1] == 'S'))
        n--;
    return strlen(alias) == n && strncasecmp(alias, unit, n) == 0;
}

static const struct unit *
unit_named(const struct family *f, const char *name)
{
    for (int i = 0; i < f->nunits; i++)
        for (int a = 0; a < 4 && f->units[i].aliases[a]; a++)
            if (is_alias(f->units[i].aliases[a], name))
                return &f->units[i];
    return NULL;
}

static bool
suits_itself(const char *to)
{
    return strcmp(to, "minimum") == 0 || strcmp(to, "auto") == 0;
}

/* The largest unit of which there is at least one. */
static const struct unit *
unit_for(const struct family *f, double base)
{
    const struct unit *best = NULL;

    for (int i = 0; i < f->nunits; i++)
        if (base / f->units[i].factor >= 1)
            best = &f->units[i];
    return best;
}

static double
scale_in(const struct family *f, double base, const char *to, const char **unit)
{
    const struct unit *u = suits_itself(to) ? unit_for(f, base) : unit_named(f, to);

    *unit = u ? u->name : f->common;
    return base / (u ? u->factor : f->common_factor);
}

double
measure_scale(int64_t value, const char *from, const char *to, const char **unit)
{
    static const char *const dull[] = {"count", "sample", "unit", "minimum", "auto"};

    if (value < 0 && value != INT64_MIN)
        return -measure_scale(-value, from, to, unit);
    for (int i = 0; i < NFAMILIES; i++) {
        const struct unit *u = unit_named(&families[i], from);

        if (u)
            return scale_in(&families[i], (double)value * u->factor, to, unit);
    }
    *unit = to;
    for (size_t i = 0; i < sizeof dull / sizeof dull[0]; i++)
        if (strcmp(to, dull[i]) == 0)
            *unit = "";
    return (double)value;
}

struct measure
measure_text(int64_t value, const char *from, const char *to)
{
    struct measure m;
    const char *unit;
    double v = measure_scale(value, from, to, &unit);
    int n = snprintf(m.text, sizeof m.text, "%.2f", v);

    if (n > 3 && strcmp(m.text + n - 3, ".00") == 0)
        m.text[n -= 3] = '\0';
    if (strcmp(m.text, "0") == 0 || strcmp(m.text, "-0") == 0)
        strcpy(m.text, "0");
    else if ((size_t)n < sizeof m.text)
        snprintf(m.text + n, sizeof m.text - (size_t)n, "%s", unit);
    return m;
}

struct measure
measure_percent(int64_t value, int64_t total)
{
    struct measure m;
    double ratio = total ? fabs((double)value / (double)total) * 100 : 0;

    if (ratio >= 99.95 && ratio <= 100.05)
        strcpy(m.text, "  100%");
    else
        snprintf(m.text, sizeof m.text, ratio >= 1 ? "%5.2f%%" : "%5.2g%%", ratio);
    return m;
}
