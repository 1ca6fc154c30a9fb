// SPDX-License-Identifier: MIT
// journal_contract_promises.c — each promise of journal.h by itself.

#include <stdlib.h>
#include <string.h>

#include "tests/support/journal_contract_private.h"

#define PART_BYTES 100

static void make_id(struct contract_run *r, uint8_t id[JOURNAL_ENTRY_ID])
{
    uint64_t halves[2] = { contract_random(&r->random),
                           contract_random(&r->random) };

    memcpy(id, halves, JOURNAL_ENTRY_ID);
}

// --- what is not accepted ---

static enum err serve_nothing(void *data, struct str body, struct buf *answer)
{
    (void)data;
    (void)body;
    (void)answer;
    return OK;
}

static void try_name(struct contract_run *r, struct str name)
{
    struct journal *j = r->handles[0];
    int64_t ms = r->c->wait_ms;
    struct str holder = STR("holder");
    struct buf got;
    uint64_t n = 1;

    buf_init(&got, 0);
    contract_expect(r, journal_value_get(j, name, ms, &got, &n), ERR_INVALID,
                    "get of an invalid key");
    contract_expect(r, journal_value_put(j, name, &holder, 0, ms, &n),
                    ERR_INVALID, "put of an invalid key");
    contract_expect(r, journal_lease_take(j, name, holder, ms, &n), ERR_INVALID,
                    "take of an invalid lease");
    contract_expect(r, journal_lease_keep(j, name, holder, ms, &n), ERR_INVALID,
                    "keep of an invalid lease");
    contract_expect(r, journal_lease_give(j, name, n, ms), ERR_INVALID,
                    "give of an invalid lease");
    contract_expect(r, journal_lease_get(j, name, ms, &got, &n), ERR_INVALID,
                    "get of an invalid lease");
    contract_expect(r, journal_lease_take(j, holder, name, ms, &n), ERR_INVALID,
                    "take by an invalid holder");
    contract_expect(r, journal_request(j, name, holder, ms, &got), ERR_INVALID,
                    "request to an invalid address");
    contract_expect(r, journal_serve(j, name, serve_nothing, NULL), ERR_INVALID,
                    "serve of an invalid address");
    buf_clear(&got);
}

static void check_names(struct contract_run *r)
{
    static const char *const invalid[] = {
        "",
        ".",
        ".a",
        "a.",
        "a..b",
        "a b",
        "a*",
        "a/b",
        "../a",
        "ä",
        "0123456789012345678901234567890123456789012345678901234567890123x",
    };
    struct journal *j = r->handles[0];
    unsigned none = JOURNAL_CHAINS_MAX;
    uint8_t id[JOURNAL_ENTRY_ID] = { 1 };
    struct journal_reader *reader;
    uint64_t n;
    char name[JOURNAL_NAME_BYTES + 1];

    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
        try_name(r, str_of(invalid[i]));
    contract_expect(r,
                    journal_append(j, none, 0, id, STR("x"), r->c->wait_ms, &n),
                    ERR_INVALID, "append to a chain that cannot be");
    contract_expect(r, journal_last(j, none, r->c->wait_ms, &n, id),
                    ERR_INVALID, "last of a chain that cannot be");
    contract_expect(r, journal_trim(j, none, 1, r->c->wait_ms), ERR_INVALID,
                    "trim of a chain that cannot be");
    contract_expect(r, journal_reader_open(j, none, 0, &reader), ERR_INVALID,
                    "reader of a chain that cannot be");
    contract_expect(r,
                    journal_value_put(j, contract_name(r, name, "none", 0),
                                      NULL, 0, r->c->wait_ms, &n),
                    ERR_INVALID, "deletion of what is not there");
}

static void check_judge(struct contract_run *r)
{
    unsigned n = 0;
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    while (contract_again(r, &n, err = journal_judge(r->handles[0], &faults)))
        ;
    contract_check(r, err == OK, "judge: %s: %s", err_str(err),
                   buf_cstr(&faults));
    buf_clear(&faults);
}

