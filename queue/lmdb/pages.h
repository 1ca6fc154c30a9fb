// SPDX-License-Identifier: MIT
// pages.h — the file of an environment, read without LMDB and without trust.
//
// LMDB maps its file and believes it. What must not end whatever it meets reads
// page by page instead, and checks each number before it is used: nothing here
// faults, loops or allocates what a damaged length claims.

#ifndef QUEUE_LMDB_PAGES_H
#define QUEUE_LMDB_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define PAGE_NONE      UINT64_MAX
#define PAGE_FIRST     2 // the two before are those of the snapshots
#define PAGE_KEY_BYTES 511

// What is recorded of a tree.
struct page_tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t n_entries;
    uint64_t root; // PAGE_NONE: it is empty
};

// The environment as one transaction left it.
struct page_snapshot {
    uint64_t txn;
    uint64_t last; // number of the last page
    struct page_tree free, main;
};

struct pages;

// Opens DIR/data.mdb. ERR_NOTFOUND: there is none. ERR_INVALID: it is
// something else than a file. ERR_DENIED.
MUST_CHECK enum err pages_open(const char *dir, struct pages **out);
void pages_close(struct pages *p); // NULL is fine

size_t pages_page_bytes(const struct pages *p);
uint64_t pages_count(const struct pages *p); // whole pages of the file

// The snapshots that are there now, the newest first; returns how many.
size_t pages_snapshots(struct pages *p, struct page_snapshot out[2]);

// Reads a page into `to`, as it lies there. False: the file ends before it, or
// the disk cannot read it.
bool page_read(struct pages *p, uint64_t number, uint8_t *to);

// The page that says of itself that it is this one, which may lie in another's
// place: `*at` is where it was found. False: nowhere.
bool page_find(struct pages *p, uint64_t number, uint8_t *to, uint64_t *at);

// --- what is in a page ---

enum page_kind { PAGE_BAD, PAGE_BRANCH, PAGE_LEAF, PAGE_OVERFLOW };

uint64_t page_number(const uint8_t *page); // as it says itself
// PAGE_BAD: no page of a tree or of a large value.
enum page_kind page_kind(const uint8_t *page);
uint64_t page_n_overflow(const uint8_t *page); // of PAGE_OVERFLOW

// A row of a branch or a leaf.
struct page_node {
    struct str key;
    uint64_t child;    // of a branch
    struct str value;  // of a leaf, but for large ones
    uint64_t overflow; // first page of a large value; PAGE_NONE: it is in value
    uint64_t n_bytes;  // of the value
    bool is_tree;      // the value is the record of a tree
};

// Sets `n` to how many rows a branch or leaf says that it has. False: a page has no
// room for that number.
bool page_rows(const struct pages *p, const uint8_t *page, size_t *n);
// False: it does not lie within the page, or is of a kind that is not used here.
bool page_row(const struct pages *p, const uint8_t *page, size_t i,
              struct page_node *out);

// The record of a tree. False: it is none.
bool page_tree_decode(struct str bytes, struct page_tree *out);

#endif
