// SPDX-License-Identifier: MIT
// pages.h — the file of an environment, read without LMDB and without trust.
//
// LMDB maps its file and trusts it. Code that must survive damaged files reads page
// by page with this module instead, which checks each number before use: nothing
// here faults, loops, or allocates what a damaged length claims.

#ifndef QUEUE_LMDB_PAGES_H
#define QUEUE_LMDB_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"

#define PAGE_NONE      UINT64_MAX
#define PAGE_FIRST     2 // pages 0 and 1 hold the snapshots
#define PAGE_KEY_BYTES 511

// The record of a tree.
// Closed to other rooms.
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

// The snapshots in the file, the newest first; returns how many.
size_t pages_snapshots(struct pages *p, struct page_snapshot out[2]);

// Reads a page into `to`, unchanged. False: the file ends before it, or the disk
// cannot read it.
bool page_read(struct pages *p, uint64_t number, uint8_t *to);

// Finds the page that carries this number, which may lie in another page's place:
// `*at` is where it was found. False: there is none.
bool page_find(struct pages *p, uint64_t number, uint8_t *to, uint64_t *at);

// --- what is in a page ---

enum page_kind { PAGE_BAD, PAGE_BRANCH, PAGE_LEAF, PAGE_OVERFLOW };

uint64_t page_number(const uint8_t *page); // the number that it carries
// PAGE_BAD: neither a page of a tree nor of a large value.
enum page_kind page_kind(const uint8_t *page);
uint64_t page_n_overflow(const uint8_t *page); // of PAGE_OVERFLOW

// A row of a branch or a leaf.
struct page_node {
    struct str key;
    uint64_t child;    // of a branch
    struct str value;  // of a leaf; empty if the value is large
    uint64_t overflow; // first page of a large value; PAGE_NONE: it is in value
    uint64_t n_bytes;  // of the value
    bool is_tree;      // the value is the record of a tree
};

// Sets `n` to the number of rows that a branch or leaf claims. False: that number
// does not fit into a page.
bool page_rows(const struct pages *p, const uint8_t *page, size_t *n);
// False: the row does not lie within the page, or is of a kind that is not used
// here.
bool page_row(const struct pages *p, const uint8_t *page, size_t i,
              struct page_node *out);

// Decodes the record of a tree. False: it is malformed.
bool page_tree_decode(struct str bytes, struct page_tree *out);

#endif
