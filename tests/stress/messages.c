/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* stress/messages.c - a random graph of goroutines and channels, in which every
 * message arrives exactly once.
 *
 * A peer sends, receives, or relays what it receives; relays only send to channels
 * further on, so what goes in comes out.  Each channel has one receiver of its own
 * that waits for nothing else: nobody waits for ever for a receiver.  A message
 * carries its sender and its number among those this sender has sent to this channel;
 * a timeout, a default or a panic means that it was not sent, and the number is used
 * again: what was sent in spite of that arrives twice.
 *
 * A round ends in one of three ways: the last sender of a channel closes it; or all
 * receivers are told to leave, and some messages stay in buffers; or somebody closes
 * the channels under the senders' feet, whose sends panic. */
#include "stress.h"

enum {
    CHANNELS = 12,
    PEERS = 64,
    EACH = 150,         /* messages of one peer to one channel, at most */
    HELD = 4,           /* messages that a relay keeps back */
    MOST_BYTES = 256,
    CASES = 8,
};

struct message {
    uint32_t sender, number;
    unsigned char rest[MOST_BYTES - 8];
};

enum ending { LAST_CLOSES, QUIT, CLOSED_UNDER_WAY, ENDINGS };

struct link {
    bl_chan *c;
    _Atomic int senders;         /* that have not left */
    int receivers;
    _Atomic uint32_t sent[PEERS]; /* by each peer, itself */
    _Atomic uint8_t got[PEERS][EACH];
};

struct round {
    size_t bytes;                /* of a message */
    enum ending ending;
    int nlinks, npeers;
    struct link links[CHANNELS];
    bl_chan *quit;
    bl_waitgroup senders, peers;
};

struct peer {
    struct round *round;
    uint32_t id;
    struct stress_random r;
    int in[CHANNELS], nin;       /* links; closed ones are taken out */
    int out[CHANNELS], nout;
    int to_send;
    bool quit;
    int32_t last[CHANNELS][PEERS]; /* number that came last, by sender */
};

static _Atomic uint64_t total;

/* --- messages ------------------------------------------------------------- */

static unsigned char
rest_byte(const struct message *m, size_t i)
{
    return (unsigned char)(m->sender * 31 + m->number * 7 + i);
}

/* The next one that p is to send to link. */
static void
write_message(struct peer *p, int link, struct message *m)
{
    m->sender = p->id;
    m->number = p->round->links[link].sent[p->id];
    for (size_t i = 0; i + 8 < p->round->bytes; i++)
        m->rest[i] = rest_byte(m, i);
}

static bool
is_full(const struct peer *p, int link)
{
    return p->round->links[link].sent[p->id] >= EACH;
}

static void
note_sent(struct peer *p, int link)
{
    p->round->links[link].sent[p->id]++;
    p->to_send--;
}

static void
note_arrival(struct round *round, int link, const struct message *m)
{
    STRESS_COMPARE(m->sender, <, round->npeers);
    STRESS_COMPARE(m->number, <, EACH);
    for (size_t i = 0; i + 8 < round->bytes; i++)
        STRESS_COMPARE(m->rest[i], ==, rest_byte(m, i));
    STRESS_COMPARE(atomic_fetch_add(&round->links[link].got[m->sender][m->number], 1), ==, 0);
    total++;
}

static void
note_received(struct peer *p, int link, const struct message *m)
{
    int32_t *last = &p->last[link][m->sender];

    note_arrival(p->round, link, m);
    if (p->round->links[link].receivers == 1)
        STRESS_COMPARE(m->number, ==, *last + 1);
    else
        STRESS_COMPARE(m->number, >, *last);
    *last = (int32_t)m->number;
    if (p->nout > 0)
        p->to_send++;
}

/* --- peers: one thing at a time ------------------------------------------- */

static void
remove_in(struct peer *p, int link)
{
    for (int i = 0; i < p->nin; i++)
        if (p->in[i] == link)
            p->in[i--] = p->in[--p->nin];
}

