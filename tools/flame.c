/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* flame.c - belay flame: from samples to the tree of calls.
 *
 * Recursion would make towers that nobody can read: cycles of up to CYCLE frames are
 * kept REPEATS times, and the last frame kept says that more were folded into it. */
#define _GNU_SOURCE
#include "flame.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CYCLE = 8, REPEATS = 3, DEEPEST = 2000 };

struct frame {
    uint32_t name, flags;
};

/* --- the tree ---------------------------------------------------------------------- */

static uint32_t
nvalues(const struct flame *f)
{
    return f->ntypes * (f->has_base ? 2 : 1);
}

static uint32_t
new_node(struct flame *f, uint32_t parent, struct frame frame)
{
    struct flame_node *n;

    if (f->nnodes == f->room) {
        f->room = f->room ? f->room * 2 : 1024;
        f->nodes = memory_resize(f->nodes, f->room, sizeof *f->nodes);
    }
    n = &f->nodes[f->nnodes];
    *n = (struct flame_node){.parent = parent, .name = frame.name, .flags = frame.flags,
                             .first = PPROF_NONE, .next = PPROF_NONE};
    n->values = arena_array(&f->arena, nvalues(f), sizeof *n->values);
    n->amounts = arena_array(&f->arena, nvalues(f), sizeof *n->amounts);
    if (f->nnodes > 0) {
        n->next = f->nodes[parent].first;
        f->nodes[parent].first = f->nnodes;
    }
    return f->nnodes++;
}

static uint32_t
child_of(struct flame *f, uint32_t parent, struct frame frame)
{
    uint32_t key[3] = {parent, frame.name, frame.flags & FLAME_INLINE};
    uint32_t number = table_add(&f->children, key, sizeof key) + 1; /* 0: the root */

    if (number == f->nnodes)
        new_node(f, parent, frame);
    f->nodes[number].flags |= frame.flags;
    return number;
}

static uint32_t
number_name(struct flame *f, const char *name, const char *file)
{
    uint32_t number = table_add(&f->names, name, strlen(name));

    if (number >= f->files_room) {
        uint32_t room = f->files_room ? f->files_room * 2 : 256;

        f->files = memory_resize(f->files, room, sizeof *f->files);
        memset(f->files + f->files_room, 0, (room - f->files_room) * sizeof *f->files);
        f->files_room = room;
    }
    if (!f->files[number] && *file)
        f->files[number] = arena_text(&f->arena, file, strlen(file));
    return number;
}

void
flame_start(struct flame *f, const struct pprof *p, uint32_t type, bool has_base,
            bool fold)
{
    *f = (struct flame){.types = p->types, .ntypes = p->ntypes, .default_type = type,
                        .has_base = has_base, .fold = fold};
    new_node(f, 0, (struct frame){number_name(f, "all", ""), 0});
}

void
flame_free(struct flame *f)
{
    free(f->nodes);
    free(f->files);
    table_free(&f->names);
    table_free(&f->children);
    arena_free(&f->arena);
}

/* --- stacks -------------------------------------------------------------------------- */

struct stack {
    struct frame *frames; /* root first */
    uint32_t depth, room;
};

static bool
are_same(const struct frame *a, const struct frame *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (a[i].name != b[i].name ||
            (a[i].flags & FLAME_INLINE) != (b[i].flags & FLAME_INLINE))
            return false;
    return true;
}

/* If the stack's end repeats what comes before it once too often, that end goes. */
static void
fold_end(struct stack *s)
{
    for (uint32_t n = 1; n <= CYCLE && n * (REPEATS + 1) <= s->depth; n++) {
        const struct frame *end = s->frames + s->depth - n;
        bool repeats = true;

        for (uint32_t r = 1; repeats && r <= REPEATS; r++)
            repeats = are_same(end, end - r * n, n);
        if (repeats) {
            s->depth -= n;
            s->frames[s->depth - 1].flags |= FLAME_FOLDED;
            return;
        }
    }
}

