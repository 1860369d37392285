/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* sched/sched.h - the nouns of the scheduler, and what the layers above use.
 *
 * G  a goroutine: a stack with a struct bl__g at its top.
 * M  an OS thread that runs goroutines.
 * P  a processor: the right to run, with a queue of runnable goroutines, a heap
 *    of timers and a cache of stacks.  There are BELAYMAXPROCS of them.
 *
 * An M needs a P while it is inside Belay; in users' code it may lose it:
 *
 *   m->inside  m->attention
 *   1          -            inside Belay: nobody takes the P
 *   0          0            in users' code, with its P
 *   0          1            in users' code; the P may be gone, or a goroutine has
 *                           run for long: look when coming inside
 *
 * Coming inside is: inside = 1; is attention set?  The monitor does: attention =
 * 1; barrier on every CPU; is inside set?  At least one of them sees the other
 * (Dekker), and only the monitor pays for the fence.  sched.lock decides the rest.
 *
 * Everything that blocks parks once (park.c), with a struct bl__waiter on its own
 * stack for each queue it stands in. */
#ifndef BELAY_SCHED_SCHED_H
#define BELAY_SCHED_SCHED_H

#include "base/lock.h"
#include "panic/g.h"

#include <stdatomic.h>

/* REASON(name, text in reports, whether only the same bubble can end the wait) */
#define BL__REASONS(REASON)                                   \
    REASON(NONE, "waiting", 0)                                \
    REASON(RECV, "chan receive", 1)                           \
    REASON(RECV_OUTSIDE, "chan receive", 0)                   \
    REASON(SEND, "chan send", 1)                              \
    REASON(SEND_OUTSIDE, "chan send", 0)                      \
    REASON(RECV_NIL, "chan receive (nil chan)", 1)            \
    REASON(SEND_NIL, "chan send (nil chan)", 1)               \
    REASON(SELECT, "select", 1)                               \
    REASON(SELECT_OUTSIDE, "select", 0)                       \
    REASON(SELECT_NONE, "select (no cases)", 1)               \
    REASON(SLEEP, "sleep", 1)                                 \
    REASON(MUTEX, "sync.Mutex.Lock", 0)                       \
    REASON(RWMUTEX_R, "sync.RWMutex.RLock", 0)                \
    REASON(RWMUTEX_W, "sync.RWMutex.Lock", 0)                 \
    REASON(WAITGROUP, "sync.WaitGroup.Wait", 1)               \
    REASON(COND, "sync.Cond.Wait", 1)                         \
    REASON(SEMAPHORE, "semacquire", 0)                        \
    REASON(CONNPOOL, "connection pool", 1)                    \
    REASON(CONNPOOL_OUTSIDE, "connection pool", 0)            \
    REASON(IO, "IO wait", 0)                                  \
    REASON(PREEMPTED, "preempted", 0)                         \
    REASON(BUBBLE, "synctest.Run", 0)                         \
    REASON(BUBBLE_WAIT, "synctest.Wait", 1)

/* _OUTSIDE, behind the reason it belongs to: for a channel, or pool, that was made
 * outside the waiting goroutine's bubble. */
enum bl__reason {
#define BL__REASON_NAME(name, text, durable) BL__WAIT_##name,
    BL__REASONS(BL__REASON_NAME)
};

/* status      meaning                           who may leave it, to what
 * G_NEW       being made, or its memory is free  its maker -> RUNNABLE
 * G_RUNNABLE  in a run queue                     who takes it -> RUNNING
 * G_RUNNING   an M runs it                       itself -> WAITING, RUNNABLE, NEW
 * G_WAITING   parked                             who claimed it -> RUNNABLE */
enum bl__status { BL__G_NEW, BL__G_RUNNABLE, BL__G_RUNNING, BL__G_WAITING };

