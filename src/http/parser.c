/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/parser.c - http_parser behind a gate.
 *
 * http_parser takes the messages apart.  It is lenient where old programs were: lines that
 * end with "\n" alone, blanks in front of a colon, values that go on in the next line,
 * bytes that are no characters.  Where two programs on a request's way read such a thing
 * differently, one of them can be made to see a request that the other has not seen.  So
 * the gate looks at each line before, and refuses what RFC 9112 does not allow; a head is
 * handed on as a whole once all its lines have passed, but for a request's method. */
#include "http/parser.h"

#include "base/hex.h"

#include <http_parser.h>
#include <stdlib.h>
#include <strings.h>

enum {
    BAD = -400,
    TOO_LONG_TARGET = -414,
    TOO_LARGE = -431,
    NOT_KNOWN = -501,
    NO_VERSION = -505,
    CHUNK_LINE_MOST = 256,
    EXCESS_MOST = 16 << 10, /* bytes that are not data, beyond a chunk's fair share */
};

enum chunk_state { AT_SIZE, IN_DATA, BEHIND_DATA, IN_TRAILER, AT_END };

_Static_assert(sizeof(http_parser) <= sizeof((struct bl__parser *)0)->inner, "room");

static http_parser *
inner(struct bl__parser *p)
{
    return (http_parser *)(void *)p->inner;
}

static ptrdiff_t
refuse(struct bl__parser *p, int status, const char *why)
{
    p->why = why;
    return status;
}

/* --- the gate: lines of a head, without their ends -------------------------------------- */

/* In targets: what RFC 3986 knows, and, as browsers send them, a few more that nobody
 * mistakes for an end. */
static bool
is_target(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= ' ' || c >= 127 || c == '#' || c == '"' || c == '<' || c == '>' ||
            c == '\\')
            return false;
    }
    return n > 0;
}

static int
check_version(const char *text, size_t n)
{
    if (n != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' ||
        text[6] != '.' || text[7] < '0' || text[7] > '9')
        return BAD;
    return text[5] == '1' && text[7] <= '1' ? 0 : NO_VERSION;
}

/* METHOD SP target SP HTTP/1.1 */
static ptrdiff_t
check_request_line(struct bl__parser *p, const char *line, size_t n)
{
    const char *end = line + n, *target = memchr(line, ' ', n), *version;
    int status;

    if (!target || !bl__is_token(line, (size_t)(target - line)))
        return refuse(p, BAD, "malformed request line");
    p->method = p->passed;
    p->method_size = (size_t)(target - line);
    target++;
    version = memchr(target, ' ', (size_t)(end - target));
    if (!version)
        return refuse(p, BAD, "malformed request line");
    status = check_version(version + 1, (size_t)(end - version - 1));
    if (status)
        return refuse(p, status, "unsupported or malformed protocol version");
    if (!is_target(target, (size_t)(version - target)))
        return refuse(p, BAD, "malformed request target");
    return 0;
}

/* HTTP/1.1 SP 200 [SP reason] */
static ptrdiff_t
check_status_line(struct bl__parser *p, const char *line, size_t n)
{
    int status;

    if (n < 12 || line[8] != ' ' || (n > 12 && line[12] != ' ') ||
        strspn(line + 9, "0123456789") < 3 || !bl__is_value(line, n))
        return refuse(p, BAD, "malformed status line");
    status = check_version(line, 8);
    return status ? refuse(p, status, "unsupported or malformed protocol version") : 0;
}

static ptrdiff_t
check_field(struct bl__parser *p, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);

    if (line[0] == ' ' || line[0] == '\t')
        return refuse(p, BAD, "header continued in another line");
    if (!colon || !bl__is_token(line, (size_t)(colon - line)))
        return refuse(p, BAD, "malformed header name");
    if (!bl__is_value(colon + 1, n - (size_t)(colon + 1 - line)))
        return refuse(p, BAD, "malformed header value");
    if (++p->fields > p->most_fields)
        return refuse(p, TOO_LARGE, "too many headers");
    return 0;
}

/* Empty lines in front of a request are passed over. */
static ptrdiff_t
check_line(struct bl__parser *p, const char *line, size_t n)
{
    ptrdiff_t bad;

    if (p->has_first)
        return check_field(p, line, n);
    if (n == 0)
        return 0;
    bad = p->of_replies ? check_status_line(p, line, n) : check_request_line(p, line, n);
    p->has_first = true;
    return bad;
}

/* 1: the line that ends the head has passed. */
static ptrdiff_t
pass_line(struct bl__parser *p, const char *line, const char *end)
{
    size_t n = (size_t)(end - line);

    if (n == 0 || end[-1] != '\r')
        return refuse(p, BAD, "line that does not end with CR LF");
    if (n == 1 && p->has_first)
        return 1;
    return check_line(p, line, n - 1);
}