static void
push(struct stack *s, struct frame frame, bool fold)
{
    if (fold && s->depth >= DEEPEST) {
        s->frames[s->depth - 1].flags |= FLAME_FOLDED;
        return;
    }
    if (s->depth == s->room) {
        s->room = s->room ? s->room * 2 : 256;
        s->frames = memory_resize(s->frames, s->room, sizeof *s->frames);
    }
    s->frames[s->depth++] = frame;
    if (fold)
        fold_end(s);
}

/* The frames of all locations, once. */
struct naming {
    uint32_t *first;       /* of a location's frames */
    struct frame *frames;  /* outermost first */
};

static void
name_location(struct flame *f, const struct pprof *p, const struct pprof_location *l,
              struct frame *into)
{
    uint32_t n = pprof_frames(l);
    char scratch[4096];

    for (uint32_t i = n; i-- > 0;) {
        uint32_t fn = i < l->nlines ? l->lines[i].function : PPROF_NONE;
        const char *name = pprof_frame_name(p, l, i, scratch, sizeof scratch);

        *into++ = (struct frame){
            number_name(f, name, fn != PPROF_NONE ? p->functions[fn].file : ""),
            i != n - 1 ? FLAME_INLINE : 0};
    }
}

static void
name_locations(struct flame *f, const struct pprof *p, struct naming *n)
{
    uint32_t count = 0;

    n->first = memory_get(p->nlocations * sizeof *n->first);
    for (uint32_t i = 0; i < p->nlocations; i++) {
        n->first[i] = count;
        count += pprof_frames(&p->locations[i]);
    }
    n->frames = memory_get(count * sizeof *n->frames);
    for (uint32_t i = 0; i < p->nlocations; i++)
        name_location(f, p, &p->locations[i], n->frames + n->first[i]);
}

static void
count(struct flame *f, uint32_t node, const int64_t *values, uint32_t first)
{
    struct flame_node *n = &f->nodes[node];

    for (uint32_t t = 0; t < f->ntypes; t++) {
        n->values[first + t] = pprof_add(n->values[first + t], values[t]);
        n->amounts[first + t] += (uint64_t)pprof_abs(values[t]);
    }
}

void
flame_add(struct flame *f, const struct pprof *p, bool as_base)
{
    uint32_t first = as_base ? f->ntypes : 0;
    struct naming names;
    struct stack s = {0};

    name_locations(f, p, &names);
    for (uint32_t i = 0; i < p->nsamples; i++) {
        const struct pprof_sample *sample = &p->samples[i];
        uint32_t node = 0;

        s.depth = 0;
        for (uint32_t l = sample->nlocations; l-- > 0;) {
            uint32_t where = sample->locations[l];

            for (uint32_t k = 0; k < pprof_frames(&p->locations[where]); k++)
                push(&s, names.frames[names.first[where] + k], f->fold);
        }
        count(f, node, sample->values, first);
        for (uint32_t d = 0; d < s.depth; d++) {
            node = child_of(f, node, s.frames[d]);
            count(f, node, sample->values, first);
        }
        progress("building the tree", i, p->nsamples);
    }
    progress_end();
    free(s.frames);
    free(names.first);
    free(names.frames);
}

int64_t
flame_self(const struct flame *f, uint32_t node, uint32_t type)
{
    int64_t self = f->nodes[node].values[type];

    for (uint32_t c = f->nodes[node].first; c != PPROF_NONE; c = f->nodes[c].next)
        self = pprof_add(self, (int64_t)(0 - (uint64_t)f->nodes[c].values[type]));
    return self;
}

/* --- cutting --------------------------------------------------------------------------- */

static void
weigh(struct flame *f)
{
    for (uint32_t i = 0; i < f->nnodes; i++) {
        struct flame_node *n = &f->nodes[i];

        n->weight = 0;
        for (uint32_t v = 0; v < nvalues(f); v++)
            if (f->nodes[0].amounts[v] > 0)
                n->weight = fmax(n->weight, (double)n->amounts[v] /
                                                (double)f->nodes[0].amounts[v]);
    }
}

static int
compare_weights(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x > y ? -1 : x < y;
}

