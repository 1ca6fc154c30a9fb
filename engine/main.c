// SPDX-License-Identifier: MIT
// main.c — the program: `posthorn serve`, the roles, and the command line.
//
// The only file that includes both engine/ and api/: it has the table of the processes.

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "api/api.h"
#include "api/cli/cli.h"
#include "common/base/mem.h"
#include "common/config/settings.h"
#include "common/log/log.h"
#include "common/process/role.h"
#include "engine/supervisor/supervisor.h"

#define SETS_MAX 128

static const struct {
    enum role_kind kind;
    int (*run)(unsigned index);
} roles[] = {
    { ROLE_SETUP, setup_role },
    { ROLE_INGEST, ingest_role },
    { ROLE_DISPATCHER, dispatcher_role },
    { ROLE_SENDER, sender_role },
    { ROLE_API, api_role },
    { ROLE_EXPORTER, exporter_role },
    { ROLE_RELAY, relay_role },
    { ROLE_REPLICATOR, replicator_role },
};

// Runs `posthorn role NAME INDEX`, which only the supervisor starts.
static int run_role(int argc, char **argv)
{
    if (argc == 4 && getenv("POSTHORN_ROLE_SLOT") != NULL) {
        for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
            if (strcmp(role_name(roles[i].kind), argv[2]) == 0)
                return roles[i].run((unsigned)strtoul(argv[3], NULL, 10));
        }
    }
    fprintf(stderr, "posthorn: roles are started by `posthorn serve`\n");
    return 2;
}

static int serve_misused(void)
{
    fputs("usage: posthorn serve [--config FILE] [--set name=value]...\n"
          "Try `posthorn serve --help`.\n",
          stderr);
    return 2;
}

static int serve(int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "set", required_argument, NULL, 's' },
        { NULL, 0, NULL, 0 },
    };
    char *sets[SETS_MAX];
    struct config_sources sources = { .sets = sets };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c') {
            sources.file = optarg;
        } else if (option == 's' && sources.n_sets < SETS_MAX) {
            sets[sources.n_sets++] = optarg;
        } else {
            return serve_misused();
        }
    }
    return optind < argc ? serve_misused() : supervisor_run(&sources);
}

static void out_of_memory(size_t n_bytes)
{
    log_panic("out of memory", "bytes=%zu", n_bytes);
}

int main(int argc, char **argv)
{
    char **args = uv_setup_args(argc, argv);

    mem_on_exhausted(out_of_memory);
    if (argc >= 2 && strcmp(args[1], "role") == 0)
        return run_role(argc, args);
    if (argc >= 2 && strcmp(args[1], "serve") == 0 &&
        (argc < 3 || strcmp(args[2], "--help") != 0))
        return serve(argc - 1, args + 1);
    return cli_main(argc, args);
}
