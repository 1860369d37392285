/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* claim.pml - one wait in several queues and with a deadline, several who would end
 * it: src/sched/park.c, timer.c, src/sync/chan.c, select.c.
 *
 * SELECTOR selects, twice, between receiving from c0 and from c1, with a deadline.
 * A receiver waits in c0 without one.  A sender sends three values to c0, which has
 * room for them; a closer closes c1 (that is how a wait is cancelled).  What was left
 * to be done behind the selector's switch is done by another process, its thread:
 * the selector may long be running elsewhere.
 *
 * Shown: exactly one wakes the selector each time, no record, timer or frame is
 * touched when it is gone, no value is lost or doubled, nobody waits for a value that
 * is there.
 *
 * FOREVER  no deadline: what wakes the selector too late, or never, is not
 *          covered up by it
 * THREAD   the selector is a plain thread (park_thread)
 * NIL      the selector's channels are all NULL: it stands in no queue and has
 *          nothing locked
 *
 * BREAK_NO_CLAIM        bl__claim: always true
 * BREAK_CLAIM_SPLIT     bl__claim, expire: a load and a store
 * BREAK_CLAIM_SHARED    the record does not say that it is shared
 * BREAK_NO_RESET        wait: claimed stays 1 from the wait before
 * BREAK_RESET_LATE      start_and_release: claimed = 0 behind the unlocks
 * BREAK_POP_ONE         bl__queue_pop: stops at a record that another has claimed
 * BREAK_NO_REMOVE       bl__queue_pop: the record stays in the queue
 * BREAK_NO_LEAVE        leave_all: the other records stay in theirs
 * BREAK_LEAVE_UNLOCKED  leave_all: without the locks
 * BREAK_NO_STOP         bl__park_until: the timer is not stopped
 * BREAK_STOP_NO_WAIT    bl__timer_stop instead of bl__timer_stop_and_wait
 * BREAK_RUNNING_LATE    bl__timers_run: running is set behind extract
 * BREAK_RUNNING_KEPT    expire: running is not cleared by who comes too late
 * BREAK_ARG_LATE        start_and_release: d is read behind bl__timer_start
 * BREAK_TIMER_EARLY     bl__park_until: the timer is started before the switch
 * BREAK_COPY_LATE       the sender copies the value behind bl__ready
 * BREAK_TRY_UNLOCKED    try_all: unlocks before it stands in the queues
 * BREAK_THREAD_CLAIM    park_thread: `no` is 1 behind a failed exchange, so the next
 *                       one claims what is claimed
 * BREAK_NIL_RELEASE     wait: unlock_all is given though nothing is locked: it reads
 *                       s->live, and nothing keeps the selector from returning
 * Both were in the code once, and found here. */

#define W0 0 /* the selector's record in c0 */
#define W1 1 /* in c1 */
#define WR 2 /* the receiver's, in c0 */
#define TIMER 3
#define NOBODY 4

#define SELECTOR 0
#define RECEIVER 1

#define ROUNDS 2
#define SENDS 3

bool lock0, lock1;
chan q0 = [3] of { byte };    /* c0->receivers, c1->receivers */
chan q1 = [3] of { byte };
byte buffered;                /* values in c0's ring */
bool closed;                  /* c1 is */

bool record[3];               /* is on its owner's stack, and in use */
bool value[3];                /* where it receives: there is one */
bool success[3];
bool frame;                   /* struct selection is, on the selector's stack */

bool claimed = true;          /* the selector's G, from earlier waits */
byte woken_by = NOBODY;
bool runnable[2];             /* bl__ready has been called */

bool deadline;                /* struct deadline is on the selector's stack */
bool in_heap, running;        /* of its timer */
bool heap_lock;               /* h->lock */
bool off;                     /* the selector is off its stack: release it */
bool due;                     /* THREAD: the time has come */
bool asleep;                  /* THREAD: in the futex */
byte received;
byte ended;

#define CLAIMS(w) ((w) != WR) /* w->shared */

inline acquire(l) { atomic { !l -> l = true } }
inline unlock(l) { atomic { assert(l); l = false } }

inline timer_start() { acquire(heap_lock); in_heap = true; unlock(heap_lock) }

/* Compare-and-swap of claimed, from 0 to 1. */
inline claim_it(won)
{
#ifdef BREAK_CLAIM_SPLIT
    won = !claimed;
    if
    :: won -> claimed = true
    :: else
    fi
#else
    atomic { won = !claimed; claimed = true }
#endif
}

