/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* paste/load_clients.c - clients: a goroutine each, written as if it were alone.
 *
 * A client remembers what it has pasted, as the seed of a text, and compares every text it
 * reads.  What it does next is drawn from a table of actions. */
#include "load.h"

#include "store.h"
#include <belay/keywords.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 8, COMPLAINTS = 20, LARGE = 200000 };

#define IDLE_BEAT (50 * BL_SECOND) /* servers drop who is idle for longer */

struct kept {
    struct paste_key key;
    uint64_t seed;
    size_t size;
};

struct client {
    struct load *load;
    unsigned number;
    uint64_t chance;
    struct link link;
    struct reply reply;
    struct kept kept[KEPT];
    int count;
    char *text; /* the last that was made */
};

void
load_fail(struct load *load, const char *format, ...)
{
    va_list args;

    if (atomic_fetch_add(&load->tally.failures, 1) >= COMPLAINTS)
        return;
    va_start(args, format);
    flockfile(stderr);
    fprintf(stderr, "paste-load: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    funlockfile(stderr);
    va_end(args);
}

/* --- how long things take --------------------------------------------------------- */

/* 32 buckets for every power of two: an error of 3 % at the most. */
static unsigned
bucket_of(uint64_t ns)
{
    unsigned shift = ns < 64 ? 0 : 58 - (unsigned)__builtin_clzll(ns);

    return shift * 32 + (unsigned)(ns >> shift);
}

static uint64_t
bucket_end(unsigned i)
{
    return i < 64 ? i : ((uint64_t)(i % 32 + 33) << (i / 32 - 1)) - 1;
}

static void
note_latency(struct tally *t, uint64_t ns)
{
    uint64_t slowest = atomic_load(&t->slowest);

    atomic_fetch_add_explicit(&t->latency[bucket_of(ns)], 1, memory_order_relaxed);
    while (ns > slowest && !atomic_compare_exchange_weak(&t->slowest, &slowest, ns))
        ;
}

uint64_t
load_percentile(const struct tally *t, unsigned of_10000)
{
    uint64_t all = 0, sum = 0;

    for (unsigned i = 0; i < BUCKETS; i++)
        all += atomic_load(&t->latency[i]);
    for (unsigned i = 0; i < BUCKETS; i++) {
        sum += atomic_load(&t->latency[i]);
        if (all > 0 && sum * 10000 >= all * of_10000)
            return bucket_end(i) < atomic_load(&t->slowest) ? bucket_end(i)
                                                              : atomic_load(&t->slowest);
    }
    return 0;
}

/* --- one request ------------------------------------------------------------------ */

static bl_error *
exchange(struct client *me, const char *head, const void *body, size_t size)
{
    struct load *load = me->load;
    bl_error *err = NULL;

    if (!me->link.c)
        err = link_open(&me->link, &load->server.http, me->number);
    atomic_fetch_add_explicit(&load->tally.requests, 1, memory_order_relaxed);
    if (!err)
        err = link_send(&me->link, head, body, size);
    if (!err)
        err = link_receive(&me->link, &me->reply);
    if (err || me->reply.closes)
        link_close(&me->link);
    if (!err)
        atomic_fetch_add_explicit(&load->tally.status[me->reply.status], 1,
                                  memory_order_relaxed);
    return err;
}

static void BL_PRINTF(5, 6)
fail_request(struct client *me, bl_error *err, const char *head, int wanted,
             const char *format, ...)
{
    char why[256], more[256];
    va_list args;

    va_start(args, format);
    vsnprintf(more, sizeof more, format, args);
    va_end(args);
    bl_error_text(err, why, sizeof why);
    load_fail(me->load, "%.*s: status %d, not %d; %s %s", (int)strcspn(head, "\r"), head,
              me->reply.status, wanted, err ? why : "", more);
}

/* One that has to work; whether it did.  The clock stops when all has been read. */
static bool
ask(struct client *me, int wanted, const char *head, const void *body, size_t size)
{
    int64_t began = bl_now();
    bl_error *err;

    me->reply.status = 0;
    err = exchange(me, head, body, size);
    defer { error_release(err); };
    if (!err && me->reply.status == wanted) {
        note_latency(&me->load->tally, (uint64_t)(bl_now() - began));
        return true;
    }
    fail_request(me, err, head, wanted, "%.100s", me->reply.size ? me->reply.body : "");
    return false;
}

static bool BL_PRINTF(3, 4)
get(struct client *me, int wanted, const char *format, ...)
{
    char path[128], head[256];
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: load\r\n\r\n", path);
    return ask(me, wanted, head, NULL, 0);
}

/* --- texts ------------------------------------------------------------------------ */

/* What a text of that seed and size is; the client's until the next. */
static const char *
make_text(struct client *me, uint64_t seed, size_t size)
{
    static const char letters[] = "  eeeetttaaaoooiiinnnssshhhrrrddlluuccmmwwffggyyppbbvk"
                                  "<&>\"'\n.,";
    uint64_t chance = seed;
    size_t i = 0;

    free(me->text);
    me->text = malloc(size + 8);
    if (!me->text)
        panic("out of memory");
    while (i < size) {
        uint64_t bits = roll(&chance);

        for (int j = 0; j < 8; j++, bits >>= 8)
            me->text[i++] = letters[bits % (sizeof letters - 1)];
    }
    me->text[size] = '\0';
    return me->text;
}

static size_t
draw_size(struct client *me)
{
    uint64_t kind = roll(&me->chance) % 100;

    return kind == 0 ? LARGE : kind < 10 ? 20000 : 1 + roll(&me->chance) % 2000;
}

/* Decodes what a page has between <pre> and </pre>, in place. */
static char *
text_of_page(char *page)
{
    static const struct { const char *name; char c; } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&#34;", '"'}, {"&#39;", '\''}};
    char *from = strstr(page, "<pre>\n"), *to = page;

    if (!from)
        return NULL;
    for (from += 6; *from && *from != '<'; to++) {
        size_t n = 1;

        *to = *from;
        for (size_t i = 0; *from == '&' && i < 5; i++)
            if (strncmp(from, entities[i].name, strlen(entities[i].name)) == 0) {
                *to = entities[i].c;
                n = strlen(entities[i].name);
                break;
            }
        from += n;
    }
    *to = '\0';
    return page;
}

/* --- what works ------------------------------------------------------------------- */

static void
create(struct client *me)
{
    struct kept k = {.seed = roll(&me->chance), .size = draw_size(me)};
    const char *text = make_text(me, k.seed, k.size);
    char head[256];

    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: load\r\nContent-Type: text/plain\r\n"
                                "Content-Length: %zu\r\n\r\n", k.size);
    if (!ask(me, 201, head, text, k.size))
        return;
    atomic_fetch_add(&me->load->tally.created, 1);
    if (me->reply.size != ID_SIZE || strlen(me->reply.token) != TOKEN_SIZE - 1) {
        load_fail(me->load, "no id or token: %.80s", me->reply.body);
        return;
    }
    memcpy(k.key.id, me->reply.body, ID_SIZE - 1);
    memcpy(k.key.token, me->reply.token, TOKEN_SIZE);
    me->kept[me->count++] = k;
}

