/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* pprof_view.c - which part of a profile is looked at: the type, the samples, the
 * frames; and what frames are called.  The rules are those of go tool pprof. */
#define _GNU_SOURCE
#include "pprof_read.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
type_index(const struct pprof *p, const char *name)
{
    for (uint32_t i = 0; i < p->ntypes; i++)
        if (strcmp(p->types[i].type, name) == 0)
            return i;
    return PPROF_NONE;
}

static void
complain_of_type(const struct pprof *p, const char *name)
{
    struct bytes all = {0};

    for (uint32_t i = 0; i < p->ntypes; i++)
        bytes_print(&all, " %s", p->types[i].type);
    tool_error("there is no sample type %s; there are:%s", name, all.data);
    bytes_free(&all);
}

uint32_t
pprof_type_named(const struct pprof *p, const char *name)
{
    uint32_t i;
    char *end;
    unsigned long n;

    if (!name) {
        i = *p->default_type ? type_index(p, p->default_type) : PPROF_NONE;
        return i != PPROF_NONE ? i : p->ntypes - 1;
    }
    i = type_index(p, name);
    if (i != PPROF_NONE)
        return i;
    n = strtoul(name, &end, 10);
    if (end != name && *end == '\0' && n < p->ntypes)
        return (uint32_t)n;
    complain_of_type(p, name);
    return PPROF_NONE;
}

/* --- names ------------------------------------------------------------------------ */

const char *
pprof_frame_name(const struct pprof *p, const struct pprof_location *l, uint32_t line,
                 char *scratch, size_t size)
{
    uint32_t f = line < l->nlines ? l->lines[line].function : PPROF_NONE;
    const char *file, *slash;

    if (f != PPROF_NONE && *p->functions[f].name)
        return p->functions[f].name;
    file = l->mapping != PPROF_NONE ? p->mappings[l->mapping].file : "";
    if (!*file)
        return "<unknown>";
    slash = strrchr(file, '/');
    snprintf(scratch, size, "[%s]", slash ? slash + 1 : file);
    return scratch;
}

/* --- samples ------------------------------------------------------------------------ */

static bool
compile(regex_t *into, const char *what, const char *expression, bool whole)
{
    struct bytes text = {0};
    char why[128];
    int wrong;

    bytes_print(&text, whole ? "^(%s)$" : "%s", expression);
    wrong = regcomp(into, text.data, REG_EXTENDED | REG_NOSUB);
    bytes_free(&text);
    if (wrong) {
        regerror(wrong, into, why, sizeof why);
        tool_error("%s: '%s': %s", what, expression, why);
    }
    return !wrong;
}

static bool
matches(const regex_t *re, const char *text)
{
    return regexec(re, text, 0, NULL, 0) == 0;
}

static bool
location_matches(const struct pprof *p, const struct pprof_location *l,
                 const regex_t *re)
{
    for (uint32_t i = 0; i < l->nlines; i++) {
        uint32_t f = l->lines[i].function;

        if (f != PPROF_NONE && (matches(re, p->functions[f].name) ||
                                matches(re, p->functions[f].file)))
            return true;
    }
    return l->mapping != PPROF_NONE && matches(re, p->mappings[l->mapping].file);
}

enum verdict { INDIFFERENT, WANTED, UNWANTED };

static uint8_t *
judge_locations(const struct pprof *p, const regex_t *focus, const regex_t *ignore)
{
    uint8_t *verdicts = memory_get(p->nlocations);

    for (uint32_t i = 0; i < p->nlocations; i++) {
        const struct pprof_location *l = &p->locations[i];

        if (ignore && location_matches(p, l, ignore))
            verdicts[i] = UNWANTED;
        else if (!focus || location_matches(p, l, focus))
            verdicts[i] = WANTED;
    }
    return verdicts;
}

