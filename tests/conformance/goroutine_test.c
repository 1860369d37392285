/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/goroutine_test.c - goroutines themselves: how they start, end, block,
 * and what reports say about them. */
#define _GNU_SOURCE
#include "concurrent.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static const char deadlock[] = "fatal error: all goroutines are asleep - deadlock!\n";

/* --- start and end -------------------------------------------------------- */

struct pair {
    double d;
    char c;
};

static void
take_all(char c, short s, long l, float f, double d, const char *text, struct pair p,
         chan_of(int) done)
{
    CHECK(c == 'c' && s == -2 && l == 3 && f == 4.5f && d == 6.5);
    CHECK_STR(text, "seven");
    CHECK(p.d == 8.5 && p.c == 'p');
    bl_send(done, 1);
}

static void
arguments_are_copied(void)
{
    chan_of(int) done = chan_make(int, 0);
    struct pair p = {8.5, 'p'};
    long l = 3;

    go(take_all, 'c', (short)-2, l, 4.5f, 6.5, "seven", p, done);
    l = 0;
    p.c = 0;
    bl_recv(done);
    chan_free(done);
}

static void
leave_early(chan_of(int) done)
{
    returns_nothing {
        defer_call(bl_chan_send, (bl_chan *)(void *)done, (const void *)&(int){1});
        goexit();
    }
}

static void
wait_until_alone(void)
{
    for (int i = 0; bl_num_goroutine() > 1 && i < 100000; i++)
        bl_sleep(100 * BL_MICROSECOND);
    CHECK_EQ(bl_num_goroutine(), 1);
}

static void
G23_the_count_drops_after_goexit(void)
{
    chan_of(int) done = chan_make(int, 0);

    wait_until_alone();
    go(leave_early, done);
    CHECK_EQ(bl_num_goroutine(), 2);
    bl_recv(done);
    wait_until_alone();
    chan_free(done);
}

static bl_once once;

static void
goexit_in_once(void *arg)
{
    (void)arg;
    goexit();
}

static void
do_once(void)
{
    bl_once_do(&once, goexit_in_once, NULL);
}

static void
G21_goexit_in_once(void)
{
    go(do_once);
    wait_until_alone();
    do_once(); /* done: returns at once */
}

static void
ids_names_and_errno(void)
{
    uint64_t id = bl_goroutine_id();

    CHECK_EQ(id, 1);
    CHECK(bl_on_goroutine());
    bl_set_name("main");
    CHECK_STR(bl_name(), "main");
    bl_set_name(NULL);
    CHECK(!bl_name());
}

/* Functions of their own: compilers keep errno's address across calls. */
static __attribute__((noinline)) void
set_errno(int n)
{
    errno = n;
}

static __attribute__((noinline)) int
get_errno(void)
{
    return errno;
}

static void
keep_errno(int n, bl_waitgroup *wg)
{
    for (int i = 0; i < 50; i++) {
        set_errno(n);
        gosched();
        CHECK_EQ(get_errno(), n);
        bl_sleep(BL_MICROSECOND);
    }
    bl_waitgroup_done(wg);
}

static void
errno_goes_with_the_goroutine(void)
{
    bl_waitgroup wg = {0};

    for (int i = 1; i <= 10; i++) {
        bl_waitgroup_add(&wg, 1);
        go(keep_errno, i, &wg);
    }
    bl_waitgroup_wait(&wg);
}

static void
stay(bl_waitgroup *wg)
{
    pthread_t thread;

    bl_lock_os_thread();
    thread = pthread_self();
    for (int i = 0; i < 100; i++) {
        gosched();
        if (i % 10 == 0)
            bl_sleep(10 * BL_MICROSECOND);
        CHECK(pthread_equal(thread, pthread_self()));
    }
    bl_unlock_os_thread();
    bl_waitgroup_done(wg);
}

static void
locked_goroutines_keep_their_thread(void)
{
    bl_waitgroup wg = {0};

    for (int i = 0; i < 5; i++) {
        bl_waitgroup_add(&wg, 1);
        go(stay, &wg);
    }
    bl_waitgroup_wait(&wg);
}

struct locked {
    _Atomic int locked, tid;
};

/* Two are bound at the same time: one at least not to main's thread, which never
 * ends. */
static void
end_locked(struct locked *l)
{
    bl_lock_os_thread();
    for (l->locked++; l->locked < 2;)
        gosched();
    if (syscall(SYS_gettid) == getpid())
        bl_unlock_os_thread();
    else
        l->tid = (int)syscall(SYS_gettid);
}

