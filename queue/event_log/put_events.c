// SPDX-License-Identifier: MIT
// put_events.c — puts events into the log, within a transaction of the worker.

#include "queue/event_log/put_events.h"

#include "common/encoding/crypto.h"
#include "common/files/payload_keys.h"
#include "queue/catalog/stack_names.h"
#include "queue/event_log/inside.h"
#include "queue/event_rows/idempotency.h"
#include "queue/records/sealed.h"

// Records the stack and the environment that the event names, or its organization.
// Akinon's events have none.
static enum err note_stack(struct event_log *log, MDB_txn *txn,
                           const struct event *e)
{
    const struct stack_name stack = { e->org, e->project, e->stack, STR_EMPTY };
    const struct stack_name env = { e->org, e->project, STR_EMPTY, e->env };
    const struct share_limit limit = stacks_limit(&log->config);
    enum err err = OK;

    if (e->dialect != DIALECT_PULUMI)
        return OK;
    if (e->stack.n_bytes > 0 || e->env.n_bytes == 0) {
        err = stacks_note(log->store, txn, EVENTS_STACKS, &stack, &limit,
                          &log->seen);
    }
    if (err == OK && e->env.n_bytes > 0) {
        err = stacks_note(log->store, txn, EVENTS_STACKS, &env, &limit,
                          &log->seen);
    }
    return err;
}

// Random bits for an id, without a system call for each.
static uint32_t take_noise(struct event_log *log)
{
    if (log->n_noise == 0) {
        crypto_random(log->noise, sizeof(log->noise));
        log->n_noise = NOISE_WORDS;
    }
    return log->noise[--log->n_noise];
}

// Into `log->record`. The caller's event stays open. ERR_FULL: it cannot be sealed after
// all, since its key was lost this very moment.
static enum err encode(struct event_log *log, const struct event *e,
                       const uint8_t *key)
{
    struct event copy = *e;

    if (log->config.seal_payloads &&
        event_seal(log->config.payload_keys, &copy, &log->sealed) != OK)
        return ERR_FULL;
    buf_reset(&log->record);
    event_encode(&copy, key, &log->record);
    return OK;
}

static enum err put_event(struct event_log *log, MDB_txn *txn,
                          struct new_event *ne, int64_t now_us, bool is_last)
{
    struct event *e = &ne->event;
    MDB_val key;
    enum err err;

    e->position = position_of(log->next);
    if (!ne->has_id)
        e->id = id_v7(e->accepted_at_us / 1000, log->next, take_noise(log));
    ne->was_stored = true;
    err = encode(log, e, ne->has_key ? ne->key : NULL);
    if (err != OK)
        return err;
    key = val_at(e->position.bytes, sizeof(e->position.bytes));
    err = store_err(log->store,
                    store_put(log->store, txn, EVENTS_EVENTS, key,
                              buf_str(&log->record), is_last ? MDB_APPEND : 0),
                    "append event");
    if (err == OK && ne->has_key)
        err = event_key_put(&log->hasher, log->store, txn, ne, now_us);
    if (err == OK)
        err = note_stack(log, txn, e);
    log->next++;
    return err;
}

enum err events_put(struct event_log *log, MDB_txn *txn, struct append *a,
                    bool is_last)
{
    enum err err = event_keys_check(&log->hasher, log->store, txn, a);

    // All events of a request are of one organization.
    if (err == OK && log->config.seal_payloads && a->n_events > 0 &&
        payload_keys_prepare(log->config.payload_keys,
                             a->events[0].event.org) != OK)
        return ERR_AGAIN;

    for (size_t i = 0; i < a->n_events && err == OK; i++) {
        struct new_event *ne = &a->events[i];
        const struct new_event *first = event_keys_repeats(a, i);

        if (first != NULL) { // a repetition of an earlier event in this request
            ne->event.id = first->event.id;
            ne->event.position = first->event.position;
            ne->was_stored = false;
        } else if (ne->was_stored) {
            err = put_event(log, txn, ne, event_key_now_us(a, ne), is_last);
        }
    }
    return err;
}
