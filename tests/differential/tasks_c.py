# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Programs with goroutines in C: what emit_c.py writes for them besides.

tasks.py says what a task is; tasks_go.py has the same in Go.
"""

from tasks import INT_LINES, LINES, PANIC_LINE, WIRE_LINE

ELEMENTS = {"int": "int", "pair": "struct pair", "big": "struct big",
            "unit": "struct unit", "panic": "const bl_panic_info *",
            "wire": "struct wire"}

# Stands where programs without goroutines have their globals.
TASK = r"""
#include <stdatomic.h>
#include <unistd.h>

struct big { int64_t n[12]; };
struct unit { };
struct wire { chan_of(int) in; };

typedef void callback(struct task *t);

struct task {
    struct task *parent, *first, *last, *next;
    int number, depth, spawned;
    int fuel, serial, cell;
    char *text;         /* the trace */
    size_t used, room;
    const char *ended;
    char *ended_with;
    const bl_panic_info *panicked;
    callback *volatile called_back;
    chan_of(struct unit) done;
    bl_waitgroup children, group;
    chan_of(int) never, full, empty;
    bl_chan *held[64];  /* `in`s that loops receive from */
    int holds;
    unsigned shut;      /* lines whose `out` is closed */
@ENDS@
    char texts[64][32];
};

/* What all tasks of a run share. */
static struct {
    bl_waitgroup live;
    bl_mutex mutex;
    bl_rwmutex rw;
    unsigned total;     /* under the locks */
    bl_mutex kept_mutex;
    void **kept[3];     /* channels, panics, memory: freed at the end */
    int keeps[3];
} run;

static int crashing;    /* nobody recovers above the program; traces go out at once */

enum { CHANNEL, PANIC, MEMORY };

static APART void *
keep(int what, void *thing)
{
    if (!thing)
        abort();
    bl_mutex_lock(&run.kept_mutex);
    run.kept[what] = realloc(run.kept[what], (size_t)(run.keeps[what] + 1) * sizeof(void *));
    run.kept[what][run.keeps[what]++] = thing;
    bl_mutex_unlock(&run.kept_mutex);
    return thing;
}

static APART const bl_panic_info *
kept_panic(const bl_panic_info *p)
{
    return p ? keep(PANIC, bl_panic_copy(p)) : 0;
}

static APART void
free_kept(void)
{
    for (int i = 0; i < run.keeps[CHANNEL]; i++)
        bl_chan_release(run.kept[CHANNEL][i]);
    for (int i = 0; i < run.keeps[PANIC]; i++)
        bl_panic_free(run.kept[PANIC][i]);
    for (int i = 0; i < run.keeps[MEMORY]; i++)
        free(run.kept[MEMORY][i]);
    memset(run.keeps, 0, sizeof run.keeps);
}

#define new_chan(type, capacity)                                               \
    ((chan_of(type))keep(CHANNEL, bl_chan_new(sizeof(type), (capacity))))

static APART size_t
path_of(const struct task *t, char *buf)
{
    size_t used = t->parent ? path_of(t->parent, buf) : 0;

    return used + (size_t)sprintf(buf + used, used ? ".%d" : "%d", t->number);
}

static APART void
tr_(struct task *t, const char *format, ...)
{
    char line[6000];
    size_t size = 0;
    va_list list;

    if (crashing) {
        size = path_of(t, line);
        line[size++] = '|';
    }
    va_start(list, format);
    size += (size_t)vsnprintf(line + size, sizeof line - 1 - size, format, list);
    va_end(list);
    line[size++] = '\n';
    if (crashing) {
        if (write(1, line, size) < 0)
            abort();
        return;
    }
    if (t->used + size >= t->room) {
        t->room = 2 * t->room + size + 500;
        t->text = realloc(t->text, t->room);
    }
    memcpy(t->text + t->used, line, size);
    t->used += size;
}

static APART int
spent_(struct task *t)
{
    return t->fuel-- <= 0;
}

static APART int
next_serial_(struct task *t)
{
    return ++t->serial;
}

static APART const char *
fresh_string_(struct task *t, int value)
{
    char *text = t->texts[next_serial_(t) & 63];

    snprintf(text, sizeof t->texts[0], "s%d.%d", value, t->serial);
    return text;
}
"""

# Behind what all programs have.
TASKS = r"""
/* --- tasks --- */

static APART struct big
mk_big(int n)
{
    struct big b;

    for (int i = 0; i < 12; i++)
        b.n[i] = n + i;
    return b;
}

static APART void
tr_big(struct task *t, int id, struct big b)
{
    int64_t sum = 0;

    for (int i = 0; i < 12; i++)
        sum = sum * 3 + b.n[i];
    tr("%d: big %lld", id, (long long)sum);
}

