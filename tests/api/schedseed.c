/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* api/schedseed.c - prints an order that only the scheduler decides; then ends as its
 * argument says: by a panic, or by waiting for nothing. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <stdio.h>
#include <string.h>

static void
speak(int id, chan_of(int) out)
{
    for (int i = 0; i < 5; i++) {
        bl_send(out, id);
        if (i % 2)
            bl_sleep(id * BL_MICROSECOND);
    }
}

int
main(int argc, char **argv)
{
    chan_of(int) a = chan_make(int, 3), b = chan_make(int, 0);
    int v;

    for (int i = 0; i < 4; i++)
        go(speak, i, i % 2 ? a : b);
    for (int i = 0; i < 20; i++) {
        int which = bl_select(on_recv(a, &v), on_recv(b, &v));

        printf("%d%c ", v, which ? 'b' : 'a');
    }
    printf("%lld\n", (long long)bl_now());
    if (argc > 1 && strcmp(argv[1], "panic") == 0)
        panic("boom");
    if (argc > 1)
        bl_recv(a);
    chan_free(a);
    chan_free(b);
    return 0;
}