// --- chains ---

// Appends an entry of `n_bytes` behind *tip, which becomes its number.
static bool grow(struct contract_run *r, uint64_t *tip, size_t n_bytes)
{
    uint8_t id[JOURNAL_ENTRY_ID];
    struct buf bytes;
    uint64_t seq = 0;
    bool is_done;

    make_id(r, id);
    buf_init(&bytes, 0);
    contract_entry(&bytes, *tip, contract_random(&r->random), n_bytes);
    is_done = contract_expect(r,
                              contract_append(r, r->handles[0], r->c->chain,
                                              *tip, id, buf_str(&bytes), &seq),
                              OK, "append");
    buf_clear(&bytes);
    contract_check(r, !is_done || seq > *tip,
                   "append: number %llu follows %llu", (unsigned long long)seq,
                   (unsigned long long)*tip);
    *tip = seq;
    return is_done;
}

static void check_append(struct contract_run *r)
{
    struct journal *j = r->handles[0];
    struct journal *other = r->handles[1];
    unsigned chain = r->c->chain;
    uint8_t ids[3][JOURNAL_ENTRY_ID];
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t seqs[4] = { 0 };
    struct str bytes = STR("0123456789abcdef, an entry");

    for (size_t i = 0; i < 3; i++)
        make_id(r, ids[i]);
    contract_expect(r, contract_last(r, j, chain, &seqs[0], id), OK, "last");
    contract_expect(
        r, contract_append(r, j, chain, seqs[0], ids[0], bytes, &seqs[1]), OK,
        "append");
    contract_expect(r, contract_last(r, other, chain, &seqs[2], id), OK,
                    "last");
    contract_check(r,
                   seqs[1] > seqs[0] && seqs[2] == seqs[1] &&
                       memcmp(id, ids[0], sizeof(id)) == 0,
                   "last: is not what was appended");
    contract_expect(
        r, contract_append(r, j, chain, seqs[0], ids[0], bytes, &seqs[2]), OK,
        "append of the same entry again");
    contract_check(r, seqs[2] == seqs[1],
                   "append: the same entry has another number");
    contract_expect(
        r, contract_append(r, other, chain, seqs[0], ids[1], bytes, &seqs[3]),
        ERR_CONFLICT, "append behind one that is not the last");
    contract_expect(r,
                    contract_append(r, other, chain, seqs[1] + 1000, ids[1],
                                    bytes, &seqs[3]),
                    ERR_CONFLICT, "append behind one that is not there");
    contract_expect(
        r, contract_append(r, other, chain, 0, ids[1], bytes, &seqs[3]),
        ERR_CONFLICT, "append as the first of a chain that has one");
    contract_expect(
        r,
        contract_append(r, other, chain, seqs[1], ids[1], STR_EMPTY, &seqs[3]),
        OK, "append of an empty entry");
    contract_check(r, seqs[3] > seqs[1], "append: numbers do not grow");
}

// Opens a reader behind `after`, and expects `wanted` of its first call.
static void expect_read(struct contract_run *r, uint64_t after, uint64_t wanted,
                        size_t n_bytes, const char *what)
{
    struct journal_reader *reader;
    struct journal_entry e = { 0 };
    uint64_t at = after;
    enum err err =
        contract_open_reader(r, r->handles[1], r->c->chain, after, &reader);

    if (!contract_expect(r, err, OK, "reader"))
        return;
    err = contract_read(r, reader, &at, &e);
    if (wanted == 0) {
        contract_expect(r, err, ERR_GONE, what);
    } else if (contract_expect(r, err, OK, what)) {
        contract_check(r, e.seq == wanted && e.bytes.n_bytes == n_bytes,
                       "%s: "
                       "number %llu of %zu bytes instead of %llu of %zu",
                       what, (unsigned long long)e.seq, e.bytes.n_bytes,
                       (unsigned long long)wanted, n_bytes);
    }
    journal_reader_close(reader);
}

