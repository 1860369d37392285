/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* poller.pml - who sleeps in the poller: src/sched/thread.c, find.c, poll.c, monitor.c.
 *
 * Goroutines and a plain thread each read what the other end sends, at any time; who has
 * to wait for it leaves that to whoever looks.  Ms that find nothing go to sleep, one of
 * them in the poller, and the others on their futex; a thread outside queues work, or
 * starts a timer; one goroutine may stay in users' code until another has run.
 *
 * What idle.pml shows is taken for granted here: that an M which spins finds what is
 * queued.  So waking a P is one step, and nobody spins.  What a descriptor's side knows is
 * one step, too: that is descriptor.pml's.
 *
 * Shown: there is no state in which data have come, work is queued or a timer is due, and
 * nothing goes on.
 *
 *  (none)   one P; a goroutine reads twice
 *  TWO      two Ps; two goroutines read; or, with WORK, one
 *  PLAIN    one P; a goroutine reads, and so does a plain thread
 *  WORK     one P; a goroutine reads, and work comes from outside; data may come only
 *           when that has run
 *  TIMED    the same; instead of work a timer
 *  BUSY     two Ps; one has a goroutine that computes until the reader has gone on
 *  RISE     one P; the reader, when it has read, queues another goroutine and computes
 *           until that has run
 *
 * BREAK_NOBODY       is_to_poll: not even the last one sleeps in the poller
 * BREAK_TWO          is_to_poll: though another one does
 * BREAK_COUNT_LATE   bl__fd_wait: waiting_io + 1 when it is parked
 * BREAK_NO_RING      wake: by the futex, wherever m sleeps
 * BREAK_WAKE_LATE    wake: looks where m sleeps, and then sets m->wake
 * BREAK_POLLS_LATE   sleep_in_poller: looks at m->wake, and then sets m->polls
 * BREAK_NO_STOP_LOOK sleep_in_poller: does not look at m->wake
 * BREAK_ALARM        bl__poll_look: who does not sleep stops the alarm
 * BREAK_POLLER_STAYS sleep_in_poller: bl__sched.poller stays
 * BREAK_WATCH        bl__poll_watch: does nothing
 * BREAK_MONITOR      poll_for_the_rest: does not look
 * BREAK_NOTIFY       sleep_in_poller: takes a P and does not notify the monitor
 * BREAK_NO_P         sleep_in_poller: keeps what it has found if it gets no P
 * BREAK_UNTIL        wait_for_work: the keeper sleeps in the poller without a limit
 * BREAK_KEEPER       remove_idle: the keeper stays
 * BREAK_RISEN        sleep_in_poller: takes a P though one was given to it
 *
 * This was in the code once, for a CPU that changes the order:
 * BREAK_WATCH_FIRST  bl__poll_watch: before waiting_io + 1 */

#if defined(TWO)
#define NP 2
#ifdef WORK
#define READERS 1
#define WORKS 2
#else
#define READERS 2
#endif
#define READS 1
#elif defined(BUSY)
#define NP 2
#define READERS 1
#define READS 1
#define COMPUTES 1
#elif defined(RISE)
#define NP 1
#define READERS 1
#define READS 1
#define COMPUTES 1
#elif defined(PLAIN)
#define NP 1
#define READERS 2             /* the plain thread is the second */
#define READS 1
#else
#define NP 1
#define READERS 1
#define READS 2
#endif
#ifndef COMPUTES
#define COMPUTES 0
#endif
#if !defined(WORKS) && (defined(WORK) || defined(TIMED) || COMPUTES)
#define WORKS 1
#elif !defined(WORKS)
#define WORKS 0
#endif

#ifdef PLAIN
#define IS_PLAIN(d) (d == 1)
#else
#define IS_PLAIN(d) false
#endif

#define NM 2
#define NONE 9

byte idle;                    /* Ps */
byte queued;                  /* work of no other interest */
bool runnable[READERS];       /* in some queue, too */
#if READERS == 2
#define ANY_QUEUED (queued > 0 || runnable[0] || runnable[1])
#else
#define ANY_QUEUED (queued > 0 || runnable[0])
#endif

bool has_p[NM];
bool given[NM];               /* next_p */
bool m_idle[NM];              /* in idle_ms */
bool m_wake[NM];
bool m_polls[NM];
bool m_busy[NM];              /* in users' code, for long */
byte started;

byte poller = NONE;
bool needs_poller;
byte waiting_io;
byte keeper = NONE;
byte timer;                   /* 1 started, 2 due */

byte data[READERS];           /* in the kernel */
bool added[READERS];          /* to the set */
bool event[READERS];          /* in the set */
bool alarm;                   /* the same of the eventfd, until it is stopped */
bool ready[READERS];
bool parked[READERS];         /* a waiter is there */
byte left[READERS] = READS;

