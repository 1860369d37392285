/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* run.c - runs a form: starts its processes, waits for them, never for too long, and adds
 * up what they have measured.
 *
 * The processes die with us (PR_SET_PDEATHSIG), whatever we die of; at Ctrl-C and the like
 * they are waited for, so that nothing of them is left when the command has ended. */
#define _GNU_SOURCE
#include "lab.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (INT64_C(60) * 1000000000) /* for all but opening connections */
#define LOOK_NS (INT64_C(50) * 1000000)

struct shard {
    struct board *board;
    pid_t measured, peer; /* 0: has been waited for */
};

/* --- signals ---------------------------------------------------------------------------- */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { NENDING = sizeof ending / sizeof ending[0] };

static volatile sig_atomic_t ended_by; /* a signal; 0: none */

static void
on_signal(int sig)
{
    ended_by = sig;
}

static void
handle_signals(void (*handler)(int))
{
    for (int i = 0; i < NENDING; i++)
        if (signal(ending[i], handler) == SIG_IGN)
            signal(ending[i], SIG_IGN); /* as nohup wants it */
}

/* --- processes ------------------------------------------------------------------------ */

/* A process that ends when we do; it returns 0 there, as fork() does. */
static pid_t
start_process(void)
{
    pid_t parent = getpid(), child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        handle_signals(SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return child;
}

static bool
start_shard(struct shard *s, const struct run *run)
{
    const struct mistake *m = run->mistake;

    s->measured = start_process();
    if (s->measured == 0)
        measured_main(s->board, run->is_right ? m->right : m->wrong, m->asks);
    s->peer = s->measured < 0 ? -1 : start_process();
    if (s->peer == 0)
        peer_main(s->board, m->asks);
    if (s->peer < 0)
        tool_error("fork: %s", strerror(errno));
    return s->peer > 0;
}

static void
end_process(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static void
end_shards(struct shard *shards, int n)
{
    for (int i = 0; i < n; i++) {
        end_process(&shards[i].measured);
        end_process(&shards[i].peer);
    }
    munmap(shards->board, (size_t)n * sizeof *shards->board);
    free(shards);
}

static struct shard *
make_shards(const struct lab *lab)
{
    size_t n = (size_t)lab->shards;
    struct board *boards = mmap(NULL, n * sizeof *boards, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct shard *shards;
    int64_t now = lab_now();

    if (boards == MAP_FAILED) {
        tool_error("mmap: %s", strerror(errno));
        return NULL;
    }
    shards = memory_get(n * sizeof *shards);
    for (int i = 0; i < lab->shards; i++) {
        struct board *b = shards[i].board = &boards[i];

        b->first = boards;
        b->shards = lab->shards;
        b->n = lab->n / lab->shards + (i < lab->n % lab->shards);
        b->began_ns = now;
        b->open_until_ns = now + lab->seconds * INT64_C(1000000000);
        b->serve_address = lab->serve_address;
        b->keep_seconds = lab->seconds;
    }
    return shards;
}

/* --- waiting ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool
complain(const struct run *run, const char *format, ...)
{
    char text[320];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    tool_error("%s, %s form: %s", run->mistake->name, run->is_right ? "right" : "wrong",
               text);
    return false;
}

/* False: it has ended, and badly. */
static bool
look_at_process(const struct run *run, struct shard *s, pid_t *pid)
{
    const char *which = pid == &s->peer ? "other side's" : "measured";
    int status;

    if (*pid == 0 || waitpid(*pid, &status, WNOHANG) != *pid)
        return true;
    *pid = 0;
    if (WIFSIGNALED(status))
        return complain(run, "the %s process was ended by signal %d", which, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return complain(run, "%s", s->board->error[0] ? s->board->error : "gave up");
    return true;
}

static int64_t
count_opened(const struct shard *shards, int n)
{
    int64_t opened = 0;

    for (int i = 0; i < n; i++)
        opened += shards[i].board->opened;
    return opened;
}

static void
show_progress(const struct lab *lab, const struct run *run, const struct shard *shards)
{
    char what[80];

    snprintf(what, sizeof what, "%s, %s form", run->mistake->name,
             run->is_right ? "right" : "wrong");
    progress(what, (uint64_t)count_opened(shards, lab->shards), (uint64_t)lab->n);
}

/* Whether all of them have settled; *good: nothing is wrong. */
static bool
have_settled(const struct run *run, struct shard *shards, int n, bool *good)
{
    int settled = 0;

    for (int i = 0; i < n && *good; i++) {
        struct shard *s = &shards[i];
        uint32_t taken = s->board->nsamples;

        *good = look_at_process(run, s, &s->measured) && look_at_process(run, s, &s->peer);
        settled += taken > 0 && s->board->samples[taken - 1].phase == PHASE_SETTLED;
    }
    return settled == n;
}

static bool
wait_for_shards(const struct lab *lab, const struct run *run, struct shard *shards)
{
    int64_t until = shards[0].board->open_until_ns + GRACE_NS;
    bool good = true;

    while (!have_settled(run, shards, lab->shards, &good) && good && !ended_by) {
        show_progress(lab, run, shards);
        if (lab_now() > until)
            good = complain(run, "it does not come to an end");
        lab_sleep(LOOK_NS);
    }
    progress_end();
    return good && !ended_by;
}

/* --- adding up ----------------------------------------------------------------------------- */

static struct sample *
add_sample(struct run *run)
{
    if (run->nsamples == run->room) {
        run->room = run->room ? run->room * 2 : 256;
        run->samples = memory_resize(run->samples, run->room, sizeof *run->samples);
    }
    return &run->samples[run->nsamples++];
}

static void
add_to(struct sample *sum, const struct sample *s)
{
    for (int i = 0; i < NFIGURES; i++)
        sum->value[i] += s->value[i];
    sum->served += s->served;
    sum->failed += s->failed;
    if (s->phase < sum->phase)
        sum->phase = s->phase;
}

/* Each sample of a shard, together with the last ones of the others before it. */
static void
add_up(struct run *run, const struct shard *shards, int n)
{
    uint32_t *at = memory_get((size_t)n * sizeof *at); /* the next of each */

    for (;;) {
        const struct sample *next = NULL;
        struct sample *sum;
        int which = 0;

        for (int i = 0; i < n; i++)
            if (at[i] < shards[i].board->nsamples &&
                (!next || shards[i].board->samples[at[i]].at_ns < next->at_ns))
                next = &shards[which = i].board->samples[at[i]];
        if (!next)
            break;
        at[which]++;
        sum = add_sample(run);
        *sum = (struct sample){.at_ns = next->at_ns, .phase = PHASE_SETTLED};
        for (int i = 0; i < n; i++)
            if (at[i] > 0)
                add_to(sum, &shards[i].board->samples[at[i] - 1]);
            else
                sum->phase = PHASE_SET_UP;
    }
    free(at);
    run->opened = (int)count_opened(shards, n);
}

const struct sample *
run_last(const struct run *run)
{
    return &run->samples[run->nsamples - 1];
}

void
run_free(struct run *run)
{
    free(run->samples);
    run->samples = NULL;
    run->nsamples = run->room = 0;
}

/* --- what the command does -------------------------------------------------------------------- */

static bool
run_shards(const struct lab *lab, struct run *run, struct shard *shards)
{
    for (int i = 0; i < lab->shards; i++)
        if (!start_shard(&shards[i], run))
            return false;
    if (!wait_for_shards(lab, run, shards))
        return false;
    add_up(run, shards, lab->shards);
    return true;
}

static void
say_where(const struct lab *lab, const struct run *run, const struct board *b)
{
    const char *address = lab->serve_address, *colon = strrchr(address, ':');

    if (strncmp(address, "unix:", 5) == 0)
        printf("%s", address);
    else
        printf("http://%.*s:%d", (int)(colon - address), address, b->serve_port);
    printf("  %s, %s form, %s connections later, for %d second%s\n", run->mistake->name,
           run->is_right ? "right" : "wrong", lab_count(run->opened).text, lab->seconds,
           lab->seconds == 1 ? "" : "s");
    fflush(stdout);
}

/* Until the time is over; the measured process sees to that. */
static bool
wait_while_served(const struct run *run, struct shard *s)
{
    bool good = true;

    while (good && s->measured != 0 && !ended_by) {
        good = look_at_process(run, s, &s->measured);
        lab_sleep(LOOK_NS);
    }
    return good;
}

bool
run_form(const struct lab *lab, struct run *run)
{
    struct shard *shards = make_shards(lab);
    bool done;

    handle_signals(on_signal);
    done = shards && run_shards(lab, run, shards);
    if (done && lab->serve_address) {
        say_where(lab, run, shards[0].board);
        done = wait_while_served(run, &shards[0]);
    }
    if (shards)
        end_shards(shards, lab->shards);
    handle_signals(SIG_DFL);
    if (ended_by)
        raise(ended_by);
    return done;
}
