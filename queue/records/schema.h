// SPDX-License-Identifier: MIT
// schema.h — what lies on disk, byte by byte.
//
// DATA_DIR/FORMAT            "posthorn 5\nid <32 hex digits>\nkey <64 hex digits>\n
//                            complete\n"; id and key are random, a copy has the
//                            same key; complete: each environment has "self"
// DATA_DIR/format5/          while a directory of format 4 is converted; see
//                            migrate.h
// DATA_DIR/events/           LMDB, written by ingest
//   events      position(8)                    -> event record
//   keys        key(16)                        -> key record
//   key_times   at_us(8) key(16)               -> nothing
//   stacks      as in hooks
//   meta        "next"                         -> position(8) of the next event
//               "missing"                      -> from(8) to(8) of events that
//                                                 the log lost, again and again
//               "old_keys"                     -> until(8) when keys of format 4
//                                                 are looked up, too; UTC, us
//               "open"                         -> from(8) whole(1): events from
//                                                 there on are hidden; of a post
//                                                 that is stored in parts, and
//                                                 whole if all are there. None:
//                                                 no such post is open
//               "unused"                       -> n(8) positions before "next"
//                                                 that no event ever had; none: 0
//               "self"                         -> id of FORMAT(16) shard(8)
//                                                 number of shards(8); both are
//                                                 0 here and in hooks
//               "wiped " position(8)           -> nothing: the payload of the event
//                                                 is erased here, and the order
//                                                 is not removed
//               "erased"                       -> erasure id(16) n(8) done(1): of
//                                                 the last organization that was
//                                                 erased; n events were removed
// DATA_DIR/deliveries/K/     LMDB, written by dispatcher K
//   due         hook(8) due_at_ms(8) position(8) -> due record
//   dead        hook(8) position(8)            -> dead record
//   attempts    no(8)                          -> attempt record
//   by_owner    owner(8) no(8)                 -> mark: state(1) error(1)
//                                                 status(2) kind(4)
//                                                 started_at_us(8) took_ms(4)
//   failed      owner(8) no(8)                 -> mark; of what failed only
//   health      hook(8)                        -> health record, or its version
//                                                 1: failing_since_ms(8)
//                                                 told_disabled_at_ms(8)
//   outbox      event id(16)                   -> event record
//   by_event    position(8) hook(8) no(8)      -> nothing; a ping is at 0
//   stats       size(1) start_s(8) owner(8)    -> stats record
//   replays     replay id(16) hook(8)          -> replay record
//   needed      position / 64 (8)              -> n(8) due and dead rows there
//   listed      dialect(1) org 0 position / 128 (8) -> listed record; older
//                                                 versions have no such table
//   meta        "state"                        -> state record
//               "listed"                       -> from(8) to(8): `listed` has all
//                                                 events behind `from`, if `to` is
//                                                 the cursor of the state; else none
//               "self", "erased", "wiped "     -> as in events; n attempts
// DATA_DIR/hooks/            LMDB, written by api
//   hooks       dialect(1) level(1) org 0 project 0 target 0 name -> hook record
//   by_no       no(8)                          -> key in hooks
//   changes     revision(8)                    -> no(8) deleted_at_ms(8)
//   stacks      org 0 project 0 stack          -> nothing
//               org 0 project 0 0 env          -> nothing; older versions have none
//               org 0 0                        -> n(8) of the org's rows above;
//                                                 older versions: nothing
//   meta        "last"                         -> last no(8), last revision(8)
//               "seal"                         -> a known text, sealed
//               "key"                          -> the directory's key, sealed
//               "self"                         -> as in events
//               "last_org"                     -> last number(8) of an
//                                                 organization
//               "erase" no(8)                  -> record of an erasure
//               "erasing " org                 -> nothing: it is being erased
//               "value" use(1) organization(8)
//                 name                         -> record of a value
//               "values" use(1)                -> how often these changed(8)
//   tokens      SHA-256 of the token(32)       -> token record
//   orgs        dialect(1) org                  -> record: its number
//   org_nos     number(8)                      -> record: dialect(1) org
//
// Numbers in keys are big-endian, so that keys sort as numbers. Records are as
// codec.h says: version byte, msgpack values in the order of the tables and encoders
// in *_record.c, and a checksum, which also covers the record's place
// (store_place()). An owner is a hook's number, or an organization's, which has the
// highest bit set. The kind of a mark is 4 bytes of XXH3-64: a filter compares the
// kind itself, too. A key(16) is the first half of HMAC-SHA-256 with FORMAT's key,
// of dialect, kind of key ('i' id of the producer, 'k' idempotency key),
// organization, and the id or key.
//
// To change a record: raise its version below, write the new form, keep reading
// the old ones in its decoder, add a damaged and an old one to the
// tests. To change anything else here: raise FORMAT_VERSION and convert the old
// format in queue/admin/convert.c.

