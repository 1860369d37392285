/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/observe/rules.c - profiles in one process: what there is, labels, profiles of the
 * program's own, and snapshots while goroutines come and go. */
#define _GNU_SOURCE
#include "../check.h"

#include <belay/belay.h>
#include <belay/keywords.h>
#include <belay/pprof.h>

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STAY = 100, LOOKS = 20, MS = 1000000 };

static char text[1 << 20];

static const char *
profile(const char *name, int debug)
{
    int fd = memfd_create("profile", 0);
    ssize_t n;

    CHECK_EQ(bl_pprof_write(name, fd, debug), 0);
    n = pread(fd, text, sizeof text - 1, 0);
    CHECK(n > 0);
    text[n] = '\0';
    close(fd);
    return text;
}

/* Of "NAME profile: total N". */
static long
total(const char *name)
{
    const char *at = strstr(profile(name, 1), "profile: total ");

    CHECK(at);
    return strtol(at + 15, NULL, 10);
}

static void
Q1_what_there_is(void)
{
    static const char *const names[] = {"allocs", "block", "defer", "goroutine",
                                        "goroutineleak", "heap", "mutex", "panic",
                                        "threadcreate"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        profile(names[i], 0);
        CHECK((unsigned char)text[0] == 0x1f && (unsigned char)text[1] == 0x8b); /* gzip */
        profile(names[i], 1);
    }
    CHECK_EQ(bl_pprof_write("nothing", 1, 0), -ENOENT);
}

static void
Q24_Q25_off_at_first(void)
{
    bl_mutex m = {0};

    CHECK_EQ(bl_set_mutex_profile_fraction(-1), 0);
    bl_mutex_lock(&m);
    bl_mutex_lock_until(&m, bl_now() + MS);
    bl_mutex_unlock(&m);
    CHECK_STR(strchr(strchr(profile("block", 1), '\n') + 1, '\n'), "\n");
    CHECK_EQ(bl_set_mutex_profile_fraction(5), 0);
    CHECK_EQ(bl_set_mutex_profile_fraction(-1), 5);
    CHECK_EQ(bl_set_mutex_profile_fraction(0), 5);
}

static void
inherit(bl_chan *c)
{
    bool has = bl_label("request") && strcmp(bl_label("request"), "a") == 0;

    bl_chan_send(c, &has);
}

static void
with_label(const char *key, const char *value)
{
    returns_nothing {
        bl_labels *old = bl_labels_set(key, value);

        defer_call(bl_labels_restore, old);
        panic("in the middle");
    }
}

static void
catch(void)
{
    (void)recover();
}

static void
survive(void)
{
    returns_nothing {
        defer_call(catch);
        with_label("request", "b");
    }
}

static void
Q28_labels(void)
{
    bl_labels *old = bl_labels_set("request", "a");
    bl_chan *c = bl_chan_new(sizeof(bool), 0);
    bool has = false;

    go(inherit, c);
    bl_chan_recv(c, &has);
    CHECK(has);
    survive();
    CHECK_STR(bl_label("request"), "a"); /* also behind a panic */
    bl_labels_restore(old);
    CHECK(!bl_label("request"));
    bl_chan_free(c);
}

static void
Q29_the_last_one_counts(void)
{
    bl_labels *first = bl_labels_set("k", "1"), *second = bl_labels_set("k", "2");

    CHECK_STR(bl_label("k"), "2");
    bl_labels_restore(second);
    CHECK_STR(bl_label("k"), "1");
    bl_labels_restore(first);
}

static bool
panics(void (*f)(void))
{
    returns (bool, did) {
        defer_call(catch);
        did = true;
        f();
        did = false;
    }
}

static bl_profile *things;
static char thing;

static void
empty_name(void)
{
    bl_profile_new("");
}

static void
used_name(void)
{
    bl_profile_new("things");
}

static void
own_name(void)
{
    bl_profile_new("goroutine");
}

static void
same_thing(void)
{
    bl_profile_add(things, &thing, 0);
}

static void
Q31_profiles_of_ones_own(void)
{
    things = bl_profile_new("things");
    CHECK(things == bl_profile_find("things") && !bl_profile_find("goroutine"));
    CHECK(panics(empty_name) && panics(used_name) && panics(own_name));
    bl_profile_remove(things, &thing); /* is not there: no mistake */
    bl_profile_add(things, &thing, 0);
    CHECK(panics(same_thing));
    CHECK_EQ(total("things"), 1);
    bl_profile_remove(things, &thing);
    CHECK_EQ(total("things"), 0);
}

static _Atomic bool stop;

__attribute__((noinline)) static void
stay(bl_chan *c)
{
    bl_chan_recv(c, NULL);
    __asm__ volatile("");
}

static void
nothing(void)
{
}

static void
come_and_go(void)
{
    while (!stop) {
        for (int i = 0; i < 50; i++)
            go(nothing);
        gosched();
    }
}

/* Those that stay are in each of them, once, whatever else there is.  And Q33: who does
 * the run-time's own work is not counted. */
static void
Q19_Q33_snapshots(void)
{
    bl_chan *c = bl_chan_new(0, 0);

    CHECK_EQ(total("goroutine"), 1);
    for (int i = 0; i < STAY; i++)
        go(stay, c);
    bl_sleep(10 * MS);
    CHECK_EQ(total("goroutine"), 1 + STAY);
    go(come_and_go);
    for (int i = 0; i < LOOKS; i++) {
        int found = 0;

        profile("goroutine", 2);
        for (const char *at = text; (at = strstr(at, "\nstay(")); at++)
            found++;
        CHECK_EQ(found, STAY);
        bl_sleep(MS);
    }
    stop = true;
    bl_chan_close(c);
}

int
main(void)
{
    Q19_Q33_snapshots();
    Q1_what_there_is();
    Q24_Q25_off_at_first();
    Q28_labels();
    Q29_the_last_one_counts();
    Q31_profiles_of_ones_own();
    puts("ok rules");
    return 0;
}
