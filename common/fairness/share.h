// SPDX-License-Identifier: MIT
// share.h — how much of something that organizations share each of them holds.
//
// What one takes is counted under its number (queue/catalog/orgs.h) until it is given
// back. Nothing is kept of an organization that holds nothing. Whoever holds the
// admin token is counted apart and may take all there is; the others leave a
// reserve for it, and each has a share.

#ifndef COMMON_FAIRNESS_SHARE_H
#define COMMON_FAIRNESS_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Under this number counts what the admin token holds; no organization has it.
#define SHARE_ADMIN UINT64_MAX

struct share_limit {
    uint64_t whole;   // of all together
    uint64_t of_one;  // of one organization
    uint64_t reserve; // of the whole: for the admin token alone
};

struct share_row {
    uint64_t no, n; // n 0: the place is free
};

// Zeros: nobody holds anything. shares_clear() frees it.
struct shares {
    struct share_row *rows; // owned
    size_t n_rows, n_places;
    uint64_t n; // held by all together
};

enum share {
    SHARE_THERE,   // there is enough
    SHARE_OF_ONE,  // the organization holds its share
    SHARE_OF_ALL,  // all together hold what the reserve leaves
    SHARE_RESERVED // what is kept for the admin token is held, too
};

// Whether the organization `no` may hold `more` besides. With `is_admin`: whether
// the admin token may, for whomever it counts.
enum share shares_judge(const struct shares *s, const struct share_limit *limit,
                        uint64_t no, bool is_admin, uint64_t more);

// The same, of what is counted elsewhere: one organization holds `held`, all together
// `all`.
enum share share_judge(const struct share_limit *limit, uint64_t held,
                       uint64_t all, bool is_admin, uint64_t more);

// It is held, whatever the limits are.
void shares_add(struct shares *s, uint64_t no, uint64_t more);

// And no longer. What was not added must not be taken away.
void shares_remove(struct shares *s, uint64_t no, uint64_t less);

// What one holds.
uint64_t shares_of(const struct shares *s, uint64_t no);

void shares_clear(struct shares *s);

#endif