enum {
    BL__RUNQ = 1024,      /* slots of a P's queue; a power of two */
    BL__MAXPROCS = 1024,
    BL__MAXTHREADS = 10000, /* Go's limit */
    BL__STACK_CLASSES = 17, /* 16 KiB << class, up to 1 GiB */
    BL__STACK_SHIFT = 14,
};

/* --- timers (timer.c) ---------------------------------------------------- */

struct bl__timer {
    int64_t when;              /* monotonic ns; protected by the heap's lock */
    void (*fn)(struct bl__timer *t, int64_t now); /* must not park */
    void *arg;
    _Atomic(struct bl__timers *) heap; /* it is in; NULL: none */
    uint32_t index;            /* there */
    _Atomic uint32_t running;  /* calls of fn under way: two, if it was started
                                  anew meanwhile.  fn itself ends its own, as the
                                  last it does with a timer that others look at */
};

struct bl__timers {
    struct bl__lock lock;
    uint32_t n, size;          /* protected by lock */
    struct bl__timer **heap;   /* 4-ary; protected by lock */
    _Atomic int64_t next;      /* when of the first; INT64_MAX: none */
};

/* --- processors and threads ---------------------------------------------- */

/* P_OUT   not in use: BELAYMAXPROCS is lower     bl__set_nprocs -> IDLE
 * P_IDLE  in the list of idle ones                who takes it -> USED
 * P_USED  an M has it, or is being given it       its M -> IDLE, OUT
 * Changed under sched.lock. */
enum bl__p_state { BL__P_OUT, BL__P_IDLE, BL__P_USED };

struct bl__p {
    int id;
    enum bl__p_state state;
    _Atomic(struct bl__m *) m;   /* NULL: idle.  Changed under sched.lock */
    struct bl__p *next;          /* in the list of idle ones */
    _Atomic uint32_t tick;       /* goroutines run so far */
    _Atomic uint32_t head, tail; /* of slots; tail is the owner's */
    _Atomic(struct bl__g *) run_next;
    _Atomic(struct bl__g *) slots[BL__RUNQ];
    struct bl__timers timers;
    struct bl__magazine {
        struct bl__g *free;      /* dead goroutines with stacks; the owner's */
        struct bl__g *full;      /* as many as go to a central list; NULL: none */
        uint32_t n;              /* length of free */
    } magazines[BL__STACK_CLASSES];
    uint64_t id_next, id_end;    /* goroutine ids; owner */
    uint64_t random;             /* owner */
    uint32_t seen_tick;          /* the monitor's */
    int64_t seen_at;
    int64_t seen_cpu;
};

struct bl__m {
    _Atomic uint32_t inside, attention; /* see the table above */
    struct bl__p *p;             /* NULL: it has lost it */
    struct bl__g *g;             /* runs; &g0: the scheduler itself */
    void (*release)(void *arg);  /* to be called behind the next switch */
    void *release_arg;
    struct bl__g *from;          /* what that switch came from */
    struct bl__g g0;             /* the scheduler's own stack */
    struct bl__g *locked_g;      /* goroutine that is bound to this thread */
    struct bl__g *next_g;        /* locked_g is to run, with next_p */
    struct bl__p *next_p;        /* handed over by who woke it */
    struct bl__m *next;          /* in the list of idle ones */
    struct bl__m *all;           /* in the list of all */
    _Atomic uint32_t wake;       /* the word it sleeps on */
    _Atomic uint32_t polls;      /* it sleeps in the poller instead: ring */
    bool spinning;               /* looks for work; counted in sched.spinning */
    bool is_idle;                /* in the list of idle ones */
    bool detached;               /* counted in sched.detached */
    bool has_started;            /* its g0 has a stack */
    bool ends;                   /* the goroutine bound to it has ended */
    int tid;
    uintptr_t g0_high;           /* what g0 runs lies below; 0: it has no stack.  Above
                                    are thread-locals, where it is the thread's own */
};