byte works = WORKS;           /* still to come */
byte done;
bool thread_wake;             /* the plain thread's futex */
bool monitor_asleep, monitor_wake;
#ifdef BREAK_WATCH_FIRST
byte was;
#endif

#if READERS == 2
#define ALL_READ (left[0] == 0 && left[1] == 0)
#else
#define ALL_READ (left[0] == 0)
#endif
#define FINISHED (ALL_READ && works == 0 && timer == 0 && queued == 0 && done == WORKS)

inline notify()               /* bl__monitor_notify */
{
    if
    :: monitor_asleep -> monitor_wake = true
    :: else
    fi
}

inline wake(x)
{
#ifdef BREAK_WAKE_LATE
    if
    :: m_polls[x] -> m_wake[x] = true; alarm = true
    :: !m_polls[x] -> m_wake[x] = true
    fi
#else
    m_wake[x] = true;
#ifndef BREAK_NO_RING
    if
    :: m_polls[x] -> alarm = true
    :: else
    fi
#endif
#endif
}

/* In one step. */
inline remove_idle(x)
{
    assert(m_idle[x]);
    m_idle[x] = false;
#ifndef BREAK_KEEPER
    if
    :: keeper == x -> keeper = NONE
    :: else
    fi
#endif
}

#define ANY_IDLE (m_idle[0] || m_idle[1])

/* In one step: choose_idle, or one that is to be made; NONE: all are awake.  (Then the
 * code makes another one.) */
inline choose(x)
{
    if
    :: m_idle[0] && (poller != 0 || !m_idle[1]) -> x = 0; remove_idle(x)
    :: m_idle[1] && (poller != 1 || !m_idle[0]) -> x = 1; remove_idle(x)
    :: !ANY_IDLE && started < NM -> x = started; started++
    :: !ANY_IDLE && started == NM -> x = NONE
    fi
}

/* bl__wake_p, bl__start_m: without an M it waits until there is one. */
inline wake_p(x)
{
    if
    :: idle == 0
    :: atomic { idle > 0 && (started < NM || ANY_IDLE) ->
            idle--;
            choose(x);
            given[x] = true };
        wake(x);
        x = NONE;
        notify()
    :: FINISHED
    fi
}

inline start_poller(x)
{
    atomic {
        if
        :: poller == NONE ->
            needs_poller = true;
            choose(x)
        :: else
        fi
    };
    if
    :: x != NONE -> wake(x); x = NONE
    :: else
    fi
}

/* bl__poll_look, from the set's answer on; e: the events.  who: that now have to be made
 * ready */
inline tell(d)
{
    if
    :: atomic { e[d] && parked[d] -> e[d] = false; parked[d] = false; who[d] = true }
    :: atomic { e[d] && !parked[d] -> e[d] = false; ready[d] = true }
    :: !e[d]
    fi
}

inline take_events()
{
    e[0] = event[0];
    event[0] = false;
#if READERS == 2
    e[1] = event[1];
    event[1] = false;
#endif
#ifdef BREAK_ALARM
    alarm = false;
#endif
}

inline tell_all()
{
    tell(0);
#if READERS == 2
    tell(1);
#endif
}

inline make_ready(d, x)
{
    if
    :: who[d] ->
        who[d] = false;
        if
        :: IS_PLAIN(d) -> thread_wake = true
        :: else -> runnable[d] = true; wake_p(x)
        fi
    :: else
    fi
}

inline make_all_ready(x)      /* bl__ready_all */
{
    make_ready(0, x);
#if READERS == 2
    make_ready(1, x);
#endif
}

#if READERS == 2
#define FOUND (who[0] || who[1])
#ifdef PLAIN
#define FOUND_GOROUTINE who[0]
#else
#define FOUND_GOROUTINE FOUND
#endif
#define ANY_EVENT (event[0] || event[1])
#else
#define FOUND who[0]
#define FOUND_GOROUTINE FOUND
#define ANY_EVENT event[0]
#endif

/* bl__fd_wait of who has got nothing; in the end it is parked, or has jumped to again. */
inline wait_for(d, again)
{
    atomic {                  /* bl__poll_add */
        if
        :: !added[d] -> added[d] = true; event[d] = (data[d] > 0)
        :: else
        fi
    };
#ifndef BREAK_COUNT_LATE
    waiting_io++;
#endif
#ifdef PLAIN
#ifndef BREAK_WATCH
    if
    :: IS_PLAIN(d) ->
        if
#ifdef BREAK_WATCH_FIRST
        :: was == NONE -> start_poller(x)
#else
        :: poller == NONE -> start_poller(x)
#endif
        :: else
        fi
    :: else
    fi;
#endif
#endif
    if
    :: atomic { ready[d] -> ready[d] = false };
#ifndef BREAK_COUNT_LATE
        waiting_io--;
#endif
        goto again
    :: atomic { !ready[d] -> parked[d] = true }
    fi
#ifdef BREAK_COUNT_LATE
    ;
    waiting_io++
#endif
}

