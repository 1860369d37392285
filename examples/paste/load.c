/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* load.c - starts the paste service, lets clients loose on it, and tells how it went.
 *
 *     paste-load [--active N] [--idle N] [--time SECONDS] [--seed N] PASTE
 *
 * One request in twenty makes its handler panic, follow a NULL or divide by zero; one in
 * fifty breaks the protocol; one in a hundred leaves in the middle.  The others have to be
 * answered, with what belongs to them.
 *
 * Exit status: 0 all adds up and nothing has leaked; 1 not so; 2 wrong usage. */
#include "load.h"

#include <belay/keywords.h>
#include <belay/http.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAMPLE_SECONDS = 10 };

struct run {
    struct load load;
    int64_t seconds;
    const char *program;
    struct look before, after;
    struct reply first, last; /* its /stats */
    int64_t middle_kib;       /* its memory after a half of the time */
    int64_t took;             /* ns */
    int64_t ended_in;         /* ns, after SIGTERM */
    int exit_status;
    int last_status;          /* of a request that was under way at SIGTERM */
};

/* --- the run ---------------------------------------------------------------------- */

static void
sample(struct run *run, int64_t began)
{
    const struct server *s = &run->load.server;

    printf("  %4" PRId64 " s  %10" PRIu64 " requests, %7" PRIu64 " panics and faults, "
           "%6.1f MiB, %6d descriptors\n",
           (bl_now() - began) / BL_SECOND, atomic_load(&run->load.tally.requests),
           atomic_load(&run->load.tally.panics) + atomic_load(&run->load.tally.faults),
           (double)server_rss_kib(s) / 1024, server_descriptors(s));
    fflush(stdout);
}

static void
wait_and_sample(struct run *run)
{
    int64_t began = bl_now(), end = began + run->seconds * BL_SECOND;

    while (bl_now() < end) {
        int64_t next = bl_now() + SAMPLE_SECONDS * BL_SECOND;

        bl_sleep_until(next < end ? next : end);
        if (run->seconds >= 3 * SAMPLE_SECONDS)
            sample(run, began);
        if (!run->middle_kib && bl_now() - began >= run->seconds * BL_SECOND / 2)
            run->middle_kib = server_rss_kib(&run->load.server);
    }
    run->took = bl_now() - began;
}

static void
ask_slowly(struct run *run)
{
    static const char head[] = "GET /slow?ms=400 HTTP/1.1\r\nHost: load\r\n\r\n";
    struct reply r = {0};
    struct link l;
    bl_error *err = link_open(&l, &run->load.server.http, 0);

    if (!err) {
        err = link_send(&l, head, NULL, 0);
        if (!err)
            err = link_receive(&l, &r);
        if (!err)
            run->last_status = r.status;
        link_close(&l);
    }
    error_release(err);
    reply_free(&r);
}

static void
ask_slowly_of(void *run)
{
    ask_slowly(run);
}

/* With a request under way, which has to be answered still. */
static bl_error *
end_server(struct run *run)
{
    bl_waitgroup last = {0};
    int64_t began;

    bl_waitgroup_go(&last, ask_slowly_of, run);
    bl_sleep(100 * BL_MILLISECOND);
    began = bl_now();
    bl_error *err = server_stop(&run->load.server, &run->exit_status);
    run->ended_in = bl_now() - began;
    bl_waitgroup_wait(&last);
    return err;
}

/* Handlers whose client has left may need a moment to notice. */
static bl_error *
read_last_stats(struct run *run)
{
    int64_t until = bl_after_ns(5 * BL_SECOND);
    bl_error *err;

    while (!(err = server_stats(&run->load.server, &run->last)) && bl_now() < until &&
           stats_number(&run->last, "handlers_left") <
               stats_number(&run->last, "handlers_begun") - 1)
        bl_sleep(50 * BL_MILLISECOND);
    return err;
}

static bl_error *
go_through(struct run *run)
{
    struct load *load = &run->load;
    struct server *s = &load->server;
    bl_error *err = server_start(s, run->program);

    if (!err)
        err = server_stats(s, &run->first);
    if (!err)
        err = server_settle(s, NULL, &run->before);
    if (err)
        return err;
    load_begin(load);
    if (load->idle)
        printf("  %" PRIu64 " connections are open and idle\n",
               atomic_load(&load->tally.idle_open));
    wait_and_sample(run);
    load_end(load);
    err = read_last_stats(run);
    if (!err)
        err = server_settle(s, &run->before, &run->after);
    return err ? err : end_server(run);
}

/* --- what is told ----------------------------------------------------------------- */