static void
delete(struct client *me)
{
    int i = (int)(roll(&me->chance) % (unsigned)me->count);
    struct kept k = me->kept[i];
    const char *token = roll(&me->chance) % 8 == 0 ? "nonsense" : k.key.token;
    char head[256];

    snprintf(head, sizeof head, "DELETE /%s HTTP/1.1\r\nHost: load\r\nPaste-Token: %s\r\n\r\n",
             k.key.id, token);
    if (!ask(me, token == k.key.token ? 204 : 403, head, NULL, 0) || token != k.key.token)
        return;
    atomic_fetch_add(&me->load->tally.removed, 1);
    me->kept[i] = me->kept[--me->count];
}

static void
change(struct client *me)
{
    if (me->count == 0 || (me->count < KEPT && roll(&me->chance) % 2))
        create(me);
    else
        delete(me);
}

static const struct kept *
pick(struct client *me)
{
    if (me->count == 0)
        create(me);
    return me->count ? &me->kept[roll(&me->chance) % (unsigned)me->count] : NULL;
}

static void
compare(struct client *me, const struct kept *k, const char *text, size_t size)
{
    if (text && size == k->size && memcmp(text, make_text(me, k->seed, size), size) == 0)
        atomic_fetch_add(&me->load->tally.compared, 1);
    else
        load_fail(me->load, "/%s: not what was pasted (%zu bytes, not %zu)", k->key.id, size,
                  k->size);
}

static void
read_raw(struct client *me)
{
    const struct kept *k = pick(me);

    if (k && get(me, 200, "/%s", k->key.id))
        compare(me, k, me->reply.body, me->reply.size);
}

static void
read_page(struct client *me)
{
    const struct kept *k = pick(me);
    const char *text;

    if (!k || !get(me, 200, "/%s/html", k->key.id))
        return;
    text = text_of_page(me->reply.body);
    compare(me, k, text, text ? strlen(text) : 0);
}

static void
read_index(struct client *me)
{
    if (get(me, 200, "/") && !strstr(me->reply.body, "</ul>"))
        load_fail(me->load, "/: no list");
}

static void
miss(struct client *me)
{
    get(me, 404, "/nosuchid");
}

static void
compute(struct client *me)
{
    get(me, 200, "/loop?ms=3");
}

/* --- what doesn't ----------------------------------------------------------------- */

