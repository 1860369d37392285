/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/run.c - one process for each test: starting, listening, killing.
 *
 * A child has two pipes to the runner: one for events, one for what it prints.  It leads
 * a process group, so that what it leaves running can be ended with it. */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TICK_MS = 20,
    GRACE_NS = 3000000000 / 2, /* from the stacks of a hanging test to its end */
    MOST_OUTPUT = 16 << 20,
};

struct child {
    struct bl__kit_result *result; /* NULL: not in use */
    struct bl__kit_shared *shared;
    struct bl__kit_result **parts; /* by the numbers of events */
    struct bl__kit_text events;    /* read, but not taken in yet */
    size_t nparts;
    pid_t pid;
    int event_fd, output_fd; /* -1: ended */
    int64_t began;
    int64_t asked_to_end;    /* when SIGQUIT was sent; 0: not yet */
    bool timed_out;
};

static BL_NORETURN void
give_up(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(2);
}

/* --- starting ----------------------------------------------------------------------- */

static void
be_child(struct child *c, int events, int output, pid_t runner)
{
    int none = open("/dev/null", O_RDONLY);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != runner)
        _exit(2);
    if (none >= 0)
        dup2(none, 0);
    dup2(output, 1);
    dup2(output, 2);
    close(none);
    close(output);
    setvbuf(stdout, NULL, _IOLBF, 0); /* in order with stderr */
    bl__kit_child(c->result->test, events, c->shared);
}

