/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/shortage_test.c - a server for which memory is short goes on when there is some. */
#include "serve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- a calloc that fails when it is told to ------------------------------------------ */

enum { SMALL = 512 }; /* a connection is */

static _Atomic int failures;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_calloc(size_t n, size_t size);

void *
calloc(size_t n, size_t size)
{
    if (n == 1 && size < SMALL && failures > 0) {
        failures--;
        return NULL;
    }
    return __libc_calloc(n, size);
}
#endif

/* --- cases ----------------------------------------------------------------------------- */

static void
answer(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)r, (void)data;
    bl_error_release(bl_http_write(w, "here\n", 5));
}

/* Not one of Belay's own, which would take memory itself. */
static int
connect_plainly(const struct serving *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)atoi(strrchr(s->where, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* One connection is closed by the server, for want of memory. */
static void
be_turned_away(const struct serving *s)
{
    char c;
    int fd;

    failures = 1;
    fd = connect_plainly(s);
    CHECK(read(fd, &c, 1) <= 0);
    close(fd);
    CHECK_EQ(failures, 0);
}

static void
is_served(const struct serving *s)
{
    CHECK(strstr(ask(s, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
                 "\r\n\r\nhere\n"));
}

static void
no_memory_for_connections(void)
{
    struct serving *s = serve(answer);

    for (int i = 1; i <= 3; i++) {
        be_turned_away(s);
        CHECK(has_logged("http: a connection was closed: Cannot allocate memory"));
        forget_log();
        is_served(s);
    }
    stop(s);
}

/* With a bound on connections the place of one that was closed is free again. */
static void
no_memory_and_few_places(void)
{
    bl_http_server_options o = {.max_connections = 2};
    struct serving *s = serve_with(&o, answer, NULL);

    for (int i = 0; i < 5; i++)
        be_turned_away(s);
    is_served(s);
    stop(s);
}

int
main(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* whose calloc is own */
    RUN(no_memory_for_connections);
    RUN(no_memory_and_few_places);
#else
    (void)no_memory_for_connections, (void)no_memory_and_few_places;
#endif
    return 0;
}
