// SPDX-License-Identifier: MIT
// delivery_filter.h — which rows of a history are asked for.
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

// Reads the query of a request; texts go into the arena. Parameters that are
// not known are passed over. ERR_INVALID: `why` names the parameter and what
// is allowed.
MUST_CHECK enum err delivery_query_read(const struct http_request *r,
                                        struct arena *arena,
                                        struct delivery_query *out,
                                        struct buf *why);

// The same values from JSON, for replays: strings (or arrays of them), times also
// as numbers. ERR_INVALID: `why` says what is
// allowed, `key` in front.
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

// Unix seconds, or RFC 3339 like 2026-11-20T10:15:30Z or …30.5+02:00.
// ERR_INVALID.
MUST_CHECK enum err delivery_time_read(struct str text, int64_t *out_us);

// A page of an owner's history ends before these rows, one of each shard: as
// text that only `key` can make.
void cursor_put(const uint8_t key[SHA256_BYTES], uint64_t owner_no,
                const uint64_t *row_nos, size_t n, struct buf *out);

// ERR_INVALID: not made with this key for this owner and as many shards.
MUST_CHECK enum err cursor_read(const uint8_t key[SHA256_BYTES],
                                struct str text, uint64_t owner_no,
                                uint64_t *row_nos, size_t n);

#endif
