/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* conformance/sync_test.c - Go's sync: catalogue area Y, and the fatal errors and
 * deadlocks that come with it. */
#include "concurrent.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static const char deadlock[] =
    "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [";

/* --- mutex ----------------------------------------------------------------- */

static bl_mutex mutex;
static long counter;

static void
count_up(int n, bl_waitgroup *wg)
{
    for (int i = 0; i < n; i++) {
        bl_mutex_lock(&mutex);
        counter++;
        if (i % 64 == 0)
            gosched(); /* with the mutex locked: others have to wait */
        bl_mutex_unlock(&mutex);
    }
    bl_waitgroup_done(wg);
}

static void
Y1_lock_excludes(void)
{
    bl_waitgroup wg = {0};

    counter = 0;
    for (int i = 0; i < 20; i++) {
        bl_waitgroup_add(&wg, 1);
        go(count_up, 500, &wg);
    }
    bl_waitgroup_wait(&wg);
    CHECK_EQ(counter, 20 * 500);
    CHECK(bl_mutex_try_lock(&mutex));
    CHECK(!bl_mutex_try_lock(&mutex));
    bl_mutex_unlock(&mutex);
}

static void *
count_in_thread(void *wg)
{
    count_up(2000, wg);
    return NULL;
}

static void
Y1_plain_threads_lock_too(void)
{
    bl_waitgroup wg = {0};
    pthread_t thread[4];

    counter = 0;
    bl_waitgroup_add(&wg, 8);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, count_in_thread, &wg) == 0);
    for (int i = 0; i < 4; i++)
        go(count_up, 2000, &wg);
    bl_waitgroup_wait(&wg);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK_EQ(counter, 8 * 2000);
}

static void
unlock_mutex(bl_mutex *m)
{
    bl_mutex_unlock(m);
}

static void
Y2_anybody_may_unlock(void)
{
    bl_mutex m = {0};

    bl_mutex_lock(&m);
    go(unlock_mutex, &m);
    bl_mutex_lock(&m); /* waits for the other one */
    bl_mutex_unlock(&m);
}

static void
lock_twice(void)
{
    bl_mutex m = {0};

    bl_mutex_lock(&m);
    bl_mutex_lock(&m);
}

static void
Y2_locking_twice_blocks(void)
{
    check_fatal(lock_twice, deadlock);
}

static bl_mutex order_mutex;

static void
lock_and_note(int i, bl_waitgroup *wg)
{
    bl_mutex_lock(&order_mutex);
    NOTE_INT(i);
    bl_mutex_unlock(&order_mutex);
    bl_waitgroup_done(wg);
}

/* Counted is not in the queue yet where every entry yields: it gets time to go there. */
static void
wait_for_waiters(unsigned n)
{
    while (__atomic_load_n(&order_mutex.state, __ATOMIC_SEQ_CST) >> 32 < n)
        gosched();
    for (int i = 0; i < 3; i++)
        bl_sleep(BL_MILLISECOND);
}

/* In the order of arrival, as long as nobody overtakes: one P. */
static void
Y3_waiters_queue(void)
{
    int procs = bl_gomaxprocs(1);
    bl_waitgroup wg = {0};

    bl_mutex_lock(&order_mutex);
    for (int i = 0; i < 5; i++) {
        bl_waitgroup_add(&wg, 1);
        go(lock_and_note, i, &wg);
        wait_for_waiters((unsigned)i + 1);
    }
    bl_mutex_unlock(&order_mutex);
    bl_waitgroup_wait(&wg);
    CHECK_TRACE("0 1 2 3 4");
    bl_gomaxprocs(procs);
}

static _Atomic bool stop;

static void
hog(bl_mutex *m, bl_waitgroup *wg)
{
    while (!stop) {
        int64_t until = bl_now() + 200 * BL_MICROSECOND;

        bl_mutex_lock(m);
        while (bl_now() < until)
            ;
        bl_mutex_unlock(m);
    }
    bl_waitgroup_done(wg);
}

/* A goroutine that locks again at once would always win against one that has to be
 * woken. */
