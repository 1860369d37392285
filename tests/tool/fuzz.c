/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* fuzz.c - what the belay command reads comes from files and the network: damaged
 * inputs must be refused or reported on, and nothing else.
 *
 *     fuzz SEED RUNS FILE...
 *
 * Damages the files in turn and hands them to the decoder, what decodes to every
 * report and picture, and all of it, as text, to the reader of goroutines.  Built with
 * AddressSanitizer and UndefinedBehaviorSanitizer, which say what is wrong. */
#include "flame.h"
#include "report.h"
#include "stacks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *tool_command = "fuzz";
static FILE *nowhere;

void
tool_error(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vfprintf(nowhere, format, ap);
    va_end(ap);
}

int
tool_misused(const char *format, ...)
{
    (void)format;
    return EXIT_MISUSED;
}

int
tool_finish(void)
{
    return EXIT_OK;
}

/* --- damage ------------------------------------------------------------------------- */

static uint64_t state;

static uint64_t
random_below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? state % n : 0;
}

static uint8_t
interesting_byte(void)
{
    static const uint8_t bytes[] = {0, 1, 2, 8, 10, 18, 26, 34, 42, 50, 58, 0x7f, 0x80, 0xff};

    return random_below(2) ? bytes[random_below(sizeof bytes)] : (uint8_t)random_below(256);
}

/* Puts a run of bytes, from elsewhere or invented, over or before what is at a place. */
static void
insert(struct bytes *b, size_t at, const char *run, size_t n)
{
    size_t before = b->size;

    bytes_add(b, run, n); /* makes room */
    memmove(b->data + at + n, b->data + at, before - at);
    memcpy(b->data + at, run, n);
}

static void
damage_once(struct bytes *b)
{
    size_t at = random_below(b->size), n = 1 + random_below(12);
    char run[16];

    if (b->size == 0)
        return;
    if (n > b->size - at)
        n = b->size - at;
    switch (random_below(7)) {
    case 0:
        b->data[at] ^= (char)(1 << random_below(8));
        break;
    case 1:
    case 2:
        b->data[at] = (char)interesting_byte();
        break;
    case 3: /* a huge number */
        memset(run, 0xff, 9);
        run[9] = (char)random_below(3);
        insert(b, at, run, 10);
        break;
    case 4:
        memcpy(run, b->data + random_below(b->size - n + 1), n);
        insert(b, at, run, n);
        break;
    case 5:
        memmove(b->data + at, b->data + at + n, b->size - at - n);
        b->size -= n;
        break;
    default:
        if (random_below(4) == 0)
            b->size = at;
        break;
    }
    b->data[b->size] = '\0';
}

/* --- use ------------------------------------------------------------------------------ */

static void
draw(const struct pprof *p, bool with_base)
{
    struct flame f;

    flame_start(&f, p, (uint32_t)random_below(p->ntypes), with_base, random_below(2));
    flame_add(&f, p, false);
    if (with_base)
        flame_add(&f, p, true);
    flame_cut(&f, 1 + (uint32_t)random_below(40));
    flame_page(&f, "fuzz", nowhere);
    flame_svg(&f, "fuzz", nowhere);
    flame_collapsed(&f, nowhere);
    flame_free(&f);
}

static void
report(struct pprof *p)
{
    struct report r = {.p = p, .unit = random_below(2) ? "minimum" : "ms"};

    r.type = (uint32_t)random_below(p->ntypes);
    r.total = report_total(p, r.type);
    r.limits = (struct graph_limits){0.005, 0.001, (int)random_below(5), random_below(2)};
    report_top(&r);
    report_tags(&r);
    report_traces(&r);
    report_peek(&r, "a|e");
    report_raw(p);
}

static bool
use(const struct bytes *b, const struct bytes *original)
{
    struct pprof p, whole, merged;
    char why[256];

    if (!pprof_decode(&p, b->data, b->size, why, sizeof why))
        return false;
    pprof_prune(&p);
    if (random_below(4) == 0)
        pprof_filter(&p, "a", random_below(2) ? "f" : NULL);
    report(&p);
    draw(&p, random_below(2));
    if (pprof_decode(&whole, original->data, original->size, why, sizeof why)) {
        pprof_normalize(&p, &whole);
        if (pprof_merge(&merged, &p, &whole, -1, random_below(2))) {
            report(&merged);
            pprof_free(&merged);
        } else {
            pprof_free(&whole);
        }
    }
    pprof_free(&p);
    return true;
}

static void
use_as_text(const struct bytes *b)
{
    struct bytes copy = {0};
    struct stacks s;

    bytes_add(&copy, b->data, b->size);
    input_kind(&copy);
    stacks_read(&s, &copy);
    stacks_free(&s);
    bytes_free(&copy);
}

static void
read_seed(struct bytes *into, const char *name)
{
    if (!input_read(name, into)) {
        fprintf(stderr, "fuzz: %s can't be read\n", name);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    uint64_t seed = argc > 3 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t runs = argc > 3 ? strtoull(argv[2], NULL, 10) : 0, decoded = 0;
    struct bytes *files = memory_get((size_t)argc * sizeof *files);
    int nfiles = argc - 3;

    nowhere = fopen("/dev/null", "w");
    if (nfiles < 1 || !nowhere || !freopen("/dev/null", "w", stdout))
        return 2;
    for (int i = 0; i < nfiles; i++)
        read_seed(&files[i], argv[i + 3]);
    for (uint64_t run = 0; run < runs; run++) {
        const struct bytes *original = &files[run % (uint64_t)nfiles];
        struct bytes b = {0};

        state = (seed + run + 1) * 0x9e3779b97f4a7c15u; /* each run can be had again */
        bytes_add(&b, original->data, original->size);
        for (uint64_t n = 1 + random_below(5); n > 0; n--)
            damage_once(&b);
        decoded += use(&b, original);
        use_as_text(&b);
        bytes_free(&b);
    }
    for (int i = 0; i < nfiles; i++)
        bytes_free(&files[i]);
    free(files);
    fprintf(stderr, "%" PRIu64 " damaged inputs, %" PRIu64 " could be decoded (seed %" PRIu64
            ")\n", runs, decoded, seed);
    return decoded == 0 || decoded == runs; /* the damage is of no use */
}
