/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* report.c - top, peek and traces: the texts of go tool pprof, so that who knows those
 * can read these, and so that tests can compare them. */
#define _GNU_SOURCE
#include "report.h"

#include "measure.h"
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t
report_total(const struct pprof *p, uint32_t type)
{
    int64_t total = 0, base = 0;

    for (uint32_t i = 0; i < p->nsamples; i++) {
        int64_t v = pprof_abs(p->samples[i].values[type]);

        total = pprof_add(total, v);
        if (p->samples[i].is_base)
            base = pprof_add(base, v);
    }
    return base > 0 ? base : total;
}

static struct measure
in_units(const struct report *r, int64_t value)
{
    return measure_text(value, r->p->types[r->type].unit, r->unit);
}

/* One unit for the whole report: the smallest value's, unless that is too small beside
 * the total. */
static void
choose_unit(struct report *r, const struct graph *g)
{
    const char *own = r->p->types[r->type].unit, *least_unit, *most_unit, *unit;
    int64_t least = 0;

    if (strcmp(r->unit, "minimum") != 0 || g->nshown == 0)
        return;
    for (uint32_t i = 0; i < g->nshown; i++) {
        const struct graph_node *n = &g->nodes[g->order[i]];
        int64_t v = pprof_abs(n->flat ? n->flat : n->cum);

        if (v > 0 && (least == 0 || v < least))
            least = v;
    }
    if (least == 0)
        least = r->total;
    measure_scale(least, own, "minimum", &least_unit);
    measure_scale(r->total, own, "minimum", &most_unit);
    unit = least_unit;
    if (strcmp(least_unit, most_unit) != 0 && least <= (r->total - 1) / 100)
        measure_scale(least * 100, own, "minimum", &unit);
    r->unit = *unit ? unit : own;
}

/* --- heads -------------------------------------------------------------------------- */

static void
print_time(int64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    char text[64];

    if (ns != 0 && localtime_r(&seconds, &tm) &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &tm) > 0)
        printf("Time: %s\n", text);
}

static void
print_duration(const struct report *r)
{
    const struct pprof *p = r->p;
    const char *unit;
    double ns = measure_scale(r->total, p->types[r->type].unit, "nanoseconds", &unit);

    if (p->duration_ns == 0)
        return;
    printf("Duration: %s, Total samples = %s ",
           measure_text(p->duration_ns, "nanoseconds", "auto").text,
           in_units(r, r->total).text);
    if (strcmp(unit, "ns") == 0 && ns != 0)
        printf("(%s)", measure_percent((int64_t)ns, p->duration_ns).text);
    printf("\n");
}

static void
print_profile(const struct report *r)
{
    const struct pprof *p = r->p;
    const char *slash;

    if (p->nmappings > 0 && *p->mappings[0].file) {
        slash = strrchr(p->mappings[0].file, '/');
        printf("File: %s\n", slash ? slash + 1 : p->mappings[0].file);
    }
    if (p->nmappings > 0 && *p->mappings[0].build_id)
        printf("Build ID: %s\n", p->mappings[0].build_id);
    for (uint32_t i = 0; i < p->ncomments; i++)
        if (p->comments[i][0] != '#')
            printf("%s\n", p->comments[i]);
    if (*p->types[r->type].type)
        printf("Type: %s\n", p->types[r->type].type);
    if (*p->doc_url)
        printf("Doc: %s\n", p->doc_url);
    print_time(p->time_ns);
    print_duration(r);
}

static const char *
without_spaces(const struct measure *m)
{
    return m->text + strspn(m->text, " ");
}

static void
print_head(const struct report *r, const struct graph *g)
{
    int64_t shown = 0;
    struct measure percent;

    print_profile(r);
    if (r->focus || r->ignore)
        printf("Active filters:\n");
    if (r->focus)
        printf("   focus=%s\n", r->focus);
    if (r->ignore)
        printf("   ignore=%s\n", r->ignore);
    for (uint32_t i = 0; i < g->nshown; i++)
        shown = pprof_add(shown, g->nodes[g->order[i]].flat);
    percent = measure_percent(shown, r->total);
    printf("Showing nodes accounting for %s, %s of %s total\n", in_units(r, shown).text,
           without_spaces(&percent), in_units(r, r->total).text);
    if (r->total != 0 && g->ndropped > 0)
        printf("Dropped %u node%s (cum <= %s)\n", g->ndropped, g->ndropped > 1 ? "s" : "",
               in_units(r, pprof_abs((int64_t)((double)r->total *
                                               r->limits.node_fraction))).text);
    if (r->total != 0 && g->nshown > 0 && g->nshown < g->noriginal)
        printf("Showing top %u nodes out of %u\n", g->nshown, g->noriginal);
}

