/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* park.pml - parking and readying: src/sched/park.c, proc.c.
 *
 * Two threads (M) run two goroutines: TAKER takes tokens and parks when there is
 * none, GIVER gives them and yields now and then.  A plain thread takes tokens too,
 * and sleeps on a futex that may return for nothing.
 *
 * Shown: a goroutine is never on two threads, its stack pointer is saved before it
 * is used, its stack is buried only when nobody is on it, no record is touched after
 * its owner has been readied, each lock is released once, nobody sleeps for good.
 *
 * BREAK_RELEASE_EARLY      bl__park: the goroutine itself unlocks, then switches
 * BREAK_YIELD_EARLY        bl__yield: it queues itself, then switches
 * BREAK_BURY_EARLY         end: it gives its own stack back
 * BREAK_RELEASE_KEPT       run_release: m->release stays set
 * BREAK_NO_RELEASE         switch_to: nobody calls m->release
 * BREAK_PUSH_LATE          the record goes into the queue behind the unlock
 * BREAK_TOUCH              the waker reads the record behind bl__ready
 * BREAK_NO_LOOP            park_thread: one bl__os_futex_wait, no look at the word
 * BREAK_WAKE_ORDER         bl__ready_counted: wakes first, then stores the word
 * BREAK_WAKE_KEPT          park_thread: the word is not reset */

#define TAKER 0
#define GIVER 1
#define NG 2
#define PLAIN 2 /* the plain thread's G */
#define G0 3

#define TAKES 2
#define PLAIN_TAKES 2

mtype = { NOTHING, UNLOCK, ENQUEUE, BURY }; /* what m->release does */
mtype = { START, PARKED, YIELDED };         /* where a goroutine goes on */

bool lock;                        /* of the queue */
byte tokens;
chan queue = [3] of { byte };     /* struct bl__queue: whose record */
bool record[3];                   /* that G's record is on its stack */
bool given[3];                    /* its waker has given it the token */

bool runnable[NG] = true;         /* in a run queue; which one is idle.pml's */
bool saved[NG] = true;            /* g->sp is what bl__switch is to load */
byte on[NG];                      /* threads on its stack */
mtype at[NG] = START;
byte left[NG];
byte dead;

bool wake, asleep;                /* PLAIN's g->wake; it is in the futex */
byte spurious = 2;                /* so often the futex returns for nothing */

inline acquire() { atomic { !lock -> lock = true } }         /* bl__lock */
inline unlock() { atomic { assert(lock); lock = false } }    /* bl__unlock */

inline enqueue(g) { atomic { assert(!runnable[g]); runnable[g] = true } }

inline ready(g)                   /* bl__ready_counted */
{
    if
    :: g == PLAIN ->
#ifdef BREAK_WAKE_ORDER
        asleep = false;
        wake = true
#else
        wake = true;
        asleep = false            /* bl__os_futex_wake */
#endif
    :: else -> enqueue(g)
    fi
}

/* pick: the next of the P's queue, or g0, which knows more. */
inline pick()
{
    if
    :: atomic { runnable[TAKER] -> runnable[TAKER] = false; to = TAKER }
    :: atomic { runnable[GIVER] -> runnable[GIVER] = false; to = GIVER }
    :: to = G0
    fi
}

inline run_release()
{
    atomic {
        todo = release;
#ifndef BREAK_RELEASE_KEPT
        release = NOTHING
#endif
    }
#ifndef BREAK_NO_RELEASE
    if
    :: todo == UNLOCK -> unlock()
    :: todo == ENQUEUE -> enqueue(arg)                       /* release_to_local */
    :: todo == BURY -> atomic { assert(on[arg] == 0); dead++ }        /* bury */
    :: else
    fi
#endif
}

/* bl__switch: cur's registers are saved, to's loaded.  Then, on to's stack,
 * run_release. */
