// SPDX-License-Identifier: MIT
// journal_contract.c — the suite as a whole, and what its parts share.

#include "tests/support/journal_contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/codec.h"
#include "tests/support/journal_contract_private.h"

#define TRIES_MAX 1000

bool journal_contract(const struct journal_contract_case *c, struct buf *faults)
{
    return journal_contract_promises(c, faults) &&
           journal_contract_race(c, faults) &&
           journal_contract_random(c, faults);
}

// --- a run ---

bool contract_begin(struct contract_run *r,
                    const struct journal_contract_case *c, const char *part,
                    unsigned n_handles, struct buf *faults)
{
    *r = (struct contract_run){ .c = c,
                                .faults = faults,
                                .part = part,
                                // No part repeats the ids of another.
                                .random = hash64(str_of(part), c->seed) };
    while (r->n_handles < n_handles) {
        struct journal *j = c->open(c->data);

        if (j == NULL) {
            contract_fault(r, "a handle cannot be opened");
            return false;
        }
        r->handles[r->n_handles++] = j;
    }
    return true;
}

bool contract_end(struct contract_run *r)
{
    while (r->n_handles > 0)
        journal_close(r->handles[--r->n_handles]);
    return r->n_faults == 0;
}

__attribute__((format(printf, 2, 0))) static void
put_fault(struct contract_run *r, const char *format, va_list args)
{
    if (r->n_faults++ >= CONTRACT_FAULTS_MAX)
        return;
    buf_printf(r->faults, "%s, seed %llu: ", r->part,
               (unsigned long long)r->c->seed);
    buf_vprintf(r->faults, format, args);
    buf_putc(r->faults, '\n');
}

void contract_fault(struct contract_run *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_fault(r, format, args);
    va_end(args);
}

bool contract_check(struct contract_run *r, bool is_kept, const char *format,
                    ...)
{
    va_list args;

    if (is_kept)
        return true;
    va_start(args, format);
    put_fault(r, format, args);
    va_end(args);
    return false;
}

bool contract_expect(struct contract_run *r, enum err got, enum err wanted,
                     const char *what)
{
    return contract_check(r, got == wanted, "%s: %s instead of %s", what,
                          err_str(got), err_str(wanted));
}

// splitmix64
uint64_t contract_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

bool contract_again(const struct contract_run *r, unsigned *n_tries,
                    enum err err)
{
    return r->c->has_faults && (err == ERR_AGAIN || err == ERR_FULL) &&
           ++*n_tries < TRIES_MAX;
}

// --- names and entries ---

struct str contract_name(const struct contract_run *r,
                         char to[JOURNAL_NAME_BYTES + 1], const char *word,
                         unsigned number)
{
    snprintf(to, JOURNAL_NAME_BYTES + 1, "%s.%s.%u", r->c->prefix, word,
             number);
    return str_of(to);
}

void contract_entry(struct buf *to, uint64_t after, uint64_t number,
                    size_t n_bytes)
{
    uint8_t head[CONTRACT_HEAD_BYTES];
    char *fill;

    put_be64(head, after);
    put_be64(head + 8, number);
    buf_reset(to);
    buf_put(to, head, sizeof(head));
    if (n_bytes <= sizeof(head))
        return;
    fill = buf_reserve(to, n_bytes - sizeof(head));
    memset(fill, (int)(number & 0xff), n_bytes - sizeof(head));
    buf_added(to, n_bytes - sizeof(head));
}

bool contract_entry_after(struct str bytes, uint64_t *after)
{
    if (bytes.n_bytes < CONTRACT_HEAD_BYTES)
        return false;
    *after = get_be64((const uint8_t *)bytes.at);
    return true;
}

// --- operations, until they are known ---

// NOLINTNEXTLINE(readability-function-size): the seam names them all
enum err contract_append(struct contract_run *r, struct journal *j,
                         unsigned chain, uint64_t after, const uint8_t *id,
                         struct str bytes, uint64_t *seq)
{
    unsigned n = 0;
    enum err err;

    while (contract_again(
        r, &n,
        err = journal_append(j, chain, after, id, bytes, r->c->wait_ms, seq)))
        ;
    return err;
}

