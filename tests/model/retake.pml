/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* retake.pml - the monitor takes the P of a thread that is in users' code:
 * bl__enter, bl__leave (src/sched/sched.h), bl__enter_slow (proc.c), bl__take_p
 * (monitor.c).
 *
 * spin runs one step after the other; CPUs do not.  So each of the two threads has
 * a store buffer of one entry, as x86 CPUs have: a store goes there, reaches memory
 * some time later, the thread itself sees it at once.  A second store lets the first
 * one out before.  An exchange (bl__trylock) and membarrier empty buffers, the
 * latter those of all threads.
 *
 * M0 comes in and goes out, each time it works with the P; in between it may sleep
 * in users' code for as long as it has the P.  The monitor takes the P for M1, which
 * works with it and puts it into the list of idle ones.
 *
 * Shown: two threads never have the P, nobody works with it without having it, what
 * was done with it is seen by the next one, and a sleeping M0 loses it.  Where
 * membarrier does not work (NO_MEMBARRIER) it is never taken.
 *
 * BREAK_BARRIER        bl__take_p: no membarrier
 * BREAK_BARRIER_SELF   a fence in the monitor instead: its own buffer only
 * BREAK_BARRIER_EARLY  the barrier comes before attention = 1
 * BREAK_MONITOR_ORDER  looks at inside, then sets attention
 * BREAK_ENTER_ORDER    bl__enter: looks at attention, then sets inside
 * BREAK_NO_ATTENTION   bl__enter: does not look at all
 * BREAK_SLOW_UNLOCKED  bl__enter_slow: looks at m->p without sched.lock
 * BREAK_LEAVE_EARLY    bl__leave: inside = 0 before the last work with the P
 * BREAK_HAS_BARRIER    NO_MEMBARRIER: takes the P nevertheless */

#define ROUNDS 3

mtype = { INSIDE, ATTENTION, DATA, LOCK };

bool inside, attention;       /* M0's, as memory has them */
byte data;                    /* of the P: every work adds one */
bool lock;                    /* sched.lock */

mtype b_what[2];              /* store buffers: 0 M0's, 1 the monitor's */
byte b_value[2];
bool b_full[2];

/* protected by sched.lock, and by who has the P */
bool m0_has = true;           /* m->p */
bool idle;                    /* the P is in idle_ps */
bool m1_has;                  /* m->next_p, then m->p, of M1 */
byte working;                 /* threads that work with the P right now */
byte works;                   /* how often that was done */
byte others;                  /* how often by M1 */
bool m0_ended;

inline let_out(t)
{
    d_step {
        if
        :: b_full[t] && b_what[t] == INSIDE -> inside = b_value[t]
        :: b_full[t] && b_what[t] == ATTENTION -> attention = b_value[t]
        :: b_full[t] && b_what[t] == DATA -> data = b_value[t]
        :: b_full[t] && b_what[t] == LOCK -> lock = b_value[t]
        :: else
        fi;
        b_full[t] = false;
        b_value[t] = 0
    }
}

inline store(t, what, value)
{
    atomic {
        let_out(t);
        b_what[t] = what;
        b_value[t] = value;
        b_full[t] = true
    }
}

#define LOAD(t, what, memory) (b_full[t] && b_what[t] == what -> b_value[t] : memory)

/* The buffers' own time. */
active [2] proctype Buffer()
{
end:
    do
    :: atomic { b_full[_pid] -> let_out(_pid) }
    od
}

/* bl__lock: an exchange, which empties the buffer. */
inline acquire(t)
{
    atomic { let_out(t); !lock -> lock = true }
}

/* bl__unlock: a plain store. */
inline unlock(t)
{
    store(t, LOCK, false)
}

/* Both threads' own part of work with the P: only who has it may. */
inline work(t, has)
{
    atomic { assert(has && working == 0); working++ }
    atomic { assert(LOAD(t, DATA, data) == works); store(t, DATA, works + 1); works++ }
    working--
}

proctype M0()
{
    byte round = 0;
    bool seen, lost;

    do
    :: round == ROUNDS -> break
    :: else ->
        round++;
        /* users' code */
        if
        :: skip
#ifndef NO_MEMBARRIER
        :: others < 2 -> !m0_has  /* sleeps in the kernel while others need the P */
#endif
        fi;
        /* bl__enter */
#ifdef BREAK_ENTER_ORDER
        seen = LOAD(0, ATTENTION, attention);
        store(0, INSIDE, true);
#else
        store(0, INSIDE, true);
        seen = LOAD(0, ATTENTION, attention);
#endif
#ifdef BREAK_NO_ATTENTION
        seen = false;
#endif
        if
        :: seen ->                /* bl__enter_slow */
#ifdef BREAK_SLOW_UNLOCKED
            lost = !m0_has;
            acquire(0);
#else
            acquire(0);
            lost = !m0_has;
#endif
            store(0, ATTENTION, false);
            do
            :: !lost -> break
            :: lost && idle -> idle = false; m0_has = true; break /* own */
            :: else ->            /* release_to_global, stop_m: another time */
                unlock(0);
                atomic { idle -> skip }
                acquire(0)
            od;
            unlock(0)
        :: else
        fi;
#ifdef BREAK_LEAVE_EARLY
        store(0, INSIDE, false);
        work(0, m0_has)
#else
        work(0, m0_has);
        store(0, INSIDE, false)   /* bl__leave */
#endif
    od;
    m0_ended = true
}

proctype Monitor()
{
    bool was_inside, taken;

    do
    :: m0_ended || others == 2 -> break
    :: atomic { m0_has && others < 2 -> skip } /* look_at: there is need for the P */
        acquire(1);
        taken = m0_has;           /* p->m is M0 */
        if
        :: taken ->
#ifdef BREAK_BARRIER_EARLY
            atomic { let_out(0); let_out(1) }
#endif
#ifdef BREAK_MONITOR_ORDER
            was_inside = LOAD(1, INSIDE, inside);
#endif
            store(1, ATTENTION, true);
#if defined(BREAK_BARRIER_SELF)
            let_out(1);
#elif !defined(BREAK_BARRIER) && !defined(BREAK_BARRIER_EARLY) && \
      !defined(NO_MEMBARRIER)
            atomic { let_out(0); let_out(1) }   /* bl__os_barrier */
#endif
#ifndef BREAK_MONITOR_ORDER
            was_inside = LOAD(1, INSIDE, inside);
#endif
            taken = !was_inside;
#if defined(NO_MEMBARRIER) && !defined(BREAK_HAS_BARRIER)
            taken = false;        /* !has_barrier */
#endif
        :: else
        fi;
        if
        :: taken -> m0_has = false /* m->p = NULL */
        :: else
        fi;
        unlock(1);
        if
        :: taken ->
            m1_has = true;        /* bl__start_m: for M1, whose part is below */
            work(1, m1_has);
            others++;
            acquire(1);           /* go_idle */
            atomic { m1_has = false; idle = true }
            unlock(1)
        :: else
#ifdef NO_MEMBARRIER
            -> break              /* it will be no other */
#endif
        fi
    od
}

init
{
    atomic { run M0(); run Monitor() }
}
