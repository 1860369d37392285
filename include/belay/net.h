/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/net.h - connections that block their goroutine, and nothing else.
 *
 *     void serve(bl_conn *c)
 *     {
 *         char buf[4096];
 *         size_t n;
 *
 *         while (!bl_conn_read(c, buf, sizeof buf, &n))
 *             bl_error_release(bl_conn_write(c, buf, n, NULL));
 *         bl_conn_release(c);
 *     }
 *
 *     bl_listener *l;
 *     bl_conn *c;
 *     bl_error *err = bl_listen("tcp", "localhost:7000", &l);
 *     while (!err && !(err = bl_listener_accept(l, &c)))
 *         bl_go(serve, c);
 *
 * There is no thread per connection, no callback and no loop: a call that would have to
 * wait parks its goroutine, and one poller for the process wakes it.  Plain threads may
 * call all of this, too.
 *
 * A function that fails returns an error (belay/errors.h) with Go's text: `dial tcp
 * 127.0.0.1:1: connect: connection refused`.  Its errno is bl_error_errno()'s; the
 * following are the same whatever is wrapped around them (bl_error_is()):
 *
 *     bl_err_eof           the other side sends no more: what a read returns at the end
 *     bl_err_net_closed    closed on our side, by whoever
 *     bl_err_timeout       a deadline has passed, or the kernel gave up (errors.h)
 *     bl_err_canceled      the context was cancelled (context.h)
 *
 * A connection, or listener, may be used by several goroutines at the same time: a read
 * waits for another read to finish, a write for another write.  Closing it makes all of
 * them return bl_err_net_closed.  It is counted, as an error is: it belongs to who has
 * made it; bl_conn_retain() makes another owner, and the last bl_conn_release() closes
 * it.  One goroutine may release it while another one is in the middle of a call. */
#ifndef BELAY_NET_H
#define BELAY_NET_H

#include <belay/config.h>
#include <belay/context.h>
#include <belay/errors.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

BL_BEGIN_DECLS

typedef struct bl_conn bl_conn;
typedef struct bl_listener bl_listener;

BL_API extern bl_error *const bl_err_eof;            /* EOF */
BL_API extern bl_error *const bl_err_unexpected_eof; /* unexpected EOF */
BL_API extern bl_error *const bl_err_net_closed; /* use of closed network connection */

/* Errors of this header are of this kind, net.OpError's: bl_error_as(err,
 * &bl_net_error_kind). */
typedef struct bl_net_error {
    bl_error base;
    const char *op;      /* "dial", "listen", "accept", "read", "write", "close", "set" */
    const char *network; /* "tcp", "udp", "unix", ... */
    char *source;        /* our address, where there are two; NULL: none */
    char *address;       /* theirs, or the one that was asked for; NULL: none */
    bl_error *err;       /* what it wraps */
} bl_net_error;

BL_API extern const bl_error_kind bl_net_error_kind;

/* --- addresses ------------------------------------------------------------------- */

/* Networks are "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixgram" and
 * "unixpacket".  Addresses are "host:port", "1.2.3.4:80", "[::1]:http", "[fe80::1%eth0]:1",
 * ":80" (all of our own), "/a/path", "unix:/a/path" (with any network: "tcp" is "unix"
 * then, "udp" is "unixgram") and "@name" for Linux's abstract names. */

typedef struct bl_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } name;
    socklen_t length; /* of name; 0: none */
    int type;         /* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
} bl_addr;

enum { BL_ADDR_TEXT = 128 }; /* bytes that any address's text has room in */

/* Reads an address without asking anybody: numbers only, and the names of services.
 * Call from: anywhere.  Blocks: reads /etc/services for a name. */
BL_API bl_error *bl_addr_parse(const char *network, const char *address, bl_addr *addr);

/* Writes "1.2.3.4:80", "[::1]:80", "unix:/path" or "unix:@name", always terminated;
 * returns the length the whole has, as snprintf does. */
BL_API size_t bl_addr_text(const bl_addr *addr, char *buf, size_t size);

/* Whether both say the same. */
BL_API bool bl_addr_equal(const bl_addr *a, const bl_addr *b);

/* The port of an address of the internet; 0 for others. */
BL_API int bl_addr_port(const bl_addr *addr);

/* Looks an address up: its host may be a name.  Stores at most `size` addresses, in the
 * order in which they should be tried, and how many in *n: one at least.
 * Call from: anywhere.  Blocks: as getaddrinfo() does, for seconds where a server does not
 * answer; the other goroutines go on. */
BL_API bl_error *bl_lookup(const char *network, const char *address, bl_addr *addrs,
                           size_t size, size_t *n);

/* --- connections: make ----------------------------------------------------------- */

/* Connects, and stores the connection in *c.  A name that has several addresses: tries one
 * after the other, those of the other family beside them if the first family has not
 * answered after 300 ms (RFC 6555).  TCP connections have keep-alive (15 s) and no delay.
 * Call from: anywhere.  Blocks: until connected.  Owner: caller, bl_conn_release(). */
BL_API bl_error *bl_dial(const char *network, const char *address, bl_conn **c);

/* The same until an absolute time, bl_now() + d, or until ctx ends; but looking a name up
 * takes its time. */
BL_API bl_error *bl_dial_until(const char *network, const char *address, int64_t until,
                               bl_conn **c);
BL_API bl_error *bl_dial_ctx(bl_context *ctx, const char *network, const char *address,
                             bl_conn **c);

/* Receives datagrams at an address ("udp", "unixgram").
 * Blocks: as bl_lookup().  Owner: caller, bl_conn_release(). */
BL_API bl_error *bl_listen_packet(const char *network, const char *address, bl_conn **c);

/* Makes a connection of a descriptor that somebody else has made: a socket, a pipe, a
 * terminal, an eventfd, ...  It is set to O_NONBLOCK, and closed with the connection;
 * not if this fails.  Plain files are read and written without waiting.
 * Owner: caller, bl_conn_release(). */
BL_API bl_error *bl_conn_adopt(int fd, bl_conn **c);

/* Makes two that are connected with each other: a Unix stream. */
BL_API bl_error *bl_conn_pair(bl_conn *pair[2]);

/* --- connections: use ------------------------------------------------------------ */

/* Reads what there is, up to size bytes, and stores how many in *n: one at least, unless
 * size is 0, or it is an empty datagram.  With an error *n is 0.
 * Call from: anywhere.  Blocks: until there is something, or its deadline.
 * Returns: bl_err_eof itself at the end. */
BL_API bl_error *bl_conn_read(bl_conn *c, void *buf, size_t size, size_t *n);

/* Writes size bytes, all of them unless there is an error.  *n, if n is not NULL, becomes
 * the number that were written.  No SIGPIPE is raised.
 * Call from: anywhere.  Blocks: while there is no room, or until its deadline. */
BL_API bl_error *bl_conn_write(bl_conn *c, const void *buf, size_t size, size_t *n);

/* The same with several parts. */
BL_API bl_error *bl_conn_readv(bl_conn *c, const struct iovec *parts, int count, size_t *n);
BL_API bl_error *bl_conn_writev(bl_conn *c, const struct iovec *parts, int count,
                                size_t *n);

/* The same, but the wait ends at an absolute time, or with ctx; its deadline counts,
 * too.  While another goroutine reads, or writes, it is that one's wait that counts. */
BL_API bl_error *bl_conn_read_until(bl_conn *c, void *buf, size_t size, int64_t until,
                                    size_t *n);
BL_API bl_error *bl_conn_write_until(bl_conn *c, const void *buf, size_t size,
                                     int64_t until, size_t *n);
BL_API bl_error *bl_conn_read_ctx(bl_context *ctx, bl_conn *c, void *buf, size_t size,
                                  size_t *n);
BL_API bl_error *bl_conn_write_ctx(bl_context *ctx, bl_conn *c, const void *buf,
                                   size_t size, size_t *n);

/* Reads until buf is full; other reads wait meanwhile.  Returns bl_err_eof if there was
 * nothing at all, bl_err_unexpected_eof if there was less; *n may be NULL. */
BL_API bl_error *bl_conn_read_full(bl_conn *c, void *buf, size_t size, size_t *n);

/* Waits until c can be read, or written, without doing it: for other calls on
 * bl_conn_fd(). */
BL_API bl_error *bl_conn_wait_readable(bl_conn *c);
BL_API bl_error *bl_conn_wait_writable(bl_conn *c);

/* Copies up to `most` bytes from one connection to the other, until `from` ends, without a
 * detour through memory of ours where the kernel can (splice).  *n: how many.
 * SIZE_MAX: as many as there are. */
BL_API bl_error *bl_conn_copy(bl_conn *to, bl_conn *from, size_t most, size_t *n);

/* Sends size bytes of a file, from offset on (-1: from where it is), less if it ends
 * before; *n: how many. */
BL_API bl_error *bl_conn_send_file(bl_conn *c, int fd, off_t offset, size_t size,
                                   size_t *n);

/* Datagrams: the same as read and write, with the other side's address.  A datagram that
 * is longer than size is cut. */
BL_API bl_error *bl_conn_read_from(bl_conn *c, void *buf, size_t size, size_t *n,
                                   bl_addr *from);
BL_API bl_error *bl_conn_write_to(bl_conn *c, const void *buf, size_t size,
                                  const bl_addr *to);

/* Unix sockets: data, one byte at least, together with open descriptors, which are
 * duplicated for the other side.  What is received is closed on exec and the caller's to
 * close; more than `most` of them are closed and lost. */
BL_API bl_error *bl_conn_send_fds(bl_conn *c, const void *buf, size_t size, const int *fds,
                                  size_t count);
BL_API bl_error *bl_conn_recv_fds(bl_conn *c, void *buf, size_t size, size_t *n, int *fds,
                                  size_t most, size_t *count);

/* Says that we send, or receive, no more; the other direction stays. */
BL_API bl_error *bl_conn_close_write(bl_conn *c);
BL_API bl_error *bl_conn_close_read(bl_conn *c);

/* --- connections: settings ------------------------------------------------------- */

/* Absolute times, bl_now() + d, for all reads or writes from now on, those that wait
 * already included; they then fail with an error that is bl_err_timeout.  BL_FOREVER:
 * none.  What has failed may go on with a new deadline.
 * Call from: anywhere, whoever reads.  Blocks: no. */
BL_API bl_error *bl_conn_set_deadline(bl_conn *c, int64_t until);
BL_API bl_error *bl_conn_set_read_deadline(bl_conn *c, int64_t until);
BL_API bl_error *bl_conn_set_write_deadline(bl_conn *c, int64_t until);

/* TCP: whether what is written is sent at once (it is, unless this says no). */
BL_API bl_error *bl_conn_set_no_delay(bl_conn *c, bool yes);

/* TCP: asks after ns without a word, and every ns then, whether the other side is still
 * there, nine times; 0: never. */
BL_API bl_error *bl_conn_set_keep_alive(bl_conn *c, int64_t ns);

/* What becomes of what is not sent yet when c is closed: negative, the system goes on
 * sending (the default); 0: it is thrown away, and the other side gets a reset; else:
 * thrown away after so many seconds. */
BL_API bl_error *bl_conn_set_linger(bl_conn *c, int seconds);

/* The kernel's buffers. */
BL_API bl_error *bl_conn_set_read_buffer(bl_conn *c, int bytes);
BL_API bl_error *bl_conn_set_write_buffer(bl_conn *c, int bytes);

/* --- connections: look ----------------------------------------------------------- */

/* Both addresses; the remote one has length 0 if there is none.  Owner: c. */
BL_API const bl_addr *bl_conn_local(const bl_conn *c);
BL_API const bl_addr *bl_conn_remote(const bl_conn *c);

/* Its network, "tcp", "udp", "unix", "unixgram", "unixpacket", or "file". */
BL_API const char *bl_conn_network(const bl_conn *c);

/* Its descriptor, which stays c's: for getsockopt() and the like. */
BL_API int bl_conn_fd(bl_conn *c);

/* --- connections: end ------------------------------------------------------------ */

/* Closes c now: who waits in it returns with bl_err_net_closed.  When this returns the
 * descriptor is closed.  Returns bl_err_net_closed, in an error, the second time.
 * Call from: anywhere.  Blocks: until others have left c, which is at once. */
BL_API bl_error *bl_conn_close(bl_conn *c);

/* One more owner; and one less: the last one's closes c, and frees it.  NULL is fine. */
BL_API bl_conn *bl_conn_retain(bl_conn *c);
BL_API void bl_conn_release(bl_conn *c);

/* --- listeners ------------------------------------------------------------------- */

typedef struct bl_listen_options {
    int backlog;        /* connections that wait to be accepted; 0: as many as the system
                           lets */
    bool reuse_port;    /* several listeners, of several processes, share the port */
    bool only_v6;       /* "[::]:80" is not for IPv4 as well */
    bool keep_path;     /* Unix: the path stays when the listener is closed */
    int64_t keep_alive_ns; /* of what is accepted; 0: 15 s; negative: none */
} bl_listen_options;

/* Listens at an address; port 0 is one that is free: see bl_listener_addr().  options may
 * be NULL.
 * Call from: anywhere.  Blocks: as bl_lookup().  Owner: caller, bl_listener_release(). */
BL_API bl_error *bl_listen(const char *network, const char *address, bl_listener **l);
BL_API bl_error *bl_listen_with(const bl_listen_options *options, const char *network,
                                const char *address, bl_listener **l);

/* Makes a listener of a socket that listens already, as bl_conn_adopt(). */
BL_API bl_error *bl_listener_adopt(int fd, bl_listener **l);

/* Waits for a connection, and stores it in *c.  Connections that are gone before they were
 * accepted are passed over.  Where there are no descriptors left (EMFILE, ENFILE), or no
 * memory (ENOBUFS, ENOMEM), it tries again after 5 ms, then twice that, up to a second:
 * a server goes on when there are some again.
 * Call from: anywhere.  Blocks: until one comes, or the deadline.
 * Owner: caller, bl_conn_release(). */
BL_API bl_error *bl_listener_accept(bl_listener *l, bl_conn **c);
BL_API bl_error *bl_listener_accept_until(bl_listener *l, int64_t until, bl_conn **c);
BL_API bl_error *bl_listener_accept_ctx(bl_context *ctx, bl_listener *l, bl_conn **c);

/* As bl_conn_set_deadline(). */
BL_API bl_error *bl_listener_set_deadline(bl_listener *l, int64_t until);

/* Where it listens.  Owner: l. */
BL_API const bl_addr *bl_listener_addr(const bl_listener *l);
BL_API int bl_listener_fd(bl_listener *l);

/* As the same of connections.  A Unix socket's path is removed. */
BL_API bl_error *bl_listener_close(bl_listener *l);
BL_API bl_listener *bl_listener_retain(bl_listener *l);
BL_API void bl_listener_release(bl_listener *l);

BL_END_DECLS

#endif
