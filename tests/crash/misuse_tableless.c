/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* misuse_tableless.c - compiled without unwind tables, as some libraries are. */

void tableless_calls(void (*f)(void));

__attribute__((noinline)) void
tableless_calls(void (*f)(void))
{
    volatile char room[40];

    room[0] = 1;
    f();
    room[1] = room[0];
}