static void
Y4_Y5_nobody_starves(void)
{
    bl_mutex m = {0};
    bl_waitgroup wg = {0};

    stop = false;
    bl_waitgroup_add(&wg, 2);
    go(hog, &m, &wg);
    go(hog, &m, &wg);
    for (int i = 0; i < 20; i++) {
        bl_sleep(100 * BL_MICROSECOND);
        bl_mutex_lock(&m);
        bl_mutex_unlock(&m);
    }
    stop = true;
    bl_waitgroup_wait(&wg);
    CHECK_EQ(m.state, 0);
}

/* Two race for it, once, and may be the first ones that ever wait: the owner unlocks by
 * a plain store that must not be missed. */
static struct {
    bl_mutex mutex;
    _Atomic int ready;
    int sum;
} fresh[1000];

static void
race_for_all(void)
{
    for (int i = 0; i < 1000; i++) {
        fresh[i].ready++;
        for (int j = 0; j < 2000 && fresh[i].ready < 2; j++)
            ;
        for (int j = 0; j < 3; j++) {
            bl_mutex_lock(&fresh[i].mutex);
            fresh[i].sum++;
            bl_mutex_unlock(&fresh[i].mutex);
        }
    }
}

static void
race(bl_waitgroup *wg)
{
    race_for_all();
    bl_waitgroup_done(wg);
}

static void
Y1_the_first_to_wait_is_woken(void)
{
    for (int round = 0; round < 20; round++) {
        bl_waitgroup wg = {0};

        memset(fresh, 0, sizeof fresh);
        bl_waitgroup_add(&wg, 1);
        go(race, &wg);
        race_for_all();
        bl_waitgroup_wait(&wg);
        for (int i = 0; i < 1000; i++)
            CHECK_EQ(fresh[i].sum, 6);
    }
}

/* --- rwmutex ---------------------------------------------------------------- */

static bl_rwmutex rw;
static _Atomic int readers, writers;

static void
read_often(bl_waitgroup *wg)
{
    for (int i = 0; i < 200; i++) {
        bl_rwmutex_rlock(&rw);
        readers++;
        CHECK_EQ(writers, 0);
        gosched();
        readers--;
        bl_rwmutex_runlock(&rw);
    }
    bl_waitgroup_done(wg);
}

static void
write_often(bl_waitgroup *wg)
{
    for (int i = 0; i < 100; i++) {
        bl_rwmutex_lock(&rw);
        CHECK_EQ(writers++, 0);
        CHECK_EQ(readers, 0);
        gosched();
        writers--;
        bl_rwmutex_unlock(&rw);
        gosched();
    }
    bl_waitgroup_done(wg);
}

static void
Y6_many_readers_or_one_writer(void)
{
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 12);
    for (int i = 0; i < 8; i++)
        go(read_often, &wg);
    for (int i = 0; i < 4; i++)
        go(write_often, &wg);
    bl_waitgroup_wait(&wg);
    bl_rwmutex_rlock(&rw);
    CHECK(bl_rwmutex_try_rlock(&rw));
    CHECK(!bl_rwmutex_try_lock(&rw));
    bl_rwmutex_runlock(&rw);
    bl_rwmutex_runlock(&rw);
    CHECK(bl_rwmutex_try_lock(&rw));
    CHECK(!bl_rwmutex_try_rlock(&rw));
    bl_rwmutex_unlock(&rw);
}

static void
write_once(chan_of(int) done)
{
    bl_rwmutex_lock(&rw);
    bl_send(done, 1);
    bl_rwmutex_unlock(&rw);
}

static void
read_once(chan_of(int) done)
{
    bl_rwmutex_rlock(&rw);
    bl_send(done, 2);
    bl_rwmutex_runlock(&rw);
}

static void
Y7_Y8_a_waiting_writer_keeps_readers_out(void)
{
    chan_of(int) done = chan_make(int, 4);

    bl_rwmutex_rlock(&rw);
    go(write_once, done);
    while (bl_rwmutex_try_rlock(&rw)) { /* until the writer waits */
        bl_rwmutex_runlock(&rw);
        gosched();
    }
    go(read_once, done);
    go(read_once, done);
    gosched();
    CHECK_EQ(chan_len(done), 0);
    bl_rwmutex_runlock(&rw);
    CHECK_EQ(bl_recv(done), 1); /* the writer first, then the readers */
    CHECK_EQ(bl_recv(done), 2);
    CHECK_EQ(bl_recv(done), 2);
    bl_rwmutex_lock(&rw);
    bl_rwmutex_unlock(&rw);
    chan_free(done);
}

