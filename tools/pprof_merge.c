/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* pprof_merge.c - one profile out of two, to compare them.
 *
 * The same code has other ids in another profile, and with address randomisation other
 * addresses.  So things are the same when what they say is: a key is written out for
 * each mapping, function, location and sample, and a table numbers the keys. */
#include "pprof_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct merger {
    struct pprof *into;
    struct table mappings, functions, locations, samples;
    struct bytes key;              /* of what is being looked up */
    uint32_t *mapping_of, *function_of, *location_of; /* of a source's indices */
};

static void
put_text(struct bytes *key, const char *text)
{
    bytes_add(key, text, strlen(text) + 1);
}

static void
put_number(struct bytes *key, uint64_t n)
{
    bytes_add(key, &n, sizeof n);
}

/* True: it is new, and is the last of the table. */
static bool
number_key(struct merger *m, struct table *t, uint32_t *number)
{
    uint32_t before = t->count;

    *number = table_add(t, m->key.data, m->key.size);
    m->key.size = 0;
    return t->count > before;
}

static void
merge_mapping(struct merger *m, const struct pprof_mapping *from, uint32_t *number)
{
    struct pprof *p = m->into;

    put_text(&m->key, *from->build_id ? from->build_id : from->file);
    put_number(&m->key, from->offset);
    put_number(&m->key, (from->limit - from->start + 0xfff) & ~(uint64_t)0xfff);
    if (!number_key(m, &m->mappings, number))
        return;
    p->mappings[*number] = *from;
    p->mappings[*number].id = *number + 1;
    p->nmappings++;
}

static void
merge_function(struct merger *m, const struct pprof_function *from, uint32_t *number)
{
    struct pprof *p = m->into;

    put_text(&m->key, from->name);
    put_text(&m->key, from->system_name);
    put_text(&m->key, from->file);
    put_number(&m->key, (uint64_t)from->start_line);
    if (!number_key(m, &m->functions, number))
        return;
    p->functions[*number] = *from;
    p->functions[*number].id = *number + 1;
    p->nfunctions++;
}

static void
merge_location(struct merger *m, const struct pprof *src,
               const struct pprof_location *from, uint32_t *number)
{
    struct pprof *p = m->into;
    bool mapped = from->mapping != PPROF_NONE;
    uint32_t mapping = mapped ? m->mapping_of[from->mapping] : PPROF_NONE;
    uint64_t start = mapped ? src->mappings[from->mapping].start : 0;
    struct pprof_location *l;
    struct pprof_line *lines = arena_array(&p->arena, from->nlines, sizeof *lines);

    put_number(&m->key, mapping);
    put_number(&m->key, from->address - start);
    put_number(&m->key, from->is_folded);
    for (uint32_t i = 0; i < from->nlines; i++) {
        lines[i] = from->lines[i];
        if (lines[i].function != PPROF_NONE)
            lines[i].function = m->function_of[lines[i].function];
        put_number(&m->key, lines[i].function);
        put_number(&m->key, (uint64_t)lines[i].line);
        put_number(&m->key, (uint64_t)lines[i].column);
    }
    if (!number_key(m, &m->locations, number))
        return;
    l = &p->locations[p->nlocations++];
    *l = *from;
    l->id = p->nlocations;
    l->mapping = mapping;
    l->lines = lines;
    if (mapped)
        l->address += p->mappings[mapping].start - start;
}

static int
compare_labels(const void *a, const void *b)
{
    const struct pprof_label *x = a, *y = b;
    int by_key = strcmp(x->key, y->key);

    if (by_key)
        return by_key;
    if (x->text && y->text)
        return strcmp(x->text, y->text);
    if (!x->text && !y->text)
        return x->number < y->number ? -1 : x->number > y->number;
    return x->text ? -1 : 1;
}

static void
put_labels(struct merger *m, const struct pprof_sample *s)
{
    struct pprof_label *sorted = memory_get(s->nlabels * sizeof *sorted);

    if (s->nlabels > 0)
        memcpy(sorted, s->labels, s->nlabels * sizeof *sorted);
    qsort(sorted, s->nlabels, sizeof *sorted, compare_labels);
    for (uint32_t i = 0; i < s->nlabels; i++) {
        put_text(&m->key, sorted[i].key);
        put_text(&m->key, sorted[i].text ? sorted[i].text : "");
        put_number(&m->key, (uint64_t)sorted[i].number);
        put_text(&m->key, sorted[i].unit);
    }
    free(sorted);
}

static bool
is_zero(const struct pprof_sample *s, uint32_t ntypes)
{
    for (uint32_t i = 0; i < ntypes; i++)
        if (s->values[i] != 0)
            return false;
    return true;
}

