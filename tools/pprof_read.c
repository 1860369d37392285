/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* pprof_read.c - the decoder.  It trusts nothing: profiles come from the network.
 *
 * Protobuf is a row of fields, (number << 3 | wire type) and a value; messages are
 * fields with a length.  Two passes over the top level: the first counts the fields,
 * so that arrays can be made, and reads the strings, which may stand at the end; the
 * second decodes.  References by id become indices. */
#include "pprof_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct decoder {
    struct pprof *p;
    const uint8_t *start;   /* of the whole, for messages */
    const char **strings;
    uint32_t nstrings;
    struct table mapping_ids, location_ids, function_ids;
    char *why;
    size_t room;
};

struct span {
    const uint8_t *at, *end;
};

struct field {
    uint64_t number, value; /* value: of a varint */
    enum wire wire;
    struct span span;       /* of WIRE_BYTES */
    const uint8_t *at;      /* where it begins */
};

static bool fail(struct decoder *d, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool
fail(struct decoder *d, const uint8_t *at, const char *format, ...)
{
    va_list ap;
    int n = snprintf(d->why, d->room, "byte %zu: ", (size_t)(at - d->start));

    va_start(ap, format);
    if (n > 0 && (size_t)n < d->room)
        vsnprintf(d->why + n, d->room - (size_t)n, format, ap);
    va_end(ap);
    return false;
}

/* --- the wire -------------------------------------------------------------------- */

static bool
read_varint(struct decoder *d, struct span *s, uint64_t *value)
{
    const uint8_t *began = s->at;

    *value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        uint8_t byte;

        if (s->at == s->end)
            return fail(d, began, "a number goes past the end: truncated?");
        byte = *s->at++;
        if (shift == 63 && byte > 1)
            break;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return fail(d, began, "a number is longer than 64 bits");
}

static bool
skip(struct decoder *d, struct span *s, const struct field *f, uint64_t n)
{
    if (n > (uint64_t)(s->end - s->at))
        return fail(d, f->at, "field %" PRIu64 " is %" PRIu64 " bytes long, %zu are left: "
                    "truncated?", f->number, n, (size_t)(s->end - s->at));
    s->at += n;
    return true;
}

static bool
read_field(struct decoder *d, struct span *s, struct field *f)
{
    uint64_t key, n;

    *f = (struct field){.at = s->at};
    if (!read_varint(d, s, &key))
        return false;
    f->number = key >> 3;
    f->wire = (enum wire)(key & 7);
    if (f->number == 0 || f->number > 536870911)
        return fail(d, f->at, "there is no field %" PRIu64, f->number);
    switch (f->wire) {
    case WIRE_VARINT:
        return read_varint(d, s, &f->value);
    case WIRE_64:
        return skip(d, s, f, 8);
    case WIRE_32:
        return skip(d, s, f, 4);
    case WIRE_BYTES:
        if (!read_varint(d, s, &n))
            return false;
        f->span.at = s->at;
        if (!skip(d, s, f, n))
            return false;
        f->span.end = s->at;
        return true;
    default:
        return fail(d, f->at, "wire type %d", (int)f->wire);
    }
}

static bool
wants(struct decoder *d, const struct field *f, enum wire wire)
{
    return f->wire == wire || fail(d, f->at, "field %" PRIu64 " has wire type %d, not %d",
                                   f->number, (int)f->wire, (int)wire);
}

/* --- values ------------------------------------------------------------------------ */

static bool
take_number(struct decoder *d, const struct field *f, int64_t *into)
{
    *into = (int64_t)f->value;
    return wants(d, f, WIRE_VARINT);
}

static bool
take_id(struct decoder *d, const struct field *f, uint64_t *into)
{
    *into = f->value;
    return wants(d, f, WIRE_VARINT);
}

static bool
take_flag(struct decoder *d, const struct field *f, bool *into)
{
    *into = f->value != 0;
    return wants(d, f, WIRE_VARINT);
}

static bool
take_string(struct decoder *d, const struct field *f, const char **into)
{
    if (!wants(d, f, WIRE_VARINT))
        return false;
    if (f->value >= d->nstrings)
        return fail(d, f->at, "string %" PRIu64 " of %" PRIu32, f->value, d->nstrings);
    *into = d->strings[f->value];
    return true;
}

/* How many numbers a repeated field has here: packed, or a single one. */
static bool
count_numbers(struct decoder *d, const struct field *f, uint32_t *count)
{
    if (f->wire == WIRE_VARINT) {
        ++*count;
        return true;
    }
    if (!wants(d, f, WIRE_BYTES))
        return false;
    for (const uint8_t *at = f->span.at; at < f->span.end; at++)
        *count += *at < 0x80;
    return true;
}

static bool
take_numbers(struct decoder *d, const struct field *f, uint64_t *into, uint32_t *count)
{
    struct span s = f->span;

    if (f->wire == WIRE_VARINT) {
        into[(*count)++] = f->value;
        return true;
    }
    while (s.at < s.end) {
        uint64_t value; /* count_numbers() has not counted one that is cut off */

        if (!read_varint(d, &s, &value))
            return false;
        into[(*count)++] = value;
    }
    return true;
}

/* An id is new, and not 0. */
static bool
define(struct decoder *d, struct table *ids, uint64_t id, const char *what,
       const struct field *f)
{
    uint32_t before = ids->count;

    if (id == 0)
        return fail(d, f->at, "a %s without id", what);
    table_add(ids, &id, sizeof id);
    return ids->count > before ||
           fail(d, f->at, "two %ss with the id %" PRIu64, what, id);
}

static bool
resolve(struct decoder *d, const struct table *ids, uint64_t id, const char *what,
        const uint8_t *at, uint32_t *into)
{
    *into = table_find(ids, &id, sizeof id);
    return *into != TABLE_NONE || fail(d, at, "there is no %s %" PRIu64, what, id);
}

/* --- messages ------------------------------------------------------------------------ */

static bool
take_type(struct decoder *d, const struct field *message, struct pprof_type *into)
{
    struct span s = message->span;
    struct field f;

    if (!wants(d, message, WIRE_BYTES))
        return false;
    into->type = into->unit = "";
    while (s.at < s.end)
        if (!read_field(d, &s, &f) ||
            (f.number == 1 && !take_string(d, &f, &into->type)) ||
            (f.number == 2 && !take_string(d, &f, &into->unit)))
            return false;
    return true;
}

static bool
take_mapping(struct decoder *d, const struct field *message, struct pprof_mapping *m)
{
    struct span s = message->span;
    struct field f;
    bool ok = wants(d, message, WIRE_BYTES);

    m->file = m->build_id = "";
    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 1: ok = take_id(d, &f, &m->id); break;
        case 2: ok = take_id(d, &f, &m->start); break;
        case 3: ok = take_id(d, &f, &m->limit); break;
        case 4: ok = take_id(d, &f, &m->offset); break;
        case 5: ok = take_string(d, &f, &m->file); break;
        case 6: ok = take_string(d, &f, &m->build_id); break;
        case 7: ok = take_flag(d, &f, &m->has_functions); break;
        case 8: ok = take_flag(d, &f, &m->has_filenames); break;
        case 9: ok = take_flag(d, &f, &m->has_line_numbers); break;
        case 10: ok = take_flag(d, &f, &m->has_inline_frames); break;
        }
    return ok && define(d, &d->mapping_ids, m->id, "mapping", message);
}

