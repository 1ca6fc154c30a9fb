// SPDX-License-Identifier: MIT
// fuzz_pages.c — a damaged environment: the reader of pages ends, within bounds, and its
// results lie in the file.
//
// Input: changes of a sound file, seven bytes each: page, offset, how many bytes, what.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/page_walk.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "tests/fuzz/fuzz.h"

#define PAGE_BYTES 4096
#define N_RECORDS  160
#define MAP_BYTES  ((size_t)1 << 20)

static struct buf sound; // the file as LMDB wrote it

static void put_records(struct store *s)
{
    static char large[3 * PAGE_BYTES];
    MDB_txn *txn;

    memset(large, 'x', sizeof(large));
    // Two transactions, so that there are two snapshots and free pages.
    for (unsigned round = 0; round < 2; round++) {
        CHECK(store_write(s, &txn) == OK);
        for (unsigned i = 0; i < N_RECORDS; i++) {
            uint8_t key_bytes[8] = {
                0, 0, 0, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i
            };
            MDB_val key = val_at(key_bytes, sizeof(key_bytes));
            MDB_val val = val_at(large, i % 60 == 7 ? sizeof(large) : 40);
            unsigned db = i % 5 == 0 ? EVENTS_KEYS : EVENTS_EVENTS;

            CHECK(mdb_put(txn, s->dbs[db], &key, &val, 0) == 0);
        }
        CHECK(store_commit(s, txn) == OK);
    }
}

static void make_sound(void)
{
    const char *dir = fuzz_folder();
    char *path = xasprintf("%s/data.mdb", dir);
    struct store *s;
    struct stat st;
    FILE *file;

    CHECK(store_open(dir, MAP_BYTES, false, events_dbs, EVENTS_DBS, &s) == OK);
    put_records(s);
    buf_init(&sound, 0);
    CHECK(stat(path, &st) == 0);
    file = fopen(path, "re");
    CHECK(file != NULL);
    CHECK(fread(buf_reserve(&sound, (size_t)st.st_size), 1, (size_t)st.st_size,
                file) == (size_t)st.st_size);
    buf_added(&sound, (size_t)st.st_size);
    fclose(file);
    free(path);
}

struct walked {
    struct pages *pages;
    uint64_t n_records, n_pages, sum;
};

static bool on_record(void *data, const struct walk_record *r)
{
    struct walked *w = data;

    w->n_records++;
    CHECK(r->table < EVENTS_DBS && r->key.n_bytes <= PAGE_KEY_BYTES);
    CHECK(r->value.n_bytes <= pages_count(w->pages) * PAGE_BYTES);
    // Each byte can be read.
    for (size_t i = 0; i < r->value.n_bytes; i += 511)
        w->sum += (uint8_t)r->value.at[i];
    return w->sum % 16 != 3; // some are damaged
}

static bool on_page(void *data)
{
    struct walked *w = data;

    // Each page is visited once in its tree, and once more as a page of a lost tree.
    CHECK(++w->n_pages <= 64 * (pages_count(w->pages) + 64));
    return true;
}

static void on_fault(void *data, const char *what)
{
    (void)data;
    CHECK(*what != '\0');
}

static bool is_of(void *data, const struct walk_record *record)
{
    (void)data;
    return record->key.n_bytes == 8;
}

static void walk(struct pages *p, const struct page_snapshot *snapshot,
                 bool is_skeleton)
{
    struct walked walked = { .pages = p };
    struct walk w = { .pages = p,
                      .environment = "events",
                      .names = events_dbs,
                      .n_names = EVENTS_DBS,
                      .snapshot = *snapshot,
                      .is_skeleton = is_skeleton,
                      .on_record = on_record,
                      .is_of = is_of,
                      .on_fault = on_fault,
                      .on_page = on_page,
                      .data = &walked };

    walk_init(&w);
    walk_all(&w);
    CHECK(w.n_tables <= WALK_TABLES_MAX);
    if (w.are_free_known && !w.is_ended)
        walk_orphans(&w);
    // A large value that many rows name is put together for each of them, at most.
    CHECK(walked.n_records <= pages_count(p) * PAGE_BYTES);
    walk_clear(&w);
}

void fuzz_one(struct str input)
{
    struct page_snapshot snapshots[2];
    struct pages *p = NULL;
    struct buf damaged;
    size_t n, n_changes = 0;

    if (sound.at == NULL)
        make_sound();
    buf_init(&damaged, 0);
    buf_put_str(&damaged, buf_str(&sound));
    while (input.n_bytes > 0 && n_changes++ < 64) {
        size_t page = take_u8(&input);
        size_t offset = (size_t)take_u8(&input) << 8;
        size_t at, n_bytes;

        offset |= take_u8(&input);
        at = page * PAGE_BYTES + offset % PAGE_BYTES;
        n_bytes = 1 + (take_u8(&input) & 7);
        for (size_t i = 0; i < n_bytes; i++) {
            uint8_t byte = take_u8(&input);

            if (at + i < damaged.n_bytes)
                damaged.at[at + i] = (char)byte;
        }
        if (page == 0xff && offset * 16 < damaged.n_bytes)
            buf_cut(&damaged, offset * 16);
    }
    fuzz_write("data.mdb", buf_str(&damaged));
    if (pages_open(fuzz_folder(), &p) == OK) {
        n = pages_snapshots(p, snapshots);
        CHECK(n <= 2);
        for (size_t i = 0; i < n; i++) {
            walk(p, &snapshots[i], true);
            walk(p, &snapshots[i], false);
        }
        pages_close(p);
    }
    buf_clear(&damaged);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    if (i >= 40)
        return false;
    // A byte of the head, of the list of rows, and of a row of some page.
    buf_putc(out, (char)i);
    buf_put(out, "\0\x0a\1\x02\0", 5);
    buf_putc(out, (char)i);
    buf_put(out, "\0\x10\1\xff\x0f", 5);
    buf_putc(out, (char)i);
    buf_put(out, "\x0f\xe0\3\x09\0\0\0", 7);
    return true;
}
