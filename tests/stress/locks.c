/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/locks.c - belay/sync.h: exclusion, exact counts, nobody waits for ever.
 *
 * A round is a few scenes at the same time, each with its own objects and its own
 * crowd.  A lost wake-up or a starved waiter is a scene that does not end. */
#include "stress.h"

enum { CROWD = 24, OPS = 60, SCENES_AT_ONCE = 4 };

static _Atomic uint64_t total;

/* --- crowds --------------------------------------------------------------- */

/* n goroutines of f(scene), which end before wait_for(crowd) returns. */
struct crowd {
    bl_waitgroup *wg; /* in memory of its own, see wait_for */
    void (*f)(void *scene, struct stress_random *r);
    void *scene;
};

static void
be_one_of(struct crowd crowd, struct stress_random r)
{
    crowd.f(crowd.scene, &r);
    total++;
    bl_waitgroup_done(crowd.wg);
}

static struct crowd
start_crowd(int n, void (*f)(void *scene, struct stress_random *r), void *scene,
            struct stress_random *r)
{
    struct crowd crowd = {stress_make(1, sizeof(bl_waitgroup)), f, scene};

    bl_waitgroup_add(crowd.wg, n);
    for (int i = 0; i < n; i++)
        go(be_one_of, crowd, stress_split(r));
    return crowd;
}

/* When the wait has returned nobody may touch the group any more: its memory may be
 * used for something else. */
static void
wait_for(struct crowd crowd)
{
    unsigned char *bytes = (unsigned char *)crowd.wg;

    bl_waitgroup_wait(crowd.wg);
    memset(bytes, 0x5a, sizeof *crowd.wg);
    gosched();
    for (size_t i = 0; i < sizeof *crowd.wg; i++)
        STRESS_COMPARE(bytes[i], ==, 0x5a);
    free(bytes);
}

static int
some(struct stress_random *r)
{
    return stress_between(r, 1, stress_chance(r, 30) ? CROWD : 6);
}

static void
check_panic(const char *want)
{
    const bl_panic_info *info = recover();

    STRESS_CHECK(info && strcmp(info->text, want) == 0);
}

/* --- mutex ---------------------------------------------------------------- */

enum { MUTEXES = 3 };

struct mutexes {
    bl_mutex mutex[MUTEXES];
    long n[MUTEXES];            /* protected by mutex */
    _Atomic long want[MUTEXES];
    _Atomic int patient;        /* who have not had their turns yet */
};

static void
count_up(struct mutexes *s, int i, struct stress_random *r)
{
    long n = s->n[i];

    stress_dawdle(r);
    s->n[i] = n + 1;
    bl_mutex_unlock(&s->mutex[i]);
    s->want[i]++;
}

static void
use_mutexes(void *scene, struct stress_random *r)
{
    struct mutexes *s = scene;

    for (int k = 0; k < OPS; k++) {
        int i = stress_below(r, MUTEXES);

        if (stress_chance(r, 70))
            bl_mutex_lock(&s->mutex[i]);
        else if (!bl_mutex_try_lock(&s->mutex[i]))
            continue;
        count_up(s, i, r);
        stress_dawdle(r);
    }
    s->patient--;
}

/* Never lets go for long: the others get their turns nevertheless. */
static void
hog_mutex(void *scene, struct stress_random *r)
{
    struct mutexes *s = scene;
    int i = stress_below(r, MUTEXES);

    while (s->patient > 0) {
        bl_mutex_lock(&s->mutex[i]);
        stress_spin(10e-6);
        count_up(s, i, r);
    }
}

static void
scene_mutex(struct stress_random *r)
{
    struct mutexes *s = stress_make(1, sizeof *s);
    int n = some(r);
    struct crowd users, hogs;

    s->patient = n;
    users = start_crowd(n, use_mutexes, s, r);
    hogs = start_crowd(stress_below(r, 3), hog_mutex, s, r);
    wait_for(users);
    wait_for(hogs);
    for (int i = 0; i < MUTEXES; i++) {
        STRESS_COMPARE(s->n[i], ==, s->want[i]);
        STRESS_CHECK(bl_mutex_try_lock(&s->mutex[i]));
    }
    free(s);
}

