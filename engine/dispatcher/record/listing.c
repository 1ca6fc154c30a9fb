// SPDX-License-Identifier: MIT
// listing.c — which events were matched, and by how many hooks.
//
// Happy path: events are noted as they are matched, those of an organization in one block
// of positions together; the commit that moves the cursor past them adds a row for each
// organization and block. So an organization that gets many events costs a row a commit,
// not a row an event.
//
// Events of an organization that is erased are in the log until the dispatchers have
// removed what they have of it. They are not noted: a row would be left behind.

#include "engine/dispatcher/record/listing.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "queue/queue.h"

#define BUCKETS 256 // a power of two
// Rows in memory; then they are put into the open batch, which has a limit.
#define ROWS_MAX 256

struct open_row {
    struct listed_row row;
    char org[NAME_MAX_BYTES];
    struct open_row *next; // of its bucket
};

struct listing {
    struct open_row *rows; // ROWS_MAX; the first `n` are in use
    size_t n;
    struct open_row *buckets[BUCKETS];
    struct open_row *last; // the row of the last event; NULL: none
    struct erasure erased; // events of its organization are not noted
    bool has_erased;
};

static bool is_row_of(const struct open_row *r, const struct event *event,
                      uint64_t block)
{
    return r->row.block == block && r->row.dialect == event->dialect &&
           str_eq(r->row.org, event->org);
}

static struct open_row *row_of(struct dispatcher *d, const struct event *event,
                               uint64_t block)
{
    struct listing *l = d->listing;
    struct open_row **bucket =
        &l->buckets[hash_here(event->org, block) & (BUCKETS - 1)];
    struct open_row *r = l->last;

    if (r != NULL && is_row_of(r, event, block))
        return r;
    for (r = *bucket; r != NULL; r = r->next) {
        if (is_row_of(r, event, block))
            return r;
    }
    if (l->n == ROWS_MAX)
        listing_flush(d);
    r = &l->rows[l->n++];
    memcpy(r->org, event->org.at, event->org.n_bytes);
    r->row.dialect = event->dialect;
    r->row.org = (struct str){ r->org, event->org.n_bytes };
    r->row.block = block;
    r->row.n = 0;
    r->next = *bucket;
    *bucket = r;
    return r;
}

static bool is_erased(const struct listing *l, const struct event *event)
{
    return l->has_erased && str_eq(erasure_org(&l->erased), event->org);
}

void listing_note(struct dispatcher *d, const struct event *event,
                  uint64_t n_matched)
{
    uint64_t number = get_be64(event->position.bytes);
    struct open_row *r;

    if (event->org.n_bytes == 0 || event->org.n_bytes > NAME_MAX_BYTES ||
        is_erased(d->listing, event))
        return;
    if (n_matched == 0 && listed_home(event->dialect, event->org,
                                      d->n_shards) != role_index(d->role))
        return;
    r = row_of(d, event, number / LISTED_BLOCK);
    d->listing->last = r;
    r->row.events[r->row.n++] = (struct listed_event){
        .number = number,
        .n_matched = n_matched < UINT32_MAX ? (uint32_t)n_matched : UINT32_MAX,
        .kind = listed_kind(event->kind),
    };
    r->row.newest_us = event->accepted_at_us;
}

void listing_flush(struct dispatcher *d)
{
    struct listing *l = d->listing;

    for (size_t i = 0; i < l->n; i++)
        batch_listed_put(d->open_batch, &l->rows[i].row);
    if (l->n > 0)
        memset(l->buckets, 0, sizeof(l->buckets));
    l->n = 0;
    l->last = NULL;
}

void listing_on_second(struct dispatcher *d)
{
    struct erasure e;
    enum err err = erasure_first(d->hooks, &e);

    if (err == OK) {
        d->listing->erased = e;
    } else if (err != ERR_NOTFOUND) {
        log_warn("what is erased cannot be told", "reason=%s",
                 log_quote(str_of(err_str(err))));
        return; // as it was
    }
    d->listing->has_erased =
        err == OK && (e.step == ERASE_DELIVERIES || e.step == ERASE_EVENTS);
}

void listing_init(struct dispatcher *d)
{
    d->listing = xcalloc(1, sizeof(*d->listing));
    d->listing->rows = xcalloc(ROWS_MAX, sizeof(*d->listing->rows));
    listing_on_second(d);
}