inline claim(w, won)          /* bl__claim */
{
    if
    :: !CLAIMS(w) -> won = true
#ifdef BREAK_CLAIM_SHARED
    :: w == W0 -> won = true
    :: w != WR && w != W0 -> claim_it(won)
#else
    :: CLAIMS(w) -> claim_it(won)
#endif
    fi;
#ifdef BREAK_NO_CLAIM
    won = true
#endif
}

/* bl__queue_pop, with the lock of q's channel. */
inline pop(q, w, won)
{
    do
    :: empty(q) -> w = NOBODY; break
    :: nempty(q) ->
#ifdef BREAK_NO_REMOVE
        q?<w>;
#else
        q?w;                      /* bl__queue_remove */
#endif
        assert(record[w]);
        claim(w, won);
        if
        :: won -> break
        :: else
        fi;
#ifdef BREAK_POP_ONE
        w = NOBODY;
        break
#endif
    od
}

/* bl__queue_remove: out of the middle, if it is there. */
inline remove(q, w)
{
    atomic {
        if
        :: q??[eval(w)] -> q??eval(w)
        :: else
        fi
    }
}

inline ready(g)               /* bl__ready */
{
    atomic { assert(!runnable[g]); runnable[g] = true; asleep = false }
}

#define OWNER(w) (w == WR -> RECEIVER : SELECTOR)

/* woken: with the channel's lock, the record being claimed. */
inline wake(w, good)
{
    assert(record[w]);
    success[w] = good;
    if
    :: CLAIMS(w) -> woken_by = w
    :: else
    fi
}

inline copy_to(w)
{
    atomic { assert(record[w] && !value[w]); value[w] = true }
}

/* bl__chan_try_send, send */
proctype Sender()
{
    byte n = SENDS, w;
    bool won;

    do
    :: n == 0 -> break
    :: n > 0 ->
        n--;
        acquire(lock0);
        pop(q0, w, won);
        if
        :: w == NOBODY -> atomic { assert(empty(q0)); buffered++ }; unlock(lock0)
        :: else ->
#ifdef BREAK_COPY_LATE
            wake(w, true);
            unlock(lock0);
            ready(OWNER(w));
            copy_to(w)
#else
            copy_to(w);
            wake(w, true);
            unlock(lock0);
            ready(OWNER(w))
#endif
        fi
    od;
    ended++
}

/* bl_chan_shut, bl__chan_close */
proctype Closer()
{
    byte w;
    bool won;

    acquire(lock1);
    closed = true;
    pop(q1, w, won);              /* at most one stands there */
    if
    :: w != NOBODY -> wake(w, false)
    :: else
    fi;
    unlock(lock1);
    if
    :: w != NOBODY -> ready(OWNER(w))
    :: else
    fi;
    ended++
}

/* receive, without a deadline; its park is park.pml's matter */
proctype Receiver()
{
    acquire(lock0);
    if
    :: buffered > 0 -> buffered--; received++; unlock(lock0)
    :: else ->
        record[WR] = true;
        q0!WR;
        unlock(lock0);
        runnable[RECEIVER];
        runnable[RECEIVER] = false;
        atomic {
            assert(success[WR] && value[WR]);
            value[WR] = false;
            record[WR] = false;
            received++
        }
    fi;
    ended++
}

#if !defined(THREAD)
/* A thread that runs timers: bl__timers_run, expire. */
proctype Timers()
{
    bool won;

end:
    do
    :: in_heap ->                 /* h->next: due */
        acquire(heap_lock);
        if
        :: in_heap ->
            assert(deadline);
#ifdef BREAK_RUNNING_LATE
            in_heap = false;
            unlock(heap_lock);
            running = true
#else
            running = true;
            in_heap = false;      /* extract */
            unlock(heap_lock)
#endif
        :: else -> unlock(heap_lock); goto end
        fi;
        assert(deadline);         /* t->fn, t->arg */
        claim_it(won);
        if
        :: won -> woken_by = TIMER; ready(SELECTOR)
        :: else ->
            assert(deadline);
#ifndef BREAK_RUNNING_KEPT
            running = false
#endif
        fi
    od
}

/* The thread that the selector has left: run_release, which calls start_and_release,
 * which calls unlock_all. */