/* Go: a goroutine that ends locked takes its thread along. */
static void
locked_goroutines_take_their_thread_along(void)
{
    for (int i = 0; i < 20; i++) {
        struct locked l = {0, 0};
        int tries = 0;

        go(end_locked, &l);
        go(end_locked, &l);
        wait_until_alone();
        CHECK(l.tid != 0);
        while (syscall(SYS_tgkill, getpid(), l.tid, 0) == 0 && tries++ < 100000)
            usleep(20);
        CHECK(tries < 100000);
    }
}

static void
panic_later(void)
{
    bl_sleep(5 * BL_MILLISECOND);
    panic("alone");
}

static void
leave_main_locked(void)
{
    bl_lock_os_thread();
    go(panic_later);
    goexit();
}

static void
a_locked_main_may_leave(void)
{
    check_fatal(leave_main_locked, "panic: alone\n");
}

static void
count(_Atomic int *n)
{
    ++*n;
}

static void
maxprocs_may_change(void)
{
    int old = bl_gomaxprocs(0);
    _Atomic int n = 0;

    for (int i = 1; i <= 200; i++) {
        bl_gomaxprocs(1 + i % 5);
        go(count, &n);
    }
    bl_gomaxprocs(old);
    CHECK_EQ(bl_gomaxprocs(-1), old);
    wait_until_alone();
    CHECK_EQ(n, 200);
}

enum { FROM_OUTSIDE = 300 };

static _Atomic int turns, last_turn, noted;

static void
take_turns(void)
{
    while (noted < FROM_OUTSIDE) {
        turns++;
        for (int i = 0; i < 1000; i++)
            __asm__ volatile("");
        gosched();
    }
}

static void
note_turn(void)
{
    last_turn = turns;
    noted++;
}

/* Returns the turn in which it has ended. */
static void *
start_from_outside(void *unused)
{
    (void)unused;
    for (int i = 0; i < FROM_OUTSIDE; i++)
        go(note_turn);
    return (void *)(intptr_t)turns;
}

/* What a plain thread starts, as what the monitor finds ready, is in the queue for all.
 * The only P always has something of its own to do: it takes many at a time, not one every
 * 61 turns. */
static void
the_queue_for_all_has_its_share(void)
{
    int old = bl_gomaxprocs(1);
    pthread_t t;
    void *ended;

    turns = noted = 0;
    for (int i = 0; i < 4; i++)
        go(take_turns);
    CHECK_EQ(pthread_create(&t, NULL, start_from_outside, NULL), 0);
    wait_until_alone();
    CHECK_EQ(pthread_join(t, &ended), 0);
    CHECK(last_turn - (int)(intptr_t)ended < 10 * FROM_OUTSIDE);
    bl_gomaxprocs(old);
}

/* --- any C code may block ---------------------------------------------------- */

static _Atomic bool stop;
static _Atomic int64_t worst;
static int block_pipe[2];

static void
call_sleep(void)
{
    struct timespec t = {0, 300 * BL_MILLISECOND};

    nanosleep(&t, NULL);
}

static void
call_read(void)
{
    char c;

    CHECK_EQ(read(block_pipe[0], &c, 1), 0);
}

static void
call_getaddrinfo(void)
{
    struct addrinfo *list;

    if (getaddrinfo("localhost", "80", NULL, &list) == 0)
        freeaddrinfo(list);
}

static void
loop_for_ever(void)
{
    while (!stop)
        ;
}

static void
keep_time(bl_waitgroup *wg)
{
    for (int i = 0; i < 5; i++) {
        int64_t until = bl_now() + 10 * BL_MILLISECOND, late;

        bl_sleep_until(until);
        late = bl_now() - until;
        if (late > worst)
            worst = late;
    }
    bl_waitgroup_done(wg);
}

enum { MEETING = 6 };

/* Thread-locals lie on threads' stacks: these are larger than what ours ask for. */
static _Thread_local char plenty[1 << 20];

static void
meet(pthread_barrier_t *meeting, bl_waitgroup *wg)
{
    plenty[sizeof plenty / 2]++;
    pthread_barrier_wait(meeting); /* the system's: each sits on a thread */
    bl_waitgroup_done(wg);
}

