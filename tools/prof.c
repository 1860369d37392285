/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* prof.c - belay prof: which report of which profile. */
#include "pprof_read.h"
#include "report.h"

#include <string.h>

static const char *sample, *focus, *ignore, *base, *unit = "minimum";
static int limit, seconds;
static bool by_cum, all, normalize;

static const struct option options[] = {
    {"sample", OPTION_TEXT, &sample, "NAME", "the sample type (its name or number)"},
    {"n", OPTION_NUMBER, &limit, "N", "the first N functions only"},
    {"cum", OPTION_FLAG, &by_cum, NULL, "sort by cum, not by flat"},
    {"all", OPTION_FLAG, &all, NULL, "also functions below 0.5%"},
    {"focus", OPTION_TEXT, &focus, "REGEX", "only samples with such a frame"},
    {"ignore", OPTION_TEXT, &ignore, "REGEX", "no samples with such a frame"},
    {"base", OPTION_TEXT, &base, "FILE", "subtract this profile"},
    {"normalize", OPTION_FLAG, &normalize, NULL, "scale to the total of the base first"},
    {"unit", OPTION_TEXT, &unit, "UNIT", "ns, ms, s, B, kB, MB, ..., or auto"},
    {"seconds", OPTION_NUMBER, &seconds, "N", "ask the server for N seconds' worth"},
    {0},
};

enum kind { TOP, PEEK, TRACES, TAGS, RAW, DIFF };

/* What is asked for: the words in front of the profile's name. */
struct request {
    enum kind kind;
    const char *expression, *base, *name;
};

static bool
understand(struct request *q, int n, char **operand)
{
    static const struct {
        const char *word;
        enum kind kind;
        int operands; /* with the word */
    } words[] = {
        {"top", TOP, 2}, {"peek", PEEK, 3}, {"traces", TRACES, 2},
        {"tags", TAGS, 2}, {"raw", RAW, 2}, {"diff", DIFF, 3},
    };

    for (size_t i = 0; n > 1 && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(operand[0], words[i].word) == 0 && n == words[i].operands) {
            q->kind = words[i].kind;
            q->expression = operand[1];
            q->base = q->kind == DIFF ? operand[1] : NULL;
            q->name = operand[n - 1];
            return true;
        }
    q->kind = TOP;
    q->name = operand[0];
    return n == 1;
}

/* -base subtracts, so that of a growing profile the growth is left; diff also takes
 * the percentages of the base. */
static bool
subtract(struct pprof *p, const char *name, bool mark)
{
    struct pprof old = *p, other;
    bool done;

    if (!pprof_open(&other, name, 0)) {
        pprof_free(p);
        return false;
    }
    if (normalize)
        pprof_normalize(&old, &other);
    done = pprof_merge(p, &old, &other, -1, mark);
    if (!done) {
        pprof_free(&old);
        pprof_free(&other);
    }
    return done;
}

static bool
print_report(struct pprof *p, const struct request *q)
{
    struct report r = {.p = p, .unit = unit, .focus = focus, .ignore = ignore};

    r.limits = (struct graph_limits){all ? 0 : 0.005, all ? 0 : 0.001, limit, by_cum};
    r.type = pprof_type_named(p, sample);
    if (r.type == PPROF_NONE)
        return false;
    r.total = report_total(p, r.type); /* before samples are left out */
    if (!pprof_filter(p, focus, ignore))
        return false;
    switch (q->kind) {
    case PEEK:
        return report_peek(&r, q->expression);
    case TRACES:
        report_traces(&r);
        return true;
    case TAGS:
        report_tags(&r);
        return true;
    case RAW:
        report_raw(p);
        return true;
    default:
        report_top(&r);
        return true;
    }
}

static int
run(int operands, char **operand)
{
    struct request q = {0};
    struct pprof p;
    bool done;

    if (operands < 1 || !understand(&q, operands, operand))
        return tool_misused("which report of which profile?");
    if (q.base && base)
        return tool_misused("diff has its base; -base is one more");
    if (seconds > 0)
        fetch_timeout_seconds += seconds;
    if (!pprof_open(&p, q.name, seconds))
        return EXIT_FAILED;
    if ((q.base || base) && !subtract(&p, q.base ? q.base : base, q.base))
        return EXIT_FAILED;
    done = pprof_prune(&p) && print_report(&p, &q);
    pprof_free(&p);
    return tool_finish() == EXIT_OK && done ? EXIT_OK : EXIT_FAILED;
}

const struct command command_prof = {
    .name = "prof",
    .summary = "a profile as text: functions, callers, stacks, labels; differences",
    .usage = "prof [top] PROFILE\n"
             "prof peek REGEX PROFILE\n"
             "prof traces|tags|raw PROFILE\n"
             "prof diff BASE PROFILE",
    .details =
        "PROFILE is a file in pprof's format (gzip or not), - for stdin, or the URL of a\n"
        "server: http://HOST:PORT/debug/pprof/heap; without a path it is the CPU's\n"
        "profile.  unix:/path/to/socket:/debug/pprof/heap asks behind a Unix socket.\n"
        "\n"
        "  top     functions by what they took themselves (flat) and with what they\n"
        "          called (cum); sum% adds up flat%\n"
        "  peek    the callers and callees of some functions\n"
        "  traces  every stack\n"
        "  tags    values by label\n"
        "  raw     all there is in the file\n"
        "  diff    top of PROFILE less BASE, in percent of BASE\n"
        "\n"
        "Numbers and layout are those of go tool pprof.  REGEX is a POSIX extended one.\n",
    .options = options,
    .run = run,
};
