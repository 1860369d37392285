/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* net/more.c - what connections can do beside reading and writing: datagrams with
 * addresses, descriptors, files, one direction's end. */
#define _GNU_SOURCE
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum {
    MOST_FDS = 253,              /* the kernel's limit (SCM_MAX_FD) */
    PIPE_BYTES = 1 << 20,
    COPY_BYTES = 64 * 1024,
    MOST_BYTES = 1 << 30,
};

/* --- messages ------------------------------------------------------------------------ */

static ssize_t
try_send(int number, void *arg)
{
    ssize_t r = sendmsg(number, arg, MSG_NOSIGNAL);

    return bl__result(r);
}

static ssize_t
try_receive(int number, void *arg)
{
    ssize_t r = recvmsg(number, arg, MSG_CMSG_CLOEXEC);

    return bl__result(r);
}

/* Takes the turn, tries, makes an error with `to` as the other side. */
static bl_error *
exchange(bl_conn *c, enum bl__direction d, struct msghdr *m, const bl_addr *to, size_t *n)
{
    enum bl__entered in = bl__fd_enter(&c->fd, d);
    bool reads = d == BL__READS;
    bl_error *err = NULL;
    ssize_t r = in == BL__IN ? bl__fd_try(&c->fd, d, NULL, reads ? try_receive : try_send, m)
                             : BL__CLOSED;

    if (r < 0)
        err = bl__net_error(reads ? "read" : "write", c->network, bl_conn_local(c), to,
                            bl__net_cause(r, reads ? "recvmsg" : "sendmsg", NULL));
    else
        *n = (size_t)r;
    if (in == BL__IN)
        bl__fd_leave(&c->fd, d);
    else if (in == BL__IN_CLOSED)
        bl__fd_unuse(&c->fd);
    return err;
}

bl_error *
bl_conn_read_from(bl_conn *c, void *buf, size_t size, size_t *n, bl_addr *from)
{
    struct iovec part = {buf, size};
    bl_addr sender = {.type = c->remote.type};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = &sender.name,
                       .msg_namelen = sizeof sender.name};
    bl_error *err;

    *n = 0;
    err = exchange(c, BL__READS, &m, &c->remote, n);
    if (!from)
        return err;
    sender.length = err ? 0 : m.msg_namelen;
    *from = sender;
    return err;
}

bl_error *
bl_conn_write_to(bl_conn *c, const void *buf, size_t size, const bl_addr *to)
{
    struct iovec part = {(void *)buf, size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = (void *)&to->name,
                       .msg_namelen = to->length};
    bl_addr mapped;
    size_t n;

    /* an IPv6 socket that is for both speaks IPv4 under names of its own */
    if (to->length && to->name.any.sa_family == AF_INET &&
        bl_conn_local(c)->name.any.sa_family == AF_INET6) {
        mapped = *to;
        mapped.length = sizeof mapped.name.v6;
        mapped.name.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                               .sin6_port = to->name.v4.sin_port};
        memset(&mapped.name.v6.sin6_addr.s6_addr[10], 0xff, 2);
        memcpy(&mapped.name.v6.sin6_addr.s6_addr[12], &to->name.v4.sin_addr, 4);
        m.msg_name = &mapped.name;
        m.msg_namelen = mapped.length;
    }
    return exchange(c, BL__WRITES, &m, to, &n);
}

/* --- descriptors ------------------------------------------------------------------------ */

