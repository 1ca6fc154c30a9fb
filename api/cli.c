// cli.c — the command line, but for `serve`: the table of commands.

#include "api/cli.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/commands.h"

static int command_version(const struct command *command, int argc,
                           char **argv);
static int command_list(const struct command *command, int argc, char **argv);

// `serve` is here for its help only: the program runs it itself.
static const struct command commands[] = {
    { "serve", NULL, "[--config FILE] [--set name=value]...",
      "run the engine in the foreground",
      "Logs go to stderr. SIGTERM ends it after what is in flight, SIGHUP "
      "reads the\nsettings again." },
    { "verify", command_verify, "[--data-dir DIR] [--json]",
      "check a data directory and its balance",
      "Reads everything in a data directory, also beside a running engine, and "
      "prints\naccepted, matched, delivered, dead, cancelled, pending. Exit "
      "status 1 if it does\nnot add up or a record is damaged." },
    { "config", command_config,
      "[--check FILE | [--config FILE] [--set name=value]...]",
      "print every setting, or judge a file",
      "A setting comes from its default, the file, the environment "
      "(POSTHORN_NAME), or\n--set; the later wins. --check judges the file "
      "alone; exit status 1 if it has\nfaults." },
    { "hook", command_hook,
      "create|list|get|update|delete|ping|status --org NAME [--project P "
      "--stack S | --environment E] [--hook NAME] [FIELD]...",
      "make, show, change and delete webhooks",
      "Fields: --name --display-name --url --format --filters A,B --groups "
      "A,B\n"
      "  --active yes|no --secret-file FILE --header \"Name: value\" (again "
      "for "
      "more)\n  --retry-schedule 5s,1m,1h --timeout 10s --max-in-flight N "
      "--rate N[:BURST]\n  --ordered yes|no --order-key customer.id "
      "--client-certificate FILE\n  --client-key FILE. The value none takes "
      "one "
      "away; a FILE may be - .\nWith --akinon, --org and --project are ids, "
      "and "
      "--filters are events. Takes --json,\n--api URL, --token TOKEN and "
      "--data-dir DIR like `posthorn token`.\n\nExample: posthorn hook create "
      "--org acme --display-name all --url https://example.com/in" },
    { "token", command_token,
      "create --org NAME --scopes ingest,read,write [--name LABEL] | list "
      "--org "
      "NAME | revoke --org NAME ID",
      "make, list and revoke tokens of an organization",
      "All take --json, --api URL, --token TOKEN and --data-dir DIR; without "
      "them,\nPOSTHORN_API and POSTHORN_TOKEN, or what the settings and "
      "admin.token of the engine\non this machine say. A new token is printed "
      "on stdout, this once.\n\nExample: posthorn token create --org acme "
      "--scopes ingest --name \"order service\"" },
    { "rekey", command_rekey, "[--config FILE] [--data-dir DIR]",
      "seal the webhooks' secrets with a new key",
      "For an engine that does not run. Makes a new key, seals every secret "
      "with it, and\nremoves the old key from secret_key_file. One that was "
      "stopped is finished by the\nnext." },
    { "sink", command_sink,
      "--listen ADDR:PORT [--secret S] [--status CODE] [--delay-ms N] "
      "[--quiet]",
      "a receiver to try things out with",
      "Prints one JSON line per request: time, method, path, headers, body, "
      "and signature:\nvalid, invalid or absent. A signature that cannot be "
      "checked, for want of --secret,\nis invalid. SIGINT or SIGTERM ends "
      "it." },
    { "version", command_version, "", "print the version", "" },
    { "help", command_list, "[COMMAND]", "print help", "" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int command_help(const struct command *command)
{
    printf("usage: posthorn %s%s%s\n%s\n", command->name,
           command->synopsis[0] != '\0' ? " " : "", command->synopsis,
           command->summary);
    if (command->details[0] != '\0')
        printf("\n%s\n", command->details);
    return 0;
}

int command_misused(const struct command *command, const char *what, ...)
{
    va_list args;

    fprintf(stderr, "posthorn %s: ", command->name);
    va_start(args, what);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, just above
    vfprintf(stderr, what, args);
    va_end(args);
    fprintf(stderr, "\nusage: posthorn %s %s\nTry `posthorn %s --help`.\n",
            command->name, command->synopsis, command->name);
    return EXIT_USAGE;
}

int command_option(int argc, char **argv, const struct option *options)
{
    opterr = 0; // getopt's own switch
    return getopt_long(argc, argv, "+:", options, NULL);
}

static int command_version(const struct command *command, int argc, char **argv)
{
    if (argc > 1)
        return command_misused(command, "there is nothing like %s", argv[1]);
    puts("posthorn " POSTHORN_VERSION);
    return 0;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
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
    fputs("usage: posthorn COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("\n`posthorn COMMAND --help` says more.\n", out);
}

static int command_list(const struct command *command, int argc, char **argv)
{
    const struct command *about;

    if (argc > 2)
        return command_misused(command, "one command at a time");
    if (argc < 2) {
        put_list(stdout);
        return 0;
    }
    about = find(argv[1]);
    return about != NULL ? command_help(about) : unknown(argv[1]);
}

static bool asks_for_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

int cli_main(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        put_list(stderr);
        return EXIT_USAGE;
    }
    if (asks_for_help(argv[1])) {
        put_list(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    command = find(argv[1]);
    if (command == NULL || command->run == NULL)
        return unknown(argv[1]);
    if (argc > 2 && asks_for_help(argv[2]))
        return command_help(command);
    return command->run(command, argc - 1, argv + 1);
}
