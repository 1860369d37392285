/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* errors/format.c - printf's formats with %pw and %pv for errors.
 *
 * Most formats are simple, and their text is written in one go.  Any other is read
 * twice: first for the types of its arguments, which are then fetched in order (they
 * may be numbered), then to write the text, for which the C library formats what is
 * neither plain text nor an error. */
#include "errors/errors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { ARGUMENTS = 64, SPEC = 48 };

enum type { T_NONE, T_INT, T_LONG, T_LLONG, T_SIZE, T_WINT, T_DOUBLE, T_LDOUBLE, T_POINTER };

union value {
    int i;
    long l;
    long long ll;
    size_t z;
    wint_t w;
    double d;
    long double ld;
    const void *p;
};

/* One conversion: %[arg$][flags][width][.precision][length]conversion */
struct spec {
    const char *begin, *end;
    const char *flags;       /* and how many */
    int flag_count;
    int width, precision;    /* -1: none; else the number, or, if it is ... */
    bool width_is_arg, precision_is_arg; /* ... an argument: which */
    char length[3];
    char conversion;         /* 'w' and 'v': %pw and %pv; 0: none that is known */
    int arg;                 /* -1: none */
};

struct format {
    const char *format;
    enum type types[ARGUMENTS];
    union value values[ARGUMENTS];
    int next;                /* the argument that comes next */
    int wraps;               /* how many %pw there are */
    uint64_t wrapped;        /* the arguments they stand for */
    int saved_errno;         /* for %m */
};

struct out {
    char *buf;
    size_t length, size;
    char few[BL__ERROR_TEXT_INLINE];
};

/* --- text under construction --------------------------------------------------- */

/* Makes room for n more and a terminator.  Returns whether there is some. */
static BL__NOINLINE bool
grow(struct out *o, size_t n)
{
    size_t size = (o->length + n + 1) * 2;
    char *more = malloc(size);

    if (!more)
        return false; /* the text is cut */
    memcpy(more, o->buf, o->length);
    if (o->buf != o->few)
        free(o->buf);
    o->buf = more;
    o->size = size;
    return true;
}

static inline bool
has_room(struct out *o, size_t n)
{
    return BL__LIKELY(n < o->size - o->length) || grow(o, n);
}

static inline void
add(struct out *o, const char *text, size_t n)
{
    if (!has_room(o, n))
        return;
    memcpy(o->buf + o->length, text, n);
    o->length += n;
}

static void
add_number(struct out *o, unsigned long long v, bool is_negative)
{
    char digits[24], *at = digits + sizeof digits;

    do
        *--at = (char)('0' + v % 10);
    while (v /= 10);
    if (is_negative)
        *--at = '-';
    add(o, at, (size_t)(digits + sizeof digits - at));
}

static void
add_error(struct out *o, const bl_error *err)
{
    char few[BL__ERROR_TEXT_INLINE], *text;
    size_t n;

    if (err && bl__is_message(err)) {
        const struct bl__message *m = (const struct bl__message *)err;

        add(o, bl__message_text(m), m->length);
        return;
    }
    text = bl__error_text(err, few, sizeof few, &n);
    add(o, text, n);
    if (text != few)
        free(text);
}

/* --- reading a conversion ------------------------------------------------------ */

static int
read_number(const char **at)
{
    int n = 0;

    for (; **at >= '0' && **at <= '9'; ++*at)
        if (n < 1000000)
            n = n * 10 + (**at - '0');
    return n;
}

/* `3$`: the third argument.  Returns -1, and stays, where there is no such thing. */
static int
read_position(const char **at)
{
    const char *p = *at;
    int n = read_number(&p);

    if (p == *at || *p != '$' || n == 0)
        return -1;
    *at = p + 1;
    return n - 1;
}

/* A width or a precision: digits, `*` or `*3$`. */
static int
read_size(struct format *f, const char **at, bool *is_arg)
{
    int position;

    *is_arg = **at == '*';
    if (!*is_arg)
        return read_number(at);
    ++*at;
    position = read_position(at);
    return position >= 0 ? position : f->next++;
}

static void
read_length(struct spec *s, const char **at)
{
    int n = 0;

    while (n < 2 && **at && strchr("hlLqjzZt", **at))
        s->length[n++] = *(*at)++;
    s->length[n] = '\0';
}

