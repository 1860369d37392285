/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* idle.pml - who wakes whom: src/sched/find.c, thread.c, runq.c, monitor.c.
 *
 * Plain threads queue goroutines for all; one goroutine queues another on its own
 * P, in the ring or in run_next; Ms look for work, steal, spin, give their P up and
 * sleep.  One goroutine may stay in users' code until another has run.  linger()
 * is left out: it is only more looks.
 *
 * Shown: there is no state in which work waits and nothing goes on: neither with
 * all threads asleep, nor with the only thread that is awake in users' code.  An
 * order of loads and stores that a CPU may change is a switch (FENCE).
 *
 *  (none)   two Ps, one plain thread; no monitor, the rules must do without
 *  TWO      one P, two plain threads
 *  BUSY     a goroutine computes until another has run; both come from outside
 *  OWN      the same, with one that it has queued itself
 *  RETIRE   BELAYMAXPROCS goes from two to one
 *  MONITOR  as OWN (with TWO: as that), with run_next, and a monitor that polls all the
 *           time; with RETIRE both
 *  SLEEPS   as BUSY, with one P, which the monitor takes, and a timer; the monitor
 *           sleeps for good whenever every P is idle
 *  LATE     with BUSY, OWN or SLEEPS: the Ps are in use, their threads find nothing and
 *           are about to sleep, the first one spins; no timer
 *
 * BREAK_FENCE           tell_idle: no fence, idle and spinning are loaded first
 * BREAK_WAKE_FIRST      a plain thread wakes, then queues
 * BREAK_NO_WAKE         tell_idle: wakes nobody
 * BREAK_STOP_SPINNING   stop_spinning: wakes nobody else
 * BREAK_NO_LAST_LOOK    go_idle: sleeps without it
 * BREAK_LOOK_FIRST      go_idle: the last look comes before spinning - 1
 * BREAK_IDLE_LATE       go_idle: the P is listed as idle behind the last look
 * BREAK_QUEUED_UNLOCKED go_idle: looks at the queue for all before it has the lock
 * BREAK_NOTIFY          bl__start_m: does not notify the monitor
 * BREAK_MONITOR_RECHECK sleep_for_good: no look behind monitor_asleep = true
 * BREAK_MONITOR_NEXT    look_at: does not look at run_next
 * BREAK_NO_DRAIN        retire: the ring stays where it is
 * BREAK_RETIRED         bl__monitor: does not look at Ps that are too many
 *
 * These were in the code once, and were found here:
 * BREAK_RISE            rise: takes a P and does not notify the monitor
 * BREAK_TAKE_AGAIN      take_again: as rise
 * BREAK_TOKEN           bl__wake_p: who has counted itself as spinning, found no P and
 *                       takes that back does not look again
 * BREAK_WANTED          one_is_idle: leaves no trace when no P is idle, while a thread
 *                       that has looked, and does not spin, is about to give its own
 *                       up and does not look again
 * BREAK_LAST_LOOK       work_is_left: looks at each ring and then at `queued`, without
 *                       the lock; work that get_global moves from one to the other is
 *                       in neither
 * BREAK_RETIRE          retire: wakes while it counts as spinning itself, and does not
 *                       look again behind spinning - 1 */

#if defined(SLEEPS) || defined(TWO)
#define NP 1
#else
#define NP 2
#endif
#if defined(SLEEPS)
#define MONITOR
#define SPAWNS 0 /* by goroutines */
#define SUBMITS 2 /* by the first plain thread; by the second one: 1 */
#elif defined(TWO)
#define SPAWNS 0
#define SUBMITS 2
#elif defined(MONITOR)
#define OWN
#endif
#if defined(OWN)
#define SPAWNS 1
#define SUBMITS 1
#endif
#if defined(OWN) || defined(SLEEPS)
#define NM 2
#define BUSY
#elif defined(BUSY)
#ifdef LATE
#define NM 2
#else
#define NM 3
#endif
#define SPAWNS 0
#define SUBMITS 2
#else
#define NM 2
#endif
#if !defined(SPAWNS)
#define SPAWNS 1
#define SUBMITS 2
#endif
#if defined(TWO)
#define PLAINS 2
#else
#define PLAINS 1
#endif
#if defined(SLEEPS) && !defined(LATE)
#define TIMERS 1
#else
#define TIMERS 0
#endif
/* Elsewhere it is left out: it makes a thread look once more, and that much larger. */
#if !defined(SLEEPS) && !defined(RETIRE) && !defined(MONITOR) && !defined(BREAK_WANTED)
#define WANTED
#endif
#define TOTAL (SPAWNS + SUBMITS + PLAINS - 1 + TIMERS)
#define NONE 9