/* Answered with 500, and the connection ends. */
static void
make_it_fail(struct client *me, const char *path)
{
    char head[128];

    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: load\r\n\r\n", path);
    me->reply.status = 0;
    bl_error *err = exchange(me, head, NULL, 0);
    if (err || me->reply.status != 500)
        fail_request(me, err, head, 500, "%s", "");
    error_release(err);
}

static void
fault(struct client *me)
{
    struct tally *t = &me->load->tally;

#ifdef __x86_64__ /* other processors just divide */
    if (roll(&me->chance) % 3 == 0) {
        make_it_fail(me, "/divide");
        atomic_fetch_add(&t->faults, 1);
        return;
    }
#endif
    make_it_fail(me, "/null");
    atomic_fetch_add(&t->faults, 1);
    atomic_fetch_add(&t->rolled_back, 1);
}

static void
fail_by_panic(struct client *me)
{
    make_it_fail(me, "/panic");
    atomic_fetch_add(&me->load->tally.panics, 1);
}

/* The answer has begun: its end does not come. */
static void
fail_midway(struct client *me)
{
    static const char head[] = "GET /cut HTTP/1.1\r\nHost: load\r\n\r\n";
    bl_error *err = exchange(me, head, NULL, 0);

    if (error_is(err, bl_err_unexpected_eof) && me->reply.status == 200)
        atomic_fetch_add(&me->load->tally.cut, 1);
    else
        fail_request(me, err, head, 200, "%s", "not cut");
    atomic_fetch_add(&me->load->tally.panics, 1);
    error_release(err);
}

static void
misbehave(struct client *me)
{
    atomic_fetch_add(&me->load->tally.requests, 1);
    break_protocol(me->load, me->number, roll(&me->chance));
}

static void
leave_now(struct client *me)
{
    atomic_fetch_add(&me->load->tally.requests, 1);
    leave_early(me->load, me->number, roll(&me->chance));
}

/* --- their lives ------------------------------------------------------------------ */

static const struct {
    int of_1000;
    void (*act)(struct client *me);
} actions[] = {
    {25, fault},      {20, fail_by_panic}, {5, fail_midway}, /* 5 % */
    {20, misbehave},  {10, leave_now},
    {1, compute},     {19, miss},          {50, read_index},
    {250, change},    {150, read_page},    {450, read_raw},
};

static void
act(struct client *me)
{
    int drawn = (int)(roll(&me->chance) % 1000);
    size_t i = 0;

    while ((drawn -= actions[i].of_1000) >= 0)
        i++;
    actions[i].act(me);
}

static bool
goes_on(struct load *load)
{
    bl_error *err = context_err(load->ctx);
    bool ended = err != NULL;

    error_release(err);
    return !ended;
}

static void
live_actively(struct load *load, unsigned number)
{
    struct client me = {.load = load, .number = number,
                        .chance = (load->seed + number) * 0x9e3779b97f4a7c15 | 1};

    defer {
        link_close(&me.link);
        reply_free(&me.reply);
        free(me.text);
        bl_waitgroup_done(&load->clients);
    };
    while (goes_on(load))
        act(&me);
}

/* Has a connection, and seldom a question. */
static void
live_idly(struct load *load, unsigned number)
{
    struct client me = {.load = load, .number = number};

    defer {
        link_close(&me.link);
        reply_free(&me.reply);
        bl_waitgroup_done(&load->clients);
    };
    bl_semaphore_acquire(&load->opening, 1);
    bool fine = get(&me, 404, "/idle/still");
    bl_semaphore_release(&load->opening, 1);
    atomic_fetch_add(&load->tally.idle_open, fine);
    while (fine && bl_sleep_ctx(IDLE_BEAT, load->ctx) == 0)
        if ((fine = get(&me, 404, "/idle/still")))
            atomic_fetch_add(&load->tally.idle_asked, 1);
    if (fine && !me.link.c)
        load_fail(load, "an idle connection was closed");
    if (fine)
        get(&me, 404, "/idle/still"); /* it still works */
}

void
load_begin(struct load *load)
{
    load->ctx = context_with_cancel(context_background());
    load->opening = (bl_semaphore){.size = 200};
    bl_waitgroup_add(&load->clients, load->idle + load->active);
    for (int i = 0; i < load->idle; i++)
        bl_go_with(((bl_go_options){.stack_bytes = 64 << 10}), live_idly, load, (unsigned)i);
    while (atomic_load(&load->tally.idle_open) < (unsigned)load->idle &&
           atomic_load(&load->tally.failures) == 0)
        bl_sleep(20 * BL_MILLISECOND);
    for (int i = 0; i < load->active; i++)
        bl_go_with(((bl_go_options){.stack_bytes = 64 << 10}), live_actively, load,
                   (unsigned)i);
}

void
load_end(struct load *load)
{
    context_cancel(load->ctx);
    bl_waitgroup_wait(&load->clients);
    context_end(load->ctx);
}