/* --- top ----------------------------------------------------------------------------- */

/* Bits: 1 was inlined somewhere, 2 was called somewhere. */
static uint8_t *
ways_in(const struct graph *g)
{
    uint8_t *ways = memory_get(g->nnodes);

    for (uint32_t i = 0; i < g->nedges; i++)
        if (graph_edge_counts(g, &g->edges[i]))
            ways[g->edges[i].to] |= g->edges[i].is_inline ? 1 : 2;
    return ways;
}

static void
print_numbers(const struct report *r, const struct graph_node *n, int64_t sum)
{
    printf("%10s %s %s %10s %s", in_units(r, n->flat).text,
           measure_percent(n->flat, r->total).text, measure_percent(sum, r->total).text,
           in_units(r, n->cum).text, measure_percent(n->cum, r->total).text);
}

void
report_top(struct report *r)
{
    static const char *const marks[] = {"", " (inline)", "", " (partial-inline)"};
    struct graph g;
    uint8_t *ways;
    int64_t sum = 0;

    graph_make(&g, r->p, r->type, &r->limits);
    choose_unit(r, &g);
    print_head(r, &g);
    printf("%s%10s %5s%% %5s%% %10s %5s%%%s\n", colour(stdout, "\033[1m"), "flat", "flat",
           "sum", "cum", "cum", colour(stdout, "\033[0m"));
    ways = ways_in(&g);
    for (uint32_t i = 0; i < g.nshown; i++) {
        const struct graph_node *n = &g.nodes[g.order[i]];

        sum = pprof_add(sum, n->flat);
        print_numbers(r, n, sum);
        printf("  %s%s\n", n->name, marks[ways[g.order[i]]]);
    }
    free(ways);
    graph_free(&g);
}

/* --- peek ------------------------------------------------------------------------------ */

static int
compare_edges(const void *a, const void *b, void *nodes)
{
    const struct graph_node *n = nodes;
    const struct graph_edge *x = *(struct graph_edge *const *)a;
    const struct graph_edge *y = *(struct graph_edge *const *)b;
    int64_t v = pprof_abs(x->weight), w = pprof_abs(y->weight);
    int by_caller;

    if (v != w)
        return v > w ? -1 : 1;
    by_caller = strcmp(n[x->from].name, n[y->from].name);
    return by_caller ? by_caller : strcmp(n[x->to].name, n[y->to].name);
}

/* The edges of each node, as pointers: those of node n begin at first[n]. */
struct calls {
    uint32_t *first;
    struct graph_edge **edges;
};

static uint32_t
end_of(const struct graph_edge *e, bool callee)
{
    return callee ? e->to : e->from;
}

static void
collect_calls(const struct graph *g, bool callee, struct calls *c)
{
    uint32_t sum = 0;

    c->first = memory_get((g->nnodes + 1) * sizeof *c->first);
    c->edges = memory_get(g->nedges * sizeof *c->edges);
    for (uint32_t i = 0; i < g->nedges; i++)
        c->first[end_of(&g->edges[i], callee)]++;
    for (uint32_t n = 0; n <= g->nnodes; n++)
        c->first[n] = sum += n < g->nnodes ? c->first[n] : 0;
    for (uint32_t i = 0; i < g->nedges; i++) /* from the ends down to the beginnings */
        c->edges[--c->first[end_of(&g->edges[i], callee)]] = &g->edges[i];
}

static void
free_calls(struct calls *c)
{
    free(c->first);
    free(c->edges);
}

static void
print_calls(const struct report *r, const struct graph *g, uint32_t node,
            const struct calls *c, bool in)
{
    struct graph_edge **edges = c->edges + c->first[node];
    uint32_t count = c->first[node + 1] - c->first[node];

    qsort_r(edges, count, sizeof(struct graph_edge *), compare_edges, g->nodes);
    for (uint32_t i = 0; i < count; i++)
        printf("%50s %s |   %s%s\n", in_units(r, edges[i]->weight).text,
               measure_percent(edges[i]->weight, g->nodes[node].cum).text,
               g->nodes[end_of(edges[i], !in)].name,
               edges[i]->is_inline ? " (inline)" : "");
}

