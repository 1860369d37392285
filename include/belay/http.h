/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/http.h - HTTP/1.1: a server and a client, in libbelay-http.
 *
 *     static void hello(bl_http_response *w, bl_http_request *r, void *data)
 *     {
 *         bl_http_printf(w, "Hello, %s!\n", bl_http_path_value(r, "name"));
 *     }
 *
 *     bl_http_mux *mux = bl_http_mux_new();
 *     bl_http_handle(mux, "GET /hello/{name}", hello, NULL);
 *     bl_error *err = bl_http_listen_and_serve(":8080", bl_http_mux_handler(mux));
 *
 * Every connection has a goroutine, which calls the handler for each of its requests: the
 * handler may wait for whatever it likes.  If it panics, or follows a NULL, its deferred
 * calls run, the client gets a 500 (or, if the answer has begun, a cut connection), the
 * log gets the stack, and all others don't notice.
 *
 * What is not said below is as in Go's net/http. */
#ifndef BELAY_HTTP_H
#define BELAY_HTTP_H

#include <belay/config.h>
#include <belay/context.h>
#include <belay/errors.h>
#include <belay/io.h>
#include <belay/net.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

BL_BEGIN_DECLS

typedef struct bl_http_header bl_http_header;
typedef struct bl_http_request bl_http_request;
typedef struct bl_http_response bl_http_response;
typedef struct bl_http_mux bl_http_mux;
typedef struct bl_http_server bl_http_server;
typedef struct bl_http_client bl_http_client;
typedef struct bl_http_tls bl_http_tls;

/* What bl_http_serve() returns after bl_http_server_shutdown() or _close(). */
BL_API extern bl_error *const bl_err_http_server_closed; /* http: Server closed */
/* A body is longer than its limit. */
BL_API extern bl_error *const bl_err_http_body_too_large; /* http: request body too large */
/* What a write returns once the connection is somebody else's. */
BL_API extern bl_error *const bl_err_http_hijacked; /* http: connection has been hijacked */
/* A handler panics with it, bl_panic(bl_err_http_abort), to cut the connection without a
 * word in the log. */
BL_API extern bl_error *const bl_err_http_abort; /* net/http: abort Handler */

/* --- headers ---------------------------------------------------------------------- */

/* Names are compared without regard to case, and sent as they were given.  A name has
 * characters of RFC 9110's tokens, a value no control characters but tabs: others panic,
 * since whoever chose them may have got them from outside ("response splitting"). */

/* Makes an empty one; NULL when memory is short.  Those of requests and responses are
 * theirs.  Blocks: no.  Owner: caller, bl_http_header_free(). */
BL_API bl_http_header *bl_http_header_new(void);
BL_API void bl_http_header_free(bl_http_header *h);

/* The first value of that name; NULL if there is none.  Owner: h, until it is changed. */
BL_API const char *bl_http_header_get(const bl_http_header *h, const char *name);

/* Makes this the only value, or one more; both are copied.  And: removes all. */
BL_API void bl_http_header_set(bl_http_header *h, const char *name, const char *value);
BL_API void bl_http_header_add(bl_http_header *h, const char *name, const char *value);
BL_API void bl_http_header_remove(bl_http_header *h, const char *name);

/* How many there are, and one of them, in their order; false behind the last. */
BL_API size_t bl_http_header_count(const bl_http_header *h);
BL_API bool bl_http_header_at(const bl_http_header *h, size_t i, const char **name,
                              const char **value);

/* Whether a comma-separated list (Connection: close, upgrade) has that word. */
BL_API bool bl_http_header_has(const bl_http_header *h, const char *name,
                               const char *word);

/* --- handlers --------------------------------------------------------------------- */

typedef void bl_http_func(bl_http_response *w, bl_http_request *r, void *data);

typedef struct bl_http_handler {
    bl_http_func *serve;
    void *data;
} bl_http_handler;

/* One that comes before others: calls bl_http_call(next, w, r), or answers itself. */
typedef void bl_http_middleware(bl_http_response *w, bl_http_request *r,
                                bl_http_handler next, void *data);

/* Calls a handler: what a middleware does with `next`.
 * Blocks, panics: as the handler. */