static void
wait_to_write(void)
{
    bl_rwmutex_lock(&rw);
}

static void
read_twice(void)
{
    bl_rwmutex_rlock(&rw);
    go(wait_to_write);
    while (bl_rwmutex_try_rlock(&rw)) {
        bl_rwmutex_runlock(&rw);
        gosched();
    }
    bl_rwmutex_rlock(&rw);
}

static void
Y9_recursive_read_locking_deadlocks(void)
{
    check_fatal(read_twice, deadlock);
}

/* --- misuse ------------------------------------------------------------------ */

static void
unlock_unlocked(void)
{
    bl_mutex m = {0};

    bl_mutex_unlock(&m);
}

static void
unlock_unlocked_rw(void)
{
    bl_rwmutex m = {0};

    bl_rwmutex_unlock(&m);
}

static void
runlock_unlocked(void)
{
    bl_rwmutex m = {0};

    bl_rwmutex_runlock(&m);
}

static void
runlock_written(void)
{
    bl_rwmutex m = {0};

    bl_rwmutex_lock(&m);
    bl_rwmutex_runlock(&m);
}

static void
F6_F7_unlocking_what_is_not_locked(void)
{
    check_fatal(unlock_unlocked, "fatal error: sync: unlock of unlocked mutex\n");
    check_fatal(unlock_unlocked_rw, "fatal error: sync: Unlock of unlocked RWMutex\n");
    check_fatal(runlock_unlocked, "fatal error: sync: RUnlock of unlocked RWMutex\n");
    check_fatal(runlock_written, "fatal error: sync: RUnlock of unlocked RWMutex\n");
}

/* --- wait group --------------------------------------------------------------- */

static void
wait_and_note(bl_waitgroup *wg, bl_waitgroup *out)
{
    bl_waitgroup_wait(wg);
    bl_waitgroup_done(out);
}

static void
Y11_wait_ends_at_zero(void)
{
    bl_waitgroup wg = {0}, out = {0};

    bl_waitgroup_wait(&wg); /* at once */
    bl_waitgroup_add(&wg, 2);
    bl_waitgroup_add(&out, 10);
    for (int i = 0; i < 10; i++)
        go(wait_and_note, &wg, &out);
    bl_waitgroup_done(&wg);
    for (int i = 0; i < 20; i++)
        gosched();
    CHECK_EQ(out.state >> 32, 10);
    bl_waitgroup_done(&wg);
    bl_waitgroup_wait(&out);
}

static void
below_zero(void)
{
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 1);
    bl_waitgroup_done(&wg);
    bl_waitgroup_done(&wg);
}

static void
Y12_negative_counter(void)
{
    CHECK_STR(panic_of(below_zero), "sync: negative WaitGroup counter");
}

static void
Y14_reuse(void)
{
    bl_waitgroup wg = {0};

    for (int i = 0; i < 200; i++) {
        bl_waitgroup_go(&wg, (void (*)(void *))gosched, NULL);
        bl_waitgroup_go(&wg, (void (*)(void *))gosched, NULL);
        bl_waitgroup_wait(&wg);
    }
    CHECK_EQ(wg.state, 0);
}

static void
end_goroutine(void *unused)
{
    (void)unused;
    goexit();
}

static void
V8_waitgroup_go_counts_goexit(void)
{
    bl_waitgroup wg = {0};

    bl_waitgroup_go(&wg, end_goroutine, NULL);
    bl_waitgroup_wait(&wg);
}

/* --- once ---------------------------------------------------------------------- */

static void
count_once(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++)
        gosched();
    counter++;
}

static void
do_once(bl_once *once, bl_waitgroup *wg)
{
    bl_once_do(once, count_once, NULL);
    CHECK_EQ(counter, 1); /* it has ended, for all of them */
    bl_waitgroup_done(wg);
}

static void
Y15_once_runs_once(void)
{
    bl_once once = {0};
    bl_waitgroup wg = {0};

    counter = 0;
    bl_waitgroup_add(&wg, 10);
    for (int i = 0; i < 10; i++)
        go(do_once, &once, &wg);
    bl_waitgroup_wait(&wg);
    CHECK_EQ(counter, 1);
}

