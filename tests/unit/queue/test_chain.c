// SPDX-License-Identifier: MIT
// test_chain.c — copies of an environment on several nodes, over a mean journal: whatever
// was acknowledged is in all of them, and they are equal.
//
// CHAIN_SEEDS=N tries N seeds instead of 200; CHAIN_SEED=N only this one.

#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "queue/chain/chain.h"
#include "queue/chain/chain_copy.h"
#include "queue/chain/chain_mark.h"
#include "queue/chain/chain_snapshot.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/row_changes.h"
#include "tests/support/journal_mean.h"
#include "tests/support/queue_fixture.h"

#define NODES      3
#define CHAIN      7
#define STEPS      80
#define TRIES      3 // of an append, before its node gives up
#define KEYS       6
#define TXN_MAX    200
#define FOLLOW_MAX 100 // tries to come to the end, when nothing is wrong

static const char *const tables[] = { "rows", "more", "meta" };
enum { ROWS, MORE, META, TABLES };

struct node {
    struct world *world;
    struct journal *journal;
    struct store *store;
    struct chain chain;
    struct chain_copy copy;
    unsigned n_tries;
    bool dies_before_commit;
};

struct world {
    char dir[64];
    uint64_t random;
    struct mean_world *mean;
    struct keyring *keys;
    struct node nodes[NODES];
    uint64_t term;
    uint32_t n_transactions;
    bool is_acknowledged[TXN_MAX];
};

static uint32_t pick(struct world *w, uint32_t n)
{
    w->random = w->random * UINT64_C(6364136223846793005) +
                UINT64_C(1442695040888963407);
    return (uint32_t)((w->random >> 33) % n);
}

static bool few_tries(void *data)
{
    struct node *n = data;

    return ++n->n_tries < TRIES;
}

// --- an environment ---

static void empty(struct store *s)
{
    MDB_txn *txn;

    assert_int_equal(store_write(s, &txn), OK);
    for (unsigned db = 0; db < TABLES; db++)
        assert_int_equal(mdb_drop(txn, store_db(s, db), 0), 0);
    assert_int_equal(store_commit(s, txn), OK);
}

static void put_mark(struct store *s, struct chain_point at)
{
    MDB_txn *txn;

    assert_int_equal(store_write(s, &txn), OK);
    assert_int_equal(store_write_end(s, txn, chain_mark_put(s, txn, META, &at)),
                     OK);
}

static void dump(struct store *s, struct buf *out)
{
    MDB_txn *txn;

    assert_int_equal(store_read(s, &txn), OK);
    for (unsigned db = 0; db < TABLES; db++) {
        MDB_cursor *cursor;
        MDB_val key;
        MDB_val val;

        assert_int_equal(mdb_cursor_open(txn, store_db(s, db), &cursor), 0);
        while (mdb_cursor_get(cursor, &key, &val, MDB_NEXT) == 0) {
            row_change_put(out,
                           &(struct row_change){ .db = db,
                                                 .key = str_of_val(key),
                                                 .value = str_of_val(val) });
        }
        mdb_cursor_close(cursor);
    }
    store_read_end(s);
}

static bool has_row(struct store *s, uint32_t number)
{
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val;
    MDB_txn *txn;
    int rc;

    put_be64(bytes, number);
    assert_int_equal(store_read(s, &txn), OK);
    rc = mdb_get(txn, store_db(s, MORE), &key, &val);
    store_read_end(s);
    return rc == 0;
}

// --- what nodes do ---

static enum err on_commit(void *data, MDB_txn *txn, struct str changes)
{
    struct node *n = data;
    struct chain_point end;
    enum err err;

    n->n_tries = 0;
    err = chain_append(&n->chain, changes, few_tries, n);
    if (err == OK && n->dies_before_commit)
        return ERR_CRASHED;
    end = chain_end(&n->chain);
    return err == OK ? chain_mark_put(n->store, txn, META, &end) : err;
}

static void leave(struct node *n)
{
    store_on_commit(n->store, NULL, NULL);
    assert_int_equal(chain_copy_rewind(&n->copy), OK);
}