/* The head's length once it is whole. */
static ptrdiff_t
pass_head(struct bl__parser *p, const char *data, size_t n)
{
    if (n > 0 && p->passed == 0 && p->looked == 0 && !bl__is_token(data, 1) &&
        data[0] != '\r')
        return refuse(p, BAD, "malformed request line");
    for (;;) {
        const char *line = data + p->passed, *from = line + p->looked;
        const char *end = memchr(from, '\n', n - p->passed - p->looked);
        ptrdiff_t r;

        if ((end ? (size_t)(end + 1 - data) : n) > p->most_bytes)
            return p->has_first ? refuse(p, TOO_LARGE, "headers too large")
                                : refuse(p, TOO_LONG_TARGET, "request line too long");
        if (!end) {
            p->looked = n - p->passed;
            return 0;
        }
        r = pass_line(p, line, end);
        if (r < 0)
            return r;
        p->looked = 0;
        p->passed = (size_t)(end + 1 - data);
        if (r > 0)
            return (ptrdiff_t)p->passed;
    }
}

/* --- what the fields mean --------------------------------------------------------------- */

static int
refuse_field(struct bl__parser *p, int status, const char *why)
{
    p->refused = status;
    p->why = why;
    return 1;
}

/* Digits only; http_parser has checked that it is one number that fits. */
static int
see_length(struct bl__parser *p, const struct bl__field *f)
{
    int64_t length = 0;

    if (p->head->content_length >= 0)
        return refuse_field(p, BAD, "more than one Content-Length");
    if (f->value_size == 0)
        return refuse_field(p, BAD, "malformed Content-Length");
    for (size_t i = 0; i < f->value_size; i++) {
        int digit = f->value[i] - '0';

        if (digit < 0 || digit > 9 || length > (INT64_MAX - digit) / 10)
            return refuse_field(p, BAD, "malformed Content-Length");
        length = 10 * length + digit;
    }
    p->head->content_length = length;
    return 0;
}

static int
see_encoding(struct bl__parser *p, const struct bl__field *f)
{
    if (p->head->chunked)
        return refuse_field(p, BAD, "more than one Transfer-Encoding");
    if (strcasecmp(f->value, "chunked") != 0)
        return refuse_field(p, NOT_KNOWN, "unsupported transfer encoding");
    p->head->chunked = true;
    return 0;
}

static bool
is_host(const char *host, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!bl__is_token(host + i, 1) && !strchr("()[]:;=", host[i]))
            return false;
    return true;
}

static int
see_host(struct bl__parser *p, const struct bl__field *f)
{
    if (p->of_replies)
        return 0;
    if (p->head->host)
        return refuse_field(p, BAD, "too many Host headers");
    if (!is_host(f->value, f->value_size))
        return refuse_field(p, BAD, "malformed Host header");
    p->head->host = f->value;
    return 0;
}

static void
see_connection(struct bl__head *head, const struct bl__field *f)
{
    if (bl__list_has(f->value, "close"))
        head->keeps_alive = false;
    else if (head->minor == 0 && bl__list_has(f->value, "keep-alive"))
        head->keeps_alive = true;
    if (bl__list_has(f->value, "upgrade"))
        head->has_upgrade = true;
}

static int
see_field(struct bl__parser *p, const struct bl__field *f)
{
    switch (f->name_size) {
    case 4:
        return BL__IS_NAME(f, "Host") ? see_host(p, f) : 0;
    case 6:
        if (BL__IS_NAME(f, "Expect")) {
            p->head->expects = true;
            p->head->expects_continue = strcasecmp(f->value, "100-continue") == 0;
        }
        return 0;
    case 10:
        if (BL__IS_NAME(f, "Connection"))
            see_connection(p->head, f);
        return 0;
    case 14:
        return BL__IS_NAME(f, "Content-Length") ? see_length(p, f) : 0;
    case 17:
        return BL__IS_NAME(f, "Transfer-Encoding") ? see_encoding(p, f) : 0;
    default:
        return 0;
    }
}

/* --- what http_parser tells ----------------------------------------------------------------- */

static int
on_target(http_parser *h, const char *at, size_t n)
{
    struct bl__parser *p = h->data;

    p->target = at;
    p->target_size = n;
    return 0;
}

static int
on_reason(http_parser *h, const char *at, size_t n)
{
    return on_target(h, at, n);
}

/* The version is known by now. */
static void
see_version(struct bl__parser *p, const http_parser *h)
{
    p->head->major = h->http_major;
    p->head->minor = h->http_minor;
    p->head->keeps_alive = h->http_minor > 0;
}

