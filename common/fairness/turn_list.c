// SPDX-License-Identifier: MIT
// turn_list.c — waiting work that is taken in turns.

#include "common/fairness/turn_list.h"

#include <stddef.h>

void turn_add(struct turn_entry **first, struct turn_entry *t,
              uint64_t holder_no)
{
    struct turn_entry **link = first;

    t->holder_no = holder_no;
    t->next = NULL;
    while (*link != NULL)
        link = &(*link)->next;
    *link = t;
}

void turn_remove(struct turn_entry **first, const struct turn_entry *t)
{
    struct turn_entry **link = first;

    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
}

void turn_pass(struct turn_entry **first, uint64_t holder_no)
{
    struct turn_entry *its = NULL;
    struct turn_entry **its_end = &its;
    struct turn_entry **link = first;

    while (*link != NULL) {
        struct turn_entry *t = *link;

        if (t->holder_no != holder_no) {
            link = &t->next;
            continue;
        }
        *link = t->next;
        t->next = NULL;
        *its_end = t;
        its_end = &t->next;
    }
    *link = its;
}
