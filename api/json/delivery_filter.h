// SPDX-License-Identifier: MIT
// delivery_filter.h — which rows of the history a request asks for.
//
// Pure: no clock, no storage.

#ifndef API_JSON_DELIVERY_FILTER_H
#define API_JSON_DELIVERY_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/encoding/crypto.h"
#include "common/encoding/id.h"
#include "common/encoding/json.h"
#include "common/http/http.h"
#include "queue/queue.h"

#define DELIVERIES_DEFAULT 100
#define DELIVERIES_MAX     1000

struct delivery_query {
    size_t limit;
    struct str cursor; // continuationToken as given; empty: from the newest
    bool has_id;
    struct id id;
    struct history_filter filter;
};

// Reads the query of a request; strings go into the arena. Unknown parameters are
// ignored. ERR_INVALID: `why` names the parameter and what is allowed.
MUST_CHECK enum err delivery_query_read(const struct http_request *r,
                                        struct arena *arena,
                                        struct delivery_query *out,
                                        struct buf *why);

// Read the values of a filter from JSON, for replays and discards: strings or arrays of
// strings, times also as numbers. ERR_INVALID: `why` begins with `key` and says what is
// allowed.
MUST_CHECK enum err filter_read_states(const struct json_value *v,
                                       const char *key,
                                       struct history_filter *f,
                                       struct buf *why);
MUST_CHECK enum err filter_read_errors(const struct json_value *v,
                                       const char *key,
                                       struct history_filter *f,
                                       struct buf *why);
MUST_CHECK enum err filter_read_kinds(const struct json_value *v,
                                      const char *key, struct history_filter *f,
                                      struct buf *why);
MUST_CHECK enum err filter_read_code(const struct json_value *v,
                                     const char *key, struct history_filter *f,
                                     struct buf *why);
MUST_CHECK enum err filter_read_time(const struct json_value *v,
                                     const char *key, int64_t *out_us,
                                     struct buf *why);

// Reads a time: Unix seconds, or RFC 3339 like 2026-11-20T10:15:30Z or …30.5+02:00.
// ERR_INVALID: it is neither.
MUST_CHECK enum err delivery_time_read(struct str text, int64_t *out_us);

// Appends a token for the end of a page of an owner's history: `row_nos` has, for each
// shard, the row before which the page ends. Only a holder of `key` can make the token.
void cursor_put(const uint8_t key[SHA256_BYTES], uint64_t owner_no,
                const uint64_t *row_nos, size_t n, struct buf *out);

// Reads a token of cursor_put(). ERR_INVALID: it was not made with this key, for this
// owner and this number of shards.
MUST_CHECK enum err cursor_read(const uint8_t key[SHA256_BYTES],
                                struct str text, uint64_t owner_no,
                                uint64_t *row_nos, size_t n);

#endif