static const char rule[] =
    "----------------------------------------------------------+-------------";

static bool
print_matches(const struct report *r, const struct graph *g, const regex_t *re)
{
    struct calls into, out;
    int64_t sum = 0;
    bool any = false;

    collect_calls(g, true, &into);
    collect_calls(g, false, &out);
    for (uint32_t i = 0; i < g->nshown; i++) {
        uint32_t node = g->order[i];
        const struct graph_node *n = &g->nodes[node];

        if (regexec(re, n->name, 0, NULL, 0) != 0)
            continue;
        any = true;
        printf("%s\n", rule);
        print_calls(r, g, node, &into, true);
        sum = pprof_add(sum, n->flat);
        print_numbers(r, n, sum);
        printf("                | %s\n", n->name);
        print_calls(r, g, node, &out, false);
    }
    if (g->nshown > 0)
        printf("%s\n", rule);
    free_calls(&into);
    free_calls(&out);
    return any;
}

bool
report_peek(struct report *r, const char *expression)
{
    struct graph g;
    regex_t re;
    bool any;

    if (regcomp(&re, expression, REG_EXTENDED | REG_NOSUB) != 0) {
        tool_error("peek: '%s' is not a regular expression", expression);
        return false;
    }
    r->limits = (struct graph_limits){.by_cum = r->limits.by_cum};
    graph_make(&g, r->p, r->type, &r->limits);
    choose_unit(r, &g);
    print_head(r, &g);
    printf("%s\n      flat  flat%%   sum%%        cum   cum%%   calls calls%% + context"
           " \t \t \n", rule);
    any = print_matches(r, &g, &re);
    if (!any)
        tool_error("no function matches '%s'", expression);
    regfree(&re);
    graph_free(&g);
    return any;
}

/* --- traces ------------------------------------------------------------------------------ */

static int
compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The unit that a label's numbers have: said with one of them, or guessed. */
static const char *
label_unit(const struct pprof *p, const char *key)
{
    for (uint32_t i = 0; i < p->nsamples; i++)
        for (uint32_t l = 0; l < p->samples[i].nlabels; l++) {
            const struct pprof_label *label = &p->samples[i].labels[l];

            if (!label->text && *label->unit && strcmp(label->key, key) == 0)
                return label->unit;
        }
    return strcmp(key, "alignment") == 0 || strcmp(key, "request") == 0 ? "bytes" : key;
}

/* All values of the key of label l, in one line. */
static char *
label_line(const struct pprof *p, const struct pprof_sample *s, uint32_t l)
{
    const struct pprof_label *first = &s->labels[l];
    struct bytes line = {0};

    bytes_print(&line, "%10s: ", first->key);
    for (; l < s->nlabels; l++) {
        const struct pprof_label *label = &s->labels[l];

        if (strcmp(label->key, first->key) != 0 || !label->text != !first->text)
            continue;
        bytes_print(&line, " %s", label->text ? label->text
                    : measure_text(label->number, label_unit(p, label->key), "auto").text);
    }
    return line.data;
}

static bool
is_first_of_key(const struct pprof_sample *s, uint32_t l)
{
    for (uint32_t i = 0; i < l; i++)
        if (strcmp(s->labels[i].key, s->labels[l].key) == 0 &&
            !s->labels[i].text == !s->labels[l].text)
            return false;
    return true;
}

static void
print_labels(const struct pprof *p, const struct pprof_sample *s, bool numbers)
{
    char **lines = memory_get(s->nlabels * sizeof *lines);
    uint32_t count = 0;

    for (uint32_t l = 0; l < s->nlabels; l++)
        if (!s->labels[l].text == numbers && is_first_of_key(s, l))
            lines[count++] = label_line(p, s, l);
    qsort(lines, count, sizeof(char *), compare_text);
    for (uint32_t i = 0; i < count; i++) {
        printf("%s\n", lines[i]);
        free(lines[i]);
    }
    free(lines);
}

static void
print_stack(const struct report *r, const struct pprof_sample *s)
{
    struct measure value = in_units(r, s->values[r->type]);
    const char *left = value.text;
    char scratch[4096];

    for (uint32_t i = 0; i < s->nlocations; i++) {
        const struct pprof_location *l = &r->p->locations[s->locations[i]];

        for (uint32_t f = 0; f < pprof_frames(l); f++, left = "")
            printf("%10s   %s%s\n", left,
                   pprof_frame_name(r->p, l, f, scratch, sizeof scratch),
                   f != pprof_frames(l) - 1 ? " (inline)" : "");
    }
}