proctype Behind()
{
end:
    do
    :: atomic { off -> off = false };
#if !defined(FOREVER)
        assert(deadline);         /* release and arg are read, then it starts */
#if !defined(BREAK_TIMER_EARLY)
        timer_start();
#endif
#ifdef BREAK_ARG_LATE
        assert(deadline);
#endif
#endif
#if defined(NIL)
#ifdef BREAK_NIL_RELEASE
        assert(frame)
#else
        skip                      /* release is NULL */
#endif
#else
        assert(frame);
#ifndef BREAK_TRY_UNLOCKED
        unlock(lock1);
        assert(frame);
        unlock(lock0);            /* from here on the frame may be gone */
#endif
#ifdef BREAK_RESET_LATE
        claimed = false
#endif
#endif
    od
}
#endif

#if defined(THREAD)
/* Somewhere in time. */
proctype Clock()
{
    due = true
}

inline park_until()           /* park_thread */
{
    no = false;
    in_time = true;
    unlock(lock1);
    unlock(lock0);
    do
    :: runnable[SELECTOR] -> break
    :: else ->
        /* bl__os_futex_wait: returns when woken, or at once when it is too late */
        asleep = !runnable[SELECTOR];
        if
        :: !asleep
        :: due -> asleep = false
        fi;
        if
        :: due ->
            atomic {              /* compare-and-swap of claimed, from no to 1 */
                if
                :: claimed == no -> claimed = true; in_time = false
                :: else -> no = claimed
                fi
            };
#ifndef BREAK_THREAD_CLAIM
            no = false;
#endif
            if
            :: !in_time -> break
            :: else
            fi
        :: else
        fi
    od;
    runnable[SELECTOR] = false
}
#else
inline park_until()           /* bl__park_until, goroutine */
{
    atomic { deadline = true; running = false };
    woken_by = NOBODY;
#ifdef BREAK_TIMER_EARLY
    timer_start();
#endif
    off = true;                   /* bl__switch_away */
    runnable[SELECTOR];
    runnable[SELECTOR] = false;
    in_time = woken_by != TIMER;
#if !defined(FOREVER)
    if
    :: in_time ->
#ifndef BREAK_NO_STOP
        do                        /* bl__timer_stop: first without the lock */
        :: in_heap ->
            acquire(heap_lock);
            if
            :: in_heap -> in_heap = false; unlock(heap_lock); break
            :: else -> unlock(heap_lock)
            fi
        :: else ->
#ifndef BREAK_STOP_NO_WAIT
            !running;             /* bl__timer_stop_and_wait */
#endif
            break
        od
#endif
    :: else
    fi;
#endif
    deadline = false
}
#endif

inline leave_all()
{
#ifndef BREAK_LEAVE_UNLOCKED
    acquire(lock0);
    acquire(lock1);
#endif
#ifndef BREAK_NO_LEAVE
    remove(q0, W0);
    remove(q1, W1);
#endif
#ifndef BREAK_LEAVE_UNLOCKED
    unlock(lock1);
    unlock(lock0)
#endif
}

/* bl_select_cases: try_all and wait (try_each is one more look before them). */
proctype Selector()
{
    byte round = 0, w;
    bool in_time, no;

    do
    :: round == ROUNDS -> break
    :: else ->
        round++;
        frame = true;
#ifdef NIL
        claimed = false;
        park_until();
        assert(!in_time)
#else
        acquire(lock0);
        acquire(lock1);
        if
        :: buffered > 0 -> buffered--; received++; unlock(lock1); unlock(lock0)
        :: closed -> unlock(lock1); unlock(lock0)
        :: else ->
#ifdef BREAK_TRY_UNLOCKED
            unlock(lock1);
            unlock(lock0);
#endif
#if !defined(BREAK_NO_RESET) && !defined(BREAK_RESET_LATE)
            claimed = false;
#endif
            record[W0] = true;
            q0!W0;
            record[W1] = true;
            q1!W1;
            park_until();
            w = woken_by;
            assert(!in_time || w == W0 || w == W1);
            leave_all();
            atomic {
                if
                :: in_time ->
                    assert(success[w] == (w == W0) && value[w] == (w == W0));
                    received = received + value[w];
                    value[w] = false
                :: else
                fi;
                assert(!value[W0] && !value[W1]);
                success[W0] = false;
                record[W0] = false;
                record[W1] = false;
                woken_by = NOBODY
            }
        fi;
#endif
        frame = false
    od;
    ended++
}

init
{
    atomic {
        run Selector();
#ifndef NIL
        run Sender();
        run Closer();
        run Receiver();
#endif
#if defined(THREAD)
        run Clock()
#else
        run Behind();
        run Timers()
#endif
    };
#ifndef NIL
    ended == 4;
    assert(received + buffered == SENDS && empty(q0) && empty(q1));
    assert(!runnable[SELECTOR] && !runnable[RECEIVER])
#endif
}
