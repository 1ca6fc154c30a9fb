// SPDX-License-Identifier: MIT
// locate.h — which engine a command means: where it is reached, as whom, and how to
// tell it from others.

#ifndef API_CLI_CORE_LOCATE_H
#define API_CLI_CORE_LOCATE_H

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/config.h"
#include "common/files/engine_file.h"
#include "common/files/owner.h"

#define LOCATE_CONFIG "/etc/posthorn/posthorn.conf"

struct located {
    char *api, *ingest;     // owned, without a slash at their ends
    char *token;            // owned
    const char *token_from; // "POSTHORN_TOKEN", or "admin.token"; for messages
    char *data_dir;     // owned; NULL: only addresses were given, no directory
    struct owner owner; // of data_dir, whose files are read with its rights
    // Given by an option or a variable, not found through data_dir.
    bool is_api_named, is_ingest_named, is_token_named;
    // An engine runs with data_dir, as far as this process can see. If not, `token`
    // does not come from the directory.
    bool has_engine;
    char instance[ENGINE_INSTANCE_BYTES]; // the engine's name; "": not known
    // The keys of addresses that speak TLS, from engine.json; "": authorities decide.
    char api_pins[ENGINE_PINS_BYTES], ingest_pins[ENGINE_PINS_BYTES];
    char secret[ENGINE_SECRET_BYTES]; // checks its proof; "": it can give none
    struct buf tried; // where this looked, in words, for messages
};

// Finds addresses and token, in this order: --api, --ingest and --token; engine.json
// and admin.token of the directory that --data-dir or --config names; POSTHORN_API,
// POSTHORN_INGEST and POSTHORN_TOKEN; the same files of the directory that
// /etc/posthorn/posthorn.conf, the environment and the defaults name; api_listen and
// ingest_listen there. On failure stderr has the reason: ERR_DENIED, no engine runs
// with the directory, or there is no token; ERR_INVALID, the settings have faults. A
// directory whose engine does not run gives no token. It gives the addresses of its
// settings only if the token comes from elsewhere and this process cannot see whether
// an engine runs: the directory is not on this machine, or may not be entered.
MUST_CHECK enum err locate(const struct args *a, struct located *out);
void located_clear(struct located *l);

// Loads the settings for a command that works on a data directory itself: from
// --config, else from /etc/posthorn/posthorn.conf if it exists and `data_dir` is NULL
// or the directory that it names, else from the environment alone. --set comes on top, if
// the command has that option. False: stderr has the faults.
MUST_CHECK bool locate_settings(const struct args *a, const char *data_dir,
                                struct config *out);

#endif