static bool
take_function(struct decoder *d, const struct field *message, struct pprof_function *fn)
{
    struct span s = message->span;
    struct field f;
    bool ok = wants(d, message, WIRE_BYTES);

    fn->name = fn->system_name = fn->file = "";
    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 1: ok = take_id(d, &f, &fn->id); break;
        case 2: ok = take_string(d, &f, &fn->name); break;
        case 3: ok = take_string(d, &f, &fn->system_name); break;
        case 4: ok = take_string(d, &f, &fn->file); break;
        case 5: ok = take_number(d, &f, &fn->start_line); break;
        }
    return ok && define(d, &d->function_ids, fn->id, "function", message);
}

static bool
take_line(struct decoder *d, const struct field *message, struct pprof_line *line)
{
    struct span s = message->span;
    struct field f;
    uint64_t id = 0;
    bool ok = wants(d, message, WIRE_BYTES);

    line->function = PPROF_NONE;
    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 1: ok = take_id(d, &f, &id); break;
        case 2: ok = take_number(d, &f, &line->line); break;
        case 3: ok = take_number(d, &f, &line->column); break;
        }
    if (!ok || id == 0)
        return ok;
    return resolve(d, &d->function_ids, id, "function", message->at, &line->function);
}

static bool
count_fields(struct decoder *d, struct span s, uint64_t number, uint32_t *count)
{
    struct field f;

    while (s.at < s.end) {
        if (!read_field(d, &s, &f))
            return false;
        *count += f.number == number;
    }
    return true;
}

