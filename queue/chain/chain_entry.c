// SPDX-License-Identifier: MIT
// chain_entry.c — entries of a chain to bytes and back.

#include "queue/chain/chain_entry.h"

#include "common/base/codec.h"

#define ENTRY_VERSION 1

static uint32_t place_of(unsigned chain)
{
    return record_place(chain, STR("chain"));
}

void chain_entry_encode(unsigned chain, const struct chain_entry *e,
                        struct buf *out)
{
    size_t start = record_begin(out, ENTRY_VERSION);

    pack_u64(out, e->kind);
    pack_u64(out, e->term);
    pack_u64(out, e->before);
    pack_bool(out, e->is_first);
    pack_bool(out, e->is_last);
    pack_str(out, e->changes);
    record_end(out, start);
    record_move(out->at + start, out->n_bytes - start, place_of(chain));
}

enum err chain_entry_decode(unsigned chain, struct str bytes,
                            struct chain_entry *out)
{
    struct unpack u;
    uint8_t version;
    uint64_t kind;
    enum err err =
        record_open(place_of(chain), bytes, ENTRY_VERSION, &version, &u);

    if (err != OK)
        return err;
    kind = unpack_u64(&u);
    if (kind < CHAIN_TAKE || kind >= CHAIN_KINDS)
        return ERR_CORRUPT;
    *out = (struct chain_entry){ .kind = (enum chain_kind)kind };
    out->term = unpack_u64(&u);
    out->before = unpack_u64(&u);
    out->is_first = unpack_bool(&u);
    out->is_last = unpack_bool(&u);
    out->changes = unpack_str(&u);
    return unpack_done(&u);
}

// Within a term its owner appends; a later one begins with CHAIN_TAKE.
static bool is_term_right(const struct chain_point *end,
                          const struct chain_entry *e)
{
    return e->kind == CHAIN_TAKE ? e->term > end->term : e->term == end->term;
}

enum chain_order chain_follow(struct chain_point *end,
                              const struct chain_entry *e, uint64_t seq)
{
    if (seq <= end->seq)
        return CHAIN_REPEATED;
    // Its writer had read the entry that it names.
    if (e->before > end->seq)
        return CHAIN_MISSED;
    if (e->before != end->seq || !is_term_right(end, e))
        return CHAIN_STRAY;
    end->seq = seq;
    end->term = e->term;
    return CHAIN_CONTINUES;
}
