/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* api/locks.c - goroutines and pthread mutexes, for locks_test.sh. */
#include <belay/belay.h>
#include <belay/keywords.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t own[4] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
};

/* A mutex each: only the report is tested, not the deadlock that it is about. */
static void
careless(int i, bl_waitgroup *wg)
{
    pthread_mutex_lock(&own[i]);
    bl_sleep(BL_MILLISECOND);
    pthread_mutex_unlock(&own[i]);
    bl_waitgroup_done(wg);
}

static void
careful(int i, bl_waitgroup *wg)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    bl_sleep(BL_MILLISECOND);
    bl_lock_os_thread();
    pthread_mutex_lock(&own[i]);
    bl_sleep(BL_MILLISECOND);
    pthread_mutex_unlock(&own[i]);
    bl_unlock_os_thread();
    bl_waitgroup_done(wg);
}

int
main(int argc, char **argv)
{
    bl_waitgroup wg = {0};

    (void)argc;
    bl_waitgroup_add(&wg, 4);
    for (int i = 0; i < 4; i++)
        if (strcmp(argv[1], "careless") == 0)
            go(careless, i, &wg);
        else
            go(careful, i, &wg);
    bl_waitgroup_wait(&wg);
    return 0;
}