static int
on_name(http_parser *h, const char *at, size_t n)
{
    struct bl__parser *p = h->data;
    bool in_head = p->head != NULL;

    if (in_head && p->into->count == 0)
        see_version(p, h);
    p->field.name = in_head ? at : bl__arena_try(p->into->arena, n + 1);
    p->field.name_size = (uint32_t)n;
    if (!p->field.name)
        return 1;
    if (!in_head)
        memcpy((char *)p->field.name, at, n);
    ((char *)p->field.name)[n] = '\0'; /* in the head: the colon, which has been read */
    return 0;
}

/* Of an empty value http_parser only knows where the next line begins. */
static int
on_value(http_parser *h, const char *at, size_t n)
{
    struct bl__parser *p = h->data;
    bool in_head = p->head != NULL;

    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    p->field.value = n == 0 ? "" : in_head ? at : bl__arena_try(p->into->arena, n + 1);
    p->field.value_size = (uint32_t)n;
    if (!p->field.value)
        return 1;
    if (n > 0 && !in_head)
        memcpy((char *)p->field.value, at, n);
    if (n > 0)
        ((char *)p->field.value)[n] = '\0'; /* in the head: the line's end, or a blank */
    if (!bl__header_put(p->into, &p->field))
        return refuse_field(p, -503, "out of memory");
    return in_head ? see_field(p, &p->field) : 0;
}

static int
on_head(http_parser *h)
{
    struct bl__parser *p = h->data;

    return p->to_head ? 1 : 0;
}

static int
on_end(http_parser *h)
{
    struct bl__parser *p = h->data;

    p->chunk_state = AT_END;
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_target,
    .on_status = on_reason,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_message_complete = on_end,
};

/* Our own limits are narrower, or wider. */
__attribute__((constructor)) static void
lift_limit(void)
{
    http_parser_set_max_header_size(UINT32_MAX);
}

/* --- heads ------------------------------------------------------------------------------------ */

void
bl__parser_begin(struct bl__parser *p, bool of_replies, size_t most_bytes,
                 size_t most_fields)
{
    *p = (struct bl__parser){.of_replies = of_replies, .most_bytes = most_bytes,
                             .most_fields = most_fields};
    http_parser_init(inner(p), of_replies ? HTTP_RESPONSE : HTTP_REQUEST);
    inner(p)->data = p;
}

/* "/path", "http://host/path", "*" of OPTIONS, "host:port" of CONNECT. */
static bool
is_form(const struct bl__head *head)
{
    const char *t = head->target;

    if (strcmp(head->method, "CONNECT") == 0)
        return t[0] != '/' && strchr(t, ':') && !strchr(t, '/');
    if (t[0] == '*')
        return t[1] == '\0' && strcmp(head->method, "OPTIONS") == 0;
    if (t[0] == '/')
        return true;
    if (strncasecmp(t, "http://", 7) == 0)
        t += 7;
    else if (strncasecmp(t, "https://", 8) == 0)
        t += 8;
    else
        return false;
    return strcspn(t, "/?") > 0 && is_host(t, strcspn(t, "/?"));
}

/* What all of it says together. */
static ptrdiff_t
judge(struct bl__parser *p, const struct bl__head *head)
{
    if (head->chunked && head->content_length >= 0)
        return refuse(p, BAD, "both Transfer-Encoding and Content-Length");
    if (head->chunked && head->minor == 0)
        return refuse(p, BAD, "Transfer-Encoding with HTTP/1.0");
    if (p->of_replies)
        return 0;
    if (head->minor > 0 && !head->host)
        return refuse(p, BAD, "missing required Host header");
    if (!is_form(head))
        return refuse(p, BAD, "malformed request target");
    return 0;
}

/* http_parser does not know what it does not like, unless a callback has said so. */
static ptrdiff_t
explain(struct bl__parser *p)
{
    if (p->refused)
        return p->refused;
    switch (HTTP_PARSER_ERRNO(inner(p))) {
    case HPE_INVALID_URL:
        return refuse(p, BAD, "malformed request target");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(p, BAD, "malformed Content-Length");
    case HPE_INVALID_TRANSFER_ENCODING:
        return refuse(p, BAD, "malformed Transfer-Encoding");
    default:
        return refuse(p, BAD, "malformed request");
    }
}

/* The data: head's, whose method ends with a zero now. */
static void
fill_in(struct bl__parser *p, struct bl__head *head, const char *data)
{
    const http_parser *h = inner(p);

    if (p->into->count == 0)
        see_version(p, h);
    if (p->target)
        ((char *)p->target)[p->target_size] = '\0';
    if (p->of_replies) {
        head->status = (int)h->status_code;
        head->reason = p->target ? p->target : "";
        return;
    }
    head->method = data + p->method;
    head->target = p->target ? p->target : "";
}

