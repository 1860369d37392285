/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/install/app_test.c - somebody's tests, outside Belay's tree. */
#include <belay/test.h>

#include <fcntl.h>
#include <unistd.h>

static void
open_and_close(void *unused)
{
    int fd = open("/dev/null", O_RDONLY);

    (void)unused;
    if (fd >= 0)
        close(fd);
}

BL_TEST(closes)
{
    bl_assert_defers_run(t, open_and_close, NULL);
}

BL_TEST(adds)
{
    bl_assert_eq(t, 1 + 1, 2);
}
