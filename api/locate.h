// locate.h — which engine a command means: where it is reached, as whom, and how to
// tell it from others.

#ifndef API_LOCATE_H
#define API_LOCATE_H

#include "api/args.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/engine_file.h"
#include "common/err.h"

#define LOCATE_CONFIG "/etc/posthorn/posthorn.conf"

struct located {
    char *api, *ingest;     // owned, without a slash at their ends
    char *token;            // owned
    const char *token_from; // "POSTHORN_TOKEN", or "admin.token"; for people
    char *data_dir;         // owned; NULL: none is meant, only addresses
    // What the engine of data_dir calls itself; "": that is not known.
    char instance[ENGINE_INSTANCE_BYTES];
    struct buf looked; // what was looked at, in words, for messages
};

// In this order: --api, --ingest and --token; what a directory that --data-dir or
// --config names says of its engine; POSTHORN_API, POSTHORN_INGEST and POSTHORN_TOKEN;
// the same of the directory that /etc/posthorn/posthorn.conf, the environment and the
// defaults name; api_listen and ingest_listen there. Otherwise what is wrong is said on
// stderr: ERR_DENIED, no engine runs with the named directory, or there is no token;
// ERR_INVALID, the settings have faults.
MUST_CHECK enum err locate(const struct args *a, struct located *out);
void located_clear(struct located *l);

// The settings for a command that works on a data directory itself: of --config, else
// of /etc/posthorn/posthorn.conf if it is there and `data_dir` is NULL or the directory
// that it names, else of the environment alone. False: their faults are said.
MUST_CHECK bool locate_settings(const struct args *a, const char *data_dir,
                                struct config *out);

#endif
