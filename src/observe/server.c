/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* observe/server.c - the debug server: HTTP/1.1, one request a connection, on threads of
 * its own, which run nothing else and are told nothing by the scheduler: they answer when
 * it is wedged.
 *
 * One thread accepts, and reads requests until they are whole: a client that sends slowly
 * costs a place among PENDING, and is cut when its time is up or a newcomer needs it.  A
 * whole request gets a thread; when there are WORKERS of them, the one that has been at it
 * for longest is cut.  Nothing that a client does keeps others waiting.
 *
 * Who asks learns what the program does, so the server listens to this machine only, and
 * to no browser that a web page sends here under another name (Host, Sec-Fetch-Site). */
#define _GNU_SOURCE
#include "observe/observe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    PENDING = 32,
    WORKERS = 16,
    REQUEST_MOST = 64 * 1024,
    HEADER_MOST = 8 * 1024,
    READ_MS = 5000,       /* to send a request */
    STALL_MS = 10000,     /* a reply of which nothing is taken for so long is cut */
    BACKLOG = 64,
};

struct pending {
    int fd;               /* -1: free */
    int64_t until;        /* ms */
    size_t n;
    char *data;
};

struct server;

struct worker {
    struct server *server;
    struct worker *next;
    int fd;
    int64_t since;
    bool is_cut;
    char *request;        /* terminated */
};

struct server {
    struct server *next;
    pthread_t thread;
    int fd, stop_fd;
    _Atomic bool is_stopping;
    bool is_unix;
    char *token;          /* NULL: none */
    struct sockaddr_un path;
    struct pending pending[PENDING];
    pthread_mutex_t mutex;
    pthread_cond_t idle;  /* no worker is left */
    struct worker *workers; /* protected by mutex; newest first */
    int nworkers;
};

static struct server *servers; /* protected by servers_mutex */
static pthread_mutex_t servers_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int helpers;

static int64_t
now_ms(void)
{
    return bl__core->now() / 1000000;
}

/* --- threads that wake nobody -------------------------------------------- */

static void
count_helper(int change)
{
    bl__lock_sched();
    bl__core->sched->base_threads += change;
    bl__unlock(&bl__core->sched->lock);
    atomic_fetch_add(&helpers, change);
}

void
bl__helper_begins(void)
{
    count_helper(1);
}

void
bl__helper_ends(void)
{
    count_helper(-1);
}

/* Has all signals blocked: none of the program's is handled there. */
static int
start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, bl__core->stack_size(512 * 1024));
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -error;
}

/* --- a request ----------------------------------------------------------- */

/* The value of a header field, terminated; NULL: there is none.  `lines` begins behind the
 * request line, each line being terminated by now. */
static const char *
field(const char *lines, const char *end, const char *name)
{
    size_t n = strlen(name);

    for (; lines < end && *lines; lines += strlen(lines) + 2)
        if (strncasecmp(lines, name, n) == 0 && lines[n] == ':')
            return lines + n + 1 + strspn(lines + n + 1, " \t");
    return NULL;
}

/* An address, or this machine's own name: a page that has made its name mean 127.0.0.1
 * sends that name. */
static bool
is_own_host(const char *host)
{
    char name[256];
    size_t n = strcspn(host, " \t");
    struct in6_addr address;
    char *colon;

    if (n >= sizeof name)
        return false;
    memcpy(name, host, n);
    name[n] = '\0';
    if (name[0] == '[') {
        name[strcspn(name, "]")] = '\0';
        return inet_pton(AF_INET6, name + 1, &address) == 1;
    }
    colon = strchr(name, ':');
    if (colon)
        *colon = '\0';
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1;
}

/* Takes as long whatever is wrong with it. */
static bool
is_token(const char *token, const char *given)
{
    size_t n = strlen(token);
    unsigned wrong = strlen(given) != n;

    for (size_t i = 0; i < n; i++)
        wrong |= (unsigned char)token[i] ^ (unsigned char)(wrong ? 0 : given[i]);
    return wrong == 0;
}

