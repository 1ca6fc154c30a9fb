// cli_config.c — `posthorn config`: prints every setting, or judges a file.

#include <stdio.h>

#include "api/commands.h"

#define SETS_MAX 64

static int judge(const struct config_sources *sources)
{
    struct config config;
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = config_load(sources, &config, &faults);
    config_clear(&config);
    if (err != OK)
        fputs(buf_cstr(&faults), stderr);
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
    return judge(sources);
}

int command_config(const struct command *command, int argc, char **argv)
{
    static const struct option options[] = {
        { "check", required_argument, NULL, 'k' },
        { "config", required_argument, NULL, 'c' },
        { "set", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    char *sets[SETS_MAX];
    struct config_sources sources = { .sets = sets };
    const char *check = NULL;
    int option;

    while ((option = command_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return command_help(command);
        if (option == 'k') {
            check = optarg;
        } else if (option == 'c') {
            sources.file = optarg;
        } else if (option == 's' && sources.n_sets < SETS_MAX) {
            sets[sources.n_sets++] = optarg;
        } else {
            return command_misused(command, "%s is not right here",
                                   argv[optind - 1]);
        }
    }
    if (optind < argc)
        return command_misused(command, "%s is not right here", argv[optind]);
    if (check == NULL)
        return describe(&sources);
    if (sources.file != NULL || sources.n_sets > 0)
        return command_misused(command, "--check judges its file alone");
    sources.file = check;
    sources.no_environment = true;
    if (judge(&sources) != 0)
        return EXIT_FAILED;
    printf("%s: no faults\n", check);
    return 0;
}
