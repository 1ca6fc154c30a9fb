// cli.c — the command line, but for `serve`.

#include "api/cli/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/terminal.h"
#include "queue/queue.h"

int command_version(const struct args *args)
{
    (void)args;
    puts("posthorn " POSTHORN_VERSION);
    printf(
        "data directories of format %d; one of format %d is converted at its "
        "first start\n",
        QUEUE_FORMAT, QUEUE_FORMAT_OLDEST);
    return 0;
}

static const struct command *find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(name, c->name) == 0)
            return c;
    }
    return NULL;
}

static int unknown(const char *name)
{
    fprintf(stderr,
            "posthorn: there is no command %s\n"
            "Try `posthorn help`.\n",
            name);
    return EXIT_USAGE;
}

static void put_list(FILE *out)
{
    fputs("usage: posthorn COMMAND [OPTION]...\n", out);
    for (const struct command_group *g = command_groups; g->title != NULL;
         g++) {
        fprintf(out, "\n%s:\n", g->title);
        for (size_t i = 0; g->names[i] != NULL; i++) {
            const struct command *c = find(g->names[i]);

            if (c != NULL)
                fprintf(out, "  %-10s  %s\n", c->name, c->summary);
        }
    }
    fputs("\n`posthorn COMMAND --help` says more.\n", out);
}

int command_list(const struct args *args)
{
    const struct command *about;

    if (args->n_operands == 0) {
        put_list(stdout);
        return 0;
    }
    about = find(args->operands[0]);
    return about != NULL ? command_help(about) : unknown(args->operands[0]);
}

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
        put_list(stderr);
        return EXIT_USAGE;
    }
    if (asks_for_help(1, argv + 1)) {
        put_list(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    command = find(argv[1]);
    if (command == NULL)
        return unknown(argv[1]);
    if (asks_for_help(argc - 2, argv + 2))
        return command_help(command);
    if (command->run == NULL)
        return unknown(argv[1]);
    if (!args_read(&args, command, argc - 1, argv + 1))
        return EXIT_USAGE;
    status = command->run(&args);
    if (fflush(stdout) != 0 || ferror(stdout))
        return status != 0 ? status : EXIT_FAILED; // the pipe is closed
    return status;
}