static void
check_time(int64_t until)
{
    STRESS_COMPARE(bl_now(), >=, until);
}

static int64_t
soon(struct peer *p)
{
    return bl_now() + stress_below(&p->r, 200) * BL_MICROSECOND;
}

static void
send_one(struct peer *p, int link)
{
    bl_chan *c = p->round->links[link].c;
    struct message m;
    int64_t until;
    int error = 0;

    write_message(p, link, &m);
    switch (stress_below(&p->r, 3)) {
    case 0:
        bl_chan_send(c, &m);
        break;
    case 1:
        error = bl_chan_try_send(c, &m);
        STRESS_CHECK(error == 0 || error == -EAGAIN);
        break;
    case 2:
        until = soon(p);
        error = bl_chan_send_until(c, &m, until);
        STRESS_CHECK(error == 0 || error == -ETIMEDOUT);
        if (error)
            check_time(until);
        break;
    }
    if (error == 0)
        note_sent(p, link);
}

static void
receive_one(struct peer *p, int link)
{
    bl_chan *c = p->round->links[link].c;
    struct message m;
    int64_t until;
    int result = 0;

    switch (stress_below(&p->r, 3)) {
    case 0:
        result = bl_chan_recv(c, &m);
        break;
    case 1:
        result = bl_chan_try_recv(c, &m);
        STRESS_CHECK(result >= 0 || result == -EAGAIN);
        break;
    case 2:
        until = soon(p);
        result = bl_chan_recv_until(c, &m, until);
        STRESS_CHECK(result >= 0 || result == -ETIMEDOUT);
        if (result < 0)
            check_time(until);
        break;
    }
    if (result == 1)
        note_received(p, link, &m);
    else if (result == 0)
        remove_in(p, link);
}

/* --- peers: select -------------------------------------------------------- */

struct choice {
    bl_case cases[CASES];
    int links[CASES];            /* -1: quit, or nil */
    bool is_value[CASES];
    struct message messages[CASES];
    int n;
};

static void
add_case(struct choice *ch, int link, bl_chan *c, bool is_send)
{
    int i = ch->n++;

    ch->links[i] = link;
    ch->cases[i] = (bl_case){.c = c, .value = &ch->messages[i], .is_send = is_send};
    if (!is_send)
        ch->cases[i].ok = &ch->is_value[i];
}

static bool
may_receive(const struct peer *p)
{
    return p->nin > 0 && p->to_send < HELD;
}

static void
add_some(struct peer *p, struct choice *ch)
{
    int n = stress_between(&p->r, 1, CASES - 2), link;

    for (int i = 0; i < n; i++) {
        if (p->to_send > 0 && p->nout > 0 && stress_chance(&p->r, 60)) {
            link = p->out[stress_below(&p->r, p->nout)];
            write_message(p, link, &ch->messages[ch->n]);
            add_case(ch, link, p->round->links[link].c, true);
        } else if (may_receive(p)) {
            link = p->in[stress_below(&p->r, p->nin)];
            add_case(ch, link, p->round->links[link].c, false);
        } else {
            add_case(ch, -1, NULL, stress_chance(&p->r, 50));
        }
    }
}

/* Only nil channels. */
static bool
is_hopeless(const struct choice *ch)
{
    for (int i = 0; i < ch->n; i++)
        if (ch->cases[i].c)
            return false;
    return true;
}

static void
do_choice(struct peer *p, struct choice *ch, int64_t until)
{
    int i = bl_select_cases(ch->cases, (size_t)ch->n, until);
    int link;

    STRESS_CHECK(i >= -1 && i < ch->n);
    if (i < 0) {
        STRESS_CHECK(until != BL_FOREVER);
        if (until != BL_NO_WAIT)
            check_time(until);
        return;
    }
    link = ch->links[i];
    STRESS_CHECK(ch->cases[i].c);
    if (link < 0)
        p->quit = true;
    else if (ch->cases[i].is_send)
        note_sent(p, link);
    else if (ch->is_value[i])
        note_received(p, link, &ch->messages[i]);
    else
        remove_in(p, link);
}

