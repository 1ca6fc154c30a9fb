// SPDX-License-Identifier: MIT
// turn_list.c — waiting work that is taken in turns.

#include "common/fairness/turn_list.h"

void turn_add(struct list *turns, struct turn_entry *t, uint64_t holder_no)
{
    t->holder_no = holder_no;
    list_push(turns, &t->node);
}

void turn_pass(struct list *turns, uint64_t holder_no)
{
    struct list its = { NULL, NULL };
    struct list_node *next;

    for (struct list_node *n = turns->first; n != NULL; n = next) {
        next = n->next;
        if (((const struct turn_entry *)n)->holder_no == holder_no) {
            list_remove(turns, n);
            list_push(&its, n);
        }
    }
    while (its.first != NULL)
        list_push(turns, list_pop(&its));
}
