// SPDX-License-Identifier: MIT
// word_tree.c — a list of words of 64 bits, which finds words with any of some bits
// without looking at the others.

#include "engine/delivery/word_tree.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"

#define LINE 8 // words under one node

void word_tree_clear(struct word_tree *t)
{
    for (size_t level = 0; level < WORD_TREE_LEVELS; level++)
        free(t->levels[level].at);
    *t = (struct word_tree){ .levels = { { .n = 0 } } };
}

static void push(struct word_level *level, uint64_t word)
{
    if (level->n == level->room) {
        level->room = level->room > 0 ? level->room * 2 : 4;
        level->at = xrealloc(level->at, level->room * sizeof(*level->at));
    }
    level->at[level->n++] = word;
}

// Nodes that a level has above one with `n` words.
static size_t nodes_above(size_t n)
{
    return n > LINE ? (n + LINE - 1) / LINE : 0;
}

// What the node with this index, above `below`, has to be.
static uint64_t sum_of(const struct word_level *below, size_t i)
{
    size_t end = (i + 1) * LINE < below->n ? (i + 1) * LINE : below->n;
    uint64_t sum = 0;

    for (size_t k = i * LINE; k < end; k++)
        sum |= below->at[k];
    return sum;
}

// Makes the nodes above a word right.
static void refresh(struct word_tree *t, size_t i)
{
    for (size_t level = 1; level < WORD_TREE_LEVELS && t->levels[level].n > 0;
         level++) {
        i /= LINE;
        t->levels[level].at[i] = sum_of(&t->levels[level - 1], i);
    }
}

void word_tree_append(struct word_tree *t, uint64_t word)
{
    push(&t->levels[0], word);
    for (size_t level = 1; level < WORD_TREE_LEVELS; level++) {
        struct word_level *above = &t->levels[level];
        const struct word_level *below = &t->levels[level - 1];

        while (above->n < nodes_above(below->n))
            push(above, sum_of(below, above->n));
    }
    assert(t->levels[WORD_TREE_LEVELS - 1].n <= LINE);
    refresh(t, t->levels[0].n - 1);
}

void word_tree_set(struct word_tree *t, size_t i, uint64_t word)
{
    assert(i < t->levels[0].n);
    t->levels[0].at[i] = word;
    refresh(t, i);
}

void word_tree_remove_last(struct word_tree *t)
{
    assert(t->levels[0].n > 0);
    t->levels[0].n--;
    for (size_t level = 1; level < WORD_TREE_LEVELS; level++)
        t->levels[level].n = nodes_above(t->levels[level - 1].n);
    if (t->levels[0].n > 0)
        refresh(t, t->levels[0].n - 1);
}

// Goes through the rest of a line; then, if it has nothing, one level up, to the next
// node, and if a node has a bit, one level down, to the line below that node.
size_t word_tree_find(const struct word_tree *t, size_t from, uint64_t bits)
{
    size_t level = 0;
    size_t i = from;

    for (;;) {
        const struct word_level *l = &t->levels[level];
        size_t end = (i | (LINE - 1)) + 1 < l->n ? (i | (LINE - 1)) + 1 : l->n;

        while (i < end && (l->at[i] & bits) == 0)
            i++;
        if (i < end && level == 0)
            return i;
        if (i < end) {
            level--;
            i *= LINE;
        } else if (end == l->n) {
            return WORD_TREE_NONE;
        } else {
            level++;
            i = end / LINE;
        }
    }
}