bool lock;                    /* sched.lock */
byte nprocs = NP;
byte ring[NP];                /* tail - head */
bool run_next[NP];
byte queued;                  /* the queue for all */
bool p_idle[NP];
byte idle;
byte spinning;
#ifdef WANTED
bool wanted;
#endif

bool m_idle[NM];              /* in idle_ms */
bool m_wake[NM];
bool m_spins[NM];
byte m_next_p[NM];
byte m_p[NM];
bool m_busy[NM];              /* in users' code, for long; inside is 0 */
byte started;                 /* threads that have been made */

bool timer;                   /* one is due, in P 0's heap */
bool asleep, monitor_wake;    /* monitor_asleep */

byte spawns = SPAWNS;
bool may_be_busy;
byte plains = PLAINS;         /* that still have something to queue */
byte made, ran;

#define FINISHED (plains == 0 && ran == made && !timer)

#define LOCKED !lock ->       /* a critical section that is one step to others */

inline notify()               /* bl__monitor_notify */
{
    if
    :: asleep -> monitor_wake = true
    :: else
    fi
}

inline idle_p_get(p)          /* bl__idle_p_get */
{
    if
    :: p_idle[0] -> p = 0
#if NP == 2
#ifdef RETIRE
    :: p_idle[1] -> p = 1     /* either, as the list goes */
#else
    :: !p_idle[0] && p_idle[1] -> p = 1
#endif
    :: !p_idle[0] && !p_idle[1] -> p = NONE
#else
    :: !p_idle[0] -> p = NONE
#endif
    fi;
    if
    :: p != NONE -> p_idle[p] = false; idle--
    :: else
    fi
}

inline idle_p_put(p)          /* bl__idle_p_put */
{
    if
    :: p < nprocs -> p_idle[p] = true; idle++
    :: else
    fi
}

/* bl__start_m.  A thread that is not made yet sleeps, too: make_m.  When there is
 * none at all it waits for one that is about to. */
inline start_m(p, x)
{
    atomic {
        LOCKED
        if
        :: m_idle[0] -> x = 0
        :: !m_idle[0] && m_idle[1] -> x = 1
#if NM == 3
        :: !m_idle[0] && !m_idle[1] && m_idle[2] -> x = 2
#endif
        :: started < NM &&
#if NM == 3
           !m_idle[2] &&
#endif
           !m_idle[0] && !m_idle[1] -> x = started; started++
        fi;
        m_idle[x] = false;
        m_next_p[x] = p;
        m_spins[x] = true
    };
    m_wake[x] = true;         /* wake */
    p = NONE;
    x = NONE;
#ifndef BREAK_NOTIFY
    notify()
#endif
}

/* Whether p's M is in users' code. */
#define IS_OUTSIDE(p) (m_busy[0] && m_p[0] == p || m_busy[1] && m_p[1] == p || \
                       m_busy[NM - 1] && m_p[NM - 1] == p)

inline wake_p(p, x)           /* bl__wake_p */
{
    do
    :: idle == 0 ->
#ifdef WANTED
        wanted = true;        /* one_is_idle: who gives one up looks again */
        if
        :: idle == 0 -> break
        :: else
        fi
#else
        break
#endif
    :: else ->
        if                    /* compare-and-swap, after a look */
        :: atomic { spinning == 0 -> spinning = 1 }
        :: spinning != 0 -> break
        fi;
        atomic { LOCKED idle_p_get(p) };
        if
        :: p != NONE -> start_m(p, x); break
        :: else
        fi;
        spinning--
#ifdef BREAK_TOKEN
        break
#endif
    od
}

/* bl__enqueue of a plain thread, bl__enqueue_global */
inline enqueue_global()
{
    atomic { LOCKED queued++; made++ }
}

#define own(me, p) m_p[me] = p

inline stop_spinning(me, p, x)
{
    if
    :: atomic { m_spins[me] -> m_spins[me] = false; spinning-- };
#ifndef BREAK_STOP_SPINNING
        wake_p(p, x)
#endif
    :: !m_spins[me]
    fi
}

