// SPDX-License-Identifier: MIT
// ingest_path.c — where events are posted.

#include "engine/ingest/ingest_path.h"

#include <string.h>

#include "common/base/text.h"
#include "common/http/http.h"
#include "common/model/akinon_names.h"
#include "common/model/operator.h"

#define AKINON_EVENTS "/organizations/{org}/projects/{project}/events"

const struct ingest_route ingest_routes[] = {
    { DIALECT_PULUMI, "/api/orgs/{org}/events" },
    { DIALECT_AKINON, AKINON_EVENTS },
    { DIALECT_AKINON, "/api/v1" AKINON_EVENTS },
};
const size_t n_ingest_routes = sizeof(ingest_routes) / sizeof(ingest_routes[0]);

// --- patterns ---

// Takes "/segment" off the front, undecoded; empty if there is none.
static struct str take_segment(struct str *rest)
{
    const char *slash;
    struct str segment;

    if (rest->n_bytes < 2 || rest->at[0] != '/')
        return STR_EMPTY;
    segment = (struct str){ rest->at + 1, rest->n_bytes - 1 };
    slash = memchr(segment.at, '/', segment.n_bytes);
    if (slash != NULL)
        segment.n_bytes = (size_t)(slash - segment.at);
    rest->at += segment.n_bytes + 1;
    rest->n_bytes -= segment.n_bytes + 1;
    return segment;
}

struct names { // as sent
    struct str org, project;
};

static bool fits(const struct ingest_route *route, struct str path,
                 struct names *out)
{
    struct str pattern = str_of(route->pattern);

    *out = (struct names){ .org = STR_EMPTY };
    while (pattern.n_bytes > 0) {
        struct str wanted = take_segment(&pattern);
        struct str segment = take_segment(&path);

        if (str_is(wanted, "{org}")) {
            out->org = segment;
        } else if (str_is(wanted, "{project}")) {
            out->project = segment;
        } else if (!str_eq(wanted, segment)) {
            return false;
        }
        if (segment.n_bytes == 0)
            return false;
    }
    return path.n_bytes == 0;
}

static const struct ingest_route *find(struct str path, struct names *out)
{
    for (size_t i = 0; i < n_ingest_routes; i++) {
        if (fits(&ingest_routes[i], path, out))
            return &ingest_routes[i];
    }
    return NULL;
}

// --- names ---

// Decodes percent escapes. ERR_INVALID: an escape is broken.
static enum err decode(struct str segment, struct arena *arena, struct str *out)
{
    struct buf decoded;
    enum err err;

    buf_init(&decoded, 0);
    err = http_decode(segment, &decoded);
    *out = arena_copy(arena, buf_str(&decoded));
    buf_clear(&decoded);
    return err;
}

static enum err read_name(struct str segment, struct arena *arena,
                          struct str *out, struct buf *why)
{
    if (decode(segment, arena, out) == OK && text_is_name(*out))
        return OK;
    buf_printf(why,
               "the organization's name must be 1 to %d of A-Z a-z 0-9 . _ -",
               NAME_MAX_BYTES);
    return ERR_INVALID;
}

static enum err read_id(struct str segment, const char *what,
                        struct arena *arena, struct str *out, struct buf *why)
{
    char lower[AKINON_ID_BYTES];

    if (decode(segment, arena, out) != OK || !akinon_is_id(*out)) {
        buf_printf(why, "%s must be 24 hexadecimal digits", what);
        return ERR_INVALID;
    }
    akinon_lower_id(*out, lower);
    *out = arena_copy(arena, (struct str){ lower, sizeof(lower) });
    return OK;
}

enum err ingest_path_read(struct str path, struct arena *arena,
                          struct ingest_path *out, struct buf *why)
{
    struct names names;
    const struct ingest_route *route = find(path, &names);
    enum err err;

    *out = (struct ingest_path){ .dialect = DIALECT_PULUMI };
    out->project = STR_EMPTY;
    if (route == NULL)
        return ERR_NOTFOUND;
    out->dialect = route->dialect;
    if (route->dialect == DIALECT_AKINON) {
        err = read_id(names.org, "organizationId", arena, &out->org, why);
        if (err != OK)
            return err;
        return read_id(names.project, "projectId", arena, &out->project, why);
    }
    err = read_name(names.org, arena, &out->org, why);
    if (err == OK && operator_is_org(out->org)) {
        buf_puts(why,
                 "the organization " OPERATOR_ORG " is the operator's, for "
                 "the engine's own events; nobody posts events to it");
        err = ERR_DENIED;
    }
    return err;
}
