/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/blocking.c - any C code may block, and the others go on.
 *
 * A round has blockers of all kinds (more than there are processors), which only
 * bystanders can end, and bystanders that sleep, send and receive on time.  If a
 * blocker ever keeps its processor to itself the round does not end.  The kernel has to
 * share few CPUs among all of them, so how late a bystander may be is generous. */
#include "stress.h"

#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    BLOCKERS = 24,
    BYSTANDERS = 40,
    STEPS = 20,
    EVER_LATE_S = 20,
    MAX_THREADS = 600,
    CHILDREN = 3,   /* at a time */
};

struct round {
    bl_waitgroup blockers, bystanders;
    _Atomic bool stop;           /* bystanders have had their time */
    _Atomic int still_here;      /* bystanders */
};

struct blocker {
    struct round *round;
    struct stress_random r;
};

static _Atomic uint64_t total;
static _Atomic int64_t latest;

/* --- blockers ------------------------------------------------------------- */

static void
block_usleep(struct blocker *b)
{
    for (int i = 0; i < 5; i++)
        usleep((useconds_t)stress_below(&b->r, 4000));
}

/* What has to be written comes from a goroutine. */
static void
write_byte(int fd, struct stress_random r)
{
    bl_sleep(stress_below(&r, 3000000));
    STRESS_COMPARE(write(fd, "x", 1), ==, 1);
    if (stress_chance(&r, 50))
        gosched();
    close(fd);
}

static void
block_read(struct blocker *b)
{
    int fd[2];
    char c;

    STRESS_COMPARE(pipe(fd), ==, 0);
    go(write_byte, fd[1], stress_split(&b->r));
    STRESS_COMPARE(read(fd[0], &c, 1), ==, 1);
    STRESS_COMPARE(read(fd[0], &c, 1), ==, 0);
    close(fd[0]);
}

/* Until all bystanders are through: a loop that never comes into Belay. */
static void
block_loop(struct blocker *b)
{
    while (!b->round->stop)
        __asm__ volatile("" ::: "memory");
}

static void
block_compute(struct blocker *b)
{
    stress_spin(stress_below(&b->r, 30000) * 1e-6);
}

static void
block_getpid(struct blocker *b)
{
    pid_t pid = getpid();

    for (int i = stress_below(&b->r, 20000); i > 0; i--)
        STRESS_COMPARE(syscall(SYS_getpid), ==, pid);
}

static bl_semaphore children = {.size = CHILDREN};

static void
block_fork(struct blocker *b)
{
    int status;
    pid_t child;

    bl_semaphore_acquire(&children, 1);
    child = fork();
    if (child == 0) {
        usleep((useconds_t)stress_below(&b->r, 2000));
        _exit(7);
    }
    STRESS_COMPARE(child, >, 0);
    while (waitpid(child, &status, 0) < 0)
        STRESS_COMPARE(errno, ==, EINTR);
    STRESS_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    bl_semaphore_release(&children, 1);
}

static void
block_spawn(struct blocker *b)
{
    char *argv[] = {"true", NULL}, *env[] = {NULL};
    int status;
    pid_t child;

    (void)b;
    bl_semaphore_acquire(&children, 1);
    STRESS_COMPARE(posix_spawn(&child, "/bin/true", NULL, NULL, argv, env), ==, 0);
    while (waitpid(child, &status, 0) < 0)
        STRESS_COMPARE(errno, ==, EINTR);
    STRESS_COMPARE(status, ==, 0);
    bl_semaphore_release(&children, 1);
}

static void
block_locked_to_thread(struct blocker *b)
{
    long tid;

    bl_lock_os_thread();
    tid = syscall(SYS_gettid);
    for (int i = 0; i < STEPS; i++) {
        stress_dawdle(&b->r);
        gosched();
        if (stress_chance(&b->r, 20))
            usleep((useconds_t)stress_below(&b->r, 500));
        STRESS_COMPARE(syscall(SYS_gettid), ==, tid);
    }
    if (stress_chance(&b->r, 80))
        bl_unlock_os_thread(); /* else it ends with the goroutine */
}

