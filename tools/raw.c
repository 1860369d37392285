/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* raw.c - everything that a profile has, unresolved: for who debugs a profile. */
#include "report.h"

#include "measure.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
print_heads(const struct pprof *p)
{
    for (uint32_t i = 0; i < p->ncomments; i++)
        printf("Comment: %s\n", p->comments[i]);
    if (*p->doc_url)
        printf("Doc: %s\n", p->doc_url);
    if (*p->period_type.type || *p->period_type.unit)
        printf("PeriodType: %s %s\n", p->period_type.type, p->period_type.unit);
    printf("Period: %" PRId64 "\n", p->period);
    if (p->time_ns)
        printf("Time: %" PRId64 " ns\n", p->time_ns);
    if (p->duration_ns)
        printf("Duration: %s\n", measure_text(p->duration_ns, "ns", "auto").text);
    printf("Samples:\n");
    for (uint32_t i = 0; i < p->ntypes; i++)
        printf("%s%s/%s%s", i ? " " : "", p->types[i].type, p->types[i].unit,
               strcmp(p->types[i].type, p->default_type) == 0 ? "[dflt]" : "");
    printf("\n");
}

static int
compare_keys(const void *a, const void *b)
{
    const struct pprof_label *x = a, *y = b;
    int by_key = strcmp(x->key, y->key);

    return by_key ? by_key : x < y ? -1 : 1;
}

/* "key:[a b]" for the labels from l on that have its key; how many these are. */
static uint32_t
print_label(const struct pprof_label *labels, uint32_t l, uint32_t n, bool numbers)
{
    const char *key = labels[l].key;
    uint32_t first = l;
    bool begun = false;

    for (; l < n && strcmp(labels[l].key, key) == 0; l++) {
        if (!labels[l].text != numbers)
            continue;
        if (begun)
            printf(" ");
        else
            printf("%s:[", key);
        begun = true;
        if (labels[l].text)
            printf("%s", labels[l].text);
        else
            printf("%" PRId64 "%s%s", labels[l].number, *labels[l].unit ? " " : "",
                   labels[l].unit);
    }
    if (begun)
        printf("]");
    return l - first;
}

static void
print_labels(const struct pprof_sample *s, bool numbers)
{
    struct pprof_label *sorted = memory_get(s->nlabels * sizeof *sorted);
    uint32_t n = 0;

    for (uint32_t l = 0; l < s->nlabels; l++)
        if (!s->labels[l].text == numbers)
            sorted[n++] = s->labels[l];
    qsort(sorted, n, sizeof *sorted, compare_keys);
    if (n > 0)
        printf("                ");
    for (uint32_t l = 0; l < n;) {
        l += print_label(sorted, l, n, numbers);
        printf("%s", l < n ? " " : "\n");
    }
    free(sorted);
}

static void
print_sample(const struct pprof *p, const struct pprof_sample *s)
{
    for (uint32_t i = 0; i < p->ntypes; i++)
        printf(" %10" PRId64, s->values[i]);
    printf(": ");
    for (uint32_t i = 0; i < s->nlocations; i++)
        printf("%" PRIu64 " ", p->locations[s->locations[i]].id);
    printf("\n");
    print_labels(s, false);
    print_labels(s, true);
}

static void
print_line(const struct pprof *p, const struct pprof_line *line)
{
    const struct pprof_function *f;

    if (line->function == PPROF_NONE) {
        printf("??\n");
        return;
    }
    f = &p->functions[line->function];
    printf("%s %s:%" PRId64 ":%" PRId64 " s=%" PRId64, f->name, f->file, line->line,
           line->column, f->start_line);
    if (strcmp(f->name, f->system_name) != 0)
        printf("(%s)", f->system_name);
    printf("\n");
}

static void
print_location(const struct pprof *p, const struct pprof_location *l)
{
    printf("%6" PRIu64 ": 0x%" PRIx64 " ", l->id, l->address);
    if (l->mapping != PPROF_NONE)
        printf("M=%" PRIu64 " ", p->mappings[l->mapping].id);
    if (l->is_folded)
        printf("[F] ");
    if (l->nlines == 0)
        printf("\n");
    for (uint32_t i = 0; i < l->nlines; i++) {
        if (i > 0)
            printf("             ");
        print_line(p, &l->lines[i]);
    }
}

static void
print_mapping(const struct pprof_mapping *m)
{
    printf("%" PRIu64 ": 0x%" PRIx64 "/0x%" PRIx64 "/0x%" PRIx64 " %s %s %s%s%s%s\n", m->id,
           m->start, m->limit, m->offset, m->file, m->build_id,
           m->has_functions ? "[FN]" : "", m->has_filenames ? "[FL]" : "",
           m->has_line_numbers ? "[LN]" : "", m->has_inline_frames ? "[IN]" : "");
}

void
report_raw(const struct pprof *p)
{
    print_heads(p);
    for (uint32_t i = 0; i < p->nsamples; i++)
        print_sample(p, &p->samples[i]);
    printf("Locations\n");
    for (uint32_t i = 0; i < p->nlocations; i++)
        print_location(p, &p->locations[i]);
    printf("Mappings\n");
    for (uint32_t i = 0; i < p->nmappings; i++)
        print_mapping(&p->mappings[i]);
}
