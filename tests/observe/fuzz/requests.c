/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/fuzz/requests.c - libFuzzer's hand on the debug server: a request comes
 * in pieces, as over a connection, is judged, answered, and the reply looked at.
 *
 * The first byte chooses the pieces' sizes and whether a token is needed.  Built by
 * tests/observe/fuzz_test.sh, with the server's source, so that it can be called
 * without sockets. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>

/* Nobody waits for an answer: "?seconds=" ends at once. */
static int
poll_nothing(struct pollfd *p, nfds_t n, int ms)
{
    (void)p, (void)n, (void)ms;
    return 1;
}

#define poll poll_nothing
#include "observe/server.c"
#undef poll

#include <belay/pprof.h>

/* --- what is not here: heap.c's malloc is AddressSanitizer's ---------------------- */

static const struct bl__kind heap_kind = {
    "heap", 4, {{"a", "b"}, {"c", "d"}, {"e", "f"}, {"g", "h"}}, {"space", "bytes"}, 1, NULL};

void
bl__collect_heap(struct bl__profile *p)
{
    bl__profile_init(p, &heap_kind);
}

void
bl__collect_allocs(struct bl__profile *p)
{
    bl__profile_init(p, &heap_kind);
}

void
bl__heap_start(void)
{
}

void
bl__heap_init(void)
{
}

/* --- one request -------------------------------------------------------------- */

#define MUST(condition)                                           \
    do {                                                          \
        if (!(condition)) {                                       \
            fprintf(stderr, "%s: not so\n", #condition);          \
            abort();                                              \
        }                                                         \
    } while (0)

static void
check_answer(const struct bl__answer *a)
{
    MUST(strcmp(reason(a->status), "?") != 0);
    MUST(a->type && !strpbrk(a->type, "\r\n"));
    MUST(!strpbrk(a->file_name, "\r\n\"") && !strpbrk(a->location, "\r\n"));
    MUST(a->body.n == 0 || a->body.data);
}

static void
answer_whole(struct server *s, struct pending *c)
{
    struct worker w = {.server = s, .fd = -1, .request = c->data};
    struct bl__answer a = {0};
    bool is_head;

    answer(&w, &a, &is_head);
    check_answer(&a);
    bl__buf_free(&a.body);
}

/* As read_more() does. */
static void
feed(struct server *s, struct pending *c, const char *data, size_t size, size_t piece)
{
    for (size_t at = 0, n; at < size; at += n) {
        n = size - at < piece ? size - at : piece;
        if (n > REQUEST_MOST - c->n)
            n = REQUEST_MOST - c->n;
        MUST(n > 0); /* a request as large as that has been refused */
        if (memchr(data + at, '\0', n))
            return;
        memcpy(c->data + c->n, data + at, n);
        c->n += n;
        c->data[c->n] = '\0';
        switch (is_whole(c)) {
        case 1:
            answer_whole(s, c);
            return;
        case -1:
            return;
        default:
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct server server;
    struct pending c = {.fd = -1, .data = malloc(REQUEST_MOST + 1)};

    MUST(c.data);
    if (size > 0) {
        server.token = data[0] & 1 ? (char[]){"secret"} : NULL;
        server.is_unix = data[0] & 2;
        feed(&server, &c, (const char *)data + 1, size - 1,
             data[0] & 4 ? 1 + (data[0] >> 3) : 1 << 12);
    }
    free(c.data);
    return 0;
}
