// SPDX-License-Identifier: MIT
// chain.c — a chain, read in its order, and appended to by its owner.
//
// Happy path: an entry is appended behind the last one that was seen, and counts once it
// is read again as the one that continues the chain.
//
// If it fails: what is not known is asked for, by the same call. Where another entry is
// the last one, the chain is read: if a later term has begun, the owner is denied; if it
// is a stray, the entry is appended behind that.

#include "queue/chain/chain.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/log/log.h"

#define TRY_MS  2000 // a call of the journal
#define READ_MS 2000 // until an entry that was acknowledged can be read

void chain_init(struct chain *c, struct journal *j, struct keyring *keys,
                unsigned number, struct chain_point at)
{
    *c = (struct chain){
        .journal = j, .number = number, .end = at, .seen = at.seq
    };
    chain_codec_init(&c->codec, number, keys);
    buf_init(&c->scratch, 0);
}

static void close_reader(struct chain *c)
{
    if (c->reader != NULL)
        journal_reader_close(c->reader);
    c->reader = NULL;
}

void chain_rewind(struct chain *c, struct chain_point at)
{
    close_reader(c);
    c->end = at;
    c->seen = at.seq;
    c->term = 0;
}

void chain_clear(struct chain *c)
{
    close_reader(c);
    chain_codec_clear(&c->codec);
    buf_clear(&c->scratch);
}

// --- reading ---

static enum err open_reader(struct chain *c)
{
    return c->reader != NULL ? OK
                             : journal_reader_open(c->journal, c->number,
                                                   c->seen, &c->reader);
}

// Reads one entry. `*order` tells whether it counts; only then `out` is set.
static enum err read_one(struct chain *c, int64_t wait_ms,
                         struct chain_entry *out, enum chain_order *order)
{
    struct journal_entry entry;
    enum err err = open_reader(c);

    if (err == OK)
        err = journal_reader_next(c->reader, wait_ms, &entry);
    if (err != OK)
        return err;
    *order = CHAIN_STRAY;
    if (entry.seq <= c->seen) {
        *order = CHAIN_REPEATED;
        return OK;
    }
    if (chain_entry_decode(&c->codec, entry.bytes, out) == OK)
        *order = chain_follow(&c->end, out, entry.seq);
    if (*order == CHAIN_MISSED)
        return ERR_GONE;
    c->seen = entry.seq;
    if (*order == CHAIN_STRAY) {
        c->n_strays++;
        log_warn("an entry of a chain is not part of it, and is passed over",
                 "chain=%u seq=%" PRIu64, c->number, entry.seq);
    }
    return OK;
}

enum err chain_next(struct chain *c, int64_t wait_ms, struct chain_entry *out)
{
    int64_t until_us = clock_mono_us() + wait_ms * 1000;

    assert(!chain_is_own(c));
    for (;;) {
        int64_t left_ms = (until_us - clock_mono_us()) / 1000;
        enum chain_order order = CHAIN_STRAY;
        enum err err = read_one(c, left_ms > 0 ? left_ms : 0, out, &order);

        if (err != OK || order == CHAIN_CONTINUES)
            return err;
    }
}

// --- appending ---

// Reads up to the entry with this number, or farther.
static enum err read_to(struct chain *c, uint64_t seq)
{
    int64_t until_us = clock_mono_us() + READ_MS * INT64_C(1000);

    while (c->seen < seq) {
        struct chain_entry e;
        enum chain_order order = CHAIN_STRAY;
        int64_t left_ms = (until_us - clock_mono_us()) / 1000;
        enum err err =
            left_ms > 0 ? read_one(c, left_ms, &e, &order) : ERR_AGAIN;

        if (err != OK)
            return err == ERR_NOTFOUND ? ERR_AGAIN : err;
    }
    return OK;
}

// Reads what there is, after another entry was found to be the last one.
static enum err read_all(struct chain *c)
{
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t last;
    enum err err = journal_last(c->journal, c->number, TRY_MS, &last, id);