static void
select_one(struct peer *p)
{
    struct choice ch = {.n = 0};
    int64_t until = BL_FOREVER;
    int how = stress_below(&p->r, 3);

    add_some(p, &ch);
    if (how == 0)
        until = BL_NO_WAIT;
    else if (how == 1 || is_hopeless(&ch))
        until = soon(p);
    if (p->round->ending == QUIT)
        add_case(&ch, -1, p->round->quit, false);
    do_choice(p, &ch, until);
}

/* --- peers: life ---------------------------------------------------------- */

static void
step(struct peer *p)
{
    bool sends = p->to_send > 0 && p->nout > 0, receives = may_receive(p);

    /* only select can be told to quit while it waits */
    if (p->round->ending == QUIT || (sends && receives) || stress_chance(&p->r, 40))
        select_one(p);
    else if (sends)
        send_one(p, p->out[stress_below(&p->r, p->nout)]);
    else
        receive_one(p, p->in[stress_below(&p->r, p->nin)]);
    stress_dawdle(&p->r);
}

/* A channel that has had as many messages as it has numbers for. */
static void
drop_full(struct peer *p)
{
    for (int i = 0; i < p->nout; i++)
        if (is_full(p, p->out[i]))
            p->to_send = 0;
}

static void
note_closed(void)
{
    const bl_panic_info *info = recover();

    if (info)
        STRESS_CHECK(strcmp(info->text, "send on closed channel") == 0);
}

/* Ends by itself, by quit, or by a send that panics. */
static void
live(struct peer *p)
{
    returns_nothing {
        if (p->round->ending == CLOSED_UNDER_WAY)
            defer_call(note_closed);
        while (!p->quit && (p->to_send > 0 || p->nin > 0)) {
            step(p);
            if (p->nout > 0)
                drop_full(p);
        }
    }
}

static void
run_peer(struct peer *p, uint32_t sends_to, bool is_source)
{
    struct round *round = p->round;

    live(p);
    for (int i = 0; i < round->nlinks; i++)
        if ((sends_to >> i & 1) && atomic_fetch_sub(&round->links[i].senders, 1) == 1 &&
            round->ending == LAST_CLOSES)
            bl_chan_shut(round->links[i].c);
    free(p);
    if (is_source)
        bl_waitgroup_done(&round->senders);
    bl_waitgroup_done(&round->peers);
}

/* --- rounds --------------------------------------------------------------- */

static void
link_up(struct stress_random *r, int *list, int *n, int first, int end)
{
    for (int i = first; i < end; i++)
        if (stress_chance(r, 40))
            list[(*n)++] = i;
    if (*n == 0)
        list[(*n)++] = stress_between(r, first, end - 1);
}

static struct peer *
add_peer(struct round *round, struct stress_random *r)
{
    struct peer *p = stress_make(1, sizeof *p);

    p->round = round;
    p->id = (uint32_t)round->npeers++;
    p->r = stress_split(r);
    memset(p->last, -1, sizeof p->last);
    return p;
}

static struct peer *
add_random_peer(struct round *round, struct stress_random *r)
{
    struct peer *p = add_peer(round, r);
    int kind = stress_below(r, 4), n = round->nlinks;
    int pivot = n > 1 ? stress_between(r, 1, n - 1) : 0;

    if (kind == 0) {
        link_up(r, p->in, &p->nin, 0, n);
    } else if (kind == 1 && pivot) {
        link_up(r, p->in, &p->nin, 0, pivot);
        link_up(r, p->out, &p->nout, pivot, n);
    } else {
        link_up(r, p->out, &p->nout, 0, n);
        p->to_send = stress_between(r, 1, EACH);
    }
    return p;
}

