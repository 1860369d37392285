/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* flame_svg.c - the tree as a picture: for a report, a README, a terminal that shows
 * pictures.  Tooltips are all that moves. */
#define _GNU_SOURCE
#include "flame.h"

#include "measure.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1200, ROW = 18, MARGIN = 10, HEAD = 44 };
#define LETTER 7.3 /* its width */

static void
put_text(const char *text, size_t length, FILE *to)
{
    for (size_t i = 0; i < length && text[i]; i++)
        switch (text[i]) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        default: fputc(text[i], to);
        }
}

/* The same name has the same colour in every picture. */
static uint32_t
hue_of(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h % 56; /* red to yellow */
}

struct picture {
    const struct flame *f;
    uint32_t type;
    double total;
    uint32_t depth;
    FILE *to;
};

static double
width_of(const struct picture *p, uint32_t node)
{
    int64_t v = p->f->nodes[node].values[p->type];

    return v <= 0 || p->total <= 0 ? 0 : (double)v / p->total * (WIDTH - 2 * MARGIN);
}

/* Red for more, blue for less; how strongly says how much of the frame it is. */
static void
put_colour(const struct picture *p, uint32_t node)
{
    const struct flame_node *n = &p->f->nodes[node];
    double now, then, change;

    if (!p->f->has_base) {
        fprintf(p->to, "hsl(%u 75%% 72%%)", hue_of(flame_name(p->f, node)));
        return;
    }
    now = (double)n->values[p->type];
    then = (double)n->values[p->type + p->f->ntypes];
    change = now == then ? 0 : (now - then) / fmax(fabs(now), fabs(then));
    fprintf(p->to, "hsl(%d %d%% %d%%)", change > 0 ? 6 : 214,
            (int)(fmin(fabs(change), 1) * 80), 86 - (int)(fmin(fabs(change), 1) * 22));
}

static void
put_tooltip(const struct picture *p, uint32_t node)
{
    const struct flame *f = p->f;
    const struct flame_node *n = &f->nodes[node];
    const char *unit = f->types[p->type].unit, *name = flame_name(f, node);
    struct measure percent = measure_percent(n->values[p->type], (int64_t)p->total);

    fputs("<title>", p->to);
    put_text(name, strlen(name), p->to);
    fprintf(p->to, "%s%s: %s, %s; itself %s", n->flags & FLAME_INLINE ? " (inlined)" : "",
            n->flags & FLAME_FOLDED ? " (recursion folded)" : "",
            measure_text(n->values[p->type], unit, "auto").text,
            percent.text + strspn(percent.text, " "),
            measure_text(flame_self(f, node, p->type), unit, "auto").text);
    if (f->has_base)
        fprintf(p->to, "; base %s",
                measure_text(n->values[p->type + f->ntypes], unit, "auto").text);
    fputs("</title>", p->to);
}

/* As much of the name as there is room for, with an ellipsis if that is not all. */
static size_t
bytes_that_fit(const char *name, double width)
{
    int room = (int)((width - 6) / LETTER);
    size_t i = 0, shorter = 0;

    for (; name[i] && (room > 0 || (name[i] & 0xc0) == 0x80); i++)
        if ((name[i] & 0xc0) != 0x80) {
            room--;
            shorter = i;
        }
    return name[i] ? shorter : i;
}

static void
put_frame(struct picture *p, uint32_t node, double x, uint32_t level)
{
    double width = width_of(p, node);
    const char *name = flame_name(p->f, node);
    int y = HEAD + (int)level * ROW;
    size_t fits = bytes_that_fit(name, width);

    fputs("<g>", p->to);
    put_tooltip(p, node);
    fprintf(p->to, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"", x, y,
            fmax(width - 0.5, 0.2), ROW - 1);
    put_colour(p, node);
    fputs("\"/>", p->to);
    if (width > 4 * LETTER) {
        fprintf(p->to, "<text x=\"%.2f\" y=\"%d\">", x + 3, y + ROW - 5);
        put_text(name, fits, p->to);
        fputs(name[fits] ? "…</text>" : "</text>", p->to);
    }
    fputs("</g>\n", p->to);
}

static bool
is_drawn(const struct picture *p, uint32_t node)
{
    return !flame_is_cut(&p->f->nodes[node]) && width_of(p, node) >= 0.3;
}

/* Calls `put` for each frame that is drawn, parents first.  Without recursion: stacks
 * may be deep. */
static void
each_frame(struct picture *p,
           void (*put)(struct picture *p, uint32_t node, double x, uint32_t level))
{
    const struct flame *f = p->f;
    double *x = memory_get(f->nnodes * sizeof *x); /* where the next child goes */
    uint32_t node = 0, level = 0;

    x[0] = MARGIN;
    put(p, 0, x[0], 0);
    for (uint32_t next = f->nodes[0].first;;) {
        while (next != PPROF_NONE && !is_drawn(p, next))
            next = f->nodes[next].next;
        if (next != PPROF_NONE) { /* down */
            x[next] = x[node];
            x[node] += width_of(p, next);
            node = next;
            put(p, node, x[node], ++level);
            next = f->nodes[node].first;
        } else if (node != 0) { /* up, and on */
            next = f->nodes[node].next;
            node = f->nodes[node].parent;
            level--;
        } else {
            break;
        }
    }
    free(x);
}

static void
measure_depth(struct picture *p, uint32_t node, double x, uint32_t level)
{
    (void)node, (void)x;
    if (level > p->depth)
        p->depth = level;
}

static void
put_head(const struct picture *p, const char *title, int height)
{
    fprintf(p->to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, height, WIDTH, height);
    put_text(title, strlen(title), p->to);
    fputs("\">\n<style>\n"
          ".paper { fill: #ffffff } text { font: 12px ui-monospace, monospace; fill: #1c2024 }\n"
          ".head { font: 600 15px system-ui, sans-serif } "
          ".note { font: 12px system-ui, sans-serif; fill: #5b636c }\n"
          "@media (prefers-color-scheme: dark) { .paper { fill: #14171a } "
          ".head { fill: #dfe3e8 } .note { fill: #98a2ad } }\n"
          "</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n", p->to);
    fprintf(p->to, "<text class=\"head\" x=\"%d\" y=\"20\">", MARGIN);
    put_text(title, strlen(title), p->to);
    fprintf(p->to, "</text>\n<text class=\"note\" x=\"%d\" y=\"36\">", MARGIN);
    put_text(p->f->types[p->type].type, SIZE_MAX, p->to);
    fprintf(p->to, ", %s%s</text>\n",
            measure_text(p->f->nodes[0].values[p->type], p->f->types[p->type].unit,
                         "auto").text,
            p->f->has_base ? "; red: more than in the base, blue: less" : "");
}

void
flame_svg(const struct flame *f, const char *title, FILE *to)
{
    struct picture p = {.f = f, .type = f->default_type, .to = to};
    struct bytes clean = {0};

    bytes_print(&clean, "%s", title);
    text_clean(clean.data, clean.size, false);
    p.total = (double)f->nodes[0].values[p.type];
    each_frame(&p, measure_depth);
    put_head(&p, clean.data, HEAD + (int)(p.depth + 1) * ROW + MARGIN);
    each_frame(&p, put_frame);
    fputs("</svg>\n", to);
    bytes_free(&clean);
}
