/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/lsda.c - landing pads, from the call-site tables that GCC and clang
 * write for every language (Itanium C++ ABI, "Exception Handling Tables").
 *
 * A panic enters pads that clean up, and C++ pads of `catch (...)`; a pad that
 * only catches certain types is not for it.  C's pads all clean up. */
#include "unwind/unwind.h"

enum { PE_OMIT = 0xff };

struct tables {
    uintptr_t pad_base;
    const uint8_t *types; /* past the last entry; NULL if there are none */
    uint8_t type_encoding;
    uint8_t site_encoding;
    const uint8_t *sites;
    const uint8_t *actions; /* where the sites end */
};

static void
read_header(const struct bl__fde *fde, struct tables *t)
{
    const uint8_t *p = fde->lsda;
    uint8_t encoding = *p++;
    uint64_t n;

    t->pad_base = encoding == PE_OMIT ? fde->start
                                      : bl__read_pointer(&p, encoding, fde->start);
    t->type_encoding = *p++;
    t->types = NULL;
    if (t->type_encoding != PE_OMIT) {
        n = bl__read_uleb(&p);
        t->types = p + n;
    }
    t->site_encoding = *p++;
    n = bl__read_uleb(&p);
    t->sites = p;
    t->actions = p + n;
}

static size_t
encoded_size(uint8_t encoding)
{
    switch (encoding & 0x07) {
    case 2:
        return 2;
    case 3:
        return 4;
    default:
        return 8;
    }
}

/* Whether filter's entry in the type table is `catch (...)`. */
static bool
catches_all(const struct tables *t, int64_t filter)
{
    const uint8_t *p;

    if (!t->types)
        return false;
    p = t->types - (uint64_t)filter * encoded_size(t->type_encoding);
    return bl__read_pointer(&p, t->type_encoding, 0) == 0;
}

/* Walks the chain of actions that starts at offset action - 1.  Returns whether
 * a panic has to enter the pad, and with which selector. */
static bool
wants_entry(const struct tables *t, uint64_t action, intptr_t *selector)
{
    const uint8_t *p = t->actions + action - 1;
    bool cleans_up = false;

    *selector = 0;
    if (action == 0)
        return true;
    for (;;) {
        int64_t filter = bl__read_sleb(&p), next;
        const uint8_t *at = p;

        if (filter == 0) {
            cleans_up = true;
        } else if (filter > 0 && catches_all(t, filter)) {
            *selector = (intptr_t)filter;
            return true;
        }
        next = bl__read_sleb(&p);
        if (next == 0)
            return cleans_up;
        p = at + next;
    }
}

void
bl__pad_find(const struct bl__fde *fde, uintptr_t pc, struct bl__pad *pad)
{
    struct tables t;
    const uint8_t *p;

    *pad = (struct bl__pad){0};
    if (!fde->lsda)
        return;
    read_header(fde, &t);
    for (p = t.sites; p < t.actions;) {
        uintptr_t start = bl__read_pointer(&p, t.site_encoding, 0);
        uintptr_t length = bl__read_pointer(&p, t.site_encoding, 0);
        uintptr_t target = bl__read_pointer(&p, t.site_encoding, 0);
        uint64_t action = bl__read_uleb(&p);

        pad->has_pads |= target != 0;
        if (pc - fde->start - start >= length)
            continue;
        pad->is_covered = true;
        if (target && wants_entry(&t, action, &pad->selector))
            pad->pc = t.pad_base + target;
    }
}