#ifndef QUEUE_RECORDS_SCHEMA_H
#define QUEUE_RECORDS_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/model/token.h"
#include "queue/records/counts.h"
#include "queue/records/queue_config.h"

struct keyring;

#define FORMAT_NAME    "posthorn"
#define FORMAT_VERSION QUEUE_FORMAT
#define FORMAT_BEFORE  QUEUE_FORMAT_OLDEST

#define EVENT_VERSION   4 // 2: trace; 3: cloud; 4: flags, erased_at_ms
#define KEY_VERSION     2 // 2: content is an HMAC
#define DUE_VERSION     2 // 2: payload_bytes
#define DEAD_VERSION    1
#define ATTEMPT_VERSION 3 // 2: due_at_ms; 3: sealed
#define STATE_VERSION   3 // 2: clock_ms, ran_ms; 3: last_org
// 2: paused, from; 3: is_operator; 4: values of headers are sealed, as are all
// secrets that were replaced; 5: filter_order; 6: lower_headers;
// 7: secret_at_ms; 8: pattern; 9: trace_context; 10: signing;
// 11: handshake
#define HOOK_VERSION        11
#define HOOK_VERSION_SEALED 4
#define HEALTH_VERSION      2 // 2: a record at all
#define TOKEN_VERSION       1
#define ORG_VERSION         1
#define ORG_VALUE_VERSION   1
#define STATS_VERSION       1
#define REPLAY_VERSION      1

// The order is on disk: the number of a table is part of the places of its records.
enum {
    EVENTS_EVENTS,
    EVENTS_KEYS,
    EVENTS_KEY_TIMES,
    EVENTS_META,
    EVENTS_STACKS,
    EVENTS_DBS
};
enum {
    SHARD_DUE,
    SHARD_DEAD,
    SHARD_ATTEMPTS,
    SHARD_BY_OWNER,
    SHARD_FAILED,
    SHARD_BY_EVENT,
    SHARD_META,
    SHARD_HEALTH,
    SHARD_OUTBOX,
    SHARD_STATS,
    SHARD_REPLAYS,
    SHARD_NEEDED,
    SHARD_LISTED,
    SHARD_DBS
};
enum {
    HOOKS_HOOKS,
    HOOKS_BY_NO,
    HOOKS_CHANGES,
    HOOKS_META,
    HOOKS_STACKS,
    HOOKS_TOKENS,
    HOOKS_ORGS,
    HOOKS_ORG_NOS,
    HOOKS_DBS
};

extern const char *const events_dbs[EVENTS_DBS];
extern const char *const shard_dbs[SHARD_DBS];
extern const char *const hooks_dbs[HOOKS_DBS];

#define DUE_KEY_BYTES      24
#define DEAD_KEY_BYTES     16
#define BY_OWNER_KEY_BYTES 16
#define MARK_BYTES         20
#define BY_EVENT_KEY_BYTES 24
#define STATS_KEY_BYTES    17
#define REPLAY_KEY_BYTES   24

#define HEALTH_FIRST_BYTES 16 // of version 1, which has no version byte

// The rows of an attempt in the indexes: hook(8) position(8) organization(8), and
// its mark.
#define PLACE_BYTES (24 + MARK_BYTES)

// The properties of an attempt that filters examine.
struct mark {
    enum delivery_state state;
    enum error_class error;
    uint16_t code;
    uint32_t kind; // mark_kind()
    int64_t started_at_us;
    uint32_t took_ms;
};

uint32_t mark_kind(struct str kind);
// False: these bytes are no mark.
bool mark_decode(struct str bytes, struct mark *out);
bool mark_is_failed(const struct mark *m); // has a row in the table `failed`

// The two window sizes of statistics, and how long they are kept.
#define STATS_SIZES 2
extern const struct stats_size {
    int64_t slot_s, kept_s;
} stats_sizes[STATS_SIZES];