// A new copy, from the last snapshot, or, as long as there is none, from the beginning.
static void make_anew(struct node *n)
{
    const struct chain_snapshot_job job = { .journal = n->journal,
                                            .chain = CHAIN,
                                            .keys = n->world->keys,
                                            .store = n->store,
                                            .meta_db = META,
                                            .may_go_on = few_tries,
                                            .data = n };
    enum err err;

    store_on_commit(n->store, NULL, NULL);
    do {
        empty(n->store);
        n->n_tries = 0;
        err = chain_snapshot_load(&job);
    } while (err == ERR_GONE || err == ERR_AGAIN);
    if (err == ERR_NOTFOUND) {
        empty(n->store);
        put_mark(n->store, (struct chain_point){ .seq = 0 });
        err = OK;
    }
    assert_int_equal(err, OK);
    leave(n);
}

static enum err follow(struct node *n)
{
    enum err err;

    while ((err = chain_copy_step(&n->copy, 0)) == OK) {
    }
    if (err == ERR_GONE)
        make_anew(n);
    return err;
}

static void take(struct node *n)
{
    enum err err = chain_is_own(&n->chain) ? OK : follow(n);

    if (chain_is_own(&n->chain) || err != ERR_NOTFOUND)
        return;
    if (chain_take(&n->chain, ++n->world->term, 0) == OK)
        store_on_commit(n->store, on_commit, n);
}

static void put_row(struct world *w, struct store *s, MDB_txn *txn)
{
    uint8_t bytes[1] = { (uint8_t)pick(w, KEYS) };
    MDB_val key = val_at(bytes, sizeof(bytes));
    struct buf value;
    MDB_val val;

    if (pick(w, 3) == 0) {
        int rc = row_del(txn, store_db(s, ROWS), &key);

        assert_true(rc == 0 || rc == MDB_NOTFOUND);
        return;
    }
    buf_init(&value, 0);
    // Now and then more than an entry takes.
    for (uint32_t n = pick(w, 40) == 0 ? 70000 : pick(w, 5); n > 0; n--)
        buf_printf(&value, "%u of %u;", n, w->n_transactions);
    val = val_of(buf_str(&value));
    assert_int_equal(row_put(txn, store_db(s, ROWS), &key, &val, 0), 0);
    buf_clear(&value);
}

static void write_rows(struct node *n)
{
    struct world *w = n->world;
    struct store *s = n->store;
    uint32_t number = w->n_transactions;
    uint8_t bytes[8] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    MDB_val val = val_at("there", 5);
    MDB_txn *txn;
    enum err err;

    if (!chain_is_own(&n->chain) || number == TXN_MAX)
        return;
    w->n_transactions++;
    n->dies_before_commit = pick(w, 12) == 0;
    put_be64(bytes, number);
    assert_int_equal(store_write(s, &txn), OK);
    for (uint32_t i = 1 + pick(w, 4); i > 0; i--)
        put_row(w, s, txn);
    assert_int_equal(row_put(txn, store_db(s, MORE), &key, &val, 0), 0);
    err = store_commit(s, txn);
    w->is_acknowledged[number] = err == OK;
    if (err != OK && err != ERR_FULL)
        leave(n);
}

static void write_snapshot(struct node *n)
{
    const struct chain_snapshot_job job = { .journal = n->journal,
                                            .chain = CHAIN,
                                            .keys = n->world->keys,
                                            .store = n->store,
                                            .meta_db = META,
                                            .may_go_on = few_tries,
                                            .data = n };
    struct chain_snapshot made;
    enum err err;

    n->n_tries = 0;
    err = chain_snapshot_write(&job, &made);
    assert_true(err == OK || err == ERR_AGAIN || err == ERR_CONFLICT ||
                err == ERR_FULL);
}

static void do_something(struct world *w)
{
    struct node *n = &w->nodes[pick(w, NODES)];

    switch (pick(w, 12)) {
    case 0:
    case 1:
        take(n);
        break;
    case 2:
        write_snapshot(n);
        break;
    case 3:
        mean_cut(n->journal, pick(w, 2) == 0);
        break;
    case 4: // a restart
        leave(n);
        break;
    case 5:
        if (pick(w, 8) == 0 && !chain_is_own(&n->chain)) {
            mean_cut(n->journal, false);
            make_anew(n);
        }
        break;
    case 6:
    case 7:
        if (!chain_is_own(&n->chain))
            (void)!follow(n);
        break;
    default:
        write_rows(n);
        break;
    }
}

// --- a world ---