/* The weight of which at most limit nodes have more. */
static double
cutting_weight(const struct flame *f, uint32_t limit)
{
    double *weights, at;

    if (f->nnodes <= limit)
        return -1;
    weights = memory_get(f->nnodes * sizeof *weights);
    for (uint32_t i = 0; i < f->nnodes; i++)
        weights[i] = f->nodes[i].weight;
    qsort(weights, f->nnodes, sizeof *weights, compare_weights);
    at = weights[limit];
    free(weights);
    return at;
}

static int
compare_children(const void *a, const void *b, void *arg)
{
    const struct flame *f = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int by_name = strcmp(flame_name(f, x), flame_name(f, y));

    return by_name ? by_name
                   : (int)(f->nodes[x].flags & FLAME_INLINE) -
                         (int)(f->nodes[y].flags & FLAME_INLINE);
}

static void
sort_children(struct flame *f, uint32_t node, uint32_t *scratch)
{
    uint32_t n = 0;

    for (uint32_t c = f->nodes[node].first; c != PPROF_NONE; c = f->nodes[c].next)
        scratch[n++] = c;
    qsort_r(scratch, n, sizeof *scratch, compare_children, f);
    for (uint32_t i = 0; i < n; i++)
        f->nodes[scratch[i]].next = i + 1 < n ? scratch[i + 1] : PPROF_NONE;
    if (n > 0)
        f->nodes[node].first = scratch[0];
}

/* A child never weighs more than its parent, so what is left is still a tree. */
void
flame_cut(struct flame *f, uint32_t limit)
{
    uint32_t *scratch = memory_get(f->nnodes * sizeof *scratch);
    double at;

    weigh(f);
    at = cutting_weight(f, limit);
    for (uint32_t i = 1; i < f->nnodes; i++)
        if (f->nodes[i].weight <= at) {
            f->greatest_cut = fmax(f->greatest_cut, f->nodes[i].weight);
            f->nodes[i].weight = -1;
            f->ncut++;
        }
    for (uint32_t i = 0; i < f->nnodes; i++)
        sort_children(f, i, scratch);
    free(scratch);
}

/* --- collapsed text ---------------------------------------------------------------------- */

static void
put_collapsed_name(const char *name, FILE *to)
{
    for (; *name; name++)
        fputc(*name == ';' ? ':' : *name, to);
}

void
flame_collapsed(const struct flame *f, FILE *to)
{
    uint32_t *path = memory_get(f->nnodes * sizeof *path);

    for (uint32_t i = 1; i < f->nnodes; i++) {
        int64_t self = flame_self(f, i, f->default_type);
        uint32_t depth = 0;

        if (self == 0)
            continue;
        for (uint32_t n = i; n != 0; n = f->nodes[n].parent)
            path[depth++] = n;
        while (depth-- > 0) {
            put_collapsed_name(flame_name(f, path[depth]), to);
            fputs(depth > 0 ? ";" : " ", to);
        }
        fprintf(to, "%lld\n", (long long)self);
    }
    free(path);
}

/* --- the command ----------------------------------------------------------------------------- */

static const char *sample, *focus, *ignore, *base, *output, *title;
static int limit = 20000, seconds;
static bool as_svg, as_collapsed, unfolded, normalize;

static const struct option options[] = {
    {"o", OPTION_TEXT, &output, "FILE", "where to; - is stdout"},
    {"svg", OPTION_FLAG, &as_svg, NULL, "a picture instead of a page"},
    {"collapsed", OPTION_FLAG, &as_collapsed, NULL, "lines \"a;b;c N\" instead of a page"},
    {"base", OPTION_TEXT, &base, "FILE", "compare with this profile: red is more now"},
    {"normalize", OPTION_FLAG, &normalize, NULL, "scale to the total of the base first"},
    {"sample", OPTION_TEXT, &sample, "NAME", "the sample type that is shown first"},
    {"focus", OPTION_TEXT, &focus, "REGEX", "only samples with such a frame"},
    {"ignore", OPTION_TEXT, &ignore, "REGEX", "no samples with such a frame"},
    {"n", OPTION_NUMBER, &limit, "N", "at most N frames, the largest (20000)"},
    {"unfolded", OPTION_FLAG, &unfolded, NULL, "draw all of a recursion"},
    {"title", OPTION_TEXT, &title, "TEXT", "the title, instead of PROFILE"},
    {"seconds", OPTION_NUMBER, &seconds, "N", "ask the server for N seconds' worth"},
    {0},
};

