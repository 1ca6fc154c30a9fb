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

// A place in a list, as text that only `key` can make and that is good for
// this list only: hexadecimal, the place and part of an HMAC over both.
// `place` is any 1 to PAGE_PLACE_MAX_BYTES bytes.
void page_token_put(const uint8_t key[SHA256_BYTES], struct str list,
                    struct str place, struct buf *out);

// Appends the place to `place`. ERR_INVALID: not made with this key for this
// list.
MUST_CHECK enum err page_token_read(const uint8_t key[SHA256_BYTES],
                                    struct str list, struct str text,
                                    struct buf *place);

// The headers that announce a further page of what was asked for: Link, with
// the same query but for the token, and X-Continuation-Token.
void page_put_headers(const struct http_request *r, struct str token,
                      struct buf *out);

#endif
