/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* mutex.pml - the mutex with two modes and the semaphore it waits with:
 * src/sync/mutex.c, sema.c.
 *
 * Three goroutines lock and unlock, one of them several times.  Whether a newcomer
 * spins, whether a woken one has waited for longer than a millisecond, and when a
 * deadline comes, is left open.
 *
 * Shown: one at a time has the mutex, nobody waits for one that is free, who is woken
 * while it starves has it, and in the end the state, the semaphore's count and its
 * number of waiters are zero.
 *
 * Until somebody has waited unlocking is a plain store, which another CPU may see
 * later: so each thread has a store buffer for it (as in retake.pml).
 *
 *  (none)    nobody has a deadline
 *  DEADLINE  one has (bl_mutex_lock_until, give_up)
 *  ALL       all have
 *
 * BREAK_COUNT_LATE     bl__sema_release: looks at waiting, then adds to count
 * BREAK_NO_RECHECK     bl__sema_acquire: enters the queue without a look at count
 * BREAK_WAITING_LATE   bl__sema_acquire: looks at count, then adds to waiting
 * BREAK_WOKEN_KEPT     try_change: does not take WOKEN back
 * BREAK_NEWCOMER       try_change: newcomers take a starving mutex, too
 * BREAK_WAITER_KEPT    unlock_slow: who is woken is still counted
 * BREAK_TAKE_OVER      take_over: does not set LOCKED
 * BREAK_STARVING_KEPT  take_over: the last waiter does not end starvation mode
 * BREAK_NO_SEMA        unlock_slow: does not release in starvation mode
 * BREAK_HANDED         unlock_slow: does not say, and not see, that it has been done
 * BREAK_BARRIER        announce: no barrier
 * BREAK_ANNOUNCE       announce: the barrier comes before contended = 1
 * BREAK_UNLOCK_ORDER   unlock_quickly: looks at contended, then stores
 * BREAK_STORE_WORD     unlock_quickly: stores the whole state
 * BREAK_NO_CLAIM       wait_once: time ends a wait that a waker has ended already
 * BREAK_WAITING_KEPT   wait_once: who leaves is still counted as waiting
 * BREAK_GIVE_UP        give_up: takes itself out of the state, if it is there; no last
 *                      chance
 * BREAK_GIVE_UP_WOKEN  give_up: WOKEN stays behind the last chance
 * BREAK_GIVE_UP_EARLY  give_up: does not wait for the unit that is about to come
 * BREAK_GIVE_UP_STARVING give_up: the last one leaves the mutex starving */

#define NG 3
#if defined(DEADLINE)
#define HAS_DEADLINE(g) (g == 1)
#define ROUNDS(g) (g == 0 -> 2 : 1)
#elif defined(ALL)
#define HAS_DEADLINE(g) true
#define ROUNDS(g) 1
#else
#define HAS_DEADLINE(g) false
#define ROUNDS(g) (g == 0 -> 2 : 1)
#endif

#define LOCKED 1              /* a byte of its own */
#define WOKEN 2
#define STARVING 4
#define HANDED 8
#define WAITER 16

byte state;
bool contended;
byte buffered = NG;           /* whose store of LOCKED = 0 has not reached memory */
byte count, waiting;          /* of the semaphore */
byte queue[NG];               /* its waiters, the first one first */
byte length;
bool ready[NG], ticket[NG];
bool claimed[NG];
byte owners;
byte ended;

/* take: compare-and-swap until it is made, or there is nothing */
inline take(got)
{
    atomic {
        if
        :: count > 0 -> count--; got = true
        :: count == 0 -> got = false
        fi
    }
}

/* With the semaphore's lock held to the end of the release: one step to others who
 * want the lock; what they may see without it changes in several. */
bool lock;
inline acquire() { atomic { !lock -> lock = true } }

inline push(front)
{
    d_step {
        if
        :: front ->
            queue[2] = queue[1];
            queue[1] = queue[0];
            queue[0] = me
        :: else -> queue[length] = me
        fi;
        length++
    }
}

inline pop(w)
{
    d_step {
        w = queue[0];
        queue[0] = queue[1];
        queue[1] = queue[2];
        queue[2] = 0;
        length--
    }
}

/* bl__queue_remove: out of the middle, if it is there. */
inline leave()
{
    d_step {
        if
        :: length > 0 && queue[0] == me ->
            queue[0] = queue[1];
            queue[1] = queue[2];
            length--
        :: length > 1 && queue[0] != me && queue[1] == me ->
            queue[1] = queue[2];
            length--
        :: length > 2 && queue[0] != me && queue[1] != me && queue[2] == me -> length--
        :: else
        fi;
        queue[2] = 0
    }
}

