/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* chan.pml - channels: src/sync/chan.c, select.c, with the queues and the claim of
 * src/sched/park.c.
 *
 * Goroutines send to and receive from two channels, some select between both with a
 * deadline, and the channels are closed.  Everything about a channel happens with its
 * lock, so what is done with it is one step here.  (A deadline does not need the lock;
 * but it can change one thing only, claimed, which each step looks at once for each
 * goroutine: it comes before the step, or behind it.)  How a goroutine parks and what
 * a timer does is park.pml's and claim.pml's matter: here a park is one step, too, and
 * a deadline may come as soon as its goroutine waits.
 *
 * Shown: each value that has been sent is received, once, and no other; values leave a
 * channel as they have come; nobody is readied who does not wait, or twice; nobody
 * waits for good: not for a value that is there, nor in a channel that is closed.
 *
 *  (none)    no buffers.  One sends to c0 and another too, one receives from it; one
 *            selects between sending to c1 and receiving from c0
 *  BUFFERED  the same, c0 has room for one value
 *  SELECTS   one selects between sending to c0 and to c1, one between receiving from
 *            both; one sends to c1.  Who receives from c0 has deadlines
 *  CLOSE     c0 and c1 are closed while others wait there: two send to c0, one receives
 *            from c1, one selects between receiving from both
 *
 * BREAK_NO_CLAIM       bl__claim: always true
 * BREAK_NOT_SHARED     stand_in_all: a record does not say that it is shared
 * BREAK_POP_ONE        bl__queue_pop: stops at a record that another has claimed
 * BREAK_PUSH_FRONT     bl__queue_push: who comes last is first
 * BREAK_NO_REMOVE      wait_in: who is late stays in the queue
 * BREAK_NO_LEAVE       leave_all: the other records stay in theirs
 * BREAK_RING_ONLY      bl__chan_try_send: fills the ring, though a receiver waits
 * BREAK_CLOSED_SEND    bl__chan_try_send: does not look at closed
 * BREAK_CLOSED_FIRST   bl__chan_try_recv: closed comes before what is in the ring
 * BREAK_OVERTAKE       bl__chan_try_recv: a sender's value goes before the ring's
 * BREAK_TAKE           take: a sender's value does not go into the ring
 * BREAK_SUCCESS        woken: success is not set
 * BREAK_WOKEN_BY       woken: woken_by is not set
 * BREAK_CLOSE_ONE      bl__chan_close: stops behind the first
 * BREAK_CLOSE_RECEIVERS bl__chan_close: leaves senders where they are
 * BREAK_TRY_EACH       run: stands in the queues without having tried all together
 * BREAK_LOCK_ORDER     sort_locks: the cases stay in random order */

#define A 0 /* goroutines, and the record of each */
#define B 1
#define R 2
#define S 3
#define X 4 /* select, with two records: 4 and 5, */
#define Y 5 /* 6 and 7 */
#define NG 6
#define RECORD(g, c) (X + 2 * (g - X) + c)
#define OWNER(w) (w - (w > 4) - (w > 6))
#define NW 8
#define NOBODY 9

#if defined(BUFFERED)
#define CAP(c) (c == 0 -> 1 : 0)
#else
#define CAP(c) 0
#endif

#define SEND true
#define RECV false

#define NOT_READY 0 /* enum bl__tried */
#define DONE 1
#define CLOSED 2

/* channels */
bool lock[2];
bool closed[2];
chan ring[2] = [2] of { byte };
chan receivers[2] = [4] of { byte };
chan senders[2] = [4] of { byte };
chan order[2] = [6] of { byte }; /* what has come and not left: values */

/* records, each on its owner's stack */
byte value[NW];               /* 0: none */
bool success[NW];
bool shared[NW];

/* goroutines */
bool claimed[NG];
bool waits[NG];               /* from before it stands in a queue until it goes on */
bool ready[NG];
byte woken_by[NG];

byte sent, received;          /* values whose senders, receivers have gone on */
byte ended;

#define LOCKED(c) !lock[c] -> /* bl__lock to bl__unlock, in one step */

/* bl__ready: behind the unlock */
inline make_ready(g)
{
    d_step { assert(waits[g] && !ready[g]); ready[g] = true }
}

inline come(c, v) { order[c]!v }

inline go_by(c, v)            /* it leaves the channel, being the first one */
{
    d_step {
        assert(order[c]?[eval(v)]);
        order[c]?eval(v)
    }
}