void
report_traces(const struct report *r)
{
    static const char line[] =
        "-----------+-------------------------------------------------------";

    print_profile(r);
    for (uint32_t i = 0; i < r->p->nsamples; i++) {
        const struct pprof_sample *s = &r->p->samples[i];

        if (s->nlocations == 0)
            continue;
        printf("%s\n", line);
        print_labels(r->p, s, false);
        print_labels(r->p, s, true);
        print_stack(r, s);
    }
    printf("%s\n", line);
}

/* --- tags --------------------------------------------------------------------------------- */

struct tag {
    const char *key, *text;
    int64_t value;
};

static int
compare_tags(const void *a, const void *b)
{
    const struct tag *x = a, *y = b;
    int by_key = strcmp(x->key, y->key);
    int64_t v = pprof_abs(x->value), w = pprof_abs(y->value);

    if (by_key)
        return by_key;
    return v > w ? -1 : v < w ? 1 : strcmp(x->text, y->text);
}

struct tags {
    struct tag *all;
    uint32_t count, room;
    struct table table; /* of key '\0' text */
    struct bytes key;
};

static void
add_tag(struct tags *t, const char *key, const char *text, int64_t value)
{
    uint32_t number;

    t->key.size = 0;
    bytes_add(&t->key, key, strlen(key) + 1);
    bytes_add(&t->key, text, strlen(text));
    number = table_add(&t->table, t->key.data, t->key.size);
    if (number == t->count) {
        if (t->count == t->room) {
            t->room = t->room ? t->room * 2 : 64;
            t->all = memory_resize(t->all, t->room, sizeof *t->all);
        }
        key = t->table.keys[number].data;
        t->all[t->count++] = (struct tag){key, key + strlen(key) + 1, 0};
    }
    t->all[number].value = pprof_add(t->all[number].value, value);
}

static void
collect_tags(const struct report *r, struct tags *t)
{
    const struct pprof *p = r->p;

    for (uint32_t i = 0; i < p->nsamples; i++)
        for (uint32_t l = 0; l < p->samples[i].nlabels; l++) {
            const struct pprof_label *label = &p->samples[i].labels[l];
            int64_t value = p->samples[i].values[r->type];

            add_tag(t, label->key,
                    label->text ? label->text
                                : measure_text(label->number, label_unit(p, label->key),
                                               r->unit).text, value);
        }
    if (t->count > 0)
        qsort(t->all, t->count, sizeof *t->all, compare_tags);
}

/* "1.50s (45.00%):", as wide as it has to be. */
static int
print_share(const struct report *r, int64_t value, int width)
{
    char text[128];

    if (r->total > 0)
        snprintf(text, sizeof text, "%s (%s):", in_units(r, value).text,
                 measure_percent(value, r->total).text);
    else
        snprintf(text, sizeof text, "%s:", in_units(r, value).text);
    return width < 0 ? (int)strlen(text) : printf("%*s", width, text);
}

static void
print_key(const struct report *r, const struct tag *tags, uint32_t count)
{
    int64_t sum = 0;
    int left = (int)strlen(tags->key) + 2, width = 0;

    for (uint32_t i = 0; i < count; i++) {
        int n = print_share(r, tags[i].value, -1);

        sum = pprof_add(sum, tags[i].value);
        width = n > width ? n : width;
    }
    printf(" %s: Total %s of %s", tags->key, in_units(r, sum).text,
           in_units(r, r->total).text);
    if (r->total > 0)
        printf(" (%s)", measure_percent(sum, r->total).text);
    printf("\n");
    for (uint32_t i = 0; i < count; i++) {
        printf("%*s", left, "");
        print_share(r, tags[i].value, width + 1);
        printf(" %s\n", tags[i].text);
    }
    printf("\n");
}

void
report_tags(const struct report *r)
{
    struct tags t = {0};

    collect_tags(r, &t);
    for (uint32_t i = 0, n; i < t.count; i += n) {
        for (n = 1; i + n < t.count && strcmp(t.all[i].key, t.all[i + n].key) == 0; n++)
            continue;
        print_key(r, &t.all[i], n);
    }
    if (t.count == 0)
        tool_error("no sample has a tag");
    free(t.all);
    table_free(&t.table);
    bytes_free(&t.key);
}
