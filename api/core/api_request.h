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
#include "common/base/list.h"
#include "common/config/caps.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
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
    struct channel *channel; // NULL: the dispatcher is not connected
};

struct erasing;
struct payload_erasing;
struct expiries;
struct org_signing;
struct hook_dialect;
struct dashboard;
struct discarding; // a discard of dead letters in progress
struct pending;    // a query to a dispatcher without a reply so far
struct tail;       // a client that follows deliveries

struct api {
    struct role *role;
    const struct config *config; // borrowed from the role
    struct auth *auth;
    struct hook_store *hooks;
    uint8_t ciphertext_key[HOOK_KEY_BYTES]; // makes secretCiphertext
    bool has_metrics_token;                 // metrics_token_file holds one
    uint8_t metrics_hash[SHA256_BYTES];     // hash of that token
    char own_name[256];                     // this machine's host name
    struct token_store *tokens;
    struct dashboard *dashboard; // who is logged in to it (api/dashboard)
    struct event_view *events;
    struct stack_view *stacks;
    struct shard_view *shards[QUEUE_SHARDS_MAX]; // by shard
    unsigned n_shards;
    struct http_server *server;
    struct link dispatchers[QUEUE_SHARDS_MAX];
    struct shares
        shares[CAP_COUNT];     // hooks count by their organization's number,
                               // everything else by request_holder()
    struct http_figures noted; // as counted so far
    struct backlog_table *backlogs; // waiting events, as the dispatchers report
    struct list pending;            // queries to dispatchers
    uint64_t n_asked;
    struct erasing *erasing; // organizations that are erased (api/tenants)
    struct payload_erasing *payload_erasing; // orders to erase payloads
    struct expiries *expiries;       // when replaced secrets are removed
    struct org_signing *org_signing; // when replaced keys of organizations are
    struct list discards;            // at most one for each organization
    struct list tails;               // clients that follow deliveries
    uv_timer_t tail_timer;
    struct list working;  // requests that work in turns; turns.c
    struct list changes;  // requests that wait to change something; changes.c
    unsigned n_changing;  // requests whose changes are under way
    bool is_change_alone; // one, beside which no other may begin
    uv_idle_t turns;
};

enum change_state {
    CHANGE_NONE,    // it changes nothing, or is answered
    CHANGE_WAITING, // for its turn
    CHANGE_RUNNING, // in a step
    CHANGE_WRITING, // its write is under way
};

// One request, from its header to its answer.
struct api_request {
    struct api *api;
    struct http_request *http; // what the client sent, and the means to answer
    struct route_match match;
    struct arena arena;      // memory that lives as long as the request
    struct auth_grant grant; // of its token; zeros if the route needs none
    // Whether its session still allows something; NULL: it came with a token.
    bool (*is_in_session)(struct api_request *rq);
    bool is_holder_known;
    uint64_t holder_no; // the result of request_holder(), if is_holder_known
    // A request is freed when its handler returns, unless one of these five is set:
    // pending, tail, is_producing, is_working, change.
    struct pending *pending;  // the query whose reply it waits for
    struct tail *tail;        // the deliveries that it follows
    bool is_producing;        // its answer is made in pieces
    bool is_working;          // it works in turns (turns.c)
    enum change_state change; // changes.c
    bool is_alone;            // its change runs alone
    bool is_counted;          // it counts as a query: request_count()
    struct turn_entry turn;   // its entry in api->working or api->changes
    // The steps of a change: its beginning, and what follows a write.
    void (*begin)(struct api_request *rq);
    void (*written)(struct api_request *rq,
                    const struct catalog_result *result);
    // One turn: works until `until_us` (monotonic). True: the request is done.
    bool (*work)(struct api_request *rq, int64_t until_us);
    // Ends the wait for a reply or a turn because the request goes away. NULL: it does
    // not wait.
    void (*forget)(struct api_request *rq);
    void *data; // for the handler, in the arena
    // Frees what the handler allocated outside the arena. NULL: nothing.
    void (*on_free)(struct api_request *rq);
};