static void
threads_have_room_for_thread_locals(void)
{
    pthread_barrier_t meeting;
    bl_waitgroup wg = {0};

    pthread_barrier_init(&meeting, NULL, MEETING);
    for (int i = 0; i < MEETING; i++) {
        bl_waitgroup_add(&wg, 1);
        go(meet, &meeting, &wg);
    }
    bl_waitgroup_wait(&wg);
    pthread_barrier_destroy(&meeting);
}

/* As many of each as there are processors: without the monitor nothing else could
 * ever run.  The kernel shares two CPUs among all of them, so lateness is bounded by
 * its time slices; half a second says that nobody waits for a blocked one. */
static void
any_C_code_may_block(void)
{
    int n = bl_gomaxprocs(0) < 4 ? bl_gomaxprocs(0) : 4;
    bl_waitgroup wg = {0};

    CHECK(pipe(block_pipe) == 0);
    for (int i = 0; i < 1000; i++) {
        bl_waitgroup_add(&wg, 1);
        go(keep_time, &wg);
    }
    for (int i = 0; i < n; i++) {
        go(call_sleep);
        go(call_read);
        go(call_getaddrinfo);
        go(loop_for_ever);
    }
    bl_waitgroup_wait(&wg);
    CHECK(worst < 500 * BL_MILLISECOND);
    stop = true;
    close(block_pipe[1]);
    wait_until_alone();
    close(block_pipe[0]);
}

/* --- panics and reports ------------------------------------------------------ */

static void
fail(void *unused)
{
    (void)unused;
    panic("in a timer");
}

static void
fail_in_timer(void)
{
    bl_after_func(0, fail, NULL);
    bl_sleep(10 * BL_SECOND);
}

static void
P24_panic_in_a_timers_function(void)
{
    check_fatal(fail_in_timer, "panic: in a timer\n\ngoroutine ");
}

static __attribute__((no_sanitize("undefined"))) void
follow_null(void)
{
    *(volatile int *)NULL = 1;
}

static void
fault_in_goroutine(void)
{
    go(follow_null);
    bl_sleep(10 * BL_SECOND);
}

/* Reports of faults are to be ours. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0";
}

/* above: the caller's hole, so that no compiler makes a loop of it. */
static int
dig(int n, volatile char *above)
{
    volatile char hole[1000];

    hole[n % 1000] = (char)n;
    if (n < 0)
        return above[0];
    return dig(n + 1, hole) + hole[(n + 1) % 1000];
}

static void
overflow(void)
{
    go(dig, 0, NULL);
    bl_sleep(10 * BL_SECOND);
}

/* The place is not known before: compilers keep only the parts of an array they see
 * used. */
static volatile size_t place;

static void
large_frame(void)
{
    volatile char hole[1 << 20];

    hole[place] = 1;
    (void)hole[place];
}

static void
overflow_by_a_large_frame(void)
{
    bl_go_with(((bl_go_options){.stack_bytes = 65536}), large_frame);
    bl_sleep(10 * BL_SECOND);
}

static void
F9_faults_and_overflows_in_goroutines(void)
{
    check_fatal(fault_in_goroutine, "panic: runtime error: invalid memory address or "
                                    "nil pointer dereference\n[signal SIGSEGV");
    check_fatal(overflow, "belay: goroutine stack exceeds ");
    check_fatal(overflow_by_a_large_frame, "belay: goroutine stack exceeds ");
}

static void
go_nothing(void)
{
    void (*volatile f)(void) = NULL;

    go(f);
}

static void
F10_go_of_nothing(void)
{
    check_fatal(go_nothing, "fatal error: go of nil func value\n");
}

static void
block(chan_of(int) c)
{
    bl_recv(c);
}

static void
all_block(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(block, c);
    go(block, c);
    bl_recv(c);
}

static void
F11_F12_deadlocks_are_found(void)
{
    check_fatal(all_block, deadlock);
}

static void
block_locked(void)
{
    bl_lock_os_thread();
    all_block();
}

static void
F18_locked_ones_too(void)
{
    check_fatal(block_locked, deadlock);
}

static void
leave_main_blocked(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(block, c);
    goexit();
}

static void
leave_main_alone(void)
{
    goexit();
}

