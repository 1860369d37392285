/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* table.c - what is left behind, as a table; and all samples as CSV. */
#include "lab.h"
#include "tool.h"

#include <inttypes.h>
#include <string.h>

struct lab_text
lab_count(int64_t n)
{
    char digits[24];
    struct lab_text t = {""};
    int length = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? -n : n), used = 0;

    if (n < 0)
        t.text[used++] = '-';
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            t.text[used++] = ',';
        t.text[used++] = digits[i];
    }
    return t;
}

struct lab_text
lab_figure(enum figure f, int64_t n)
{
    double megabytes = (double)n / 1e6;
    struct lab_text t;

    if (f != MEMORY)
        return lab_count(n);
    snprintf(t.text, sizeof t.text, megabytes >= 99.95 ? "%.0f MB" : "%.1f MB",
             megabytes < 0.05 ? 0 : megabytes);
    return t;
}

void
table_head(const struct lab *lab)
{
    printf("%s connections over loopback, each form in ", lab_count(lab->n).text);
    if (lab->shards > 1)
        printf("%d processes of its own: no more than\n%s open files are permitted in one "
               "(ulimit -Hn).\n", lab->shards, lab_count(lab->limit).text);
    else
        printf("a process of its own.\n");
    printf("What is left of them once the other side has gone:\n\n"
           "mistake  form   answered   failed    memory  descriptors  goroutines     defers\n");
}

void
table_row(const struct run *run)
{
    const struct sample *s = run_last(run);
    bool leaks = !run->is_right;

    printf("%-8s %s%-5s  %9s%9s%10s%13s%12s%11s%s\n",
           run->is_right ? "" : run->mistake->name, leaks ? colour(stdout, "\033[1m") : "",
           run->is_right ? "right" : "wrong", lab_count(s->served).text,
           lab_count(s->failed).text, lab_figure(MEMORY, s->value[MEMORY]).text,
           lab_count(s->value[DESCRIPTORS]).text, lab_count(s->value[GOROUTINES]).text,
           lab_count(s->value[DEFERS]).text, leaks ? colour(stdout, "\033[0m") : "");
    fflush(stdout);
}

/* --- CSV ---------------------------------------------------------------------------------- */

static const char *const phase_names[] = {"set up", "opening", "open", "gone", "settled"};

void
csv_head(void)
{
    printf("mistake,form,seconds,phase,answered,failed,memory_bytes,descriptors,"
           "goroutines,pending_defers\n");
}

void
csv_rows(const struct run *run)
{
    for (uint32_t i = 0; i < run->nsamples; i++) {
        const struct sample *s = &run->samples[i];

        printf("%s,%s,%.3f,%s,%" PRId64 ",%" PRId64, run->mistake->name,
               run->is_right ? "right" : "wrong", (double)s->at_ns / 1e9,
               phase_names[s->phase], s->served, s->failed);
        for (int f = 0; f < NFIGURES; f++)
            printf(",%" PRId64, s->value[f]);
        printf("\n");
    }
    fflush(stdout);
}