inline push(q, w)             /* bl__queue_push */
{
#ifdef BREAK_PUSH_FRONT
    d_step {
        q!w;
        other = len(q);
        do
        :: other > 1 -> q?mine; q!mine; other--
        :: else -> break
        od;
        other = 0;
        mine = 0
    }
#else
    q!w
#endif
}

/* bl__queue_pop, bl__claim.  A sender that is taken out for nothing leaves. */
inline pop(c, q, w, send)
{
    do
    :: empty(q) -> w = NOBODY; break
    :: nempty(q) ->
        q?w;
        if
#ifndef BREAK_NO_CLAIM
        :: shared[w] && claimed[OWNER(w)] ->
            if
            :: send -> order[c]??eval(value[w])
            :: else
            fi;
#ifdef BREAK_POP_ONE
            w = NOBODY;
            break
#endif
#endif
        :: else ->
            if
            :: shared[w] -> claimed[OWNER(w)] = true
            :: else
            fi;
            break
        fi
    od
}

inline woken(w)
{
    d_step {
#ifndef BREAK_SUCCESS
        success[w] = true;
#endif
#ifndef BREAK_WOKEN_BY
        if
        :: shared[w] -> woken_by[OWNER(w)] = w
        :: else
        fi;
#endif
        wake = OWNER(w)
    }
}

inline try_send(c, v)         /* bl__chan_try_send */
{
    wake = NOBODY;
    if
#ifndef BREAK_CLOSED_SEND
    :: closed[c] -> tried = CLOSED
#endif
    :: else ->
#ifdef BREAK_RING_ONLY
        if
        :: len(ring[c]) < CAP(c) -> w = NOBODY
        :: else -> pop(c, receivers[c], w, false)
        fi;
#else
        pop(c, receivers[c], w, false);
#endif
        if
        :: w != NOBODY ->
            assert(empty(order[c]) && value[w] == 0);
            value[w] = v;
            woken(w);
            tried = DONE
        :: w == NOBODY && len(ring[c]) == CAP(c) -> tried = NOT_READY
        :: w == NOBODY && len(ring[c]) < CAP(c) ->
            d_step { ring[c]!v; come(c, v) };
            tried = DONE
        fi
    fi;
    w = NOBODY
}

inline try_recv(c, v)         /* bl__chan_try_recv */
{
    wake = NOBODY;
    if
    :: closed[c] -> w = NOBODY
    :: else -> pop(c, senders[c], w, true)
    fi;
    if
#ifdef BREAK_CLOSED_FIRST
    :: closed[c] -> tried = CLOSED
    :: !closed[c] && nempty(ring[c]) ->
#else
    :: nempty(ring[c]) ->     /* take */
#endif
        d_step {
#ifdef BREAK_OVERTAKE
            if
            :: w != NOBODY -> v = value[w]
            :: else -> ring[c]?v
            fi
#else
            ring[c]?v;
#ifndef BREAK_TAKE
            if
            :: w != NOBODY -> assert(len(ring[c]) + 1 == CAP(c)); ring[c]!value[w]
            :: else
            fi
#endif
#endif
        };
        go_by(c, v);
        tried = DONE
    :: empty(ring[c]) && w != NOBODY ->
        v = value[w];
        go_by(c, v);
        tried = DONE
    :: empty(ring[c]) && w == NOBODY && closed[c] -> tried = CLOSED
    :: empty(ring[c]) && w == NOBODY && !closed[c] -> tried = NOT_READY
    fi;
    if
    :: w != NOBODY -> woken(w)
    :: else
    fi;
    w = NOBODY
}

#define BIT(v) (1 << v)

inline has_sent(v) { d_step { assert(!(sent & BIT(v))); sent = sent | BIT(v) } }

inline has_received(v)
{
    d_step {
        assert(v != 0 && !(received & BIT(v)));
        received = received | BIT(v);
        v = 0
    }
}

inline wake_up()              /* of send, receive, finish */
{
    if
    :: wake != NOBODY -> make_ready(wake)
    :: else
    fi;
    wake = NOBODY
}

/* bl__park, bl__park_until; for the latter expire, with which the wait may end. */
inline park(deadline)
{
    if
    :: ready[me] -> in_time = true
    :: atomic { deadline && !claimed[me] -> claimed[me] = true; in_time = false }
    fi;
    atomic { ready[me] = false; waits[me] = false }
}

/* bl__queue_remove: out of the middle, if it is there. */
inline remove(c, w, send)
{
    d_step {
        if
        :: send && senders[c]??[eval(w)] ->
            senders[c]??eval(w);
            order[c]??eval(value[w])
        :: !send && receivers[c]??[eval(w)] -> receivers[c]??eval(w)
        :: else
        fi
    }
}

