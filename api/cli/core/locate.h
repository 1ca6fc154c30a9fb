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
    const char *token_from; // "POSTHORN_TOKEN", or "admin.token"; for people
    char *data_dir;         // owned; NULL: none is meant, only addresses
    struct owner owner;     // of data_dir: what is read there is read as it
    // Given by an option or a variable, and not found by means of data_dir.
    bool is_api_named, is_ingest_named, is_token_named;
    // An engine runs with data_dir, as far as can be known; if not, no token of the
    // directory is here.
    bool has_engine;
    char instance[ENGINE_INSTANCE_BYTES]; // what it calls itself; "": not known
    char secret[ENGINE_SECRET_BYTES];     // for its proof; "": it can give none
    struct buf looked; // what was looked at, in words, for messages
};

// In this order: --api, --ingest and --token; what a directory that --data-dir or
// --config names says of its engine; POSTHORN_API, POSTHORN_INGEST and POSTHORN_TOKEN;
// the same of the directory that /etc/posthorn/posthorn.conf, the environment and the
// defaults name; api_listen and ingest_listen there. Otherwise what is wrong is said on
// stderr: ERR_DENIED, no engine runs with the directory that is meant, or there is no
// token; ERR_INVALID, the settings have faults. A directory whose engine does not run
// gives no token, and no address but to who brings a token and cannot know better: the
// directory is not here, or may not be entered.
MUST_CHECK enum err locate(const struct args *a, struct located *out);
void located_clear(struct located *l);

// The settings for a command that works on a data directory itself: of --config, else
// of /etc/posthorn/posthorn.conf if it is there and `data_dir` is NULL or the directory
// that it names, else of the environment alone. False: their faults are said.
MUST_CHECK bool locate_settings(const struct args *a, const char *data_dir,
                                struct config *out);

#endif
