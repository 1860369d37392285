/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* descriptor.pml - one side of a descriptor: src/sched/poll.[ch], src/net/fd.c.
 *
 * READER reads, and parks when there is nothing.  The other end sends; the set reports
 * that, once each time (edge-triggered), to POLLER; the deadline is moved, its timer runs,
 * a context ends, the descriptor is closed.
 *
 * Shown: nobody is woken twice, or who does not wait; no waiter is looked at when its
 * stack is another one's; the descriptor is not touched once it is gone; and the reader
 * waits for good only if there are no data, it is not closed and has no deadline.
 *
 *  (none)    data, a close, the deadline is moved on once
 *  MOVED     data, the deadline is moved twice, and time goes on
 *  CANCELED  data, a context that ends, and what comes then is still read
 *  SPARED    a read that has taken all there was is followed by one that is not tried
 *            (is_in_vain); the other end sends, urgent data, too, and ends
 *
 * BREAK_RESET_LATE     bl__fd_try: resets ready behind the attempt, as a store buffer would
 *                      if the attempt did not empty it (try_poll)
 * BREAK_NO_LOOK        bl__fd_wait: does not look at ready
 * BREAK_LOOK_UNLOCKED  bl__fd_wait: looks, and then locks
 * BREAK_LOOK_CLOSED    look: not at CLOSED
 * BREAK_DROPPED        tell_side: an event that nobody waits for is lost
 * BREAK_NO_CLAIM       bl__claim: always true
 * BREAK_WAITER_STAYS   park: the waiter stays where it was when a context ends the wait
 * BREAK_WOKEN_STAYS    bl__poll_claim: the same when somebody else does
 * BREAK_SET_WAITS      bl__fd_set_deadline: starts no timer for who waits
 * BREAK_TIMER_AT       on_time: timer_at stays
 * BREAK_TIMER_AGAIN    on_time: is not started again when the deadline has been moved on
 * BREAK_RUNNING_EARLY  on_time: running - 1 before it has unlocked
 * BREAK_SHUT           shut: does not wait until the timer has run
 * BREAK_END            is_in_vain: does not ask whether the other side has ended
 *
 * These were in the code once:
 * BREAK_SHUT_STOPPED   shut: waits only if the timer is in no heap; but on_time may have
 *                      put it there, and is not over yet
 * BREAK_URGENT         a read stops at urgent data, though there is more: that was taken
 *                      for all there was */

#define NEVER 3

#define BY_EVENT 0
#define BY_CLOSE 1
#define BY_TIME 2

#if defined(MOVED)
#define DEADLINES 2
#define SENDS 1
#elif defined(CANCELED)
#define SENDS 2
#elif defined(SPARED)
#define SENDS 2
#else
#define CLOSES
#define DEADLINES 1
#define SENDS 1
#endif
#ifndef DEADLINES
#define DEADLINES 0
#endif

bool lock;                    /* poll->lock */
bool ready;                   /* side->ready */
bool waiter;                  /* side->waiter is not NULL */
bool record;                  /* it is on the reader's stack */
byte index;                   /* what it says */
bool claimed = true;
bool waits, runnable;         /* the reader's goroutine */
bool behind;                  /* it is off its stack: unlock is due */
bool parked;                  /* behind that */

byte data;                    /* in the kernel */
bool event;                   /* in the set */
bool ends, is_odd;           /* the other side has; an event has said so */
bool mark;                    /* urgent data behind the first ones */
bool closed, gone;
byte users = 1;               /* the reader */

byte now;
#ifdef CLOSES
byte deadline = 1;
#else
byte deadline = NEVER;
#endif
byte timer_at = NEVER, when;
bool heap;                    /* the timer is in one */
byte running;

byte going;                   /* others that have not ended */

inline acquire(l) { atomic { !l -> l = true } }
inline unlock(l) { atomic { assert(l); l = false } }
inline make_runnable() { atomic { assert(waits && !runnable); runnable = true } }

/* bl__poll_claim */
inline claim_waiter(won)
{
    atomic {
        assert(lock);
        won = false;
        if
        :: waiter ->
            assert(record);
#ifdef BREAK_NO_CLAIM
            won = true;
#else
            won = !claimed;
#endif
            claimed = true;
            if
#ifdef BREAK_WOKEN_STAYS
            :: skip
#else
            :: won -> waiter = false
            :: else
#endif
            fi
        :: else
        fi
    }
}

inline start_timer(until)
{
    atomic {
        assert(lock && !gone);
        if
        :: timer_at <= until
        :: else ->
            heap = false;     /* bl__timer_stop */
            timer_at = until;
            when = until;
            heap = true
        fi
    }
}

/* What a deadline, which is now `deadline`, means to who waits. */
inline tell_deadline(won)
{
    won = false;
    if
    :: waiter && deadline <= now ->
        claim_waiter(won);
        if :: won -> index = BY_TIME :: else fi
#ifndef BREAK_SET_WAITS
    :: waiter && deadline > now && deadline != NEVER -> start_timer(deadline)
#endif
    :: else
    fi
}

