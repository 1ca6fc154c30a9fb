// SPDX-License-Identifier: MIT
// journal_contract_private.h — what the files of the contract suite share.

#ifndef TESTS_SUPPORT_JOURNAL_CONTRACT_PRIVATE_H
#define TESTS_SUPPORT_JOURNAL_CONTRACT_PRIVATE_H

#include "tests/support/journal_contract.h"

#define CONTRACT_HANDLES    4
#define CONTRACT_FAULTS_MAX 8
#define CONTRACT_HEAD_BYTES 16 // of an entry: `after` and a number of its own

// One run of a part of the suite.
struct contract_run {
    const struct journal_contract_case *c;
    struct buf *faults;
    const char *part;
    unsigned n_faults;
    uint64_t random;
    struct journal *handles[CONTRACT_HANDLES];
    unsigned n_handles;
};

// Opens `n_handles` handles. False: one could not be opened.
bool contract_begin(struct contract_run *r,
                    const struct journal_contract_case *c, const char *part,
                    unsigned n_handles, struct buf *faults);
// Closes them; true: no faults.
bool contract_end(struct contract_run *r);

// Notes a promise that is not kept.
__attribute__((format(printf, 2, 3))) void
contract_fault(struct contract_run *r, const char *format, ...);
// The same, unless `is_kept`. Returns `is_kept`.
__attribute__((format(printf, 3, 4))) bool
contract_check(struct contract_run *r, bool is_kept, const char *format, ...);
// What a call gave instead of what it had to.
bool contract_expect(struct contract_run *r, enum err got, enum err wanted,
                     const char *what);
// No more faults are looked for.
static inline bool contract_is_over(const struct contract_run *r)
{
    return r->n_faults >= CONTRACT_FAULTS_MAX;
}

uint64_t contract_random(uint64_t *state);
static inline uint64_t contract_below(struct contract_run *r, uint64_t n)
{
    return contract_random(&r->random) % n;
}

// Whether to make the same call again, after this result: where faults are expected,
// after ERR_AGAIN and ERR_FULL, though not for ever. `while (contract_again(r, &n, err =
// …));`
bool contract_again(const struct contract_run *r, unsigned *n_tries,
                    enum err err);

// An entry of `n_bytes` (CONTRACT_HEAD_BYTES at least), which says what it is to follow.
void contract_entry(struct buf *to, uint64_t after, uint64_t number,
                    size_t n_bytes);
// What it says; false: it is none of ours.
bool contract_entry_after(struct str bytes, uint64_t *after);

// "PREFIX.WORD.NUMBER", in `to`.
struct str contract_name(const struct contract_run *r,
                         char to[JOURNAL_NAME_BYTES + 1], const char *word,
                         unsigned number);

// The operations, asked until they are known; 0 for a chain that has no entry.
enum err contract_append(struct contract_run *r, struct journal *j,
                         unsigned chain, uint64_t after, const uint8_t *id,
                         struct str bytes, uint64_t *seq);
enum err contract_last(struct contract_run *r, struct journal *j,
                       unsigned chain, uint64_t *seq, uint8_t *id);
enum err contract_get(struct contract_run *r, struct journal *j, struct str key,
                      struct buf *bytes, uint64_t *revision);
enum err contract_put(struct contract_run *r, struct journal *j, struct str key,
                      const struct str *bytes, uint64_t expected,
                      uint64_t *revision);
enum err contract_take(struct contract_run *r, struct journal *j,
                       struct str name, struct str holder, uint64_t *term);
enum err contract_keep(struct contract_run *r, struct journal *j,
                       struct str name, struct str holder, uint64_t *term);
enum err contract_give(struct contract_run *r, struct journal *j,
                       struct str name, uint64_t term);
enum err contract_holder(struct contract_run *r, struct journal *j,
                         struct str name, struct buf *holder, uint64_t *term);
// The next entry that continues the chain behind *after, which becomes its number; others
// are passed over. ERR_NOTFOUND: none within the time.
enum err contract_read(struct contract_run *r, struct journal_reader *reader,
                       uint64_t *after, struct journal_entry *out);
enum err contract_open_reader(struct contract_run *r, struct journal *j,
                              unsigned chain, uint64_t after,
                              struct journal_reader **out);

// The promises on values, leases and requests.
void contract_small_promises(struct contract_run *r);

// The models of the random part, but for that of chains. Each step is one operation or a
// few. The end checks what must hold then, and frees the model; what answers requests is
// freed after all handles were closed.
struct contract_values;
struct contract_values *contract_values_new(struct contract_run *r);
void contract_values_step(struct contract_values *s);
void contract_values_end(struct contract_values *s);

struct contract_leases;
struct contract_leases *contract_leases_new(struct contract_run *r);
void contract_leases_step(struct contract_leases *s);
void contract_leases_free(struct contract_leases *s);

#endif
