// SPDX-License-Identifier: MIT
// cluster.c — `posthorn cluster`.

#include <stdio.h>
#include <string.h>

#include "api/cli/cluster/change.h"
#include "api/cli/cluster/connect.h"
#include "api/cli/cluster/show.h"
#include "api/cli/cluster/transfer.h"
#include "api/cli/core/commands.h"

static const struct {
    const char *name;
    bool takes_node;
    int (*run)(struct cluster_call *c);
} verbs[] = {
    { "status", false, cluster_show },    { "drain", true, cluster_drain },
    { "join", true, cluster_let_join },   { "leave", true, cluster_leave },
    { "import", false, cluster_take_in }, { "detach", false, cluster_let_go },
};

int command_cluster(const struct args *args)
{
    static struct cluster_call call; // large
    const char *verb = args->operands[0];
    int status = EXIT_FAILED;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, verb) != 0)
            continue;
        if (!verbs[i].takes_node && args->n_operands > 1) {
            return command_misused(args->command, "%s takes no node", verb);
        }
        if (cluster_call_begin(&call, args))
            status = verbs[i].run(&call);
        cluster_call_end(&call);
        return status;
    }
    return command_misused(args->command, "unknown verb %s", verb);
}