static bool
open_one(struct pprof *p, const char *name)
{
    if (!pprof_open(p, name, seconds))
        return false;
    if (pprof_prune(p) && pprof_filter(p, focus, ignore))
        return true;
    pprof_free(p);
    return false;
}

static bool
have_same_types(const struct pprof *a, const struct pprof *b)
{
    if (a->ntypes != b->ntypes)
        return false;
    for (uint32_t i = 0; i < a->ntypes; i++)
        if (strcmp(a->types[i].type, b->types[i].type) != 0)
            return false;
    return true;
}

static bool
add_base(struct flame *f, struct pprof *p)
{
    struct pprof other;
    bool same;

    if (!open_one(&other, base))
        return false;
    same = have_same_types(p, &other);
    if (!same)
        tool_error("%s does not have the sample types of the other profile", base);
    else if (normalize)
        pprof_normalize(p, &other);
    if (same)
        flame_add(f, &other, true);
    pprof_free(&other);
    return same;
}

static void
write_form(struct flame *f, const char *name, FILE *to)
{
    flame_cut(f, as_collapsed ? UINT32_MAX : (uint32_t)limit);
    if (f->ncut > 0)
        tool_error("left out %u small frames of %u, each below %.2g%%: see -n", f->ncut,
                   f->nnodes, f->greatest_cut * 100 + 0.005);
    if (as_collapsed)
        flame_collapsed(f, to);
    else if (as_svg)
        flame_svg(f, title ? title : name, to);
    else
        flame_page(f, title ? title : name, to);
}

static bool
write_file(struct flame *f, const char *name)
{
    bool file = output && strcmp(output, "-") != 0;
    FILE *to = file ? fopen(output, "w") : stdout;
    bool done = to;

    if (to) {
        write_form(f, name, to);
        done = !ferror(to);
        if (file)
            done = fclose(to) == 0 && done;
    }
    if (file && !done)
        tool_error("%s: %s", output, strerror(errno));
    return done;
}

static bool
draw(struct pprof *p, const char *name)
{
    uint32_t type = pprof_type_named(p, sample);
    struct flame f;
    bool done;

    if (type == PPROF_NONE)
        return false;
    flame_start(&f, p, type, base, !unfolded && !as_collapsed);
    done = !base || add_base(&f, p);
    if (done) {
        flame_add(&f, p, false);
        done = write_file(&f, name);
    }
    flame_free(&f);
    return done;
}

static int
run(int operands, char **operand)
{
    struct pprof p;
    bool done;

    if (operands != 1)
        return tool_misused("of which profile?");
    if (as_svg && as_collapsed)
        return tool_misused("-svg or -collapsed?");
    if (as_collapsed && base)
        return tool_misused("-collapsed has no place for -base");
    if (limit < 1)
        return tool_misused("-n wants 1 or more");
    if (!output && !as_collapsed && isatty(STDOUT_FILENO))
        return tool_misused("stdout is a terminal: say where to with -o FILE");
    if (seconds > 0)
        fetch_timeout_seconds += seconds;
    if (!open_one(&p, operand[0]))
        return EXIT_FAILED;
    done = draw(&p, operand[0]);
    pprof_free(&p);
    return tool_finish() == EXIT_OK && done ? EXIT_OK : EXIT_FAILED;
}

const struct command command_flame = {
    .name = "flame",
    .summary = "a profile as an interactive flame graph: one HTML file",
    .usage = "flame PROFILE -o FILE.html\n"
             "flame PROFILE -svg -o FILE.svg\n"
             "flame PROFILE -collapsed",
    .details =
        "PROFILE is a file in pprof's format (gzip or not), - for stdin, or a URL, as for\n"
        "belay prof.  The page needs no network, and nothing else than a browser: search\n"
        "with a regular expression, zoom, all sample types, mouse or keyboard.\n"
        "With -base, red frames have grown and blue ones have shrunk.\n",
    .options = options,
    .run = run,
};
