// SPDX-License-Identifier: MIT
// cluster_journal.c — the journal of the cluster that the settings name.

#include "queue/cluster/cluster_journal.h"

#include <stddef.h>

#include "queue/journal/journal_open.h"

static const char *given(const char *setting)
{
    return setting[0] != '\0' ? setting : NULL;
}

enum err cluster_journal_open(const struct config *config, struct buf *why,
                              struct journal **out)
{
    const struct journal_config jc = {
        .url = config->cluster,
        .node = config->node,
        .replicas = (unsigned)config->cluster_replicas,
        .credentials = given(config->cluster_credentials),
        .authorities = given(config->cluster_ca),
        .certificate = given(config->cluster_cert),
        .key = given(config->cluster_key),
        .monitors = given(config->cluster_monitors),
        .max_bytes = config->cluster_max_bytes,
    };

    return journal_open(&jc, why, out);
}
