// SPDX-License-Identifier: MIT
// idempotency.h — what makes an event a repetition of an earlier one.

#ifndef QUEUE_EVENT_ROWS_IDEMPOTENCY_H
#define QUEUE_EVENT_ROWS_IDEMPOTENCY_H

#include "queue/event_rows/append.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/identity.h"
#include "queue/records/queue_config.h"

#define EVENT_KEY_WINDOW_US (INT64_C(24) * 3600 * 1000000)

// Hashes ids, keys and contents with a secret key of the directory, so that nobody
// outside can construct collisions.
struct event_hasher {
    uint8_t key[DIRECTORY_KEY_BYTES];
    int64_t
        old_until_us; // until then keys of format 4 are looked up, too; 0: never
    uint64_t
        removed_from; // rows of events from this number on are as none: these
                      // events are being removed; UINT64_MAX: none
};

// Reads the key of this directory. ERR_INVALID: its FORMAT has none.
MUST_CHECK enum err event_hasher_open(const struct queue_config *config,
                                      struct store *s,
                                      struct event_hasher *out);

// For migrate.c: the key of format 4, an XXH3-128.
void event_key_of_old_id(enum dialect dialect, struct str org,
                         const struct id *id, uint8_t out[EVENT_KEY_BYTES]);
// Hashes an event's content, as the row of its key stores it.
void event_content(const struct event_hasher *h, const struct event *e,
                   uint8_t out[16]);
MUST_CHECK enum err event_put_old_until(struct store *s, MDB_txn *txn,
                                        int64_t until_us);

// The key of an event's row in `keys`: made from the producer's id, or else from
// its idempotency key. False: it has neither.
bool event_key(const struct event_hasher *h, const struct new_event *ne,
               uint8_t out[EVENT_KEY_BYTES]);

// The key of the row of an event whose id the producer chose.
void event_key_of_id(const struct event_hasher *h, enum dialect dialect,
                     struct str org, const struct id *id,
                     uint8_t out[EVENT_KEY_BYTES]);

// Looks up all events of a request. For events that exist already, `was_stored`
// becomes false, and id and position are filled in; `repeats` points to an earlier
// event of the same request. ERR_CONFLICT: `fault` is set.
MUST_CHECK enum err event_keys_check(const struct event_hasher *h,
                                     struct store *s, MDB_txn *txn,
                                     struct append *a);
const struct new_event *event_keys_repeats(const struct append *a, size_t i);

// Puts the row of an event that was checked and just stored; its key is known from
// `now_us` on.
MUST_CHECK enum err event_key_put(const struct event_hasher *h, struct store *s,
                                  MDB_txn *txn, const struct new_event *ne,
                                  int64_t now_us);

// The time at which the age of a request's keys is measured.
int64_t event_key_now_us(const struct append *a, const struct new_event *ne);

// ERR_NOTFOUND.
struct key_row;
MUST_CHECK enum err event_key_get(struct store *s, MDB_txn *txn,
                                  const uint8_t key[EVENT_KEY_BYTES],
                                  struct key_row *out);

// Removes the row of a key if it is of the event at `position`.
MUST_CHECK enum err event_key_remove(struct store *s, MDB_txn *txn,
                                     const uint8_t key[EVENT_KEY_BYTES],
                                     struct position position);

// Removes up to `max` idempotency keys that are older than the window.
MUST_CHECK enum err event_keys_expire(struct store *s, MDB_txn *txn,
                                      int64_t now_us, size_t max,
                                      size_t *n_removed);

// Whether a key of `key_times` is older than the window.
bool event_key_is_old(MDB_val time_key, int64_t now_us);

#endif
