/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* flame_page.c - the tree as a page: flame/page.html with the style, the script and
 * the data put in.
 *
 * The page's content security policy names the script and the style by their hashes:
 * whatever a profile has for names, nothing else can run or be fetched. */
#include "flame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

extern const char flame_html[], flame_html_end[]; /* flame/assets.S */
extern const char flame_css[], flame_css_end[];
extern const char flame_js[], flame_js_end[];

/* --- data -------------------------------------------------------------------------- */

/* JSON within HTML: '<' and the like are escaped, so that no name ends the element. */
static void
put_string(const char *text, FILE *to)
{
    fputc('"', to);
    for (; *text; text++)
        switch (*text) {
        case '"': fputs("\\\"", to); break;
        case '\\': fputs("\\\\", to); break;
        case '<': case '>': case '&': fprintf(to, "\\u%04x", (unsigned)*text); break;
        default: fputc(*text, to);
        }
    fputc('"', to);
}

/* The kept nodes: parents first, then children in their order.  Without recursion. */
static uint32_t
put_in_order(const struct flame *f, uint32_t *order)
{
    uint32_t count = 0, node = 0;

    order[count++] = 0;
    for (uint32_t next = f->nodes[0].first;;) {
        while (next != PPROF_NONE && flame_is_cut(&f->nodes[next]))
            next = f->nodes[next].next;
        if (next != PPROF_NONE) {
            order[count++] = node = next;
            next = f->nodes[node].first;
        } else if (node != 0) {
            next = f->nodes[node].next;
            node = f->nodes[node].parent;
        } else {
            return count;
        }
    }
}

struct page {
    const struct flame *f;
    uint32_t *order, *place; /* place: of a node in the order */
    uint32_t count;
    FILE *to;
};

static void
put_types(const struct page *p)
{
    fputs("\"types\":[", p->to);
    for (uint32_t i = 0; i < p->f->ntypes; i++) {
        fputs(i ? ",{\"type\":" : "{\"type\":", p->to);
        put_string(p->f->types[i].type, p->to);
        fputs(",\"unit\":", p->to);
        put_string(p->f->types[i].unit, p->to);
        fputc('}', p->to);
    }
    fprintf(p->to, "],\n\"default\":%" PRIu32 ",\"base\":%s,\n", p->f->default_type,
            p->f->has_base ? "true" : "false");
}

static void
put_names(const struct page *p)
{
    fputs("\"names\":[", p->to);
    for (uint32_t i = 0; i < p->f->names.count; i++) {
        if (i)
            fputc(',', p->to);
        put_string(p->f->names.keys[i].data, p->to);
    }
    fputs("],\n\"files\":[", p->to);
    for (uint32_t i = 0; i < p->f->names.count; i++) {
        if (i)
            fputc(',', p->to);
        put_string(p->f->files[i] ? p->f->files[i] : "", p->to);
    }
    fputs("],\n", p->to);
}

static void
put_frames(const struct page *p)
{
    const struct flame_node *nodes = p->f->nodes;

    fputs("\"parent\":[", p->to);
    for (uint32_t i = 0; i < p->count; i++)
        fprintf(p->to, i ? ",%" PRIu32 : "%" PRIu32, p->place[nodes[p->order[i]].parent]);
    fputs("],\n\"name\":[", p->to);
    for (uint32_t i = 0; i < p->count; i++)
        fprintf(p->to, i ? ",%" PRIu32 : "%" PRIu32, nodes[p->order[i]].name);
    fputs("],\n\"flags\":[", p->to);
    for (uint32_t i = 0; i < p->count; i++)
        fprintf(p->to, i ? ",%" PRIu32 : "%" PRIu32, nodes[p->order[i]].flags);
    fputs("],\n\"values\":[", p->to);
    for (uint32_t v = 0; v < p->f->ntypes * (p->f->has_base ? 2u : 1u); v++) {
        fputs(v ? "],\n[" : "[", p->to);
        for (uint32_t i = 0; i < p->count; i++)
            fprintf(p->to, i ? ",%" PRId64 : "%" PRId64, nodes[p->order[i]].values[v]);
    }
    fputs("]],\n", p->to);
}