static inline void
bl_http_call(bl_http_handler handler, bl_http_response *w, bl_http_request *r)
{
    handler.serve(w, r, handler.data);
}

/* --- requests --------------------------------------------------------------------- */

/* What a handler gets.  All of it lives until the handler returns. */
struct bl_http_request {
    const char *method;     /* "GET"; any token, as in Go */
    const char *target;     /* as the client wrote it: "/a%20b?x=1" */
    const char *path;       /* decoded: "/a b" */
    const char *query;      /* behind the '?', as it was written; "" */
    const char *host;       /* Host, or that of an absolute target; "" */
    int major, minor;       /* HTTP/1.1 */
    int64_t content_length; /* of the body; -1: it is chunked, the end is not known */
    const bl_http_header *header;
    const bl_http_header *trailer; /* behind a chunked body, once that was read; or empty */
    const char *pattern;    /* the mux's that has matched; "" */
    const bl_addr *remote;
    bool tls;
};

/* The request's context: it ends when the client leaves, the handler returns, or the
 * server is closed.  The first call begins to watch the client; a request whose handler
 * does not ask costs nothing.  Owner: r. */
BL_API bl_context *bl_http_context(bl_http_request *r);

/* Puts another context in its place, for what comes behind a middleware; r keeps a share
 * of it until the handler returns. */
BL_API void bl_http_set_context(bl_http_request *r, bl_context *ctx);

/* Reads the body, as bl_conn_read(): bl_err_eof at its end, bl_err_unexpected_eof if the
 * client has left in its middle, bl_err_http_body_too_large beyond the limit.  A handler
 * that then returns without an answer has answered 413, or 400 where it is the body that
 * was wrong.  A client that has sent "Expect: 100-continue" is told to by the first call.
 * Call from: the handler's goroutine.  Blocks: for the client; the server's timeouts. */
BL_API bl_error *bl_http_read(bl_http_request *r, void *buf, size_t size, size_t *n);

/* Reads all of it, `most` bytes at the most, and a zero behind it.  If there is more:
 * bl_err_http_body_too_large, and the rest can't be read.
 * Owner: r. */
BL_API bl_error *bl_http_read_all(bl_http_request *r, size_t most, char **data, size_t *n);

/* Changes the limit of this body; bl_http_server_options.max_body_bytes. */
BL_API void bl_http_limit_body(bl_http_request *r, uint64_t most);

/* What "{name}" in the pattern stands for, decoded; "" if there is no such name. */
BL_API const char *bl_http_path_value(const bl_http_request *r, const char *name);

/* The first value of that name in the query, and in a body of the type
 * application/x-www-form-urlencoded (of a POST, PUT or PATCH), which is read, up to 10 MiB,
 * by the first call, and comes first; decoded; NULL if there is none.  What is not well
 * encoded, or has a zero byte, counts as not there.  Owner: r. */
BL_API const char *bl_http_query(bl_http_request *r, const char *name);
BL_API const char *bl_http_form(bl_http_request *r, const char *name);

/* The cookie of that name; NULL.  Owner: r. */
BL_API const char *bl_http_cookie(bl_http_request *r, const char *name);

/* Memory, zeroed, that lives as long as the request.  Panics: when there is none. */
BL_API void *bl_http_alloc(bl_http_request *r, size_t size);

/* --- responses -------------------------------------------------------------------- */

/* Call from, for all: the handler's goroutine, or another one while the handler waits for
 * it.  Blocks: while the client does not take what is written, write_timeout_ns. */

/* The headers to send.  Changes after the first write, or status, have no effect.
 * Content-Length, Date, Content-Type and Transfer-Encoding are added where they are
 * missing, as Go does: a short body gets a length, a longer one is chunked. */
BL_API bl_http_header *bl_http_response_header(bl_http_response *w);

/* Sends the status, 200 unless this says another.  A second one is logged, and ignored;
 * 1xx (but 101) are sent at once, and another may follow.
 * Panics: "invalid WriteHeader code 99". */
BL_API void bl_http_status(bl_http_response *w, int code);

/* Writes a part of the body.  To HEAD, 204 and 304 there is none: writing does nothing.
 * Owner of the error: caller; all calls after one return it again. */
