// SPDX-License-Identifier: MIT
// connect.h — what the commands about a cluster have in common: settings, keys, and the
// journal.

#ifndef API_CLI_CLUSTER_CONNECT_H
#define API_CLI_CLUSTER_CONNECT_H

#include <stdbool.h>
#include <stddef.h>

#include "api/cli/core/options.h"
#include "common/config/config.h"
#include "common/files/owner.h"
#include "queue/queue.h"

struct cluster_call {
    const struct args *args;
    struct config config;
    const char *data_dir;    // of --data-dir, or of the settings
    struct owner dir;        // of data_dir; dir_fd is -1: it is not there
    struct keyring *keys;    // NULL: this machine has none
    struct journal *journal; // NULL: not connected
    struct cluster_member members[CLUSTER_MEMBERS_MAX];
    size_t n_members;
};

// Reads the settings, the keys and who owns the data directory. False: stderr has the
// reason; cluster_call_end() is needed all the same.
MUST_CHECK bool cluster_call_begin(struct cluster_call *c,
                                   const struct args *args);
void cluster_call_end(struct cluster_call *c);

// Opens the journal with the rights of the owner of the data directory, which this process
// keeps. `is_new`: a journal in a directory may be made. False: `why` has a sentence.
MUST_CHECK bool cluster_connect(struct cluster_call *c, bool is_new,
                                struct buf *why);

// Connects, and reads the members of the cluster. False: stderr has the reason.
MUST_CHECK bool cluster_find(struct cluster_call *c);

// Reads the members again. ERR_AGAIN.
MUST_CHECK enum err cluster_look(struct cluster_call *c);

// Appends why the journal cannot be reached.
void cluster_put_why(struct cluster_call *c, struct buf *why);

// The member of this name. NULL: there is none.
struct cluster_member *cluster_member_of(struct cluster_call *c,
                                         const char *node);

#endif