/* What is left out of a frame's callees: [place, value of each type]. */
static void
put_hidden(const struct page *p)
{
    const struct flame *f = p->f;
    int64_t *sums = memory_get(f->ntypes * sizeof *sums);
    const char *comma = "";

    fputs("\"hidden\":[", p->to);
    for (uint32_t i = 0; i < p->count; i++) {
        bool any = false;

        memset(sums, 0, f->ntypes * sizeof *sums);
        for (uint32_t c = f->nodes[p->order[i]].first; c != PPROF_NONE;
             c = f->nodes[c].next)
            for (uint32_t t = 0; flame_is_cut(&f->nodes[c]) && t < f->ntypes; t++, any = true)
                sums[t] = pprof_add(sums[t], f->nodes[c].values[t]);
        if (!any)
            continue;
        fprintf(p->to, "%s[%" PRIu32, comma, i);
        for (uint32_t t = 0; t < f->ntypes; t++)
            fprintf(p->to, ",%" PRId64, sums[t]);
        fputc(']', p->to);
        comma = ",";
    }
    fprintf(p->to, "],\n\"cut\":{\"frames\":%" PRIu32 ",\"all\":%" PRIu32
            ",\"greatest\":%.3g}\n", f->ncut, f->nnodes, f->greatest_cut);
    free(sums);
}

static void
put_data(const struct flame *f, FILE *to)
{
    struct page p = {.f = f, .to = to};

    p.order = memory_get(f->nnodes * sizeof *p.order);
    p.place = memory_get(f->nnodes * sizeof *p.place);
    p.count = put_in_order(f, p.order);
    for (uint32_t i = 0; i < p.count; i++)
        p.place[p.order[i]] = i;
    fputs("{", to);
    put_types(&p);
    put_names(&p);
    put_frames(&p);
    put_hidden(&p);
    fputs("}", to);
    free(p.order);
    free(p.place);
}

/* --- the page ------------------------------------------------------------------------- */

/* CMake knows the hash in hexadecimal, the policy wants base64. */
static void
put_hash(const char *hex, FILE *to)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t raw[33] = {0};
    char out[44];

    for (int i = 0; i < 32; i++) {
        unsigned byte = 0;

        sscanf(hex + 2 * i, "%2x", &byte);
        raw[i] = (uint8_t)byte;
    }
    for (int i = 0; i < 11; i++) {
        uint32_t three = (uint32_t)raw[3 * i] << 16 | raw[3 * i + 1] << 8 | raw[3 * i + 2];

        for (int k = 0; k < 4; k++)
            out[4 * i + k] = letters[three >> (18 - 6 * k) & 63];
    }
    out[43] = '=';
    fprintf(to, "sha256-%.44s", out);
}

static void
put_html(const char *text, FILE *to)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        default: fputc(*text, to);
        }
}

static void
put_part(const struct flame *f, const char *title, const char *name, size_t n, FILE *to)
{
    if (n == 5 && memcmp(name, "TITLE", n) == 0)
        put_html(title, to);
    else if (n == 5 && memcmp(name, "STYLE", n) == 0)
        fwrite(flame_css, 1, (size_t)(flame_css_end - flame_css), to);
    else if (n == 6 && memcmp(name, "SCRIPT", n) == 0)
        fwrite(flame_js, 1, (size_t)(flame_js_end - flame_js), to);
    else if (n == 4 && memcmp(name, "DATA", n) == 0)
        put_data(f, to);
    else if (n == 11 && memcmp(name, "SCRIPT_HASH", n) == 0)
        put_hash(FLAME_JS_SHA256, to);
    else if (n == 10 && memcmp(name, "STYLE_HASH", n) == 0)
        put_hash(FLAME_CSS_SHA256, to);
}

/* The template has @@NAME@@ where a part goes. */
void
flame_page(const struct flame *f, const char *title, FILE *to)
{
    const char *at = flame_html, *mark, *end;
    struct bytes clean = {0};

    bytes_print(&clean, "%s", title);
    text_clean(clean.data, clean.size, false);
    while ((mark = strstr(at, "@@")) && (end = strstr(mark + 2, "@@"))) {
        fwrite(at, 1, (size_t)(mark - at), to);
        put_part(f, clean.data, mark + 2, (size_t)(end - mark - 2), to);
        at = end + 2;
    }
    fputs(at, to);
    bytes_free(&clean);
}
