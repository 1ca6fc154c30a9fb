// SPDX-License-Identifier: MIT
// pages.c — the file of an environment, read without LMDB and without trust.
//
// The format is that of LMDB 0.9, in the byte order of the machine (lmdb's
// mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta).

#include "queue/lmdb/pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

#define HEADER_BYTES 16
#define NODE_BYTES   8
#define TREE_BYTES   48
#define META_MAGIC   0xbeefc0deU
#define META_VERSION 1U

// Offsets in a page of a snapshot.
#define META_AT      16
#define META_FREE_AT (META_AT + 24)
#define META_MAIN_AT (META_FREE_AT + TREE_BYTES)
#define META_LAST_AT (META_MAIN_AT + TREE_BYTES)
#define META_BYTES   (META_LAST_AT + 16)

// Flags of pages and nodes.
#define P_BRANCH   0x01
#define P_LEAF     0x02
#define P_OVERFLOW 0x04
#define P_META     0x08
#define F_BIGDATA  0x01
#define F_SUBDATA  0x02

// A page that carries another page's number.
struct stray {
    uint64_t at, number;
};

struct pages {
    int fd;
    size_t page_bytes;
    uint64_t n_pages;
    struct stray *strays; // searched for at the first need
    size_t n_strays;
    bool are_strays_known;
};

static uint16_t u16_at(const uint8_t *at)
{
    uint16_t n;

    memcpy(&n, at, sizeof(n));
    return n;
}

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t n;

    memcpy(&n, at, sizeof(n));
    return n;
}

static uint64_t u64_at(const uint8_t *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof(n));
    return n;
}

// --- the file ---

static bool read_bytes(const struct pages *p, uint64_t at, uint8_t *to,
                       size_t n_bytes)
{
    size_t n_read = 0;

    while (n_read < n_bytes) {
        ssize_t n =
            pread(p->fd, to + n_read, n_bytes - n_read, (off_t)(at + n_read));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        n_read += (size_t)n;
    }
    return true;
}

static size_t good_page_bytes(uint32_t n)
{
    return n >= 512 && n <= 65536 && (n & (n - 1)) == 0 ? n : 0;
}

// LMDB stores the page size in a field that this tree does not need.
static size_t find_page_bytes(const struct pages *p)
{
    const size_t usual = good_page_bytes((uint32_t)sysconf(_SC_PAGESIZE)) > 0
                             ? (size_t)sysconf(_SC_PAGESIZE)
                             : 4096;
    uint8_t meta[META_BYTES];

    for (size_t i = 0; i < 2; i++) {
        if (read_bytes(p, i * usual, meta, sizeof(meta)) &&
            u32_at(meta + META_AT) == META_MAGIC &&
            good_page_bytes(u32_at(meta + META_FREE_AT)) > 0)
            return good_page_bytes(u32_at(meta + META_FREE_AT));
    }
    return usual;
}

enum err pages_open(const char *dir, struct pages **out)
{
    char *path = xasprintf("%s/data.mdb", dir);
    struct pages *p = xcalloc(1, sizeof(*p));
    struct stat st = { .st_mode = 0 };
    int no_follow = O_NOFOLLOW;
    enum err err = OK;

    // It may be a FIFO. Links of root's or of this user's own are followed.
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
        (st.st_uid == 0 || st.st_uid == geteuid()))
        no_follow = 0;
    p->fd = open(path, O_RDONLY | no_follow | O_NONBLOCK | O_CLOEXEC);
    free(path);
    if (p->fd < 0) {
        err = errno == ENOENT  ? ERR_NOTFOUND
              : errno == ELOOP ? ERR_INVALID
                               : ERR_DENIED;
    } else if (fstat(p->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err = ERR_INVALID;
    }
    if (err != OK) {
        pages_close(p);
        return err;
    }
    p->page_bytes = find_page_bytes(p);
    assert(p->page_bytes > 0);
    p->n_pages = (uint64_t)st.st_size / p->page_bytes;
    *out = p;
    return OK;
}

void pages_close(struct pages *p)
{
    if (p == NULL)
        return;
    if (p->fd >= 0)
        close(p->fd);
    free(p->strays);
    free(p);
}

size_t pages_page_bytes(const struct pages *p)
{
    return p->page_bytes;
}

uint64_t pages_count(const struct pages *p)
{
    return p->n_pages;
}

bool page_read(struct pages *p, uint64_t number, uint8_t *to)
{
    // The file may have grown, since an engine may be running.
    return number < UINT64_MAX / p->page_bytes / 2 &&
           read_bytes(p, number * p->page_bytes, to, p->page_bytes);
}

static void find_strays(struct pages *p)
{
    uint8_t header[HEADER_BYTES];
    size_t room = 0;

    p->are_strays_known = true;
    for (uint64_t n = PAGE_FIRST; n < p->n_pages; n++) {
        if (!read_bytes(p, n * p->page_bytes, header, sizeof(header)) ||
            page_kind(header) == PAGE_BAD || page_number(header) == n)
            continue;
        if (p->n_strays == room) {
            room = room > 0 ? room * 2 : 64;
            p->strays = xrealloc(p->strays, room * sizeof(*p->strays));
        }
        p->strays[p->n_strays++] = (struct stray){ n, page_number(header) };
    }
}