static bl_once panicking_once;

static void
fail(void *unused)
{
    (void)unused;
    counter++;
    panic("failed");
}

static void
do_panicking(void)
{
    bl_once_do(&panicking_once, fail, NULL);
}

static void
Y16_a_panic_is_done_too(void)
{
    counter = 0;
    CHECK_STR(panic_of(do_panicking), "failed");
    CHECK_STR(panic_of(do_panicking), "");
    CHECK_EQ(counter, 1);
}

static void
do_itself(void *once)
{
    bl_once_do(once, do_itself, once);
}

static void
once_in_once(void)
{
    bl_once once = {0};

    do_itself(&once);
}

static void
Y17_once_in_itself_deadlocks(void)
{
    check_fatal(once_in_once, deadlock);
}

static bl_once_func once_func;

static void
call_once_func(void)
{
    bl_once_func_call(&once_func);
}

static void
Y18_Y19_every_call_panics(void)
{
    counter = 0;
    once_func = (bl_once_func){.f = fail};
    for (int i = 0; i < 3; i++)
        CHECK_STR(panic_of(call_once_func), "failed");
    CHECK_EQ(counter, 1);
    bl_panic_free(once_func.panicked);
    counter = 0;
    once_func = (bl_once_func){.f = count_once};
    for (int i = 0; i < 3; i++)
        CHECK_STR(panic_of(call_once_func), "");
    CHECK_EQ(counter, 1);
}

static void
call_in_goroutine(bl_waitgroup *wg)
{
    returns_nothing {
        defer_call(bl_waitgroup_done, wg);
        bl_once_func_call(&once_func);
    }
}

static void
Y20_goexit_in_once_func(void)
{
    bl_waitgroup wg = {0};

    once_func = (bl_once_func){.f = end_goroutine};
    bl_waitgroup_add(&wg, 1);
    go(call_in_goroutine, &wg);
    bl_waitgroup_wait(&wg);
    CHECK_STR(panic_of(call_once_func),
              "panic called with nil argument");
}

/* --- cond ---------------------------------------------------------------------- */

static bl_cond cond;
static bl_mutex cond_mutex;
static int waiting, awake;

static void
wait_for_signal(int i, bl_waitgroup *wg)
{
    bl_mutex_lock(&cond_mutex);
    waiting++;
    bl_cond_wait(&cond, &cond_mutex);
    awake++;
    NOTE_INT(i);
    bl_mutex_unlock(&cond_mutex);
    bl_waitgroup_done(wg);
}

static void
start_waiters(int n, bl_waitgroup *wg)
{
    waiting = awake = 0;
    for (int i = 0; i < n; i++) {
        bl_waitgroup_add(wg, 1);
        go(wait_for_signal, i, wg);
        for (bool in = false; !in; gosched()) {
            bl_mutex_lock(&cond_mutex);
            in = waiting == i + 1;
            bl_mutex_unlock(&cond_mutex);
        }
    }
}

static int
count_awake(void)
{
    int n;

    bl_mutex_lock(&cond_mutex);
    n = awake;
    bl_mutex_unlock(&cond_mutex);
    return n;
}

static void
Y21_Y22_signal_wakes_the_longest_waiting(void)
{
    bl_waitgroup wg = {0};

    bl_cond_signal(&cond); /* nobody there */
    bl_cond_broadcast(&cond);
    start_waiters(4, &wg);
    for (int i = 1; i <= 4; i++) {
        for (int k = 0; k < 10; k++)
            gosched();
        CHECK_EQ(count_awake(), i - 1); /* nobody wakes for nothing */
        bl_cond_signal(&cond);
        while (count_awake() < i)
            gosched();
    }
    bl_waitgroup_wait(&wg);
    CHECK_TRACE("0 1 2 3");
}

static void
Y22_Y23_broadcast_wakes_all(void)
{
    bl_waitgroup wg = {0};

    start_waiters(10, &wg);
    bl_mutex_lock(&cond_mutex);
    bl_cond_broadcast(&cond);
    bl_mutex_unlock(&cond_mutex);
    bl_waitgroup_wait(&wg);
    CHECK_EQ(awake, 10);
    check_length = 0;
}

static void
use_copy(void)
{
    bl_cond copy = cond;

    bl_cond_signal(&copy);
}