static APART struct task *
new_task(struct task *parent)
{
    struct task *t;

    if (parent && (parent->spawned >= 4 || parent->depth >= 3)) {
        tr_(parent, "no spawn");
        return 0;
    }
    t = calloc(1, sizeof *t);
    t->parent = parent;
    t->ended = "goexit";
    t->fuel = 40;
    t->done = new_chan(struct unit, 0);
    bl_waitgroup_add(&run.live, 1);
    if (!parent)
        return t;
    t->number = ++parent->spawned;
    t->depth = parent->depth + 1;
    t->fuel = parent->fuel / 2 + 3;
    *(parent->last ? &parent->last->next : &parent->first) = t;
    parent->last = t;
    bl_waitgroup_add(&parent->children, 1);
    return t;
}

static APART void
swallow(void)
{
    returns_nothing {
        recover();
    }
}

static APART void
close_quietly(bl_chan *c)
{
    returns_nothing {
        defer_call(swallow);
        if (c)
            chan_close(c);
    }
}

#define go_on(...)                                                             \
    do {                                                                       \
        bl_waitgroup_add(&run.live, 1);                                        \
        go(__VA_ARGS__);                                                       \
    } while (0)

@DRAINS@

static void
drain_any(bl_chan *c)
{
    while (bl_chan_recv(c, NULL))
        continue;
    bl_waitgroup_done(&run.live);
}

/* An `in` that a loop receives from is in no other hands while it does. */
static APART void
hold(struct task *t, bl_chan *c)
{
    if (t->holds == 64)
        abort();
    t->held[t->holds++] = c;
}

static APART void
let_go(struct task *t, bl_chan *c)
{
    for (int i = 0; i < t->holds; i++)
        if (t->held[i] == c) {
            t->held[i] = t->held[--t->holds];
            return;
        }
}

static APART void
hand_over(struct task *t)
{
@HAND_OVER@
}

static APART int
is_mine(const struct task *t, const bl_chan *c, int sending)
{
    const bl_chan *outs[] = {@OUTS@}, *ins[] = {@INS@};

    for (int i = 0; i < @LINES@; i++)
        if ((sending ? ins[i] : outs[i]) == c)
            return 1 + i;
    return 0;
}

/* Whether a send would not wait for the task itself, in vain. */
static APART int
can_put(struct task *t, const bl_chan *c, int line)
{
    const char *no = 0;

    if (!c)
        no = "no out";
    else if (is_mine(t, c, 1) && bl_chan_length(c) == bl_chan_capacity(c))
        no = "full out";
    if (no)
        tr("%s %d", no, line);
    return !no;
}

static APART int
can_get(struct task *t, const bl_chan *c, int line)
{
    const char *no = 0;
    int out = c ? is_mine(t, c, 0) : 0;

    if (!c)
        no = "no in";
    else if (out && !bl_chan_length(c) && !(t->shut >> (out - 1) & 1))
        no = "empty in";
    if (no)
        tr("%s %d", no, line);
    return !no;
}

static APART int
can_drain(struct task *t, const bl_chan *c, int line)
{
    int out = c ? is_mine(t, c, 0) : 0;

    if (out && !(t->shut >> (out - 1) & 1)) {
        tr("open in %d", line);
        return 0;
    }
    return can_get(t, c, line);
}

static APART void
dead_lines(struct task *t)
{
    if (t->never)
        return;
    t->never = new_chan(int, 0);
    t->full = new_chan(int, 1);
    t->empty = new_chan(int, 2);
    bl_send(t->full, 1);
}

static APART void
tr_end(struct task *t, struct task *child)
{
    tr("child %d %s%s %d", child->number, child->ended,
       child->ended_with ? child->ended_with : "", child->cell);
}

static APART void
join(struct task *t, int number, int polite, int raises)
{
    struct task *child = t->first;
    bool ok;

    while (child && number--)
        child = child->next;
    if (polite)
        hand_over(t);
    if (!child) {
        tr("no child");
        return;
    }
    ok = bl_recv_ok(child->done, NULL);
    tr("joined %d", ok);
    tr_end(t, child);
    if (raises && child->panicked)
        repanic(child->panicked);
}

static APART void
wait_all(struct task *t, int polite)
{
    if (polite)
        hand_over(t);
    bl_waitgroup_wait(&t->children);
    bl_waitgroup_wait(&t->group);
    for (struct task *child = t->first; child; child = child->next)
        tr_end(t, child);
}

/* The last deferred call of a task. */
static APART void
task_ends(struct task *t)
{
    returns_nothing {
        char buf[5000];
        const bl_panic_info *p = crashing ? 0 : recover();

        if (p) {
            t->ended = "panic ";
            t->ended_with = strdup(describe(p, buf, sizeof buf));
            t->panicked = keep(PANIC, bl_panic_copy(p));
        }
        hand_over(t);
        while (t->holds)
            go_on(drain_any, t->held[--t->holds]);
        chan_close(t->done);
        if (t->parent)
            bl_waitgroup_done(&t->parent->children);
        bl_waitgroup_done(&run.live);
    }
}