/* bl__enqueue with a P, of a goroutine there. */
inline enqueue(me, p, x)
{
#ifdef BREAK_FENCE
    x = (idle == 0 || spinning != 0 -> 0 : 1);
#else
    x = 1;
#endif
    atomic {                  /* bl__runq_put */
        made++;
        if
#ifdef MONITOR
        :: !run_next[m_p[me]] -> run_next[m_p[me]] = true
        :: run_next[m_p[me]] -> ring[m_p[me]]++ /* what was there */
#endif
        :: ring[m_p[me]]++
        fi
    };
#ifndef BREAK_NO_WAKE
    if                        /* tell_idle */
#ifdef RETIRE
    :: nprocs == 1 -> x = NONE
#endif
    :: atomic { idle > 0 && x == 1 && ring[m_p[me]] > 0 -> x = NONE };
        wake_p(p, x)
    :: else -> x = NONE
    fi
#else
    x = NONE
#endif
}

/* bl__timers_run, expire: it readies a goroutine, on the P of who runs it. */
inline run_timers(me, p, x)
{
    if
    :: atomic { timer -> timer = false; made++ };
        ring[m_p[me]]++;
#if NP > 1
        if
        :: idle > 0 -> wake_p(p, x)
        :: else
        fi
#endif
    :: !timer
    fi
}

