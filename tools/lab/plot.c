/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */
#include "lab.h"

bool
plot_write(const char *path, const struct lab *lab, const struct run *runs, uint32_t nruns)
{
    (void)path, (void)lab, (void)runs, (void)nruns;
    return true;
}