enum err contract_last(struct contract_run *r, struct journal *j,
                       unsigned chain, uint64_t *seq, uint8_t *id)
{
    unsigned n = 0;
    enum err err;

    while (contract_again(r, &n,
                          err = journal_last(j, chain, r->c->wait_ms, seq, id)))
        ;
    if (err != ERR_NOTFOUND)
        return err;
    *seq = 0;
    memset(id, 0, JOURNAL_ENTRY_ID);
    return OK;
}

enum err contract_open_reader(struct contract_run *r, struct journal *j,
                              unsigned chain, uint64_t after,
                              struct journal_reader **out)
{
    unsigned n = 0;
    enum err err;

    while (
        contract_again(r, &n, err = journal_reader_open(j, chain, after, out)))
        ;
    return err;
}

enum err contract_read(struct contract_run *r, struct journal_reader *reader,
                       uint64_t *after, struct journal_entry *out)
{
    for (unsigned n = 0; n < TRIES_MAX; n++) {
        enum err err = journal_reader_next(reader, r->c->wait_ms, out);
        uint64_t follows = 0;

        if (err == OK && out->seq > *after &&
            contract_entry_after(out->bytes, &follows) &&
            (follows == *after || *after == 0)) {
            *after = out->seq;
            return OK;
        }
        if (err == ERR_GONE || (err != OK && !r->c->has_faults))
            return err;
    }
    return ERR_NOTFOUND;
}

enum err contract_get(struct contract_run *r, struct journal *j, struct str key,
                      struct buf *bytes, uint64_t *revision)
{
    unsigned n = 0;
    enum err err;

    while (contract_again(
        r, &n, err = journal_value_get(j, key, r->c->wait_ms, bytes, revision)))
        ;
    return err;
}

// Whether the key now has this value: what was not known has happened.
static bool has_value(struct contract_run *r, struct journal *j, struct str key,
                      const struct str *bytes, uint64_t *revision)
{
    struct buf now;
    enum err err;
    bool is;

    buf_init(&now, 0);
    err = contract_get(r, j, key, &now, revision);
    is = bytes == NULL ? err == ERR_NOTFOUND
                       : err == OK && str_eq(buf_str(&now), *bytes);
    buf_clear(&now);
    return is;
}

enum err contract_put(struct contract_run *r, struct journal *j, struct str key,
                      const struct str *bytes, uint64_t expected,
                      uint64_t *revision)
{
    bool is_unknown = false;
    unsigned n = 0;
    enum err err;

    while (contract_again(r, &n,
                          err = journal_value_put(j, key, bytes, expected,
                                                  r->c->wait_ms, revision)))
        is_unknown |= err == ERR_AGAIN;
    if (err == ERR_CONFLICT && is_unknown &&
        has_value(r, j, key, bytes, revision))
        return OK;
    return err;
}

enum err contract_holder(struct contract_run *r, struct journal *j,
                         struct str name, struct buf *holder, uint64_t *term)
{
    unsigned n = 0;
    enum err err;

    buf_reset(holder);
    while (contract_again(
        r, &n, err = journal_lease_get(j, name, r->c->wait_ms, holder, term)))
        ;
    return err;
}

enum err contract_take(struct contract_run *r, struct journal *j,
                       struct str name, struct str holder, uint64_t *term)
{
    bool is_unknown = false;
    unsigned n = 0;
    struct buf now;
    enum err err;

    while (contract_again(
        r, &n, err = journal_lease_take(j, name, holder, r->c->wait_ms, term)))
        is_unknown |= err == ERR_AGAIN;
    if (err != ERR_EXISTS || !is_unknown)
        return err;
    buf_init(&now, 0);
    if (contract_holder(r, j, name, &now, term) == OK &&
        str_eq(buf_str(&now), holder))
        err = OK;
    buf_clear(&now);
    return err;
}

enum err contract_keep(struct contract_run *r, struct journal *j,
                       struct str name, struct str holder, uint64_t *term)
{
    unsigned n = 0;
    enum err err;

    while (contract_again(
        r, &n, err = journal_lease_keep(j, name, holder, r->c->wait_ms, term)))
        ;
    return err;
}

enum err contract_give(struct contract_run *r, struct journal *j,
                       struct str name, uint64_t term)
{
    bool is_unknown = false;
    unsigned n = 0;
    enum err err;

    while (contract_again(
        r, &n, err = journal_lease_give(j, name, term, r->c->wait_ms)))
        is_unknown |= err == ERR_AGAIN;
    return err == ERR_CONFLICT && is_unknown ? OK : err;
}
