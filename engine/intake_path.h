// intake_path.h — where events are posted.

#ifndef ENGINE_INTAKE_PATH_H
#define ENGINE_INTAKE_PATH_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "queue/queue.h"

struct intake_path {
    enum family family;
    struct str org;     // name, or 24-hex id in lower case
    struct str project; // of Akinon only; likewise
};

// Reads a path as sent:
//   /api/orgs/{org}/events
//   [/api/v1]/organizations/{organizationId}/projects/{projectId}/events
// The texts go into the arena. ERR_NOTFOUND: another path. ERR_INVALID: `why`
// says which name is wrong and what is allowed.
MUST_CHECK enum err intake_path_read(struct str path, struct arena *arena,
                                     struct intake_path *out, struct buf *why);

#endif
