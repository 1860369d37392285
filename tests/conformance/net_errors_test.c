/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* What goes wrong outside: shortages, resets, sides that are gone, names that can't be
 * looked up.  Where the system can't be brought to it, one of its calls is stood in for:
 * the library finds ours first. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net.h"

/* --- calls that fail ------------------------------------------------------------------ */

enum call { ACCEPT, SOCKET, SEND, READ, EPOLL, EVENTFD, CALLS };

/* Each fails with its numbers, one after the other, and then works. */
static struct {
    int errors[8];
    _Atomic int n, next, calls;
    _Atomic bool for_ever;       /* with the last one */
} plans[CALLS];

#define FAIL(call, ...) fail(call, (int[]){__VA_ARGS__, 0})

static void
fail(enum call call, const int *errors)
{
    int n = 0;

    for (; errors[n]; n++)
        plans[call].errors[n] = errors[n];
    plans[call].next = plans[call].calls = 0;
    plans[call].for_ever = false;
    plans[call].n = n;
}

/* ThreadSanitizer knows of goroutines, but not that errno is their thread's. */
static NOINLINE __attribute__((no_sanitize("thread"))) void
set_errno(int number)
{
    errno = number;
}

static bool
fails(enum call call)
{
    int i;

    plans[call].calls++;
    if (plans[call].next >= plans[call].n)
        return false;
    i = plans[call].for_ever ? plans[call].n - 1 : plans[call].next++;
    set_errno(plans[call].errors[i]);
    return true;
}

static bool
all_have_failed(enum call call)
{
    return plans[call].next == plans[call].n;
}

int
accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict size, int flags)
{
    return fails(ACCEPT) ? -1 : (int)syscall(SYS_accept4, fd, addr, size, flags);
}

int
socket(int family, int type, int protocol)
{
    return fails(SOCKET) ? -1 : (int)syscall(SYS_socket, family, type, protocol);
}

ssize_t
send(int fd, const void *buf, size_t size, int flags)
{
    return fails(SEND) ? -1 : syscall(SYS_sendto, fd, buf, size, flags, NULL, 0);
}