static void
Y24_copies_are_found(void)
{
    bl_cond_signal(&cond);
    CHECK_STR(panic_of(use_copy), "sync.Cond is copied");
}

/* --- pool ---------------------------------------------------------------------- */

static _Atomic int made, destroyed;
static bl_pool pool;

static void *
make_item(void)
{
    made++;
    return malloc(8);
}

static void
destroy_item(void *item)
{
    destroyed++;
    free(item);
}

static void
Y25_Y27_pool_order(void)
{
    int items[3], procs = bl_gomaxprocs(1);
    bl_pool p = {0};

    CHECK(!bl_pool_get(&p));
    bl_pool_put(&p, NULL);
    CHECK(!bl_pool_get(&p));
    bl_pool_put(&p, &items[0]); /* private */
    bl_pool_put(&p, &items[1]);
    bl_pool_put(&p, &items[2]);
    CHECK(bl_pool_get(&p) == &items[0]);
    CHECK(bl_pool_get(&p) == &items[2]); /* then the newest */
    CHECK(bl_pool_get(&p) == &items[1]);
    CHECK(!bl_pool_get(&p));
    bl_pool_clear(&p);
    bl_gomaxprocs(procs);
}

static void
Y26_Y28_items_age(void)
{
    void *item[5];

    pool = (bl_pool){.make = make_item, .destroy = destroy_item};
    made = destroyed = 0;
    for (int i = 0; i < 5; i++)
        item[i] = bl_pool_get(&pool);
    CHECK_EQ(made, 5);
    for (int i = 0; i < 5; i++)
        bl_pool_put(&pool, item[i]);
    bl_pool_age(&pool);
    CHECK_EQ(destroyed, 0);
    for (int i = 0; i < 2; i++)
        item[i] = bl_pool_get(&pool);
    CHECK_EQ(made, 5); /* they have survived */
    bl_pool_age(&pool);
    CHECK(destroyed >= 2);
    bl_pool_put(&pool, item[0]);
    bl_pool_put(&pool, item[1]);
    bl_pool_clear(&pool);
    CHECK_EQ(destroyed, 5);
}

static void
use_pool(bl_waitgroup *wg)
{
    for (int i = 0; i < 2000; i++) {
        long *item = bl_pool_get(&pool);

        *item = i;
        if (i % 32 == 0)
            gosched();
        CHECK_EQ(*item, i); /* nobody else has it */
        bl_pool_put(&pool, item);
    }
    bl_waitgroup_done(wg);
}

static void
Y25_items_have_one_owner(void)
{
    bl_waitgroup wg = {0};

    pool = (bl_pool){.make = make_item, .destroy = destroy_item};
    for (int i = 0; i < 8; i++) {
        bl_waitgroup_add(&wg, 1);
        go(use_pool, &wg);
    }
    bl_waitgroup_wait(&wg);
    bl_pool_clear(&pool);
}

/* --- panics ---------------------------------------------------------------------- */

static bl_mutex left_locked;

static void
panic_without_unlock(void)
{
    bl_mutex_lock(&left_locked);
    panic("here");
}

static void
panic_with_unlock(void)
{
    returns_nothing {
        bl_mutex_lock(&mutex);
        defer_call(bl_mutex_unlock, &mutex);
        panic("there");
    }
}

static void
Y29_only_a_defer_unlocks(void)
{
    CHECK_STR(panic_of(panic_without_unlock), "here");
    CHECK(!bl_mutex_try_lock(&left_locked));
    CHECK_STR(panic_of(panic_with_unlock), "there");
    CHECK(bl_mutex_try_lock(&mutex));
    bl_mutex_unlock(&mutex);
}

/* --- semaphore, error group, single flight ----------------------------------------- */

static bl_semaphore semaphore = {.size = 3};
static _Atomic int inside, most;

static void
use_semaphore(int n, bl_waitgroup *wg)
{
    for (int i = 0; i < 100; i++) {
        bl_semaphore_acquire(&semaphore, n);
        inside += n;
        if (inside > most)
            most = (int)inside;
        gosched();
        inside -= n;
        bl_semaphore_release(&semaphore, n);
    }
    bl_waitgroup_done(wg);
}

static void
release_too_much(void)
{
    bl_semaphore_release(&semaphore, 1);
}

