// SPDX-License-Identifier: MIT
// pagination.h — pages of lists: where the next one begins, and how it is announced.
//
// Pure: no clock, no storage.

#ifndef API_JSON_PAGINATION_H
#define API_JSON_PAGINATION_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/crypto.h"
#include "common/http/http.h"

#define PAGE_PLACE_MAX_BYTES 512

// Appends a token for a place in a list. Only a holder of `key` can make it, and it is
// valid for this list only: hexadecimal digits of the place and of a part of an HMAC
// over list and place. `place` is any 1 to PAGE_PLACE_MAX_BYTES bytes.
void page_token_put(const uint8_t key[SHA256_BYTES], struct str list,
                    struct str place, struct buf *out);

// Reads a token and appends its place to `place`. ERR_INVALID: the token was not made
// with this key for this list.
MUST_CHECK enum err page_token_read(const uint8_t key[SHA256_BYTES],
                                    struct str list, struct str text,
                                    struct buf *place);

// What a request says about the page that it wants.
struct page_query {
    size_t limit;     // rows; as it was if the request has none
    struct buf place; // where the page begins; empty: at the first row
};

#define PAGE_LIMIT_MAX 1000

// Reads `limit` and `continuationToken`; an empty token counts as none. ERR_INVALID:
// `why` names the parameter and what is allowed.
MUST_CHECK enum err page_query_read(const struct http_request *r,
                                    const uint8_t key[SHA256_BYTES],
                                    struct str list, struct page_query *out,
                                    struct buf *why);

// Appends the headers that announce the next page: Link, with the query of the request
// and the new token, and X-Continuation-Token.
void page_put_headers(const struct http_request *r, struct str token,
                      struct buf *out);

#endif