/* --- a mutex in what it protects, freed by the last one -------------------- */

struct counted {
    bl_mutex mutex;
    int owners; /* protected by mutex */
};

static void
use_counted(void *scene, struct stress_random *r)
{
    struct counted *c = scene;
    bool is_last;

    for (int i = stress_below(r, 20); i > 0; i--) {
        bl_mutex_lock(&c->mutex);
        if (stress_chance(r, 10))
            stress_dawdle(r);
        bl_mutex_unlock(&c->mutex);
    }
    bl_mutex_lock(&c->mutex);
    is_last = --c->owners == 0;
    bl_mutex_unlock(&c->mutex);
    if (!is_last)
        return;
    memset(c, 0x5a, sizeof *c);
    gosched();
    for (size_t i = 0; i < sizeof *c; i++)
        STRESS_COMPARE(((unsigned char *)c)[i], ==, 0x5a);
    free(c);
}

static void
scene_counted(struct stress_random *r)
{
    struct counted *c = stress_make(1, sizeof *c);
    int n = some(r);

    c->owners = n;
    wait_for(start_crowd(n, use_counted, c, r));
}

/* --- readers and writers -------------------------------------------------- */

struct shelf {
    bl_rwmutex lock;
    long a, b;                   /* equal, but while somebody writes */
    _Atomic int readers, writers; /* inside */
    _Atomic int busy_writers;    /* who are not done */
    _Atomic long written;
};

static void
write_once(struct shelf *s, struct stress_random *r)
{
    STRESS_COMPARE(s->writers++, ==, 0);
    STRESS_COMPARE(s->readers, ==, 0);
    s->a++;
    stress_dawdle(r);
    s->b++;
    s->written++;
    STRESS_COMPARE(s->readers, ==, 0);
    STRESS_COMPARE(--s->writers, ==, 0);
    bl_rwmutex_unlock(&s->lock);
}

static void
read_once(struct shelf *s, struct stress_random *r)
{
    s->readers++;
    STRESS_COMPARE(s->writers, ==, 0);
    STRESS_COMPARE(s->a, ==, s->b);
    stress_dawdle(r);
    STRESS_COMPARE(s->a, ==, s->b);
    s->readers--;
    bl_rwmutex_runlock(&s->lock);
}

static void
write_shelf(void *scene, struct stress_random *r)
{
    struct shelf *s = scene;

    for (int k = 0; k < OPS / 2; k++) {
        if (stress_chance(r, 80))
            bl_rwmutex_lock(&s->lock);
        else if (!bl_rwmutex_try_lock(&s->lock))
            continue;
        write_once(s, r);
        stress_dawdle(r);
    }
    s->busy_writers--;
}

/* As long as somebody wants to write: readers that come and go never keep them out. */
static void
read_shelf(void *scene, struct stress_random *r)
{
    struct shelf *s = scene;

    do {
        if (stress_chance(r, 80))
            bl_rwmutex_rlock(&s->lock);
        else if (!bl_rwmutex_try_rlock(&s->lock))
            continue;
        read_once(s, r);
    } while (s->busy_writers > 0);
}

static void
scene_rwmutex(struct stress_random *r)
{
    struct shelf *s = stress_make(1, sizeof *s);
    struct crowd readers, writers;

    s->busy_writers = stress_between(r, 1, 4);
    readers = start_crowd(some(r), read_shelf, s, r);
    writers = start_crowd(s->busy_writers, write_shelf, s, r);
    wait_for(writers);
    wait_for(readers);
    STRESS_COMPARE(s->a, ==, s->written);
    STRESS_CHECK(bl_rwmutex_try_lock(&s->lock));
    free(s);
}

/* --- condition variables: a bounded queue --------------------------------- */

struct queue {
    bl_mutex mutex;
    bl_cond not_full, not_empty;
    int n, capacity;             /* protected by mutex, as the rest */
    long to_put, to_take, sum;
};