static APART void
put_later(struct task *t, int line, int value)
{
    chan_of(int) outs[] = {t->out0, t->out1, t->out2};

    if (can_put(t, (bl_chan *)outs[line], line)) {
        bl_send(outs[line], value);
        tr("put later");
    }
}

static APART void
shut_later(struct task *t, int line)
{
    chan_of(int) outs[] = {t->out0, t->out1, t->out2};

    if (outs[line]) {
        t->shut |= 1u << line;
        chan_close(outs[line]);
        tr("shut later");
    }
}

static APART void
pause_yield(struct task *t)
{
    gosched();
}

static APART void
pause_sleep(struct task *t)
{
    bl_sleep(20 * BL_MICROSECOND);
}

static APART void
pause_spin(struct task *t)
{
    for (int i = 0; i < 3000; i++)
        sink = i;
}

static APART void
pause_thread(struct task *t)
{
    bl_lock_os_thread();
    gosched();
    bl_unlock_os_thread();
}

static APART void
pause_timeout(struct task *t)
{
    int x = 5;
    int result;

    dead_lines(t);
    result = bl_recv_until(t->never, &x, bl_now() + 20 * BL_MICROSECOND);
    tr("timeout %d", result != 1);
}

static APART void
merge(struct task *t, int id, chan_of(int) a, chan_of(int) b, chan_of(int) c)
{
    unsigned sums[3] = {0, 0, 0}, counts[3] = {0, 0, 0};

    while (a || b || c) {
        int x;
        bool ok;
        int i = bl_select(on_recv_ok(a, &x, &ok), on_recv_ok(b, &x, &ok),
                          on_recv_ok(c, &x, &ok));

        if (ok) {
            sums[i] = sums[i] * 7 + (unsigned)x;
            counts[i]++;
        } else if (i == 0)
            a = 0;
        else if (i == 1)
            b = 0;
        else
            c = 0;
    }
    for (int i = 0; i < 3; i++)
        tr("%d: merged %u %u", id, counts[i], sums[i]);
}

static APART void
unlock_write(void)
{
    bl_rwmutex_unlock(&run.rw);
    bl_mutex_unlock(&run.mutex);
}

/* Adds to the total in two steps; whoever reads it holds one of the locks. */
static APART void
add_locked(struct task *t, int add)
{
    unsigned old = run.total;

    if (add & 1)
        gosched();
    run.total = old + (unsigned)add;
}

static APART void
after_locked(struct task *t, int outcome)
{
    if (outcome == 1)
        panic("locked %d", next_serial());
    if (outcome == 2)
        goexit();
}

static APART void
locked_mutex(struct task *t, int add, int outcome)
{
    returns_nothing {
        bl_mutex_lock(&run.mutex);
        defer_call(bl_mutex_unlock, &run.mutex);
        bl_rwmutex_lock(&run.rw);
        add_locked(t, add);
        bl_rwmutex_unlock(&run.rw);
        after_locked(t, outcome);
    }
}

static APART void
locked_write(struct task *t, int add, int outcome)
{
    returns_nothing {
        bl_mutex_lock(&run.mutex);
        bl_rwmutex_lock(&run.rw);
        defer_call(unlock_write);
        add_locked(t, add);
        after_locked(t, outcome);
    }
}

static APART void
locked_read(struct task *t, int add, int outcome)
{
    returns_nothing {
        unsigned before;

        bl_rwmutex_rlock(&run.rw);
        defer_call(bl_rwmutex_runlock, &run.rw);
        before = run.total;
        gosched();
        tr("same %d", before == run.total);
        after_locked(t, outcome);
    }
}

static APART void
locked_try(struct task *t, int add, int outcome)
{
    returns_nothing {
        while (!bl_mutex_try_lock(&run.mutex))
            gosched();
        defer_call(bl_mutex_unlock, &run.mutex);
        bl_rwmutex_lock(&run.rw);
        add_locked(t, add);
        bl_rwmutex_unlock(&run.rw);
        after_locked(t, outcome);
    }
}

/* --- crews --- */

struct crew {
    int n, m, room, turn, calls, panics, busy, most;
    unsigned sum;
    bl_mutex mutex;
    bl_rwmutex rw;
    bl_waitgroup wg;
    bl_cond cond;
    bl_once once;
    bl_once_func once_func;
    bl_semaphore permits;
    chan_of(int) c, back;
};

static void
crowd_member(struct crew *w, int i)
{
    for (int j = 0; j < w->m; j++)
        bl_send(w->c, i * 100 + j);
    bl_waitgroup_done(&w->wg);
    bl_waitgroup_done(&run.live);
}