static void
make_links(struct round *round, struct stress_random *r)
{
    static const int capacities[] = {0, 0, 0, 1, 1, 2, 3, 8, 64, 200};

    round->bytes = (size_t)stress_between(r, 8, stress_chance(r, 20) ? MOST_BYTES : 40);
    round->nlinks = stress_between(r, 1, CHANNELS);
    for (int i = 0; i < round->nlinks; i++) {
        round->links[i].c = bl_chan_new(round->bytes, capacities[stress_below(r, 10)]);
        STRESS_CHECK(round->links[i].c);
    }
    round->quit = bl_chan_new(0, 0);
}

/* Counts are complete before the first one starts. */
static void
start(struct round *round, struct peer **peers)
{
    uint32_t sends_to[PEERS] = {0};
    int n = round->npeers;

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < peers[i]->nout; k++) {
            sends_to[i] |= 1u << peers[i]->out[k];
            round->links[peers[i]->out[k]].senders++;
        }
        for (int k = 0; k < peers[i]->nin; k++)
            round->links[peers[i]->in[k]].receivers++;
        bl_waitgroup_add(&round->peers, 1);
        if (peers[i]->nin == 0)
            bl_waitgroup_add(&round->senders, 1);
    }
    for (int i = 0; i < round->nlinks; i++)
        if (round->links[i].senders == 0 && round->ending == LAST_CLOSES)
            bl_chan_shut(round->links[i].c);
    for (int i = 0; i < n; i++)
        go(run_peer, peers[i], sends_to[i], peers[i]->nin == 0);
}

static void
finish(struct round *round, struct stress_random *r)
{
    if (round->ending == QUIT) {
        if (stress_chance(r, 50))
            bl_sleep(stress_below(r, 2000000));
        else
            bl_waitgroup_wait(&round->senders);
        bl_chan_shut(round->quit);
    } else if (round->ending == CLOSED_UNDER_WAY) {
        for (int i = 0; i < round->nlinks; i++) {
            bl_sleep(stress_below(r, 300000));
            bl_chan_shut(round->links[i].c);
        }
    }
    bl_waitgroup_wait(&round->peers);
}

/* What is still in a buffer arrives here. */
static void
drain(struct round *round, int link)
{
    bl_chan *c = round->links[link].c;
    size_t n = bl_chan_length(c);
    struct message m;

    STRESS_CHECK(n <= bl_chan_capacity(c));
    STRESS_CHECK(round->ending != LAST_CLOSES || n == 0);
    for (; n > 0; n--) {
        STRESS_COMPARE(bl_chan_try_recv(c, &m), ==, 1);
        note_arrival(round, link, &m);
    }
    STRESS_COMPARE(bl_chan_try_recv(c, &m), ==, round->ending == QUIT ? -EAGAIN : 0);
    bl_chan_release(c);
}

static void
check_arrivals(const struct round *round, const struct link *link)
{
    for (int i = 0; i < round->npeers; i++)
        for (uint32_t k = 0; k < EACH; k++)
            STRESS_COMPARE(link->got[i][k], ==, k < link->sent[i]);
}

static void
run_round(struct stress_random *r)
{
    struct round *round = stress_make(1, sizeof *round);
    struct peer *peers[PEERS];
    int more = stress_between(r, 1, PEERS - CHANNELS);

    round->ending = (enum ending)stress_below(r, ENDINGS);
    make_links(round, r);
    for (int i = 0; i < round->nlinks; i++) {
        struct peer *p = add_peer(round, r);

        peers[p->id] = p;
        p->in[p->nin++] = i;
    }
    while (more-- > 0) {
        struct peer *p = add_random_peer(round, r);

        peers[p->id] = p;
    }
    start(round, peers);
    finish(round, r);
    for (int i = 0; i < round->nlinks; i++) {
        drain(round, i);
        check_arrivals(round, &round->links[i]);
    }
    bl_chan_release(round->quit);
    free(round);
}

int
main(int argc, char **argv)
{
    struct stress_random r;

    stress_begin(argc, argv, "messages");
    while (stress_round(&r))
        run_round(&r);
    return stress_end(total, "messages");
}