static bool
has_token(const struct server *s, const char *lines, const char *end, const char *query)
{
    const char *given = field(lines, end, "Authorization"), *at;
    char text[256];

    if (!s->token)
        return true;
    if (given && strncasecmp(given, "Bearer ", 7) == 0)
        return is_token(s->token, given + 7);
    at = strncmp(query, "token=", 6) == 0 ? query : strstr(query, "&token=");
    if (!at)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(strchr(at, '=') + 1, "&"),
             strchr(at, '=') + 1);
    return is_token(s->token, text);
}

/* Why not to answer; NULL: go on. */
static const char *
objection(const struct server *s, const char *lines, const char *end, const char *query)
{
    const char *host = field(lines, end, "Host");
    const char *from = field(lines, end, "Sec-Fetch-Site");

    if (!has_token(s, lines, end, query))
        return "a token is needed";
    if (from && strcmp(from, "cross-site") == 0)
        return "not for other sites' pages";
    if (host && !s->is_unix && !s->token && !is_own_host(host))
        return "the Host is not an address of this machine";
    return NULL;
}

static void
object(struct bl__answer *a, int status, const char *text)
{
    a->status = status;
    a->type = "text/plain; charset=utf-8";
    bl__buf_print(&a->body, "%s\n", text);
}

/* Sleeps while somebody waits for the answer. */
static bool
wait_for(void *arg, int64_t ns)
{
    struct worker *w = arg;
    int64_t end = now_ms() + ns / 1000000, left;

    while ((left = end - now_ms()) > 0) {
        struct pollfd p = {.fd = w->fd, .events = POLLRDHUP};

        if (poll(&p, 1, (int)(left < 1000 ? left : 1000)) > 0)
            return false;
        if (w->server->is_stopping)
            return false;
    }
    return true;
}

/* request is cut into pieces by zeros. */
static void
answer(struct worker *w, struct bl__answer *a, bool *is_head)
{
    char *line = w->request, *head_end = strstr(line, "\r\n\r\n"), *end, *query, *path;
    struct bl__asker ask = {.wait = wait_for, .arg = w};
    const char *why;

    end = head_end + 2;
    ask.body = head_end + 4;
    for (char *p = line; p < end; p++)
        if (*p == '\r' && p[1] == '\n')
            *p = '\0';
    ask.method = line;
    path = line + strcspn(line, " ");
    if (*path)
        *path++ = '\0';
    *is_head = strcmp(ask.method, "HEAD") == 0;
    line = path + strlen(path) + 2;
    if (*path != '/' || strncmp(path + strcspn(path, " "), " HTTP/1.", 8) != 0) {
        object(a, 400, "400 Bad Request");
        return;
    }
    path[strcspn(path, " ")] = '\0';
    query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    ask.path = path;
    ask.query = query ? query : "";
    why = objection(w->server, line, end, ask.query);
    if (why)
        object(a, has_token(w->server, line, end, ask.query) ? 403 : 401, why);
    else
        bl__pages_answer(&ask, a);
}

/* --- a reply ------------------------------------------------------------- */

static const char *
reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{200, "OK"}, {301, "Moved Permanently"}, {400, "Bad Request"},
                   {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
                   {405, "Method Not Allowed"}, {413, "Content Too Large"},
                   {500, "Internal Server Error"}};

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "?";
}

static bool
send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd poller = {.fd = fd, .events = POLLOUT};

        if (k > 0) {
            p += k;
            n -= (size_t)k;
        } else if (errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (errno == EAGAIN && poll(&poller, 1, STALL_MS) <= 0) {
            return false;
        }
    }
    return true;
}

static void
reply(int fd, const struct bl__answer *a, bool is_head)
{
    struct bl__buf head = {0};

    bl__buf_print(&head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                  "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
                  "Connection: close\r\n",
                  a->status, reason(a->status), a->type, a->body.n);
    if (a->is_go_error)
        bl__buf_puts(&head, "X-Go-Pprof: 1\r\n");
    if (a->file_name[0])
        bl__buf_print(&head, "Content-Disposition: attachment; filename=\"%s\"\r\n",
                      a->file_name);
    if (a->location[0])
        bl__buf_print(&head, "Location: %s\r\n", a->location);
    if (a->status == 405)
        bl__buf_puts(&head, "Allow: GET, HEAD\r\n");
    if (a->status == 401)
        bl__buf_puts(&head, "WWW-Authenticate: Bearer\r\n");
    bl__buf_puts(&head, "\r\n");
    if (!is_head)
        bl__buf_put(&head, a->body.data, a->body.n);
    if (!head.failed)
        send_all(fd, head.data, head.n);
    bl__buf_free(&head);
}

