/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* hold.pml - a goroutine that rests is kept there while its stack is read:
 * src/sched/hold.c, switch_to (proc.c).
 *
 * Each M has a store buffer for each of the two words, which reach memory in any order,
 * as on an ARM: a second store to a word, an exchange and membarrier let them out, and a
 * store with release what was stored before it.
 *
 * Two Ms run the goroutine by turns: it parks or yields, and a waker makes it runnable.
 * The reader takes hold of it twice.
 *
 * Shown: nobody is on the stack while it is read, it is run from where it rests, and, with
 * nobody reading, it runs to its end.
 *
 * BREAK_BARRIER        bl__hold: no barrier behind the mark
 * BREAK_BARRIER_AGAIN  bl__hold: none in front of the second look at the mark
 * BREAK_LOOK_AGAIN     bl__hold: does not look at the mark again
 * BREAK_STATUS         bl__hold: does not look at the status
 * BREAK_UNMARK         unmark: stores what it has seen
 * BREAK_NO_WAIT        bl__rest_to_leave: runs what is marked
 * BREAK_ORDER          switch_to: looks at the mark, then sets RUNNING */

#define RUNS 4

#define RUNNING 1
#define WAITING 2
#define RUNNABLE 3

#define NONE 0                /* of g->sp */
#define REST 2
#define HELD 3

byte status = RUNNABLE;       /* g's, as memory has it */
byte sp = REST;
byte b_status[2], b_sp[2];    /* store buffers */
bool f_status[2], f_sp[2];    /* they are full */

bool queued = true;           /* in a run queue */
bool parked;                  /* its waker may find it */
byte runs;
byte on_stack;
bool reads;

inline let_out_status(m)
{
    d_step { if :: f_status[m] -> status = b_status[m] :: else fi; f_status[m] = false;
             b_status[m] = 0 }
}

inline let_out_sp(m)
{
    d_step { if :: f_sp[m] -> sp = b_sp[m] :: else fi; f_sp[m] = false; b_sp[m] = 0 }
}

inline let_out(m) { atomic { let_out_status(m); let_out_sp(m) } }

inline set_status(m, value)
{
    atomic { let_out_status(m); b_status[m] = value; f_status[m] = true }
}

inline set_sp(m, value)
{
    atomic { let_out_sp(m); b_sp[m] = value; f_sp[m] = true }
}

inline look_at_sp(m)
{
    seen = (f_sp[m] -> b_sp[m] : sp)
}

inline await_let_go()
{
    if
    :: atomic { sp != HELD -> seen = sp } /* bl__await_let_go */
#ifdef BREAK_NO_WAIT
    :: atomic { sp == HELD -> seen = REST }
#endif
    fi
}

proctype M(byte m)
{
    byte seen;
    bool yields;

    do
    :: atomic { runs == RUNS -> break }
    :: atomic { queued -> queued = false; runs++ }
#ifdef BREAK_ORDER
        look_at_sp(m);
        set_status(m, RUNNING);
#else
        set_status(m, RUNNING);
        look_at_sp(m);
#endif
        if
        :: seen == HELD -> await_let_go()
        :: else
        fi;
        atomic { assert(seen == REST); assert(!reads); on_stack++ } /* bl__switch */
        set_sp(m, NONE);                             /* bl__rest_left */
        if
        :: set_status(m, WAITING); yields = false
        :: set_status(m, RUNNABLE); yields = true
        fi;
        atomic { let_out_status(m); set_sp(m, REST); on_stack-- } /* bl__switch: release */
        let_out(m);                                  /* release(): a lock, or the queue's */
        atomic { if :: yields -> queued = true :: else -> parked = true fi }
    od
}

proctype Waker()
{
end:
    do
    :: atomic { parked -> parked = false; status = RUNNABLE }
        queued = true
    od
}

proctype Buffers()
{
end:
    do
    :: atomic { f_status[0] -> let_out_status(0) }
    :: atomic { f_status[1] -> let_out_status(1) }
    :: atomic { f_sp[0] -> let_out_sp(0) }
    :: atomic { f_sp[1] -> let_out_sp(1) }
    od
}

inline barrier() { atomic { let_out(0); let_out(1) } }

inline unmark()
{
#ifdef BREAK_UNMARK
    was = sp;
    sp = was & 2
#else
    atomic { if :: sp == HELD -> sp = REST :: else fi }
#endif
}

proctype Reader()
{
    byte round, was;

    do
    :: round == 2 -> break
    :: else ->
        round++;
        if
        :: atomic { sp == REST -> sp = HELD } /* an exchange */
#ifndef BREAK_BARRIER
            barrier();
#endif
            if
#ifndef BREAK_STATUS
            :: status == RUNNING
            :: status != RUNNING ->
#else
            :: true ->
#endif
#ifndef BREAK_BARRIER_AGAIN
                barrier();
#endif
                if
#ifndef BREAK_LOOK_AGAIN
                :: sp != HELD
                :: sp == HELD ->
#else
                :: true ->
#endif
                    atomic { assert(on_stack == 0); reads = true };
                    reads = false
                fi
            fi;
            unmark()
        :: sp != REST
        fi
    od
}

init
{
    atomic { run Buffers(); run M(0); run M(1); run Waker(); run Reader() }
}
