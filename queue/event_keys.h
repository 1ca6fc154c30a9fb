// event_keys.h — idempotency: what makes an event the same as an earlier one.

#ifndef QUEUE_EVENT_KEYS_H
#define QUEUE_EVENT_KEYS_H

#include "queue/queue.h"
#include "queue/store.h"

#define EVENT_KEY_BYTES     16
#define EVENT_KEY_WINDOW_US (INT64_C(24) * 3600 * 1000000)

// The row of an event in `keys`: by the producer's id, or else by its
// idempotency key. False: it has none.
bool event_key(const struct new_event *ne, uint8_t out[EVENT_KEY_BYTES]);

// The row of an event whose id the producer chose.
void event_key_of_id(enum family family, struct str org, const struct id *id,
                     uint8_t out[EVENT_KEY_BYTES]);

// Looks all events of a request up: `was_stored` becomes false, and id and
// position are filled in, for those that are there already; `repeats` points
// to the earlier event of the same request. ERR_CONFLICT: `fault` is set.
MUST_CHECK enum err event_keys_check(struct store *s, MDB_txn *txn,
                                     struct append *a);
const struct new_event *event_keys_repeats(const struct append *a, size_t i);

// Puts the row of an event that was just put, to be known from `now_us` on.
MUST_CHECK enum err event_key_put(struct store *s, MDB_txn *txn,
                                  const struct new_event *ne,
                                  const uint8_t key[EVENT_KEY_BYTES],
                                  int64_t now_us);

// The time by which the keys of a request are judged.
int64_t event_key_now_us(const struct append *a, const struct new_event *ne);

// ERR_NOTFOUND.
struct key_row;
MUST_CHECK enum err event_key_get(struct store *s, MDB_txn *txn,
                                  const uint8_t key[EVENT_KEY_BYTES],
                                  struct key_row *out);

// Removes up to `max` idempotency keys that are older than the window.
MUST_CHECK enum err event_keys_expire(struct store *s, MDB_txn *txn,
                                      int64_t now_us, size_t max,
                                      size_t *n_removed);

// Whether a key of `key_times` is older than the window.
bool event_key_is_old(MDB_val time_key, int64_t now_us);

#endif
