/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste.c - a paste service: texts that are kept under a short name.
 *
 *     paste --listen 127.0.0.1:8080 --database paste.db
 *
 *     curl --data-binary @file http://127.0.0.1:8080/      201 and the id
 *     curl http://127.0.0.1:8080/ID                        the text; /ID/html as a page
 *     curl -X DELETE -H 'Paste-Token: TOKEN' http://127.0.0.1:8080/ID
 *
 * It is written as if every request had the process for itself: handlers (routes.c) call
 * the database (store.c), which blocks, and clean up in deferred blocks.  A bug in one of
 * them (faults.c has a choice) costs that request, nothing else. */
#include "paste.h"

#include <belay/connpool.h>
#include <belay/keywords.h>
#include <belay/pprof.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LAST_REQUESTS (10 * BL_SECOND) /* how long they may take when we are to end */
enum { LOGGED_IN_FULL = 20 };          /* panics: of later ones a line each */

struct options {
    const char *listen, *database, *pprof;
    uint64_t most;
    bool faults;
};

/* --- what is said ----------------------------------------------------------------- */

static void
complain(const char *about, bl_error *err)
{
    char text[512];

    bl_error_text(err, text, sizeof text);
    fprintf(stderr, "paste: %s%s%s\n", about, *about ? ": " : "", text);
    error_release(err);
}

/* Whoever can make a handler panic must not be able to fill the disk with stacks. */
static void
write_log(void *data, const char *line)
{
    struct service *s = data;
    size_t n = strlen(line);

    if (strstr(line, ": panic serving ") &&
        atomic_fetch_add_explicit(&s->reported, 1, memory_order_relaxed) >= LOGGED_IN_FULL)
        n = strcspn(line, "\n");
    fprintf(stderr, "%.*s\n", (int)n, line);
}

/* --- the end ---------------------------------------------------------------------- */

/* The signal is read like anything else. */
static void
wait_for_signal(bl_conn *signals, struct service *s, bl_waitgroup *ended)
{
    struct signalfd_siginfo info;
    size_t n;

    defer { bl_waitgroup_done(ended); };
    error_release(bl_conn_read(signals, &info, sizeof info, &n));
    bl_context *ctx = context_with_timeout(context_background(), LAST_REQUESTS);
    defer { context_end(ctx); };
    bl_error *err = bl_http_server_shutdown(ctx, s->server);
    if (err)
        complain("requests were cut off", err);
    bl_http_server_close(s->server);
}

static sigset_t ends; /* the signals that do */

/* Before there is any other thread: all of them have to leave the signals to the read. */
static void
block_signals(void)
{
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write() */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
}

/* --- the service ------------------------------------------------------------------ */

static bl_error *
announce(const struct options *o, bl_listener *l)
{
    char where[BL_ADDR_TEXT];
    int port = o->pprof ? bl_pprof_serve(o->pprof) : 0;

    if (port < 0)
        return bl_error_wrap(bl_error_from_errno(-port), "profiles at %s", o->pprof);
    bl_addr_text(bl_listener_addr(l), where, sizeof where);
    printf("serving http://%s/\n", where);
    if (o->pprof)
        printf("profiles http://127.0.0.1:%d/debug/pprof/\n", port);
    fflush(stdout);
    return NULL;
}

/* Returns when a signal has come, and everybody has left. */
static bl_error *
serve_until_signal(struct service *s, bl_listener *l)
{
    bl_waitgroup ended = {0};
    bl_conn *signals;
    bl_error *err = bl_conn_adopt(signalfd(-1, &ends, SFD_CLOEXEC), &signals);

    if (err)
        return err;
    defer { bl_conn_release(signals); };
    bl_waitgroup_add(&ended, 1);
    go(wait_for_signal, signals, s, &ended);
    err = bl_http_serve(s->server, l);
    error_release(bl_conn_close(signals)); /* if it was not a signal that has ended it */
    bl_waitgroup_wait(&ended);
    return err;
}

static bl_error *
serve(const struct options *o, struct service *s)
{
    bl_http_mux *mux = bl_http_mux_new();
    defer { bl_http_mux_free(mux); };
    bl_http_server_options options = {.handler = bl_http_mux_handler(mux),
                                      .max_body_bytes = o->most,
                                      .log = write_log, .log_data = s};
    bl_listener *l = NULL;
    bl_error *err = bl_listen("tcp", o->listen, &l);

    if (err)
        return err;
    defer { bl_listener_release(l); };
    add_routes(mux, s);
    if (o->faults)
        add_faults(mux, s);
    err = bl_http_server_new(&options, &s->server);
    if (err)
        return err;
    defer { bl_http_server_free(s->server); };
    err = announce(o, l);
    return err ? err : serve_until_signal(s, l);
}

static int
run(const struct options *o)
{
    struct service s = {0};
    bl_error *err = store_open(o->database, &s.store);

    if (err) {
        complain("", err);
        return 1;
    }
    err = serve(o, &s);
    bl_error *closing = store_close(s.store);
    if (closing)
        complain(o->database, closing);
    if (err == bl_err_http_server_closed)
        return closing != NULL;
    complain("", err);
    return 1;
}

/* --- the command line ------------------------------------------------------------- */

static const char usage[] =
    "usage: paste [option...]\n"
    "  --listen ADDRESS    where to serve (127.0.0.1:8080); port 0: a free one\n"
    "  --database FILE     where the texts are kept (paste.db)\n"
    "  --max-bytes N       of a text (1048576)\n"
    "  --pprof ADDRESS     serve profiles there, for belay top and go tool pprof\n"
    "  --faults            serve /panic /null /divide /cut /slow?ms=N /loop?ms=N, too\n"
    "  --help              this\n"
    "SIGTERM and SIGINT end it: requests under way are finished.\n";

/* Returns -1 to go on, or the exit status. */
static int
read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"listen", 1, NULL, 'l'}, {"database", 1, NULL, 'd'}, {"max-bytes", 1, NULL, 'm'},
        {"pprof", 1, NULL, 'p'}, {"faults", 0, NULL, 'f'}, {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'l': o->listen = optarg; break;
        case 'd': o->database = optarg; break;
        case 'm': o->most = strtoull(optarg, NULL, 10); break;
        case 'p': o->pprof = optarg; break;
        case 'f': o->faults = true; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (optind == argc && o->most > 0 && o->most <= INT32_MAX)
        return -1;
    fputs(usage, stderr);
    return 2;
}

/* As many connections as the system lets us have. */
static void
raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int
main(int argc, char **argv)
{
    struct options o = {.listen = "127.0.0.1:8080", .database = "paste.db", .most = 1 << 20};
    int status = read_options(argc, argv, &o);

    if (status >= 0)
        return status;
    block_signals();
    raise_limits();
    return run(&o);
}