static void
put(void *scene, struct stress_random *r)
{
    struct queue *q = scene;

    bl_mutex_lock(&q->mutex);
    while (q->to_put > 0) {
        if (q->n == q->capacity) {
            bl_cond_wait(&q->not_full, &q->mutex);
            continue;
        }
        q->sum += q->to_put--;
        q->n++;
        STRESS_COMPARE(q->n, <=, q->capacity);
        bl_cond_signal(&q->not_empty);
        bl_mutex_unlock(&q->mutex);
        stress_dawdle(r);
        bl_mutex_lock(&q->mutex);
    }
    bl_mutex_unlock(&q->mutex);
    bl_cond_broadcast(&q->not_full);
}

static void
take(void *scene, struct stress_random *r)
{
    struct queue *q = scene;

    bl_mutex_lock(&q->mutex);
    while (q->to_take > 0) {
        if (q->n == 0) {
            bl_cond_wait(&q->not_empty, &q->mutex);
            continue;
        }
        q->to_take--;
        q->n--;
        STRESS_COMPARE(q->n, >=, 0);
        bl_mutex_unlock(&q->mutex);
        bl_cond_signal(&q->not_full);
        stress_dawdle(r);
        bl_mutex_lock(&q->mutex);
    }
    bl_mutex_unlock(&q->mutex);
    bl_cond_broadcast(&q->not_empty);
}

static void
scene_queue(struct stress_random *r)
{
    struct queue *q = stress_make(1, sizeof *q);
    long n = stress_between(r, 1, 1000);
    struct crowd putters, takers;

    q->capacity = stress_between(r, 1, 4);
    q->to_put = q->to_take = n;
    putters = start_crowd(some(r), put, q, r);
    takers = start_crowd(some(r), take, q, r);
    wait_for(putters);
    wait_for(takers);
    STRESS_COMPARE(q->n, ==, 0);
    STRESS_COMPARE(q->sum, ==, n * (n + 1) / 2);
    free(q);
}

/* --- condition variables: one signal wakes one, none wakes none ----------- */

struct platform {
    bl_mutex mutex;
    bl_cond train;
    int arrived, signalled, woken; /* protected by mutex */
};

static void
wait_once(void *scene, struct stress_random *r)
{
    struct platform *s = scene;

    stress_dawdle(r);
    bl_mutex_lock(&s->mutex);
    s->arrived++;
    bl_cond_wait(&s->train, &s->mutex);
    s->woken++;
    STRESS_COMPARE(s->woken, <=, s->signalled);
    bl_mutex_unlock(&s->mutex);
}

static void
scene_signals(struct stress_random *r)
{
    struct platform *s = stress_make(1, sizeof *s);
    int n = some(r);
    struct crowd waiters = start_crowd(n, wait_once, s, r);

    while (s->signalled < n) {
        bl_mutex_lock(&s->mutex);
        if (s->arrived > s->signalled && stress_chance(r, 90)) {
            s->signalled++;
            bl_cond_signal(&s->train);
        } else if (s->arrived > s->signalled) {
            s->signalled = s->arrived;
            bl_cond_broadcast(&s->train);
        }
        bl_mutex_unlock(&s->mutex);
        stress_dawdle(r);
        gosched();
    }
    wait_for(waiters);
    STRESS_COMPARE(s->woken, ==, n);
    free(s);
}

/* --- weighted semaphore --------------------------------------------------- */

struct store {
    bl_semaphore semaphore;
    _Atomic int64_t held;
};

static bool
acquire(struct store *s, int64_t n, struct stress_random *r)
{
    int64_t until;
    int error;

    switch (stress_below(r, 3)) {
    case 0:
        return bl_semaphore_try_acquire(&s->semaphore, n);
    case 1:
        until = bl_now() + stress_below(r, 300) * BL_MICROSECOND;
        error = bl_semaphore_acquire_until(&s->semaphore, n, until);
        STRESS_CHECK(error == 0 || (error == -ETIMEDOUT && bl_now() >= until));
        return error == 0;
    default:
        bl_semaphore_acquire(&s->semaphore, n);
        return true;
    }
}

static void
use_store(void *scene, struct stress_random *r)
{
    struct store *s = scene;

    for (int k = 0; k < OPS; k++) {
        int64_t n = stress_between(r, 1, (int)s->semaphore.size);

        if (!acquire(s, n, r))
            continue;
        s->held += n;
        STRESS_COMPARE(s->held, <=, s->semaphore.size);
        stress_dawdle(r);
        s->held -= n;
        bl_semaphore_release(&s->semaphore, n);
    }
}