inline sema_acquire()         /* bl__sema_acquire */
{
    take(got);
    do
    :: got -> break
    :: !got ->
        acquire();
#ifndef BREAK_WAITING_LATE
        waiting++;
#endif
#ifndef BREAK_NO_RECHECK
        take(got);
#endif
#ifdef BREAK_WAITING_LATE
        waiting++;
#endif
        if
        :: got -> waiting--; lock = false; break
        :: !got ->
            ticket[me] = false;
            claimed[me] = false;
            push(front);
            lock = false;     /* bl__park_unlock, bl__park_bound */
            if
            :: atomic { ready[me] -> ready[me] = false; got = ticket[me];
                        claimed[me] = false; ticket[me] = false };
                if
                :: got
                :: !got -> take(got)
                fi;
                front = true
#if defined(DEADLINE) || defined(ALL)
            :: atomic { HAS_DEADLINE(me) && /* expire */
#ifndef BREAK_NO_CLAIM
                        !claimed[me] &&
#endif
                        !ready[me] -> claimed[me] = true };
                acquire();    /* wait_once */
                leave();
#ifndef BREAK_WAITING_KEPT
                waiting--;
#endif
                lock = false;
                late = true;
                break
#endif
            fi
        fi
    od;
    got = false
}

inline sema_release(hand_off) /* bl__sema_release_inside */
{
#ifdef BREAK_COUNT_LATE
    none = (waiting == 0);
    count++;
#else
    count++;
    none = (waiting == 0);
#endif
    if
    :: none
    :: !none ->
        acquire();
        if
        :: length == 0 -> lock = false
        :: length > 0 ->
            do                /* bl__queue_pop */
            :: length == 0 -> w = NG; break
            :: length > 0 ->
                pop(w);
                atomic {      /* bl__claim */
                    if
                    :: !claimed[w] -> claimed[w] = true; break
                    :: claimed[w]
                    fi
                }
            od;
            if
            :: w == NG -> lock = false
            :: w < NG ->
                waiting--;
                if
                :: hand_off -> take(got); ticket[w] = got; got = false
                :: !hand_off
                fi;
                lock = false;
                atomic { assert(!ready[w]); ready[w] = true } /* bl__ready */
            fi;
            w = 0
        fi
    fi;
    none = false
}

/* The store reaches memory.  Only one thread can have one: LOCKED is still seen. */
inline let_out()
{
#ifdef BREAK_STORE_WORD
    state = 0;
#else
    state = state & ~LOCKED;
#endif
    buffered = NG
}

inline barrier()              /* bl__os_barrier: everybody's */
{
    atomic {
        if
        :: buffered != NG -> let_out()
        :: else
        fi
    }
}

inline take_over()
{
    atomic {
#ifndef BREAK_TAKE_OVER
        state = state + LOCKED;
#endif
#ifndef BREAK_HANDED
        assert(state & HANDED);
        state = state - HANDED;
#endif
        state = state - WAITER;
#ifndef BREAK_STARVING_KEPT
        if
        :: !starving || old / WAITER == 1 -> state = state - STARVING
        :: else
        fi
#endif
    }
}

#ifdef BREAK_GIVE_UP_EARLY
#define IS_COMING(s) ((s) < WAITER)
#else
/* A unit: no waiter is left, or the mutex is on its way from hand to hand. */
#define IS_COMING(s) ((s) < WAITER || ((s) & (LOCKED | STARVING)) == STARVING)
#endif

/* Behind it `late` says whether there is no mutex. */
inline give_up()
{
    do
    :: true ->
#ifndef BREAK_GIVE_UP
        take(got);
#endif
        if
        :: got ->
            got = false;
            old = state;
            if
            :: old & STARVING -> take_over(); late = false; break
            :: else
            fi;
            do
            :: atomic { state == old ->
                late = (old & (LOCKED | STARVING)) != 0;
#ifndef BREAK_GIVE_UP_WOKEN
                state = state & ~WOKEN;
#endif
                if
                :: !late -> state = state | LOCKED
                :: late
                fi
                };
                break
            :: atomic { state != old -> old = state }
            od;
            break
        :: !got ->
            old = state;
            if
            :: IS_COMING(old) ->
#ifdef BREAK_GIVE_UP
                break
#else
                count > 0 || !IS_COMING(state) /* bl_gosched, until then */
#endif
            :: else ->
                atomic {
                    new = old - WAITER;
                    if
#ifndef BREAK_GIVE_UP_STARVING
                    :: new < WAITER -> new = new & ~STARVING
#endif
                    :: else
                    fi
                };
                if
                :: atomic { state == old -> state = new }; break
                :: atomic { state != old -> old = 0 }
                fi
            fi
        fi
    od
}

