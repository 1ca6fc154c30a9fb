// SPDX-License-Identifier: MIT
// page_walk.c — walks the trees of an environment page by page and reports faults.
//
// A page is used at most once, by one tree or by the list of free pages; it carries
// its own number; its keys lie between those of its parent. A page that lies in
// another's place is found there, reported, and read all the same.

#include "queue/lmdb/page_walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define FAULTS_SHOWN 20 // faults reported per environment; all are counted

// The keys of a subtree: from `from` on, below `to`.
struct span {
    struct str from, to;
    bool has_to;
};

static const struct span everything = { .has_to = false };

__attribute__((format(printf, 2, 3))) static void fault(struct walk *w,
                                                        const char *format, ...)
{
    struct buf text;
    char *what = NULL;
    va_list args;

    w->n_faults++;
    if (w->on_fault == NULL || w->n_faults > FAULTS_SHOWN)
        return;
    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    buf_init(&text, 0);
    buf_printf(&text, "%s: %s", w->environment, what != NULL ? what : "fault");
    if (w->n_faults == FAULTS_SHOWN)
        buf_puts(&text, "; further ones are counted only");
    w->on_fault(w->data, buf_cstr(&text));
    buf_clear(&text);
    free(what);
}

static const char *table_name(const struct walk *w)
{
    if (w->table > w->n_names)
        return "the list of tables";
    return w->table < w->n_names ? w->names[w->table]
                                 : "the list of free pages";
}

// --- pages ---

// Marks pages as used by a tree. False: they are beyond the end, or in use already.
static bool use_pages(struct walk *w, uint64_t number, uint64_t n)
{
    if (number < PAGE_FIRST || n == 0 || number > w->snapshot.last ||
        n - 1 > w->snapshot.last - number) {
        fault(w, "%s leads to page %" PRIu64 ", and there are %" PRIu64,
              table_name(w), number, w->snapshot.last + 1);
        return false;
    }
    for (uint64_t i = number; i < number + n; i++) {
        if ((w->used[i / 8] >> i % 8 & 1) != 0) {
            fault(w, "page %" PRIu64 " of %s is used twice", i, table_name(w));
            return false;
        }
    }
    for (uint64_t i = number; i < number + n; i++)
        w->used[i / 8] |= (uint8_t)(1U << i % 8);
    return true;
}

// False: the page cannot be found, which was reported.
static bool fetch(struct walk *w, uint64_t number, uint8_t *page, uint64_t *at)
{
    if (!page_find(w->pages, number, page, at)) {
        fault(w, "page %" PRIu64 " of %s is damaged", number, table_name(w));
        return false;
    }
    if (*at != number) {
        fault(w, "page %" PRIu64 " of %s lies where page %" PRIu64 " belongs",
              number, table_name(w), *at);
    }
    return true;
}

static void add_gap(struct walk *w, const struct span *span)
{
    struct walk_gap *gap;

    w->gaps = xrealloc(w->gaps, (w->n_gaps + 1) * sizeof(*w->gaps));
    gap = &w->gaps[w->n_gaps++];
    *gap = (struct walk_gap){ .table = w->table, .has_to = span->has_to };
    buf_init(&gap->from, 0);
    buf_init(&gap->to, 0);
    buf_put_str(&gap->from, span->from);
    buf_put_str(&gap->to, span->to);
}

// --- keys ---

// Keys of the list of free pages are numbers in the machine's byte order.
static int compare(const struct walk *w, struct str a, struct str b)
{
    size_t n = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
    int order;

    if (w->table == w->n_names && a.n_bytes == 8 && b.n_bytes == 8) {
        uint64_t x;
        uint64_t y;

        memcpy(&x, a.at, sizeof(x));
        memcpy(&y, b.at, sizeof(y));
        return x < y ? -1 : x > y;
    }
    order = n > 0 ? memcmp(a.at, b.at, n) : 0;
    if (order != 0)
        return order;
    return a.n_bytes < b.n_bytes ? -1 : a.n_bytes > b.n_bytes;
}

static bool is_within(const struct walk *w, const struct span *span,
                      struct str key)
{
    return compare(w, key, span->from) >= 0 &&
           (!span->has_to || compare(w, key, span->to) < 0);
}

