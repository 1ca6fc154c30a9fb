// SPDX-License-Identifier: MIT
// nats_chains.c — chains: entries are added behind the last one, asked for, and removed.

#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "queue/journal_nats/nats_private.h"

static void entry_id_put(const uint8_t id[JOURNAL_ENTRY_ID], char out[ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < JOURNAL_ENTRY_ID; i++) {
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
    *out = '\0';
}

void entry_id_read(const char *hex, uint8_t out[JOURNAL_ENTRY_ID])
{
    memset(out, 0, JOURNAL_ENTRY_ID);
    for (size_t i = 0; i < JOURNAL_ENTRY_ID && hex[0] != '\0' && hex[1] != '\0';
         i++, hex += 2) {
        out[i] =
            (uint8_t)(text_hex_value(hex[0]) << 4 | text_hex_value(hex[1]));
    }
}

// NOLINTNEXTLINE(readability-function-size): the seam names them all
enum err nats_append(struct journal *journal, unsigned chain, uint64_t after,
                     const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
                     int64_t wait_ms, uint64_t *seq)
{
    char subject[SUBJECT_BYTES];
    char hex[ID_BYTES];
    struct storing x = { .stream = stream_of_chain(chain),
                         .out = { .subject = subject,
                                  .body = bytes,
                                  .id = hex,
                                  .expected = after },
                         .end_us = end_in(wait_ms) };
    enum err err;

    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    if (bytes.n_bytes > JOURNAL_ENTRY_BYTES)
        return ERR_TOOBIG;
    subject_of_chain(chain, subject);
    entry_id_put(id, hex);
    err = store_after(nats_of(journal), &x);
    stored_free(&x.last);
    if (err == OK)
        *seq = x.seq;
    return err;
}

enum err nats_last(struct journal *journal, unsigned chain, int64_t wait_ms,
                   uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID])
{
    char subject[SUBJECT_BYTES];
    struct stored last;
    enum err err;

    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    subject_of_chain(chain, subject);
    err = stored_last(nats_of(journal), stream_of_chain(chain), subject,
                      end_in(wait_ms), &last);
    if (err != OK)
        return err;
    *seq = last.seq;
    entry_id_read(last.id, id);
    stored_free(&last);
    return OK;
}

// The last one stays: without it, the servers would take any entry as the first.
enum err nats_trim(struct journal *journal, unsigned chain, uint64_t before,
                   int64_t wait_ms)
{
    int64_t end_us = end_in(wait_ms);
    uint8_t id[JOURNAL_ENTRY_ID];
    char subject[SUBJECT_BYTES];
    uint64_t seq = 0;
    uint64_t n;
    enum err err = nats_last(journal, chain, wait_ms, &seq, id);

    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    if (before > seq)
        before = seq;
    if (before <= 1)
        return OK;
    subject_of_chain(chain, subject);
    return stored_purge(nats_of(journal), stream_of_chain(chain), subject,
                        before, end_us, &n);
}