bool page_find(struct pages *p, uint64_t number, uint8_t *to, uint64_t *at)
{
    *at = number;
    if (page_read(p, number, to) && page_number(to) == number &&
        page_kind(to) != PAGE_BAD)
        return true;
    if (!p->are_strays_known)
        find_strays(p);
    for (size_t i = 0; i < p->n_strays; i++) {
        if (p->strays[i].number != number)
            continue;
        *at = p->strays[i].at;
        if (page_read(p, *at, to) && page_number(to) == number)
            return true;
    }
    return false;
}

// --- snapshots ---

bool page_tree_decode(struct str bytes, struct page_tree *out)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    if (bytes.n_bytes != TREE_BYTES)
        return false;
    out->flags = u16_at(at + 4);
    out->depth = u16_at(at + 6);
    out->n_entries = u64_at(at + 32);
    out->root = u64_at(at + 40);
    return (out->depth == 0) == (out->root == PAGE_NONE) && out->depth <= 32;
}

static bool read_snapshot(struct pages *p, size_t i, struct page_snapshot *out)
{
    uint8_t meta[META_BYTES];

    if (!read_bytes(p, i * p->page_bytes, meta, sizeof(meta)) ||
        u32_at(meta + META_AT) != META_MAGIC ||
        u32_at(meta + META_AT + 4) != META_VERSION)
        return false;
    out->last = u64_at(meta + META_LAST_AT);
    out->txn = u64_at(meta + META_LAST_AT + 8);
    return page_tree_decode(
               (struct str){ (char *)meta + META_FREE_AT, TREE_BYTES },
               &out->free) &&
           page_tree_decode(
               (struct str){ (char *)meta + META_MAIN_AT, TREE_BYTES },
               &out->main);
}

size_t pages_snapshots(struct pages *p, struct page_snapshot out[2])
{
    size_t n = 0;

    for (size_t i = 0; i < 2; i++)
        n += read_snapshot(p, i, &out[n]);
    if (n == 2 && out[1].txn > out[0].txn) {
        struct page_snapshot older = out[0];

        out[0] = out[1];
        out[1] = older;
    }
    return n;
}

// --- what is in a page ---

uint64_t page_number(const uint8_t *page)
{
    return u64_at(page);
}

enum page_kind page_kind(const uint8_t *page)
{
    switch (u16_at(page + 10)) {
    case P_BRANCH:
        return PAGE_BRANCH;
    case P_LEAF:
        return PAGE_LEAF;
    case P_OVERFLOW:
        return PAGE_OVERFLOW;
    default:
        return PAGE_BAD;
    }
}

uint64_t page_n_overflow(const uint8_t *page)
{
    return u32_at(page + 12);
}

bool page_rows(const struct pages *p, const uint8_t *page, size_t *n)
{
    size_t lower = u16_at(page + 12);
    size_t upper = u16_at(page + 14);

    if (lower < HEADER_BYTES || lower % 2 != 0 || upper < lower ||
        upper > p->page_bytes)
        return false;
    *n = (lower - HEADER_BYTES) / 2;
    return true;
}

static bool read_leaf(const struct pages *p, const uint8_t *node, size_t room,
                      struct page_node *out)
{
    uint16_t flags = u16_at(node + 4);
    const char *data = out->key.at + out->key.n_bytes;

    out->n_bytes = u16_at(node) | (uint64_t)u16_at(node + 2) << 16;
    out->is_tree = flags == F_SUBDATA;
    if (flags == F_BIGDATA) {
        if (room < sizeof(uint64_t))
            return false;
        out->overflow = u64_at((const uint8_t *)data);
        return out->n_bytes > 0 &&
               out->n_bytes / p->page_bytes < p->n_pages + 1;
    }
    out->value = (struct str){ data, (size_t)out->n_bytes };
    return (flags == 0 || flags == F_SUBDATA) && out->n_bytes <= room;
}

bool page_row(const struct pages *p, const uint8_t *page, size_t i,
              struct page_node *out)
{
    size_t at = u16_at(page + HEADER_BYTES + 2 * i);
    const uint8_t *node = page + at;
    size_t key_bytes;

    if (at < u16_at(page + 14) || at + NODE_BYTES > p->page_bytes)
        return false;
    key_bytes = u16_at(node + 6);
    if (key_bytes > PAGE_KEY_BYTES ||
        at + NODE_BYTES + key_bytes > p->page_bytes)
        return false;
    *out = (struct page_node){ .key = { (const char *)node + NODE_BYTES,
                                        key_bytes },
                               .overflow = PAGE_NONE };
    if (page_kind(page) == PAGE_BRANCH) {
        out->child = u16_at(node) | (uint64_t)u16_at(node + 2) << 16 |
                     (uint64_t)u16_at(node + 4) << 32;
        return true;
    }
    return read_leaf(p, node, p->page_bytes - at - NODE_BYTES - key_bytes, out);
}