proctype Reader()
{
    bool error, drained;

    do
    :: deadline <= now -> break            /* has_expired */
    :: else ->
#ifdef SPARED
        if                                 /* is_in_vain */
        :: drained && !ready ->
            drained = false;
#ifndef BREAK_END
            if
            :: is_odd -> goto try
            :: else -> goto wait
            fi
#else
            goto wait
#endif
        :: else -> drained = false
        fi;
#endif
try:
#ifndef BREAK_RESET_LATE
        if                                 /* bl__poll_reset */
        :: ready -> ready = false
        :: else
        fi;
#endif
        atomic {                           /* attempt */
            if
#ifdef SPARED
            :: data == 2 && mark -> data = 1; drained = true; goto next
            :: data > 0 && !(data == 2 && mark) ->
                data = 0;
                mark = false;
                drained = true;
                goto next
            :: data == 0 && ends -> goto end
#else
            :: data > 0 -> data--; goto next
#endif
            :: else
            fi
        };
#ifdef BREAK_RESET_LATE
        ready = false;
#endif
wait:                                      /* bl__fd_wait */
#ifdef BREAK_LOOK_UNLOCKED
        if
        :: ready -> ready = false; goto next
        :: else
        fi;
#endif
        acquire(lock);
        if                                 /* look */
#ifndef BREAK_LOOK_CLOSED
        :: closed -> unlock(lock); goto end
#endif
        :: deadline <= now -> unlock(lock); goto end
#if !defined(BREAK_NO_LOOK) && !defined(BREAK_LOOK_UNLOCKED)
        :: ready && !closed && deadline > now -> ready = false; unlock(lock); goto try
#endif
        :: else
        fi;
        atomic { claimed = false; record = true; index = BY_EVENT };
        waiter = true;                     /* park */
        if
        :: deadline != NEVER -> start_timer(deadline)
        :: else
        fi;
        atomic { waits = true; behind = true };
        if
        :: runnable
#ifdef CANCELED
        :: atomic { parked && !claimed -> claimed = true; error = true }
#endif
        :: going == 0 && !runnable && data == 0 && !ends && !closed && !event &&
           deadline == NEVER ->
            goto end                       /* for good, and rightly */
        fi;
        atomic { runnable = false; waits = false; parked = false };
        if
        :: error ->
            acquire(lock);
#ifndef BREAK_WAITER_STAYS
            waiter = false;
#endif
            unlock(lock);
            record = false;
            error = false                  /* another read, without the context */
        :: !error && index == BY_EVENT -> record = false; goto try
        :: !error && index != BY_EVENT -> record = false; break
        fi
next:
        skip
    od;
end:
    users--
}

/* On the thread that the reader has left. */
active proctype Behind()
{
end:
    do
    :: atomic { behind -> behind = false; parked = true; assert(lock); lock = false }
    od
}

/* bl__poll_look, tell_side */
active proctype Poller()
{
    bool won, late;

end:
    do
    :: atomic {
            event -> event = false;
#ifdef BREAK_URGENT
            late = ends
#else
            late = ends || mark
#endif
        };
        if
        :: late -> is_odd = true
        :: else
        fi;
        acquire(lock);
        claim_waiter(won);
        if
        :: won
#ifdef BREAK_DROPPED
        :: !won
#else
        :: !won -> ready = true
#endif
        fi;
        unlock(lock);
        if
        :: won -> make_runnable()
        :: else
        fi
    od
}

/* With MOVED two threads: a timer that is started while it runs does run twice. */
proctype Timers()
{
    bool won;

end:
    do
    :: atomic { heap && when <= now -> heap = false; running++ };
        acquire(lock);                     /* on_time */
        assert(!gone);
#ifndef BREAK_TIMER_AT
        atomic { if :: !heap -> timer_at = NEVER :: else fi };
#endif
        won = false;
        if
        :: waiter && deadline <= now ->
            claim_waiter(won);
            if :: won -> index = BY_TIME :: else fi
#ifndef BREAK_TIMER_AGAIN
        :: waiter && deadline > now && deadline != NEVER -> start_timer(deadline)
#endif
        :: else
        fi;
#ifdef BREAK_RUNNING_EARLY
        running--;
        assert(!gone);
        unlock(lock);
#else
        unlock(lock);
        assert(!gone);
        running--;
#endif
        if
        :: won -> make_runnable()
        :: else
        fi
    od
}

proctype Sender(byte n)
{
    do
    :: n == 0 -> break
    :: else ->
#ifdef SPARED
        if
        :: n == 1 -> atomic { data++; mark = true }
        :: data++
        fi;
#else
        data++;
#endif
        event = true;
        n--
    od;
#ifdef SPARED
    if
    :: ends = true; event = true
    :: skip
    fi;
#endif
    going--
}

proctype Clock()
{
    do
    :: now < 2 -> now++
    :: now == 2 -> break
    od;
    going--
}

/* bl__fd_set_deadline */
proctype Setter(byte n)
{
    bool won;
    byte until;

    do
    :: n == 0 -> break
    :: else ->
        n--;
        if
        :: until = 1
        :: until = 2
        :: until = NEVER
        fi;
        atomic { if :: closed -> break :: else -> users++ fi };
        acquire(lock);
        deadline = until;
        tell_deadline(won);
        unlock(lock);
        if
        :: won -> make_runnable()
        :: else
        fi;
        users--
    od;
    going--
}

/* bl__fd_close, wake_waiters; then shut */
proctype Closer()
{
    bool won;

    closed = true;
    acquire(lock);
    claim_waiter(won);
    if :: won -> index = BY_CLOSE :: else fi;
    unlock(lock);
    if
    :: won -> make_runnable()
    :: else
    fi;
    going--;
    users == 0;
    atomic {                               /* bl__timer_stop */
        if
#ifdef BREAK_SHUT_STOPPED
        :: heap -> heap = false; gone = true
        :: !heap
#else
        :: heap = false
#endif
        fi
    };
#ifndef BREAK_SHUT
    gone || running == 0;
#endif
    gone = true
}

init
{
    atomic {
        going = 1;
        run Sender(SENDS);
        run Reader();
#if DEADLINES > 0
        going = going + 2;
        run Setter(DEADLINES);
        run Clock();
        run Timers();
#endif
#ifdef MOVED
        run Timers();
#endif
#ifdef CLOSES
        going++;
        run Closer();
#endif
        skip
    }
}

