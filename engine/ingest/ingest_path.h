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

struct ingest_path {
    enum dialect dialect;
    struct str org;     // name, or 24-hex id in lower case
    struct str project; // Akinon only: name, or 24-hex id in lower case
};

// The paths that events are posted to. A name in braces stands for a segment.
struct ingest_route {
    enum dialect dialect;
    const char *pattern; // "/api/orgs/{org}/events"
};
extern const struct ingest_route ingest_routes[];
extern const size_t n_ingest_routes;

// What a token must allow for any of these paths.
#define INGEST_SCOPE AUTH_INGEST

// Reads a path, as sent, by ingest_routes. The texts go into the arena. ERR_NOTFOUND:
// the path is not in ingest_routes. ERR_INVALID: `why` says which name is wrong and
// what is allowed.
MUST_CHECK enum err ingest_path_read(struct str path, struct arena *arena,
                                     struct ingest_path *out, struct buf *why);

#endif
