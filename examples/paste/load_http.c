/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/load_http.c - a client's side of HTTP/1.1, as much as the load needs. */
#include "load.h"

#include <belay/keywords.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE (60 * BL_SECOND) /* then something hangs */
enum { SOURCES = 100, MOST = 64 << 20, KEEP_ROOM = 16 << 10 };

error_static(err_bad_reply, "the reply is none");

/* --- connections ------------------------------------------------------------------ */

static int
connect_from(const struct sockaddr_in *to, unsigned number)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % SOURCES)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0 || errno == EINPROGRESS))
        return fd;
    one = errno;
    close(fd);
    errno = one;
    return -1;
}

static bl_error *
wait_connected(bl_conn *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    bl_error *err = bl_conn_set_deadline(c, bl_after_ns(PATIENCE));

    if (!err)
        err = bl_conn_wait_writable(c);
    if (!err && getsockopt(bl_conn_fd(c), SOL_SOCKET, SO_ERROR, &error, &size) == 0)
        err = bl_error_from_errno(error);
    return err ? err : bl_conn_set_no_delay(c, true);
}

bl_error *
link_open(struct link *l, const struct sockaddr_in *to, unsigned number)
{
    int fd = connect_from(to, number);
    bl_error *err;

    *l = (struct link){0};
    if (fd < 0)
        return bl_error_wrap(bl_error_from_errno(errno), "connect");
    err = bl_conn_adopt(fd, &l->c);
    if (err) {
        close(fd);
        return err;
    }
    err = wait_connected(l->c);
    if (!err && !(l->in = bl_reader_of_conn(l->c, 0)))
        err = bl_error_from_errno(ENOMEM);
    if (err)
        link_close(l);
    return err;
}

void
link_close(struct link *l)
{
    bl_reader_free(l->in);
    bl_conn_release(l->c);
    *l = (struct link){0};
}

bl_error *
link_send(struct link *l, const char *head, const void *body, size_t size)
{
    struct iovec parts[2] = {{(char *)head, strlen(head)}, {(void *)body, size}};
    bl_error *err = bl_conn_set_deadline(l->c, bl_after_ns(PATIENCE));

    return err ? err : bl_conn_writev(l->c, parts, body ? 2 : 1, NULL);
}

/* --- replies ---------------------------------------------------------------------- */

static bl_error *
make_room(struct reply *r, size_t more)
{
    char *body;

    if (more > MOST || r->size + more > MOST)
        return err_bad_reply;
    if (r->size + more < r->room)
        return NULL;
    body = realloc(r->body, r->size + more + 1);
    if (!body)
        return bl_error_from_errno(ENOMEM);
    r->body = body;
    r->room = r->size + more + 1;
    return NULL;
}

static bl_error *
read_part(struct link *l, struct reply *r, size_t size)
{
    bl_error *err = make_room(r, size);

    if (!err && size > 0)
        err = bl_reader_read_full(l->in, r->body + r->size, size, NULL);
    if (err)
        return err == bl_err_eof ? bl_err_unexpected_eof : err;
    r->size += size;
    r->body[r->size] = '\0';
    return NULL;
}

static bl_error *
read_chunks(struct link *l, struct reply *r)
{
    const char *line;
    char *end;
    size_t n, size;
    bl_error *err;

    do {
        err = bl_reader_line(l->in, &line, &n);
        if (err)
            return err == bl_err_eof ? bl_err_unexpected_eof : err;
        size = strtoul(line, &end, 16);
        if (end == line || n == 0)
            return err_bad_reply;
        err = read_part(l, r, size);
        if (!err)
            err = bl_reader_line(l->in, &line, &n); /* there are no trailers */
        if (!err && n != 0)
            err = err_bad_reply;
    } while (!err && size > 0);
    return err;
}

static bl_error *
read_to_end(struct link *l, struct reply *r)
{
    bl_error *err;
    size_t n;

    while (!(err = make_room(r, 4096)) &&
           !(err = bl_reader_read(l->in, r->body + r->size, 4096, &n)))
        r->size += n;
    if (r->body)
        r->body[r->size] = '\0';
    return err == bl_err_eof ? NULL : err;
}

/* --- heads ------------------------------------------------------------------------ */

struct head {
    long length; /* -1: none */
    bool chunked;
};

static bool
has_name(const char *line, size_t n, const char *name, const char **value)
{
    size_t size = strlen(name);

    if (n <= size || strncasecmp(line, name, size) != 0 || line[size] != ':')
        return false;
    *value = line + size + 1 + strspn(line + size + 1, " ");
    return true;
}

/* line is in the reader's buffer, where "\r" or "\n" follows. */
static void
read_field(const char *line, size_t n, struct reply *r, struct head *head)
{
    const char *value;

    if (has_name(line, n, "Content-Length", &value))
        head->length = strtol(value, NULL, 10);
    else if (has_name(line, n, "Transfer-Encoding", &value))
        head->chunked = true;
    else if (has_name(line, n, "Connection", &value))
        r->closes = strncasecmp(value, "close", 5) == 0;
    else if (has_name(line, n, "Paste-Token", &value))
        snprintf(r->token, sizeof r->token, "%.*s", (int)(line + n - value), value);
}

static bl_error *
read_head(struct link *l, struct reply *r, struct head *head)
{
    const char *line;
    size_t n;
    bl_error *err = bl_reader_line(l->in, &line, &n);

    if (err)
        return err;
    if (n < 12 || strncmp(line, "HTTP/1.1 ", 9) != 0)
        return err_bad_reply;
    r->status = (int)strtol(line + 9, NULL, 10);
    if (r->status < 100 || r->status >= 600)
        return err_bad_reply;
    while (!(err = bl_reader_line(l->in, &line, &n)) && n > 0)
        read_field(line, n, r, head);
    return err == bl_err_eof ? bl_err_unexpected_eof : err;
}

/* The connection is of no use any more behind an error, or if the reply closes. */
bl_error *
link_receive(struct link *l, struct reply *r)
{
    struct head head = {.length = -1};
    bl_error *err;

    r->status = 0;
    r->closes = false;
    r->size = 0;
    r->token[0] = '\0';
    if (r->room > KEEP_ROOM)
        reply_free(r);
    err = read_head(l, r, &head);
    if (err || r->status == 204 || r->status == 304)
        return err;
    if (head.chunked)
        return read_chunks(l, r);
    if (head.length >= 0)
        return read_part(l, r, (size_t)head.length);
    r->closes = true;
    return read_to_end(l, r);
}

void
reply_free(struct reply *r)
{
    free(r->body);
    r->body = NULL;
    r->size = r->room = 0;
}
