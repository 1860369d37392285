/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* context/live.c - contexts that have not ended, for who looks for lost cancels. */
#include "context/context.h"

#include <belay/test.h>

struct finding {
    struct bl__live *list;
    size_t n, found;
};

static void
note(struct finding *f, const struct bl__canceler *c)
{
    if (f->found < f->n)
        f->list[f->found] = (struct bl__live){&c->base, c->pc};
    f->found++;
}

/* The next member behind m, or below it; NULL at the end.  The locks from the top down
 * to where it is are held. */
static struct bl__member *
next_member(struct bl__family *top, struct bl__member *m)
{
    struct bl__family *family = m->family;

    if (!m->is_func) {
        family = &bl__member_canceler(m)->children;
        bl__lock(&family->lock);
        if (family->first)
            return family->first;
        bl__unlock(&family->lock);
        family = m->family;
    }
    while (!m->next && family != top) {
        struct bl__canceler *up =
            (struct bl__canceler *)((char *)family -
                                    offsetof(struct bl__canceler, children));

        m = &up->member;
        bl__unlock(&family->lock);
        family = m->family;
    }
    return m->next;
}

size_t
bl__contexts_live(struct bl__live *list, size_t n)
{
    struct finding f = {list, n, 0};

    for (size_t i = 0; i < BL__ROOTS; i++) {
        struct bl__family *top = &bl__roots[i].family;

        bl__lock(&top->lock);
        for (struct bl__member *m = top->first; m; m = next_member(top, m))
            if (!m->is_func)
                note(&f, bl__member_canceler(m));
        bl__unlock(&top->lock);
    }
    return f.found;
}
