/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* plot.c - what was measured over time, as an SVG that needs nothing else: a row a
 * mistake, a panel a figure, wrong against right in each. */
#define _GNU_SOURCE
#include "lab.h"
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum {
    WIDTH = 1200, MARGIN = 28, HEAD = 112, FOOT = 20,
    ROW = 164, ROW_TITLE = 34,      /* a row, and what of it is its title */
    PANEL = 292, PLOT = 208,        /* from panel to panel; the lines' part of it */
    PLOT_HEIGHT = 84,
};

struct panel {
    FILE *to;
    const struct run *forms[2];     /* wrong, right */
    enum figure figure;
    double left, top;
    double seconds, most;           /* at the ends of the axes; most is set to what it is
                                       at least */
};

static const char *const titles[NFIGURES] = {"memory", "open descriptors",
                                             "live goroutines", "pending defers"};
static const char *const classes[2] = {"wrong", "right"};

static double
seconds_of(const struct sample *s)
{
    return (double)s->at_ns / 1e9;
}

static double
x_of(const struct panel *p, const struct sample *s)
{
    return p->left + seconds_of(s) / p->seconds * PLOT;
}

static double
y_of(const struct panel *p, const struct sample *s)
{
    double v = fmax((double)s->value[p->figure], 0);

    return p->top + PLOT_HEIGHT * (1 - v / p->most);
}

/* The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, ... */
static double
round_up(double v)
{
    static const double steps[] = {1, 1.5, 2, 3, 4, 5, 6, 8, 10};
    double unit = pow(10, floor(log10(v)));

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (v <= steps[i] * unit * 1.0001)
            return steps[i] * unit;
    return v;
}

static void
find_ends(struct panel *p)
{
    double most = p->most;

    p->seconds = 0.1;
    for (int f = 0; f < 2; f++)
        for (uint32_t i = 0; i < p->forms[f]->nsamples; i++) {
            const struct sample *s = &p->forms[f]->samples[i];

            most = fmax(most, (double)s->value[p->figure]);
            p->seconds = fmax(p->seconds, seconds_of(s));
        }
    p->most = round_up(most);
}

/* --- a panel ------------------------------------------------------------------------- */

static void
put_axes(const struct panel *p)
{
    double bottom = p->top + PLOT_HEIGHT, right = p->left + PLOT;
    struct lab_text most = lab_figure(p->figure, (int64_t)p->most);

    if (p->figure == MEMORY)
        snprintf(most.text, sizeof most.text, "%g MB", p->most / 1e6);

    fprintf(p->to, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>"
            "<path class=\"axis\" d=\"M%.0f %.1fH%.0f\"/>\n", p->left, p->top, right, p->left,
            bottom, right);
    fprintf(p->to, "<text class=\"tick\" x=\"%.0f\" y=\"%.1f\">%s</text>", p->left,
            p->top - 4, most.text);
    fprintf(p->to, "<text class=\"tick\" x=\"%.0f\" y=\"%.1f\">0</text>", p->left,
            bottom + 14);
    fprintf(p->to, "<text class=\"tick end\" x=\"%.0f\" y=\"%.1f\">%.*f s</text>\n", right,
            bottom + 14, p->seconds < 10, p->seconds);
}

/* Points nearer to each other than half a pixel are one.  What is left at the end of the
 * run stays: the line goes on to the edge. */
static void
put_line(const struct panel *p, int form)
{
    const struct run *run = p->forms[form];
    double x = -10, y = -10;

    fprintf(p->to, "<polyline class=\"%s\" points=\"", classes[form]);
    for (uint32_t i = 0; i < run->nsamples; i++) {
        double nx = x_of(p, &run->samples[i]), ny = y_of(p, &run->samples[i]);

        if (fabs(nx - x) < 0.5 && fabs(ny - y) < 0.5 && i + 1 < run->nsamples)
            continue;
        fprintf(p->to, "%.1f,%.1f ", x = nx, y = ny);
    }
    fprintf(p->to, "%.1f,%.1f\"/>\n", p->left + PLOT, y);
}

/* When the other side had gone. */
static void
put_mark(const struct panel *p, int form)
{
    const struct run *run = p->forms[form];

    for (uint32_t i = 0; i < run->nsamples; i++)
        if (run->samples[i].phase >= PHASE_GONE) {
            fprintf(p->to, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
                    classes[form], x_of(p, &run->samples[i]), y_of(p, &run->samples[i]));
            break;
        }
}

static struct lab_text
end_text(const struct panel *p, int form)
{
    return lab_figure(p->figure, run_last(p->forms[form])->value[p->figure]);
}

static void
put_end(const struct panel *p, const char *class, double y, struct lab_text text)
{
    fprintf(p->to, "<text class=\"value %s\" x=\"%d\" y=\"%.1f\">%s</text>\n", class,
            (int)p->left + PLOT + 8, y + 4, text.text);
}

/* What is left in the end, beside the lines' ends, but not over each other; once, if it
 * is the same. */
static void
put_ends(const struct panel *p)
{
    struct lab_text wrong = end_text(p, 0), right = end_text(p, 1);
    double y[2] = {y_of(p, run_last(p->forms[0])), y_of(p, run_last(p->forms[1]))};

    if (strcmp(wrong.text, right.text) == 0) {
        put_end(p, "note", y[0], wrong);
        return;
    }
    if (fabs(y[0] - y[1]) < 15) {
        bool wrong_is_higher = y[0] <= y[1];

        y[!wrong_is_higher] = fmax(y[0], y[1]) - 15;
        y[wrong_is_higher] = y[!wrong_is_higher] + 15;
    }
    put_end(p, "wrong", y[0], wrong);
    put_end(p, "right", y[1], right);
}