bl_error *
bl_conn_send_fds(bl_conn *c, const void *buf, size_t size, const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec part = {(void *)buf, size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                       .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *head = &control.align;
    size_t n = 0;
    bl_error *err;

    if (size == 0 || count == 0 || count > MOST_FDS)
        return bl__net_error("write", c->network, bl_conn_local(c), &c->remote,
                             bl__net_cause(-EINVAL, "sendmsg", NULL));
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    bl__conn_pin(c);
    err = exchange(c, BL__WRITES, &m, &c->remote, &n);
    if (!err && n < size)
        err = bl_conn_write(c, (const char *)buf + n, size - n, NULL);
    bl__conn_unpin(c);
    return err;
}

/* Those of one control message; what there is no room for is closed. */
static void
take_fds(struct cmsghdr *head, int *fds, size_t most, size_t *count)
{
    size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        return;
    for (size_t i = 0; i < n; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
        if (*count < most)
            fds[(*count)++] = fd;
        else
            close(fd);
    }
}

bl_error *
bl_conn_recv_fds(bl_conn *c, void *buf, size_t size, size_t *n, int *fds, size_t most,
                 size_t *count)
{
    union {
        char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {buf, size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    bool has_end = c->has_end; /* behind its turn c may be gone */
    bl_error *err;

    *n = *count = 0;
    err = exchange(c, BL__READS, &m, &c->remote, n);
    if (err)
        return err;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&m); head; head = CMSG_NXTHDR(&m, head))
        take_fds(head, fds, most, count);
    return *n == 0 && *count == 0 && size > 0 && has_end ? bl_err_eof : NULL;
}

/* --- from one descriptor to another --------------------------------------------------------- */

struct move {
    bl_conn *c;
    int other;                   /* a pipe's end, or a file */
    size_t size;
    off_t *offset;
};

static ssize_t
try_splice_in(int number, void *arg)
{
    const struct move *x = arg;
    ssize_t r = splice(number, NULL, x->other, NULL, x->size,
                       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

    return bl__result(r);
}

static ssize_t
try_splice_out(int number, void *arg)
{
    const struct move *x = arg;
    struct bl__sigpipe held;
    ssize_t r;

    bl__sigpipe_hold(&held);
    r = splice(x->other, NULL, number, NULL, x->size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    r = bl__result(r);
    bl__sigpipe_let_go(&held, r);
    return r;
}

static ssize_t
try_sendfile(int number, void *arg)
{
    const struct move *x = arg;
    struct bl__sigpipe held;
    ssize_t r;

    bl__sigpipe_hold(&held);
    r = sendfile(number, x->other, x->offset, x->size < MOST_BYTES ? x->size : MOST_BYTES);
    r = bl__result(r);
    bl__sigpipe_let_go(&held, r);
    return r;
}

static bl_error *
move_once(struct move *x, enum bl__direction d, const char *call,
          ssize_t (*attempt)(int number, void *arg), ssize_t *r)
{
    bl_conn *c = x->c;
    enum bl__entered in = bl__fd_enter(&c->fd, d);
    bl_error *err = NULL;

    *r = in == BL__IN ? bl__fd_try(&c->fd, d, NULL, attempt, x) : BL__CLOSED;
    if (*r < 0 && *r != -EINVAL)
        err = bl__net_error(d == BL__READS ? "read" : "write", c->network, bl_conn_local(c),
                            &c->remote, bl__net_cause(*r, call, NULL));
    if (*r > 0)
        bl__fd_moved(&c->fd, d, (size_t)*r);
    if (in == BL__IN)
        bl__fd_leave(&c->fd, d);
    else if (in == BL__IN_CLOSED)
        bl__fd_unuse(&c->fd);
    return err;
}

/* Where splice() can't: with a buffer. */
static bl_error *
copy_by_hand(bl_conn *to, bl_conn *from, size_t most, size_t *n)
{
    char *buf = malloc(COPY_BYTES);
    bl_error *err = buf ? NULL : bl_error_from_errno(ENOMEM);

    while (!err && most > 0) {
        size_t got, sent = 0;

        err = bl_conn_read(from, buf, most < COPY_BYTES ? most : COPY_BYTES, &got);
        if (!err)
            err = bl_conn_write(to, buf, got, &sent);
        *n += sent;
        most -= got;
    }
    free(buf);
    return err == bl_err_eof ? NULL : err;
}

/* What is in the pipe goes out. */
static bl_error *
drain(bl_conn *to, int pipe, size_t size, size_t *n)
{
    struct move x = {to, pipe, size, NULL};
    bl_error *err = NULL;
    ssize_t r;

    while (x.size > 0 && !(err = move_once(&x, BL__WRITES, "splice", try_splice_out, &r))) {
        if (r <= 0)
            return bl__net_error("write", to->network, bl_conn_local(to), &to->remote,
                                 bl__net_cause(r < 0 ? r : -EIO, "splice", NULL));
        x.size -= (size_t)r;
        *n += (size_t)r;
    }
    return err;
}

/* *unfit: nothing has been taken, splice() does not work with these. */
static bl_error *
copy_by_splice(bl_conn *to, bl_conn *from, size_t most, size_t *n, const int pipe[2],
               bool *unfit)
{
    bl_error *err = NULL;

    while (!err && most > 0) {
        struct move x = {from, pipe[1], most < PIPE_BYTES ? most : PIPE_BYTES, NULL};
        ssize_t r;

        err = move_once(&x, BL__READS, "splice", try_splice_in, &r);
        if (err || r == 0)
            break;
        if (r < 0) {
            *unfit = true;
            break;
        }
        err = drain(to, pipe[0], (size_t)r, n);
        most -= (size_t)r;
    }
    return err;
}

/* splice() can say EAGAIN for the pipe as well; ours is always empty before. */
bl_error *
bl_conn_copy(bl_conn *to, bl_conn *from, size_t most, size_t *n)
{
    size_t done = 0;
    int pipe[2];
    bool unfit = true;
    bl_error *err = NULL;

    bl__conn_pin(to);
    bl__conn_pin(from);
    if (strncmp(to->network, "tcp", 3) == 0 && strncmp(from->network, "udp", 3) != 0 &&
        pipe2(pipe, O_CLOEXEC | O_NONBLOCK) == 0) {
        unfit = false;
        fcntl(pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
        err = copy_by_splice(to, from, most, &done, pipe, &unfit);
        close(pipe[0]);
        close(pipe[1]);
    }
    if (!err && unfit)
        err = copy_by_hand(to, from, most - done, &done);
    bl__conn_unpin(to);
    bl__conn_unpin(from);
    if (n)
        *n = done;
    return err;
}

/* Where sendfile() can't. */
static bl_error *
send_by_hand(bl_conn *c, int fd, off_t offset, size_t size, size_t *n)
{
    char *buf = malloc(COPY_BYTES);
    bl_error *err = buf ? NULL : bl_error_from_errno(ENOMEM);

    while (!err && size > 0) {
        size_t part = size < COPY_BYTES ? size : COPY_BYTES, sent = 0;
        ssize_t got = bl__result(offset < 0 ? read(fd, buf, part)
                                            : pread(fd, buf, part, offset));

        if (got == -EINTR)
            continue;
        if (got <= 0) {
            err = got < 0 ? bl__net_cause(got, "read", NULL) : NULL;
            break;
        }
        err = bl_conn_write(c, buf, (size_t)got, &sent);
        *n += sent;
        size -= (size_t)got;
        offset += offset < 0 ? 0 : got;
    }
    free(buf);
    return err;
}

bl_error *
bl_conn_send_file(bl_conn *c, int fd, off_t offset, size_t size, size_t *n)
{
    off_t at = offset;
    struct move x = {c, fd, size, offset < 0 ? NULL : &at};
    size_t done = 0;
    bl_error *err = NULL;
    ssize_t r = 0;

    bl__conn_pin(c);
    while (x.size > 0 &&
           !(err = move_once(&x, BL__WRITES, "sendfile", try_sendfile, &r)) && r > 0) {
        x.size -= (size_t)r;
        done += (size_t)r;
    }
    if (!err && r == -EINVAL)
        err = send_by_hand(c, fd, x.offset ? at : -1, x.size, &done);
    bl__conn_unpin(c);
    if (n)
        *n = done;
    return err;
}

/* --- one direction's end ---------------------------------------------------------------------- */

static bl_error *
shut_down(bl_conn *c, int how)
{
    bl_error *err = NULL;
    ssize_t r = BL__CLOSED;

    if (bl__fd_use(&c->fd)) {
        r = shutdown(bl__fd_number(&c->fd), how) == 0 ? 0 : bl__last_error();
        if (r < 0)
            err = bl__net_error("close", c->network, bl_conn_local(c), &c->remote,
                                bl__net_cause(r, "shutdown", NULL));
        bl__fd_unuse(&c->fd);
        return err;
    }
    return bl__net_error("close", c->network, bl_conn_local(c), &c->remote,
                         bl__net_cause(r, "shutdown", NULL));
}

bl_error *
bl_conn_close_write(bl_conn *c)
{
    return shut_down(c, SHUT_WR);
}

bl_error *
bl_conn_close_read(bl_conn *c)
{
    return shut_down(c, SHUT_RD);
}
