// delivery_query.h — which rows of a history are asked for.
//
// Pure: no clock, no storage.

#ifndef API_DELIVERY_QUERY_H
#define API_DELIVERY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/crypto.h"
#include "common/err.h"
#include "common/http.h"
#include "common/id.h"
#include "queue/queue.h"

#define DELIVERIES_DEFAULT 100
#define DELIVERIES_MAX     1000

struct delivery_query {
    size_t limit;
    struct str cursor; // continuationToken as given; empty: from the newest
    bool has_id;
    struct id id;
    struct str kind; // empty: any
    bool has_code;
    uint16_t code;
    bool has_state;
    enum delivery_state state;
    int64_t since_us; // start of the attempt, inclusive
    int64_t until_us; // exclusive
};

// Reads the query of a request; texts go into the arena. Parameters that are
// not known are passed over. ERR_INVALID: `why` names the parameter and what
// is allowed.
MUST_CHECK enum err delivery_query_read(const struct http_request *r,
                                        struct arena *arena,
                                        struct delivery_query *out,
                                        struct buf *why);

// Is this row asked for?
bool delivery_query_wants(const struct delivery_query *q,
                          const struct attempt *attempt);

// Unix seconds, or RFC 3339 like 2026-11-20T10:15:30Z or …30.5+02:00.
// ERR_INVALID.
MUST_CHECK enum err delivery_time_read(struct str text, int64_t *out_us);

// A page ends before row `row_no` of hook `hook_no`: as text that only `key`
// can make.
void cursor_put(const uint8_t key[SHA256_BYTES], uint64_t hook_no,
                uint64_t row_no, struct buf *out);

// ERR_INVALID: not made with this key for this hook.
MUST_CHECK enum err cursor_read(const uint8_t key[SHA256_BYTES],
                                struct str text, uint64_t hook_no,
                                uint64_t *row_no);

#endif