static void
put_panel(struct panel *p)
{
    find_ends(p);
    put_axes(p);
    for (int form = 1; form >= 0; form--) /* what leaks is on top */
        put_line(p, form);
    for (int form = 1; form >= 0; form--)
        put_mark(p, form);
    put_ends(p);
}

/* --- all of it --------------------------------------------------------------------------- */

static const char style[] =
    "svg { --paper: #ffffff; --ink: #1c2024; --note: #5b636c; --line: #e3e6ea;"
    " --axis: #a9b1ba; --wrong: #d3380d; --right: #1668c4 }\n"
    "@media (prefers-color-scheme: dark) { svg { --paper: #14171a; --ink: #e4e8ec;"
    " --note: #9aa4af; --line: #2a3037; --axis: #59636e; --wrong: #ff8a5c;"
    " --right: #6cb6ff } }\n"
    "text { font: 12px system-ui, sans-serif; fill: var(--ink) }\n"
    ".title { font-size: 18px; font-weight: 600 } .name { font-size: 14px; font-weight: 600 }\n"
    ".note, .tick { fill: var(--note) } .tick { font-size: 11px } .end { text-anchor: end }\n"
    ".column { font-weight: 600 } .value { font-variant-numeric: tabular-nums }\n"
    ".grid, .axis { fill: none; stroke: var(--line) } .axis { stroke: var(--axis) }\n"
    "polyline { fill: none; stroke-width: 2; stroke-linejoin: round }\n"
    "polyline.wrong, path.wrong { stroke: var(--wrong) }\n"
    "polyline.right, path.right { stroke: var(--right) }\n"
    "path.wrong, path.right { stroke-width: 2 }\n"
    "circle { fill: var(--paper); stroke-width: 2 }\n"
    "circle.wrong { stroke: var(--wrong) } circle.right { stroke: var(--right) }\n"
    "circle.any { stroke: var(--note) }\n"
    "text.wrong { fill: var(--wrong); font-weight: 600 } text.right { fill: var(--right) }\n";

static void
put_head(FILE *to, const struct lab *lab, int height)
{
    fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"belay lab leak\">\n"
            "<style>\n%s</style>\n<rect width=\"100%%\" height=\"100%%\" "
            "style=\"fill: var(--paper)\"/>\n", WIDTH, height, WIDTH, height, style);
    fprintf(to, "<text class=\"title\" x=\"%d\" y=\"36\">What %s connections leave behind"
            "</text>\n<text class=\"note\" x=\"%d\" y=\"58\">The server process over time, "
            "less what it had before the first connection; at the right what is left."
            "</text>\n", MARGIN, lab_count(lab->n).text, MARGIN);
    fprintf(to, "<path class=\"wrong\" d=\"M760 32h26\"/><text x=\"792\" y=\"36\">wrong form"
            "</text><path class=\"right\" d=\"M876 32h26\"/><text x=\"908\" y=\"36\">right form"
            "</text><circle class=\"any\" cx=\"998\" cy=\"32\" r=\"3.5\"/>"
            "<text x=\"1008\" y=\"36\">the other side has gone</text>\n");
    for (int f = 0; f < NFIGURES; f++)
        fprintf(to, "<text class=\"column\" x=\"%d\" y=\"%d\">%s</text>\n",
                MARGIN + f * PANEL, HEAD - 18, titles[f]);
}

/* Counts have all the same scale, so that panels can be compared; memory has not. */
static void
put_row(FILE *to, const struct lab *lab, const struct run *forms, double top)
{
    const struct mistake *m = forms->mistake;

    fprintf(to, "<text class=\"name\" x=\"%d\" y=\"%.0f\">%s<tspan class=\"note\" dx=\"10\" "
            "style=\"font-size: 12px; font-weight: 400\">%s</tspan></text>\n", MARGIN,
            top + 12, m->name, m->summary);
    for (int f = 0; f < NFIGURES; f++)
        put_panel(&(struct panel){.to = to, .forms = {&forms[0], &forms[1]}, .figure = f,
                                  .left = MARGIN + f * PANEL, .top = top + ROW_TITLE,
                                  .most = f == MEMORY ? 1e6 : lab->n});
}

/* runs come in pairs: wrong, right. */
bool
plot_write(const char *path, const struct lab *lab, const struct run *runs, uint32_t nruns)
{
    FILE *to = fopen(path, "w");
    bool done = to;

    if (to) {
        put_head(to, lab, HEAD + (int)nruns / 2 * ROW + FOOT);
        for (uint32_t i = 0; i + 1 < nruns; i += 2)
            put_row(to, lab, &runs[i], HEAD + i / 2 * ROW);
        fputs("</svg>\n", to);
        done = !ferror(to);
        done = fclose(to) == 0 && done;
    }
    if (!done)
        tool_error("%s: %s", path, strerror(errno));
    return done;
}

bool
plot_may_write(const char *path)
{
    bool is_there = access(path, F_OK) == 0;
    FILE *to = fopen(path, "a");

    if (!to)
        tool_error("%s: %s", path, strerror(errno));
    else
        fclose(to);
    if (to && !is_there)
        unlink(path);
    return to;
}