static void
Y30_semaphore(void)
{
    bl_waitgroup wg = {0};

    for (int i = 0; i < 9; i++) {
        bl_waitgroup_add(&wg, 1);
        go(use_semaphore, 1 + i % 3, &wg);
    }
    bl_waitgroup_wait(&wg);
    CHECK(most <= 3);
    CHECK(bl_semaphore_try_acquire(&semaphore, 3));
    CHECK(!bl_semaphore_try_acquire(&semaphore, 1));
    CHECK(bl_semaphore_acquire_until(&semaphore, 1, bl_now() + BL_MILLISECOND) < 0);
    bl_semaphore_release(&semaphore, 3);
    CHECK_STR(panic_of(release_too_much), "semaphore: released more than held");
}

/* --- with a deadline ------------------------------------------------------------- */

static _Atomic long late;

/* Waits that mostly end before they have what they want, among others that do not:
 * nothing may be lost. */
static void
lock_in_time(int n, bl_waitgroup *wg)
{
    for (int i = 0; i < n; i++) {
        if (bl_mutex_lock_until(&mutex, bl_now() + i % 7 * 20 * BL_MICROSECOND)) {
            late++;
            continue;
        }
        counter++;
        if (i % 16 == 0)
            bl_sleep(30 * BL_MICROSECOND);
        counter++;
        bl_mutex_unlock(&mutex);
    }
    bl_waitgroup_done(wg);
}

static void *
lock_in_time_in_thread(void *wg)
{
    lock_in_time(500, wg);
    return NULL;
}

static void
mutexes_with_a_deadline(void)
{
    bl_waitgroup wg = {0};
    pthread_t thread;

    counter = 0;
    late = 0;
    for (int i = 0; i < 8; i++) {
        bl_waitgroup_add(&wg, 1);
        go(lock_in_time, 500, &wg);
    }
    bl_waitgroup_add(&wg, 2);
    go(count_up, 1000, &wg);
    CHECK_EQ(pthread_create(&thread, NULL, lock_in_time_in_thread, &wg), 0);
    bl_waitgroup_wait(&wg);
    pthread_join(thread, NULL);
    CHECK_EQ(counter, 2 * (9 * 500 - late) + 1000);
    CHECK(late > 0);
    CHECK(bl_mutex_try_lock(&mutex));
    CHECK_EQ(bl_mutex_lock_until(&mutex, bl_now() + BL_MILLISECOND), -ETIMEDOUT);
    CHECK_EQ(bl_mutex_lock_until(&mutex, 0), -ETIMEDOUT);
    bl_mutex_unlock(&mutex);
    CHECK(mutex.state == 0 && !mutex.sema.first && mutex.sema.count == 0);
}

static void
done_later(bl_waitgroup *wg)
{
    bl_sleep(100 * BL_MICROSECOND);
    bl_waitgroup_done(wg);
}

static void
wait_in_time(bl_waitgroup *wg, bl_waitgroup *all)
{
    if (bl_waitgroup_wait_until(wg, bl_now() + 100 * BL_MICROSECOND))
        late++;
    bl_waitgroup_done(all);
}

static void
waitgroups_with_a_deadline(void)
{
    bl_waitgroup wg = {0};

    bl_waitgroup_add(&wg, 1);
    CHECK_EQ(bl_waitgroup_wait_until(&wg, bl_now() + BL_MILLISECOND), -ETIMEDOUT);
    bl_waitgroup_done(&wg);
    CHECK_EQ(bl_waitgroup_wait_until(&wg, 0), 0);
    for (int i = 0; i < 200; i++) {
        bl_waitgroup all = {0};

        bl_waitgroup_add(&wg, 1);
        bl_waitgroup_add(&all, 4);
        for (int j = 0; j < 4; j++)
            go(wait_in_time, &wg, &all);
        go(done_later, &wg);
        bl_waitgroup_wait(&all);
        bl_waitgroup_wait(&wg);
        CHECK(wg.state == 0 && wg.sema.count == 0 && !wg.sema.first);
    }
}

static void
signal_later(bl_cond *c)
{
    bl_sleep(100 * BL_MICROSECOND);
    bl_cond_signal(c);
}

