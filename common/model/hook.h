// SPDX-License-Identifier: MIT
// hook.h — a hook: its scope, which events it gets, and how they are delivered.

#ifndef COMMON_MODEL_HOOK_H
#define COMMON_MODEL_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/model/event.h"

// Values are on disk.
enum hook_level {
    LEVEL_ORGANIZATION = 1,
    LEVEL_STACK = 2,
    LEVEL_ENVIRONMENT = 3,
    LEVEL_PROJECT = 4 // Akinon
};

// Values are on disk.
enum hook_format {
    FORMAT_RAW = 1,
    FORMAT_SLACK = 2,
    FORMAT_MS_TEAMS = 3,
    FORMAT_PULUMI_DEPLOYMENTS = 4,
    FORMAT_AKINON = 5,
    FORMAT_CLOUDEVENTS = 6
};

// Where a hook belongs: its name is unique within its scope, and it gets the events
// of that scope.
struct hook_scope {
    enum dialect dialect;
    enum hook_level level;
    struct str org;
    struct str project; // empty for LEVEL_ORGANIZATION
    struct str target;  // stack or environment; else empty
};

// Whether the event has the dialect and organization, and the stack, environment or
// project, that the scope names.
bool hook_scope_holds(const struct hook_scope *scope,
                      const struct event *event);

#define HOOK_LIST_MAX 128

#define FILTER_IS_KIND         0xff
#define FILTER_ORDER_MAX_BYTES (64 + HOOK_LIST_MAX)

// How delivery to a hook differs from the settings. 0 or empty: as the settings
// say, or no such policy.
struct hook_policy {
    struct str retry_schedule; // waits between attempts: "5s,30s,2m"
    int64_t timeout_ms;        // of an attempt as a whole
    uint32_t max_inflight;
    uint32_t rate_per_second; // attempts per second; 0: no limit
    uint32_t rate_burst;      // attempts at once; 0: as many as rate_per_second
    bool ordered;         // sent one after the other, in the order of the log
    struct str order_key; // each value of this field of the payload
                          // ("customer.id") has an order of its own
};

// Why the engine switched a hook off. Values are on disk.
enum hook_disabled {
    HOOK_NOT_DISABLED = 0,
    HOOK_GONE = 1,   // the receiver answered 410
    HOOK_FAILING = 2 // nothing succeeded for too long
};

// What signs a hook's requests as v1a, besides the secret, which signs them as v1. Values
// are on disk.
enum hook_signing {
    SIGNING_NONE = 0,
    SIGNING_OWN = 1,         // the hook's own key
    SIGNING_ORGANIZATION = 2 // the keys of its organization
};

// A request is signed with at most nine of these besides the current ones.
#define OLD_SECRETS_MAX 9

// Values are on disk.
enum old_secret_kind {
    OLD_SECRET = 0,
    OLD_SIGNING_KEY = 1,
    OLD_ORGANIZATION = 2 // the keys of the organization; the text is empty
};

// A secret or a signing key that was replaced and signs in addition to the new one for a
// while.
struct old_secret {
    struct str secret; // a signing key is of SIGNING_PAIR_BYTES (signing_key.h)
    int64_t until_ms;  // UTC epoch
    enum old_secret_kind kind;
};

// What a receiver answered when it was asked for permission. Values are on disk.
enum handshake_answer {
    HANDSHAKE_NONE = 0,
    HANDSHAKE_ALLOWED = 1,
    HANDSHAKE_REFUSED = 2, // it answered, but not so
    HANDSHAKE_FAILED = 3   // no answer came
};

// The handshake of CloudEvents' "HTTP 1.1 Web Hooks for Event Delivery": nothing is
// delivered before the receiver has allowed it. The answer is the last one; it counts for
// the URL and the origin that were asked about.
struct hook_handshake {
    bool is_wanted;
    enum handshake_answer answer;
    uint32_t rate_per_minute; // that the receiver allows; 0: no limit
    struct str url_sha256;    // SHA-256 of the URL; empty: nobody was asked
    struct str origin;        // whose requests it is about
    struct str reason;        // why not; empty if it is allowed
    int64_t at_ms;            // UTC epoch
};

struct hook {
    uint64_t no;       // set by the queue at creation; never reused
    uint64_t org_id;   // its organization, org_number(); set by the queue
    uint64_t revision; // set by the queue at each put
    struct hook_scope scope;
    struct str name; // identifier within the scope
    struct str display_name;
    struct str url;
    enum hook_format format;
    bool active;
    bool paused;          // matching events wait, and nothing is sent
    struct position from; // only events after it match: the log's end when the
                          // hook was made or switched on
    uint64_t filters;     // bit set of filter numbers (event_kinds.h)
    uint64_t groups;      // bit set of group numbers (event_kinds.h)
    struct str *kinds; // filters for custom kinds: "order.created", "order/*"
    size_t n_kinds;    // at most HOOK_LIST_MAX
    // The order in which filters and kinds were given, a byte each: the number of a
    // filter, or FILTER_IS_KIND for the next of the kinds. Those that are not
    // listed follow, filters first; empty: the order is not known.
    struct str filter_order;
    struct str
        pattern; // what events must be, besides: JSON (pattern.h); or empty
    struct str *headers; // extra request headers: name, value, name, value …
    size_t n_headers;    // strings: twice the headers; at most HOOK_LIST_MAX
    uint64_t
        secret_headers; // bit i: the value of header i is never shown in full,
                        // whatever its name
    struct hook_policy policy;
    struct str secret;      // HMAC key; empty: none
    struct old_secret *old; // earlier secrets and keys, the newest first
    size_t n_old;           // at most OLD_SECRETS_MAX
    enum hook_signing signing;
    struct str sign_key;    // SIGNING_OWN: a pair of keys; else empty
    int64_t secret_at_ms;   // UTC epoch: when the secret was set; 0: not known
    struct str client_cert; // PEM, for receivers that want one; or empty
    struct str client_key;  // PEM, of client_cert
    enum hook_disabled disabled; // why the engine made it inactive
    bool is_damaged; // set by hook_watch(): its record cannot be read
    struct hook_handshake handshake;
    bool awaits_handshake; // not stored: set by its dispatcher, as
                           // hook_awaits_handshake() has it
    bool
        lower_headers; // over HTTP/1.1, too, names of headers are in lower case
    bool trace_context; // requests have traceparent and tracestate
    bool is_operator;   // gets the engine's own events of all organizations
    int64_t disabled_at_ms;
    int64_t created_at_ms;
    int64_t updated_at_ms;
};

// A copy in one allocation; the caller frees it with hook_free().
struct hook *hook_copy(const struct hook *h);
void hook_free(struct hook *h); // wipes the secrets; NULL is fine

// How many of its replaced secrets, or of its replaced signing keys, the hook has; until
// when (UTC epoch) the last of them signs, 0 if there is none.
size_t hook_count_old(const struct hook *h, bool are_keys, int64_t *until_ms);

// Whether the last answer is about the hook's present URL and this origin.
bool hook_handshake_is_current(const struct hook *h, struct str origin);

// Whether nothing may be delivered yet: the hook wants the handshake, and its receiver has
// not allowed requests of this origin to its present URL.
bool hook_awaits_handshake(const struct hook *h, struct str origin);

// "none", "own" or "organization"; a static string.
const char *hook_signing_name(enum hook_signing signing);

// "organization", "stack", "environment" or "project"; a static string.
const char *hook_level_name(enum hook_level level);

// "gone" or "failing", or "" for a hook that is not disabled; a static string.
const char *hook_disabled_name(enum hook_disabled disabled);

#endif