BL_API bl_error *bl_http_write(bl_http_response *w, const void *buf, size_t size);
BL_API bl_error *bl_http_string(bl_http_response *w, const char *s);
BL_API BL_PRINTF(2, 3) bl_error *bl_http_printf(bl_http_response *w, const char *format,
                                                ...);
BL_API BL_PRINTF(2, 0) bl_error *bl_http_vprintf(bl_http_response *w, const char *format,
                                                 va_list args);

/* Sends what there is so far. */
BL_API bl_error *bl_http_flush(bl_http_response *w);

/* A header behind a chunked body; announce it with a header "Trailer". */
BL_API void bl_http_trailer(bl_http_response *w, const char *name, const char *value);

/* Answers with that status and a line of text; with a redirection to url (3xx), which may
 * be relative to the request's; with 404. */
BL_API void bl_http_error(bl_http_response *w, const char *text, int code);
BL_API void bl_http_redirect(bl_http_response *w, bl_http_request *r, const char *url,
                             int code);
BL_API void bl_http_not_found(bl_http_response *w, bl_http_request *r, void *unused);

typedef struct bl_http_cookie_options {
    const char *path, *domain; /* NULL: none */
    int max_age;               /* seconds; 0: for the session; negative: remove it */
    bool secure, http_only;
    const char *same_site; /* "Lax", "Strict", "None"; NULL */
} bl_http_cookie_options;

/* Adds a Set-Cookie.  options may be NULL. */
BL_API void bl_http_set_cookie(bl_http_response *w, const char *name, const char *value,
                               const bl_http_cookie_options *options);

/* What has been sent: the status (0: nothing yet), the bytes of the body. */
BL_API int bl_http_sent_status(const bl_http_response *w);
BL_API uint64_t bl_http_sent_bytes(const bl_http_response *w);

/* The connection's deadlines from now on, for this request: absolute times, as
 * bl_conn_set_deadline().  For those that stream. */
BL_API void bl_http_set_read_deadline(bl_http_response *w, int64_t until);
BL_API void bl_http_set_write_deadline(bl_http_response *w, int64_t until);

/* A connection that a handler has taken. */
typedef struct bl_http_hijacked {
    bl_conn *conn;     /* with TLS only for its descriptor, deadlines and addresses */
    bl_reader *reader; /* has what the client has sent already */
    bl_writer *writer;
    struct bl__taken *taken; /* not for direct use */
} bl_http_hijacked;

/* Takes the connection away from the server, which from now on neither reads, writes,
 * times nor closes it, and does not wait for it when it shuts down.  It may outlive the
 * handler, and the handler the server (but then it is to log nothing: the log may be gone).  Its deadlines are gone; r's context stays until the handler returns, but
 * the client is no longer watched.
 * Fails: bl_err_http_hijacked the second time; an error if the body was not read, or an
 * answer was begun.  Owner: caller, bl_http_hijacked_release(). */
BL_API bl_error *bl_http_hijack(bl_http_response *w, bl_http_hijacked *h);

/* Frees reader and writer, without a flush, and closes the connection.  The second time
 * it does nothing. */
BL_API void bl_http_hijacked_release(bl_http_hijacked *h);

/* --- files ------------------------------------------------------------------------ */

/* Answers with a file: type by its name or its first bytes, length, Last-Modified, ETag
 * (of its time and size, unless one is set), conditions and ranges as RFC 9110 has them;
 * the kernel copies (sendfile) where there is no TLS.  The client has the write timeout
 * for each half MiB.  Directories: their index.html.  404, 403 or 500 where it can't be
 * read; 400 for a request with ".." in its path, which may have become part of `path`. */
BL_API void bl_http_serve_file(bl_http_response *w, bl_http_request *r, const char *path);

/* The same of an open file, which stays the caller's; type may be NULL. */
BL_API void bl_http_serve_fd(bl_http_response *w, bl_http_request *r, int fd,
                             const char *name, const char *type);

typedef struct bl_http_files {
    const char *root;         /* the folder; nothing outside of it is ever served */
    const char *strip_prefix; /* of the request's path; NULL: nothing */
    bool list;                /* folders without index.html are listed; else 404 */
    bool dot_files;           /* names that begin with a dot are served, too */
} bl_http_files;