inline stand_in(c, w, v, send)
{
    d_step {
        value[w] = v;
        success[w] = false;
        if
        :: send -> come(c, v)
        :: else
        fi
    };
    if
    :: send -> push(senders[c], w)
    :: else -> push(receivers[c], w)
    fi
}

/* wait_in, with c locked, to the park. */
inline begin_wait(c, v, send, deadline)
{
    waits[me] = true;
    shared[me] = deadline;
    claimed[me] = false;
    stand_in(c, me, v, send)
}

/* The rest of it. */
inline wait_in(c, send, deadline)
{
    park(deadline);
    if
    :: atomic {
            !in_time && LOCKED(c)
#ifndef BREAK_NO_REMOVE
            remove(c, me, send)
#else
            skip
#endif
        }
    :: in_time
    fi
}

/* send, n times.  A closed channel ends it: that is a panic. */
proctype Sender(byte me, c, first, n)
{
    byte w = NOBODY, wake = NOBODY, tried, v, other, mine;
    bool in_time;

    v = first;
    do
    :: v == first + n -> break
    :: else ->
        atomic {
            LOCKED(c) try_send(c, v);
            if
            :: tried == NOT_READY -> begin_wait(c, v, SEND, false)
            :: else
            fi
        };
        if
        :: tried == NOT_READY ->
            wait_in(c, SEND, false);
            atomic {
                if
                :: success[me] -> has_sent(v)
                :: else -> break
                fi;
                value[me] = 0;
                success[me] = false;
                in_time = false
            }
        :: tried != NOT_READY ->
            wake_up();
            atomic {
                if
                :: tried == DONE -> has_sent(v)
                :: tried == CLOSED -> break
                fi;
                tried = 0
            }
        fi;
        v++
    od;
    ended++
}

/* receive, until c is closed. */
proctype Receiver(byte me, c; bool deadline)
{
    byte w = NOBODY, wake = NOBODY, tried, v, other, mine;
    bool in_time, open = true;

    do
    :: !open -> break
    :: open ->
        atomic {
            LOCKED(c) try_recv(c, v);
            if
            :: tried == NOT_READY -> begin_wait(c, 0, RECV, deadline)
            :: else
            fi
        };
        if
        :: tried == NOT_READY ->
            wait_in(c, RECV, deadline);
            atomic {
                if
                :: in_time && success[me] -> v = value[me]; has_received(v)
                :: in_time && !success[me] -> assert(closed[c]); open = false
                :: !in_time
                fi;
                value[me] = 0;
                success[me] = false;
                in_time = false
            }
        :: tried != NOT_READY ->
            wake_up();
            atomic {
                if
                :: tried == DONE -> has_received(v)
                :: tried == CLOSED -> open = false
                fi;
                tried = 0
            }
        fi
    od
}

inline lock_all(first)
{
#ifdef BREAK_LOCK_ORDER
    atomic { LOCKED(first) lock[first] = true };
    atomic { LOCKED(1 - first) lock[1 - first] = true }
#else
    atomic { LOCKED(0) lock[0] = true };
    atomic { LOCKED(1) lock[1] = true }
#endif
}

inline unlock_all() { lock[1] = false; lock[0] = false }

inline try_case(c)
{
    if
    :: sends[c] -> try_send(c, next)
    :: !sends[c] -> try_recv(c, v)
    fi
}

/* A case has been done: has_sent, has_received, or closed. */
inline note(c)
{
    if
    :: sends[c] && tried == DONE -> has_sent(next); next++
    :: !sends[c] && tried == DONE -> has_received(v)
    :: tried == CLOSED
    fi;
    tried = NOT_READY
}