inline is_to_poll(m)
{
#ifdef BREAK_NOBODY
    polls = m_idle[m] && poller == NONE && needs_poller
#else
    polls = (waiting_io > 0 || needs_poller) && m_idle[m] &&
#ifndef BREAK_TWO
            poller == NONE &&
#endif
            (needs_poller || idle == NP)
#endif
}

proctype M(byte me)
{
    byte d, x = NONE;
    bool polls, risen, limited, e[READERS], who[READERS];

    if
    :: m_idle[me] -> goto wait_for_work
    :: else
    fi;
    goto sleeps;

find_work:
    if
    :: !has_p[me] -> goto stop
    :: else
    fi;
    if                        /* bl__timers_run: a deadline; it readies somebody */
    :: atomic { timer == 2 -> timer = 0; queued++ }
    :: timer != 2
    fi;
    atomic {
        if
        :: runnable[0] -> runnable[0] = false; d = 0; goto resume
#if READERS == 2
        :: runnable[1] -> runnable[1] = false; d = 1; goto resume
#endif
        :: queued > 0 -> queued--; goto work
        :: !ANY_QUEUED
        fi
    };
    if                        /* poll */
    :: waiting_io > 0 ->
        atomic { take_events() };
        tell_all();
        needs_poller = false;
        if
        :: FOUND -> make_all_ready(x); goto find_work
        :: else
        fi
    :: else
    fi;
    atomic {                  /* go_idle, work_is_left */
        if
        :: ANY_QUEUED || timer == 2
        :: else -> has_p[me] = false; idle++
        fi
    };
    goto find_work;

    /* --- goroutines ------------------------------------------------------ */

resume:
    waiting_io--;
again:
    ready[d] = false;
    atomic {
        if
        :: data[d] > 0 -> data[d]--; left[d]--
        :: else -> goto nothing
        fi
    };
#ifdef RISE
    queued++;                 /* its own P's: wakes nobody else */
    works--;
    goto compute;
#endif
    if
    :: left[d] > 0 -> goto again
    :: else -> goto find_work
    fi;
nothing:
    wait_for(d, again);
    goto find_work;

work:
#ifdef BUSY
compute:
#endif
#ifdef RISE
    done++;
    goto find_work;
compute:
#endif
#if COMPUTES
    m_busy[me] = true;
#ifdef BUSY
    ALL_READ;
#else
    done == WORKS;
#endif
    atomic {                  /* bl__enter */
        m_busy[me] = false;
        if
        :: has_p[me]
        :: !has_p[me] && idle > 0 -> has_p[me] = true; idle--
        :: !has_p[me] && idle == 0
        fi
    };
#endif
#ifndef RISE
    done++;
#endif
    goto find_work;

    /* --- sleeping -------------------------------------------------------- */

stop:
    m_idle[me] = true;
wait_for_work:
    atomic {                  /* sched.lock */
        limited = false;
        if
        :: timer > 0 && m_idle[me] && idle > 0 && (keeper == NONE || keeper == me) ->
            keeper = me;
            limited = true
        :: else
        fi;
        is_to_poll(me);
        if
        :: polls -> poller = me
        :: else
        fi
    };
    if
    :: !polls -> goto sleeps
    :: else
    fi;
#ifdef BREAK_UNTIL
    limited = false;
#endif
    /* sleep_in_poller */
#ifdef BREAK_POLLS_LATE
    if
    :: m_wake[me] -> m_polls[me] = true; goto awake
    :: else -> m_polls[me] = true
    fi;
#else
    m_polls[me] = true;
#ifndef BREAK_NO_STOP_LOOK
    if
    :: m_wake[me] -> goto awake
    :: else
    fi;
#endif
#endif
    if
    :: atomic { ANY_EVENT || alarm -> take_events() };
        if
        :: alarm -> alarm = false
        :: else
        fi
    :: limited && timer == 2
    :: FINISHED && !m_wake[me]
    fi;
    tell_all();
awake:
    m_polls[me] = false;
    atomic {
#ifndef BREAK_POLLER_STAYS
        poller = NONE;
#endif
        if
#ifdef BREAK_RISEN
        :: FOUND_GOROUTINE && idle > 0 ->
#else
        :: m_idle[me] && FOUND_GOROUTINE && idle > 0 ->
#endif
            needs_poller = false;
            remove_idle(me);
            idle--;
            assert(!has_p[me]);
            has_p[me] = true;
            risen = true
        :: else -> risen = false
        fi
    };
    if
    :: risen ->
#ifndef BREAK_NOTIFY
        notify();
#endif
        skip
    :: else
#ifdef BREAK_NO_P
        -> who[0] = false
#endif
    fi;
    make_all_ready(x);
    if
    :: risen -> goto find_work
    :: else
    fi;
    goto behind;

sleeps:
    if
    :: m_wake[me]
    :: limited && timer == 2
    :: FINISHED -> goto end
    fi;
behind:
    limited = false;
    if
    :: m_wake[me] ->
        m_wake[me] = false;
        atomic {
            if
            :: given[me] ->
                assert(!has_p[me]);
                given[me] = false;
                has_p[me] = true
            :: else
            fi
        };
        goto find_work
    :: FINISHED -> goto end
    :: !m_wake[me] && !FINISHED -> skip
    fi;
    atomic {                  /* rise */
        if
        :: m_idle[me] && timer == 2 && idle > 0 ->
            remove_idle(me);
            idle--;
            has_p[me] = true;
            notify();
            goto find_work
        :: else ->
            if
            :: keeper == me -> keeper = NONE
            :: else
            fi
        fi
    };
    goto wait_for_work;
end:
    skip
}