/* A handler, data is a bl_http_files: the file that the path names below the root.
 * Symbolic links are followed as long as they stay there; those that lead out, or are
 * absolute, are 403, and so is what is neither a file nor a folder. */
BL_API void bl_http_serve_files(bl_http_response *w, bl_http_request *r, void *files);

/* --- router ----------------------------------------------------------------------- */

/* Go 1.22's ServeMux.  A pattern is "[METHOD ][HOST]/[PATH]": "GET /items/{id}",
 * "example.com/", "/files/{path...}", "/exactly/{$}".  "{x}" is one segment, "{x...}" the
 * rest; a pattern that ends with "/" takes all below it; GET takes HEAD, too.  Of several
 * that match the most specific wins, whatever their order. */

/* Makes a router; NULL when memory is short.  Blocks: no.
 * Owner: caller, bl_http_mux_free() when nobody serves with it. */
BL_API bl_http_mux *bl_http_mux_new(void);
BL_API void bl_http_mux_free(bl_http_mux *mux);

/* Adds a pattern.  Call from: anywhere, before it serves; then too.
 * Panics, with Go's texts: for a pattern that is none, or that conflicts with another. */
BL_API void bl_http_handle(bl_http_mux *mux, const char *pattern, bl_http_func *serve,
                           void *data);

/* The same, which knows the place: a conflict's text names both. */
BL_API void bl__http_handle_at(bl_http_mux *mux, const char *pattern, bl_http_func *serve,
                               void *data, const char *place);
#define BL__HTTP_TEXT(line) #line
#define BL__HTTP_PLACE(file, line) file ":" BL__HTTP_TEXT(line)
#define bl_http_handle(mux, pattern, serve, data)                              \
    bl__http_handle_at(mux, pattern, serve, data, BL__HTTP_PLACE(__FILE__, __LINE__))

/* Puts a middleware before all of mux's handlers, its 404 and 405 included, and behind
 * those that were put before. */
BL_API void bl_http_use(bl_http_mux *mux, bl_http_middleware *serve, void *data);

/* The router as a handler, of a server or for a pattern of another router. */
BL_API bl_http_handler bl_http_mux_handler(bl_http_mux *mux);
BL_API void bl_http_mux_serve(bl_http_response *w, bl_http_request *r, void *mux);

/* --- middleware ------------------------------------------------------------------- */

/* A line a request to the descriptor that data points to (an int; NULL: stderr), in the
 * combined log format, and the seconds it took: one write, below 4 KiB, and what the client
 * has sent is escaped.  One that panics is logged, too: 500, or " cut" at the end. */
BL_API bl_http_middleware bl_http_access_log;

/* Takes a prefix (data, a string) off the path; 404 where it has none. */
BL_API bl_http_middleware bl_http_strip_prefix;

/* Ends the request's context after *(int64_t *)data nanoseconds, and answers with 503 if
 * the handler has not begun to send.  The handler goes on, in its goroutine and with its
 * request, but what it writes fails; when it returns, the connection is closed. */
BL_API bl_http_middleware bl_http_timeout;

/* At most *(size_t *)data bytes of a body. */
BL_API bl_http_middleware bl_http_body_limit;

/* --- server ----------------------------------------------------------------------- */

/* Zero is a default that is safe on the open internet; negative times are none. */
typedef struct bl_http_server_options {
    bl_http_handler handler;
    size_t max_header_bytes;     /* request line and headers; 0: 64 KiB; more: 431, 414 */
    size_t max_headers;          /* how many; 0: 100; more: 431 */
    uint64_t max_body_bytes;     /* 0: 32 MiB; UINT64_MAX: no limit; more: 413 */
    int64_t header_timeout_ns;   /* for a request's headers, from its first byte; 0: 10 s */
    int64_t read_timeout_ns;     /* for the whole of it; 0: 60 s */
    int64_t write_timeout_ns;    /* from the end of the headers to the answer's; 0: 60 s */
    int64_t idle_timeout_ns;     /* between two requests; 0: 120 s */
    size_t max_connections;      /* at a time; more wait to be accepted; 0: no limit */
    size_t stack_bytes;          /* of the goroutines; 0: as bl_go() */
    bl_http_tls *tls;            /* NULL: none.  Stays the caller's */
    void (*log)(void *data, const char *line); /* errors, panics; NULL: stderr */
    void *log_data;
    bl_context *ctx;             /* the requests' come from it; NULL: the background */
} bl_http_server_options;

