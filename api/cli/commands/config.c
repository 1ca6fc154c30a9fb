// SPDX-License-Identifier: MIT
// config.c — `posthorn config`: prints every setting, or checks a file.

#include <stdio.h>

#include "api/cli/core/commands.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/log/journal.h"

#define SETS_MAX 128

static int check_settings(const struct config_sources *sources)
{
    struct config config;
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = config_load(sources, &config, &faults);
    config_clear(&config);
    if (err != OK)
        journal_put(JOURNAL_ERR, buf_cstr(&faults));
    buf_clear(&faults);
    return err == OK ? 0 : EXIT_FAILED;
}

static int describe(const struct config_sources *sources)
{
    struct buf text;

    buf_init(&text, 0);
    config_describe(sources, &text);
    fputs(buf_cstr(&text), stdout);
    buf_clear(&text);
    return check_settings(sources);
}

int command_config(const struct args *args)
{
    static char *sets[SETS_MAX]; // static: used until the process ends
    struct config_sources sources = { .sets = sets,
                                      .file = args_text(args, "config") };
    const char *check = args_text(args, "check");
    const char *set;
    size_t i = 0;

    while ((set = args_next(args, "set", &i)) != NULL &&
           sources.n_sets < SETS_MAX)
        sets[sources.n_sets++] = xstrdup(set);
    if (check == NULL)
        return describe(&sources);
    if (sources.file != NULL || sources.n_sets > 0)
        return command_misused(args->command, "--check checks its file alone");
    sources.file = check;
    sources.no_environment = true;
    if (check_settings(&sources) != 0)
        return EXIT_FAILED;
    printf("%s: no faults\n", check);
    return 0;
}