// Checks that the rows lie within the page, in order, and within the span. A
// branch's first key is unused: the parent's applies.
static bool are_rows_sound(struct walk *w, const uint8_t *page,
                           const struct span *span, size_t *n_rows)
{
    bool is_branch = page_kind(page) == PAGE_BRANCH;
    struct str before = STR_EMPTY;

    if (!page_rows(w->pages, page, n_rows) || *n_rows == 0)
        return false;
    for (size_t i = 0; i < *n_rows; i++) {
        struct page_node node;

        if (!page_row(w->pages, page, i, &node))
            return false;
        if (is_branch && i == 0)
            continue;
        if ((before.at != NULL && compare(w, node.key, before) <= 0) ||
            !is_within(w, span, node.key))
            return false;
        before = node.key;
    }
    return true;
}

// --- records ---

// Reads a large value, starting at the place where its first page was found.
static bool read_large(struct walk *w, uint64_t first, uint64_t rest,
                       uint64_t n_bytes)
{
    size_t page_bytes = pages_page_bytes(w->pages);
    uint64_t n_pages = (16 + n_bytes - 1) / page_bytes + 1;

    buf_reset(&w->value);
    for (uint64_t i = 0; i < n_pages; i++) {
        size_t skip = i == 0 ? 16 : 0;

        if (!page_read(w->pages, i == 0 ? first : rest + i, w->spare))
            return false;
        buf_put(&w->value, w->spare + skip, page_bytes - skip);
    }
    return w->value.n_bytes >= n_bytes;
}

// Reads a list of page numbers, which begins with their count.
static bool take_free(struct walk *w, struct str key, struct str value)
{
    uint64_t n = 0;

    if (value.n_bytes >= sizeof(n))
        memcpy(&n, value.at, sizeof(n));
    // Unused reserved space may follow the last number.
    if (key.n_bytes != sizeof(n) || value.n_bytes < sizeof(n) ||
        value.n_bytes / sizeof(n) - 1 < n) {
        fault(w, "a list of free pages is damaged");
        return false;
    }
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t number;

        memcpy(&number, value.at + i * sizeof(n), sizeof(number));
        if (!use_pages(w, number, 1))
            return false;
    }
    return true;
}

static bool offer(struct walk *w, const struct page_node *node,
                  struct str value, bool is_last_try)
{
    const struct walk_record record = { w->table, node->key, value,
                                        is_last_try };

    if (w->table == w->n_names)
        return take_free(w, record.key, value);
    return w->on_record == NULL || w->on_record(w->data, &record);
}

// How many pages a large value has: more than it needs if it replaced a longer
// value in the same transaction. 0: the page is not the first one of a large value.
static uint64_t pages_of_large(const struct walk *w, const uint8_t *page,
                               uint64_t n_needed)
{
    uint64_t n = page_n_overflow(page);

    return page_kind(page) == PAGE_OVERFLOW && n >= n_needed &&
                   n <= w->snapshot.last
               ? n
               : 0;
}

static void take_large(struct walk *w, const struct page_node *node)
{
    size_t page_bytes = pages_page_bytes(w->pages);
    uint64_t n_needed = (16 + node->n_bytes - 1) / page_bytes + 1;
    uint64_t n_pages;
    bool is_single;
    uint64_t at;

    if (node->overflow < PAGE_FIRST || node->overflow > w->snapshot.last) {
        (void)!use_pages(w, node->overflow, 1); // reports a fault
        return;
    }
    if (!fetch(w, node->overflow, w->spare, &at))
        return;
    n_pages = pages_of_large(w, w->spare, n_needed);
    if (n_pages == 0) {
        fault(w, "page %" PRIu64 " of %s is not that of a large value",
              node->overflow, table_name(w));
        return;
    }
    if (!use_pages(w, node->overflow, n_pages))
        return;
    w->n_records++;
    if (w->on_record == NULL && w->table < w->n_names)
        return;
    // Only the first page of a value carries a number: the others may have moved
    // with it, or not.
    is_single = at == node->overflow || n_needed == 1;
    if (read_large(w, at, node->overflow, node->n_bytes) &&
        offer(w, node, (struct str){ w->value.at, node->n_bytes }, is_single))
        return;
    if (!is_single && read_large(w, at, at, node->n_bytes))
        (void)!offer(w, node, (struct str){ w->value.at, node->n_bytes }, true);
}

