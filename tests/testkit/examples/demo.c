/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/examples/demo.c - whatever goes wrong in the demo, files are closed, and what
 * it has allocated is freed.  As idioms.c beside it: the steps are where its parser
 * stores something. */
#define _GNU_SOURCE
#include "examples/demo/job.h"
#include "examples/demo/scan.h"

#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/test.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define main demo_main
#define read_all(...) (BL_STEP("read_all"), read_all(__VA_ARGS__))
#define add_node(...) (BL_STEP("add_node"), add_node(__VA_ARGS__))
#define add_branch(p) (BL_STEP("add_branch"), add_branch(p))
#define add_macro(...) (BL_STEP("add_macro"), add_macro(__VA_ARGS__))
#define add_outcome(...) (BL_STEP("add_outcome"), add_outcome(__VA_ARGS__))
#define add_example(...) (BL_STEP("add_example"), add_example(__VA_ARGS__))
#include "examples/demo/demo.c"
#undef main
#undef add_outcome
#undef add_example

/* One file for each way in which handling one ends. */
static const struct {
    enum kind kind;
    const char *text;
} files[] = {
    {FINE, "#define SIZE (4 * 8)\n#if SIZE\nint a[SIZE]; // some\n#endif\n"},
    {UNBALANCED, "int f(int a { return a; } // ]\n"},
    {UNTERMINATED, "int a; /* for ever\n"},
    {BAD_BYTE, "int \001;\n"},
    {UNKNOWN_NAME, "#define A (B + 1)\n"},
    {ZERO_DIVISOR, "#define A (1 / 0)\n"},
};

enum { FILES = sizeof files / sizeof files[0] };

static const char *
write_files(bl_test *t)
{
    const char *folder = bl_test_temp_dir(t);

    for (size_t i = 0; i < FILES; i++) {
        char path[4096];
        FILE *f;

        snprintf(path, sizeof path, "%s/%zu.h", folder, i);
        f = fopen(path, "w");
        bl_require(t, f != NULL);
        fputs(files[i].text, f);
        fclose(f);
    }
    return folder;
}

static void
walk_once(void *folder)
{
    struct job job = {.limit = 100};

    walk(&job, folder);
}

BL_TEST(each_kind_of_file)
{
    struct job job = {.limit = 100};

    walk(&job, write_files(t));
    bl_assert_eq(t, job.files, FILES);
    for (size_t i = 0; i < FILES; i++)
        bl_assert_eq(t, job.count[files[i].kind], 1);
}

BL_TEST(walking_over_files)
{
    const char *folder = write_files(t);

    bl_assert_no_leaks(t, walk_once, (void *)folder);
    bl_assert_defers_run_with(t, walk_once, (void *)folder, BL_CALLS_PANIC);
}