static void
start(struct child *c, struct bl__kit_result *r)
{
    int events[2], output[2];
    pid_t runner = getpid();

    *c = (struct child){.result = r, .began = bl__kit_now()};
    c->shared = mmap(NULL, sizeof *c->shared, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c->shared == MAP_FAILED)
        give_up("mmap");
    if (pipe2(events, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
        give_up("pipe");
    bl__kit_report_start(r);
    fflush(NULL);
    c->pid = fork();
    if (c->pid < 0)
        give_up("fork");
    if (c->pid == 0) {
        close(events[0]);
        close(output[0]);
        be_child(c, events[1], output[1], runner);
    }
    setpgid(c->pid, c->pid); /* whoever is first */
    close(events[1]);
    close(output[1]);
    c->event_fd = events[0];
    c->output_fd = output[0];
    fcntl(c->output_fd, F_SETFL, O_NONBLOCK);
    fcntl(c->event_fd, F_SETFL, O_NONBLOCK);
}

/* --- listening ---------------------------------------------------------------------- */

static void
add_part(struct child *c, const struct bl__kit_event *e, const char *name)
{
    struct bl__kit_result *r = c->result;

    if (e->test > 0)
        r = bl__kit_result_new(name, c->parts[e->value]);
    c->parts = realloc(c->parts, (c->nparts + 1) * sizeof *c->parts);
    if (!c->parts)
        give_up("memory");
    c->parts[c->nparts++] = r;
}

static void
take_event(struct child *c, const struct bl__kit_event *e, const char *text)
{
    struct bl__kit_result *r = e->test < c->nparts ? c->parts[e->test] : c->result;

    switch (e->kind) {
    case BL__EVENT_BEGIN:
        add_part(c, e, text);
        break;
    case BL__EVENT_END:
        r->status = e->value;
        r->ns = e->ns;
        break;
    default:
        bl__kit_add(&r->log, text, e->length);
        bl__kit_add(&r->log, "\n", 1);
        break;
    }
}

static void
take_events(struct child *c)
{
    struct bl__kit_event e;
    size_t at = 0;
    char *text;

    while (c->events.length - at >= sizeof e) {
        memcpy(&e, c->events.bytes + at, sizeof e);
        if (c->events.length - at - sizeof e < e.length)
            break;
        text = strndup(c->events.bytes + at + sizeof e, e.length);
        if (!text)
            give_up("memory");
        take_event(c, &e, text);
        free(text);
        at += sizeof e + e.length;
    }
    memmove(c->events.bytes, c->events.bytes + at, c->events.length - at);
    c->events.length -= at;
}

/* Everything that is there; closes *fd at its end. */
static void
drain(int *fd, struct bl__kit_text *into, size_t most)
{
    char buf[16384];
    ssize_t n = -1;

    while (*fd >= 0 && (n = read(*fd, buf, sizeof buf)) != 0) {
        if (n > 0 && into->length < most)
            bl__kit_add(into, buf, (size_t)n);
        else if (n < 0 && errno != EINTR)
            break;
    }
    if (*fd >= 0 && n == 0) {
        close(*fd);
        *fd = -1;
    }
}

static void
listen_to(struct child *c)
{
    drain(&c->event_fd, &c->events, SIZE_MAX);
    drain(&c->output_fd, &c->result->output, MOST_OUTPUT);
    if (c->events.length > 0)
        take_events(c);
}

/* --- the end ------------------------------------------------------------------------ */

static void
put_death(struct bl__kit_text *t, const struct child *c, int status)
{
    if (c->timed_out)
        bl__kit_addf(t, "the test took longer than %.3g s and was killed",
                     (double)bl__kit_options.timeout_ns / 1e9);
    else if (WIFSIGNALED(status))
        bl__kit_addf(t, "the test's process died of signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
    else
        bl__kit_addf(t, "the test's process ended with status %d%s", WEXITSTATUS(status),
                     status == 0 ? ", before the test did" : "");
    if (c->shared->doing[0])
        bl__kit_addf(t, ", %s", c->shared->doing);
    bl__kit_add(t, "\n", 1);
}

/* What had not ended when the process did has failed. */
static void
settle(struct bl__kit_result *r, int64_t ns)
{
    for (struct bl__kit_result *part = r->first; part; part = part->next) {
        settle(part, ns);
        if (part->status == BL__TEST_FAILED)
            r->status = BL__TEST_FAILED;
    }
    if (r->status == BL__TEST_RUNS) {
        r->status = BL__TEST_FAILED;
        r->ns = ns;
    }
}

/* The innermost part that was running. */
static struct bl__kit_result *
culprit(struct bl__kit_result *r)
{
    for (struct bl__kit_result *part = r->first; part; part = part->next)
        if (part->status == BL__TEST_RUNS)
            return culprit(part);
    return r;
}

static void
end(struct child *c, int status)
{
    struct bl__kit_result *r = c->result;

    kill(-c->pid, SIGKILL); /* what it has left running */
    listen_to(c);
    if (c->timed_out || status != 0 || r->status == BL__TEST_RUNS) {
        put_death(&culprit(r)->log, c, status);
        if (r->status != BL__TEST_RUNS)
            r->status = BL__TEST_FAILED;
    }
    settle(r, bl__kit_now() - c->began);
    r->ended = true;
    if (c->event_fd >= 0)
        close(c->event_fd);
    if (c->output_fd >= 0)
        close(c->output_fd);
    munmap(c->shared, sizeof *c->shared);
    free(c->parts);
    free(c->events.bytes);
    c->result = NULL;
}

/* First the stacks of all goroutines, then the end. */
static void
check_time(struct child *c, int64_t now)
{
    if (bl__kit_options.timeout_ns == 0)
        return;
    if (!c->timed_out && now - c->began > bl__kit_options.timeout_ns) {
        c->timed_out = true;
        c->asked_to_end = now;
        kill(c->pid, SIGQUIT);
    } else if (c->timed_out && now - c->asked_to_end > GRACE_NS) {
        kill(-c->pid, SIGKILL);
        kill(c->pid, SIGKILL);
    }
}

/* --- all of them -------------------------------------------------------------------- */

/* Listens to those that run, until one has ended or a moment has passed. */
static void
attend(struct child *children, size_t n)
{
    struct pollfd fds[2 * n];
    nfds_t used = 0;
    int status, wait = TICK_MS;

    for (size_t i = 0; i < n; i++) {
        if (!children[i].result)
            continue;
        if (children[i].event_fd < 0)
            wait = 1; /* about to end */
        fds[used++] = (struct pollfd){.fd = children[i].event_fd, .events = POLLIN};
        fds[used++] = (struct pollfd){.fd = children[i].output_fd, .events = POLLIN};
    }
    poll(fds, used, wait);
    for (size_t i = 0; i < n; i++) {
        struct child *c = &children[i];

        if (!c->result)
            continue;
        listen_to(c);
        if (waitpid(c->pid, &status, WNOHANG) == c->pid)
            end(c, status);
        else
            check_time(c, bl__kit_now());
    }
}

/* Results are printed in their order, as soon as those before are there. */
static size_t
print_ended(struct bl__kit_result **all, size_t n, size_t printed)
{
    while (printed < n && all[printed]->ended)
        bl__kit_report(all[printed++]);
    return printed;
}

static bool
any_failed(struct bl__kit_result **all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (all[i]->status == BL__TEST_FAILED)
            return true;
    return false;
}

/* With -failfast: those that have not been started. */
static void
skip_rest(struct bl__kit_result **all, size_t from, size_t n)
{
    for (; from < n; from++) {
        all[from]->status = BL__TEST_SKIPPED;
        all[from]->ended = true;
        bl__kit_addf(&all[from]->log, "not started: another test has failed (-failfast)\n");
    }
}

void
bl__kit_run_all(struct bl__kit_result **all, size_t n)
{
    size_t most = (size_t)bl__kit_options.parallel, next = 0, printed = 0, running;
    struct child *children = calloc(most, sizeof *children);

    if (!children)
        give_up("memory");
    do {
        running = 0;
        for (size_t i = 0; i < most; i++) {
            if (!children[i].result && next < n)
                start(&children[i], all[next++]);
            running += children[i].result != NULL;
        }
        if (running > 0)
            attend(children, most);
        if (next < n && bl__kit_options.fail_fast && any_failed(all, next)) {
            skip_rest(all, next, n);
            next = n;
        }
        printed = print_ended(all, n, printed);
    } while (printed < n);
    free(children);
}
