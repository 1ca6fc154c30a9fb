// SPDX-License-Identifier: MIT
// chain_entry.c — entries of a chain to bytes and back.

#include "queue/chain/chain_entry.h"

#include "common/base/codec.h"
#include "common/files/keyring.h"

#define ENTRY_VERSION 1

static uint32_t place_of(unsigned chain)
{
    return record_place(chain, STR("chain"));
}

void chain_codec_init(struct chain_codec *c, unsigned chain,
                      struct keyring *keys)
{
    *c = (struct chain_codec){ .chain = chain, .keys = keys };
    buf_init(&c->sealed, 0);
    buf_init(&c->context, 0);
}

void chain_codec_clear(struct chain_codec *c)
{
    buf_clear(&c->sealed);
    buf_clear(&c->context);
}

static void put_head(const struct chain_entry *e, struct buf *out)
{
    pack_u64(out, e->kind);
    pack_u64(out, e->term);
    pack_u64(out, e->before);
    pack_bool(out, e->is_first);
    pack_bool(out, e->is_last);
}

// What the sealed changes belong to: this chain, and all that the entry says of itself.
static struct str context_of(struct chain_codec *c, const struct chain_entry *e)
{
    buf_reset(&c->context);
    buf_puts(&c->context, "chain");
    pack_u64(&c->context, c->chain);
    put_head(e, &c->context);
    return buf_str(&c->context);
}

static struct str seal(struct chain_codec *c, const struct chain_entry *e)
{
    if (c->keys == NULL)
        return e->changes;
    buf_reset(&c->sealed);
    keyring_seal_often(c->keys, context_of(c, e), e->changes, &c->sealed);
    return buf_str(&c->sealed);
}

static enum err unseal(struct chain_codec *c, struct chain_entry *e)
{
    if (c->keys == NULL)
        return OK;
    buf_reset(&c->sealed);
    if (keyring_open(c->keys, context_of(c, e), e->changes, &c->sealed) != OK)
        return ERR_CORRUPT;
    e->changes = buf_str(&c->sealed);
    return OK;
}

void chain_entry_encode(struct chain_codec *c, const struct chain_entry *e,
                        struct buf *out)
{
    size_t start = record_begin(out, ENTRY_VERSION);

    put_head(e, out);
    pack_str(out, seal(c, e));
    record_end(out, start);
    record_move(out->at + start, out->n_bytes - start, place_of(c->chain));
}

enum err chain_entry_decode(struct chain_codec *c, struct str bytes,
                            struct chain_entry *out)
{
    struct unpack u;
    uint8_t version;
    uint64_t kind;
    enum err err =
        record_open(place_of(c->chain), bytes, ENTRY_VERSION, &version, &u);

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
    err = unpack_done(&u);
    return err == OK ? unseal(c, out) : err;
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
