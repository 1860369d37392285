/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* lab.c - belay lab: experiments.  There is one: leak. */
#define _GNU_SOURCE
#include "lab.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static const struct mistake *const mistakes[] = {
    &mistake_loop,  &mistake_endless, &mistake_channel,
    &mistake_panic, &mistake_hijack,  &mistake_pool,
};
enum {
    NMISTAKES = sizeof mistakes / sizeof mistakes[0],
    CONNECTIONS = 100000,
    CONNECTIONS_SERVED = 1000,
};

static const char *output, *serve;
static int connections, seconds = 60;
static bool list, as_csv, right;

static const struct option options[] = {
    {"csv", OPTION_FLAG, &as_csv, NULL, "print all that was measured, not a table"},
    {"list", OPTION_FLAG, &list, NULL, "print what mistakes there are, and end"},
    {"n", OPTION_NUMBER, &connections, "N", "connections (100000; with -serve 1000)"},
    {"o", OPTION_TEXT, &output, "FILE", "draw what was measured: an SVG"},
    {"right", OPTION_FLAG, &right, NULL, "with -serve: the right form"},
    {"serve", OPTION_TEXT, &serve, "ADDRESS",
     "leak, and then answer for it at ADDRESS: 127.0.0.1:6060"},
    {"time", OPTION_NUMBER, &seconds, "N",
     "seconds that a form may open connections for, or is served (60)"},
    {0},
};

/* --- which -------------------------------------------------------------------------- */

static bool
is_wanted(const struct mistake *m, int operands, char **operand)
{
    bool wanted = operands == 0;

    for (int i = 0; i < operands; i++)
        wanted |= strcmp(operand[i], m->name) == 0;
    return wanted;
}

static bool
are_known(int operands, char **operand)
{
    for (int i = 0; i < operands; i++) {
        bool known = false;

        for (int k = 0; k < NMISTAKES; k++)
            known |= strcmp(mistakes[k]->name, operand[i]) == 0;
        if (!known) {
            tool_misused("there is no mistake '%s': see belay lab leak -list", operand[i]);
            return false;
        }
    }
    return true;
}

static int
print_list(void)
{
    for (int i = 0; i < NMISTAKES; i++)
        printf("%-8s  %s\n", mistakes[i]->name, mistakes[i]->summary);
    return tool_finish();
}

/* --- all of them ------------------------------------------------------------------------ */

/* The right form must not; then the lab is wrong, or Belay. */
static bool
is_clean(const struct run *run)
{
    const struct sample *s = run_last(run);

    for (int f = DESCRIPTORS; f < NFIGURES && run->is_right; f++)
        if (s->value[f] != 0) {
            tool_error("%s: the right form has left %s %s behind", run->mistake->name,
                       lab_count(s->value[f]).text, figure_names[f]);
            return false;
        }
    return true;
}

static bool
run_one(const struct lab *lab, struct run *run)
{
    if (!run_form(lab, run))
        return false;
    if (as_csv)
        csv_rows(run);
    else
        table_row(run);
    if (run->opened < lab->n)
        tool_error("%s, %s form: the time was over after %s connections",
                   run->mistake->name, run->is_right ? "right" : "wrong",
                   lab_count(run->opened).text);
    return is_clean(run);
}

static int
run_all(const struct lab *lab, int operands, char **operand)
{
    struct run runs[2 * NMISTAKES] = {0};
    uint32_t nruns = 0;
    bool good = true;

    if (as_csv)
        csv_head();
    else
        table_head(lab);
    for (int i = 0; i < NMISTAKES && good; i++)
        for (int form = 0; form < 2 && good && is_wanted(mistakes[i], operands, operand);
             form++) {
            runs[nruns] = (struct run){.mistake = mistakes[i], .is_right = form == 1};
            good = run_one(lab, &runs[nruns++]);
        }
    if (good && output)
        good = plot_write(output, lab, runs, nruns);
    for (uint32_t i = 0; i < nruns; i++)
        run_free(&runs[i]);
    return tool_finish() == EXIT_OK && good ? EXIT_OK : EXIT_FAILED;
}

static int
run_served(const struct lab *lab, const char *name)
{
    struct run run = {.is_right = right};
    bool good;

    for (int i = 0; i < NMISTAKES; i++)
        if (strcmp(mistakes[i]->name, name) == 0)
            run.mistake = mistakes[i];
    good = run_form(lab, &run);
    run_free(&run);
    return tool_finish() == EXIT_OK && good ? EXIT_OK : EXIT_FAILED;
}

/* --- the command -------------------------------------------------------------------------- */

static int
complain_about_words(int operands, char **operand)
{
    if (operands < 1 || strcmp(operand[0], "leak") != 0)
        return tool_misused(operands < 1 ? "which experiment? There is one: leak"
                                         : "there is no experiment '%s'", operand[0]);
    if (!are_known(operands - 1, operand + 1))
        return EXIT_MISUSED;
    if (serve && operands != 2)
        return tool_misused("-serve wants one mistake");
    if (serve && (output || as_csv))
        return tool_misused("-serve neither draws nor prints");
    if (right && !serve)
        return tool_misused("-right is for -serve: otherwise both forms run");
    if (seconds < 1)
        return tool_misused("-time wants 1 or more");
    return EXIT_OK;
}

static int
run(int operands, char **operand)
{
    struct lab lab = {.seconds = seconds, .serve_address = serve};
    int wrong = complain_about_words(operands, operand);

    if (wrong)
        return wrong;
    if (list)
        return print_list();
    if (connections == 0)
        connections = serve ? CONNECTIONS_SERVED : CONNECTIONS;
    if ((output && !plot_may_write(output)) || !bounds_find(&lab, connections))
        return EXIT_FAILED;
    return serve ? run_served(&lab, operand[1]) : run_all(&lab, operands - 1, operand + 1);
}

const struct command command_lab = {
    .name = "lab",
    .summary = "experiments: what leaks, and what it costs, at full size",
    .usage = "lab leak [-n N] [-time N] [-o FILE.svg] [-csv] [MISTAKE...]\n"
             "lab leak -serve ADDRESS [-right] [-n N] [-time N] MISTAKE\n"
             "lab leak -list",
    .details =
        "Mistakes in handling connections, each in its wrong and its right form, under\n"
        "100,000 connections over loopback or as many as the machine lets us have; then the\n"
        "other side goes, and what is still there has leaked: memory, descriptors,\n"
        "goroutines, deferred calls that are pending.  The forms are in tools/lab/, one\n"
        "file a mistake, both side by side.\n"
        "\n"
        "With -serve the wrong form leaks once, and then answers questions as any program\n"
        "with belay/pprof.h does: find the leak with belay top, goroutines and prof.\n"
        "\n"
        "All runs in processes that end with the command; nothing stays behind.\n",
    .options = options,
    .run = run,
};
