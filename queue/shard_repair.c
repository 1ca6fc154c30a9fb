// shard_repair.c — a shard's state, made anew of what lies there.
//
// For a state record that is damaged. What has rows was matched, and when a cursor
// passes an event, each of its deliveries is settled or has a row: so all up to the
// greatest position of a row is matched, and at most what matched nothing is read
// again. Counts begin anew with what waits.

#include <string.h>

#include "common/codec.h"
#include "queue/orgs.h"
#include "queue/shard.h"

#define LONGEST_MS 320000 // no attempt takes longer, whatever the settings say

// The last key of a database. False: it is empty.
static bool last_key(const struct store *s, MDB_txn *txn, unsigned db,
                     MDB_val *key)
{
    MDB_cursor *cursor;
    MDB_val val;
    bool is_there;

    if (mdb_cursor_open(txn, s->dbs[db], &cursor) != 0)
        return false;
    is_there =
        mdb_cursor_get(cursor, key, &val, MDB_LAST) == 0 && key->mv_size >= 8;
    mdb_cursor_close(cursor);
    return is_there;
}

enum err shard_guess_state(struct store *s, MDB_txn *txn,
                           struct shard_state *out)
{
    struct shard_counts rows;
    uint64_t greatest = 0;
    MDB_val key;
    enum err err;

    *out = (struct shard_state){ .next_no = 1, .longest_ms = LONGEST_MS };
    if (last_key(s, txn, SHARD_ATTEMPTS, &key))
        out->next_no = get_be64(key.mv_data) + 1;
    if (last_key(s, txn, SHARD_BY_EVENT, &key))
        greatest = get_be64(key.mv_data);
    if (last_key(s, txn, SHARD_NEEDED, &key) &&
        get_be64(key.mv_data) * NEEDED_BLOCK_EVENTS > greatest)
        greatest = get_be64(key.mv_data) * NEEDED_BLOCK_EVENTS;
    if (last_key(s, txn, SHARD_BY_OWNER, &key) &&
        get_be64(key.mv_data) > OWNER_IS_ORG)
        out->last_org = get_be64(key.mv_data);
    out->cursor = position_of(greatest);
    out->stats_from = out->next_no;
    err = shard_read_counts(s, txn, out, &rows);
    if (err == OK)
        out->counts[COUNT_MATCHED] = (int64_t)(rows.n_due + rows.n_dead);
    return err;
}