static void take_table(struct walk *w, const struct page_node *node)
{
    struct walk_table *t = &w->tables[w->n_tables];

    if (w->n_tables == WALK_TABLES_MAX || node->key.n_bytes == 0 ||
        node->key.n_bytes >= sizeof(t->name) ||
        !page_tree_decode(node->value, &t->tree)) {
        fault(w, "the record of a table is damaged");
        return;
    }
    memcpy(t->name, node->key.at, node->key.n_bytes);
    t->name[node->key.n_bytes] = '\0';
    w->n_tables++;
}

static void take_leaf(struct walk *w, const uint8_t *page, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        struct page_node node;

        if (!page_row(w->pages, page, i, &node))
            continue;
        if (node.overflow != PAGE_NONE) {
            take_large(w, &node);
        } else {
            w->n_records++;
            (void)!offer(w, &node, node.value, true);
        }
    }
}

// --- trees ---

static void visit(struct walk *w, uint64_t number, unsigned level,
                  unsigned depth, const struct span *span);

static void visit_children(struct walk *w, unsigned level, unsigned depth,
                           const struct span *span, size_t n_rows)
{
    for (size_t i = 0; i < n_rows && !w->is_ended; i++) {
        struct span part = *span;
        struct page_node node;
        struct page_node next;

        if (!page_row(w->pages, w->levels[level], i, &node))
            continue;
        if (i > 0)
            part.from = node.key;
        if (i + 1 < n_rows &&
            page_row(w->pages, w->levels[level], i + 1, &next)) {
            part.to = next.key;
            part.has_to = true;
        }
        visit(w, node.child, level + 1, depth, &part);
    }
}

// In a skeleton walk it is enough that a leaf exists.
static bool is_there_enough(struct walk *w, uint64_t number, unsigned level,
                            unsigned depth)
{
    if (!w->is_skeleton || level + 1 < depth || depth == 1)
        return false;
    if (number >= pages_count(w->pages)) {
        fault(w, "page %" PRIu64 " of %s is not there: the file is cut off",
              number, table_name(w));
    }
    return true;
}

static void visit(struct walk *w, uint64_t number, unsigned level,
                  unsigned depth, const struct span *span)
{
    bool is_leaf = level + 1 == depth;
    uint8_t *page;
    uint64_t at;
    size_t n_rows;

    if (!use_pages(w, number, 1)) {
        add_gap(w, span);
        return;
    }
    if (is_there_enough(w, number, level, depth))
        return;
    if (w->levels[level] == NULL)
        w->levels[level] = xmalloc(pages_page_bytes(w->pages));
    page = w->levels[level];
    if (!fetch(w, number, page, &at)) {
        add_gap(w, span);
        return;
    }
    if (page_kind(page) != (is_leaf ? PAGE_LEAF : PAGE_BRANCH) ||
        !are_rows_sound(w, page, span, &n_rows)) {
        fault(w, "page %" PRIu64 " of %s is not what belongs there", number,
              table_name(w));
        add_gap(w, span);
        return;
    }
    if (w->on_page != NULL && !w->on_page(w->data))
        w->is_ended = true;
    if (is_leaf && !w->is_skeleton) {
        take_leaf(w, page, n_rows);
    } else if (!is_leaf) {
        visit_children(w, level, depth, span, n_rows);
    }
}

static void walk_tree(struct walk *w, const struct page_tree *tree)
{
    w->n_records = 0;
    if (tree->root != PAGE_NONE)
        visit(w, tree->root, 0, tree->depth, &everything);
    if (w->is_ended || w->is_skeleton)
        return;
    if (w->n_records != tree->n_entries) {
        fault(w, "%s has %" PRIu64 " records, and %" PRIu64 " are counted",
              table_name(w), w->n_records, tree->n_entries);
    }
    if (tree->n_entries > w->n_records)
        w->lost[w->table] += tree->n_entries - w->n_records;
}

static void walk_free(struct walk *w)
{
    bool is_skeleton = w->is_skeleton;
    uint64_t n_faults = w->n_faults;

    w->table = (unsigned)w->n_names;
    w->is_skeleton = false;
    walk_tree(w, &w->snapshot.free);
    w->is_skeleton = is_skeleton;
    w->are_free_known = w->n_faults == n_faults;
}

// --- all ---

