// SPDX-License-Identifier: MIT
// page_walk.h — goes through the trees of an environment, page by page, and finds
// what is not as it should be.

#ifndef QUEUE_LMDB_PAGE_WALK_H
#define QUEUE_LMDB_PAGE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "queue/lmdb/pages.h"

#define WALK_TABLES_MAX 32
#define WALK_DEPTH_MAX  32

// A database of the environment.
struct walk_table {
    char name[32];
    struct page_tree tree;
};

// What could not be read of a table: its keys lie between the two. `has_to` is
// false where there is no end.
struct walk_gap {
    unsigned table; // of the names in `names`
    struct buf from, to;
    bool has_to;
};

struct walk_record {
    unsigned table; // of the names in `names`
    struct str key, value;
    bool is_last_try;
};

struct walk {
    struct pages *pages;      // borrowed
    const char *environment;  // borrowed; "deliveries/0", for sentences
    const char *const *names; // borrowed; of the tables that are known
    size_t n_names;
    struct page_snapshot snapshot;
    bool is_skeleton; // of the leaves of tables, only whether they are there
    // What it is given is borrowed for the call. False: it is damaged; a large one
    // is then offered again, put together otherwise, unless it is the last try.
    bool (*on_record)(void *data, const struct walk_record *record);
    // For walk_orphans(): whether a record may be of a table; the value of a large
    // one is not known then, and empty.
    bool (*is_of)(void *data, const struct walk_record *record);
    // A sentence. May be NULL.
    void (*on_fault)(void *data, const char *what);
    // False: it shall end. May be NULL.
    bool (*on_page)(void *data);
    void *data;

    struct walk_table tables[WALK_TABLES_MAX];
    size_t n_tables;
    struct walk_gap *gaps;
    size_t n_gaps;
    uint64_t n_faults;
    uint64_t lost[WALK_TABLES_MAX]; // records that were counted and not found
    bool is_ended;                  // by on_page
    bool are_free_known;            // the list of free pages is sound

    // private
    uint8_t *used;                   // bits
    uint8_t *levels[WALK_DEPTH_MAX]; // a page each
    uint8_t *spare;
    struct buf value;
    uint64_t n_records; // of the table at hand
    unsigned table;     // n_names: the list of free pages
};

// `pages`, names, callbacks are set, and `snapshot` is what is to be walked.
void walk_init(struct walk *w);
void walk_clear(struct walk *w);

// The list of free pages, the tables, and all that is in those that have a known
// name, in order of the keys.
void walk_all(struct walk *w);

// After walk_all(), if are_free_known: each leaf that no tree leads to and that is
// not free, as a page of a table that has a gap there and that it may be of.
void walk_orphans(struct walk *w);

#endif
