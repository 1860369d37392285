/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* echo.c - a server that sends back what it gets, and its client.
 *
 *     echo serve [address]         127.0.0.1:7000, unix:/tmp/echo, ...
 *     echo ask address [word...]   sends the words, prints what comes back
 *
 * One goroutine per connection; who says nothing for a minute is dropped.  A signal ends
 * the server: it accepts nobody any more, and lets those that are connected finish. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PATIENCE (60 * BL_SECOND)

static bl_waitgroup connected;

static bool
failed(bl_error *err)
{
    if (err)
        bl_error_print(err, STDERR_FILENO);
    bl_error_release(err);
    return err != NULL;
}

/* --- the server ------------------------------------------------------------------ */

static bl_error *
echo_once(bl_conn *c)
{
    char buf[16384];
    size_t n;
    bl_error *err = bl_conn_set_deadline(c, bl_now() + PATIENCE);

    if (!err)
        err = bl_conn_read(c, buf, sizeof buf, &n);
    return err ? err : bl_conn_write(c, buf, n, NULL);
}

static void
serve(bl_conn *c)
{
    defer { bl_waitgroup_done(&connected); };
    bl_error *err;

    while (!(err = echo_once(c)))
        ;
    if (err != bl_err_eof)
        failed(err);
    bl_conn_release(c);
}

/* The signal is read like anything else. */
static void
wait_for_signal(bl_conn *signals, bl_listener *l)
{
    struct signalfd_siginfo info;
    size_t n;

    bl_error_release(bl_conn_read(signals, &info, sizeof info, &n));
    bl_error_release(bl_listener_close(l));
    bl_listener_release(l);
    bl_conn_release(signals);
}

static bl_error *
watch_signals(bl_listener *l)
{
    bl_conn *signals;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    bl_error *err = bl_conn_adopt(signalfd(-1, &set, SFD_CLOEXEC), &signals);

    if (!err)
        go(wait_for_signal, signals, bl_listener_retain(l));
    return err;
}

static int
run_server(const char *address)
{
    char where[BL_ADDR_TEXT];
    bl_listener *l;
    bl_conn *c;
    bl_error *err = bl_listen("tcp", address, &l);

    if (failed(err) || failed(watch_signals(l)))
        return 1;
    bl_addr_text(bl_listener_addr(l), where, sizeof where);
    printf("%s\n", where);
    fflush(stdout);
    while (!(err = bl_listener_accept(l, &c))) {
        bl_waitgroup_add(&connected, 1);
        go(serve, c);
    }
    bl_listener_release(l);
    bl_waitgroup_wait(&connected);
    if (bl_error_is(err, bl_err_net_closed)) {
        bl_error_release(err);
        return 0;
    }
    return failed(err);
}

/* --- the client -------------------------------------------------------------------- */

static bl_error *
print_answers(bl_conn *c)
{
    bl_reader *r = bl_reader_of_conn(c, 0);
    const char *line;
    size_t n;
    bl_error *err;

    while (!(err = bl_reader_line(r, &line, &n)))
        printf("%.*s\n", (int)n, line);
    bl_reader_free(r);
    return err == bl_err_eof ? NULL : err;
}

static bl_error *
ask(const char *address, char **words, int count)
{
    bl_conn *c;
    bl_error *err = bl_dial_until("tcp", address, bl_now() + 5 * BL_SECOND, &c);

    if (err)
        return err;
    bl_writer *w = bl_writer_of_conn(c, 0);
    for (int i = 0; i < count; i++)
        bl_writer_printf(w, "%s\n", words[i]);
    err = bl_writer_flush(w);
    bl_writer_free(w);
    if (!err)
        err = bl_conn_close_write(c);
    if (!err)
        err = print_answers(c);
    bl_conn_release(c);
    return err;
}

int
main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "serve") == 0)
        return run_server(argc > 2 ? argv[2] : "127.0.0.1:7000");
    if (argc >= 3 && strcmp(argv[1], "ask") == 0)
        return failed(ask(argv[2], argv + 3, argc - 3));
    fprintf(stderr, "usage: echo serve [address] | echo ask address [word...]\n");
    return 2;
}