/* Makes a server.  Blocks: no.  Owner: caller, bl_http_server_free() when it has ended. */
BL_API bl_error *bl_http_server_new(const bl_http_server_options *options,
                                    bl_http_server **s);
BL_API void bl_http_server_free(bl_http_server *s);

/* Serves what l accepts, until the server is shut down or l fails.  Several may serve
 * several listeners.  l is closed when this returns; it stays the caller's.
 * Call from: anywhere.  Blocks: yes.  Returns: never NULL. */
BL_API bl_error *bl_http_serve(bl_http_server *s, bl_listener *l);

/* Serves one connection that was accepted elsewhere; takes it over.  Blocks: to its
 * end. */
BL_API void bl_http_serve_conn(bl_http_server *s, bl_conn *c);

/* A server with the defaults at a TCP address, or "unix:/path"; returns why it could not,
 * or does not any more. */
BL_API bl_error *bl_http_listen_and_serve(const char *address, bl_http_handler handler);

/* Ends a server: closes its listeners and what is idle, lets requests finish, and waits
 * for that.  When ctx ends before, returns its error; what runs goes on.
 * Call from: anywhere but a handler of it.  Blocks: yes. */
BL_API bl_error *bl_http_server_shutdown(bl_context *ctx, bl_http_server *s);

/* Ends it at once: cuts all connections, ends the requests' contexts, and waits until the
 * handlers have returned.  Hijacked connections stay. */
BL_API void bl_http_server_close(bl_http_server *s);

typedef struct bl_http_server_stats {
    uint64_t connections, requests, panics; /* so far */
    uint64_t faults;                        /* those of the panics that were faults */
    uint64_t refused;                       /* requests that were none: 400, 431, ... */
    uint64_t open, active;                  /* connections now; those with a request */
} bl_http_server_stats;

/* Stores what s has done so far, and is doing.
 * Call from: anywhere.  Blocks: no. */
BL_API void bl_http_server_read_stats(bl_http_server *s, bl_http_server_stats *stats);

/* The words that belong to a status: "Not Found"; "" if there are none. */
BL_API const char *bl_http_status_text(int code);

/* --- TLS ---------------------------------------------------------------------------- */

/* Where libbelay-http was built without OpenSSL these return bl_err_unsupported. */

/* TLS 1.2 and 1.3, with OpenSSL's choice of ciphers, HTTP/1.1 by ALPN, and no renegotiation.
 * A server answers who speaks HTTP without TLS with a 400 in plain text. */

/* For servers: a chain of certificates, the server's first, and its key, files in PEM; a
 * key with a password is an error.
 * Blocks: reads them.  Owner: caller, bl_http_tls_free() when nobody uses it. */
BL_API bl_error *bl_http_tls_server(const char *chain, const char *key, bl_http_tls **tls);

/* For clients: whom to trust, a file in PEM; NULL: whom the system does.  Names, and
 * addresses, are checked against the certificate's (subjectAltName), always. */
BL_API bl_error *bl_http_tls_client(const char *roots, bl_http_tls **tls);
BL_API void bl_http_tls_free(bl_http_tls *tls);

/* --- client ------------------------------------------------------------------------- */

/* Zero is a default; negative times are none.  There are no proxies: http_proxy and the like
 * are not looked at.  Nor are there cookies that come back by themselves, or compression. */
typedef struct bl_http_client_options {
    int64_t timeout_ns;          /* for all of a request, its body included; 0: 30 s */
    int64_t dial_timeout_ns;     /* 0: 10 s */
    int64_t idle_timeout_ns;     /* how long a connection is kept; 0: 90 s */
    size_t max_idle_per_host;    /* 0: 8 */
    size_t max_per_host;         /* replies that are not released; more wait; 0: no limit */
    int max_redirects;           /* 0: 10; negative: none, the 3xx is the reply */
    size_t max_header_bytes;     /* of a reply; 0: 256 KiB */
    bl_http_tls *tls;            /* NULL: the system's roots */
} bl_http_client_options;

