/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/cxx_frames.c - the C frames of cxx_frames.cc: with blocks, with
 * deferred calls, with both. */
#include <belay/belay.h>
#include <belay/keywords.h>

#include "cxx_frames.h"

static void
note_call(const char *word)
{
    note(recover() ? "recovered" : word);
}

static void
note_only(const char *word)
{
    note(word);
}

void
c_blocks(void (*f)(void))
{
    defer { note("block1"); };
    {
        defer { note("block2"); };
        f();
        note("back");
    }
}

void
c_calls(void (*f)(void))
{
    returns_nothing {
        defer_call(note_only, "call1");
        defer_call(note_only, "call2");
        f();
        note("back");
    }
}

int
c_both(void (*f)(void))
{
    returns (int, r) {
        defer_call(note_only, "call1");
        defer { note("block1"); };
        defer_call(note_only, "call2");
        defer { note("block2"); };
        f();
        note("back");
        r = 5;
    }
}

int
c_recovers(void (*f)(void))
{
    returns (int, r) {
        defer_call(note_call, "not_recovered");
        r = 1;
        f();
        r = 2;
    }
}

int
c_recovers_in_block(void (*f)(void))
{
    returns (int, r) {
        defer {
            if (recover())
                r = 3;
        };
        f();
        r = 4;
    }
}

void
c_defers_this(void (*deferred)(void), void (*f)(void))
{
    returns_nothing {
        defer_call(deferred);
        f();
    }
}

/* A block that panics while somebody else unwinds. */
void
c_block_calls(void (*deferred)(void), void (*f)(void))
{
    defer { deferred(); };
    f();
}
