/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/text.c - a profile as Go's text form, debug=1: readable as it is, and by
 * `go tool pprof`. */
#include "observe/observe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
put_quoted(struct bl__buf *out, const char *s)
{
    bl__buf_puts(out, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            bl__buf_puts(out, "\\");
        if ((unsigned char)*s < ' ')
            bl__buf_print(out, "\\u%04x", (unsigned)*s);
        else
            bl__buf_put(out, s, 1);
    }
    bl__buf_puts(out, "\"");
}

static void
put_labels(struct bl__buf *out, const struct bl__sample *s)
{
    const char *separator = "";

    if (s->labels_size == 0)
        return;
    bl__buf_puts(out, "# labels: {");
    for (uint32_t at = 0; at < s->labels_size;) {
        const char *key = s->labels + at, *value = key + strlen(key) + 1;

        bl__buf_puts(out, separator);
        put_quoted(out, key);
        bl__buf_puts(out, ":");
        put_quoted(out, value);
        separator = ", ";
        at = (uint32_t)(value + strlen(value) + 1 - s->labels);
    }
    bl__buf_puts(out, "}\n");
}

static void
put_oldest(struct bl__buf *out, const struct bl__sample *s)
{
    char text[80];

    if (*bl__age_text(&s->oldest, text, sizeof text))
        bl__buf_print(out, "# oldest: %s\n", text);
}

static void
put_frame(struct bl__buf *out, const struct bl__names *names,
          const struct bl__names_of *of, uintptr_t pc)
{
    for (uint32_t i = 0; i < of->n; i++) {
        const struct bl__named *line = &names->lines[of->first + i];

        bl__buf_print(out, "#\t0x%" PRIxPTR "\t%s+0x%" PRIxPTR "\t\t%s:%d\n",
                      (pc & ~BL__MARK) - 1, line->function, of->offset, line->file,
                      line->line);
    }
}

/* Belay's frames that come first are left out, unless there is nothing else. */
static void
put_stack(struct bl__buf *out, struct bl__names *names, const struct bl__sample *s)
{
    uint32_t n = bl__names_trim(names, s->pcs, s->n);
    bool show = true;

    for (uint32_t i = 0; i < n && show; i++)
        show = bl__names_at(names, s->pcs[i])->is_own;
    for (uint32_t i = 0; i < n; i++) {
        struct bl__names_of of = *bl__names_at(names, s->pcs[i]);

        if (!show && of.is_own)
            continue;
        show = show || !of.is_own;
        put_frame(out, names, &of, s->pcs[i]);
    }
    bl__buf_puts(out, "\n");
}

/* --- the first lines, one for each family -------------------------------- */

static bool
is_heap(const struct bl__profile *p)
{
    return p->kind.ntypes == 4;
}

static bool
has_delays(const struct bl__profile *p)
{
    return p->kind.ntypes == 2 && strcmp(p->kind.types[1].type, "delay") == 0;
}

static void
sum_up(const struct bl__profile *p, int64_t total[BL__VALUES])
{
    memset(total, 0, BL__VALUES * sizeof *total);
    for (uint32_t i = 0; i < p->keys.n; i++)
        for (int k = 0; k < BL__VALUES; k++)
            total[k] += p->values[i][k];
}

static void
put_heading(struct bl__buf *out, const struct bl__profile *p)
{
    int64_t total[BL__VALUES];

    sum_up(p, total);
    if (is_heap(p)) {
        bl__buf_print(out, "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64
                      "] @ heap/%" PRId64 "\n", total[2], total[3], total[0], total[1],
                      2 * p->kind.period);
    } else if (has_delays(p)) {
        bl__buf_print(out, "--- %s:\ncycles/second=1000000000\n",
                      strcmp(p->kind.name, "block") == 0 ? "contention" : "mutex");
        if (strcmp(p->kind.name, "mutex") == 0)
            bl__buf_print(out, "sampling period=%" PRId64 "\n", p->sampling);
    } else {
        bl__buf_print(out, "%s profile: total %" PRId64 "\n", p->kind.name, total[0]);
    }
}

static void
put_values(struct bl__buf *out, const struct bl__profile *p, const struct bl__sample *s)
{
    const int64_t *v = s->value;

    if (is_heap(p))
        bl__buf_print(out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @", v[2],
                      v[3], v[0], v[1]);
    else if (has_delays(p))
        bl__buf_print(out, "%" PRId64 " %" PRId64 " @", v[1], v[0]);
    else
        bl__buf_print(out, "%" PRId64 " @", v[0]);
    for (uint32_t i = 0; i < s->n; i++)
        bl__buf_print(out, " 0x%" PRIxPTR, s->pcs[i] & ~BL__MARK);
    bl__buf_puts(out, "\n");
}

/* --- order --------------------------------------------------------------- */

struct row {
    struct bl__sample s;
    int64_t weight;
};

static int
compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    uint32_t n = x->s.n < y->s.n ? x->s.n : y->s.n;

    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    for (uint32_t i = 0; i < n; i++)
        if (x->s.pcs[i] != y->s.pcs[i])
            return x->s.pcs[i] < y->s.pcs[i] ? -1 : 1;
    return x->s.n < y->s.n ? -1 : x->s.n > y->s.n;
}

void
bl__profile_text(const struct bl__profile *p, struct bl__buf *out)
{
    struct bl__names names = {0};
    uint32_t n = p->keys.n, count = 0;
    struct row *rows = calloc(n ? n : 1, sizeof *rows);

    if (!rows) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct bl__sample s = bl__profile_sample(p, i);

        if (!bl__sample_is_empty(&s))
            rows[count++] = (struct row){s, is_heap(p)     ? s.value[3]
                                            : has_delays(p) ? s.value[1]
                                                            : s.value[0]};
    }
    qsort(rows, count, sizeof *rows, compare);
    put_heading(out, p);
    for (uint32_t i = 0; i < count; i++) {
        put_values(out, p, &rows[i].s);
        put_labels(out, &rows[i].s);
        put_oldest(out, &rows[i].s);
        put_stack(out, &names, &rows[i].s);
    }
    if (p->comment[0])
        bl__buf_print(out, "# %s\n", p->comment);
    free(rows);
    bl__names_free(&names);
}
