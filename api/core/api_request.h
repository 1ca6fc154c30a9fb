// SPDX-License-Identifier: MIT
// api_request.h — what the handlers of the api process share.
//
// Life of a request: the header is complete → route_find, auth_check, content
// type (api.c) → the body is complete → the route's handler, which answers →
// the request is freed.

#ifndef API_CORE_API_REQUEST_H
#define API_CORE_API_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "api/core/route.h"
#include "common/base/arena.h"
#include "common/config/caps.h"
#include "common/encoding/json.h"
#include "common/fairness/turn_list.h"
#include "common/http/authentication.h"
#include "common/http/http.h"
#include "common/messages/backlog.h"
#include "common/messages/query.h"
#include "common/process/role.h"
#include "queue/queue.h"

struct api;

struct link { // to a dispatcher
    struct api *api;
    struct channel *chan; // NULL: not there
};

struct expiries;
struct hook_dialect;
struct discarding; // dead letters that somebody clears
struct pending;    // a question that has no answer yet
struct tail;       // somebody who follows deliveries

struct api {
    struct role *role;
    const struct config *config; // borrowed from the role
    struct auth *auth;
    struct hook_store *hooks;
    uint8_t ciphertext_key[HOOK_KEY_BYTES]; // of secretCiphertext
    bool has_metrics_token;                 // metrics_token_file holds one
    uint8_t metrics_hash[SHA256_BYTES];     // of it
    char own_name[256];                     // the machine's
    struct token_store *tokens;
    struct event_view *events;
    struct stack_view *stacks;
    struct shard_view *shards[QUEUE_SHARDS_MAX]; // by shard
    unsigned n_shards;
    struct http_server *server;
    struct link dispatchers[QUEUE_SHARDS_MAX];
    struct shares
        shares[CAP_COUNT];          // of hooks, by their organization's number;
                                    // of the others by request_holder()
    uint64_t n_requests;            // as counted so far
    struct backlog_table *backlogs; // what waits, as the dispatchers say
    struct pending *pending;
    uint64_t n_asked;
    struct expiries *expiries;   // of secrets that were replaced
    struct discarding *discards; // one of an organization at most
    struct tail *tails;
    uv_timer_t tail_timer;
    struct turn_entry *working; // requests in turns; turns.c
    uv_idle_t turns;
};

// One request, from its header to its answer.
struct api_request {
    struct api *api;
    struct http_request *http; // of it: what came, and the way to answer
    struct route_match match;
    struct arena arena;      // what lives as long as the request
    struct auth_grant grant; // of its token; zeros if the route needs none
    bool is_holder_known;
    uint64_t holder_no; // then: as request_holder() says
    // A request is freed when its handler returns, unless one of the next four is set:
    struct pending *pending; // the question that it waits for
    struct tail *tail;       // what it follows
    bool is_producing;       // its answer is made in pieces
    bool is_working;         // it has turns
    struct turn_entry turn;  // then: its place among them
    // Its turn: works until then; true: it is done.
    bool (*work)(struct api_request *rq, int64_t until_us);
    // Tells whom it waits for that it goes away. NULL: it does not wait.
    void (*forget)(struct api_request *rq);
    void *data; // for the handler, in the arena
    // Frees what else it has. NULL: nothing.
    void (*on_free)(struct api_request *rq);
};

// --- api_request.c ---

// After its answer.
void request_free(struct api_request *rq);

// What the admin token goes by. No organization can have this name.
#define API_ADMIN_LOGIN "admin@posthorn"

// Answers with JSON.
void request_answer(struct api_request *rq, unsigned status, struct str body);

// Answers with what is made so far, and with what `next` makes of the request while the
// client reads (http.h). The request lives as long. There must be room: see is_long of
// route.h.
void request_answer_pieces(struct api_request *rq,
                           const struct http_response *first,
                           enum http_more (*next)(void *rq, struct buf *out));

// Too much is held for clients: 503.
void request_fail_room(struct api_request *rq);