static bool
take_location(struct decoder *d, const struct field *message, struct pprof_location *l)
{
    struct span s = message->span;
    struct field f;
    uint64_t mapping = 0;
    uint32_t nlines = 0;
    bool ok = wants(d, message, WIRE_BYTES) && count_fields(d, s, 4, &nlines);

    l->mapping = PPROF_NONE;
    l->lines = arena_array(&d->p->arena, nlines, sizeof *l->lines);
    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 1: ok = take_id(d, &f, &l->id); break;
        case 2: ok = take_id(d, &f, &mapping); break;
        case 3: ok = take_id(d, &f, &l->address); break;
        case 4: ok = take_line(d, &f, &l->lines[l->nlines++]); break;
        case 5: ok = take_flag(d, &f, &l->is_folded); break;
        }
    if (!ok || !define(d, &d->location_ids, l->id, "location", message))
        return false;
    return mapping == 0 ||
           resolve(d, &d->mapping_ids, mapping, "mapping", message->at, &l->mapping);
}

static bool
take_label(struct decoder *d, const struct field *message, struct pprof_label *label)
{
    struct span s = message->span;
    struct field f;
    bool ok = wants(d, message, WIRE_BYTES);

    label->key = label->unit = "";
    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 1: ok = take_string(d, &f, &label->key); break;
        case 2: /* the empty string stands for none */
            ok = take_string(d, &f, &label->text);
            if (ok && f.value == 0)
                label->text = NULL;
            break;
        case 3: ok = take_number(d, &f, &label->number); break;
        case 4: ok = take_string(d, &f, &label->unit); break;
        }
    return ok;
}

struct counts {
    uint32_t locations, values, labels;
};

static bool
count_sample(struct decoder *d, const struct field *message, struct counts *n)
{
    struct span s = message->span;
    struct field f;

    while (s.at < s.end) {
        if (!read_field(d, &s, &f) ||
            (f.number == 1 && !count_numbers(d, &f, &n->locations)) ||
            (f.number == 2 && !count_numbers(d, &f, &n->values)))
            return false;
        n->labels += f.number == 3;
    }
    return n->values == d->p->ntypes ||
           fail(d, message->at, "a sample has %" PRIu32 " values, there are %" PRIu32
                " types", n->values, d->p->ntypes);
}