/* The poller reads, too. */
static bool
is_socket(int fd)
{
    int type;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

ssize_t
read(int fd, void *buf, size_t size)
{
    return is_socket(fd) && fails(READ) ? -1 : syscall(SYS_read, fd, buf, size);
}

int
epoll_create1(int flags)
{
    return fails(EPOLL) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int
eventfd(unsigned value, int flags)
{
    return fails(EVENTFD) ? -1 : (int)syscall(SYS_eventfd2, value, flags);
}

/* What names are: one or more addresses, or a code. */
static const char *hosts;        /* numbers, with spaces between */
static int gai_code, gai_errno;

static struct addrinfo *
make_info(const char *host, const struct addrinfo *hints)
{
    struct {
        struct addrinfo info;
        struct sockaddr_storage name;
    } *x = calloc(1, sizeof *x);
    bl_addr addr;
    char text[80];

    snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:0" : "%s:0", host);
    ok(bl_addr_parse("tcp", text, &addr));
    memcpy(&x->name, &addr.name, addr.length);
    x->info.ai_family = addr.name.any.sa_family;
    x->info.ai_socktype = hints->ai_socktype;
    x->info.ai_addr = (struct sockaddr *)&x->name;
    x->info.ai_addrlen = addr.length;
    return &x->info;
}

int
getaddrinfo(const char *restrict name, const char *restrict service,
            const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
    char copy[200], *rest = copy, *host;

    CHECK(name && !service);
    *list = NULL;
    set_errno(gai_errno);
    if (gai_code)
        return gai_code;
    snprintf(copy, sizeof copy, "%s", hosts);
    while ((host = strsep(&rest, " "))) {
        *list = make_info(host, hints);
        list = &(*list)->ai_next;
    }
    return 0;
}

void
freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

/* --- the poller ------------------------------------------------------------------------- */

static int
open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static bl_error *
read_for_a_moment(bl_conn *c)
{
    char byte;
    size_t n;

    return bl_conn_read_until(c, &byte, 1, bl_now() + BL_MILLISECOND, &n);
}

/* There is no descriptor for it: who wants to wait is told, nothing is left over, and
 * later it works.  Before anything else has waited. */
static void
NETERR_no_poller(void)
{
    bl_conn *pair[2];
    int before;

    ok(bl_conn_pair(pair));
    before = open_descriptors();
    FAIL(EPOLL, EMFILE);
    CHECK_STR(text_of(read_for_a_moment(pair[0])), "read unix: read: too many open files");
    FAIL(EVENTFD, ENFILE, EMFILE);
    CHECK_EQ(errno_of(read_for_a_moment(pair[0])), ENFILE);
    CHECK_EQ(errno_of(read_for_a_moment(pair[0])), EMFILE);
    CHECK_EQ(open_descriptors(), before);
    CHECK(is(read_for_a_moment(pair[0]), bl_err_timeout));
    CHECK_EQ(open_descriptors(), before + 2);
    bl_conn_release(pair[0]);
    bl_conn_release(pair[1]);
}

/* --- shortages ---------------------------------------------------------------------------- */

/* They are over some time; the connection has been kept. */
static void
NETERR_accept_waits(void)
{
    static const int shortages[] = {ENOBUFS, ENOMEM, ENFILE, EMFILE};
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);

    for (int i = 0; i < 4; i++) {
        int64_t began = bl_now();
        bl_conn *c, *d;

        ok(bl_dial("tcp", where, &c));
        FAIL(ACCEPT, shortages[i], shortages[i], shortages[i]);
        ok(bl_listener_accept(l, &d));
        CHECK(all_have_failed(ACCEPT));
        CHECK(plans[ACCEPT].calls <= 8); /* an event, which is rare, ends a pause */
        CHECK(bl_now() - began >= 10 * BL_MILLISECOND); /* 5 + 10 + 20 if none does */
        bl_conn_release(c);
        bl_conn_release(d);
    }
    bl_listener_release(l);
}

static void
accept_and_tell(bl_listener *l, bl_waitgroup *wg)
{
    bl_conn *c;

    about_to_wait = bl_goroutine_id();
    CHECK(is(bl_listener_accept(l, &c), bl_err_net_closed));
    bl_waitgroup_done(wg);
}

/* A shortage that does not end: closing does. */
static void
NETERR_close_in_shortage(void)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_waitgroup wg = {0};
    bl_conn *c;

    FAIL(ACCEPT, ENOBUFS);
    plans[ACCEPT].for_ever = true;
    ok(bl_dial("tcp", where, &c));
    bl_waitgroup_add(&wg, 1);
    bl_go(accept_and_tell, l, &wg);
    wait_until_it_waits();
    ok(bl_listener_close(l));
    bl_waitgroup_wait(&wg);
    FAIL(ACCEPT, 0);
    bl_conn_release(c);
    bl_listener_release(l);
}

/* One connection's trouble is not the listener's; others are. */
static void
NETERR_accept_goes_on(void)
{
    char where[BL_ADDR_TEXT], want[200];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_conn *c, *d;

    ok(bl_dial("tcp", where, &c));
    FAIL(ACCEPT, ECONNABORTED, EPROTO, EINTR, ECONNABORTED);
    ok(bl_listener_accept(l, &d));
    CHECK_EQ(plans[ACCEPT].calls, 5);
    bl_conn_release(d);
    FAIL(ACCEPT, EPERM);
    snprintf(want, sizeof want, "accept tcp %s: accept4: operation not permitted", where);
    CHECK_STR(text_of(bl_listener_accept(l, &d)), want);
    bl_conn_release(c);
    bl_listener_release(l);
}