/* Makes a client, for any number of goroutines.  options may be NULL.  Blocks: no.
 * Owner: caller, bl_http_client_free() when its replies are released. */
BL_API bl_error *bl_http_client_new(const bl_http_client_options *options,
                                    bl_http_client **client);
BL_API void bl_http_client_free(bl_http_client *client);

/* What to ask.  Only url must be set.  A body is either in memory, which allows it to be
 * sent again (redirects, a connection that was closed), or comes from `read`, which is
 * called by the caller's goroutine, and may panic.
 *
 * In header, Host and User-Agent take the place of the usual ones (an empty User-Agent is
 * none); Content-Length, Transfer-Encoding and Trailer are left out.  A URL's user and
 * password become an Authorization, unless header has one.  What a query must not have,
 * blanks and characters that are not ASCII, is escaped. */
typedef struct bl_http_call_options {
    const char *method; /* NULL: GET, or POST with a body */
    const char *url;    /* "http://host:port/path?query", "https://..." */
    const bl_http_header *header;
    const void *body;
    size_t body_size;
    bl_read_func *read; /* until bl_err_eof */
    void *from;
    int64_t content_length; /* of what is read; 0: not known, it is sent in chunks */
} bl_http_call_options;

typedef struct bl_http_reply {
    int status;
    const char *reason; /* "Not Found" */
    int major, minor;
    const char *url; /* the last, behind redirects */
    const bl_http_header *header;
    const bl_http_header *trailer;
    int64_t content_length; /* -1: not known */
} bl_http_reply;

/* Sends a request, and stores the reply once its headers are there; a status like 404 is
 * no error.  client NULL: one for the process; ctx NULL: the background.  Redirects are
 * followed as Go does: 301 to 303 by GET (or HEAD), 307 and 308 with the same method and
 * body; without Authorization and cookies where another host is asked.
 * A server may have closed a connection that was kept: then a GET, HEAD, OPTIONS or TRACE,
 * or what has an Idempotency-Key, is asked once more.
 * Errors have Go's form: `Get "http://...": dial tcp ...: connection refused`; they are
 * bl_err_timeout, or what ctx was cancelled with, if it took too long.
 * Call from: anywhere.  Blocks: until the headers have come and the body was sent, or
 * refused by a status from 300 on; ctx's end or the timeout.  (What a server says at length
 * before it has read a long body is not read meanwhile.)
 * Owner: caller, bl_http_reply_release(); what call points to is not needed any more. */
BL_API bl_error *bl_http_do(bl_context *ctx, bl_http_client *client,
                            const bl_http_call_options *call, bl_http_reply **reply);

/* bl_http_do() of a GET. */
BL_API bl_error *bl_http_get(bl_context *ctx, bl_http_client *client, const char *url,
                             bl_http_reply **reply);

/* As bl_http_read() and bl_http_read_all(); ctx and the timeout of bl_http_do() end them,
 * too.  A body that ends before its length, or its last chunk: bl_err_unexpected_eof.
 * Owner of *data: the reply, until it is called again. */
BL_API bl_error *bl_http_reply_read(bl_http_reply *reply, void *buf, size_t size,
                                    size_t *n);
BL_API bl_error *bl_http_reply_read_all(bl_http_reply *reply, size_t most, char **data,
                                        size_t *n);

/* Frees it.  Its connection is kept for the next request if the body was read to its end,
 * or what is left of it is short and there.  NULL is fine.  Blocks: no. */
BL_API void bl_http_reply_release(bl_http_reply *reply);

/* --- text ----------------------------------------------------------------------------- */

/* Writes text with what HTML, or a URL's query, needs instead of special characters;
 * returns the length the whole has, as snprintf does. */
BL_API size_t bl_http_escape_html(const char *text, char *buf, size_t size);
BL_API size_t bl_http_escape_query(const char *text, char *buf, size_t size);

BL_END_DECLS

#endif
