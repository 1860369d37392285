/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* bound.pml - a wait that may also end with a deadline, or when a channel is closed:
 * src/sync/bound.c, and what calls it (here wait_once of sema.c).
 *
 * WAITER waits, twice, for a unit, in a semaphore's queue and in that of `done`, with a
 * deadline.  Two give a unit each, one closes done.
 *
 * Shown: nobody readies the waiter who does not wait, or has been readied; each unit
 * that was given to it is its; it does not wait for good; the number of waiters ends as
 * zero.
 *
 *  (none)   with a deadline
 *  FOREVER  without; one unit only, so that the second wait ends with done
 *
 * BREAK_NO_CLAIM       bl__claim: always true
 * BREAK_RESET_LATE     wait_once: claimed = 0 behind the push, and without the lock
 * BREAK_NO_REMOVE      bl__park_bound: the record stays in done's queue
 * BREAK_WAITER_STAYS   wait_once: the record stays in the semaphore's
 * BREAK_RELEASE_COPY   release_both: reads *p behind the first unlock
 * BREAK_DONE_UNLOCKED  bl__park_bound: looks at closed without done's lock
 *
 * This was in the code once:
 * BREAK_CLOSED         bl__park_bound: done is closed already, so it does not park; but
 *                      the record is in the caller's queue, unlocked and unclaimed */

#define NOBODY 0
#define DONE 1

#define ROUNDS 2

bool lock_s, lock_d;          /* of the semaphore, of done */
bool in_s, in_d;              /* the waiter's records are in their queues */
bool record_s, record_d;      /* they are on its stack */
bool frame;                   /* struct releasing is */
bool closed;
bool claimed = true;
bool waits, ready;
bool behind;                  /* it is off its stack: release_both is due */
bool started;                 /* so is its timer */
byte woken_by;
byte count, waiting;
byte given, got;

inline acquire(l) { atomic { !l -> l = true } }
inline unlock(l) { atomic { assert(l); l = false } }

inline claim(won)
{
#ifdef BREAK_NO_CLAIM
    won = true
#else
    atomic { won = !claimed; claimed = true }
#endif
}

inline make_ready() { atomic { assert(waits && !ready); ready = true } }

/* On the thread that the waiter has left: release_both. */
proctype Behind()
{
end:
    do
    :: atomic { behind -> behind = false; started = true };
        assert(frame);        /* copied */
        unlock(lock_d);
#ifdef BREAK_RELEASE_COPY
        assert(frame);
#endif
        unlock(lock_s)
    od
}

proctype Waiter()
{
    byte round;
    bool error;

    do
    :: round == ROUNDS -> break
    :: else ->
        round++;
        acquire(lock_s);      /* bl__sema_acquire */
        waiting++;
        if
        :: count > 0 -> count--; waiting--; got++; unlock(lock_s)
        :: else ->            /* wait_once */
            record_s = true;
            in_s = true;
#ifndef BREAK_RESET_LATE
            claimed = false;
#endif
#ifdef BREAK_DONE_UNLOCKED
            if                /* bl__park_bound */
            :: closed -> goto at_once
            :: else
            fi;
            acquire(lock_d);
#else
            acquire(lock_d);  /* bl__park_bound */
            if
            :: closed -> goto at_once
            :: else
            fi;
#endif
            record_d = true;
            in_d = true;
            woken_by = NOBODY;
            atomic { frame = true; waits = true; behind = true };
#ifdef BREAK_RESET_LATE
            claimed = false;
#endif
            if
            :: ready -> error = false
#ifndef FOREVER
            :: atomic { started && !claimed -> claimed = true; error = true } /* expire */
#endif
            fi;
            atomic { ready = false; waits = false; started = false };
            acquire(lock_d);
#ifndef BREAK_NO_REMOVE
            in_d = false;
#endif
            unlock(lock_d);
            atomic { record_d = false; frame = false };
            error = error || woken_by == DONE;
            goto waited;
at_once:
            error = true;
#ifndef BREAK_CLOSED
            claimed = true;
#endif
#ifndef BREAK_DONE_UNLOCKED
            unlock(lock_d);
#endif
            unlock(lock_s);
waited:
            if
            :: error ->
                acquire(lock_s);
#ifndef BREAK_WAITER_STAYS
                in_s = false;
#endif
                waiting--;
                unlock(lock_s)
            :: else -> got++
            fi;
            record_s = false;
            error = false
        fi
    od
}

/* bl__sema_release_inside with a hand-off: the unit is the waiter's. */
proctype Giver()
{
    bool won;

    acquire(lock_s);
    if
    :: in_s -> assert(record_s); in_s = false; claim(won)
    :: else
    fi;
    if
    :: won -> waiting--; given++; unlock(lock_s); make_ready()
    :: else -> count++; given++; unlock(lock_s)
    fi
}

/* bl_chan_shut */
proctype Closer()
{
    bool won;

    acquire(lock_d);
    closed = true;
    if
    :: in_d -> assert(record_d); in_d = false; claim(won)
    :: else
    fi;
    if
    :: won -> woken_by = DONE
    :: else
    fi;
    unlock(lock_d);
    if
    :: won -> make_ready()
    :: else
    fi
}

init
{
    atomic {
        run Behind();
        run Waiter();
        run Giver();
#ifndef FOREVER
        run Giver();
#endif
        run Closer()
    };
    _nr_pr == 2;
    assert(waiting == 0 && given == got + count && !ready)
}
