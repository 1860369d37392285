/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* lab.h - the nouns of belay lab: mistakes that leak, made on purpose.
 *
 * A *mistake* has two *forms*, wrong and right, which stand side by side in the file of
 * its name: begin reading there.  A form is run in processes of its own, with which all
 * that it has leaked is gone:
 *
 *     lab (run.c) ---- measured process (measured.c)   runs the form, measures itself
 *            \-------- peer (peer.c)                   the clients, or the server it asks
 *
 * The three talk by a *board*, in memory that they share.  Where a process may not have
 * as many descriptors as there are connections, there are several such pairs, *shards*,
 * and what they measure is added up. */
#ifndef BELAY_LAB_H
#define BELAY_LAB_H

#include <belay/belay.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* --- what is measured --------------------------------------------------------- */

enum figure { MEMORY, DESCRIPTORS, GOROUTINES, DEFERS, NFIGURES };

extern const char *const figure_names[NFIGURES];

/* The peer moves from one to the next; but for the last. */
enum phase {
    PHASE_SET_UP,  /* the measured process: until it can be connected to */
    PHASE_OPENING,
    PHASE_OPEN,    /* all connections are there: time to look */
    PHASE_GONE,    /* the other side has closed them all */
    PHASE_SETTLED, /* the measured process: nothing changes any more */
};

struct sample {
    int64_t at_ns;             /* since the form began */
    int64_t value[NFIGURES];  /* more than before the first connection */
    int64_t served, failed;
    int phase;
};

enum { SAMPLES = 2048 };

/* --- between the processes ------------------------------------------------------ */

struct board {
    struct board *first;       /* of all shards' boards, which lie side by side; constant */
    int shards;                /* constant, as all up to keep_seconds */
    int n;                     /* connections */
    int64_t began_ns, open_until_ns;
    const char *serve_address; /* of the debug server; NULL: none */
    int keep_seconds;          /* for how long it serves */

    _Atomic int phase, port;   /* where to connect to */
    _Atomic int serve_port;
    _Atomic int64_t opened, served, failed;
    _Atomic int shards_open;   /* in the first board: have all their connections */
    _Atomic int seen_open;     /* samples taken in PHASE_OPEN */
    _Atomic bool is_opened;    /* one that asks: has all that it will have */
    _Atomic bool is_finished;  /* ... and is through with the rest */
    _Atomic uint32_t nsamples;
    struct sample samples[SAMPLES];
    char error[256];           /* of who could not go on; "": nobody */
};

int64_t lab_now(void); /* of the clock that all processes share */
void lab_sleep(int64_t ns);

/* Notes why it can't go on, and ends the process. */
_Noreturn void lab_give_up(struct board *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

_Noreturn void measured_main(struct board *b, void (*run)(struct board *), bool asks);
_Noreturn void peer_main(struct board *b, bool answers);

/* Connects from one of many loopback addresses, as one has no more than some 28,000
 * ports.  Returns a descriptor or a negative errno. */
int peer_connect(struct board *b);

/* --- mistakes --------------------------------------------------------------------- */

struct mistake {
    const char *name, *summary;
    void (*wrong)(struct board *), (*right)(struct board *);
    bool asks;           /* it connects to the peer, and not the peer to it */
};

extern const struct mistake mistake_loop, mistake_endless, mistake_channel, mistake_panic,
    mistake_hijack, mistake_pool;

/* For the forms (scene.c).  Errors are no more than counted there. */

/* The next client; false: there will be none. */
bool scene_accept(struct board *b, bl_conn **c);

/* A server: each connection has a goroutine, which runs the handler.  The connection is
 * the handler's to release. */
void scene_serve(struct board *b, void (*handle)(bl_conn *c));
/* The same; it runs serve_one(connection, handle). */
void scene_serve_by(struct board *b, void (*serve_one)(bl_conn *c, void (*handle)(bl_conn *)),
                    void (*handle)(bl_conn *c));

/* Answers a request of the client; false: there are no more. */
bool scene_answer(bl_conn *c);

/* Connects to the peer. */
bl_error *scene_dial(bl_conn **c);

/* Asks the peer; false: it did not answer. */
bool scene_ask(bl_conn *c);

/* Waits until the other side has closed the connection. */
void scene_wait_for_end(bl_conn *c);

/* For the measured process: what all of these work on. */
void scene_set(struct board *b, bl_listener *l);

/* --- runs ----------------------------------------------------------------------------- */

struct run {
    const struct mistake *mistake;
    bool is_right;
    struct sample *samples; /* of all shards together, in the order of time */
    uint32_t nsamples, room;
    int opened;
};

struct lab {
    int n, shards;
    int64_t limit;             /* of open files, for each process */
    int seconds;               /* at most, for opening connections */
    const char *serve_address;
};

/* Says what keeps us from having as many as asked for, if something does, and how many
 * processes it takes. */
bool bounds_find(struct lab *lab, int wanted);

bool run_form(const struct lab *lab, struct run *run);
const struct sample *run_last(const struct run *run);
void run_free(struct run *run);

void table_head(const struct lab *lab);
void table_row(const struct run *run);
void csv_head(void);
void csv_rows(const struct run *run);

/* Whether a file could be written there: asked before the work that goes into it. */
bool plot_may_write(const char *path);
bool plot_write(const char *path, const struct lab *lab, const struct run *runs,
                uint32_t nruns);

/* "100,000" and "1.5 MB": for a sentence or a table. */
struct lab_text {
    char text[32];
};

struct lab_text lab_count(int64_t n);
struct lab_text lab_figure(enum figure f, int64_t n);

#endif
