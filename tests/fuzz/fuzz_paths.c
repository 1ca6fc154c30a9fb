// SPDX-License-Identifier: MIT
// fuzz_paths.c — paths of requests: a route or an ingest path that is found is found by
// any spelling of it, and an import posts only to routes of hooks.
//
// Input: a byte for the method, then the path.

#include <string.h>

#include "api/cli/core/scope_options.h"
#include "api/routes.h"
#include "common/base/text.h"
#include "common/http/http.h"
#include "common/model/operator.h"
#include "engine/ingest/ingest_path.h"
#include "tests/fuzz/fuzz.h"

// Each byte but slashes as its escape.
static void put_escaped(struct str path, struct buf *out)
{
    struct buf decoded;

    while (path.n_bytes > 0) {
        const char *slash = memchr(path.at + 1, '/', path.n_bytes - 1);
        struct str segment = { path.at + 1, slash != NULL
                                                ? (size_t)(slash - path.at - 1)
                                                : path.n_bytes - 1 };

        buf_init(&decoded, 0);
        CHECK(http_decode(segment, &decoded) == OK);
        buf_putc(out, '/');
        for (size_t i = 0; i < decoded.n_bytes; i++)
            buf_printf(out, "%%%02x", (unsigned)(uint8_t)decoded.at[i]);
        buf_clear(&decoded);
        path.at += segment.n_bytes + 1;
        path.n_bytes -= segment.n_bytes + 1;
    }
}

static void check_route(enum http_method method, struct str path)
{
    struct route_match match, again;
    struct arena arena = { NULL };
    struct buf escaped, allow;
    enum err err = route_find(method, path, &arena, &match);

    buf_init(&escaped, 0);
    buf_init(&allow, 0);
    CHECK((err == OK) == (match.route != NULL));
    if (err == OK || err == ERR_DENIED) {
        put_escaped(path, &escaped);
        CHECK(route_find(method, buf_str(&escaped), &arena, &again) == err);
        CHECK(again.route == match.route && again.methods == match.methods);
        for (size_t i = 0; i < PARAMS; i++) {
            // The rest of a path is as it was sent.
            CHECK(i == PARAM_PATH || str_eq(match.params[i], again.params[i]));
        }
        route_put_allow(match.methods, &allow);
        CHECK(str_starts(buf_str(&allow), STR("Allow: ")));
    } else {
        CHECK(err == ERR_NOTFOUND || err == ERR_INVALID);
        CHECK(match.methods == 0);
    }
    arena_clear(&arena);
    buf_clear(&escaped);
    buf_clear(&allow);
}

static void check_intake(struct str path)
{
    struct ingest_path read, again;
    struct arena arena = { NULL };
    struct buf why, plain;
    enum err err;

    buf_init(&why, 0);
    buf_init(&plain, 0);
    err = ingest_path_read(path, &arena, &read, &why);
    CHECK((why.n_bytes > 0) == (err == ERR_INVALID || err == ERR_DENIED));
    if (err == OK) {
        CHECK(text_is_name(read.org) && !operator_is_org(read.org));
        if (read.dialect == DIALECT_AKINON) {
            buf_printf(&plain,
                       "/api/v1/organizations/%.*s/projects/%.*s/events",
                       STR_ARG(read.org), STR_ARG(read.project));
        } else {
            buf_printf(&plain, "/api/orgs/%.*s/events", STR_ARG(read.org));
        }
        CHECK(ingest_path_read(buf_str(&plain), &arena, &again, &why) == OK);
        CHECK(again.dialect == read.dialect && str_eq(again.org, read.org) &&
              str_eq(again.project, read.project));
    }
    arena_clear(&arena);
    buf_clear(&why);
    buf_clear(&plain);
}

// Checks that a path to which an import may post is a route of hooks, and that its
// names cannot change the path.
static void check_place(struct str path)
{
    struct route_match match;
    struct arena arena = { NULL };

    if (scope_is_hooks_path(path) || scope_is_keys_path(path)) {
        CHECK(route_find(METHOD_POST, path, &arena, &match) == OK);
        CHECK(match.route->scope == AUTH_WRITE && match.route->takes_json);
        CHECK(match.params[PARAM_HOOK].n_bytes == 0);
        for (size_t i = 0; i < PARAMS; i++) {
            CHECK(!str_is(match.params[i], ".") &&
                  !str_is(match.params[i], ".."));
        }
    }
    arena_clear(&arena);
}

void fuzz_one(struct str input)
{
    enum http_method method = take_u8(&input) % (METHOD_OTHER + 1);
    struct buf decoded;

    buf_init(&decoded, 0);
    if (http_decode(input, &decoded) == OK) {
        CHECK(decoded.n_bytes <= input.n_bytes);
        CHECK(decoded.n_bytes == 0 ||
              memchr(decoded.at, '\0', decoded.n_bytes) == NULL);
    }
    buf_clear(&decoded);
    check_route(method, input);
    check_intake(input);
    check_place(input);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "A/api/orgs/acme/hooks",
        "C/api/orgs/%61cme/events",
        // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): it is long
        "C/api/v1/organizations/63EA00000000000000000001/projects/"
        "63ea00000000000000000002/events",
        "A/organizations/63ea00000000000000000001/projects/"
        "63ea00000000000000000002/settings/webhooks/h/deliveries",
        "A/api/stacks/acme/web/prod/hooks/h/deliveries/e/redeliver",
        "C/api/esc/environments/acme/web/prod/hooks/h/ping",
        "A/api/preview/environments/acme/prod/hooks",
        "F/api/orgs/acme/tokens/t",
        "A/healthz",
        "C/api/orgs/a%2fb/hooks",
        "C/api/orgs/../hooks",
        "A/api/orgs//hooks/%zz",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