static bool
is_kept(const struct pprof_sample *s, const uint8_t *verdicts)
{
    bool wanted = false;

    for (uint32_t i = 0; i < s->nlocations; i++) {
        if (verdicts[s->locations[i]] == UNWANTED)
            return false;
        wanted |= verdicts[s->locations[i]] == WANTED;
    }
    return wanted;
}

static void
keep_samples(struct pprof *p, const regex_t *focus, const regex_t *ignore)
{
    uint8_t *verdicts = judge_locations(p, focus, ignore);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->nsamples; i++)
        if (is_kept(&p->samples[i], verdicts))
            p->samples[kept++] = p->samples[i];
    free(verdicts);
    if (kept == 0 && p->nsamples > 0)
        tool_error("no sample is left by -focus and -ignore");
    p->nsamples = kept;
}

bool
pprof_filter(struct pprof *p, const char *focus, const char *ignore)
{
    regex_t focus_re, ignore_re;

    if (!focus && !ignore)
        return true;
    if (focus && !compile(&focus_re, "-focus", focus, false))
        return false;
    if (ignore && !compile(&ignore_re, "-ignore", ignore, false)) {
        if (focus)
            regfree(&focus_re);
        return false;
    }
    keep_samples(p, focus ? &focus_re : NULL, ignore ? &ignore_re : NULL);
    if (focus)
        regfree(&focus_re);
    if (ignore)
        regfree(&ignore_re);
    return true;
}

/* --- frames that the profile wants dropped ---------------------------------------- */

struct prune {
    struct pprof *p;
    regex_t drop, keep;
    bool has_keep;
    uint8_t *how; /* of each location */
};
enum { PRUNE_NOT, PRUNE_FROM, PRUNE_ALL };

/* The name without its arguments: "f(int)" is f. */
static bool
is_dropped(const struct prune *r, const char *name)
{
    size_t n = strcspn(name, "(");
    char *plain = strndup(name, n);
    bool drop = plain && n > 0 && matches(&r->drop, plain) &&
                !(r->has_keep && matches(&r->keep, plain));

    free(plain);
    return drop;
}

static void
prune_location(struct prune *r, uint32_t index)
{
    struct pprof_location *l = &r->p->locations[index];

    for (uint32_t i = l->nlines; i-- > 0;) {
        uint32_t f = l->lines[i].function;

        if (f == PPROF_NONE || !is_dropped(r, r->p->functions[f].name))
            continue;
        r->how[index] = i == l->nlines - 1 ? PRUNE_ALL : PRUNE_FROM;
        if (i < l->nlines - 1) {
            l->lines += i + 1;
            l->nlines -= i + 1;
        }
        return;
    }
}

/* What the outermost match called goes; frames outside the program's own stay. */
static void
prune_sample(const struct prune *r, struct pprof_sample *s)
{
    bool found_users = false;

    for (uint32_t i = s->nlocations; i-- > 0;) {
        uint8_t how = r->how[s->locations[i]];
        uint32_t gone = how == PRUNE_ALL ? i + 1 : i;

        if (how == PRUNE_NOT) {
            found_users = true;
        } else if (found_users) {
            s->locations += gone;
            s->nlocations -= gone;
            return;
        }
    }
}

bool
pprof_prune(struct pprof *p)
{
    struct prune r = {.p = p, .has_keep = *p->keep_frames};

    if (!*p->drop_frames)
        return true;
    if (!compile(&r.drop, "drop_frames", p->drop_frames, true))
        return false;
    if (r.has_keep && !compile(&r.keep, "keep_frames", p->keep_frames, true)) {
        regfree(&r.drop);
        return false;
    }
    r.how = memory_get(p->nlocations);
    for (uint32_t i = 0; i < p->nlocations; i++)
        prune_location(&r, i);
    for (uint32_t i = 0; i < p->nsamples; i++)
        prune_sample(&r, &p->samples[i]);
    free(r.how);
    regfree(&r.drop);
    if (r.has_keep)
        regfree(&r.keep);
    return true;
}