static void
G19_main_has_left(void)
{
    check_fatal(leave_main_blocked,
                "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
    check_fatal(leave_main_alone,
                "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
}

static void
block_in_deferred(void)
{
    bl_select_cases(NULL, 0, BL_FOREVER);
}

static void
panic_and_block(void)
{
    returns_nothing {
        defer_call(block_in_deferred);
        panic("never seen");
    }
}

static void
F17_deadlock_in_deferred_code(void)
{
    check_fatal(panic_and_block, deadlock);
}

/* F13: some blocked for ever are no deadlock while others run. */
static void
F13_partial_deadlock(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(block, c);
    bl_sleep(30 * BL_MILLISECOND);
    chan_close(c);
    wait_until_alone();
    chan_free(c);
}

static void *
send_later(void *c)
{
    usleep(50000);
    bl_send((chan_of(int))c, 1);
    return NULL;
}

/* F16: what is not a goroutine may still wake one. */
static void
F16_threads_keep_hope(void)
{
    chan_of(int) c = chan_make(int, 0);
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, send_later, c) == 0);
    CHECK_EQ(bl_recv(c), 1);
    pthread_join(thread, NULL);
    chan_free(c);
}

/* --- looking ------------------------------------------------------------------ */

static void
hold(chan_of(int) c, bl_mutex *m)
{
    returns_nothing {
        defer_call(bl_mutex_unlock, m);
        bl_recv(c);
    }
}

static void
O17_O20_stacks_tell_states_and_creators(void)
{
    static char text[20000];
    chan_of(int) c = chan_make(int, 0);
    bl_mutex m = {0};
    uint64_t id;

    bl_mutex_lock(&m);
    go(hold, c, &m);
    settle();
    CHECK(bl_stack_all(text, sizeof text) > 0);
    CHECK(strncmp(text, "goroutine 1 [running]:\n", 23) == 0);
    CHECK(strstr(text, " [chan receive]:\n"));
    CHECK(strstr(text, "pending defer in hold: bl_mutex_unlock(...)\n"));
    CHECK(strstr(text, "created by O17_O20_stacks_tell_states_and_creators in "
                       "goroutine 1\n\t"));
    id = strtoull(strstr(text, "\n\ngoroutine ") + 12, NULL, 10);
    CHECK(bl_stack_of(id, text, sizeof text) > 0);
    CHECK(strstr(text, "hold(...)"));
    CHECK_EQ(bl_stack_of(UINT64_MAX, text, sizeof text), 0);
    chan_close(c);
    wait_until_alone();
    CHECK(bl_mutex_try_lock(&m));
    chan_free(c);
}

static _Atomic bool enough;

static void
nothing(int *unused)
{
    (void)unused;
}

static void
hand_on_from(int depth, chan_of(int) in, chan_of(int) out)
{
    returns_nothing {
        int got = depth;

        defer_call(nothing, &got);
        if (depth > 0)
            hand_on_from(depth - 1, in, out);
        else if ((got = bl_recv(in)) != 0)
            bl_send(out, got);
    }
}

/* Each time from another depth. */
static void
hand_on(chan_of(int) in, chan_of(int) out)
{
    for (int i = 0; !enough; i++)
        hand_on_from(i % 7, in, out);
}

/* They go on running while their stacks are read: by two at a time, who may meet. */
static void
read_stacks(char *text, size_t size, bl_waitgroup *wg)
{
    while (!enough) {
        bl_stack_all(text, size);
        CHECK(strncmp(text, "goroutine ", 10) == 0);
    }
    bl_waitgroup_done(wg);
}

static void
O17_stacks_of_goroutines_that_run(void)
{
    enum { RING = 12 };
    static char text[2][100000];
    chan_of(int) c[RING];
    bl_waitgroup wg = {0};

    for (int i = 0; i < RING; i++)
        c[i] = chan_make(int, RING);
    for (int i = 0; i < RING; i++)
        go(hand_on, c[i], c[(i + 1) % RING]);
    for (int i = 0; i < RING; i += 3)
        bl_send(c[i], 1);
    bl_waitgroup_add(&wg, 2);
    go(read_stacks, text[0], sizeof text[0], &wg);
    go(read_stacks, text[1], sizeof text[1], &wg);
    bl_sleep(2 * BL_SECOND);
    enough = true;
    bl_waitgroup_wait(&wg);
    for (int i = 0; i < RING; i++)
        bl_send(c[i], 0);
    wait_until_alone();
    for (int i = 0; i < RING; i++)
        chan_free(c[i]);
}

static void
select_nil(void)
{
    chan_of(int) nil = NULL;

    bl_select(on_recv(nil, NULL));
}

static void
O21_select_of_nil_channels(void)
{
    check_fatal(select_nil, "fatal error: all goroutines are asleep - deadlock!\n\n"
                            "goroutine 1 [select]:\n");
}

