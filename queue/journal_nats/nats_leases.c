// SPDX-License-Identifier: MIT
// nats_leases.c — leases: messages of a stream that forgets each after its time. A term is
// the message's sequence, so whoever keeps a lease adds a message behind that one.

#include <stdio.h>

#include "common/base/random.h"
#include "queue/journal_nats/nats_private.h"

static void put_subject(struct str name, char out[SUBJECT_BYTES])
{
    snprintf(out, SUBJECT_BYTES, "posthorn.l.%.*s", STR_ARG(name));
}

enum err nats_lease_take(struct journal *journal, struct str name,
                         struct str holder, int64_t wait_ms, uint64_t *term)
{
    char subject[SUBJECT_BYTES];
    char id[ID_BYTES];
    struct storing x = {
        .stream = STREAM_LEASES,
        .out = { .subject = subject, .body = holder, .id = id },
        .end_us = end_in(wait_ms)
    };
    uint64_t random;
    enum err err;

    if (!journal_name_is_valid(name) || !journal_name_is_valid(holder))
        return ERR_INVALID;
    put_subject(name, subject);
    crypto_random(&random, sizeof(random));
    snprintf(id, sizeof(id), "t.%.*s.%llx", STR_ARG(holder),
             (unsigned long long)random);
    err = store_after(nats_of(journal), &x);
    stored_free(&x.last);
    if (err == OK)
        *term = x.seq;
    if (err == ERR_CONFLICT)
        return ERR_EXISTS;
    return err == ERR_FULL ? ERR_AGAIN : err;
}

// The id of the message follows from the term that it renews, so the next call with that
// term finds what this one has stored without knowing.
static enum err renew(struct nats_journal *j, const char *subject,
                      struct str holder, int64_t end_us, uint64_t *term,
                      bool *was_there)
{
    char id[ID_BYTES];
    struct storing x = { .stream = STREAM_LEASES,
                         .out = { .subject = subject,
                                  .body = holder,
                                  .id = id,
                                  .expected = *term },
                         .end_us = end_us };
    enum err err;

    snprintf(id, sizeof(id), "k.%.*s.%llu", STR_ARG(holder),
             (unsigned long long)*term);
    err = store_after(j, &x);
    stored_free(&x.last);
    *was_there = x.was_there;
    if (err == OK)
        *term = x.seq;
    return err == ERR_FULL ? ERR_AGAIN : err;
}

// The servers compare the term alone. ERR_CONFLICT: it is another's.
static enum err check_holder(struct nats_journal *j, const char *subject,
                             struct str holder, int64_t end_us, uint64_t term)
{
    struct stored last;
    enum err err = stored_last(j, STREAM_LEASES, subject, end_us, &last);

    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    if (last.seq == term && !str_eq(buf_str(&last.bytes), holder))
        err = ERR_CONFLICT;
    stored_free(&last);
    return err;
}

enum err nats_lease_keep(struct journal *journal, struct str name,
                         struct str holder, int64_t wait_ms, uint64_t *term)
{
    int64_t end_us = end_in(wait_ms);
    char subject[SUBJECT_BYTES];
    bool was_there;
    enum err err;

    if (!journal_name_is_valid(name) || !journal_name_is_valid(holder))
        return ERR_INVALID;
    if (*term == 0) // the first message would be expected
        return ERR_CONFLICT;
    put_subject(name, subject);
    err = check_holder(nats_of(journal), subject, holder, end_us, *term);
    if (err != OK)
        return err;
    // Stored by an earlier call, it may be older than this call: once more.
    do {
        err =
            renew(nats_of(journal), subject, holder, end_us, term, &was_there);
    } while (err == OK && was_there);
    return err;
}

// Messages up to the term go, so it ends nobody else's.
enum err nats_lease_give(struct journal *journal, struct str name,
                         uint64_t term, int64_t wait_ms)
{
    char subject[SUBJECT_BYTES];
    uint64_t n = 0;
    enum err err;

    if (!journal_name_is_valid(name))
        return ERR_INVALID;
    if (term == UINT64_MAX) // of nobody, and no number is above it
        return ERR_CONFLICT;
    put_subject(name, subject);
    err = stored_purge(nats_of(journal), STREAM_LEASES, subject, term + 1,
                       end_in(wait_ms), &n);
    return err == OK && n == 0 ? ERR_CONFLICT : err;
}

enum err nats_lease_get(struct journal *journal, struct str name,
                        int64_t wait_ms, struct buf *holder, uint64_t *term)
{
    char subject[SUBJECT_BYTES];
    struct stored last;
    enum err err;

    if (!journal_name_is_valid(name))
        return ERR_INVALID;
    put_subject(name, subject);
    err = stored_last(nats_of(journal), STREAM_LEASES, subject, end_in(wait_ms),
                      &last);
    if (err != OK)
        return err;
    *term = last.seq;
    buf_put_str(holder, buf_str(&last.bytes));
    stored_free(&last);
    return OK;
}
