// SPDX-License-Identifier: MIT
// list.h — a doubly linked list of objects that hold their own links.
//
//   struct visitor { struct list_node node; … };
//
//   list_push(&visitors, &v->node);
//   for (v = LIST_FIRST(&visitors, struct visitor, node); v != NULL;
//        v = LIST_NEXT(v, struct visitor, node)) …
//
// Nothing is allocated, and every operation takes constant time. A list and a node of
// zeros are empty. An object may be in as many lists as it has nodes; who removes it
// while the list is walked takes the next one before.

#ifndef COMMON_BASE_LIST_H
#define COMMON_BASE_LIST_H

#include <assert.h>
#include <stddef.h>

struct list_node {
    struct list_node *prev, *next; // NULL at the ends
};

struct list {
    struct list_node *first, *last; // NULL: empty
};

// Puts a node, which is in no list, at the end.
static inline void list_push(struct list *l, struct list_node *n)
{
    n->prev = l->last;
    n->next = NULL;
    if (l->last != NULL) {
        l->last->next = n;
    } else {
        l->first = n;
    }
    l->last = n;
}

// Puts a node, which is in no list, at the front.
static inline void list_push_front(struct list *l, struct list_node *n)
{
    n->prev = NULL;
    n->next = l->first;
    if (l->first != NULL) {
        l->first->prev = n;
    } else {
        l->last = n;
    }
    l->first = n;
}

// Removes a node of this list; the others keep their order.
static inline void list_remove(struct list *l, struct list_node *n)
{
    assert(n->prev != NULL ? n->prev->next == n : l->first == n);
    assert(n->next != NULL ? n->next->prev == n : l->last == n);
    if (n->prev != NULL) {
        n->prev->next = n->next;
    } else {
        l->first = n->next;
    }
    if (n->next != NULL) {
        n->next->prev = n->prev;
    } else {
        l->last = n->prev;
    }
    n->prev = NULL;
    n->next = NULL;
}

// Removes the first node. NULL: the list is empty.
static inline struct list_node *list_pop(struct list *l)
{
    struct list_node *n = l->first;

    if (n == NULL)
        return NULL;
    assert(n->prev == NULL && (n->next == NULL) == (l->last == n));
    l->first = n->next;
    if (n->next != NULL) {
        n->next->prev = NULL;
    } else {
        l->last = NULL;
    }
    n->next = NULL;
    return n;
}

// The object at whose `offset` the node lies; NULL for NULL.
static inline void *list_object(struct list_node *n, size_t offset)
{
    return n != NULL ? (char *)n - offset : NULL;
}

// The first object of a list of `type`, whose node is `member`. NULL: it is empty.
#define LIST_FIRST(list, type, member) \
    ((type *)list_object((list)->first, offsetof(type, member)))

// Removes the first object, and gives it. NULL: the list is empty.
#define LIST_POP(list, type, member) \
    ((type *)list_object(list_pop(list), offsetof(type, member)))

// The object after this one. NULL: it is the last.
#define LIST_NEXT(object, type, member) \
    ((type *)list_object((object)->member.next, offsetof(type, member)))

#endif