static void
crowd_closes(struct crew *w)
{
    bl_waitgroup_wait(&w->wg);
    chan_close(w->c);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_crowd(struct task *t, int id, struct crew *w)
{
    int count = 0;

    w->c = new_chan(int, w->room);
    bl_waitgroup_add(&w->wg, w->n);
    for (int i = 0; i < w->n; i++)
        go_on(crowd_member, w, i);
    go_on(crowd_closes, w);
    for_recv (int, x, w->c) {
        w->sum += (unsigned)x;
        count++;
    }
    tr("%d: crowd %d %u", id, count, w->sum);
}

static void
counted_member(void *arg)
{
    struct crew *w = arg;

    for (int j = 0; j < w->m; j++) {
        int old;

        bl_mutex_lock(&w->mutex);
        old = w->calls;
        if (j & 1)
            gosched();
        w->calls = old + 1;
        bl_mutex_unlock(&w->mutex);
    }
}

static APART void
crew_counted(struct task *t, int id, struct crew *w)
{
    for (int i = 0; i < w->n; i++)
        bl_waitgroup_go(&w->wg, counted_member, w);
    bl_waitgroup_wait(&w->wg);
    tr("%d: counted %d", id, w->calls);
}

static void
turns_member(struct crew *w, int i)
{
    bl_mutex_lock(&w->mutex);
    for (int round = 0; round < w->m; round++) {
        while (w->turn % w->n != i)
            bl_cond_wait(&w->cond, &w->mutex);
        w->sum = w->sum * 5 + (unsigned)i;
        w->turn++;
        bl_cond_broadcast(&w->cond);
    }
    bl_mutex_unlock(&w->mutex);
    bl_waitgroup_done(&w->wg);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_turns(struct task *t, int id, struct crew *w)
{
    bl_waitgroup_add(&w->wg, w->n);
    for (int i = 0; i < w->n; i++)
        go_on(turns_member, w, i);
    bl_waitgroup_wait(&w->wg);
    tr("%d: turns %d %u", id, w->turn, w->sum);
}

static void
pong(struct crew *w)
{
    for_recv (int, x, w->c)
        bl_send(w->back, x * 3);
    chan_close(w->back);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_pingpong(struct task *t, int id, struct crew *w)
{
    int x;

    w->c = new_chan(int, w->room);
    w->back = new_chan(int, w->room / 2);
    go_on(pong, w);
    for (int i = 0; i < w->m; i++) {
        bl_send(w->c, i);
        w->sum = w->sum * 7 + (unsigned)bl_recv(w->back);
    }
    chan_close(w->c);
    tr("%d: pingpong %u %d", id, w->sum, bl_recv_ok(w->back, &x));
}

static void
stage(chan_of(int) from, chan_of(int) to, int add)
{
    int x;
    bool ok;

    while (bl_select(on_recv_ok(from, &x, &ok)), ok)
        bl_select(on_send(to, x * 2 + add));
    chan_close(to);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_pipeline(struct task *t, int id, struct crew *w)
{
    chan_of(int) first = new_chan(int, w->room), from = first;

    for (int i = 0; i < w->n; i++) {
        chan_of(int) to = new_chan(int, w->room);

        go_on(stage, from, to, i);
        from = to;
    }
    w->c = first;
    bl_waitgroup_add(&w->wg, 1);
    go_on(crowd_member, w, 3);
    go_on(crowd_closes, w);
    for_recv (int, x, from)
        tr("%d: pipeline %d", id, x);
}

static void
once_body(void *arg)
{
    struct crew *w = arg;

    w->calls++;
    gosched();
    if (w->m & 1)
        panic("once %d", w->m);
}

static void
once_recovers(struct crew *w)
{
    returns_nothing {
        const bl_panic_info *p = recover();

        if (p) {
            bl_mutex_lock(&w->mutex);
            w->panics++;
            w->sum += (unsigned)strlen(p->text);
            bl_mutex_unlock(&w->mutex);
        }
        bl_waitgroup_done(&w->wg);
        bl_waitgroup_done(&run.live);
    }
}

static void
once_member(struct crew *w, int is_func)
{
    returns_nothing {
        defer_call(once_recovers, w);
        if (is_func)
            bl_once_func_call(&w->once_func);
        else
            bl_once_do(&w->once, once_body, w);
    }
}

static APART void
once_crew(struct task *t, int id, struct crew *w, int is_func)
{
    w->once_func = (bl_once_func){.f = once_body, .arg = w};
    bl_waitgroup_add(&w->wg, w->n);
    for (int i = 0; i < w->n; i++)
        go_on(once_member, w, is_func);
    bl_waitgroup_wait(&w->wg);
    tr("%d: once %d %d %u", id, w->calls, w->panics, w->sum);
    if (w->once_func.panicked)
        keep(PANIC, w->once_func.panicked);
}

static APART void
crew_once(struct task *t, int id, struct crew *w)
{
    once_crew(t, id, w, 0);
}

static APART void
crew_once_func(struct task *t, int id, struct crew *w)
{
    once_crew(t, id, w, 1);
}

static void
readers_member(struct crew *w, int i)
{
    for (int j = 0; j < w->m; j++) {
        if ((i + j) % 3 == 0) {
            int old;

            bl_rwmutex_lock(&w->rw);
            old = w->calls;
            gosched();
            w->calls = old + 1;
            bl_rwmutex_unlock(&w->rw);
        } else {
            int old;

            bl_rwmutex_rlock(&w->rw);
            old = w->calls;
            gosched();
            if (old != w->calls)
                atomic_fetch_add((_Atomic int *)&w->panics, 1);
            bl_rwmutex_runlock(&w->rw);
        }
    }
    bl_waitgroup_done(&w->wg);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_readers(struct task *t, int id, struct crew *w)
{
    bl_waitgroup_add(&w->wg, w->n);
    for (int i = 0; i < w->n; i++)
        go_on(readers_member, w, i);
    bl_waitgroup_wait(&w->wg);
    tr("%d: readers %d %d", id, w->calls, w->panics);
}

static void
permits_member(struct crew *w, int i)
{
    for (int j = 0; j < w->m; j++) {
        bl_semaphore_acquire(&w->permits, 1);
        bl_mutex_lock(&w->mutex);
        w->calls++;
        if (++w->busy > w->most)
            w->most = w->busy;
        bl_mutex_unlock(&w->mutex);
        gosched();
        bl_mutex_lock(&w->mutex);
        w->busy--;
        bl_mutex_unlock(&w->mutex);
        bl_semaphore_release(&w->permits, 1);
    }
    bl_waitgroup_done(&w->wg);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_permits(struct task *t, int id, struct crew *w)
{
    w->permits = (bl_semaphore){.size = w->room + 1};
    bl_waitgroup_add(&w->wg, w->n);
    for (int i = 0; i < w->n; i++)
        go_on(permits_member, w, i);
    bl_waitgroup_wait(&w->wg);
    tr("%d: permits %d %d", id, w->calls, w->most <= w->room + 1);
}

static void
timer_fires(void *arg)
{
    struct crew *w = arg;

    bl_send(w->c, w->n);
    bl_waitgroup_done(&run.live);
}

static APART void
crew_timer(struct task *t, int id, struct crew *w)
{
    bl_timer *timer, *late = bl_timer_new(BL_HOUR);
    bool stopped;

    w->c = new_chan(int, 0);
    bl_waitgroup_add(&run.live, 1);
    timer = bl_after_func(30 * BL_MICROSECOND, timer_fires, w);
    tr("%d: timer %d", id, bl_recv(w->c));
    stopped = bl_timer_stop(late);
    tr("%d: stopped %d %d", id, stopped, bl_timer_stop(late));
    bl_timer_free(timer);
    bl_timer_free(late);
}

static APART void
crew_ticker(struct task *t, int id, struct crew *w)
{
    bl_timer *ticker = bl_ticker_new(30 * BL_MICROSECOND);
    int64_t last = 0;

    for (int i = 0; i < 2; i++) {
        int64_t now = bl_recv(bl_timer_chan(ticker));

        tr("%d: tick %d", id, now > last);
        last = now;
    }
    bl_timer_free(ticker);
}

/* A crew's memory lasts as long as the run: members may be on their last lines when
 * the work is done. */
static APART void
crew(struct task *t, int id, void (*f)(struct task *, int, struct crew *), int n, int m,
     int room)
{
    struct crew *w = keep(MEMORY, calloc(1, sizeof *w));

    w->n = n;
    w->m = m;
    w->room = room;
    f(t, id, w);
}

/* --- for ever --- */

static APART void
hang(struct task *t, const char *how)
{
    chan_of(int) none = 0;
    bl_mutex mutex = {0};
    bl_waitgroup group = {0};

    tr("hang %s", how);
    if (!strcmp(how, "nil send"))
        bl_send(none, 1);
    else if (!strcmp(how, "nil recv"))
        bl_recv(none);
    else if (!strcmp(how, "empty select"))
        bl_select_cases(0, 0, BL_FOREVER);
    else if (!strcmp(how, "nil select"))
        bl_select(on_send(none, 1), on_recv(none, 0));
    else if (!strcmp(how, "alone"))
        bl_recv_ok(new_chan(int, 1), NULL);
    else if (!strcmp(how, "lock")) {
        bl_mutex_lock(&mutex);
        bl_mutex_lock(&mutex);
    } else if (!strcmp(how, "group")) {
        bl_waitgroup_add(&group, 1);
        bl_waitgroup_wait(&group);
    } else {
        dead_lines(t);
        bl_send(t->full, 1);
    }
    tr("goes on");
}

static APART void
misuse(struct task *t, const char *how)
{
    bl_mutex mutex = {0};
    bl_rwmutex rw = {0};
    bl_waitgroup group = {0};

    if (!strcmp(how, "unlock"))
        bl_mutex_unlock(&mutex);
    else if (!strcmp(how, "unlock write"))
        bl_rwmutex_unlock(&rw);
    else if (!strcmp(how, "unlock read"))
        bl_rwmutex_runlock(&rw);
    else
        bl_waitgroup_add(&group, -1);
}
"""

MAIN = r"""
static int inputs;
static int index_at_hand;

static void
root_body(struct task *t)
{
    returns_nothing {
        defer_call(task_ends, t);
        entries[index_at_hand / inputs].entry(t);
        t->ended = "normal";
    }
}

static struct task *
set_up(int index)
{
    unsigned state = (unsigned)entries[index / inputs].number * 2654435761u +
                     (unsigned)(index % inputs) * 40503u;

    for (int i = 0; i < @NOISE@; i++) {
        state = state * 1664525u + 1013904223u;
        noise[i] = (int)(state >> 16 & 0xff);
    }
    run.total = 0;
    index_at_hand = index;
    printf("== %d.%d\n", entries[index / inputs].number, index % inputs);
    fflush(stdout);
    return new_task(0);
}

static void
print_and_free(struct task *t)
{
    char path[100];

    path_of(t, path);
    printf("task %s\n%.*s** %s%s\n", path, (int)t->used, t->text ? t->text : "",
           t->ended, t->ended_with ? t->ended_with : "");
    for (struct task *child = t->first, *next; child; child = next) {
        next = child->next;
        print_and_free(child);
    }
    free(t->text);
    free(t->ended_with);
    free(t);
}

static void
trace(int index)
{
    struct task *root = set_up(index);

    go(root_body, root);
    bl_waitgroup_wait(&run.live);
    print_and_free(root);
    printf("-- total %u\n", run.total);
    fflush(stdout);
    free_kept();
}

static void
crash(int index, int on_main)
{
    struct task *root = set_up(index);

    if (on_main)
        root_body(root);
    else
        go(root_body, root);
    bl_waitgroup_wait(&run.live);
    bl_sleep(2 * BL_SECOND); /* for the report of a task that panics */
    printf("-- normal\n");
}

int
main(int argc, char **argv)
{
    int first = argc > 2 ? atoi(argv[2]) : 0;

    if (argc != 5)
        return 3;
    if (!strcmp(argv[1], "crash")) {
        crashing = 1;
        inputs = atoi(argv[3]);
        crash(first, atoi(argv[4]));
        return 0;
    }
    inputs = atoi(argv[4]);
    for (int i = first; i < first + atoi(argv[3]); i++)
        trace(i);
    return 0;
}
"""

DRAIN = """static void
drain{n}({type} c)
{{
    for_recv ({element}, x, c)
        {what};
    bl_waitgroup_done(&run.live);
}}
"""

HAND_OVER = """    close_quietly((bl_chan *)t->out{n});
    t->out{n} = 0;
    if (t->in{n})
        go_on(drain{n}, t->in{n});
    t->in{n} = 0;"""


def chan(kind):
    return f"chan_of({ELEMENTS[kind]})"


def drain(n, kind):
    what = "(void)x"
    if kind == "wire":      # an end that nobody has taken
        what = "if (x.in) go_on(drain0, x.in)"
    return DRAIN.format(n=n, type=chan(kind), element=ELEMENTS[kind], what=what)


def filled(text):
    lines = list(enumerate(LINES))
    ends = [f"    {chan(kind)} in{n}, out{n};" for n, kind in lines]
    for name, value in (
            ("ENDS", "\n".join(ends)),
            ("DRAINS", "\n".join(drain(n, kind) for n, kind in lines)),
            ("HAND_OVER", "\n".join(HAND_OVER.format(n=n) for n, _ in lines)),
            ("OUTS", ", ".join(f"(bl_chan *)t->out{n}" for n, _ in lines)),
            ("INS", ", ".join(f"(bl_chan *)t->in{n}" for n, _ in lines)),
            ("LINES", str(len(LINES)))):
        text = text.replace(f"@{name}@", value)
    return text


def c_string(text):
    return '"' + text + '"'


class TaskWriter:
    """Mixed into emit_c.Writer."""

    def task_functions(self, index):
        """What `go` starts: with arguments, and with those of callbacks."""
        function, name = self.functions[index], self.name(index)
        params = "".join(f", {self.type_of(t)} a{i}" for i, t in enumerate(function["params"]))
        args = "".join(f", a{i}" for i in range(len(function["params"])))
        self.put(f"static void {name}_task(struct task *t{params})")
        self.put("{ returns_nothing { defer_call(task_ends, t);")
        call = f"{name}(t{args})"
        if function["result"] != "void":
            call = f"tr_{function['result']}(0, {call})"
        self.put(f'{call}; t->ended = "normal"; }} }}')
        self.put(f"static void {name}_group(void *u)")
        self.put("{ returns_nothing { struct task *t = u; defer_call(task_ends, t);")
        self.put(f'{name}_cb(t); t->ended = "normal"; }} }}')

    def put_make(self, s):
        n, kind = s["line"], LINES[s["line"]]
        self.put("{")
        self.put(f"    {chan(kind)} c = new_chan({ELEMENTS[kind]}, {s['room']});")
        self.put(f"    close_quietly((bl_chan *)t->out{n});")
        self.put(f"    if (t->in{n}) go_on(drain{n}, t->in{n});")
        self.put(f"    t->in{n} = t->out{n} = c;")
        self.put(f"    t->shut &= ~{1 << n}u;")
        self.put("}")

    def end(self, side, n):
        return f"(bl_chan *)t->{side}{n}"

    def put_put(self, s):
        n, kind = s["line"], LINES[s["line"]]
        value = self.expression(s["value"])
        value = {"int": value, "pair": value, "big": f"mk_big({value})",
                 "unit": "(struct unit){}"}[kind]
        self.sends(n, value, s)

    def sends(self, n, value, s):
        guard = "1" if s.get("rash") else f"can_put(t, {self.end('out', n)}, {n})"
        self.put(f"if ({guard}) {{")
        self.put(f"    bl_send(t->out{n}, {value});")
        self.put(f'    tr("{s["id"]}: put");')
        self.put("}")

    def put_put_panic(self, s):
        # A recovered value may go before it is received.
        self.sends(PANIC_LINE, f"kept_panic(p{s['slot']})", s)

    def put_put_wire(self, s):
        n = WIRE_LINE
        self.put(f"if (can_put(t, {self.end('out', n)}, {n})) {{")
        self.put(f"    struct wire x = {{t->in{s['from']}}};")
        self.put(f"    t->in{s['from']} = 0;")
        self.put(f"    bl_send(t->out{n}, x);")
        self.put(f'    tr("{s["id"]}: put");')
        self.put("}")

    def put_get(self, s):
        n, kind, how = s["line"], LINES[s["line"]], s["how"]
        guard = "1" if s["rash"] else f"can_get(t, {self.end('in', n)}, {n})"
        self.put(f"if ({guard}) {{")
        self.indent += 1
        self.put(f"{ELEMENTS[kind]} x;")
        if how in ("ok", "until", "select"):
            self.put("bool ok;")
            self.put({"ok": f"ok = bl_recv_ok(t->in{n}, &x);",
                      "until": f"ok = bl_recv_until(t->in{n}, &x, BL_FOREVER) == 1;",
                      "select": f"bl_select(on_recv_ok(t->in{n}, &x, &ok));"}[how])
            self.put(f'tr("{s["id"]}: ok %d", ok);')
        else:
            self.put(f"x = bl_recv(t->in{n});")
        if how == "assign":
            self.put("v0 = x;")
        self.show(s["id"], kind)
        if kind == "panic" and how == "raise":
            self.put("if (x) repanic(x);")
        self.indent -= 1
        self.put("}")

    def show(self, id_, kind):
        """Traces x."""
        if kind in ("int", "pair"):
            self.put(f"tr_{kind}({id_}, x);")
        elif kind == "big":
            self.put(f"tr_big(t, {id_}, x);")
        elif kind == "panic":
            self.put(f"tr_panic({id_}, x);")
        elif kind == "wire":
            self.put(f'tr("{id_}: wire %d", x.in != 0);')
            self.put("close_quietly((bl_chan *)t->out0);")
            self.put("if (t->in0) go_on(drain0, t->in0);")
            self.put("t->out0 = 0; t->in0 = x.in;")
        else:
            self.put(f'tr("{id_}: unit");')

    def put_each(self, s):
        n, kind = s["line"], LINES[s["line"]]
        guard = "1" if s["rash"] else f"can_drain(t, {self.end('in', n)}, {n})"
        name = f"i{s['name']}"
        self.put(f"if ({guard}) {{")
        self.indent += 1
        self.put(f"{chan(kind)} c{s['id']} = t->in{n};")
        self.put(f"t->in{n} = 0;")
        self.put(f"hold(t, (bl_chan *)c{s['id']});")
        self.put(f"for_recv ({ELEMENTS[kind]}, {name}, c{s['id']}) {{")
        self.indent += 1
        self.put(f"{ELEMENTS[kind]} x = {name};")
        self.put("(void)x;")
        self.show(s["id"], kind)
        self.statements(s["body"])
        self.indent -= 1
        self.put("}")
        self.put(f"let_go(t, (bl_chan *)c{s['id']});")
        self.put(f"if (t->in{n}) go_on(drain{n}, c{s['id']});")
        self.put(f"else t->in{n} = c{s['id']};")
        self.indent -= 1
        self.put("}")

    def put_shut(self, s):
        n = s["line"]
        guard = "1" if s["rash"] else f"t->out{n}"
        self.put(f"if ({guard}) {{")
        self.put(f"    t->shut |= {1 << n}u;")
        self.put(f"    chan_close(t->out{n});")
        self.put(f'    tr("{s["id"]}: shut");')
        self.put("}")

    def put_spawn(self, s):
        name = self.name(s["function"])
        args = "".join(", " + ("&u->cell" if a == ["cell"] else self.expression(a))
                       for a in s["args"])
        self.put("{")
        self.indent += 1
        self.put("struct task *u = new_task(t);")
        self.put("if (u) {")
        self.indent += 1
        for n, side in s["ends"]:
            self.put(f"u->{side}{n} = t->{side}{n}; t->{side}{n} = 0;")
            if side == "out":
                self.put(f"u->shut |= t->shut & {1 << n}u; t->shut &= ~{1 << n}u;")
        start = {"go": f"go({name}_task, u{args});",
                 "with": "bl_go_with(((bl_go_options){.stack_bytes = 512 << 10, "
                         f'.name = "task"}}), {name}_task, u{args});',
                 "try": f"if (bl_try_go({name}_task, u{args})) abort();",
                 "group": f"bl_waitgroup_go(&t->group, {name}_group, u);"}
        self.put(start[s["how"]])
        self.put(f'tr("{s["id"]}: spawn %d", u->number);')
        self.indent -= 1
        self.put("}")
        self.indent -= 1
        self.put("}")

    def put_join(self, s):
        self.put(f"join(t, {s['child']}, {int(s['polite'])}, {int(s['raise'])});")

    def put_wait(self, s):
        self.put(f"wait_all(t, {int(s['polite'])});")

    def put_select(self, s):
        n, receives = s["line"], s["dir"] == "recv"
        side = "in" if receives else "out"
        dead = {"nil recv": "on_recv((chan_of(int))0, &x)", "nil send": "on_send((chan_of(int))0, 1)",
                "never recv": "on_recv_ok(t->never, &x, &ok)",
                "never send": "on_send(t->never, 2)", "full send": "on_send(t->full, 3)",
                "empty recv": "on_recv(t->empty, 0)"}
        live = "on_recv_ok(c, &x, &ok)" if receives else f"on_send(c, {self.expression(s['value'])})"
        cases = [dead[d] for d in s["dead"]]
        cases.insert(s["at"], live)
        mine = f"is_mine(t, {self.end(side, n)}, {int(not receives)})"
        guard = "1" if s["default"] else f"can_{'get' if receives else 'put'}(t, {self.end(side, n)}, {n})"
        self.put(f"if ({guard}) {{")
        self.indent += 1
        self.put("int x = 0, way;")
        self.put("bool ok = false;")
        # Whether another task's is ready is a matter of luck.
        self.put(f"chan_of(int) c = {f'{mine} ? t->{side}{n} : 0' if s['default'] else f't->{side}{n}'};")
        self.put("dead_lines(t);")
        self.put(f"way = bl_select{'_or' * s['default']}({', '.join(cases)});")
        self.put(f'tr("{s["id"]}: way %d %d %d", way, x, ok);')
        self.put("if (way >= 0) {")
        self.indent += 1
        self.statements(s["body"])
        self.indent -= 1
        self.put("} else {")
        self.indent += 1
        self.statements(s["else"])
        self.indent -= 1
        self.put("}")
        self.indent -= 1
        self.put("}")

    def put_merge(self, s):
        ends = [f"t->in{n}" if n in s["lines"] else "0" for n in INT_LINES]
        for n in s["lines"]:
            if s["polite"]:
                self.put(f"close_quietly({self.end('out', n)}); t->out{n} = 0;")
        self.put(f"merge(t, {s['id']}, {', '.join(ends)});")

    def put_crew(self, s):
        self.put(f"crew(t, {s['id']}, crew_{s['what']}, {s['n']}, {s['m']}, {s['room']});")

    def put_locked(self, s):
        outcome = {"normal": 0, "panic": 1, "goexit": 2}[s["outcome"]]
        self.put(f"locked_{s['how']}(t, {s['add']}, {outcome});")

    def put_pause(self, s):
        self.put(f"pause_{s['how']}(t);")

    def put_defer_line(self, s):
        if s["what"] == "put":
            self.put(f"defer_call(put_later, t, {s['line']}, {self.expression(s['value'])});")
        elif s["what"] == "shut":
            self.put(f"defer_call(shut_later, t, {s['line']});")
        else:
            self.put("defer_call(hand_over, t);")

    def put_hang(self, s):
        self.put(f"hang(t, {c_string(s['what'])});")

    def put_misuse(self, s):
        self.put(f"misuse(t, {c_string(s['what'])});")
