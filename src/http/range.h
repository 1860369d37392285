/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/range.h - which bytes of a file a client wants (range.c), and whether it wants it
 * at all (condition.c). */
#ifndef BELAY_HTTP_RANGE_H
#define BELAY_HTTP_RANGE_H

#include <belay/http.h>

/* --- range.c ---------------------------------------------------------------------------- */

struct bl__range {
    int64_t start, length;
};

enum bl__ranges {
    BL__RANGES_NONE,    /* all of it is wanted, or what is wanted can be ignored */
    BL__RANGES_SOME,
    BL__RANGES_BEHIND,  /* none of them is in the file */
    BL__RANGES_INVALID,
};

/* Reads the value of a header Range, for a file of that size; the list is r's memory.
 * Several that are more than the whole file together are ignored. */
enum bl__ranges bl__ranges_read(bl_http_request *r, const char *value, int64_t size,
                                struct bl__range **ranges, size_t *n);

/* --- condition.c ------------------------------------------------------------------------ */

/* What there is: its ETag (NULL: none), and when it was changed (seconds since 1970; 0: not
 * known). */
struct bl__version {
    const char *etag;
    int64_t modified;
};

/* 0: go on; 304 or 412: answer with that. */
int bl__conditions_check(const bl_http_request *r, const struct bl__version *v);

/* Whether it is still the version that If-Range names, or none is named. */
bool bl__conditions_if_range(const bl_http_request *r, const struct bl__version *v);

/* Whether it was changed after If-Modified-Since; true where nothing is said. */
bool bl__conditions_modified(const bl_http_request *r, const struct bl__version *v);

/* Reads one of HTTP's three forms of dates. */
bool bl__date_parse(const char *text, int64_t *seconds);

#endif