static void come_to_the_end(struct world *w, uint64_t seed)
{
    mean_set_faults(w->mean, &mean_no_faults);
    for (size_t i = 0; i < NODES; i++) {
        mean_cut(w->nodes[i].journal, false);
        leave(&w->nodes[i]);
    }
    // Twice, since an entry that is late turns up while the journal is used.
    for (size_t i = 0; i < 2 * (size_t)NODES; i++) {
        unsigned n_tries = 0;

        while (follow(&w->nodes[i % NODES]) != ERR_NOTFOUND &&
               n_tries < FOLLOW_MAX)
            n_tries++;
        if (n_tries == FOLLOW_MAX) {
            fail_msg("seed %llu: node %zu does not come to the end",
                     (unsigned long long)seed, i % NODES);
        }
    }
}

static void check_end(struct world *w, uint64_t seed)
{
    struct journal_entry e;
    struct buf first;
    struct buf other;

    come_to_the_end(w, seed);
    // Nothing that was stored can be read in the journal.
    for (size_t i = 0; mean_truth(w->mean, CHAIN, i, &e); i++)
        assert_null(memmem(e.bytes.at, e.bytes.n_bytes, "there", 5));
    buf_init(&first, 0);
    buf_init(&other, 0);
    dump(w->nodes[0].store, &first);
    for (size_t i = 0; i < NODES; i++) {
        buf_reset(&other);
        dump(w->nodes[i].store, &other);
        if (!str_eq(buf_str(&first), buf_str(&other))) {
            fail_msg("seed %llu: node %zu differs", (unsigned long long)seed,
                     i);
        }
    }
    for (uint32_t t = 0; t < w->n_transactions; t++) {
        if (w->is_acknowledged[t] && !has_row(w->nodes[0].store, t)) {
            fail_msg("seed %llu: transaction %u is lost",
                     (unsigned long long)seed, t);
        }
    }
    buf_clear(&first);
    buf_clear(&other);
}

static void live(struct world *w, uint64_t seed)
{
    struct mean_faults faults = mean_all_faults;

    w->random = seed;
    w->term = 0;
    w->n_transactions = 0;
    memset(w->is_acknowledged, 0, sizeof(w->is_acknowledged));
    // Some accept two entries behind the same one, as servers do whose leader changes.
    faults.bad_winner = seed % 4 == 1 ? 200 : 0;
    w->mean = mean_world_new(seed, seed % 4 == 0 ? &mean_no_faults : &faults);
    for (size_t i = 0; i < NODES; i++) {
        struct node *n = &w->nodes[i];

        n->world = w;
        n->journal = mean_open(w->mean, "node");
        assert_non_null(n->journal);
        store_on_commit(n->store, NULL, NULL);
        empty(n->store);
        put_mark(n->store, (struct chain_point){ .seq = 0 });
        chain_init(&n->chain, n->journal, w->keys, CHAIN,
                   (struct chain_point){ .seq = 0 });
        assert_int_equal(chain_copy_open(&n->copy, &n->chain, n->store, META),
                         OK);
    }
    for (unsigned i = 0; i < STEPS; i++)
        do_something(w);
    check_end(w, seed);
    for (size_t i = 0; i < NODES; i++) {
        chain_copy_clear(&w->nodes[i].copy);
        chain_clear(&w->nodes[i].chain);
        journal_close(w->nodes[i].journal);
    }
    mean_world_free(w->mean);
}

static void copies_are_equal(void **state)
{
    struct world *w = *state;
    const char *text = getenv("CHAIN_SEED");
    const char *more = getenv("CHAIN_SEEDS");
    uint64_t n = more != NULL ? strtoull(more, NULL, 10) : 200;

    if (text != NULL) {
        live(w, strtoull(text, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++)
        live(w, seed);
}

// In memory, if there is such a place: nothing here is about the disk.
static int set_up_world(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct stat st;
    char dir[64];

    snprintf(dir, sizeof(dir), "%s/posthorn-chain-XXXXXX",
             stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < NODES; i++) {
        char path[96];

        snprintf(path, sizeof(path), "%s/node-%c", dir, (char)('a' + i));
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(store_open(path, MAP_BYTES, false, tables, TABLES,
                                    &w->nodes[i].store),
                         OK);
        mdb_env_set_flags(store_env(w->nodes[i].store), MDB_NOSYNC, 1);
    }
    snprintf(w->dir, sizeof(w->dir), "%s", dir);
    w->keys = new_keys(dir);
    *state = w;
    return 0;
}

static int tear_down_world(void **state)
{
    struct world *w = *state;
    int rc = file_remove_tree(w->dir) == OK ? 0 : -1;

    keyring_free(w->keys);
    free(w);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_are_equal, set_up_world,
                                        tear_down_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