/* --- workers ------------------------------------------------------------- */

/* What the client still has to say is thrown away: a reset would take our answer along. */
static void
close_gently(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char buf[4096];

    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 16 && poll(&p, 1, 500) > 0; i++)
        if (recv(fd, buf, sizeof buf, MSG_DONTWAIT) <= 0)
            break;
}

static void
leave(struct worker *w)
{
    struct server *s = w->server;
    struct worker **at = &s->workers;

    bl__helper_ends();
    pthread_mutex_lock(&s->mutex);
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    close(w->fd);
    free(w->request);
    free(w);
    if (--s->nworkers == 0)
        pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->mutex);
}

static void *
work(void *arg)
{
    struct worker *w = arg;
    struct bl__answer a = {0};
    bool is_head = false;

    answer(w, &a, &is_head);
    reply(w->fd, &a, is_head);
    bl__buf_free(&a.body);
    close_gently(w->fd);
    leave(w);
    return NULL;
}

/* If there are too many, who has been at it for longest finds its connection closed.
 * Those that have been cut already, and need a while to see it, don't count: the newcomer
 * is not to pay for them. */
static void
cut_oldest(struct server *s)
{
    struct worker *oldest = NULL;
    int n = 0;

    for (struct worker *w = s->workers; w; w = w->next)
        if (!w->is_cut) {
            oldest = w;
            n++;
        }
    if (n <= WORKERS)
        return;
    oldest->is_cut = true;
    shutdown(oldest->fd, SHUT_RDWR);
}

/* --- reading requests ---------------------------------------------------- */

static void
drop(struct pending *c)
{
    int fd = c->fd;

    c->fd = -1;
    atomic_signal_fence(memory_order_seq_cst); /* a child never closes what is closed */
    close(fd);
    free(c->data);
    c->data = NULL;
}

/* The request in c is whole. */
static void
hand_over(struct server *s, struct pending *c)
{
    struct worker *w = calloc(1, sizeof *w);
    pthread_t thread;

    if (!w) {
        drop(c);
        return;
    }
    bl__helper_begins();
    pthread_mutex_lock(&s->mutex);
    *w = (struct worker){.server = s, .next = s->workers, .fd = c->fd, .since = now_ms(),
                         .request = c->data};
    *c = (struct pending){.fd = -1};
    s->workers = w;
    s->nworkers++;
    cut_oldest(s);
    pthread_mutex_unlock(&s->mutex);
    if (start_thread(&thread, work, w) == 0)
        pthread_detach(thread);
    else
        leave(w);
}

/* Refused before it is whole. */
static void
reject(struct pending *c, int status, const char *text)
{
    struct bl__answer a = {0};

    object(&a, status, text);
    reply(c->fd, &a, false);
    bl__buf_free(&a.body);
    drop(c);
}

/* 1: whole; 0: not yet; -1: too large. */
static int
is_whole(const struct pending *c)
{
    const char *end = strstr(c->data, "\r\n\r\n"), *length;
    size_t head, body = 0;

    if (!end)
        return c->n >= HEADER_MOST ? -1 : 0;
    head = (size_t)(end + 4 - c->data);
    length = strcasestr(c->data, "\r\nContent-Length:");
    if (length && length < end)
        body = strtoul(length + 17, NULL, 10);
    if (head > HEADER_MOST || body > REQUEST_MOST - HEADER_MOST)
        return -1;
    return c->n >= head + body;
}

