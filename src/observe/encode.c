/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/encode.c - a profile as pprof's protobuf, gzip'ed: with functions and lines,
 * and with the addresses and build ids that other tools look them up by. */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* Field numbers of profile.proto. */
enum {
    PROFILE_TYPE = 1,
    PROFILE_SAMPLE,
    PROFILE_MAPPING,
    PROFILE_LOCATION,
    PROFILE_FUNCTION,
    PROFILE_STRING,
    PROFILE_TIME = 9,
    PROFILE_DURATION,
    PROFILE_PERIOD_TYPE,
    PROFILE_PERIOD,
    PROFILE_COMMENT,
    PROFILE_DEFAULT_TYPE,

    SAMPLE_LOCATION = 1,
    SAMPLE_VALUE,
    SAMPLE_LABEL,
    LABEL_KEY = 1,
    LABEL_STRING,
    LABEL_NUMBER,
    LABEL_UNIT,

    MAPPING_ID = 1,
    MAPPING_START,
    MAPPING_LIMIT,
    MAPPING_OFFSET,
    MAPPING_FILE,
    MAPPING_BUILD_ID,
    MAPPING_HAS_FUNCTIONS, /* and 8, 9, 10: files, lines, inlined functions */
    MAPPING_HAS_INLINES = 10,

    LOCATION_ID = 1,
    LOCATION_MAPPING,
    LOCATION_ADDRESS,
    LOCATION_LINE,
    LINE_FUNCTION = 1,
    LINE_NUMBER,

    FUNCTION_ID = 1,
    FUNCTION_NAME,
    FUNCTION_SYSTEM_NAME,
    FUNCTION_FILE,

    MOST_MAPPINGS = 1024,
    MOST_COMMENTS = 100,
};

struct mapping {
    uintptr_t start, end;
    uint64_t offset;
    const char *file;
    char build_id[65];
};

struct encoder {
    struct bl__buf out;
    struct bl__buf scratch, inner; /* of the message being made, and one in it */
    struct bl__table strings;
    struct bl__table functions;    /* name, file: numbers of strings */
    struct bl__table locations;    /* pcs */
    struct bl__names names;
    struct mapping *mappings;
    int nmappings;
    char program[PATH_MAX];
};

/* --- the wire ------------------------------------------------------------ */

static void
put_varint(struct bl__buf *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    bl__buf_put(b, bytes, n);
}

static void
put_number(struct bl__buf *b, int field, uint64_t v)
{
    if (v == 0)
        return;
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}

static void
put_bytes(struct bl__buf *b, int field, const void *p, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    bl__buf_put(b, p, n);
}

/* What was collected in `message`, which is empty behind it. */
static void
put_message(struct bl__buf *b, int field, struct bl__buf *message)
{
    put_bytes(b, field, message->data, message->n);
    b->failed = b->failed || message->failed;
    message->n = 0;
}

static uint32_t
string(struct encoder *e, const char *s)
{
    uint32_t i = bl__table_add(&e->strings, s ? s : "", s ? strlen(s) : 0);

    return i == UINT32_MAX ? 0 : i;
}

static void
put_type(struct encoder *e, int field, const struct bl__type *type)
{
    put_number(&e->scratch, 1, string(e, type->type));
    put_number(&e->scratch, 2, string(e, type->unit));
    put_message(&e->out, field, &e->scratch);
}

/* --- mappings ------------------------------------------------------------ */

static void
find_build_id(const struct dl_phdr_info *info, char hex[65])
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const char *p = (const char *)(info->dlpi_addr + ph->p_vaddr), *end;

        if (ph->p_type != PT_NOTE)
            continue;
        for (end = p + ph->p_memsz; p + sizeof(ElfW(Nhdr)) <= end;) {
            const ElfW(Nhdr) *note = (const void *)p;
            const unsigned char *id =
                (const unsigned char *)p + sizeof *note + ((note->n_namesz + 3) & ~3u);

            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
                note->n_descsz <= 32 && memcmp(note + 1, "GNU", 4) == 0) {
                for (uint32_t k = 0; k < note->n_descsz; k++) {
                    hex[2 * k] = "0123456789abcdef"[id[k] >> 4];
                    hex[2 * k + 1] = "0123456789abcdef"[id[k] & 15];
                }
                hex[2 * note->n_descsz] = '\0';
                return;
            }
            p = (const char *)id + ((note->n_descsz + 3) & ~3u);
        }
    }
}

static int
on_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct encoder *e = arg;
    const char *file = info->dlpi_name[0] ? info->dlpi_name
                       : e->nmappings == 0 ? e->program
                                           : "[vdso]";

    (void)size;
    for (int i = 0; i < info->dlpi_phnum && e->nmappings < MOST_MAPPINGS; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        struct mapping *m = &e->mappings[e->nmappings];

        if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
            continue;
        m->start = (info->dlpi_addr + ph->p_vaddr) & ~(uintptr_t)4095;
        m->end = (info->dlpi_addr + ph->p_vaddr + ph->p_memsz + 4095) & ~(uintptr_t)4095;
        m->offset = ph->p_offset & ~(uint64_t)4095;
        m->file = strdup(file);
        find_build_id(info, m->build_id);
        e->nmappings++;
    }
    return 0;
}

