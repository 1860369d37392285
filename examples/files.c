/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* files.c - a server of static files.
 *
 *     files --port 8080 --list /srv/www
 *
 * What is below the folder is served, with ranges and conditions, and nothing else; the
 * access log goes to standard output.  SIGTERM or SIGINT: it accepts nobody any more, lets
 * the requests finish, for ten seconds at most, and ends with status 0. */
#include <belay/belay.h>
#include <belay/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE (10 * BL_SECOND)

static const char usage[] =
    "usage: files [option...] folder\n"
    "  --port N     listen on that port (8080; 0: one that is free)\n"
    "  --host HOST  of that address only (127.0.0.1; \"\": all)\n"
    "  --list       list folders without an index.html\n"
    "  --dot-files  serve names that begin with a dot, too\n"
    "  --quiet      no access log\n"
    "  --help       this\n";

struct options {
    bl_http_files files;
    const char *host, *port;
    bool quiet;
};

static bool
failed(bl_error *err)
{
    if (err)
        bl_error_print(err, STDERR_FILENO);
    bl_error_release(err);
    return err != NULL;
}

/* --- signals ------------------------------------------------------------------------- */

static int
block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

struct ending {
    bl_http_server *server;
    bl_conn *signals;
    bl_waitgroup over;
};

/* The signal is read like anything else. */
static void
end_with_signal(void *arg)
{
    struct ending *e = arg;
    struct signalfd_siginfo info;
    bl_context *ctx;
    size_t n;

    if (failed(bl_conn_read(e->signals, &info, sizeof info, &n)))
        return;
    ctx = bl_context_with_timeout(bl_context_background(), PATIENCE);
    if (failed(bl_http_server_shutdown(ctx, e->server)))
        bl_http_server_close(e->server);
    bl_context_end(ctx);
}

/* --- the server ------------------------------------------------------------------------ */

static int
serve(bl_http_server *server, const struct options *o)
{
    struct ending ending = {.server = server};
    char address[300], where[BL_ADDR_TEXT];
    bl_listener *l;

    if (failed(bl_conn_adopt(block_signals(), &ending.signals)))
        return 1;
    snprintf(address, sizeof address, "%s:%s", o->host, o->port);
    if (failed(bl_listen("tcp", address, &l)))
        return 1;
    bl_addr_text(bl_listener_addr(l), where, sizeof where);
    fprintf(stderr, "http://%s/\n", where);
    bl_waitgroup_go(&ending.over, end_with_signal, &ending);

    bl_error *err = bl_http_serve(server, l);
    bl_listener_release(l);
    if (err != bl_err_http_server_closed) {
        failed(err);
        return 1;
    }
    bl_waitgroup_wait(&ending.over); /* the last requests have been answered then */
    bl_conn_release(ending.signals);
    return 0;
}

static int
run(struct options *o)
{
    static int to = STDOUT_FILENO;
    bl_http_server_options options = {0};
    bl_http_server *server;
    int status;

    bl_http_mux *mux = bl_http_mux_new();
    if (!o->quiet)
        bl_http_use(mux, bl_http_access_log, &to);
    bl_http_handle(mux, "GET /", bl_http_serve_files, &o->files);
    options.handler = bl_http_mux_handler(mux);
    if (failed(bl_http_server_new(&options, &server)))
        return 1;
    status = serve(server, o);
    bl_http_server_free(server);
    bl_http_mux_free(mux);
    return status;
}

/* --- options ------------------------------------------------------------------------------ */

/* Returns false for what is none. */
static bool
read_option(struct options *o, char **argv, int *i)
{
    const char *name = argv[*i];

    if (strcmp(name, "--list") == 0)
        o->files.list = true;
    else if (strcmp(name, "--dot-files") == 0)
        o->files.dot_files = true;
    else if (strcmp(name, "--quiet") == 0)
        o->quiet = true;
    else if (strcmp(name, "--port") == 0 && argv[*i + 1])
        o->port = argv[++*i];
    else if (strcmp(name, "--host") == 0 && argv[*i + 1])
        o->host = argv[++*i];
    else if (*name != '-' && !o->files.root)
        o->files.root = name;
    else
        return false;
    return true;
}

static bool
is_folder(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    fprintf(stderr, "files: %s: no folder\n", path);
    return false;
}

int
main(int argc, char **argv)
{
    struct options o = {.host = "127.0.0.1", .port = "8080"};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (!read_option(&o, argv, &i)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (!o.files.root) {
        fputs(usage, stderr);
        return 2;
    }
    return is_folder(o.files.root) ? run(&o) : 1;
}