/* Reads the conversion that begins at s->begin.  A wrong one has conversion 0. */
static void
read_spec(struct format *f, struct spec *s, const char *begin)
{
    const char *at = begin + 1;

    s->begin = begin;
    s->width = s->precision = -1;
    s->width_is_arg = s->precision_is_arg = false;
    s->arg = read_position(&at);
    s->flags = at;
    while (*at && strchr("-+ #0'I", *at))
        at++;
    s->flag_count = (int)(at - s->flags);
    if (*at == '*' || (*at >= '1' && *at <= '9'))
        s->width = read_size(f, &at, &s->width_is_arg);
    if (*at == '.') {
        at++;
        s->precision = read_size(f, &at, &s->precision_is_arg);
    }
    read_length(s, &at);
    s->conversion = *at && strchr("diouxXcspfFeEgGaAnmCS%", *at) ? *at : '\0';
    at += *at != '\0';
    if (s->conversion == 'p' && (*at == 'w' || *at == 'v'))
        s->conversion = *at++;
    s->end = at;
    if (s->arg < 0 && s->conversion && s->conversion != '%' && s->conversion != 'm')
        s->arg = f->next++;
}

static enum type
integer_type(const struct spec *s)
{
    const char *l = s->length;

    if (l[0] == 'l')
        return l[1] == 'l' ? T_LLONG : T_LONG;
    if (l[0] == 'L' || l[0] == 'q' || l[0] == 'j')
        return T_LLONG;
    return l[0] == 'z' || l[0] == 'Z' || l[0] == 't' ? T_SIZE : T_INT;
}

static enum type
type_of(const struct spec *s)
{
    switch (s->conversion) {
    case 'd': case 'i': case 'o': case 'u': case 'x': case 'X':
        return integer_type(s);
    case 'c':
        return s->length[0] == 'l' ? T_WINT : T_INT;
    case 'C':
        return T_WINT;
    case 'f': case 'F': case 'e': case 'E': case 'g': case 'G': case 'a': case 'A':
        return s->length[0] == 'L' ? T_LDOUBLE : T_DOUBLE;
    default:
        return T_POINTER;
    }
}

/* --- arguments ------------------------------------------------------------------- */

static void
set_type(struct format *f, int arg, enum type type)
{
    if (arg >= 0 && arg < ARGUMENTS)
        f->types[arg] = type;
}

static void
fetch(struct format *f, int n, va_list *args)
{
    for (int i = 0; i < n; i++) {
        union value *v = &f->values[i];

        switch (f->types[i]) {
        case T_NONE: case T_INT: v->i = va_arg(*args, int); break;
        case T_LONG: v->l = va_arg(*args, long); break;
        case T_LLONG: v->ll = va_arg(*args, long long); break;
        case T_SIZE: v->z = va_arg(*args, size_t); break;
        case T_WINT: v->w = va_arg(*args, wint_t); break;
        case T_DOUBLE: v->d = va_arg(*args, double); break;
        case T_LDOUBLE: v->ld = va_arg(*args, long double); break;
        case T_POINTER: v->p = va_arg(*args, const void *); break;
        }
    }
}

/* Finds out the types, then fetches.  What is beyond the last argument that can be
 * numbered stays as it is in the text. */
static void
read_arguments(struct format *f, va_list *args)
{
    int last = 0;

    f->next = 0;
    memset(f->types, T_NONE, sizeof f->types);
    for (const char *at = f->format; (at = strchr(at, '%'));) {
        struct spec s;

        read_spec(f, &s, at);
        at = s.end;
        if (s.width_is_arg)
            set_type(f, s.width, T_INT);
        if (s.precision_is_arg)
            set_type(f, s.precision, T_INT);
        if (s.arg >= 0)
            set_type(f, s.arg, type_of(&s));
        if (s.conversion == 'w' && s.arg < ARGUMENTS) {
            f->wraps++;
            f->wrapped |= UINT64_C(1) << s.arg;
        }
    }
    for (int i = 0; i < ARGUMENTS; i++)
        if (f->types[i] != T_NONE)
            last = i + 1;
    fetch(f, last, args);
}

/* --- writing --------------------------------------------------------------------- */

/* Widths and precisions that are arguments become numbers.  Returns false for one that
 * is out of reach. */
static bool
settle_sizes(const struct format *f, struct spec *s, bool *is_left)
{
    *is_left = false;
    if (s->width_is_arg) {
        if (s->width >= ARGUMENTS)
            return false;
        s->width = f->values[s->width].i;
        *is_left = s->width < 0;
        if (*is_left)
            s->width = s->width > -INT_MAX ? -s->width : INT_MAX;
    }
    if (s->precision_is_arg) {
        if (s->precision >= ARGUMENTS)
            return false;
        s->precision = f->values[s->precision].i;
    }
    return s->flag_count < 8;
}