void stats_key(size_t size, int64_t start_s, uint64_t owner_no,
               uint8_t key[STATS_KEY_BYTES]);

struct key_row { // what an idempotency key stands for
    struct position position;
    int64_t accepted_at_us;
    struct id event_id;
    uint8_t content[16]; // HMAC of kind, scope and payload
    bool is_old; // content is XXH3-128: it was of format 4, and its event
                 // was removed before
};

#define HANDOVERS_MAX 8

// The cursors of an earlier number of shards: events that they passed are matched.
struct handover {
    uint32_t n_shards;
    struct position cursors[QUEUE_SHARDS_MAX];
};

struct shard_state {
    struct position cursor;
    uint64_t next_no;                           // of the history
    uint64_t trimmed_delivered, trimmed_others; // history passed by retention
    uint64_t stats_from; // rows from this number on are not in the statistics
    uint64_t longest_ms; // the longest duration of an attempt in the history
    uint64_t last_org; // the highest number of an organization with an attempt
    int64_t clock_ms;  // clock of due times (UTC epoch) at the last commit; it
                       // never goes back
    int64_t ran_ms;    // how long dispatchers of this shard have run in all
    int64_t counts[COUNTS];
    uint32_t n_handovers;
    struct handover handovers[HANDOVERS_MAX];
};

// Encoders append a whole record with the place RECORD_NOWHERE; store_put() gives
// it its place. Decoders borrow from the bytes, and return ERR_CORRUPT for bytes
// that are no such record, or a record of another place (store_place(), or
// RECORD_NOWHERE). `key` is 16 bytes or NULL: the row in keys to remove with the
// event.
void event_encode(const struct event *e, const uint8_t *key, struct buf *out);
MUST_CHECK enum err event_decode(uint32_t place, struct str bytes,
                                 struct event *out, struct str *key);
// Decodes a record of the event log, by its key there; sets the position.
// ERR_CORRUPT also for a record that lies under another key than its own, if that
// can be told.
MUST_CHECK enum err event_decode_at(uint32_t place, struct str key,
                                    struct str bytes, struct event *out,
                                    struct str *id_key);
void key_encode(const struct key_row *k, struct buf *out);
MUST_CHECK enum err key_decode(uint32_t place, struct str bytes,
                               struct key_row *out);
void due_encode(const struct due_row *r, uint8_t key[DUE_KEY_BYTES],
                struct buf *out);
MUST_CHECK enum err due_decode(uint32_t place, struct str key, struct str bytes,
                               struct due_row *out);
void due_key(const struct due_row *r, uint8_t key[DUE_KEY_BYTES]);
void dead_encode(const struct dead_row *r, uint8_t key[DEAD_KEY_BYTES],
                 struct buf *out);
MUST_CHECK enum err dead_decode(uint32_t place, struct str key,
                                struct str bytes, struct dead_row *out);
void dead_key(uint64_t hook_id, struct position position,
              uint8_t key[DEAD_KEY_BYTES]);
void attempt_encode(const struct attempt *a, struct buf *out);
MUST_CHECK enum err attempt_decode(uint32_t place, struct str bytes,
                                   struct attempt *out);
void attempt_place(const struct attempt *a, uint8_t out[PLACE_BYTES]);
void state_encode(const struct shard_state *s, struct buf *out);
MUST_CHECK enum err state_decode(uint32_t place, struct str bytes,
                                 struct shard_state *out);

// Memory that a decoded hook points to, besides the record.
struct hook_room {
    struct str strings[2 * HOOK_LIST_MAX];
    struct old_secret old[OLD_SECRETS_MAX];
    struct buf plain; // the sealed values in plain text
};

void hook_room_init(struct hook_room *room);
void hook_room_clear(struct hook_room *room); // wipes

// Without `keys`, a hook with a secret or with headers cannot be encoded; a decoded
// hook has no secret, and its headers have no values. hook_decode() also returns
// ERR_DENIED: its secrets need another key.
void hook_encode(const struct hook *h, struct keyring *keys, struct buf *out);
MUST_CHECK enum err hook_decode(uint32_t place, struct str bytes,
                                struct keyring *keys, struct hook *out,
                                struct hook_room *room);

void token_encode(const struct token *t, struct buf *out);
MUST_CHECK enum err token_decode(uint32_t place, struct str hash,
                                 struct str bytes, struct token *out);

struct position position_of(uint64_t number);
uint64_t position_number(struct position p);

#endif