struct bl__sched {
    struct bl__lock lock;        /* protects what follows, up to the atomics */
    struct bl__g *queue_first, *queue_last;
    struct bl__p *idle_ps;
    struct bl__m *idle_ms;
    struct bl__m *all_ms;
    struct bl__m *dead_ms;       /* of threads that have ended: never unmapped, as
                                    the monitor may still look at one */
    struct bl__m *keeper;        /* idle M that wakes for the next timer */
    int64_t keeper_until;
    _Atomic(struct bl__m *) poller; /* M that sleeps in the poller, or is about to;
                                    changed under lock */
    int nms;                     /* threads that are Ms */
    int max_threads;
    int starting;                /* threads that have been asked for */
    _Atomic int detached;        /* Ms in users' code without a P */
    _Atomic uint32_t queued;     /* length of the queue */
    _Atomic int idle;            /* length of idle_ps */
    _Atomic int idle_threads;    /* length of idle_ms */
    _Atomic int spinning;        /* Ms that look for work */
    _Atomic bool wanted;         /* who wakes has found no idle P: who gives one up is
                                    to look again */
    _Atomic int nprocs;          /* Ps in use */
    _Atomic int waiting_io;      /* goroutines the poller will wake, and threads */
    _Atomic uint32_t polled;     /* looks at the poller so far */
    _Atomic(struct bl__m *) looked; /* the last one that has done so; and how often in
                                    a row: */
    _Atomic uint32_t looks_alone;
    _Atomic bool needs_poller;   /* an M that goes to sleep is to do so in the poller though
                                    others are awake: they don't look */
    _Atomic int parked_threads;  /* plain threads asleep in Belay */
    _Atomic int64_t goroutines;  /* alive, but for system ones */
    _Atomic uint32_t monitor_wake; /* the word it sleeps on; 1: it is up */
    _Atomic bool monitor_asleep;
    bool monitor_started;        /* protected by lock */
    bool has_barrier;            /* membarrier works */
    int base_threads;            /* of the process when it began */
    int64_t began;               /* monotonic ns */
    uint64_t trace_hash;         /* deterministic mode: of what ran so far */
    uint64_t seed;               /* 0: not deterministic */
    bool special;                /* deterministic, or under torture */
    _Atomic int64_t coarse_now;  /* monotonic ns, a tenth of a second old at most,
                                    for what must not cost a look at the clock; 0:
                                    the monitor sleeps, look */
    uint64_t random;             /* deterministic mode's */
    _Atomic int64_t fake_now;    /* its clock */
    struct bl__p *ps[BL__MAXPROCS];
};

extern struct bl__sched bl__sched;

/* --- coming inside (proc.c) ---------------------------------------------- */

void bl__enter_slow(struct bl__g *g);

/* To be called first by everything that parks, readies or spawns.  Returns the
 * caller's G, whose thread holds a P until bl__leave(). */
