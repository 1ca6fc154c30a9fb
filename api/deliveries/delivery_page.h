// SPDX-License-Identifier: MIT
// delivery_page.h — a page of the history of a hook or an organization.

#ifndef API_DELIVERIES_DELIVERY_PAGE_H
#define API_DELIVERIES_DELIVERY_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/core/api_request.h"
#include "api/json/delivery_filter.h"

// How far a page has read the history of one shard.
struct shard_cursor {
    unsigned shard;
    uint64_t from_no; // rows from this number on are done; 0: none yet
    bool is_end;
    int64_t head_at_us; // time of its next row; INT64_MIN: not known yet
};

struct row {
    unsigned shard;
    uint64_t no;
};

struct page {
    struct api_request *rq;
    struct delivery_query query;
    struct buf body;         // the first piece
    struct json_writer json; // writes into the current piece
    struct buf payload;      // of the current row
    bool is_locked; // of the current row: there is none without its key
    bool is_erased; // of the current row: there is none since it was erased
    uint64_t owner_no;
    const struct position
        *event; // only attempts of this event; NULL: of all events
    struct position event_place;                   // what `event` points to
    struct shard_cursor cursors[QUEUE_SHARDS_MAX]; // a hook has one
    unsigned n_cursors;
    size_t n_rows;  // chosen
    size_t n_bytes; // size of the chosen rows before they are printed
    size_t n_left, at_left;
    struct row left[DELIVERIES_MAX]; // chosen rows that later pieces show
    size_t n_cost;                   // as history_query counts
    bool has_more;                   // at least one row is left
    bool names_hooks;                // a record says which hook it belongs to
    uint64_t named_no;               // the hook whose name is in `hook_name`
    struct buf hook_name;            // its members that name it, a JSON object
};

// Makes a page that lives as long as the request. The caller sets its query, owner and
// cursors.
struct page *page_new(struct api_request *rq);

// Answers with the page. `key` signs the token that says where the next page begins.
void page_answer(struct page *p, const uint8_t key[SHA256_BYTES]);

// Initializes a page that the caller owns and clears while the request lives.
void page_init(struct page *p);
void page_clear(struct page *p);

// With an id in the query, only that event's attempts are read from now on. The cursor of
// the hook's shard is set already.
MUST_CHECK enum err page_find_event(struct page *p,
                                    const struct hook_scope *scope);

// Puts a record.
void page_print(struct page *p, const struct attempt *attempt);

// The body that was sent: from the row, else from the event, or "" once retention has
// removed the event. Borrowed until the next call.
struct str page_payload(struct page *p, const struct attempt *attempt);

#endif
