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
 * while it starves has it, and in the end the state and the semaphore's count are zero;
 * and whoever is the last one that wants it may free it once it has unlocked it: nobody
 * touches it then (gone).
 *
 *  (none)    nobody has a deadline
 *  DEADLINE  one has (bl_mutex_lock_until, give_up)
 *  ALL       all have
 *
 * BREAK_NO_COUNT       bl__sema_release: leaves nothing where nobody waits
 * BREAK_TAKE_UNLOCKED  bl__sema_acquire: takes a unit without the lock
 * BREAK_COUNT_FIRST    bl__sema_release: adds to count, then locks
 * BREAK_TWO_STEPS      unlock: takes LOCKED away, then looks whom to wake
 * BREAK_WOKEN_KEPT     try_change: does not take WOKEN back
 * BREAK_NEWCOMER       try_change: newcomers take a starving mutex, too
 * BREAK_WAITER_KEPT    unlock_slow: who is woken is still counted
 * BREAK_TAKE_OVER      take_over: does not set LOCKED
 * BREAK_STARVING_KEPT  take_over: the last waiter does not end starvation mode
 * BREAK_NO_SEMA        unlock_slow: does not release in starvation mode
 * BREAK_NO_CLAIM       wait_once: time ends a wait that a waker has ended already
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

#define LOCKED 1
#define WOKEN 2
#define STARVING 4
#define WAITER 8

byte state;
byte count;                   /* of the semaphore */
byte queue[NG];               /* its waiters, the first one first */
byte length;
bool ready[NG];
bool claimed[NG];
byte owners;
byte wanted = NG;             /* who will lock it, or has it; under the mutex */
bool gone;                    /* it has been freed */
byte ended;

/* Everything of the semaphore happens under its lock: one step to others. */
bool lock;
inline acquire() { atomic { !lock -> assert(!gone); lock = true } }
inline let_go() { atomic { assert(!gone); lock = false } }

inline take(got)
{
    atomic {
        assert(!gone);
        if
        :: count > 0 -> count--; got = true
        :: count == 0 -> got = false
        fi
    }
}

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
#ifdef BREAK_TAKE_UNLOCKED
    take(got);
#endif
    if
    :: got
    :: !got ->
        acquire();
        take(got);
        if
        :: got -> let_go()
        :: !got ->
            claimed[me] = false;
            push(front);
            let_go();         /* bl__park_unlock, bl__park_bound */
            if
            :: atomic { ready[me] -> ready[me] = false; claimed[me] = false }
#if defined(DEADLINE) || defined(ALL)
            :: atomic { HAS_DEADLINE(me) && /* expire */
#ifndef BREAK_NO_CLAIM
                        !claimed[me] &&
#endif
                        !ready[me] -> claimed[me] = true };
                acquire();    /* wait_once */
                leave();
                let_go();
                late = true
#endif
            fi
        fi
    fi;
    got = false
}

inline sema_release()         /* bl__sema_release_inside */
{
#ifdef BREAK_COUNT_FIRST
    atomic { assert(!gone); count++ };
#endif
    acquire();
    do                        /* bl__queue_pop */
    :: length == 0 -> w = NG; break
    :: length > 0 ->
        pop(w);
        atomic {              /* bl__claim */
            if
            :: !claimed[w] -> claimed[w] = true; break
            :: claimed[w]
            fi
        }
    od;
    if
    :: w == NG ->
#if !defined(BREAK_NO_COUNT) && !defined(BREAK_COUNT_FIRST)
        count++;
#endif
        let_go()
    :: w < NG ->
#ifdef BREAK_COUNT_FIRST
        count--;
#endif
        let_go();
        atomic { assert(!ready[w]); ready[w] = true } /* bl__ready */
    fi;
    w = 0
}

inline take_over()
{
    atomic {
#ifndef BREAK_TAKE_OVER
        state = state + LOCKED;
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
        acquire();            /* bl__sema_take */
        take(got);
        let_go();
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
    :: else ->                /* try_change */
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
    old = state;
    do
    :: true ->
        atomic {
            hands = (old & STARVING) != 0;
            wakes = !hands && old >= WAITER && !(old & WOKEN);
#ifdef BREAK_TWO_STEPS
            new = old - (old & LOCKED);
#else
            assert(old & LOCKED);
            new = old - LOCKED;
#endif
            if
#ifdef BREAK_WAITER_KEPT
            :: wakes -> new = new + WOKEN
#else
            :: wakes -> new = new + WOKEN - WAITER
#endif
            :: else
            fi
        };
        if
        :: atomic { state == old -> assert(!gone); state = new; new = 0; old = 0 };
            if
#ifndef BREAK_NO_SEMA
            :: hands || wakes -> sema_release()
#else
            :: !hands && wakes -> sema_release()
#endif
            :: else
            fi;
            break
        :: atomic { state != old -> assert(!gone); old = state }
        fi
    od;
    atomic { hands = false; wakes = false }
}

proctype G(byte me)
{
    byte round = 0, w = 0, spins = 0;
    byte old, new;
    bool got, front, waited, starving, awoke, late, hands, wakes, last;

    do
    :: round == ROUNDS(me) -> break
    :: else ->
        round++;
        if                    /* bl_mutex_lock */
        :: atomic { state == 0 -> assert(!gone); state = LOCKED }
        :: state != 0 -> lock_slow()
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
        :: late ->
            atomic { late = false; wanted = wanted - (round == ROUNDS(me) -> 1 : 0) }
        :: !late ->
            atomic { owners++; assert(owners == 1 && (state & LOCKED)) };
            atomic {
                owners--;
                wanted = wanted - (round == ROUNDS(me) -> 1 : 0);
                last = (wanted == 0)
            };
            if                /* unlock */
#ifdef BREAK_TWO_STEPS
            :: atomic { assert(state & LOCKED); state = state - LOCKED }; unlock_slow()
#else
            :: atomic { state == LOCKED -> assert(!gone); state = 0 }
            :: atomic { state != LOCKED -> assert(!gone) }; unlock_slow()
#endif
            fi;
            if
            :: last -> gone = true
            :: !last
            fi
        fi
    od;
    ended++
}

init
{
    atomic { run G(0); run G(1); run G(2) };
    ended == NG;
    assert(state == 0 && count == 0 && length == 0)
}