// --- api_request.c ---

// Frees a request after its answer.
void request_free(struct api_request *rq);

// The login of the admin token. No organization can have this name.
#define API_ADMIN_LOGIN "admin@posthorn"

// Whether the token or the session that the request came with is still valid, as far as
// can be told: for answers that have no end. Do not call it within a read of a store.
bool request_is_allowed(struct api_request *rq);

// Answers with JSON.
void request_answer(struct api_request *rq, unsigned status, struct str body);

// Answers with `first`, and then with the pieces that `next` makes while the client
// reads (http.h). The request lives until the last piece. There must be room for a long
// answer: see is_long in route.h.
void request_answer_pieces(struct api_request *rq,
                           const struct http_response *first,
                           enum http_more (*next)(void *rq, struct buf *out));

// Answers 503: the server holds too many bytes for clients.
void request_fail_room(struct api_request *rq);

// Answers 404: the object that this parameter of the path names does not exist. All
// operations use the same words: Webhook 'x' not found.
void request_fail_missing(struct api_request *rq, enum param param);

// Answers an error of the store: 503 for ERR_FULL, 409 for ERR_BUSY (the organization is
// being erased), else 500.
void request_fail_store(struct api_request *rq, enum err err);

// Reads the scope of hooks from the path. A path of Akinon's without a project is that of
// an organization; its scope has only the dialect and the organization. False: a name in
// it is invalid; the request has been answered.
bool request_scope(struct api_request *rq, struct hook_scope *out);

// How the API that this path belongs to reads and shows hooks.
const struct hook_dialect *request_dialect(const struct api_request *rq);

// How this client is shown hooks: only tokens that may change hooks see values
// unmasked.
struct hook_showing request_showing(const struct api_request *rq);

// The number under which resources of this request are counted: SHARE_ADMIN, or the
// number of its token's organization, 0 if that has no number yet. Do not call it
// within a read of a store.
uint64_t request_holder(struct api_request *rq);

// Counts a request that works in turns as a query, until request_uncount() or its end.
// False: there are too many; the request has been answered with 429.
bool request_count(struct api_request *rq);
// Counts it once more after a reply: what its query counted is free then.
void request_recount(struct api_request *rq);
// Call before the request asks a dispatcher: that query counts itself.
void request_uncount(struct api_request *rq);

// Whether the request may hold one more resource of this kind, counted under
// request_holder(). False: it may not; the request has been answered with 429.
bool request_may_hold(struct api_request *rq, enum cap_kind kind);

// Answers that a limit is reached: which one, its value, and what to do.
void request_refuse_share(struct api_request *rq, enum cap_kind kind,
                          enum share share, unsigned status);

// Parses the body; free it with json_free(). False: it is not JSON; the request has
// been answered.
bool request_json(struct api_request *rq, struct json **out);

// Reads the organization from the path; sets only the dialect and the organization in
// `out`. False: its name is invalid; the request has been answered.
bool request_org(struct api_request *rq, struct hook_scope *out);

// Finds the hook of the path. False: there is none; the request has been answered with
// 404.
bool request_hook_no(struct api_request *rq, struct hook_scope *scope,
                     uint64_t *hook_id);

// Finds the number of the scope's organization; 0: it never had a hook or token, so it
// owns nothing yet. False: the request has been answered.
bool request_org_no(struct api_request *rq, const struct hook_scope *scope,
                    uint64_t *org_id);

// Finds the owner of the history that the path names: its hook, or without a hook, its
// organization. False: the request has been answered.
bool request_owner(struct api_request *rq, struct hook_scope *scope,
                   uint64_t *owner_no);

// The shards that hold an owner's history: returns the first, sets `n` to their number.
unsigned request_shards(const struct api_request *rq, uint64_t owner_no,
                        unsigned *n);

