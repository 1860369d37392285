/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* belay/chan.h - typed messages between goroutines, and select.
 *
 *     bl_chan_of(int) jobs = bl_chan_make(int, 16);
 *     bl_send(jobs, 42);
 *     int v = bl_recv(jobs);             // 0 once closed and empty
 *     bool ok = bl_recv_ok(jobs, &v);    // false once closed and empty
 *     bl_for_recv (int, job, jobs)       // until closed and empty
 *         work(job);
 *     bl_chan_close(jobs);
 *     bl_chan_free(jobs);
 *
 *     switch (bl_select(bl_on_recv(jobs, &v), bl_on_send(out, 7))) {
 *     case 0: ...                        // received v
 *     case 1: ...                        // sent 7
 *     }
 *
 * A channel copies values in and out (shallowly) and never looks inside them.
 * Capacity 0 is a rendezvous: a send ends when a receiver has taken the value.
 * Closing is a message to receivers, "no more values"; freeing gives the memory
 * back: close from the sender, free once, after the last user is gone.  A NULL
 * channel never becomes ready, in select and elsewhere (Go's nil).
 *
 * Everything here also works in plain threads, which then sleep. */
#ifndef BELAY_CHAN_H
#define BELAY_CHAN_H

#include <belay/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC system_header /* its macros use GNU C, whatever -std and -pedantic */

BL_BEGIN_DECLS

typedef struct bl_chan bl_chan;

/* --- without types ---------------------------------------------------------- */

/* Makes a channel for values of elem_bytes (0 is fine: only the events count).
 * Returns NULL when memory is short.
 * Call from: anywhere.  Blocks: no.  Panics: "makechan: size out of range" when
 * the sizes make no sense.  Owner: caller, bl_chan_free(). */
BL_API bl_chan *bl_chan_new(size_t elem_bytes, ptrdiff_t capacity);

/* Frees c and the values still in it; NULL is fine.
 * Call from: anywhere.  Panics: when somebody waits in it. */
BL_API void bl_chan_release(bl_chan *c);

/* Sends *value.
 * Call from: anywhere.  Blocks: until there is room or a receiver; NULL: for ever.
 * Panics: "send on closed channel". */
BL_API void bl_chan_send(bl_chan *c, const void *value);

/* Receives into *value (NULL: throws it away).  Returns false, and zeroes *value,
 * once c is closed and empty.
 * Call from: anywhere.  Blocks: until there is a value or c is closed. */
BL_API bool bl_chan_recv(bl_chan *c, void *value);

/* Sends *value unless an absolute time, bl_now() + d, comes first.  Returns 0, or
 * -ETIMEDOUT.
 * Call from: anywhere.  Blocks: until then.  Panics: as bl_chan_send(). */
BL_API int bl_chan_send_until(bl_chan *c, const void *value, int64_t until_ns);

/* Receives unless an absolute time comes first.  Returns 1, 0 once c is closed and
 * empty, or -ETIMEDOUT.
 * Call from: anywhere.  Blocks: until then. */
BL_API int bl_chan_recv_until(bl_chan *c, void *value, int64_t until_ns);

/* Sends without waiting.  Returns 0, or -EAGAIN.
 * Call from: anywhere.  Blocks: no.  Panics: as bl_chan_send(). */
BL_API int bl_chan_try_send(bl_chan *c, const void *value);

/* Receives without waiting.  Returns 1, 0 once c is closed and empty, or -EAGAIN.
 * Call from: anywhere.  Blocks: no. */
BL_API int bl_chan_try_recv(bl_chan *c, void *value);

/* Closes c: receivers get what is queued, then "no more".
 * Call from: anywhere.  Panics: "close of nil channel", "close of closed
 * channel". */
BL_API void bl_chan_shut(bl_chan *c);

/* Returns how many values are queued, and how many fit; both are 0 for NULL and for
 * timers' channels.
 * Call from: anywhere.  Blocks: no. */
BL_API size_t bl_chan_length(const bl_chan *c);
BL_API size_t bl_chan_capacity(const bl_chan *c);

/* --- select ----------------------------------------------------------------- */

typedef struct bl_case {
    bl_chan *c;
    void *value;  /* what to send; where to receive, NULL: nowhere */
    bool *ok;     /* receive: whether it was a value; NULL: not asked */
    bool is_send;
} bl_case;

enum { BL_SELECT_MAX = 65536 };
#define BL_NO_WAIT INT64_MIN   /* return at once */
#define BL_FOREVER INT64_MAX

/* Does one of the n cases, at random among those that are ready, waiting until
 * until_ns for one to become so.  Returns its index, or -1 if none was ready in
 * time.
 * Call from: anywhere.  Blocks: until then; for ever without cases.
 * Panics: as its case does; when n is over BL_SELECT_MAX. */
BL_API int bl_select_cases(const bl_case *cases, size_t n, int64_t until_ns);

/* --- with types ------------------------------------------------------------- */

#ifndef __cplusplus

/* bl_chan_of(T): the type of a channel of T, for variables, parameters and
 * members. */
#define bl_chan_of(T) __typeof__(__typeof__(T) (*)[1])

#define BL__ELEM(c) __typeof__(**(c))

/* Whether v can be a value of type T without a cast that a C programmer would have
 * to write: arithmetic to arithmetic, pointers to compatible types, NULL. */
#define BL__IS_POINTER(v) (__builtin_classify_type(v) == 5)
#define BL__AS_POINTER(v)                                                      \
    __builtin_choose_expr(BL__IS_POINTER(v), (v), (void *)0)
#define BL__CONVERTS(T, v)                                                     \
    (__builtin_types_compatible_p(__typeof__((void)0, *(T *)0),                \
                                  __typeof__((void)0, (v))) ||                 \
     (!BL__IS_POINTER(*(T *)0) && !BL__IS_POINTER(v)) ||                       \
     (BL__IS_POINTER(*(T *)0) && BL__IS_POINTER(v) &&                          \
      __builtin_types_compatible_p(                                            \
          __typeof__((void)0, *(T *)0),                                        \
          __typeof__(1 ? BL__AS_POINTER(*(T *)0) : BL__AS_POINTER(v)))))

/* bl_chan_make(T, capacity): a new channel of T; otherwise as bl_chan_new(). */
#define bl_chan_make(T, capacity)                                              \
    ((bl_chan_of(T))(void *)bl_chan_new(sizeof(T), (capacity)))

/* What bl_chan_release(), bl_chan_shut(), bl_chan_length() and bl_chan_capacity() do,
 * for a typed channel. */
#define bl_chan_free(c) bl_chan_release((bl_chan *)(c))
#define bl_chan_close(c) bl_chan_shut((bl_chan *)(c))
#define bl_chan_len(c) bl_chan_length((const bl_chan *)(c))
#define bl_chan_cap(c) bl_chan_capacity((const bl_chan *)(c))

#define BL__SEND(call, chan, v, ...)                                           \
    __extension__({                                                            \
        __typeof__(chan) bl__c = (chan);                                       \
        _Static_assert(BL__CONVERTS(BL__ELEM(bl__c), v),                       \
                       "belay: the value's type is not the channel's");        \
        BL__ELEM(bl__c) bl__v = (v);                                           \
        call((bl_chan *)(void *)bl__c, &bl__v, ##__VA_ARGS__);                 \
    })

#define BL__RECV(call, chan, to, ...)                                          \
    __extension__({                                                            \
        __typeof__(chan) bl__c = (chan);                                       \
        BL__ELEM(bl__c) *bl__to = (to);                                        \
        _Static_assert(                                                        \
            __builtin_types_compatible_p(__typeof__((void)0, (to)),            \
                                         BL__ELEM(bl__c) *) ||                 \
                __builtin_types_compatible_p(__typeof__((void)0, (to)),        \
                                             void *),                          \
            "belay: the variable's type is not the channel's");                \
        call((bl_chan *)(void *)bl__c, bl__to, ##__VA_ARGS__);                 \
    })

/* Send v as bl_chan_send(), bl_chan_send_until() and bl_chan_try_send() do; v is
 * converted as in an assignment.  What no assignment would take is a compile-time
 * error. */
#define bl_send(c, v) BL__SEND(bl_chan_send, c, v)
#define bl_send_until(c, v, until_ns) BL__SEND(bl_chan_send_until, c, v, until_ns)
#define bl_try_send(c, v) BL__SEND(bl_chan_try_send, c, v)

/* bl_recv(c): receives, and is the value; zero once c is closed and empty. */
#define bl_recv(chan)                                                          \
    __extension__({                                                            \
        __typeof__(chan) bl__c = (chan);                                       \
        BL__ELEM(bl__c) bl__v;                                                 \
        bl_chan_recv((bl_chan *)(void *)bl__c, &bl__v);                        \
        bl__v;                                                                 \
    })

/* Receive into *to as bl_chan_recv(), bl_chan_recv_until() and bl_chan_try_recv() do,
 * and return what those return.  `to` is a pointer to the channel's type, or NULL. */
#define bl_recv_ok(c, to) BL__RECV(bl_chan_recv, c, to)
#define bl_recv_until(c, to, until_ns) BL__RECV(bl_chan_recv_until, c, to, until_ns)
#define bl_try_recv(c, to) BL__RECV(bl_chan_try_recv, c, to)

/* bl_for_recv (T, name, c) statement: runs the statement for every value, until c is
 * closed and empty. */
#define bl_for_recv(T, name, c)                                                \
    for (bl_chan_of(T) bl__each = (c), *bl__once = &bl__each; bl__once;        \
         bl__once = 0)                                                         \
        for (T name; bl_recv_ok(bl__each, &name);)

/* bl_select(case, ...): does one of the cases, as bl_select_cases(); the cases'
 * operands are evaluated once, in order.  bl_select_or(case, ...): -1 at once when none
 * is ready (Go's default).  bl_select_until(until_ns, case, ...): -1 at that time. */
#define bl_select(...) BL__SELECT(BL_FOREVER, __VA_ARGS__)
#define bl_select_or(...) BL__SELECT(BL_NO_WAIT, __VA_ARGS__)
#define bl_select_until(until_ns, ...) BL__SELECT(until_ns, __VA_ARGS__)
#define BL__SELECT(until_ns, ...)                                              \
    bl_select_cases((const bl_case[]){__VA_ARGS__},                            \
                    sizeof((const bl_case[]){__VA_ARGS__}) / sizeof(bl_case),  \
                    (until_ns))

/* Cases for bl_select(): bl_on_send(c, v), bl_on_recv(c, &v), bl_on_recv_ok(c, &v,
 * &ok); &v may be NULL.  A case whose channel is NULL is never ready. */
#define bl_on_send(chan, v)                                                    \
    {.c = (bl_chan *)(void *)(chan),                                           \
     .value = (BL__ELEM(chan)[1]){BL__CHECKED(chan, v)},                       \
     .is_send = 1}
#define bl_on_recv(chan, to) bl_on_recv_ok(chan, to, 0)
#define bl_on_recv_ok(chan, to, is_value)                                      \
    {.c = (bl_chan *)(void *)(chan),                                           \
     .value = 1 ? (to) : (BL__ELEM(chan) *)0,                                  \
     .ok = (is_value)}
#define BL__CHECKED(chan, v)                                                   \
    (__extension__({                                                           \
         _Static_assert(BL__CONVERTS(BL__ELEM(chan), v),                       \
                        "belay: the value's type is not the channel's");       \
     }),                                                                       \
     (v))

#endif

BL_END_DECLS

#endif