static void
scene_semaphore(struct stress_random *r)
{
    struct store *s = stress_make(1, sizeof *s);

    s->semaphore.size = stress_between(r, 1, 10);
    wait_for(start_crowd(some(r), use_store, s, r));
    STRESS_CHECK(bl_semaphore_try_acquire(&s->semaphore, s->semaphore.size));
    free(s);
}

/* --- wait groups, used again and again ------------------------------------ */

struct phases {
    bl_waitgroup work;
    _Atomic int done, want;
};

static void
work_and_leave(void *scene)
{
    struct phases *s = scene;
    struct stress_random r = {(uint64_t)s->done};

    stress_dawdle(&r);
    s->done++;
    if (s->done % 5 == 0)
        goexit();
}

static void
wait_for_phase(void *scene, struct stress_random *r)
{
    struct phases *s = scene;

    (void)r;
    bl_waitgroup_wait(&s->work);
    STRESS_COMPARE(s->done, ==, s->want);
}

static void
scene_waitgroup(struct stress_random *r)
{
    struct phases *s = stress_make(1, sizeof *s);

    for (int k = 0; k < 10; k++) {
        int n = some(r);

        s->want += n;
        for (int i = 0; i < n; i++)
            bl_waitgroup_go(&s->work, work_and_leave, s);
        wait_for(start_crowd(stress_below(r, 4), wait_for_phase, s, r));
        wait_for_phase(s, r);
    }
    free(s);
}

/* --- once ----------------------------------------------------------------- */

enum { ONCES = 5 };

struct onces {
    bl_once once[ONCES];
    struct begun {
        _Atomic int times;
        int value;               /* written by the first call only */
    } begun[ONCES];
    bl_once_func fails;
    _Atomic int failures;
};

static void
begin_thing(void *arg)
{
    struct begun *b = arg;
    struct stress_random r = {(uint64_t)(uintptr_t)b};

    b->times++;
    stress_dawdle(&r);
    gosched();
    b->value = 42;
}

static void
fail_once(void *arg)
{
    ++*(_Atomic int *)arg;
    gosched();
    panic("not today");
}

static void
call_failing(struct onces *s)
{
    returns_nothing {
        defer_call(check_panic, "not today");
        bl_once_func_call(&s->fails);
        STRESS_CHECK(!"the call returned");
    }
}

static void
use_onces(void *scene, struct stress_random *r)
{
    struct onces *s = scene;

    for (int k = 0; k < ONCES; k++) {
        int i = stress_below(r, ONCES);

        bl_once_do(&s->once[i], begin_thing, &s->begun[i]);
        STRESS_COMPARE(s->begun[i].value, ==, 42);
        if (stress_chance(r, 20))
            call_failing(s);
    }
}

static void
scene_once(struct stress_random *r)
{
    struct onces *s = stress_make(1, sizeof *s);

    s->fails = (bl_once_func){.f = fail_once, .arg = &s->failures};
    wait_for(start_crowd(some(r), use_onces, s, r));
    for (int i = 0; i < ONCES; i++)
        STRESS_COMPARE(s->begun[i].times, <=, 1);
    STRESS_COMPARE(s->failures, <=, 1);
    bl_panic_free(s->fails.panicked);
    free(s);
}

/* --- pool ----------------------------------------------------------------- */

struct item {
    _Atomic int users;
};

static _Atomic long items_made, items_destroyed;

static void *
make_item(void)
{
    items_made++;
    return stress_make(1, sizeof(struct item));
}

static void
destroy_item(void *item)
{
    STRESS_COMPARE(((struct item *)item)->users, ==, 0);
    items_destroyed++;
    free(item);
}

static void
use_pool(void *scene, struct stress_random *r)
{
    bl_pool *pool = scene;

    for (int k = 0; k < OPS; k++) {
        struct item *item = bl_pool_get(pool);

        STRESS_COMPARE(item->users++, ==, 0);
        stress_dawdle(r);
        STRESS_COMPARE(--item->users, ==, 0);
        if (stress_chance(r, 90))
            bl_pool_put(pool, item);
        else
            destroy_item(item);
        if (stress_chance(r, 2))
            bl_pool_age(pool);
    }
}