static char *
put_number(char *at, int v)
{
    char digits[12];
    int n = 0;

    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

/* The conversion for the C library: no numbers of arguments, no stars. */
static void
write_spec(const struct spec *s, bool is_left, char conversion, char *at)
{
    *at++ = '%';
    for (int i = 0; i < s->flag_count; i++)
        *at++ = s->flags[i];
    if (is_left)
        *at++ = '-';
    if (s->width >= 0)
        at = put_number(at, s->width);
    if (s->precision >= 0) {
        *at++ = '.';
        at = put_number(at, s->precision);
    }
    for (const char *l = s->length; *l; l++)
        *at++ = *l;
    *at++ = conversion;
    *at = '\0';
}

static int
print(char *buf, size_t size, const char *spec, enum type type, const union value *v)
{
    switch (type) {
    case T_NONE: case T_INT: return snprintf(buf, size, spec, v->i);
    case T_LONG: return snprintf(buf, size, spec, v->l);
    case T_LLONG: return snprintf(buf, size, spec, v->ll);
    case T_SIZE: return snprintf(buf, size, spec, v->z);
    case T_WINT: return snprintf(buf, size, spec, v->w);
    case T_DOUBLE: return snprintf(buf, size, spec, v->d);
    case T_LDOUBLE: return snprintf(buf, size, spec, v->ld);
    case T_POINTER: return snprintf(buf, size, spec, v->p);
    }
    return -1;
}

static void
add_printed(struct out *o, const char *spec, enum type type, const union value *v)
{
    int n = print(o->buf + o->length, o->size - o->length, spec, type, v);

    if (n < 0)
        return;
    if ((size_t)n >= o->size - o->length) {
        if (!grow(o, (size_t)n))
            return;
        print(o->buf + o->length, o->size - o->length, spec, type, v);
    }
    o->length += (size_t)n;
}

/* %pw and %pv: the text, or with a width or a precision what %s makes of it. */
static void
write_error(struct out *o, const struct spec *s, bool is_left, const bl_error *err)
{
    char spec[SPEC], *text;
    union value v;

    if (!err && s->conversion == 'w') {
        add(o, "%!w(<nil>)", 10);
    } else if (s->width < 0 && s->precision < 0) {
        add_error(o, err);
    } else if ((text = bl_error_string(err))) {
        v.p = text;
        write_spec(s, is_left, 's', spec);
        add_printed(o, spec, T_POINTER, &v);
        free(text);
    }
}

static void
write_one(struct out *o, const struct format *f, struct spec *s)
{
    static const union value none;
    const union value *v = s->arg >= 0 && s->arg < ARGUMENTS ? &f->values[s->arg] : &none;
    bool is_left;
    char spec[SPEC];

    if (s->conversion == '%') {
        add(o, "%", 1);
    } else if (!s->conversion || s->arg >= ARGUMENTS || !settle_sizes(f, s, &is_left)) {
        add(o, s->begin, (size_t)(s->end - s->begin));
    } else if (s->conversion == 'w' || s->conversion == 'v') {
        write_error(o, s, is_left, v->p);
    } else if (s->conversion != 'n') {
        write_spec(s, is_left, s->conversion, spec);
        errno = f->saved_errno;
        add_printed(o, spec, s->conversion == 'm' ? T_INT : type_of(s), v);
    }
}

static void
write_text(struct out *o, struct format *f)
{
    const char *at = f->format, *percent;

    f->next = 0;
    while ((percent = strchr(at, '%'))) {
        struct spec s;

        add(o, at, (size_t)(percent - at));
        read_spec(f, &s, percent);
        write_one(o, f, &s);
        at = s.end;
    }
    add(o, at, strlen(at));
}

/* --- formats that are nothing special -------------------------------------------- */

static void
add_string(struct out *o, const char *text)
{
    if (text)
        add(o, text, strlen(text));
    else
        add(o, "(null)", 6);
}

static void
add_signed(struct out *o, long long v)
{
    add_number(o, v < 0 ? -(unsigned long long)v : (unsigned long long)v, v < 0);
}

/* %pw, %pv: argument n. */
static void
write_simple_error(struct out *o, struct format *f, int n, char conversion)
{
    const bl_error *err = f->values[n].p;

    if (conversion == 'w') {
        f->wraps++;
        f->wrapped |= UINT64_C(1) << n;
    }
    if (!err && conversion == 'w')
        add(o, "%!w(<nil>)", 10);
    else
        add_error(o, err);
}

/* Writes the text in one go if the format has but %s, %d, %u, %ld, %lu, %zu and
 * errors, none of them numbered.  Returns false, with some of it written, if not. */
static bool
write_simple(struct out *o, struct format *f, va_list *args)
{
    const char *at = f->format, *percent;

    for (int n = 0; (percent = strchr(at, '%')); n++) {
        add(o, at, (size_t)(percent - at));
        at = percent + 2;
        if (n == ARGUMENTS)
            return false;
        switch (percent[1]) {
        case 's': add_string(o, va_arg(*args, const char *)); break;
        case 'd': add_signed(o, va_arg(*args, int)); break;
        case 'u': add_number(o, va_arg(*args, unsigned), false); break;
        case 'l':
            if (*at == 'd')
                add_signed(o, va_arg(*args, long));
            else if (*at == 'u')
                add_number(o, va_arg(*args, unsigned long), false);
            else
                return false;
            at++;
            break;
        case 'z':
            if (*at++ != 'u')
                return false;
            add_number(o, va_arg(*args, size_t), false);
            break;
        case 'p':
            if (*at != 'w' && *at != 'v')
                return false;
            f->values[n].p = va_arg(*args, const void *);
            write_simple_error(o, f, n, *at++);
            break;
        default:
            return false;
        }
    }
    add(o, at, strlen(at));
    return true;
}

/* --- making ------------------------------------------------------------------------ */

static void
begin(struct out *o)
{
    o->buf = o->few;
    o->length = 0;
    o->size = sizeof o->few;
}

/* As Go: one %pw makes a wrapper of one, several one of several, each argument once
 * and without NULLs.  last: one more cause; NULL: none. */
static bl_error *
make(struct out *o, const struct format *f, bl_error *last, uintptr_t pc)
{
    bl_error *causes[ARGUMENTS + 1];
    int wraps = f->wraps + (last != NULL);
    size_t n = 0;
    struct bl__message *m;

    for (uint64_t left = f->wrapped; left; left &= left - 1) {
        causes[n] = (bl_error *)f->values[__builtin_ctzll(left)].p;
        n += causes[n] || wraps == 1;
    }
    if (last)
        causes[n++] = last;
    m = bl__message_alloc(wraps < 2 ? (enum bl__message_kind)wraps : BL__WRAP_ALL,
                          o->length, n, pc);
    if (m) {
        for (size_t i = 0; i < n; i++)
            m->causes[i] = causes[i];
        memcpy(bl__message_text(m), o->buf, o->length);
        bl__message_text(m)[o->length] = '\0';
    }
    if (BL__UNLIKELY(o->buf != o->few))
        free(o->buf);
    return BL__LIKELY(m != NULL) ? &m->base : bl__message_instead(causes, n);
}

static bl_error *
make_formatted(bl_error *cause, const char *format, va_list *args, uintptr_t pc)
{
    struct format f;
    struct out o;
    va_list again;

    f.format = format ? format : "(null)";
    f.wraps = 0;
    f.wrapped = 0;
    f.saved_errno = errno;
    begin(&o);
    va_copy(again, *args);
    if (BL__UNLIKELY(!write_simple(&o, &f, args))) {
        o.length = 0;
        f.wraps = 0;
        f.wrapped = 0;
        read_arguments(&f, &again);
        write_text(&o, &f);
    }
    va_end(again);
    if (cause) {
        add(&o, ": ", 2);
        add_error(&o, cause);
    }
    errno = f.saved_errno;
    return make(&o, &f, cause, pc);
}

bl_error *
bl_errorf(const char *format, ...)
{
    bl_error *err;
    va_list args;

    va_start(args, format);
    err = make_formatted(NULL, format, &args, BL__CALLER);
    va_end(args);
    return err;
}

bl_error *
bl_errorf_v(const char *format, va_list args)
{
    bl_error *err;
    va_list copy;

    va_copy(copy, args);
    err = make_formatted(NULL, format, &copy, BL__CALLER);
    va_end(copy);
    return err;
}

bl_error *
bl_error_wrap(bl_error *cause, const char *format, ...)
{
    bl_error *err;
    va_list args;

    if (!cause)
        return NULL;
    va_start(args, format);
    err = make_formatted(cause, format, &args, BL__CALLER);
    va_end(args);
    return err;
}

bl_error *
bl_error_wrap_v(bl_error *cause, const char *format, va_list args)
{
    bl_error *err;
    va_list copy;

    if (!cause)
        return NULL;
    va_copy(copy, args);
    err = make_formatted(cause, format, &copy, BL__CALLER);
    va_end(copy);
    return err;
}