static void check_sizes(struct contract_run *r)
{
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t tip = 0;
    uint64_t first;
    uint64_t seq;
    struct buf bytes;

    contract_expect(r, contract_last(r, r->handles[0], r->c->chain, &tip, id),
                    OK, "last");
    buf_init(&bytes, 0);
    contract_entry(&bytes, tip, 1, JOURNAL_ENTRY_BYTES + 1);
    make_id(r, id);
    contract_expect(r,
                    journal_append(r->handles[0], r->c->chain, tip, id,
                                   buf_str(&bytes), r->c->wait_ms, &seq),
                    ERR_TOOBIG, "append of a byte too much");
    buf_clear(&bytes);
    first = tip;
    if (grow(r, &tip, JOURNAL_ENTRY_BYTES)) {
        expect_read(r, first, tip, JOURNAL_ENTRY_BYTES,
                    "read of the largest entry");
    }
}

static void trim(struct contract_run *r, uint64_t before)
{
    unsigned n = 0;
    enum err err;

    while (contract_again(
        r, &n,
        err = journal_trim(r->handles[0], r->c->chain, before, r->c->wait_ms)))
        ;
    contract_expect(r, err, OK, "trim");
}

static void check_trim(struct contract_run *r)
{
    struct journal *j = r->handles[1];
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t seqs[6] = { 0 };
    uint64_t last = 0;

    contract_expect(r, contract_last(r, j, r->c->chain, &seqs[0], id), OK,
                    "last");
    for (size_t i = 1; i < 6; i++) {
        seqs[i] = seqs[i - 1];
        if (!grow(r, &seqs[i], PART_BYTES + i))
            return;
    }
    expect_read(r, seqs[1], seqs[2], PART_BYTES + 2, "read behind an entry");
    trim(r, seqs[3]);
    expect_read(r, 0, seqs[3], PART_BYTES + 3, "read from the first one");
    expect_read(r, seqs[1], 0, 0, "read behind what was trimmed");
    expect_read(r, seqs[3], seqs[4], PART_BYTES + 4, "read behind the first");
    trim(r, seqs[2]); // removes nothing
    expect_read(r, 0, seqs[3], PART_BYTES + 3, "read after a trim of nothing");
    trim(r, UINT64_MAX);
    contract_expect(r, contract_last(r, j, r->c->chain, &last, id), OK, "last");
    contract_check(r, last == seqs[5], "trim: the last one is another one");
    expect_read(r, 0, seqs[5], PART_BYTES + 5, "read of the last one");
    if (grow(r, &last, PART_BYTES))
        expect_read(r, seqs[5], last, PART_BYTES, "read behind the last one");
}

static void check_reader_waits(struct contract_run *r)
{
    struct journal_reader *reader;
    struct journal_entry e;
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t tip = 0;
    uint64_t at;

    contract_expect(r, contract_last(r, r->handles[0], r->c->chain, &tip, id),
                    OK, "last");
    at = tip;
    if (!contract_expect(
            r,
            contract_open_reader(r, r->handles[1], r->c->chain, tip, &reader),
            OK, "reader"))
        return;
    if (!r->c->has_faults) {
        contract_expect(r, journal_reader_next(reader, r->c->look_ms, &e),
                        ERR_NOTFOUND, "read behind the end");
    }
    for (size_t i = 0; i < 3 && grow(r, &tip, PART_BYTES); i++) {
        if (contract_expect(r, contract_read(r, reader, &at, &e), OK,
                            "read on"))
            contract_check(r, at == tip, "read on: it is another entry");
    }
    journal_reader_close(reader);
}

bool journal_contract_promises(const struct journal_contract_case *c,
                               struct buf *faults)
{
    struct contract_run r;

    if (contract_begin(&r, c, "promises", 2, faults)) {
        check_judge(&r);
        check_names(&r);
        check_append(&r);
        check_trim(&r);
        check_reader_waits(&r);
        check_sizes(&r);
        contract_small_promises(&r);
    }
    return contract_end(&r);
}