static bool
take_sample(struct decoder *d, const struct field *message, struct pprof_sample *sample)
{
    struct span s = message->span;
    struct counts n = {0};
    struct field f;
    uint32_t nids = 0, nvalues = 0;
    uint64_t *ids;
    bool ok = wants(d, message, WIRE_BYTES) && count_sample(d, message, &n);

    if (!ok)
        return false;
    ids = memory_get(n.locations * sizeof *ids);
    sample->locations = arena_array(&d->p->arena, n.locations, sizeof *sample->locations);
    sample->values = arena_array(&d->p->arena, n.values, sizeof *sample->values);
    sample->labels = arena_array(&d->p->arena, n.labels, sizeof *sample->labels);
    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 1: ok = take_numbers(d, &f, ids, &nids); break;
        case 2: ok = take_numbers(d, &f, (uint64_t *)sample->values, &nvalues); break;
        case 3: ok = take_label(d, &f, &sample->labels[sample->nlabels++]); break;
        }
    for (uint32_t i = 0; ok && i < nids; i++)
        ok = resolve(d, &d->location_ids, ids[i], "location", message->at,
                     &sample->locations[i]);
    sample->nlocations = nids;
    free(ids);
    return ok;
}

/* --- the whole -------------------------------------------------------------------------- */

enum { TYPE = 1, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING, COMMENT = 13, NFIELDS = 16 };

static bool
count_all(struct decoder *d, struct span s, uint32_t *counts)
{
    struct field f;

    while (s.at < s.end) {
        if (!read_field(d, &s, &f))
            return false;
        if (f.number == COMMENT) {
            if (!count_numbers(d, &f, &counts[COMMENT]))
                return false;
        } else if (f.number < NFIELDS) {
            counts[f.number]++;
        }
    }
    return true;
}

static bool
take_strings(struct decoder *d, struct span s, uint32_t count)
{
    struct field f;

    d->strings = arena_array(&d->p->arena, count, sizeof *d->strings);
    while (s.at < s.end && read_field(d, &s, &f)) {
        size_t n = (size_t)(f.span.end - f.span.at);
        char *text;

        if (f.number != STRING)
            continue;
        if (!wants(d, &f, WIRE_BYTES))
            return false;
        if (d->nstrings == 0 && n > 0)
            return fail(d, f.at, "the first string is not empty");
        text = arena_text(&d->p->arena, (const char *)f.span.at, n);
        text_clean(text, n, false);
        d->strings[d->nstrings++] = text;
    }
    return true;
}

/* The messages of one kind after the other: what refers to an id comes after what
 * defines it, wherever they stand in the file. */
static bool
take_kind(struct decoder *d, struct span s, uint64_t kind)
{
    struct pprof *p = d->p;
    struct field f;
    bool ok = true;

    for (struct span whole = s; ok && s.at < s.end && (ok = read_field(d, &s, &f));) {
        if (f.number != kind)
            continue;
        switch (kind) {
        case TYPE: ok = take_type(d, &f, &p->types[p->ntypes++]); break;
        case SAMPLE: ok = take_sample(d, &f, &p->samples[p->nsamples++]); break;
        case MAPPING: ok = take_mapping(d, &f, &p->mappings[p->nmappings++]); break;
        case LOCATION: ok = take_location(d, &f, &p->locations[p->nlocations++]); break;
        case FUNCTION: ok = take_function(d, &f, &p->functions[p->nfunctions++]); break;
        }
        progress("decoding", (uint64_t)(s.at - whole.at), (uint64_t)(s.end - whole.at));
    }
    return ok;
}

static bool
take_comments(struct decoder *d, const struct field *f)
{
    struct span s = f->span;

    if (f->wire == WIRE_VARINT)
        return take_string(d, f, &d->p->comments[d->p->ncomments++]);
    while (s.at < s.end) {
        struct field one = {.number = COMMENT, .at = f->at};

        if (!read_varint(d, &s, &one.value) ||
            !take_string(d, &one, &d->p->comments[d->p->ncomments++]))
            return false;
    }
    return true;
}