static void
read_more(struct server *s, struct pending *c)
{
    ssize_t n = recv(c->fd, c->data + c->n, REQUEST_MOST - c->n, MSG_DONTWAIT);

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            drop(c);
        return;
    }
    if (memchr(c->data + c->n, '\0', (size_t)n)) {
        reject(c, 400, "400 Bad Request");
        return;
    }
    c->n += (size_t)n;
    c->data[c->n] = '\0';
    switch (is_whole(c)) {
    case 1:
        hand_over(s, c);
        break;
    case -1:
        reject(c, 413, "413 Content Too Large");
        break;
    default:
        break;
    }
}

static void
take_connection(struct server *s)
{
    struct pending *c = &s->pending[0];
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) /* nothing that we could give up */
            poll(NULL, 0, 100);
        return;
    }
    for (int i = 0; i < PENDING && c->fd >= 0; i++)
        if (s->pending[i].fd < 0 || s->pending[i].until < c->until)
            c = &s->pending[i];
    if (c->fd >= 0)
        drop(c); /* the one that has been slow for longest */
    *c = (struct pending){fd, now_ms() + READ_MS, 0, malloc(REQUEST_MOST + 1)};
    if (!c->data)
        drop(c);
}

static int
next_timeout(const struct server *s)
{
    int64_t first = INT64_MAX, now = now_ms();

    for (int i = 0; i < PENDING; i++)
        if (s->pending[i].fd >= 0 && s->pending[i].until < first)
            first = s->pending[i].until;
    return first == INT64_MAX ? -1 : first <= now ? 0 : (int)(first - now);
}

/* Returns false when the server is to end. */
static bool
serve_once(struct server *s)
{
    struct pollfd polled[PENDING + 2];

    polled[0] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = s->stop_fd, .events = POLLIN};
    for (int i = 0; i < PENDING; i++)
        polled[i + 2] = (struct pollfd){.fd = s->pending[i].fd, .events = POLLIN};
    if (poll(polled, PENDING + 2, next_timeout(s)) < 0)
        return errno == EINTR;
    for (int i = 0; i < PENDING; i++) {
        struct pending *c = &s->pending[i];

        if (c->fd < 0)
            continue;
        if (polled[i + 2].revents)
            read_more(s, c);
        else if (now_ms() >= c->until)
            drop(c);
    }
    if (polled[0].revents)
        take_connection(s);
    return polled[1].revents == 0;
}

static void
finish(struct server *s)
{
    for (int i = 0; i < PENDING; i++)
        if (s->pending[i].fd >= 0)
            drop(&s->pending[i]);
    pthread_mutex_lock(&s->mutex);
    s->is_stopping = true;
    for (struct worker *w = s->workers; w; w = w->next)
        shutdown(w->fd, SHUT_RDWR);
    while (s->nworkers > 0)
        pthread_cond_wait(&s->idle, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}

/* The first look at the symbols takes a while: not while somebody waits. */
static void
warm_up(void)
{
    struct bl__names names = {0};

    bl__names_at(&names, (uintptr_t)warm_up + 1);
    bl__names_free(&names);
}

static void *
serve(void *arg)
{
    struct server *s = arg;

    pthread_setname_np(pthread_self(), "belay-pprof");
    warm_up();
    while (serve_once(s))
        ;
    finish(s);
    bl__helper_ends();
    return NULL;
}

/* --- where it listens ---------------------------------------------------- */

static bool
is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static int
listen_unix(struct server *s, const char *path)
{
    s->is_unix = true;
    s->path.sun_family = AF_UNIX;
    if (!*path || strlen(path) >= sizeof s->path.sun_path)
        return -EINVAL;
    strcpy(s->path.sun_path, path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    if (connect(s->fd, (struct sockaddr *)&s->path, sizeof s->path) == 0)
        return -EADDRINUSE; /* somebody serves there */
    unlink(path);           /* left over */
    close(s->fd);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&s->path, sizeof s->path) != 0 ||
        listen(s->fd, BACKLOG) != 0)
        return -errno;
    return 0;
}

/* "host:port", "[host]:port" */
static bool
split(const char *address, char *host, size_t size, char *port, size_t port_size)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;

    if (!colon || !colon[1] || n >= size || strlen(colon + 1) >= port_size ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    }
    memcpy(host, address, n);
    host[n] = '\0';
    strcpy(port, colon + 1);
    return true;
}

