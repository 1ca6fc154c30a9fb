// server.h — what the handlers of the api process share.
//
// Life of a call: the header is complete → route_find, auth_check, content
// type (api.c) → the body is complete → the route's handler, which answers →
// the call is freed.

#ifndef API_SERVER_H
#define API_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/routes.h"
#include "common/arena.h"
#include "common/auth.h"
#include "common/http.h"
#include "common/json.h"
#include "common/role.h"
#include "queue/queue.h"

#define HOOKS_MAX 100000 // of all organizations together

struct link {
    struct chan *chan; // NULL: not there
};

struct api {
    struct role *role;
    const struct config *config; // borrowed from the role
    struct auth *auth;
    struct hook_store *hooks;
    struct event_view *events;
    struct shard_view *shards[QUEUE_SHARDS_MAX]; // by shard
    unsigned n_shards;
    struct http_server *server;
    struct link dispatchers[QUEUE_SHARDS_MAX];
    uint64_t n_hooks;    // that exist
    uint64_t n_requests; // as counted so far
};

// One request, from its header to its answer.
struct call {
    struct api *api;
    struct http_request *request;
    struct route_match match;
    struct arena arena; // what lives as long as the call
};

// --- call.c ---

// Answers with JSON.
void call_answer(struct call *c, unsigned status, struct str body);

// Answers what storage said: 503 for ERR_FULL, else 500.
void call_fail_store(struct call *c, enum err err);

// Which hooks the path is about. False: a name in it is none; answered.
bool call_scope(struct call *c, struct hook_scope *out);

// Parses the body; free it with json_free(). False: it is no JSON; answered.
bool call_json(struct call *c, struct json **out);

// --- api.c ---

// Tells the dispatchers to look at the hooks again. After each commit.
void api_hint(struct api *api);

#endif
