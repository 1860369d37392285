/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* peer.c - the other side: clients, all of them in one plain process, one after the
 * other; or the server that a form asks.
 *
 * It closes with a reset, so that nothing of a connection is left in the kernel: no
 * TIME_WAIT that would keep the next run from its ports. */
#define _GNU_SOURCE
#include "lab.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PER_ADDRESS = 10000, ADDRESSES = 200, PATIENCE_SECONDS = 5, POLL_MS = 50 };
#define LOOK_NS (INT64_C(300) * 1000000) /* for how long all are open, at least */

/* --- connecting ------------------------------------------------------------------ */

/* The number'th of 127.0.1.1, 127.0.1.2, ... */
static int
bind_to(int fd, unsigned number)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;

    from.sin_addr.s_addr = htonl(0x7f000101 + number % ADDRESSES);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&from, sizeof from);
}

static int
connect_from(unsigned number, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && bind_to(fd, number) == 0 &&
        connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    error = errno;
    if (fd >= 0)
        close(fd);
    return -error;
}

int
peer_connect(struct board *b)
{
    static _Atomic unsigned connected, spent; /* addresses that have no port left */
    unsigned number = atomic_fetch_add(&connected, 1) / PER_ADDRESS;

    for (;;) {
        int fd = connect_from(number + spent, b->port);

        if (fd != -EADDRNOTAVAIL || spent >= ADDRESSES)
            return fd;
        spent++;
    }
}

/* --- one connection ------------------------------------------------------------------ */

static void
set_patience(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void
reset(int fd)
{
    struct linger at_once = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static bool
ask(int fd)
{
    char answer;

    return send(fd, "?", 1, MSG_NOSIGNAL) == 1 && recv(fd, &answer, 1, 0) == 1;
}

static bool
answer(int fd)
{
    char request;

    return recv(fd, &request, 1, 0) == 1 && send(fd, &request, 1, MSG_NOSIGNAL) == 1;
}

/* --- all of them ------------------------------------------------------------------------ */

static bool
may_open(const struct board *b, int n)
{
    return n < b->n && lab_now() < b->open_until_ns;
}

static int
call(struct board *b, int *fds)
{
    int n = 0;

    while (may_open(b, n)) {
        int fd = peer_connect(b);

        if (fd < 0)
            lab_give_up(b, "connection %d: %s", n + 1, strerror(-fd));
        set_patience(fd);
        fds[n++] = fd;
        if (!ask(fd))
            lab_give_up(b, "connection %d: no answer in %d seconds", n, PATIENCE_SECONDS);
        atomic_fetch_add(&b->opened, 1);
    }
    return n;
}

/* The next who asks, once he has his answer; -1: nobody for a moment. */
static int
take_caller(struct board *b, int listener)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    int fd;

    if (poll(&ready, 1, POLL_MS) < 1)
        return -1;
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        lab_give_up(b, "accept: %s", strerror(errno));
    set_patience(fd);
    answer(fd);
    return fd;
}

static int
take_calls(struct board *b, int listener, int *fds)
{
    int n = 0;

    while (!b->is_opened) {
        int fd = take_caller(b, listener);

        if (fd >= 0 && n < b->n)
            fds[n++] = fd;
        else if (fd >= 0)
            reset(fd);
    }
    return n;
}

/* As a server does that has no patience any more. */
_Noreturn static void
answer_and_close(struct board *b, int listener)
{
    for (;;) {
        int fd = take_caller(b, listener);

        if (fd >= 0)
            reset(fd);
    }
}

static int
listen_for_calls(struct board *b)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        lab_give_up(b, "listen: %s", strerror(errno));
    b->port = ntohs(at.sin_port);
    return fd;
}

/* Until all shards have their connections, so that these are open at the same time, and it
 * has been measured what there is. */
static void
let_look(struct board *b)
{
    int64_t began;

    atomic_fetch_add(&b->first->shards_open, 1);
    while (b->first->shards_open < b->shards)
        lab_sleep(LOOK_NS / 10);
    began = lab_now();
    b->phase = PHASE_OPEN;
    do
        lab_sleep(LOOK_NS / 10);
    while (lab_now() < began + LOOK_NS ||
           (b->seen_open < 2 && lab_now() < began + 60 * LOOK_NS));
}

_Noreturn void
peer_main(struct board *b, bool answers)
{
    int *fds = calloc((size_t)b->n, sizeof *fds), n;
    int listener = answers ? listen_for_calls(b) : -1;

    if (!fds)
        lab_give_up(b, "out of memory");
    while (b->phase < PHASE_OPENING)
        lab_sleep(1000000);
    n = answers ? take_calls(b, listener, fds) : call(b, fds);
    let_look(b);
    for (int i = 0; i < n; i++)
        reset(fds[i]);
    free(fds);
    b->phase = PHASE_GONE;
    if (answers)
        answer_and_close(b, listener);
    _exit(0);
}