static void
merge_sample(struct merger *m, const struct pprof_sample *from, int sign, bool mark)
{
    struct pprof *p = m->into;
    struct pprof_sample *s;
    uint32_t number;

    if (is_zero(from, p->ntypes))
        return;
    put_number(&m->key, from->nlocations);
    for (uint32_t i = 0; i < from->nlocations; i++)
        put_number(&m->key, m->location_of[from->locations[i]]);
    put_number(&m->key, mark);
    put_labels(m, from);
    if (number_key(m, &m->samples, &number)) {
        s = &p->samples[p->nsamples++];
        *s = *from;
        s->is_base = mark;
        s->values = arena_array(&p->arena, p->ntypes, sizeof *s->values);
        s->locations = arena_array(&p->arena, s->nlocations, sizeof *s->locations);
        for (uint32_t i = 0; i < s->nlocations; i++)
            s->locations[i] = m->location_of[from->locations[i]];
    }
    s = &p->samples[number];
    for (uint32_t i = 0; i < p->ntypes; i++)
        s->values[i] = pprof_add(s->values[i], sign < 0
                                     ? (int64_t)(0 - (uint64_t)from->values[i])
                                     : from->values[i]);
}

static void
merge_one(struct merger *m, const struct pprof *src, int sign, bool mark)
{
    m->mapping_of = memory_get(src->nmappings * sizeof *m->mapping_of);
    m->function_of = memory_get(src->nfunctions * sizeof *m->function_of);
    m->location_of = memory_get(src->nlocations * sizeof *m->location_of);
    for (uint32_t i = 0; i < src->nmappings; i++)
        merge_mapping(m, &src->mappings[i], &m->mapping_of[i]);
    for (uint32_t i = 0; i < src->nfunctions; i++)
        merge_function(m, &src->functions[i], &m->function_of[i]);
    for (uint32_t i = 0; i < src->nlocations; i++)
        merge_location(m, src, &src->locations[i], &m->location_of[i]);
    for (uint32_t i = 0; i < src->nsamples; i++)
        merge_sample(m, &src->samples[i], sign, mark);
    free(m->mapping_of);
    free(m->function_of);
    free(m->location_of);
}

/* --- heads -------------------------------------------------------------------------- */

static bool
have_same_types(const struct pprof *a, const struct pprof *b)
{
    if (a->ntypes != b->ntypes)
        return false;
    for (uint32_t i = 0; i < a->ntypes; i++)
        if (strcmp(a->types[i].type, b->types[i].type) != 0 ||
            strcmp(a->types[i].unit, b->types[i].unit) != 0)
            return false;
    return true;
}

static void
merge_heads(struct pprof *p, const struct pprof *a, const struct pprof *b)
{
    struct arena none = {0};

    *p = *a;
    p->arena = none;
    p->samples = arena_array(&p->arena, (size_t)a->nsamples + b->nsamples,
                             sizeof *p->samples);
    p->mappings = arena_array(&p->arena, (size_t)a->nmappings + b->nmappings,
                              sizeof *p->mappings);
    p->locations = arena_array(&p->arena, (size_t)a->nlocations + b->nlocations,
                               sizeof *p->locations);
    p->functions = arena_array(&p->arena, (size_t)a->nfunctions + b->nfunctions,
                               sizeof *p->functions);
    p->nsamples = p->nmappings = p->nlocations = p->nfunctions = 0;
    p->duration_ns = pprof_add(a->duration_ns, b->duration_ns);
    if (a->time_ns == 0 || (b->time_ns != 0 && b->time_ns < a->time_ns))
        p->time_ns = b->time_ns;
    if (b->period > a->period)
        p->period = b->period;
}

/* What has cancelled out says nothing. */
static void
drop_zeros(struct pprof *p)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->nsamples; i++)
        if (!is_zero(&p->samples[i], p->ntypes))
            p->samples[kept++] = p->samples[i];
    p->nsamples = kept;
}

bool
pprof_merge(struct pprof *into, struct pprof *a, struct pprof *b, int sign,
            bool mark_base)
{
    struct merger m = {.into = into};

    if (!have_same_types(a, b)) {
        tool_error("the two profiles don't have the same sample types");
        return false;
    }
    merge_heads(into, a, b);
    merge_one(&m, a, 1, false);
    merge_one(&m, b, sign, mark_base);
    drop_zeros(into);
    arena_take(&into->arena, &a->arena);
    arena_take(&into->arena, &b->arena);
    table_free(&m.mappings);
    table_free(&m.functions);
    table_free(&m.locations);
    table_free(&m.samples);
    bytes_free(&m.key);
    return true;
}

static int64_t
sum_of(const struct pprof *p, uint32_t type)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < p->nsamples; i++)
        sum = pprof_add(sum, p->samples[i].values[type]);
    return sum;
}

static int64_t
to_integer(double v)
{
    return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : (int64_t)round(v);
}

void
pprof_normalize(struct pprof *b, const struct pprof *a)
{
    for (uint32_t type = 0; type < b->ntypes && type < a->ntypes; type++) {
        int64_t sum = sum_of(b, type);
        double ratio = sum == 0 ? 0 : (double)sum_of(a, type) / (double)sum;

        for (uint32_t i = 0; i < b->nsamples; i++)
            b->samples[i].values[type] =
                to_integer((double)b->samples[i].values[type] * ratio);
    }
}