    return err == OK ? read_to(c, last) : err;
}

// One call of the journal, and the reading that tells what it came to. OK: the chain is
// read to the entry that was the last one then.
static enum err append_once(struct chain *c, const struct chain_entry *e,
                            const uint8_t id[JOURNAL_ENTRY_ID], int64_t wait_ms)
{
    uint64_t seq = 0;
    enum err err;

    buf_reset(&c->scratch);
    chain_entry_encode(&c->codec, e, &c->scratch);
    err = journal_append(c->journal, c->number, c->seen, id,
                         buf_str(&c->scratch), wait_ms, &seq);
    if (err == OK)
        return read_to(c, seq);
    return err == ERR_CONFLICT ? read_all(c) : err;
}

// Whether the entry is in the chain: all others of this term had been read before.
static bool is_appended(const struct chain *c, uint64_t before)
{
    return c->end.term == c->term && c->end.seq != before;
}

static enum err append_entry(struct chain *c, struct chain_entry *e,
                             chain_go_on_fn may_go_on, void *data)
{
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t before = c->end.seq;
    bool is_open = false; // a call ended, and what it did is not known

    e->before = before;
    for (;;) {
        uint64_t seen = c->seen;
        enum err err = ERR_AGAIN;

        crypto_random(id, sizeof(id));
        // As long as nothing else was read, it is the same call of the same entry.
        while (err == ERR_AGAIN && c->seen == seen) {
            err = append_once(c, e, id, TRY_MS);
            is_open = is_open || err == ERR_AGAIN;
            if (err == ERR_AGAIN && !may_go_on(data))
                return err;
        }
        // It was stored, and reading it failed on the way: read on.
        while (err == ERR_AGAIN && !is_appended(c, before)) {
            err = read_all(c);
            if (err == ERR_AGAIN && !may_go_on(data))
                return err;
        }
        if (is_appended(c, before))
            return OK;
        if (err == ERR_GONE || c->end.term != c->term)
            return ERR_DENIED;
        // Refused now, it may still be what an earlier call stored.
        if (err != OK && err != ERR_NOTFOUND)
            return is_open ? ERR_AGAIN : err;
    }
}

enum err chain_append(struct chain *c, struct str changes,
                      chain_go_on_fn may_go_on, void *data)
{
    size_t done = 0;
    enum err err = OK;

    assert(chain_is_own(c));
    do {
        size_t n = changes.n_bytes - done;
        struct chain_entry e = { .kind = CHAIN_CHANGES,
                                 .term = c->term,
                                 .is_first = done == 0 };

        if (n > CHAIN_BODY_BYTES)
            n = CHAIN_BODY_BYTES;
        e.changes = (struct str){ changes.at + done, n };
        done += n;
        e.is_last = done == changes.n_bytes;
        err = append_entry(c, &e, may_go_on, data);
    } while (err == OK && done < changes.n_bytes);
    return err;
}

enum err chain_take(struct chain *c, uint64_t term, int64_t wait_ms)
{
    struct chain_entry e = { .kind = CHAIN_TAKE,
                             .term = term,
                             .before = c->end.seq };
    struct chain_point end = c->end;
    uint64_t seen = c->seen;
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t seq = 0;
    enum err err;

    assert(!chain_is_own(c));
    if (term <= c->end.term)
        return ERR_DENIED;
    crypto_random(id, sizeof(id));
    buf_reset(&c->scratch);
    chain_entry_encode(&c->codec, &e, &c->scratch);
    err = journal_append(c->journal, c->number, c->seen, id,
                         buf_str(&c->scratch), wait_ms, &seq);
    if (err == OK)
        err = read_to(c, seq);
    if (err == OK && c->end.term == term) {
        c->term = term;
        return OK;
    }
    // Whatever was read on the way, chain_next() has to hand over.
    close_reader(c);
    c->end = end;
    c->seen = seen;
    return err == OK ? ERR_CONFLICT : err;
}