static int64_t
grown(const struct run *run, const char *name)
{
    return stats_number(&run->last, name) - stats_number(&run->first, name);
}

static void
print_statuses(const struct tally *t)
{
    for (int i = 0; i < STATUSES; i++)
        if (atomic_load(&t->status[i]))
            printf("    %d %-32s %9" PRIu64 "\n", i, bl_http_status_text(i),
                   atomic_load(&t->status[i]));
    printf("    cut off in the answer, or without    %9" PRIu64 "\n"
           "    the client has left                  %9" PRIu64 "\n",
           atomic_load(&t->cut), atomic_load(&t->left));
}

static double
ms(const struct tally *t, unsigned of_10000)
{
    return (double)load_percentile(t, of_10000) / 1e6;
}

static void
print_requests(const struct run *run)
{
    const struct tally *t = &run->load.tally;
    uint64_t n = atomic_load(&t->requests);

    printf("  requests    %" PRIu64 " of %d clients in %.1f s: %.0f a second\n", n,
           run->load.active, (double)run->took / 1e9, (double)n * 1e9 / (double)run->took);
    print_statuses(t);
    printf("  latency     ms: p50 %.2f, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f\n",
           ms(t, 5000), ms(t, 9000), ms(t, 9900), ms(t, 9990),
           (double)atomic_load(&t->slowest) / 1e6);
    if (run->load.idle)
        printf("  idle        %" PRIu64 " connections, asked now and then (%" PRIu64
               " times), all of them at the end\n",
               atomic_load(&t->idle_open), atomic_load(&t->idle_asked));
}

static void
print_survived(const struct run *run)
{
    const struct tally *t = &run->load.tally;

    printf("  survived    %" PRId64 " panics and %" PRId64 " faults (SIGSEGV, SIGFPE); "
           "%" PRIu64 " of them in a transaction\n",
           grown(run, "panics") - grown(run, "faults"), grown(run, "faults"),
           atomic_load(&t->rolled_back));
    printf("  refused     %" PRIu64 " requests that break the protocol\n",
           atomic_load(&t->refused));
    printf("  data        %" PRIu64 " texts read back and compared; %" PRId64
           " pastes kept = %" PRIu64 " made - %" PRIu64 " removed\n",
           atomic_load(&t->compared), stats_number(&run->last, "pastes"),
           atomic_load(&t->created), atomic_load(&t->removed));
}

static void
print_rest(const struct run *run)
{
    printf("  deferred    %" PRId64 " handlers begun, %" PRId64
           " left by their deferred block; %" PRId64 " calls pending\n",
           stats_number(&run->last, "handlers_begun") - 1, /* that of /stats itself */
           stats_number(&run->last, "handlers_left"), run->after.defers - run->before.defers);
    printf("  leaked      descriptors %d, goroutines %" PRId64 ", database sessions %" PRId64
           "\n", run->after.descriptors - run->before.descriptors,
           run->after.goroutines - run->before.goroutines,
           stats_number(&run->last, "sessions_in_use"));
    printf("  memory      %.1f MiB at first, %.1f half-way, %.1f in the end\n",
           (double)run->before.rss_kib / 1024, (double)run->middle_kib / 1024,
           (double)run->after.rss_kib / 1024);
    printf("  SIGTERM     exit status %d after %.0f ms, the request under way answered "
           "with %d\n",
           WIFEXITED(run->exit_status) ? WEXITSTATUS(run->exit_status)
                                       : 128 + WTERMSIG(run->exit_status),
           (double)run->ended_in / 1e6, run->last_status);
}

/* --- whether it adds up ----------------------------------------------------------- */

static void
check_equal(struct run *run, const char *what, int64_t is, int64_t wanted)
{
    if (is != wanted)
        load_fail(&run->load, "%s: %" PRId64 ", not %" PRId64, what, is, wanted);
}

static void
print_beginning(const struct run *run)
{
    printf("  %d clients", run->load.active);
    if (run->load.idle)
        printf(", and %d connections that idle,", run->load.idle);
    printf(" for %" PRId64 " s; 5 %% of what they ask makes the handler panic, follow a NULL\n"
           "  or divide by zero, 2 %% breaks the protocol, 1 %% leaves before the end\n",
           run->seconds);
    fflush(stdout);
}

