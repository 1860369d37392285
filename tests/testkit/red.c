/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* testkit/red.c - tests that fail in every way there is, for what is printed then. */
#include <belay/belay.h>
#include <belay/test.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

BL_TEST(passes)
{
    bl_test_log(t, "seen with -v");
}

BL_TEST(compares)
{
    char word[] = "a\nb";

    bl_assert_eq(t, 2 + 2, 5);
    bl_assert_eq(t, -1, 4294967295u);
    bl_assert_eq(t, word, "ab");
    bl_assert(t, word[0] == 'b');
    bl_test_error(t, "<&\"'> \x01 \xff \xc3\xa9 # %d", 1);
    printf("printed <out> & ]]>\n");
}

BL_TEST(stops)
{
    bl_require(t, 1 > 2);
    bl_test_log(t, "not reached");
}

BL_TEST(stops_hard)
{
    bl_test_fatal(t, "that's %s", "it");
}

static void
part(bl_test *t, void *arg)
{
    if (strcmp(arg, "bad") == 0)
        bl_test_error(t, "bad part");
    if (strcmp(arg, "skipped") == 0)
        bl_test_skip(t, "no reason");
    if (strcmp(arg, "nested") == 0)
        bl_test_run(t, "bad", part, "bad");
}

BL_TEST(parts)
{
    const char *names[] = {"good", "bad", "skipped", "nested", "a/b # \\"};

    for (int i = 0; i < 5; i++)
        bl_test_run(t, names[i], part, (void *)names[i]);
}

BL_TEST(skips)
{
    bl_test_skip(t, "not here");
}

BL_TEST(panics)
{
    bl_test_log(t, "before");
    bl_panic("boom");
}

static void
panic_part(bl_test *t, void *unused)
{
    (void)t;
    (void)unused;
    bl_panic("inner boom");
}

BL_TEST(panics_inside)
{
    bl_test_run(t, "deep", panic_part, NULL);
}

BL_TEST(aborts)
{
    abort();
}

BL_TEST(exits)
{
    exit(0);
}

BL_TEST(waits_for_nothing)
{
    int v;

    bl_chan_recv(bl_chan_new(sizeof v, 0), &v);
}

BL_TEST(goes)
{
    bl_goexit();
}

BL_TEST(no_panic)
{
    bl_assert_panics(t, free, NULL);
}

static void
say(void *text)
{
    bl_panic("%s", (char *)text);
}

BL_TEST(other_panic)
{
    bl_assert_panics_with(t, say, "this", "that");
}

static void
live(void *unused)
{
    (void)unused;
}

BL_TEST(lives)
{
    bl_assert_dies(t, live, NULL, "");
}

BL_TEST(says_nothing)
{
    bl_assert_dies(t, say, "this", "that");
}

BL_TEST(hangs)
{
    for (;;)
        pause();
}

BL_TEST(randomly)
{
    bl_test_error(t, "%llu", (unsigned long long)bl_test_random(t) % 1000);
}

static void
other_hour(bl_test *t, void *unused)
{
    (void)unused;
    bl_sleep(BL_HOUR);
    bl_test_fatal(t, "after an hour");
}

BL_TEST(in_bubble)
{
    bl_test_bubble(t, other_hour, NULL);
    bl_test_log(t, "not reached");
}

static int other_main(void);

BL_TEST(other)
{
    bl_assert_eq(t, other_main(), 0);
}

static int
other_main(void)
{
    return 1;
}