#ifdef PLAIN
/* park_thread */
proctype Thread()
{
    byte x = NONE;

    do
    :: left[1] == 0 -> break
    :: else ->
#ifdef BREAK_WATCH_FIRST
        was = poller;
#endif
again:
        ready[1] = false;
        atomic {
            if
            :: data[1] > 0 -> data[1]--; left[1]--; goto next
            :: else
            fi
        };
        wait_for(1, again);
        atomic { thread_wake -> thread_wake = false };
        waiting_io--;
next:
        skip
    od
}
#endif

proctype Sender(byte d)
{
    byte n = READS;

#if defined(WORK) || defined(TIMED)
    if
    :: true -> done == WORKS
    :: true
    fi;
#endif
    do
    :: n == 0 -> break
    :: else ->
        n--;
        atomic { data[d]++; if :: added[d] -> event[d] = true :: else fi }
    od
}

#if defined(WORK) || defined(TIMED)
proctype Outside()
{
    byte x = NONE;

#ifdef WORK
    do
    :: works == 0 -> break
    :: else ->
        atomic { queued++; works-- };
        wake_p(x)
    od
#else
    atomic { timer = 1; works-- };         /* bl__timer_start */
    wake_p(x);
    timer = 2
#endif
}
#endif

#if COMPUTES
inline take_p(m)
{
    atomic {
        if
        :: m_busy[m] && has_p[m] && (started < NM || ANY_IDLE) ->
            has_p[m] = false;
            choose(x);
            given[x] = true
        :: else
        fi
    };
    if
    :: x != NONE -> wake(x); x = NONE
    :: else
    fi
}

/* It polls: here it waits until there would be something to see. */
proctype Monitor()
{
    byte x = NONE;
    bool e[READERS], who[READERS];

end:
    do
    /* wake_for_the_rest */
    :: idle > 0 && ANY_QUEUED && !FINISHED -> wake_p(x)
#if NP == 1 /* with two a third thread would be needed */
    /* look_at, bl__take_p */
    :: idle == 0 && ANY_QUEUED && m_busy[0] && has_p[0] -> take_p(0)
    :: idle == 0 && ANY_QUEUED && m_busy[1] && has_p[1] -> take_p(1)
#endif
#ifndef BREAK_MONITOR
    /* poll_for_the_rest */
    :: waiting_io > 0 && poller == NONE && ANY_EVENT ->
        atomic { take_events() };
        tell_all();
        if
        :: FOUND ->
            make_all_ready(x);
            if
            :: idle > 0 -> start_poller(x)
            :: else
            fi
        :: else
        fi
#endif
    /* sleep_for_good */
    :: idle == NP ->
        monitor_wake = false;
        monitor_asleep = true;
        if
        :: idle != NP
        :: idle == NP ->
end_asleep:
            monitor_wake
        fi;
        monitor_asleep = false
    od
}
#endif

init
{
    atomic {
        run M(0);
        run M(1);
        run Sender(0);
#if READERS == 2
        run Sender(1);
#endif
        /* The readers have been made; the first M runs them. */
        runnable[0] = true;
        waiting_io = 1;       /* resume takes that back */
#if READERS == 2 && !defined(PLAIN)
        runnable[1] = true;
        waiting_io = 2;
#endif
#ifdef BUSY
        queued = 1;
        works = 0;
#endif
        idle = NP - 1;
        started = 1;
        given[0] = true;
        m_wake[0] = true;
#if NP == 2
        idle = 0;
        started = 2;
        given[1] = true;
        m_wake[1] = true;
#endif
#ifdef PLAIN
        run Thread();
#endif
#if defined(WORK) || defined(TIMED)
        run Outside();
#endif
#if COMPUTES
        run Monitor();
#endif
        skip
    }
}