// Answers 404: what this parameter of the path names is not there. All operations say it
// in the same words: Webhook 'x' not found.
void request_fail_missing(struct api_request *rq, enum param param);

// Answers what storage said: 503 for ERR_FULL, else 500.
void request_fail_store(struct api_request *rq, enum err err);

// Which hooks the path is about. False: a name in it is none; answered.
bool request_scope(struct api_request *rq, struct hook_scope *out);

// How the hooks of this path's API are read and shown.
const struct hook_dialect *request_dialect(const struct api_request *rq);

// How whoever asks is shown hooks: only what may change them sees all.
struct hook_showing request_showing(const struct api_request *rq);

// Under which number counts what the request holds: SHARE_ADMIN, or that of its token's
// organization, 0 if it has none yet. Not in the midst of reading a store.
uint64_t request_holder(struct api_request *rq);

// Whether the request may hold one more of these, counted under request_holder(). False:
// it may not; answered with 429.
bool request_may_hold(struct api_request *rq, enum cap_kind kind);

// Answers what a limit that is reached says.
void request_refuse_share(struct api_request *rq, enum cap_kind kind,
                          enum share share, unsigned status);

// Parses the body; free it with json_free(). False: it is no JSON; answered.
bool request_json(struct api_request *rq, struct json **out);

// Which organization it is about; of `out` the family and the organization are
// set. False: its name is none; answered.
bool request_org(struct api_request *rq, struct hook_scope *out);

// Finds the hook of the path. False: there is none; answered with 404.
bool request_hook_no(struct api_request *rq, struct hook_scope *scope,
                     uint64_t *hook_id);

// The number of the scope's organization; 0: it never had a hook or token, so that
// nothing is its own yet. False: answered.
bool request_org_no(struct api_request *rq, const struct hook_scope *scope,
                    uint64_t *org_id);

// Whose history the path is about: its hook's, or without one, its
// organization's. False: answered.
bool request_owner(struct api_request *rq, struct hook_scope *scope,
                   uint64_t *owner_no);

// The shards that hold an owner's history: the first, and how many.
unsigned request_shards(const struct api_request *rq, uint64_t owner_no,
                        unsigned *n);

// Appends the members that say which hook it is: "hookName" (null if it is
// deleted), then its project, stack and environment; a comma behind each.
void request_put_hook(const struct api *api, uint64_t hook_id, struct buf *out);

// Appends the hook as this path's API shows it, as member "failing" that it
// counts as failing, and as "waiting" how much waits for one that is paused.
void request_print_hook(struct api_request *rq, const struct hook *hook,
                        struct buf *out);

// While it waits for an answer or its turns: if its client goes, so does the request.
void request_watch(struct api_request *rq);

// --- turns.c ---

void turns_init(struct api *api);
// `run` works until then (monotonic), again and again, until it returns true: then it
// has answered, or asked somebody else. Not within a read of a store.
void request_work(struct api_request *rq,
                  bool (*run)(struct api_request *rq, int64_t until_us));

// --- dispatcher_client.c ---

// Runs once, unless the client goes away first; it answers the request.
typedef void (*on_answer)(struct api_request *rq, uint64_t hook_id,
                          const struct reply *answer);

// Asks the dispatcher that owns the hook. If there is no answer in time, or no
// dispatcher, the request is answered with 503. What runs then may ask again.
void ask_dispatcher(struct api_request *rq, struct query ask,
                    on_answer answered);
// Asks the dispatcher of a shard, and waits so long.
void ask_shard(struct api_request *rq, unsigned shard, struct query ask,
               int64_t timeout_ms, on_answer answered);

// Takes a frame of the link's dispatcher. False: it is no answer to a question.
bool asking_on_frame(struct link *link, struct str frame);
// What it was asked stays unanswered.
void asking_on_closed(struct link *link);
void asking_on_second(struct api *api); // looks for questions that are too old

// Tells the dispatchers to look at the hooks again. After each commit.
void api_hint(struct api *api);

#endif
