// SPDX-License-Identifier: MIT
// word_tree.h — a list of words of 64 bits, which finds words with any of some bits
// without looking at the others.
//
// Above the list lies a tree: each of its nodes is the OR of eight words below it, which
// is one cache line. So a search looks at a few lines for each word that it finds,
// however long the list is. Pure.

#ifndef ENGINE_DELIVERY_WORD_TREE_H
#define ENGINE_DELIVERY_WORD_TREE_H

#include <stddef.h>
#include <stdint.h>

#define WORD_TREE_LEVELS 12
#define WORD_TREE_NONE   SIZE_MAX

// All zeros: an empty list. Closed to other rooms.
struct word_tree {
    struct word_level {
        uint64_t *at; // owned
        size_t n;
        size_t room;
    } levels[WORD_TREE_LEVELS]; // the list, and above it the tree; the highest
                                // level that is not empty has one line
};

void word_tree_clear(struct word_tree *t); // frees; it is empty then

static inline size_t word_tree_n(const struct word_tree *t)
{
    return t->levels[0].n;
}

// The word with this index, which exists.
static inline uint64_t word_tree_at(const struct word_tree *t, size_t i)
{
    return t->levels[0].at[i];
}

void word_tree_append(struct word_tree *t, uint64_t word);
void word_tree_set(struct word_tree *t, size_t i, uint64_t word); // i exists
void word_tree_remove_last(struct word_tree *t); // the list is not empty

// The first index from `from` on whose word has any of the bits, or WORD_TREE_NONE.
size_t word_tree_find(const struct word_tree *t, size_t from, uint64_t bits);

#endif
