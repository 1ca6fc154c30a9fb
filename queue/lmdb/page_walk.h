// SPDX-License-Identifier: MIT
// page_walk.h — walks the trees of an environment page by page and reports faults.

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

// A part of a table that could not be read: its keys lie between `from` and `to`.
// `has_to` is false if the gap has no upper end.
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
    bool is_skeleton; // of leaves, checks only that they exist
    // The record is borrowed for the call. Return false if it is damaged: a large
    // one is then offered again, assembled from other pages, unless it was the last
    // attempt.
    bool (*on_record)(void *data, const struct walk_record *record);
    // For walk_orphans(): whether a record may belong to a table; the value of a
    // large record is unknown then, and empty.
    bool (*is_of)(void *data, const struct walk_record *record);
    // Receives a sentence about a fault. May be NULL.
    void (*on_fault)(void *data, const char *what);
    // Return false to stop. May be NULL.
    bool (*on_page)(void *data);
    void *data;

    struct walk_table tables[WALK_TABLES_MAX];
    size_t n_tables;
    struct walk_gap *gaps;
    size_t n_gaps;
    uint64_t n_faults;
    uint64_t lost[WALK_TABLES_MAX]; // records that were counted but not found
    bool is_ended;                  // stopped by on_page
    bool are_free_known;            // the list of free pages is sound

    // private
    uint8_t *used;                   // bits
    uint8_t *levels[WALK_DEPTH_MAX]; // one page each
    uint8_t *spare;
    struct buf value;
    uint64_t n_records; // of the current table
    unsigned table;     // n_names: the list of free pages
};

// Call after `pages`, names and callbacks were set, and `snapshot` to what is to be
// walked.
void walk_init(struct walk *w);
void walk_clear(struct walk *w);

// Walks the list of free pages, the list of tables, and all contents of tables with
// a known name, in order of the keys.
void walk_all(struct walk *w);

// Call after walk_all(), if are_free_known: offers each leaf that no tree leads to
// and that is not free, as a page of a table that has a gap there and that it may
// belong to.
void walk_orphans(struct walk *w);

#endif