proctype M(byte me)
{
    byte p = NONE, x = NONE, share = 0, mark = 0;

    if
    :: m_p[me] == NONE -> goto sleep
    :: else
    fi;

    /* Each atomic has one look at what is not me's own. */
find_work:
    atomic {
        if
        :: m_p[me] == NONE ->
            if
            :: m_spins[me] -> m_spins[me] = false; spinning--
            :: else
            fi;
            goto stop
        :: m_p[me] != NONE && m_p[me] >= nprocs -> goto retire
        :: else
        fi
    };

    /* look_around */
#ifdef SLEEPS
    run_timers(me, p, x);
#endif
    atomic {                  /* bl__runq_get */
        if
        :: run_next[m_p[me]] -> run_next[m_p[me]] = false; goto found
        :: else
        fi;
        if
        :: ring[m_p[me]] > 0 -> ring[m_p[me]]--; goto found
        :: else
        fi
    };
    if                        /* get_global */
    :: queued == 0
    :: else ->
        atomic { LOCKED if :: queued == 0 :: else -> lock = true; goto get_global fi }
    fi;
#if NP == 2
    atomic {                  /* steal_rounds, start_spinning */
        if
        :: nprocs == 1 -> goto go_idle
        :: else
        fi;
        if
        :: m_spins[me]
        :: !m_spins[me] && 2 * spinning >= nprocs - idle -> goto go_idle
        :: else -> m_spins[me] = true; spinning++
        fi
    };
    atomic {                  /* bl__runq_steal */
        if
        :: ring[1 - m_p[me]] > 0 -> ring[1 - m_p[me]]--; goto found
        :: else
        fi;
#ifdef MONITOR
        if                    /* may_take_next */
        :: run_next[1 - m_p[me]] && IS_OUTSIDE(1 - m_p[me]) ->
            run_next[1 - m_p[me]] = false;
            goto found
        :: else
        fi
#endif
    };
#endif
    goto go_idle;

get_global:                   /* bl__global_get: one to run, a share for the ring */
    atomic {
        share = queued / nprocs + 1;
        share = (share > queued -> queued : share) - 1;
        queued--
    };
    do
    :: atomic { share > 0 -> queued-- };
        atomic { ring[m_p[me]]++; share-- }
    :: atomic { share == 0 -> lock = false; goto found }
    od;

go_idle:
#if defined(BREAK_QUEUED_UNLOCKED)
    if
    :: queued > 0 -> goto find_work
    :: else
    fi;
    atomic { LOCKED idle_p_put(m_p[me]); m_p[me] = NONE };
#elif defined(BREAK_IDLE_LATE)
    atomic { LOCKED if :: queued > 0 -> goto find_work :: else fi };
#else
    atomic {
        LOCKED
        if
        :: queued > 0 -> goto find_work
        :: else -> idle_p_put(m_p[me]); m_p[me] = NONE
        fi
    };
#endif
    if
    :: !m_spins[me] ->
#ifdef BREAK_IDLE_LATE
        atomic { LOCKED idle_p_put(m_p[me]); m_p[me] = NONE };
#endif
#ifdef WANTED
        if
        :: atomic { wanted -> wanted = false }; goto take_again
        :: !wanted
        fi;
#endif
        goto find_work
    :: else
    fi;
#ifndef BREAK_LOOK_FIRST
    atomic { m_spins[me] = false; spinning-- };
#endif
#ifdef BREAK_NO_LAST_LOOK
    goto find_work;
#endif                        /* work_is_left */
#ifdef BREAK_LAST_LOOK
    if :: ring[0] > 0 -> goto take_again :: else fi;
    if :: queued > 0 -> goto take_again :: else fi;
#if NP == 2
    if :: nprocs > 1 && ring[1] > 0 -> goto take_again :: else fi;
    if :: queued > 0 -> goto take_again :: else fi;
#endif
#else
    atomic { LOCKED if :: queued > 0 -> goto take_again :: else fi };
    if :: ring[0] > 0 -> goto take_again :: else fi;
#if NP == 2
    if :: nprocs > 1 && ring[1] > 0 -> goto take_again :: else fi;
#endif
#endif
#ifdef BREAK_LOOK_FIRST
    atomic { m_spins[me] = false; spinning-- };
#endif
#ifdef BREAK_IDLE_LATE
    atomic { LOCKED idle_p_put(m_p[me]); m_p[me] = NONE };
#endif
    goto find_work;

take_again:
#ifdef BREAK_IDLE_LATE
    goto find_work;
#endif
    atomic { LOCKED idle_p_get(p); own(me, p); p = NONE };
    if
    :: m_p[me] == NONE
    :: else ->
        atomic {              /* start_spinning */
            if
            :: m_spins[me]    /* BREAK_LOOK_FIRST */
            :: else -> m_spins[me] = true; spinning++
            fi
        };
#ifndef BREAK_TAKE_AGAIN
        notify()
#endif
    fi;
    goto find_work;

retire:
#ifdef RETIRE
#ifndef BREAK_NO_DRAIN
    do
#ifdef MONITOR
    :: atomic { run_next[m_p[me]] -> run_next[m_p[me]] = false };
        atomic { LOCKED queued++ }
#endif
    :: atomic { ring[m_p[me]] > 0 -> ring[m_p[me]]-- };
        atomic { LOCKED queued++ }
    :: ring[m_p[me]] == 0 && !run_next[m_p[me]] -> break
    od;
#endif
    atomic { LOCKED m_p[me] = NONE };
#ifndef BREAK_RETIRE
    atomic { if :: m_spins[me] -> m_spins[me] = false; spinning-- :: else fi };
#endif
    wake_p(p, x);
    goto find_work;
#endif

found:
    stop_spinning(me, p, x);
    atomic { assert(spinning < 6 && idle <= NP && ran < made) };
    /* the goroutine runs */
#if SPAWNS > 0
    if
    :: atomic { spawns > 0 -> spawns-- }; enqueue(me, p, x)
#ifdef BUSY
    :: spawns == 0
#else
    :: skip
#endif
    fi;
#endif
#ifdef BUSY
    if
    :: atomic {               /* there is another to come: it is waited for */
            may_be_busy && ran + 1 < TOTAL ->
            may_be_busy = false;
            m_busy[me] = true;
            mark = ran
        };
        atomic { ran > mark -> mark = 0 };
        atomic {              /* bl__enter; retake.pml has its first steps */
            LOCKED
            m_busy[me] = false;
            if
            :: m_p[me] != NONE -> x = 0
            :: m_p[me] == NONE -> idle_p_get(p); own(me, p); x = (p == NONE -> 2 : 1)
            fi;
            p = NONE
        };
        if
        :: x == 2 ->          /* no P: release_to_global, and run it later */
            x = NONE;
            atomic { LOCKED queued++ };
            wake_p(p, x);
            goto find_work
        :: x == 1 -> notify()
        :: x == 0
        fi;
        x = NONE
    :: skip
    fi;
#endif
    ran++;
    goto find_work;

stop:                         /* stop_m, wait_for_work */
    atomic { LOCKED m_idle[me] = true };
sleep:
    if
    :: atomic { m_wake[me] -> m_wake[me] = false; own(me, m_next_p[me]);
                m_next_p[me] = NONE };
        goto find_work
#ifdef SLEEPS
    :: atomic { timer && m_idle[me] && idle > 0 && !lock ->   /* rise */
                m_idle[me] = false; idle_p_get(p); own(me, p); p = NONE };
#ifndef BREAK_RISE
        notify();
#endif
        goto find_work
#endif
    :: FINISHED
    fi
}

proctype Plain(byte n)
{
    byte p = NONE, x = NONE;

    do
    :: n == 0 -> break
    :: else ->
#ifdef BREAK_WAKE_FIRST
        wake_p(p, x);
        enqueue_global();
#else
        enqueue_global();
        wake_p(p, x);
#endif
        n--
    od;
    plains--
}