/* Only one such scene at a time: the counts are for all. */
static void
scene_pool(struct stress_random *r)
{
    static bl_mutex only_one;
    bl_pool pool = {.make = make_item, .destroy = destroy_item};

    bl_mutex_lock(&only_one);
    wait_for(start_crowd(some(r), use_pool, &pool, r));
    bl_pool_clear(&pool);
    STRESS_COMPARE(items_made, ==, items_destroyed);
    bl_mutex_unlock(&only_one);
}

/* --- error groups --------------------------------------------------------- */

struct job {
    struct team {
        bl_errgroup group;
        _Atomic int running, done;
        bool fails;
    } *team;
    struct stress_random r;
};

static int
do_job(void *arg)
{
    struct job *job = arg;
    struct team *team = job->team;

    team->running++;
    if (team->group.limit > 0)
        STRESS_COMPARE(team->running, <=, team->group.limit);
    stress_dawdle(&job->r);
    team->running--;
    team->done++;
    return team->fails && stress_chance(&job->r, 50) ? -EIO : 0;
}

static void
scene_errgroup(struct stress_random *r)
{
    struct team *team = stress_make(1, sizeof *team);
    struct job jobs[CROWD];
    int n = some(r), error;

    team->group.limit = stress_below(r, 4);
    team->fails = stress_chance(r, 50);
    for (int i = 0; i < n; i++) {
        jobs[i] = (struct job){team, stress_split(r)};
        bl_errgroup_go(&team->group, do_job, &jobs[i]);
    }
    error = bl_errgroup_wait(&team->group);
    STRESS_COMPARE(team->done, ==, n);
    STRESS_CHECK(error == 0 || (error == -EIO && team->fails));
    free(team);
}

/* --- single flight -------------------------------------------------------- */

enum { KEYS = 3 };

static const char *const keys[KEYS] = {"ga", "bu", "zo"};

struct airport {
    bl_flights flights;
    struct plane {
        _Atomic int in_the_air;
        _Atomic long landed;
    } planes[KEYS];
};

static void *
fly(void *arg)
{
    struct plane *plane = arg;

    STRESS_COMPARE(plane->in_the_air++, ==, 0);
    gosched();
    STRESS_COMPARE(--plane->in_the_air, ==, 0);
    return (void *)(uintptr_t)++plane->landed;
}

static void
use_flights(void *scene, struct stress_random *r)
{
    struct airport *s = scene;

    for (int k = 0; k < OPS; k++) {
        int i = stress_below(r, KEYS);
        long before = s->planes[i].landed, got;
        bool shared;

        got = (long)(uintptr_t)bl_flights_do(&s->flights, keys[i], fly, &s->planes[i],
                                             &shared);
        STRESS_COMPARE(got, >, shared ? 0 : before);
        STRESS_COMPARE(got, <=, s->planes[i].landed);
        stress_dawdle(r);
    }
}

static void
scene_flights(struct stress_random *r)
{
    struct airport *s = stress_make(1, sizeof *s);

    wait_for(start_crowd(some(r), use_flights, s, r));
    STRESS_CHECK(!s->flights.first);
    free(s);
}

/* --- rounds --------------------------------------------------------------- */

static void (*const scenes[])(struct stress_random *r) = {
    scene_mutex,     scene_counted, scene_rwmutex, scene_queue, scene_signals,  scene_semaphore,
    scene_waitgroup, scene_once,    scene_pool,  scene_errgroup, scene_flights,
};

static void
play_scene(void *unused, struct stress_random *r)
{
    (void)unused;
    scenes[stress_below(r, (int)(sizeof scenes / sizeof scenes[0]))](r);
}

int
main(int argc, char **argv)
{
    struct stress_random r;

    stress_begin(argc, argv, "locks");
    while (stress_round(&r))
        wait_for(start_crowd(stress_between(&r, 1, SCENES_AT_ONCE), play_scene, NULL, &r));
    return stress_end(total, "goroutines");
}