static int
listen_at(struct server *s, const struct addrinfo *info)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } bound;
    socklen_t size = sizeof bound;
    int on = 1;

    s->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s->fd, info->ai_addr, info->ai_addrlen) != 0 || listen(s->fd, BACKLOG) != 0 ||
        getsockname(s->fd, &bound.any, &size) != 0)
        return -errno;
    return ntohs(bound.any.sa_family == AF_INET ? bound.in.sin_port : bound.in6.sin6_port);
}

static int
listen_tcp(struct server *s, const char *address, bool allow_remote)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *info;
    char host[256], port[8];
    int result;

    if (!split(address, host, sizeof host, port, sizeof port) || atoi(port) > 65535)
        return -EINVAL;
    if (strcasecmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    hints.ai_flags |= host[0] ? AI_NUMERICHOST : AI_PASSIVE;
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &info) != 0)
        return -EINVAL;
    result = allow_remote || is_loopback(info->ai_addr) ? listen_at(s, info) : -EACCES;
    freeaddrinfo(info);
    return result;
}

/* --- life ---------------------------------------------------------------- */

static void
free_server(struct server *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s->token);
    free(s);
}

void
bl__servers_before_fork(void)
{
    pthread_mutex_lock(&servers_mutex);
    for (struct server *s = servers; s; s = s->next)
        pthread_mutex_lock(&s->mutex);
}

void
bl__servers_after_fork(void)
{
    for (struct server *s = servers; s; s = s->next)
        pthread_mutex_unlock(&s->mutex);
    pthread_mutex_unlock(&servers_mutex);
}

/* The threads are the parent's, and so are connections: a client waits for their end. */
void
bl__servers_in_child(void)
{
    for (struct server *s = servers; s; s = s->next) {
        close(s->fd);
        close(s->stop_fd);
        for (int i = 0; i < PENDING; i++)
            if (s->pending[i].fd >= 0)
                close(s->pending[i].fd);
        for (struct worker *w = s->workers; w; w = w->next)
            close(w->fd);
    }
    servers = NULL;
    bl__core->sched->base_threads -= atomic_exchange(&helpers, 0);
    pthread_mutex_init(&servers_mutex, NULL);
}

static int
begin(struct server *s)
{
    int error;

    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->idle, NULL);
    for (int i = 0; i < PENDING; i++)
        s->pending[i].fd = -1;
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0)
        return -errno;
    bl__helper_begins();
    error = start_thread(&s->thread, serve, s);
    if (error)
        bl__helper_ends();
    return error;
}

int
bl_pprof_serve_with(const char *address, const bl_pprof_options *options)
{
    struct server *s = calloc(1, sizeof *s);
    int port, error;

    if (!s)
        return -ENOMEM;
    s->fd = s->stop_fd = -1;
    if (options && options->token)
        s->token = strdup(options->token);
    port = strncmp(address, "unix:", 5) == 0
               ? listen_unix(s, address + 5)
               : listen_tcp(s, address, options && options->allow_remote);
    error = port < 0 ? port : options && options->token && !s->token ? -ENOMEM : begin(s);
    if (error) {
        free_server(s);
        return error;
    }
    bl__panics_start();
    bl__heap_start();
    pthread_mutex_lock(&servers_mutex);
    s->next = servers;
    servers = s;
    pthread_mutex_unlock(&servers_mutex);
    return port;
}

int
bl_pprof_serve(const char *address)
{
    return bl_pprof_serve_with(address, NULL);
}

void
bl_pprof_stop_serving(void)
{
    struct server *s;
    uint64_t one = 1;

    pthread_mutex_lock(&servers_mutex);
    while ((s = servers)) {
        servers = s->next;
        (void)!write(s->stop_fd, &one, sizeof one);
        pthread_join(s->thread, NULL);
        if (s->is_unix)
            unlink(s->path.sun_path);
        free_server(s);
    }
    pthread_mutex_unlock(&servers_mutex);
}