static void
find_mappings(struct encoder *e)
{
    ssize_t n = readlink("/proc/self/exe", e->program, sizeof e->program - 1);

    e->program[n > 0 ? n : 0] = '\0';
    e->mappings = calloc(MOST_MAPPINGS, sizeof *e->mappings);
    bl__loader_begin();
    if (e->mappings)
        dl_iterate_phdr(on_module, e);
    bl__loader_end();
}

static int
mapping_of(const struct encoder *e, uintptr_t at)
{
    for (int i = 0; i < e->nmappings; i++)
        if (at >= e->mappings[i].start && at < e->mappings[i].end)
            return i + 1;
    return 0;
}

static void
put_mappings(struct encoder *e)
{
    for (int i = 0; i < e->nmappings; i++) {
        const struct mapping *m = &e->mappings[i];

        put_number(&e->scratch, MAPPING_ID, (uint64_t)i + 1);
        put_number(&e->scratch, MAPPING_START, m->start);
        put_number(&e->scratch, MAPPING_LIMIT, m->end);
        put_number(&e->scratch, MAPPING_OFFSET, m->offset);
        put_number(&e->scratch, MAPPING_FILE, string(e, m->file));
        put_number(&e->scratch, MAPPING_BUILD_ID, string(e, m->build_id));
        for (int f = MAPPING_HAS_FUNCTIONS; f <= MAPPING_HAS_INLINES; f++)
            put_number(&e->scratch, f, 1);
        put_message(&e->out, PROFILE_MAPPING, &e->scratch);
    }
}

/* --- functions and locations --------------------------------------------- */

static uint64_t
function_of(struct encoder *e, const struct bl__named *line)
{
    uint32_t key[2] = {string(e, line->function), string(e, line->file)};
    uint32_t known = e->functions.n;
    uint32_t i = bl__table_add(&e->functions, key, sizeof key);
    struct bl__buf message = {0};

    if (i == known) {
        put_number(&message, FUNCTION_ID, (uint64_t)i + 1);
        put_number(&message, FUNCTION_NAME, key[0]);
        put_number(&message, FUNCTION_SYSTEM_NAME, key[0]);
        put_number(&message, FUNCTION_FILE, key[1]);
        put_message(&e->out, PROFILE_FUNCTION, &message);
        bl__buf_free(&message);
    }
    return (uint64_t)i + 1;
}

static void
put_location(struct encoder *e, uintptr_t pc, uint64_t id)
{
    const struct bl__names_of *of = bl__names_at(&e->names, pc);
    bool is_mark = pc & BL__MARK;

    put_number(&e->scratch, LOCATION_ID, id);
    if (!is_mark) {
        put_number(&e->scratch, LOCATION_MAPPING, (uint64_t)mapping_of(e, pc - 1));
        put_number(&e->scratch, LOCATION_ADDRESS, pc - 1);
    }
    for (uint32_t i = 0; i < of->n; i++) {
        const struct bl__named *line = &e->names.lines[of->first + i];

        put_number(&e->inner, LINE_FUNCTION, function_of(e, line));
        put_number(&e->inner, LINE_NUMBER, (uint64_t)line->line);
        put_message(&e->scratch, LOCATION_LINE, &e->inner);
    }
    put_message(&e->out, PROFILE_LOCATION, &e->scratch);
}

static uint64_t
location_of(struct encoder *e, uintptr_t pc)
{
    uint32_t known = e->locations.n;
    uint32_t i = bl__table_add(&e->locations, &pc, sizeof pc);

    if (i == known)
        put_location(e, pc, (uint64_t)i + 1);
    return (uint64_t)i + 1;
}

/* --- samples ------------------------------------------------------------- */

static void
put_labels(struct encoder *e, struct bl__buf *sample, const struct bl__sample *s)
{
    for (uint32_t at = 0; at < s->labels_size;) {
        const char *key = s->labels + at, *value = key + strlen(key) + 1;

        put_number(&e->inner, LABEL_KEY, string(e, key));
        put_number(&e->inner, LABEL_STRING, string(e, value));
        put_message(sample, SAMPLE_LABEL, &e->inner);
        at = (uint32_t)(value + strlen(value) + 1 - s->labels);
    }
    if (s->bytes == 0)
        return;
    put_number(&e->inner, LABEL_KEY, string(e, "bytes"));
    put_number(&e->inner, LABEL_NUMBER, (uint64_t)s->bytes);
    put_number(&e->inner, LABEL_UNIT, string(e, "bytes"));
    put_message(sample, SAMPLE_LABEL, &e->inner);
}