inline switch_to()
{
    atomic {
        if
        :: cur != G0 -> saved[cur] = true; on[cur]--
        :: else
        fi;
        if
        :: to != G0 ->
            assert(saved[to]);
            saved[to] = false;
            on[to]++;
            assert(on[to] == 1)
        :: else
        fi;
        cur = to
    }
    run_release()
}

proctype M()
{
    byte cur = G0, to, arg, w;
    mtype release = NOTHING, todo;

go_on:
    if
    :: cur == G0 -> goto find_work
    :: cur == TAKER -> goto taker
    :: cur == GIVER -> goto giver
    fi;

find_work:                        /* run_goroutines, on g0 */
    if
    :: atomic { runnable[TAKER] -> runnable[TAKER] = false; to = TAKER }
    :: atomic { runnable[GIVER] -> runnable[GIVER] = false; to = GIVER }
    :: dead == NG -> goto out
    fi;
    switch_to();
    goto go_on;

taker:
    if
    :: at[TAKER] == PARKED ->     /* bl__park returns */
        atomic {
            assert(given[TAKER]);
            given[TAKER] = false;
            record[TAKER] = false;
            at[TAKER] = START;
            left[TAKER]--
        }
    :: else
    fi;
    if
    :: left[TAKER] == 0 -> goto ends
    :: else
    fi;
    acquire();
    if
    :: tokens > 0 -> tokens--; unlock(); left[TAKER]--; goto taker
    :: else
    fi;
    record[TAKER] = true;
#ifndef BREAK_PUSH_LATE
    queue!TAKER;                  /* bl__queue_push */
#endif
    at[TAKER] = PARKED;           /* bl__park */
#if defined(BREAK_RELEASE_EARLY)
    unlock();
#elif defined(BREAK_PUSH_LATE)
    unlock();
    queue!TAKER;
#else
    release = UNLOCK;             /* bl__switch_away */
#endif
    pick();
    switch_to();
    goto go_on;

giver:
    at[GIVER] = START;
    if
    :: left[GIVER] == 0 -> goto ends
    :: else
    fi;
    acquire();
    if
    :: queue?w ->                 /* bl__queue_pop */
        assert(record[w]);
        given[w] = true;
        unlock();
        ready(w);
#ifdef BREAK_TOUCH
        assert(record[w]);
#endif
    :: empty(queue) -> tokens++; unlock()
    fi;
    left[GIVER]--;
    if
    :: goto giver
    :: skip                       /* bl__yield */
    fi;
    at[GIVER] = YIELDED;
#ifdef BREAK_YIELD_EARLY
    enqueue(GIVER);
#else
    release = ENQUEUE;
    arg = GIVER;
#endif
    pick();
    switch_to();
    goto go_on;

ends:                             /* end, bl__switch_for_good */
#ifdef BREAK_BURY_EARLY
    atomic { assert(on[cur] == 0); dead++ }
#else
    release = BURY;
    arg = cur;
#endif
    pick();
    switch_to();
    goto go_on;

out:
    skip
}

proctype Plain()
{
    byte n = PLAIN_TAKES;

    do
    :: n == 0 -> break
    :: n > 0 ->
        n--;
        acquire();
        if
        :: tokens > 0 -> tokens--; unlock()
        :: else ->
            record[PLAIN] = true;
            queue!PLAIN;
            unlock();             /* park_thread: release(arg) */
            do
            :: wake -> break
            :: else ->
                asleep = !wake;   /* futex(2) looks and sleeps in one */
                if
                :: !asleep
                :: atomic { asleep && spurious > 0 -> spurious--; asleep = false }
                fi;
#ifdef BREAK_NO_LOOP
                break
#endif
            od;
#ifndef BREAK_WAKE_KEPT
            wake = false;
#endif
            atomic {
                assert(given[PLAIN]);
                given[PLAIN] = false;
                record[PLAIN] = false
            }
        fi
    od
}

init
{
    atomic {
        left[TAKER] = TAKES;
        left[GIVER] = TAKES + PLAIN_TAKES;
        run M();
        run M();
        run Plain()
    }
}