static bool
take_rest(struct decoder *d, struct span s)
{
    struct pprof *p = d->p;
    struct field f;
    bool ok = true;

    while (ok && s.at < s.end && (ok = read_field(d, &s, &f)))
        switch (f.number) {
        case 7: ok = take_string(d, &f, &p->drop_frames); break;
        case 8: ok = take_string(d, &f, &p->keep_frames); break;
        case 9: ok = take_number(d, &f, &p->time_ns); break;
        case 10: ok = take_number(d, &f, &p->duration_ns); break;
        case 11: ok = take_type(d, &f, &p->period_type); break;
        case 12: ok = take_number(d, &f, &p->period); break;
        case COMMENT: ok = take_comments(d, &f); break;
        case 14: ok = take_string(d, &f, &p->default_type); break;
        case 15: ok = take_string(d, &f, &p->doc_url); break;
        }
    return ok;
}

static bool
decode(struct decoder *d, struct span all)
{
    struct pprof *p = d->p;
    struct arena *a = &p->arena;
    uint32_t counts[NFIELDS] = {0};

    if (!count_all(d, all, counts) || !take_strings(d, all, counts[STRING]))
        return false;
    if (counts[TYPE] == 0 || counts[STRING] == 0)
        return fail(d, all.at, "there is no sample type");
    p->types = arena_array(a, counts[TYPE], sizeof *p->types);
    p->samples = arena_array(a, counts[SAMPLE], sizeof *p->samples);
    p->mappings = arena_array(a, counts[MAPPING], sizeof *p->mappings);
    p->locations = arena_array(a, counts[LOCATION], sizeof *p->locations);
    p->functions = arena_array(a, counts[FUNCTION], sizeof *p->functions);
    p->comments = arena_array(a, counts[COMMENT], sizeof *p->comments);
    return take_kind(d, all, TYPE) && take_kind(d, all, MAPPING) &&
           take_kind(d, all, FUNCTION) && take_kind(d, all, LOCATION) &&
           take_kind(d, all, SAMPLE) && take_rest(d, all);
}

bool
pprof_decode(struct pprof *p, const void *data, size_t size, char *why, size_t room)
{
    struct decoder d = {.p = p, .start = data, .why = why, .room = room};
    bool ok;

    *p = (struct pprof){.period_type = {"", ""}};
    p->drop_frames = p->keep_frames = p->default_type = p->doc_url = "";
    ok = decode(&d, (struct span){data, (const uint8_t *)data + size});
    table_free(&d.mapping_ids);
    table_free(&d.location_ids);
    table_free(&d.function_ids);
    if (!ok)
        pprof_free(p);
    return ok;
}

void
pprof_free(struct pprof *p)
{
    arena_free(&p->arena);
    *p = (struct pprof){0};
}

/* --- from files and servers -------------------------------------------------------- */

/* http://host:port has no path: the CPU's profile, as with go tool pprof.  (A socket's
 * path ends at the next colon.) */
static void
complete_url(const char *name, int seconds, struct bytes *url)
{
    bool socket = strncmp(name, "unix:", 5) == 0;
    const char *host = socket ? name + 5 : strstr(name, "//") + 2;
    const char *path = strchr(host, socket ? ':' : '/');

    bytes_print(url, "%s", name);
    if (!path || strcmp(path, "/") == 0)
        bytes_print(url, "%sdebug/pprof/profile", socket ? ":/" : path ? "" : "/");
    if (seconds > 0)
        bytes_print(url, "%cseconds=%d", strchr(host, '?') ? '&' : '?', seconds);
}

bool
pprof_open(struct pprof *p, const char *name, int seconds)
{
    struct bytes data = {0}, url = {0};
    char why[256];
    const char *kind = NULL;
    bool done;

    if (input_is_url(name))
        complete_url(name, seconds, &url);
    done = input_read(url.data ? url.data : name, &data);
    if (done) {
        done = pprof_decode(p, data.data, data.size, why, sizeof why);
        progress_end();
        if (!done && !(kind = input_kind(&data)))
            tool_error("%s: not a profile of pprof, or a damaged one: %s", name, why);
        else if (!done)
            tool_error("%s: not a profile of pprof; looks like %s", name, kind);
    }
    bytes_free(&data);
    bytes_free(&url);
    return done;
}