#ifdef RETIRE
/* bl__set_nprocs, put_out_idle */
proctype Set_nprocs()
{
    atomic {
        LOCKED
        nprocs = 1;
        if
        :: p_idle[1] -> p_idle[1] = false; idle--
        :: else
        fi
    }
}
#endif

#ifdef MONITOR
#ifdef BREAK_MONITOR_NEXT
#define EMPTY(m) (ring[m_p[m]] == 0)
#else
#define EMPTY(m) (ring[m_p[m]] == 0 && !run_next[m_p[m]])  /* bl__runq_is_empty */
#endif
#define NEEDED(m) (m_busy[m] && m_p[m] != NONE && m_p[m] < nprocs && \
                   (!EMPTY(m) || queued > 0))

inline take_p(m)              /* bl__take_p, bl__start_m */
{
    atomic {
        LOCKED
        if
        :: m_busy[m] && m_p[m] == 0 -> p = m_p[m]; m_p[m] = NONE
        :: else
        fi
    };
    if
    :: p != NONE -> spinning++; start_m(p, x)
    :: else
    fi
}

#ifdef RETIRE
inline look_at_retired(m)
{
    atomic {                  /* bl__take_p */
        LOCKED
        if
        :: m_busy[m] && m_p[m] == 1 -> p = 1; m_p[m] = NONE
        :: else
        fi
    };
    if
    :: p == 1 ->
        do                    /* its owner is nobody else now */
        :: atomic { run_next[1] -> run_next[1] = false };
            atomic { LOCKED queued++ }
        :: atomic { ring[1] > 0 -> ring[1]-- };
            atomic { LOCKED queued++ }
        :: ring[1] == 0 && !run_next[1] -> break
        od;
        atomic { LOCKED idle_p_put(p); p = NONE };
        wake_p(p, x)
    :: else
    fi
}

#define RETIRED(m) (m_busy[m] && m_p[m] == 1 && nprocs == 1 && !EMPTY(m))
#endif

/* It polls: here it waits until there would be something to see. */
proctype Monitor()
{
    byte p = NONE, x = NONE;

end:
    do
    /* wake_for_the_rest */
    :: idle > 0 && spinning == 0 && (queued > 0 || timer) -> wake_p(p, x)
    /* look_at */
    :: (NEEDED(0) && !EMPTY(0) || NEEDED(1) && !EMPTY(1)) && idle > 0 && spinning == 0 ->
        wake_p(p, x)
#if defined(RETIRE) && !defined(BREAK_RETIRED)
    :: RETIRED(0) -> look_at_retired(0)
    :: RETIRED(1) -> look_at_retired(1)
#endif
#if NP == 1 || defined(RETIRE) /* with two a third thread would be needed */
    :: nprocs == 1 && NEEDED(0) && m_p[0] == 0 -> take_p(0)
    :: nprocs == 1 && NEEDED(1) && m_p[1] == 0 -> take_p(1)
#endif
#ifdef SLEEPS
    /* sleep_for_good */
    :: idle == nprocs ->
        monitor_wake = false;
        asleep = true;
        if
#ifndef BREAK_MONITOR_RECHECK
        :: idle != nprocs
        :: idle == nprocs ->
#else
        :: true ->
#endif
end_asleep:
            monitor_wake
        fi;
        asleep = false
#endif
    od
}
#endif

init
{
    atomic {
        m_p[0] = NONE;
        m_p[1] = NONE;
        m_next_p[0] = NONE;
        m_next_p[1] = NONE;
#if NM == 3
        m_p[2] = NONE;
        m_next_p[2] = NONE;
#endif
#ifdef LATE
        m_p[0] = 0;
        m_spins[0] = true;
        spinning = 1;
        m_p[NP - 1] = NP - 1;
        started = NP;
#else
        idle = NP;
        p_idle[0] = true;
        p_idle[NP - 1] = true;
#endif
        run M(0);
        run M(1);
#if NM == 3
        run M(2);
#endif
        run Plain(SUBMITS);
#if PLAINS == 2
        run Plain(1);
#endif
#ifdef BUSY
        may_be_busy = true;
#endif
#if TIMERS == 1
        timer = true;
        m_idle[0] = true;
        started = 1;
#endif
#ifdef RETIRE
        run Set_nprocs();
#endif
#ifdef MONITOR
        run Monitor();
#endif
        skip
    }
}
