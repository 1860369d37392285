/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* http/date.c - the one form of dates that HTTP writes, in English whatever the locale. */
#include "http/http.h"

#include <stdio.h>
#include <time.h>

void
bl__date_print(int64_t seconds, char text[BL__DATE_SIZE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)seconds;
    struct tm tm = {0};
    char buf[64];

    gmtime_r(&t, &tm);
    snprintf(buf, sizeof buf, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
             tm.tm_sec);
    memcpy(text, buf, BL__DATE_SIZE - 1);
    text[BL__DATE_SIZE - 1] = '\0';
}