static bool
feed(struct bl__parser *p, const char *data, size_t n)
{
    return http_parser_execute(inner(p), &settings, data, n) == n &&
           HTTP_PARSER_ERRNO(inner(p)) == HPE_OK;
}

/* http_parser has a list of methods, of which it treats but one in a way of its own: it is
 * told that all others are POST. */
static bool
feed_head(struct bl__parser *p, char *data, size_t n)
{
    size_t behind = p->method + p->method_size;
    const char *as = "POST";

    if (p->of_replies)
        return feed(p, data, n);
    if (p->method_size == 7 && memcmp(data + p->method, "CONNECT", 7) == 0)
        as = "CONNECT";
    if (!feed(p, as, strlen(as)) || !feed(p, data + behind, n - behind))
        return false;
    data[behind] = '\0';
    return true;
}

ptrdiff_t
bl__parser_head(struct bl__parser *p, char *data, size_t n, struct bl__head *head)
{
    ptrdiff_t length = pass_head(p, data, n), bad;

    if (BL__UNLIKELY(length <= 0))
        return length;
    p->head = head;
    p->into = head->header;
    head->content_length = -1;
    if (BL__UNLIKELY(!feed_head(p, data, (size_t)length)))
        return explain(p);
    fill_in(p, head, data);
    bad = judge(p, head);
    p->head = NULL;
    p->chunk_state = AT_SIZE;
    p->looked = 0;
    return bad ? bad : length;
}

/* --- chunks --------------------------------------------------------------------------------------- */

static enum bl__chunk
bad_chunk(struct bl__parser *p, const char *why)
{
    p->why = why;
    return BL__CHUNK_BAD;
}

/* size [;extension] CR LF */
static bool
pass_size(struct bl__parser *p, const char *line, size_t n)
{
    size_t digits = 0;
    uint64_t size = 0;
    int digit;

    while (digits < n && digits < 16 && (digit = bl__hex_value(line[digits])) >= 0) {
        size = 16 * size + (uint64_t)digit;
        digits++;
    }
    if (digits == 0 || size > INT64_MAX ||
        (digits < n && (line[digits] != ';' || !bl__is_value(line + digits, n - digits))))
        return false;
    p->chunk_left = size;
    p->excess += n + 2;
    p->excess -= p->excess < 16 + 2 * size ? p->excess : 16 + 2 * size;
    return p->excess <= EXCESS_MOST;
}

static bool
pass_trailer(struct bl__parser *p, const char *line, size_t n)
{
    p->passed += n + 2;
    return p->passed <= p->most_bytes && (n == 0 || check_field(p, line, n) == 0);
}

/* One line; n without its end. */
static enum bl__chunk
take_line(struct bl__parser *p, const char *line, size_t n)
{
    switch (p->chunk_state) {
    case AT_SIZE:
        if (!pass_size(p, line, n))
            return bad_chunk(p, "malformed chunk");
        p->chunk_state = p->chunk_left ? IN_DATA : IN_TRAILER;
        p->fields = p->passed = 0;
        break;
    case BEHIND_DATA:
        if (n > 0)
            return bad_chunk(p, "malformed chunk");
        p->chunk_state = AT_SIZE;
        break;
    default:
        if (!pass_trailer(p, line, n))
            return bad_chunk(p, "malformed trailer");
        break;
    }
    return feed(p, line, n + 2) ? BL__CHUNK_MORE : bad_chunk(p, "malformed chunk");
}

enum bl__chunk
bl__parser_chunk(struct bl__parser *p, char *data, size_t n, size_t *used,
                 bl_http_header *trailer)
{
    *used = 0;
    p->into = trailer;
    while (p->chunk_state != AT_END && p->chunk_state != IN_DATA) {
        char *line = data + *used, *end = memchr(line, '\n', n - *used);
        size_t size = end ? (size_t)(end - line) : n - *used;

        if (size > (p->chunk_state == IN_TRAILER ? p->most_bytes : CHUNK_LINE_MOST))
            return bad_chunk(p, "line too long");
        if (!end)
            return BL__CHUNK_MORE;
        if (size == 0 || end[-1] != '\r')
            return bad_chunk(p, "line that does not end with CR LF");
        if (take_line(p, line, size - 1) == BL__CHUNK_BAD)
            return BL__CHUNK_BAD;
        *used += size + 1;
    }
    return p->chunk_state == AT_END ? BL__CHUNK_END : BL__CHUNK_DATA;
}

void
bl__parser_took(struct bl__parser *p, const char *data, size_t n)
{
    feed(p, data, n);
    p->chunk_left -= n;
    if (p->chunk_left == 0)
        p->chunk_state = BEHIND_DATA;
}