static bool
adds_up(struct run *run)
{
    struct tally *t = &run->load.tally;
    int64_t faults = (int64_t)atomic_load(&t->faults);

    check_equal(run, "faults", grown(run, "faults"), faults);
    check_equal(run, "panics", grown(run, "panics"),
                faults + (int64_t)atomic_load(&t->panics));
    check_equal(run, "pastes", grown(run, "pastes"),
                (int64_t)(atomic_load(&t->created) - atomic_load(&t->removed)));
    check_equal(run, "handlers left", stats_number(&run->last, "handlers_left"),
                stats_number(&run->last, "handlers_begun") - 1);
    check_equal(run, "sessions in use", stats_number(&run->last, "sessions_in_use"), 0);
    check_equal(run, "descriptors", run->after.descriptors, run->before.descriptors);
    check_equal(run, "goroutines", run->after.goroutines, run->before.goroutines);
    check_equal(run, "pending deferred calls", run->after.defers, run->before.defers);
    check_equal(run, "idle connections", (int64_t)atomic_load(&t->idle_open),
                run->load.idle);
    check_equal(run, "wait() status", run->exit_status, 0);
    check_equal(run, "status of the last request", run->last_status, 200);
    if (run->seconds >= 60 && run->after.rss_kib > run->middle_kib + run->middle_kib / 5)
        load_fail(&run->load, "memory has grown in the second half");
    return atomic_load(&t->failures) == 0;
}

/* --- the command line ------------------------------------------------------------- */

static const char usage[] =
    "usage: paste-load [option...] PASTE\n"
    "  --active N      clients that ask as fast as they are answered (64)\n"
    "  --idle N        connections that are open, and asked now and then (0)\n"
    "  --time SECONDS  (10)\n"
    "  --seed N        of what they do; else another one each time\n"
    "PASTE is the program; its database is in a folder of its own under $TMPDIR.\n";

static int
read_options(int argc, char **argv, struct run *run)
{
    static const struct option known[] = {
        {"active", 1, NULL, 'a'}, {"idle", 1, NULL, 'i'}, {"time", 1, NULL, 't'},
        {"seed", 1, NULL, 's'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'a': run->load.active = atoi(optarg); break;
        case 'i': run->load.idle = atoi(optarg); break;
        case 't': run->seconds = atoi(optarg); break;
        case 's': run->load.seed = strtoull(optarg, NULL, 10); break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (optind == argc - 1 && run->load.active > 0 && run->load.idle >= 0 &&
        run->seconds > 0) {
        run->program = argv[optind];
        return -1;
    }
    fputs(usage, stderr);
    return 2;
}

static bool
raise_limits(const struct run *run)
{
    rlim_t wanted = (rlim_t)(2 * run->load.active + run->load.idle + 200);
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max != RLIM_INFINITY && files.rlim_max < wanted &&
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){wanted, wanted}) == 0)
        return true; /* root may */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max >= wanted)
        return true;
    fprintf(stderr, "paste-load: %d connections want `ulimit -n` to be %ju, not %ju\n",
            run->load.active + run->load.idle, (uintmax_t)wanted, (uintmax_t)files.rlim_max);
    return false;
}

static void
remove_folder(const struct server *s)
{
    static const char *const files[] = {"paste.db", "paste.db-wal", "paste.db-shm", "log"};
    char path[128];

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", s->folder, files[i]);
        unlink(path);
    }
    rmdir(s->folder);
}

static void
clean_up(struct run *run, bool fine)
{
    const struct server *s = &run->load.server;

    if (s->pid > 0)
        kill(s->pid, SIGKILL);
    reply_free(&run->first);
    reply_free(&run->last);
    if (fine)
        remove_folder(s);
    else if (*s->folder)
        fprintf(stderr, "paste-load: the server's log and database are in %s\n", s->folder);
}

static void
complain(const bl_error *err)
{
    char text[512];

    bl_error_text(err, text, sizeof text);
    fprintf(stderr, "paste-load: %s\n", text);
}

int
main(int argc, char **argv)
{
    static struct run run = {.load = {.active = 64}, .seconds = 10};
    int status = read_options(argc, argv, &run);
    bool fine;

    if (status >= 0)
        return status;
    if (!run.load.seed)
        run.load.seed = (uint64_t)bl_now();
    if (!raise_limits(&run))
        return 2;
    print_beginning(&run);
    bl_error *err = go_through(&run);
    if (err)
        complain(err);
    fine = !err;
    if (fine) {
        print_requests(&run);
        print_survived(&run);
        print_rest(&run);
        fine = adds_up(&run);
    }
    error_release(err);
    if (fine)
        printf("  verdict     clients and server have counted the same; nothing has leaked\n");
    else
        fprintf(stderr, "paste-load: FAILED (--seed %" PRIu64 ")\n", run.load.seed);
    clean_up(&run, fine);
    return fine ? 0 : 1;
}
