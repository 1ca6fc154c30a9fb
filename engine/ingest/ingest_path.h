// SPDX-License-Identifier: MIT
// ingest_path.h — where events are posted.

#ifndef ENGINE_INGEST_INGEST_PATH_H
#define ENGINE_INGEST_INGEST_PATH_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/http/authentication.h"
#include "queue/queue.h"

struct intake_path {
    enum dialect dialect;
    struct str org;     // name, or 24-hex id in lower case
    struct str project; // Akinon only: name, or 24-hex id in lower case
};

// The paths that events are posted to. A name in braces stands for a segment.
struct intake_route {
    enum dialect dialect;
    const char *pattern; // "/api/orgs/{org}/events"
};
extern const struct intake_route intake_routes[];
extern const size_t n_intake_routes;

// What a token must allow for any of these paths.
#define INTAKE_SCOPE AUTH_INGEST

// Reads a path, as sent, by intake_routes. The texts go into the arena. ERR_NOTFOUND:
// the path is not in intake_routes. ERR_INVALID: `why` says which name is wrong and
// what is allowed.
MUST_CHECK enum err intake_path_read(struct str path, struct arena *arena,
                                     struct intake_path *out, struct buf *why);

#endif
