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
#include "common/ask.h"
#include "common/auth.h"
#include "common/http.h"
#include "common/json.h"
#include "common/role.h"
#include "queue/queue.h"

#define HOOKS_MAX 100000 // of all organizations together

struct api;

struct link { // to a dispatcher
    struct api *api;
    struct chan *chan; // NULL: not there
};

struct hook_dialect;
struct pending; // a question that has no answer yet

struct api {
    struct role *role;
    const struct config *config; // borrowed from the role
    struct auth *auth;
    struct hook_store *hooks;
    struct token_store *tokens;
    struct event_view *events;
    struct stack_view *stacks;
    struct shard_view *shards[QUEUE_SHARDS_MAX]; // by shard
    unsigned n_shards;
    struct http_server *server;
    struct link dispatchers[QUEUE_SHARDS_MAX];
    uint64_t n_hooks;    // that exist
    uint64_t n_requests; // as counted so far
    struct pending *pending;
    uint64_t n_asked;
    int64_t next_expiry_ms; // of a replaced secret; 0: look
};

// One request, from its header to its answer.
struct call {
    struct api *api;
    struct http_request *request;
    struct route_match match;
    struct arena arena;      // what lives as long as the call
    struct pending *pending; // what it waits for; NULL: nothing, it is freed
                             // when its handler returns
};

// --- call.c ---

// Answers with JSON.
void call_answer(struct call *c, unsigned status, struct str body);

// Answers what storage said: 503 for ERR_FULL, else 500.
void call_fail_store(struct call *c, enum err err);

// Which hooks the path is about. False: a name in it is none; answered.
bool call_scope(struct call *c, struct hook_scope *out);

// How the hooks of this path's API are read and shown.
const struct hook_dialect *call_dialect(const struct call *c);

// Parses the body; free it with json_free(). False: it is no JSON; answered.
bool call_json(struct call *c, struct json **out);

// --- asking.c ---

// Runs once, unless the client goes away first; it answers the call.
typedef void (*on_answer)(struct call *c, uint64_t hook_no,
                          const struct answer *answer);

// Asks the dispatcher that owns the hook. If there is no answer in time, or no
// dispatcher, the call is answered with 503.
void ask_dispatcher(struct call *c, struct ask ask, on_answer answered);

// The call is going away.
void ask_forget(struct call *c);

void asking_on_frame(void *data, struct str frame); // data: the link
// What it was asked stays unanswered.
void asking_on_closed(struct link *link);
void asking_on_second(struct api *api); // looks for questions that are too old

// --- api.c ---

// After its answer.
void call_free(struct call *c);

// Tells the dispatchers to look at the hooks again. After each commit.
void api_hint(struct api *api);

#endif
