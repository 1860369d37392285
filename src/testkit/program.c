/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/program.c - the main() of programs that are nothing but tests.
 *
 * In a file of its own: a program that has another one must not meet this. */
#include "testkit/testkit.h"

BL_API int
main(int argc, char **argv)
{
    return bl_test_main(argc, argv);
}
