/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/conformance/cxx_frames.h - what cxx_frames.c and cxx_frames.cc have of
 * each other. */
#ifndef BELAY_TESTS_CXX_FRAMES_H
#define BELAY_TESTS_CXX_FRAMES_H

#ifdef __cplusplus
extern "C" {
#endif

void note(const char *word);

void c_blocks(void (*f)(void));
void c_calls(void (*f)(void));
int c_both(void (*f)(void));
int c_recovers(void (*f)(void));
int c_recovers_in_block(void (*f)(void));
void c_defers_this(void (*deferred)(void), void (*f)(void));
void c_block_calls(void (*deferred)(void), void (*f)(void));

#ifdef __cplusplus
}
#endif

#endif