/* bl_select_cases, with a deadline. */
proctype Selector(byte me; bool send0, send1; byte next, rounds)
{
    byte w = NOBODY, wake = NOBODY, tried, v, i, c, other, mine;
    bool in_time, first, sends[2];

    sends[0] = send0;
    sends[1] = send1;
    do
    :: rounds == 0 -> break
    :: else ->
        rounds--;
        if                    /* shuffle */
        :: first = 0
        :: first = 1
        fi;
        do                    /* try_each */
        :: i == 2 -> break
        :: i < 2 ->
            atomic { c = (i == 0 -> first : 1 - first); LOCKED(c) try_case(c) };
            if
            :: tried != NOT_READY -> wake_up(); note(c); goto again
            :: else
            fi;
            i++
        od;
        lock_all(first);
        atomic {
            i = 0;
#ifndef BREAK_TRY_EACH
            do                /* try_all */
            :: i == 2 -> break
            :: i < 2 ->
                c = (i == 0 -> first : 1 - first);
                try_case(c);
                if
                :: tried != NOT_READY -> unlock_all(); goto done
                :: else
                fi;
                i++
            od;
#endif
            waits[me] = true; /* wait */
            claimed[me] = false;
            woken_by[me] = NOBODY;
            shared[RECORD(me, 0)] = true;
#ifndef BREAK_NOT_SHARED
            shared[RECORD(me, 1)] = true;
#endif
            i = 0;
            do                /* stand_in_all */
            :: i == 2 -> break
            :: i < 2 ->
                c = (i == 0 -> first : 1 - first);
                stand_in(c, RECORD(me, c), next * sends[c], sends[c]);
                i++
            od;
            i = 0;
            c = 0;
#ifndef BREAK_LOCK_ORDER
            first = 0;
#endif
            unlock_all()      /* off its stack */
        };
        park(true);
        lock_all(first);      /* leave_all */
        atomic {
            w = woken_by[me];
#ifndef BREAK_NO_LEAVE
            remove(0, RECORD(me, 0), sends[0]);
            remove(1, RECORD(me, 1), sends[1]);
#endif
            unlock_all();
            if
            :: in_time ->
                assert(w == RECORD(me, 0) || w == RECORD(me, 1));
                c = w % 2;
                tried = (success[w] -> DONE : CLOSED);
                v = (sends[c] -> 0 : value[w]);
                assert(tried == DONE || closed[c]);
                note(c)
            :: else
            fi;
            goto again
        };
done:
        wake_up();
        note(c);
again:
        skip;
        d_step {
            value[RECORD(me, 0)] = 0;
            value[RECORD(me, 1)] = 0;
            success[RECORD(me, 0)] = false;
            success[RECORD(me, 1)] = false;
            woken_by[me] = NOBODY;
            w = NOBODY;
            tried = 0;
            in_time = false;
            v = 0;
            i = 0;
            c = 0;
            first = 0
        }
    od;
    ended++
}

inline release(w)             /* bl__chan_close */
{
    d_step {
        success[w] = false;
        if
        :: shared[w] -> woken_by[OWNER(w)] = w
        :: else
        fi;
        wake[OWNER(w)] = true
    }
#ifdef BREAK_CLOSE_ONE
    break
#endif
}

/* bl_chan_shut of one channel after the other, when `after` have ended. */
proctype Closer(byte after)
{
    byte c, w = NOBODY, g;
    bool wake[NG];

    ended >= after;
    do
    :: c == 2 -> break
    :: c < 2 ->
        atomic {
            LOCKED(c) closed[c] = true;
            do                /* bl__chan_close */
            :: pop(c, receivers[c], w, false);
                if
                :: w == NOBODY -> break
                :: else -> release(w)
                fi
            od;
#ifndef BREAK_CLOSE_RECEIVERS
            do
            :: pop(c, senders[c], w, true);
                if
                :: w == NOBODY -> break
                :: else -> order[c]??eval(value[w]); release(w)
                fi
            od;
#endif
            w = NOBODY
        };
        do                    /* bl__ready_all */
        :: g == NG -> g = 0; break
        :: g < NG ->
            atomic {
                if
                :: wake[g] -> wake[g] = false; make_ready(g)
                :: else
                fi;
                g++
            }
        od;
        c++
    od
}

init
{
    byte left;

    atomic {
#if defined(SELECTS)
        run Sender(A, 1, 1, 1);
        run Selector(X, SEND, SEND, 2, 1);
        run Selector(Y, RECV, RECV, 0, 1);
        run Receiver(R, 0, true);
        run Receiver(S, 1, false);
        run Closer(3)
#elif defined(CLOSE)
        run Sender(A, 0, 1, 1);
        run Sender(B, 0, 3, 1);
        run Selector(Y, RECV, RECV, 0, 1);
        run Receiver(S, 1, false);
        run Closer(0)
#else
        run Sender(A, 0, 1, 2);
        run Sender(B, 0, 3, 1);
        run Selector(X, RECV, SEND, 4, 1);
        run Receiver(R, 0, false);
        run Receiver(S, 1, false);
        run Closer(3)
#endif
    };
    _nr_pr == 1;
#ifndef CLOSE
    assert(empty(ring[0]));
#endif
    do
    :: ring[0]?left -> received = received | BIT(left)
    :: empty(ring[0]) -> break
    od;
    assert(sent == received && empty(ring[1]));
    assert(empty(senders[0]) && empty(senders[1]));
    assert(empty(receivers[0]) && empty(receivers[1]))
}