static void
conds_with_a_deadline(void)
{
    static bl_cond c; /* the last ones signal when we are gone */
    int got = 0;

    bl_mutex_lock(&mutex);
    CHECK_EQ(bl_cond_wait_until(&c, &mutex, bl_now() + BL_MILLISECOND), -ETIMEDOUT);
    CHECK(!bl_mutex_try_lock(&mutex));
    CHECK(c.first == NULL);
    for (int i = 0; i < 200; i++) {
        go(signal_later, &c);
        got += bl_cond_wait_until(&c, &mutex, bl_now() + 100 * BL_MICROSECOND) == 0;
    }
    go(signal_later, &c);
    CHECK_EQ(bl_cond_wait_until(&c, &mutex, bl_now() + 10 * BL_SECOND), 0);
    bl_mutex_unlock(&mutex);
    CHECK(c.first == NULL);
    printf("# %d of 200 signals in time\n", got);
}

static int
member(void *arg)
{
    int n = (int)(intptr_t)arg;

    gosched();
    return n == 3 ? -7 : 0;
}

static int
panicking_member(void *arg)
{
    (void)arg;
    panic("in a member");
}

static void
wait_for_panicking(void)
{
    bl_errgroup eg = {0};

    bl_errgroup_go(&eg, panicking_member, NULL);
    bl_errgroup_wait(&eg);
}

static void
error_groups(void)
{
    bl_errgroup eg = {.limit = 2};

    for (intptr_t i = 0; i < 10; i++)
        bl_errgroup_go(&eg, member, (void *)i);
    CHECK_EQ(bl_errgroup_wait(&eg), -7);
    CHECK_STR(panic_of(wait_for_panicking), "in a member");
}

static _Atomic int flights_flown;

static void *
fly(void *arg)
{
    flights_flown++;
    bl_sleep(20 * BL_MILLISECOND); /* the others come meanwhile */
    return arg;
}

static void
take_flight(bl_flights *fs, _Atomic int *shared, bl_waitgroup *wg)
{
    bool was_shared;

    CHECK(bl_flights_do(fs, "key", fly, fs, &was_shared) == fs);
    *shared += was_shared;
    bl_waitgroup_done(wg);
}

static void
single_flights(void)
{
    bl_flights fs = {0};
    bl_waitgroup wg = {0};
    _Atomic int shared = 0;

    for (int i = 0; i < 10; i++) {
        bl_waitgroup_add(&wg, 1);
        go(take_flight, &fs, &shared, &wg);
    }
    bl_waitgroup_wait(&wg);
    CHECK(flights_flown >= 1 && flights_flown < 10);
    CHECK(shared >= 2);
    CHECK(!fs.first);
}

int
main(void)
{
    RUN(Y1_lock_excludes);
    RUN(Y1_plain_threads_lock_too);
    RUN(Y2_anybody_may_unlock);
    RUN(Y2_locking_twice_blocks);
    RUN(Y3_waiters_queue);
    RUN(Y4_Y5_nobody_starves);
    RUN(Y1_the_first_to_wait_is_woken);
    RUN(Y6_many_readers_or_one_writer);
    RUN(Y7_Y8_a_waiting_writer_keeps_readers_out);
    RUN(Y9_recursive_read_locking_deadlocks);
    RUN(F6_F7_unlocking_what_is_not_locked);
    RUN(Y11_wait_ends_at_zero);
    RUN(Y12_negative_counter);
    RUN(Y14_reuse);
    RUN(V8_waitgroup_go_counts_goexit);
    RUN(Y15_once_runs_once);
    RUN(Y16_a_panic_is_done_too);
    RUN(Y17_once_in_itself_deadlocks);
    RUN(Y18_Y19_every_call_panics);
    RUN(Y20_goexit_in_once_func);
    RUN(Y21_Y22_signal_wakes_the_longest_waiting);
    RUN(Y22_Y23_broadcast_wakes_all);
    RUN(Y24_copies_are_found);
    RUN(Y25_Y27_pool_order);
    RUN(Y26_Y28_items_age);
    RUN(Y25_items_have_one_owner);
    RUN(Y29_only_a_defer_unlocks);
    RUN(Y30_semaphore);
    RUN(mutexes_with_a_deadline);
    RUN(waitgroups_with_a_deadline);
    RUN(conds_with_a_deadline);
    RUN(error_groups);
    RUN(single_flights);
    return 0;
}