static void
put_sample(struct encoder *e, const struct bl__profile *p, uint32_t number)
{
    struct bl__sample s = bl__profile_sample(p, number);
    struct bl__buf sample = {0}, packed = {0};

    if (bl__sample_is_empty(&s))
        return;
    s.n = bl__names_trim(&e->names, s.pcs, s.n);
    for (uint32_t i = 0; i < s.n; i++)
        put_varint(&packed, location_of(e, s.pcs[i]));
    put_message(&sample, SAMPLE_LOCATION, &packed);
    for (int i = 0; i < p->kind.ntypes; i++)
        put_varint(&packed, (uint64_t)s.value[i]);
    put_message(&sample, SAMPLE_VALUE, &packed);
    put_labels(e, &sample, &s);
    put_message(&e->out, PROFILE_SAMPLE, &sample);
    bl__buf_free(&sample);
    bl__buf_free(&packed);
}

/* By place, as a comment: a label would be another one each time, so that samples of two
 * profiles would never meet, and scrapers would make a new series of each; and values are
 * added up. */
static void
put_oldest(struct encoder *e, const struct bl__profile *p)
{
    struct bl__table sites = {0};
    struct bl__age ages[MOST_COMMENTS] = {0};
    char text[80], line[BL__LABELS_MOST + 80];

    for (uint32_t i = 0; i < p->keys.n; i++) {
        struct bl__sample s = bl__profile_sample(p, i);
        const char *site = bl__labels_find(s.labels, s.labels_size, "site");
        uint32_t k = site && s.oldest.most > 0 && !bl__sample_is_empty(&s)
                         ? bl__table_add(&sites, site, strlen(site))
                         : UINT32_MAX;

        if (k < MOST_COMMENTS)
            bl__age_add(&ages[k], &s.oldest);
    }
    for (uint32_t k = 0; k < sites.n && k < MOST_COMMENTS; k++) {
        if (!*bl__age_text(&ages[k], text, sizeof text))
            continue;
        snprintf(line, sizeof line, "%s: oldest %s", (const char *)bl__table_key(&sites, k),
                 text);
        put_number(&e->out, PROFILE_COMMENT, string(e, line));
    }
    bl__table_free(&sites);
}

static void
put_profile(struct encoder *e, const struct bl__profile *p)
{
    const struct bl__kind *k = &p->kind;

    string(e, "");
    find_mappings(e);
    for (int i = 0; i < k->ntypes; i++)
        put_type(e, PROFILE_TYPE, &k->types[i]);
    for (uint32_t i = 0; i < p->keys.n; i++)
        put_sample(e, p, i);
    put_mappings(e);
    put_number(&e->out, PROFILE_TIME, (uint64_t)p->began_ns);
    put_number(&e->out, PROFILE_DURATION, (uint64_t)p->duration_ns);
    put_type(e, PROFILE_PERIOD_TYPE, &k->period_type);
    put_number(&e->out, PROFILE_PERIOD, (uint64_t)k->period);
    if (p->comment[0])
        put_number(&e->out, PROFILE_COMMENT, string(e, p->comment));
    put_oldest(e, p);
    if (k->default_type)
        put_number(&e->out, PROFILE_DEFAULT_TYPE, string(e, k->default_type));
    for (uint32_t i = 0; i < e->strings.n; i++)
        put_bytes(&e->out, PROFILE_STRING, bl__table_key(&e->strings, i),
                  e->strings.entries[i].size);
}

/* --- gzip ---------------------------------------------------------------- */

static void
gzip(const struct bl__buf *in, struct bl__buf *out)
{
    z_stream z = {0};
    char chunk[16384];
    int status;

    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        out->failed = true;
        return;
    }
    z.next_in = (unsigned char *)in->data;
    z.avail_in = (unsigned)in->n;
    do {
        z.next_out = (unsigned char *)chunk;
        z.avail_out = sizeof chunk;
        status = deflate(&z, Z_FINISH);
        bl__buf_put(out, chunk, sizeof chunk - z.avail_out);
    } while (status == Z_OK);
    deflateEnd(&z);
}

void
bl__profile_encode(const struct bl__profile *p, struct bl__buf *out)
{
    struct encoder *e = calloc(1, sizeof *e);

    if (!e) {
        out->failed = true;
        return;
    }
    put_profile(e, p);
    gzip(&e->out, out);
    out->failed = out->failed || e->out.failed;
    for (int i = 0; i < e->nmappings; i++)
        free((void *)e->mappings[i].file);
    free(e->mappings);
    bl__buf_free(&e->out);
    bl__buf_free(&e->scratch);
    bl__buf_free(&e->inner);
    bl__table_free(&e->strings);
    bl__table_free(&e->functions);
    bl__table_free(&e->locations);
    bl__names_free(&e->names);
    free(e);
}
