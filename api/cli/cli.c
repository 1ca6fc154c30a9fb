// SPDX-License-Identifier: MIT
// cli.c — the command line, but for `serve`.

#include "api/cli/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/command_table.h"
#include "api/cli/help.h"

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int cli_main(int argc, char **argv)
{
    const struct command *command;
    struct args args;
    int status;

    if (argc < 2) {
        help_put_list(&command_table, stderr);
        return EXIT_USAGE;
    }
    if (asks_for_help(1, argv + 1)) {
        help_put_list(&command_table, stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    command = help_find(&command_table, argv[1]);
    if (command == NULL)
        return help_unknown(argv[1]);
    if (asks_for_help(argc - 2, argv + 2))
        return command_help(command);
    if (command->run == NULL)
        return help_unknown(argv[1]);
    if (!args_read(&args, command, argc - 1, argv + 1))
        return EXIT_USAGE;
    args.table = &command_table;
    status = command->run(&args);
    if (fflush(stdout) != 0 || ferror(stdout))
        return status != 0 ? status : EXIT_FAILED; // the pipe is closed
    return status;
}