static void
NETERR_no_socket(void)
{
    bl_listener *l;
    bl_conn *c;

    FAIL(SOCKET, EMFILE);
    CHECK_STR(text_of(bl_dial("tcp", "127.0.0.1:1", &c)),
              "dial tcp 127.0.0.1:1: socket: too many open files");
    FAIL(SOCKET, ENOBUFS);
    CHECK_STR(text_of(bl_dial("udp", "127.0.0.1:1", &c)),
              "dial udp 127.0.0.1:1: socket: no buffer space available");
    FAIL(SOCKET, ENOBUFS);
    CHECK_STR(text_of(bl_listen("tcp", "127.0.0.1:0", &l)),
              "listen tcp 127.0.0.1:0: socket: no buffer space available");
    FAIL(SOCKET, ENFILE);
    CHECK_EQ(errno_of(bl_listen_packet("udp", "127.0.0.1:0", &c)), ENFILE);
    CHECK(!l && !c);
}

/* What was written counts up to the error; the next one may go well. */
static void
NETERR_no_room(void)
{
    struct pair p = tcp_pair();
    bl_conn *u;
    char buf[16];
    size_t n = 9;
    bl_error *err;

    ok(bl_listen_packet("udp", "127.0.0.1:0", &u));
    FAIL(SEND, ENOBUFS);
    err = bl_conn_write(p.a, "lost", 4, &n);
    CHECK_EQ(n, 0);
    CHECK(strstr(text_of(err), ": write: no buffer space available"));
    FAIL(SEND, EINTR, EINTR);
    FAIL(READ, EINTR, EINTR, EINTR);
    ok(bl_conn_write(p.a, "word", 4, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(plans[SEND].calls, 3);
    ok(bl_conn_read(p.b, buf, sizeof buf, &n));
    CHECK_EQ(n, 4);
    CHECK(all_have_failed(READ));
    FAIL(READ, EIO);
    CHECK_EQ(errno_of(bl_conn_read(p.b, buf, sizeof buf, &n)), EIO);
    CHECK_EQ(n, 0);
    bl_conn_release(u);
    drop(p);
}

/* --- the other side -------------------------------------------------------------------------- */

struct broken {
    bl_conn *c;
    _Atomic int read_errno, write_errno;
    _Atomic bool wrote;
    bl_waitgroup wg;
};

static void
read_until_error(struct broken *x)
{
    char buf[16];
    size_t n;
    bl_error *err;

    about_to_wait = bl_goroutine_id();
    while (!(err = bl_conn_read(x->c, buf, sizeof buf, &n)))
        ;
    x->read_errno = err == bl_err_eof ? -1 : bl_error_errno(err);
    bl_error_release(err);
    bl_waitgroup_done(&x->wg);
}

static void
write_until_error(struct broken *x)
{
    enum { SIZE = 64 << 20 };
    char *much = calloc(1, SIZE);
    size_t n;

    about_to_wait = bl_goroutine_id();
    x->write_errno = errno_of(bl_conn_write(x->c, much, SIZE, &n));
    CHECK(n < SIZE);
    free(much);
    bl_waitgroup_done(&x->wg);
}

static void
reset(bl_conn *c)
{
    ok(bl_conn_set_linger(c, 0));
    bl_conn_release(c);
}

/* Both directions wait when the reset comes: both hear of it, one of the reset, and who
 * comes second, that there is no connection. */
static void
NETERR_reset_wakes_both(void)
{
    for (int i = 0; i < 10; i++) {
        struct pair p = tcp_pair();
        struct broken x = {.c = p.a};

        bl_waitgroup_add(&x.wg, 2);
        bl_go(read_until_error, &x);
        wait_until_it_waits();
        bl_go(write_until_error, &x);
        wait_until_it_waits();
        reset(p.b);
        bl_waitgroup_wait(&x.wg);
        CHECK(x.read_errno == ECONNRESET || x.write_errno == ECONNRESET);
        CHECK(x.read_errno == ECONNRESET || x.read_errno == -1);
        CHECK(x.write_errno == ECONNRESET || x.write_errno == EPIPE);
        bl_conn_release(p.a);
    }
}

/* Reads that are not tried (docs/scheduler.md, I/O) hear of it, too. */
static void
NETERR_reset_of_a_talk(void)
{
    struct pair p = tcp_pair();
    struct broken x = {.c = p.a};
    char word[4];

    bl_waitgroup_add(&x.wg, 1);
    bl_go(read_until_error, &x);
    for (int i = 0; i < 20; i++) {
        ok(bl_conn_write(p.b, "word", 4, NULL));
        ok(bl_conn_write(p.a, "back", 4, NULL));
        ok(bl_conn_read_full(p.b, word, 4, NULL));
    }
    wait_until_it_waits();
    reset(p.b);
    bl_waitgroup_wait(&x.wg);
    CHECK_EQ(x.read_errno, ECONNRESET);
    bl_conn_release(p.a);
}

/* Before anybody has accepted it; and while it copies. */
static void
NETERR_reset_early(void)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    bl_conn *c, *d;
    char byte;
    size_t n;

    ok(bl_dial("tcp", where, &c));
    reset(c);
    ok(bl_listener_accept(l, &d));
    CHECK_EQ(errno_of(bl_conn_read(d, &byte, 1, &n)), ECONNRESET);
    CHECK(bl_conn_read(d, &byte, 1, &n) == bl_err_eof);
    bl_conn_release(d);
    bl_listener_release(l);
}

static void
copy_to_the_end(bl_conn *to, bl_conn *from, _Atomic int *number, bl_waitgroup *wg)
{
    size_t n;

    about_to_wait = bl_goroutine_id();
    *number = errno_of(bl_conn_copy(to, from, SIZE_MAX, &n));
    bl_waitgroup_done(wg);
}

static void
NETERR_reset_of_a_copy(void)
{
    for (int i = 0; i < 2; i++) {
        struct pair p = tcp_pair(), q = tcp_pair();
        _Atomic int number = 0;
        bl_waitgroup wg = {0};

        bl_waitgroup_add(&wg, 1);
        bl_go(copy_to_the_end, q.a, p.b, &number, &wg);
        wait_until_it_waits();
        if (i == 0) {
            reset(p.a); /* from */
        } else {
            reset(q.b); /* to */
            ok(bl_conn_write(p.a, "what can't be sent", 18, NULL));
        }
        bl_waitgroup_wait(&wg);
        CHECK(number == ECONNRESET || (i == 1 && number == EPIPE));
        if (i == 0)
            bl_conn_release(q.b);
        else
            bl_conn_release(p.a);
        bl_conn_release(p.b);
        bl_conn_release(q.a);
    }
}

/* The other side is there no more, and says nothing: here it takes nothing any more, which
 * the kernel puts up with for as long as it is told to.  All who wait hear of it. */
static void
NETERR_half_open(void)
{
    struct pair p = tcp_pair();
    struct broken x = {.c = p.a};
    int most_ms = 300;
    char byte;
    size_t n;

    CHECK_EQ(setsockopt(bl_conn_fd(p.a), IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms,
                        sizeof most_ms),
             0);
    bl_waitgroup_add(&x.wg, 2);
    bl_go(read_until_error, &x);
    wait_until_it_waits();
    bl_go(write_until_error, &x);
    bl_waitgroup_wait(&x.wg);
    CHECK(x.read_errno == ETIMEDOUT || x.write_errno == ETIMEDOUT);
    CHECK(x.read_errno == ETIMEDOUT || x.read_errno == -1);
    CHECK(x.write_errno == ETIMEDOUT || x.write_errno == EPIPE);
    CHECK(bl_conn_read(p.a, &byte, 1, &n) == bl_err_eof);
    drop(p);
}

/* As a caller sees it: a timeout, which none of its own deadlines was. */
static void
NETERR_given_up(void)
{
    struct pair p = tcp_pair();
    bl_error *err;

    FAIL(READ, ETIMEDOUT);
    err = read_for_a_moment(p.a);
    CHECK(bl_error_is(err, bl_err_timeout));
    CHECK(!bl_error_is(err, bl_err_deadline_exceeded));
    CHECK_EQ(bl_error_errno(err), ETIMEDOUT);
    CHECK(strstr(text_of(err), ": read: connection timed out"));
    drop(p);
}

/* --- names ------------------------------------------------------------------------------------ */

static void
NETERR_lookup(void)
{
    bl_addr addrs[2];
    bl_listener *l;
    bl_conn *c;
    bl_error *err;
    size_t n;

    gai_code = EAI_NONAME;
    err = bl_dial("tcp", "nowhere.example:80", &c);
    CHECK_EQ(bl_error_gai(err), EAI_NONAME);
    CHECK(strncmp(text_of(err), "dial tcp: lookup nowhere.example: no such host", 46) == 0);
    err = bl_listen("tcp", "nowhere.example:80", &l);
    CHECK(strncmp(text_of(err), "listen tcp: lookup nowhere.example: no such host", 48) == 0);
    err = bl_lookup("tcp", "nowhere.example:80", addrs, 2, &n);
    CHECK(strncmp(text_of(err), "lookup nowhere.example: no such host", 36) == 0);
    CHECK_EQ(n, 0);
    gai_code = EAI_AGAIN;
    err = bl_dial("tcp", "nowhere.example:80", &c);
    CHECK_EQ(bl_error_gai(err), EAI_AGAIN);
    CHECK_STR(text_of(err), "dial tcp: lookup nowhere.example: "
                            "temporary failure in name resolution");
    gai_code = EAI_FAIL;
    CHECK_EQ(bl_error_gai(err = bl_dial("udp", "nowhere.example:80", &c)), EAI_FAIL);
    bl_error_release(err);
    gai_code = EAI_SYSTEM;
    gai_errno = EMFILE;
    CHECK_EQ(errno_of(bl_dial("tcp", "nowhere.example:80", &c)), EMFILE);
    CHECK(!c);
    gai_code = gai_errno = 0;
    hosts = "";
}

/* Several addresses: the first that answers; if none does, what the first one said. */
static void
NETERR_addresses_of_a_name(void)
{
    char where[BL_ADDR_TEXT], name[64], want[128];
    bl_listener *l = listen_at("tcp", "127.0.0.1:0", where);
    int port = bl_addr_port(bl_listener_addr(l));
    bl_conn *c;

    snprintf(name, sizeof name, "somewhere.example:%d", port);
    hosts = "127.0.0.2 127.0.0.3 127.0.0.1";
    ok(bl_dial("tcp", name, &c));
    CHECK_EQ(bl_conn_remote(c)->name.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    bl_conn_release(c);
    hosts = "::1 127.0.0.1"; /* the other family's at once, when this one's are refused */
    ok(bl_dial("tcp", name, &c));
    bl_conn_release(c);
    bl_listener_release(l);
    snprintf(want, sizeof want, "dial tcp 127.0.0.2:%d: connect: connection refused", port);
    hosts = "127.0.0.2 127.0.0.3 ::1";
    CHECK_STR(text_of(bl_dial("tcp", name, &c)), want);
    CHECK(!c);
}

/* The caller's text may be gone before the error. */
static void
NETERR_unknown_network(void)
{
    char network[] = "smoke";
    bl_listener *l;
    bl_conn *c;
    bl_error *errs[3];

    errs[0] = bl_dial(network, "x:1", &c);
    errs[1] = bl_listen(network, "x:1", &l);
    errs[2] = bl_listen_packet(network, "x:1", &c);
    memset(network, '?', sizeof network - 1);
    CHECK_STR(text_of(errs[0]), "dial smoke: unknown network smoke");
    CHECK_STR(text_of(errs[1]), "listen smoke: unknown network smoke");
    CHECK_STR(text_of(errs[2]), "listen smoke: unknown network smoke");
}

int
main(void)
{
    RUN(NETERR_no_poller); /* first */
    RUN(NETERR_accept_waits);
    RUN(NETERR_close_in_shortage);
    RUN(NETERR_accept_goes_on);
    RUN(NETERR_no_socket);
    RUN(NETERR_no_room);
    RUN(NETERR_reset_wakes_both);
    RUN(NETERR_reset_of_a_talk);
    RUN(NETERR_reset_early);
    RUN(NETERR_reset_of_a_copy);
    RUN(NETERR_half_open);
    RUN(NETERR_given_up);
    RUN(NETERR_lookup);
    RUN(NETERR_addresses_of_a_name);
    RUN(NETERR_unknown_network);
    return 0;
}