inline lock_slow()
{
    old = state;
    do
    :: (old & (LOCKED | STARVING)) == LOCKED && spins < 1 -> /* may_spin */
        spins++;
        atomic {
            if
            :: !awoke && !(old & WOKEN) && old >= WAITER && state == old ->
                state = old | WOKEN;
                awoke = true
            :: else
            fi
        };
        old = state
    :: (old & LOCKED) && !contended -> /* announce */
#ifdef BREAK_ANNOUNCE
        barrier();
        contended = true;
#else
        contended = true;
#ifndef BREAK_BARRIER
        barrier();
#endif
#endif
        old = state
    :: !(old & LOCKED) || contended -> /* try_change */
        atomic {
        new = old;
        if
#ifdef BREAK_NEWCOMER
        :: true -> new = new | LOCKED
#else
        :: !(old & STARVING) -> new = new | LOCKED
        :: else
#endif
        fi;
        if
        :: old & (LOCKED | STARVING) -> new = new + WAITER
        :: else
        fi;
        if
        :: starving && (old & LOCKED) -> new = new | STARVING
        :: else
        fi;
#ifndef BREAK_WOKEN_KEPT
        if
        :: awoke -> new = new & ~WOKEN
        :: else
        fi
#endif
        };
        if
        :: atomic { state == old -> state = new; new = 0 };
#ifdef BREAK_NEWCOMER
            if
            :: !(old & LOCKED) -> break
            :: else
            fi;
#else
            if
            :: !(old & (LOCKED | STARVING)) -> break
            :: else
            fi;
#endif
            atomic { old = 0; spins = 0; front = waited };
            sema_acquire();
#if defined(DEADLINE) || defined(ALL)
            if
            :: late -> give_up(); break
            :: !late
            fi;
#endif
            if
            :: starving = true /* for more than 1 ms; here at once, too */
            :: true
            fi;
            waited = true;
            old = state;
            if
            :: old & STARVING -> take_over(); break
            :: else
            fi;
            awoke = true;
            spins = 0
        :: atomic { state != old -> old = state }
        fi
    od
}

inline unlock_slow()
{
    do
    :: (new & STARVING) && !(new & (LOCKED | HANDED)) ->
        if
#ifdef BREAK_HANDED
        :: state == new ->
#else
        :: atomic { state == new -> state = new | HANDED };
#endif
#ifndef BREAK_NO_SEMA
            sema_release(true);
#endif
            new = 0;
            break
        :: atomic { state != new -> new = state }
        fi
    :: else -> break
    od;
    if
    :: true ->
        do
        :: new < WAITER || (new & (LOCKED | WOKEN | STARVING)) -> break
        :: else ->
            if
            :: atomic { state == new ->
#ifdef BREAK_WAITER_KEPT
                state = new | WOKEN
#else
                state = (new - WAITER) | WOKEN
#endif
                };
                sema_release(false);
                break
            :: atomic { state != new -> new = state }
            fi
        od
    fi
}

proctype G(byte me)
{
    byte round = 0, w = 0, spins = 0;
    byte old, new;
    bool got, front, waited, starving, awoke, none, late;

    do
    :: round == ROUNDS(me) -> break
    :: else ->
        round++;
        if                    /* bl_mutex_lock */
        :: atomic { buffered != me && state == 0 -> state = LOCKED }
        :: buffered != me && state != 0 -> lock_slow()
        fi;
        atomic {
            old = 0;
            new = 0;
            spins = 0;
            waited = false;
            starving = false;
            awoke = false;
            front = false
        };
        if
        :: late -> late = false
        :: !late ->
            atomic { owners++; assert(owners == 1 && (state & LOCKED)) };
            owners--;
            if                /* unlock */
            :: contended ->
                atomic { assert(state & LOCKED); state = state - LOCKED; new = state };
                if
                :: new != 0 -> unlock_slow()
                :: new == 0
                fi
            :: !contended ->  /* unlock_quickly */
                assert(state & LOCKED);
#ifdef BREAK_UNLOCK_ORDER
                none = !contended;
                buffered = me;
#else
                buffered = me;
                none = !contended;
#endif
                if
                :: none -> none = false
                :: !none ->
                    atomic { buffered != me; new = state };
                    unlock_slow()
                fi
            fi;
            new = 0
        fi
    od;
    ended++
}

proctype Memory()
{
end:
    do
    :: atomic { buffered != NG -> let_out() }
    od
}

init
{
    atomic { run Memory(); run G(0); run G(1); run G(2) };
    ended == NG && buffered == NG;
    assert(state == 0 && count == 0 && waiting == 0 && length == 0)
}
