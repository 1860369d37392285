/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/url.h - URLs as Go's net/url reads, resolves and writes them.  url.c has the whole,
 * url_host.c what stands between "//" and "/", url_escape.c "%41". */
#ifndef BELAY_HTTP_URL_H
#define BELAY_HTTP_URL_H

#include <belay/errors.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A piece of text, not terminated: a decoded one may have zeros in it. */
struct bl__span {
    const char *at;
    size_t n;
};

#define BL__SPAN(literal) ((struct bl__span){"" literal, sizeof literal - 1})

static inline struct bl__span
bl__span_of(const char *text)
{
    return (struct bl__span){text, strlen(text)};
}

static inline bool
bl__span_equal(struct bl__span a, struct bl__span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

static inline bool
bl__span_begins(struct bl__span s, struct bl__span with)
{
    return s.n >= with.n && memcmp(s.at, with.at, with.n) == 0;
}

/* From i on; up to i. */
static inline struct bl__span
bl__span_from(struct bl__span s, size_t i)
{
    return (struct bl__span){s.at + i, s.n - i};
}

static inline struct bl__span
bl__span_to(struct bl__span s, size_t i)
{
    return (struct bl__span){s.at, i};
}

/* The first or last such character; s.n: there is none. */
size_t bl__span_find(struct bl__span s, char c);
size_t bl__span_find_last(struct bl__span s, char c);

/* Text that is written somewhere, and counted whether there is room or not. */
struct bl__sink {
    char *buf;
    size_t size, n;
};

void bl__sink_put(struct bl__sink *to, struct bl__span s);
void bl__sink_byte(struct bl__sink *to, char c);
/* Terminates the text; returns its length. */
size_t bl__sink_end(struct bl__sink *to);

/* Zero is the empty URL.  All pieces are in `memory`. */
struct bl__url {
    struct bl__span scheme;       /* in small letters */
    struct bl__span opaque;       /* behind the scheme where no '/' follows, as written */
    struct bl__span user, password; /* decoded */
    struct bl__span host;         /* with the port; "[fe80::1%eth0]:80" */
    struct bl__span path, raw_path; /* decoded; as written if that is another spelling */
    struct bl__span query;        /* as written */
    struct bl__span fragment, raw_fragment;
    bool has_user, has_password;
    bool force_query;             /* a '?' with nothing behind it */
    bool omit_host;               /* "scheme:/path" */
    char *memory;
};

/* Reads a URL, absolute or not.  Errors have Go's form: `parse "...": ...`.
 * Owner of what is in *u: caller, bl__url_free(), unless there is an error. */
bl_error *bl__url_parse(struct bl__span text, struct bl__url *u);

/* What ref means where base is: RFC 3986, 5.2.2.  Owner: as above. */
bl_error *bl__url_resolve(const struct bl__url *base, const struct bl__url *ref,
                          struct bl__url *u);
void bl__url_free(struct bl__url *u);

/* Write the whole, or what a request line says, terminated, as snprintf does. */
size_t bl__url_text(const struct bl__url *u, char *buf, size_t size);
size_t bl__url_target(const struct bl__url *u, char *buf, size_t size);

/* The host without port and brackets, and the port; empty if there is none. */
void bl__url_split_host(const struct bl__url *u, struct bl__span *name,
                        struct bl__span *port);

/* --- url_host.c ------------------------------------------------------------------------- */

/* Reads "user:password@host:port" into u, decoding into *memory, which moves on. */
bl_error *bl__url_parse_authority(struct bl__url *u, struct bl__span text, char **memory);

/* --- url_escape.c ----------------------------------------------------------------------- */

enum bl__url_place {
    BL__IN_PATH = 1,
    BL__IN_HOST = 2,
    BL__IN_ZONE = 4,
    BL__IN_USER = 8,
    BL__IN_QUERY = 16,
    BL__IN_FRAGMENT = 32,
};

/* Decodes into *memory, which moves on; nothing is longer than it was. */
bl_error *bl__url_unescape(struct bl__span s, enum bl__url_place where, char **memory,
                       struct bl__span *decoded);
void bl__url_escape(struct bl__sink *to, struct bl__span s, enum bl__url_place where);
/* Whether s is what its decoded form is escaped to; whether it has nothing that would have
 * to be. */
bool bl__is_usual_escape(struct bl__span s, enum bl__url_place where);
bool bl__is_escaped(struct bl__span s, enum bl__url_place where);

/* Go's %q. */
void bl__quote(struct bl__sink *to, struct bl__span s);

/* `before "s"after`, and wrapping cause, if there is one, behind it. */
bl_error *bl__quoted_error(const char *before, struct bl__span s, const char *after,
                           bl_error *cause);

#endif
