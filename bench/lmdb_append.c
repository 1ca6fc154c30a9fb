// SPDX-License-Identifier: MIT
// lmdb_append.c — the baseline of the intake: how fast LMDB alone appends.
//
// One writer, default sync mode, N records of one size per commit, keys in order
// (MDB_APPEND): the rate that storage allows if everything else cost nothing.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>

#include "bench/args.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

struct append {
    const char *dir; // exists
    uint64_t batch;
    uint64_t bytes; // of a record
    uint64_t seconds;
    uint64_t count; // records; 0: no limit
    uint64_t n_records;
    MDB_env *env;
    MDB_dbi dbi;
    char *record;
};

static void check(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", what, mdb_strerror(rc));
        exit(1);
    }
}

static void key_write(uint8_t key[8], uint64_t number)
{
    for (size_t i = 8; i > 0; i--) {
        key[i - 1] = (uint8_t)(number & 0xff);
        number >>= 8;
    }
}

static void commit_batch(struct append *a)
{
    MDB_txn *txn;

    check(mdb_txn_begin(a->env, NULL, 0, &txn), "mdb_txn_begin");
    for (uint64_t i = 0; i < a->batch; i++) {
        uint8_t bytes[8];
        MDB_val key = { sizeof(bytes), bytes };
        MDB_val value = { (size_t)a->bytes, a->record };

        key_write(bytes, a->n_records + i);
        check(mdb_put(txn, a->dbi, &key, &value, MDB_APPEND), "mdb_put");
    }
    check(mdb_txn_commit(txn), "mdb_txn_commit");
    a->n_records += a->batch;
}

static void prepare(struct append *a)
{
    MDB_txn *txn;

    a->record = xmalloc(a->bytes);
    memset(a->record, 'x', a->bytes);
    check(mdb_env_create(&a->env), "mdb_env_create");
    check(mdb_env_set_mapsize(a->env, (size_t)16 << 30), "mdb_env_set_mapsize");
    check(mdb_env_open(a->env, a->dir, 0, 0600), "mdb_env_open");
    check(mdb_txn_begin(a->env, NULL, 0, &txn), "mdb_txn_begin");
    check(mdb_dbi_open(txn, NULL, 0, &a->dbi), "mdb_dbi_open");
    check(mdb_txn_commit(txn), "mdb_txn_commit");
}

int main(int argc, char **argv)
{
    struct append a = { .batch = 100, .bytes = 1024, .seconds = 2 };
    int64_t start_us;
    double seconds;
    const struct arg args[] = {
        { "--dir", "an empty directory", NULL, 0, 0, &a.dir },
        { "--batch", "records per commit", &a.batch, 1, 100000, NULL },
        { "--bytes", "of a record", &a.bytes, 1, 1U << 20, NULL },
        { "--seconds", "how long", &a.seconds, 1, 60, NULL },
        { "--count", "records, however long; 0: see --seconds", &a.count, 0,
          UINT64_C(1) << 32, NULL },
    };

    args_read(argc, argv, args, sizeof(args) / sizeof(args[0]));
    if (a.dir == NULL) {
        fprintf(stderr, "--dir is needed\n");
        return 2;
    }
    prepare(&a);
    start_us = clock_mono_us();
    do {
        commit_batch(&a);
        seconds = (double)(clock_mono_us() - start_us) / 1e6;
    } while (a.count > 0 ? a.n_records < a.count : seconds < (double)a.seconds);
    mdb_env_close(a.env);
    free(a.record);
    printf("{\"records\":%" PRIu64 ",\"seconds\":%.6f,\"per_second\":%.1f}\n",
           a.n_records, seconds, (double)a.n_records / seconds);
    return 0;
}