static void
quit(void)
{
    chan_of(int) c = chan_make(int, 0);

    go(block, c);
    settle();
    kill(getpid(), SIGQUIT);
    bl_sleep(10 * BL_SECOND);
}

static void
O28_quit_lists_all(void)
{
    check_fatal(quit, "SIGQUIT: quit\n\ngoroutine ");
}

static void
loop_until_told(chan_of(int) started)
{
    bl_send(started, 1);
    while (!stop)
        ;
}

static void
unlock_unlocked(void)
{
    chan_of(int) c = chan_make(int, 0);
    bl_mutex m = {0};

    stop = false;
    go(block, c);
    go(loop_until_told, c);
    settle();
    bl_mutex_unlock(&m);
}

/* A user's mistake lists every goroutine, but none of Belay's helpers; whoever runs
 * meanwhile can't be looked at. */
static void
O22_O26_O31_mistakes_list_all(void)
{
    int old = bl_gomaxprocs(2), n = 0;

    check_fatal(unlock_unlocked, "fatal error: sync: unlock of unlocked mutex\n\n"
                                 "goroutine 1 [running]:\n");
    CHECK(strstr(fatal_text, "\tgoroutine running on other thread; stack unavailable"));
    for (const char *at = fatal_text; (at = strstr(at, "\ngoroutine ")); at++)
        n++;
    CHECK(n >= 2 && n <= 3); /* one of the two has received what the other sent */
    bl_gomaxprocs(old);
}

/* --- what is not possible ------------------------------------------------------ */

static void
go_huge(void)
{
    bl_go_with(((bl_go_options){.stack_bytes = (size_t)2 << 30}), leave_main_alone);
}

static void
absurd_stacks(void)
{
    chan_of(int) done = chan_make(int, 1);

    CHECK_EQ(bl_try_go_with(((bl_go_options){.stack_bytes = SIZE_MAX}), quit), -EINVAL);
    CHECK_STR(panic_of(go_huge),
              "belay: go: a stack of 2147483648 bytes is more than 1 GiB");
    CHECK_EQ(bl_try_go_with(((bl_go_options){.stack_bytes = 1}), leave_early, done), 0);
    bl_recv(done);
    wait_until_alone();
    chan_free(done);
}

static void
go_one(void)
{
    bl_go_with(((bl_go_options){.stack_bytes = 1 << 30}), leave_main_alone);
}

/* In a child: the limit can't be lifted again. */
static void
run_out_of_memory(void)
{
    struct rlimit limit = {(rlim_t)512 << 20, (rlim_t)512 << 20};
    int64_t before = bl_num_goroutine();

    setrlimit(RLIMIT_AS, &limit);
    if (bl_try_go_with(((bl_go_options){.stack_bytes = 1 << 30}), go_one) != -ENOMEM ||
        strcmp(panic_of(go_one), "belay: go: out of memory for a goroutine's stack") ||
        bl_num_goroutine() != before)
        _exit(3);
    panic("as it should be");
}

static void
spawning_without_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    check_fatal(run_out_of_memory, "panic: as it should be\n");
#else
    (void)run_out_of_memory;
#endif
}

int
main(void)
{
    RUN(arguments_are_copied);
    RUN(G23_the_count_drops_after_goexit);
    RUN(G21_goexit_in_once);
    RUN(ids_names_and_errno);
    RUN(errno_goes_with_the_goroutine);
    RUN(locked_goroutines_keep_their_thread);
    RUN(locked_goroutines_take_their_thread_along);
    RUN(a_locked_main_may_leave);
    RUN(maxprocs_may_change);
    RUN(the_queue_for_all_has_its_share);
    RUN(threads_have_room_for_thread_locals);
    RUN(any_C_code_may_block);
    RUN(P24_panic_in_a_timers_function);
    RUN(F9_faults_and_overflows_in_goroutines);
    RUN(F10_go_of_nothing);
    RUN(F11_F12_deadlocks_are_found);
    RUN(F13_partial_deadlock);
    RUN(F16_threads_keep_hope);
    RUN(F17_deadlock_in_deferred_code);
    RUN(F18_locked_ones_too);
    RUN(G19_main_has_left);
    RUN(O17_O20_stacks_tell_states_and_creators);
    RUN(O17_stacks_of_goroutines_that_run);
    RUN(O21_select_of_nil_channels);
    RUN(O28_quit_lists_all);
    RUN(O22_O26_O31_mistakes_list_all);
    RUN(absurd_stacks);
    RUN(spawning_without_memory);
    return 0;
}