// Puts the members that identify a hook: "hookName" (null if it is deleted), then its
// project, stack and environment.
void request_put_hook(const struct api *api, uint64_t hook_id,
                      struct json_writer *w);

// Puts the hook, an object, as this path's API shows it, with its running state.
void request_print_hook(struct api_request *rq, const struct hook *hook,
                        struct json_writer *w);

// Appends the headers of an attempt's request as the history shows them, "Name: value\r\n"
// each.
void request_put_sent_headers(const struct api *api,
                              const struct attempt *attempt,
                              struct buf *headers);

// Puts into the open object what an active hook has beside its own members: "failing"
// if it counts as failing, and, while it is paused, "waiting" with the number of
// deliveries that wait.
void request_put_state(struct api_request *rq, const struct hook *hook,
                       struct json_writer *w);

// Whether what waits for this hook rests: it is paused, or awaits its receiver's
// permission. False also for a hook that was deleted.
bool request_hook_rests(const struct api *api, uint64_t hook_id);

// Whether the hook is active and counts as failing, as far as is known.
bool request_hook_is_failing(struct api_request *rq, const struct hook *hook);

// Puts "dead" with the hook's number of dead letters, and "moreDead": at DEAD_SHOWN_MAX
// counting ends.
void request_put_dead(struct api_request *rq, uint64_t hook_id,
                      struct json_writer *w);
#define DEAD_SHOWN_MAX 1000

// For a request that waits for a reply or its turns: frees it if its client
// disconnects.
void request_watch(struct api_request *rq);

// --- turns.c ---

void turns_init(struct api *api);
// Calls `run` in turns until it returns true; each call works until `until_us`
// (monotonic). When it returns true it has answered, or asked a dispatcher. Do not call
// it within a read of a store.
void request_work(struct api_request *rq,
                  bool (*run)(struct api_request *rq, int64_t until_us));

// --- changes.c ---

enum change_kind {
    CHANGE_BESIDE, // others may change anything between its read and its write: what
                   // it relies on, its write names (a revision, a free name)
    CHANGE_ALONE, // no other request changes anything until it is answered
};

// Calls `begin` when the change may run: now, or later, when the handler has returned.
// `begin` answers, or begins one write with change_caller(), or calls this function to
// begin again, when it must run alone. Beside a change that runs alone only the process
// itself changes hooks (replaced secrets that end, hooks that are switched off): its
// update, too, names its revision.
void request_change(struct api_request *rq,
                    void (*begin)(struct api_request *rq),
                    enum change_kind kind);
// Whom the write of a change tells: `written`, which answers, or begins another write.
// Begin a write with it at once.
struct catalog_caller
change_caller(struct api_request *rq,
              void (*written)(struct api_request *rq,
                              const struct catalog_result *result));

// --- dispatcher_client.c ---

// Called once with the dispatcher's reply, unless the client disconnects first. It
// answers the request.
typedef void (*reply_handler)(struct api_request *rq, uint64_t hook_id,
                              const struct reply *reply);

// Asks the dispatcher that owns the hook. If there is no reply in time, or no
// dispatcher, the request is answered with 503. `answered` may ask again.
void query_dispatcher(struct api_request *rq, struct query query,
                      reply_handler then);
// Asks the dispatcher of a shard, and waits `timeout_ms` for the reply.
void query_shard(struct api_request *rq, unsigned shard, struct query query,
                 int64_t timeout_ms, reply_handler then);

// Handles a frame of the link's dispatcher. False: it is not a reply to a query.
bool dispatcher_client_on_frame(struct link *link, struct str frame);
// Ends the queries to this dispatcher, which is gone; they get no reply (ERR_AGAIN).
void dispatcher_client_on_closed(struct link *link);
void dispatcher_client_on_second(
    struct api *api); // ends queries that have waited too long

// Tells the dispatchers to read the hooks again. Call it after each commit.
void api_hint(struct api *api);

#endif