static inline struct bl__g *
bl__enter(void)
{
    struct bl__g *g = bl__self();
    struct bl__m *m = g->m;

    if (BL__UNLIKELY(!m))
        return g;
    atomic_store_explicit(&m->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* pairs with bl__os_barrier */
    if (BL__UNLIKELY(atomic_load_explicit(&m->attention, memory_order_relaxed)))
        bl__enter_slow(g);
    return g;
}

static inline void
bl__leave(struct bl__g *g)
{
    /* release: what was done with the P is seen by who takes it (retake) */
    if (BL__LIKELY(g->m != NULL))
        atomic_store_explicit(&g->m->inside, 0, memory_order_release);
}

/* --- parking (park.c) ---------------------------------------------------- */

/* A place in a queue, on the waiting goroutine's own stack.  Whoever takes it out
 * of the queue must not touch it after bl__ready(). */
struct bl__waiter {
    struct bl__g *g;
    struct bl__waiter *next, *prev; /* protected by the queue's lock */
    void *queue;               /* it stands in; NULL: taken out */
    void *value;               /* what to send, or where to receive */
    bool shared;               /* g waits in several places: claim it first */
    bool success;              /* woken by a value, not by a close */
    uint16_t index;            /* of the case */
};

struct bl__queue {
    struct bl__waiter *first, *last;
};

void bl__queue_push(struct bl__queue *q, struct bl__waiter *w);
void bl__queue_push_front(struct bl__queue *q, struct bl__waiter *w);
/* Takes w out; returns false if it is out already. */
bool bl__queue_remove(struct bl__queue *q, struct bl__waiter *w);
/* Takes out, and claims, the first one whose goroutine nobody else wakes. */
struct bl__waiter *bl__queue_pop(struct bl__queue *q);

/* Whether the caller is the one who wakes w's goroutine. */
static inline bool
bl__claim(struct bl__waiter *w)
{
    uint32_t no = 0;

    if (!w->shared)
        return true;
    /* acq_rel: pairs with itself, in whoever else tries */
    return atomic_compare_exchange_strong_explicit(
        &w->g->claimed, &no, 1, memory_order_acq_rel, memory_order_acquire);
}

/* Parks g, the caller's, and returns when somebody has readied it.  When g is off
 * its stack, release(arg) is called (NULL: nothing), somewhere inside Belay: it
 * unlocks what protects the queues that g stands in. */
void bl__park(struct bl__g *g, void (*release)(void *arg), void *arg,
              enum bl__reason reason);

/* The same with a lock to release. */
void bl__park_unlock(struct bl__g *g, struct bl__lock *l, enum bl__reason reason);

/* The same for a wait that ends at `until` at the latest (INT64_MAX: never); the
 * waiters must be shared, and g->claimed 0.  Returns false if time ended it. */
bool bl__park_until(struct bl__g *g, void (*release)(void *arg), void *arg,
                    enum bl__reason reason, int64_t until);

/* Makes g, which is parked and claimed by the caller, runnable.  With `next` it
 * runs before what is queued already. */
void bl__ready(struct bl__g *g, bool next);

/* The same for all goroutines, and plain threads, that `first` leads to by `next`, the
 * last of which runs first. */
void bl__ready_all(struct bl__g *first);

/* The same for who has counted g in with its bubble. */
void bl__ready_counted(struct bl__g *g, bool next);

/* Lets others run: the caller goes to the end of the queue. */
void bl__yield(struct bl__g *g);

/* --- processors (find.c, thread.c, runq.c, start.c) ----------------------- */

/* Puts g, runnable, where the current P, or else any, will find it. */
void bl__enqueue(struct bl__g *g, bool next);
/* The same for a list; the last one runs first. */
void bl__enqueue_all(struct bl__g *first);
void bl__enqueue_global(struct bl__g *g);

/* What a new goroutine does first. */
void bl__arrive(struct bl__g *g);

/* As bl__switch_away, and g never comes back. */
void bl__switch_for_good(struct bl__g *g, void (*release)(void *arg), void *arg)
    BL__NORETURN;

int bl__set_nprocs(int n);

/* Goes on with something else; g's state has been changed and release, arg are as
 * in bl__park(). */
void bl__switch_away(struct bl__g *g, void (*release)(void *arg), void *arg);

/* A thread for an idle P, if nobody looks for work yet. */
void bl__wake_p(void);

/* A thread for p, which nobody has. */
void bl__start_m(struct bl__p *p, bool spinning);

/* The goroutine that p, its owner being the caller, runs next; NULL: none. */
struct bl__g *bl__runq_get(struct bl__p *p);
void bl__runq_put(struct bl__p *p, struct bl__g *g, bool next);
/* A list by `next`; the last one becomes run_next. */
void bl__runq_put_all(struct bl__p *p, struct bl__g *first);
struct bl__g *bl__runq_steal(struct bl__p *p, struct bl__p *victim, bool run_next);
bool bl__runq_is_empty(const struct bl__p *p);
/* Without run_next.  True for who runs p, about so for others. */
uint32_t bl__runq_length(const struct bl__p *p);

/* Whether nobody waits for p, as far as that can be seen from outside Belay: the caller
 * may have lost it. */
static inline bool
bl__p_is_alone(const struct bl__p *p)
{
    return p &&
           atomic_load_explicit(&p->head, memory_order_relaxed) ==
               atomic_load_explicit(&p->tail, memory_order_relaxed) &&
           !atomic_load_explicit(&p->run_next, memory_order_relaxed);
}
struct bl__g *bl__global_get(struct bl__p *p, uint32_t most); /* lock held */
bool bl__take_p(struct bl__p *p); /* monitor: from its M in users' code */
struct bl__p *bl__idle_p_get(void); /* lock held */
void bl__idle_p_put(struct bl__p *p); /* lock held */
void bl__check_deadlock(void); /* lock held; may not return */
int64_t bl__next_timer(void); /* of all; INT64_MAX: none */
void bl__sched_start(void);   /* more than one goroutine will be */

uint32_t bl__random(struct bl__g *g, uint32_t n); /* < n */

/* --- stacks (stack.c) ---------------------------------------------------- */

/* A goroutine's memory: its struct, at the top of a stack of 2^(14 + class)
 * bytes, with status G_NEW.  NULL when there is none; *error says why. */
struct bl__g *bl__stack_get(struct bl__p *p, unsigned class, int *error);
void bl__stack_put(struct bl__p *p, struct bl__g *g);
unsigned bl__stack_class(size_t bytes);
/* Gives the memory of stacks that have been free for a while back. */
void bl__stacks_scavenge(void);
/* Calls each(arg, g) for every goroutine alive, oldest memory first. */
void bl__each_goroutine(void (*each)(void *arg, struct bl__g *g), void *arg);
/* The same for the memory that stacks lie in. */
void bl__each_slab(void (*each)(void *arg, uintptr_t low, uintptr_t high), void *arg);

/* --- goroutines (go.c) --------------------------------------------------- */

struct bl__g *bl__spawn(void (*thunk)(void *, void *), const void *args, size_t size,
                        unsigned class, const struct bl__site *site, uintptr_t pc,
                        const char *name, int *error);

/* The function that g, which does not run, is to begin with; 0: it has begun. */
uintptr_t bl__not_begun(const struct bl__g *g);

/* Starts a goroutine that calls f(arg), for who is inside Belay and may be no goroutine,
 * as a timer's function.  Without memory that is the fatal error. */
void bl__go_inside(void (*f)(void *arg), void *arg, const char *fatal);

/* All frames of g have been left by bl_goexit(). */
void bl__goroutine_exits(struct bl__g *g);

/* --- time (timer.c) ------------------------------------------------------ */

/* Monotonic ns as g's bubble, or the deterministic mode, has it. */
int64_t bl__now(const struct bl__g *g);
/* In b's heap, or, if that is NULL, the current P's. */
void bl__timer_start(struct bl__bubble *b, struct bl__timer *t, int64_t when);
/* Whether it was pending; if so it will not run. */
bool bl__timer_stop(struct bl__timer *t);
/* The same; and its function, if it has run, has ended, too. */
bool bl__timer_stop_and_wait(struct bl__timer *t);
/* Runs what is due at now; lock not held.  Returns whether anything was. */
bool bl__timers_run(struct bl__timers *timers, int64_t now);
void bl__timers_move(struct bl__timers *from, struct bl__timers *to);

/* --- the monitor (monitor.c) --------------------------------------------- */

void bl__monitor(void *unused);
void bl__monitor_notify(void);

/* --- pthread mutexes (held.c) --------------------------------------------- */

void bl__held_init(void);
/* Reports g, the caller's, if its thread has some locked: it is about to park. */
void bl__held_check(const struct bl__g *g);

/* --- reports (dump.c) ---------------------------------------------------- */

void bl__dump_init(void);
const char *bl__reason_text(unsigned reason); /* enum bl__reason */
/* NULL: it has ended, or main is not one. */
struct bl__g *bl__main_goroutine(void);
void bl__put_schedtrace(struct bl__text *t);

#endif
