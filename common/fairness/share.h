// SPDX-License-Identifier: MIT
// share.h — how much of a shared resource each organization holds.
//
// What an organization takes is counted under its number (queue/catalog/orgs.h)
// until it is given back. An organization that holds nothing takes no memory.
// Requests with the admin token are counted apart and may take everything;
// organizations each have a share, and leave a reserve for the admin token.

#ifndef COMMON_FAIRNESS_SHARE_H
#define COMMON_FAIRNESS_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Counts what the admin token holds; no organization has this number.
#define SHARE_ADMIN UINT64_MAX

struct share_limit {
    uint64_t whole;   // for all together
    uint64_t of_one;  // for one organization
    uint64_t reserve; // part of `whole` that only the admin token may take
};

struct share_row {
    uint64_t no, n; // n 0: the entry is free
};

// All zeros: nobody holds anything. shares_clear() frees it.
// Closed to other rooms.
struct shares {
    struct share_row *rows; // owned
    size_t n_rows, n_slots;
    uint64_t n; // held by all together
};

enum share {
    SHARE_THERE,   // there is enough
    SHARE_OF_ONE,  // the organization holds its share
    SHARE_OF_ALL,  // all together hold what the reserve leaves
    SHARE_RESERVED // the reserve is taken as well
};

// Whether the organization `no` may take `more` in addition. With `is_admin`:
// whether the admin token may, for whichever organization `no` is.
enum share shares_check(const struct shares *s, const struct share_limit *limit,
                        uint64_t no, bool is_admin, uint64_t more);

// Like shares_check(), with amounts that are counted elsewhere: one organization
// holds `held`, all together hold `all`.
enum share share_check(const struct share_limit *limit, uint64_t held,
                       uint64_t all, bool is_admin, uint64_t more);

// Counts `more` as held by `no`, without checking limits.
void shares_add(struct shares *s, uint64_t no, uint64_t more);

// Counts `less` as given back by `no`. Remove only what was added before.
void shares_remove(struct shares *s, uint64_t no, uint64_t less);

// How much `no` holds.
uint64_t shares_of(const struct shares *s, uint64_t no);

// How much all together hold.
static inline uint64_t shares_of_all(const struct shares *s)
{
    return s->n;
}

void shares_clear(struct shares *s);

#endif