static void walk_main(struct walk *w)
{
    size_t n_rows;
    uint64_t at;
    uint8_t *page = xmalloc(pages_page_bytes(w->pages));

    // A dozen tables fit into one page.
    w->table = (unsigned)w->n_names + 1;
    if (w->snapshot.main.depth != 1 ||
        !use_pages(w, w->snapshot.main.root, 1) ||
        !fetch(w, w->snapshot.main.root, page, &at) ||
        page_kind(page) != PAGE_LEAF ||
        !are_rows_sound(w, page, &everything, &n_rows)) {
        fault(w, "the list of tables is damaged");
        n_rows = 0;
    }
    for (size_t i = 0; i < n_rows; i++) {
        struct page_node node;

        if (page_row(w->pages, page, i, &node) && node.is_tree)
            take_table(w, &node);
    }
    free(page);
}

static void walk_name(struct walk *w, unsigned table)
{
    w->table = table;
    for (size_t i = 0; i < w->n_tables; i++) {
        if (strcmp(w->tables[i].name, w->names[table]) == 0) {
            walk_tree(w, &w->tables[i].tree);
            return;
        }
    }
    if (w->n_faults > 0) // otherwise an older version made no such table
        add_gap(w, &everything);
}

void walk_all(struct walk *w)
{
    walk_main(w);
    for (unsigned i = 0; i < w->n_names && !w->is_ended; i++)
        walk_name(w, i);
    if (!w->is_ended)
        walk_free(w); // last: pages in use are used, whatever the list says
}

// Whether all keys of a leaf lie within a gap.
static bool fits(struct walk *w, const uint8_t *page,
                 const struct walk_gap *gap)
{
    struct walk_gap copy = *gap;
    const struct span span = { buf_str(&copy.from), buf_str(&copy.to),
                               gap->has_to };
    size_t n_rows;

    return are_rows_sound(w, page, &span, &n_rows);
}

// Assigns the leaf to the first table that its first record may belong to.
static void adopt(struct walk *w, const uint8_t *page)
{
    for (size_t i = 0; i < w->n_gaps; i++) {
        struct walk_record record;
        struct page_node node;
        size_t n_rows;

        w->table = w->gaps[i].table; // its order of keys applies
        if (!fits(w, page, &w->gaps[i]) ||
            !page_rows(w->pages, page, &n_rows) ||
            !page_row(w->pages, page, 0, &node))
            continue;
        record = (struct walk_record){ w->table, node.key,
                                       node.overflow == PAGE_NONE ? node.value
                                                                  : STR_EMPTY,
                                       true };
        if (!w->is_of(w->data, &record))
            continue;
        w->n_records = 0;
        take_leaf(w, page, n_rows);
        if (w->n_records < w->lost[w->table]) {
            w->lost[w->table] -= w->n_records;
        } else {
            w->lost[w->table] = 0;
        }
        return;
    }
}

void walk_orphans(struct walk *w)
{
    uint8_t *page = xmalloc(pages_page_bytes(w->pages));

    for (uint64_t n = PAGE_FIRST; n <= w->snapshot.last && w->n_gaps > 0; n++) {
        if ((w->used[n / 8] >> n % 8 & 1) != 0 || !page_read(w->pages, n, page))
            continue;
        if (page_kind(page) == PAGE_OVERFLOW) { // part of a leaf's value
            n += page_n_overflow(page) > 0 ? page_n_overflow(page) - 1 : 0;
        } else if (page_kind(page) == PAGE_LEAF && page_number(page) == n) {
            adopt(w, page);
        }
    }
    free(page);
}

void walk_init(struct walk *w)
{
    // Does not allocate what a damaged snapshot claims.
    if (w->snapshot.last > pages_count(w->pages) * 2 + 1024)
        w->snapshot.last = pages_count(w->pages) * 2 + 1024;
    w->used = xcalloc(1, (size_t)(w->snapshot.last / 8 + 1));
    w->spare = xmalloc(pages_page_bytes(w->pages));
    buf_init(&w->value, 0);
}

void walk_clear(struct walk *w)
{
    for (size_t i = 0; i < w->n_gaps; i++) {
        buf_clear(&w->gaps[i].from);
        buf_clear(&w->gaps[i].to);
    }
    for (size_t i = 0; i < WALK_DEPTH_MAX; i++)
        free(w->levels[i]);
    free(w->gaps);
    free(w->used);
    free(w->spare);
    buf_clear(&w->value);
}