static STRESS_NOINLINE void
set_errno(int n)
{
    errno = n;
}

static STRESS_NOINLINE int
read_errno(void)
{
    return errno;
}

static void
block_with_errno(struct blocker *b)
{
    for (int i = 1; i < STEPS; i++) {
        set_errno(i);
        if (stress_chance(&b->r, 50))
            bl_sleep(stress_below(&b->r, 200000));
        else
            gosched();
        STRESS_COMPARE(read_errno(), ==, i);
    }
}

/* Not a blocker itself: those of the others that block meanwhile sit on processors
 * that are one too many. */
static void
block_nothing_but_change_procs(struct blocker *b)
{
    int n = stress_between(&b->r, 1, 8);

    bl_gomaxprocs(n);
    bl_sleep(stress_below(&b->r, 500000));
}

static void (*const kinds[])(struct blocker *b) = {
    block_usleep,     block_read,             block_loop,       block_compute,
    block_getpid,     block_fork,             block_spawn,      block_locked_to_thread,
    block_with_errno, block_nothing_but_change_procs,
};

static void
block(int kind, struct blocker b)
{
    kinds[kind](&b);
    total++;
    bl_waitgroup_done(&b.round->blockers);
}

/* --- bystanders ----------------------------------------------------------- */

static void
note_late(int64_t due)
{
    int64_t late = bl_now() - due;

    STRESS_COMPARE(late, >=, 0);
    STRESS_COMPARE(late, <, EVER_LATE_S * BL_SECOND);
    if (late > latest)
        latest = late;
}

/* Frees c: its sender has closed it, and does not look at it again. */
static void
be_answered(chan_of(int64_t) c)
{
    for_recv (int64_t, sent_at, c)
        note_late(sent_at);
    bl_sleep(BL_MILLISECOND); /* bl_chan_close() has returned by now, or soon */
    chan_free(c);
}

static void
stand_by(struct round *round, struct stress_random r)
{
    chan_of(int64_t) c = chan_make(int64_t, 0);

    go(be_answered, c);
    for (int i = 0; i < STEPS; i++) {
        int64_t due = bl_now() + stress_below(&r, 500) * BL_MICROSECOND;

        bl_sleep_until(due);
        note_late(due);
        bl_send(c, bl_now());
        total++;
    }
    bl_chan_close(c);
    if (--round->still_here == 0)
        round->stop = true;
    bl_waitgroup_done(&round->bystanders);
}

/* --- rounds --------------------------------------------------------------- */

static int
count_threads(void)
{
    char line[200];
    int n = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Threads: %d", &n) == 1)
            break;
    if (f)
        fclose(f);
    return n;
}

static void
run_round(struct stress_random *r)
{
    struct round *round = stress_make(1, sizeof *round);
    int blockers = stress_between(r, 1, BLOCKERS), procs = bl_gomaxprocs(0);

    round->still_here = stress_between(r, 1, BYSTANDERS);
    bl_waitgroup_add(&round->bystanders, round->still_here);
    for (int i = round->still_here; i > 0; i--)
        go(stand_by, round, stress_split(r));
    for (int i = 0; i < blockers; i++) {
        struct blocker b = {round, stress_split(r)};

        bl_waitgroup_add(&round->blockers, 1);
        go(block, stress_below(r, (int)(sizeof kinds / sizeof kinds[0])), b);
    }
    bl_waitgroup_wait(&round->bystanders);
    bl_waitgroup_wait(&round->blockers);
    bl_gomaxprocs(procs);
    stress_wait_until_alone(); /* with what the round has left behind */
    free(round);
    STRESS_COMPARE(count_threads(), <, MAX_THREADS);
}

int
main(int argc, char **argv)
{
    struct stress_random r;
    char what[80];

    stress_begin(argc, argv, "blocking");
    while (stress_round(&r))
        run_round(&r);
    snprintf(what, sizeof what, "steps, the latest by %.1f ms, %d threads",
             (double)latest / 1e6, count_threads());
    return stress_end(total, what);
}
