// SPDX-License-Identifier: MIT
// journal_mean.c — the world, its faults, its chains and their readers.

#include "tests/support/journal_mean.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/support/journal_mean_private.h"

const struct mean_faults mean_no_faults = { 0 };
const struct mean_faults mean_all_faults = {
    .lose_answer = 60,
    .lose_request = 60,
    .late = 60,
    .full = 20,
    .delay = 0,
    .lag = 100,
    .repeat = 100,
    .partial = 300,
    .off_chain = 300,
    .gone_soon = 300,
    .drift = 500,
};

struct mean_reader {
    struct journal_reader base;
    struct mean_handle *handle;
    unsigned chain;
    uint64_t after;    // the number of the last one read, or where it began
    size_t at;         // place of the next one
    size_t begin;      // place of the first one that was read
    bool has_begun;    // something was read
    bool is_exchanged; // the next one was given, the one before it is due
    struct buf bytes;  // of the last one
};

// --- the world ---

// splitmix64
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t mean_random(struct mean_world *w, uint64_t below)
{
    return next_random(&w->random) % below;
}

bool mean_happens(struct mean_world *w, unsigned thousandths)
{
    return thousandths > 0 && mean_random(w, 1000) < thousandths;
}

uint64_t mean_next_seq(struct mean_world *w)
{
    w->seq += 1 + mean_random(w, 3);
    return w->seq;
}

struct mean_world *mean_world_new(uint64_t seed, const struct mean_faults *f)
{
    struct mean_world *w = xcalloc(1, sizeof(*w));
    pthread_condattr_t attr;

    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    w->random = seed;
    w->faults = *f;
    return w;
}

void mean_world_free(struct mean_world *w)
{
    if (w->n_handles != 0)
        abort(); // its handles would point to nothing
    for (size_t c = 0; c < JOURNAL_CHAINS_MAX; c++) {
        for (size_t i = 0; i < w->chains[c].n; i++)
            free(w->chains[c].entries[i].bytes);
        free(w->chains[c].entries);
    }
    for (size_t i = 0; i < w->n_late; i++)
        free(w->late[i].bytes);
    for (size_t i = 0; i < w->n_values; i++)
        free(w->values[i].bytes);
    free(w->late);
    free(w->values);
    free(w->leases);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void mean_set_faults(struct mean_world *w, const struct mean_faults *f)
{
    pthread_mutex_lock(&w->lock);
    w->faults = *f;
    pthread_mutex_unlock(&w->lock);
}

void mean_advance_ms(struct mean_world *w, int64_t ms)
{
    pthread_mutex_lock(&w->lock);
    w->now_ms += ms;
    pthread_mutex_unlock(&w->lock);
}

void mean_cut(struct journal *j, bool is_cut)
{
    struct mean_handle *h = mean_handle_of(j);

    pthread_mutex_lock(&h->world->lock);
    h->is_cut = is_cut;
    pthread_mutex_unlock(&h->world->lock);
}

struct timespec mean_until(int64_t wait_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += wait_ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool mean_wait(struct mean_world *w, const struct timespec *until)
{
    return pthread_cond_timedwait(&w->changed, &w->lock, until) == 0;
}

// --- entries ---

static struct mean_entry *add_entry(struct mean_chain *c, uint64_t seq,
                                    const uint8_t id[JOURNAL_ENTRY_ID],
                                    struct str bytes)
{
    struct mean_entry *e;

    if (c->n == c->n_max) {
        c->n_max = c->n_max * 2 + 16;
        c->entries = xrealloc(c->entries, c->n_max * sizeof(*c->entries));
    }
    e = &c->entries[c->n++];
    *e = (struct mean_entry){ .seq = seq, .n_bytes = bytes.n_bytes };
    memcpy(e->id, id, JOURNAL_ENTRY_ID);
    e->bytes = xmalloc(bytes.n_bytes + 1);
    if (bytes.n_bytes > 0)
        memcpy(e->bytes, bytes.at, bytes.n_bytes);
    return e;
}

static void store(struct mean_world *w, struct mean_chain *c,
                  const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes)
{
    uint64_t seq = mean_next_seq(w);

    add_entry(c, seq, id, bytes);
    c->before_last = c->last_seq;
    c->last_seq = seq;
    c->last = c->n - 1;
    pthread_cond_broadcast(&w->changed);
}

void mean_push_late(struct mean_world *w, const struct mean_late *l,
                    const struct str *bytes)
{
    struct mean_late *to;

    if (w->n_late == w->n_late_max) {
        w->n_late_max = w->n_late_max * 2 + 16;
        w->late = xrealloc(w->late, w->n_late_max * sizeof(*w->late));
    }
    to = &w->late[w->n_late++];
    *to = *l;
    to->bytes = NULL;
    if (bytes != NULL) {
        to->bytes = xmalloc(bytes->n_bytes + 1);
        to->n_bytes = bytes->n_bytes;
        if (bytes->n_bytes > 0)
            memcpy(to->bytes, bytes->at, bytes->n_bytes);
    }
}

static void drop_late(struct mean_world *w, size_t i)
{
    free(w->late[i].bytes);
    w->late[i] = w->late[--w->n_late];
}

static void arrive(struct mean_world *w, const struct mean_late *l)
{
    struct mean_chain *c = &w->chains[l->chain];

    if (l->is_value) {
        mean_put_late(w, l);
    } else if (c->last_seq == l->after) {
        store(w, c, l->id, (struct str){ l->bytes, l->n_bytes });
    }
}

// The world answers the same entry again: what was on its way is not, any more.
static void forget_late(struct mean_world *w,
                        const uint8_t id[JOURNAL_ENTRY_ID])
{
    for (size_t i = 0; i < w->n_late; i++) {
        if (!w->late[i].is_value &&
            memcmp(w->late[i].id, id, JOURNAL_ENTRY_ID) == 0)
            drop_late(w, i--);
    }
}

enum err mean_begin(struct mean_handle *h)
{
    struct mean_world *w = h->world;

    pthread_mutex_lock(&w->lock);
    if (mean_happens(w, w->faults.delay) && w->faults.delay_max_us > 0) {
        useconds_t us = (useconds_t)mean_random(w, w->faults.delay_max_us);

        pthread_mutex_unlock(&w->lock);
        usleep(us);
        pthread_mutex_lock(&w->lock);
    }
    for (size_t i = 0; i < w->n_late; i++) {
        if (mean_random(w, 4) == 0) {
            arrive(w, &w->late[i]);
            drop_late(w, i--);
        }
    }
    return h->is_cut ? ERR_AGAIN : OK;
}

enum err mean_end(struct mean_handle *h, enum err err)
{
    pthread_mutex_unlock(&h->world->lock);
    return err;
}

static enum err append_last(struct mean_world *w, unsigned chain,
                            uint64_t after, const uint8_t *id, struct str bytes)
{
    struct mean_chain *c = &w->chains[chain];
    bool is_bad = c->last_seq != 0 && after == c->before_last &&
                  mean_happens(w, w->faults.bad_winner);

    if (c->last_seq != after && !is_bad) {
        if (mean_happens(w, w->faults.off_chain)) {
            add_entry(c, mean_next_seq(w), id, bytes)->is_off_chain = true;
            pthread_cond_broadcast(&w->changed);
        }
        return ERR_CONFLICT;
    }
    if (mean_happens(w, w->faults.full))
        return ERR_FULL;
    if (mean_happens(w, w->faults.lose_request))
        return ERR_AGAIN;
    if (mean_happens(w, w->faults.late)) {
        struct mean_late l = { .chain = chain, .after = after };

        memcpy(l.id, id, JOURNAL_ENTRY_ID);
        mean_push_late(w, &l, &bytes);
        return ERR_AGAIN;
    }
    if (mean_happens(w, w->faults.bad_ack)) {
        mean_next_seq(w);
        return OK;
    }
    store(w, c, id, bytes);
    return mean_happens(w, w->faults.bad_conflict) ? ERR_FULL : OK;
}

static enum err append_locked(struct mean_world *w, unsigned chain,
                              uint64_t after, const uint8_t *id,
                              struct str bytes)
{
    struct mean_chain *c = &w->chains[chain];
    enum err err;

    forget_late(w, id);
    if (c->last_seq != 0 &&
        memcmp(c->entries[c->last].id, id, JOURNAL_ENTRY_ID) == 0) {
        err = OK;
    } else {
        err = append_last(w, chain, after, id, bytes);
    }
    return mean_happens(w, w->faults.lose_answer) && err != ERR_FULL ? ERR_AGAIN
                                                                     : err;
}

// NOLINTNEXTLINE(readability-function-size): the seam names them all
static enum err append(struct journal *j, unsigned chain, uint64_t after,
                       const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
                       int64_t wait_ms, uint64_t *seq)
{
    struct mean_handle *h = mean_handle_of(j);
    enum err err;

    (void)wait_ms; // what is answered, is answered at once
    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    if (bytes.n_bytes > JOURNAL_ENTRY_BYTES)
        return ERR_TOOBIG;
    err = mean_begin(h);
    if (err == OK)
        err = append_locked(h->world, chain, after, id, bytes);
    if (err == OK) {
        struct mean_chain *c = &h->world->chains[chain];

        *seq = c->last_seq != 0 &&
                       memcmp(c->entries[c->last].id, id, JOURNAL_ENTRY_ID) == 0
                   ? c->last_seq
                   : h->world->seq;
    }
    return mean_end(h, err);
}

static enum err last(struct journal *j, unsigned chain, int64_t wait_ms,
                     uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID])
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_world *w = h->world;
    enum err err;

    (void)wait_ms;
    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    err = mean_begin(h);
    if (err == OK && mean_happens(w, w->faults.lose_answer))
        err = ERR_AGAIN;
    if (err == OK && w->chains[chain].last_seq == 0)
        err = ERR_NOTFOUND;
    if (err == OK) {
        *seq = w->chains[chain].last_seq;
        memcpy(id, w->chains[chain].entries[w->chains[chain].last].id,
               JOURNAL_ENTRY_ID);
    }
    return mean_end(h, err);
}

static void trim_locked(struct mean_world *w, unsigned chain, uint64_t before)
{
    struct mean_chain *c = &w->chains[chain];
    bool is_bad = mean_happens(w, w->faults.bad_trim);

    if (before > c->last_seq)
        before = c->last_seq + is_bad;
    if (before > c->trimmed_up_to)
        c->trimmed_up_to = before;
    for (size_t i = 0; i < c->n && c->entries[i].seq < before; i++) {
        c->entries[i].is_removed = true;
        if (!c->entries[i].is_off_chain && c->entries[i].seq > c->removed_seq)
            c->removed_seq = c->entries[i].seq;
    }
    pthread_cond_broadcast(&w->changed);
}

static enum err trim(struct journal *j, unsigned chain, uint64_t before,
                     int64_t wait_ms)
{
    struct mean_handle *h = mean_handle_of(j);
    enum err err;

    (void)wait_ms;
    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    err = mean_begin(h);
    if (err == OK && mean_happens(h->world, h->world->faults.lose_request))
        err = ERR_AGAIN;
    if (err == OK)
        trim_locked(h->world, chain, before);
    if (err == OK && mean_happens(h->world, h->world->faults.lose_answer))
        err = ERR_AGAIN;
    return mean_end(h, err);
}

bool mean_truth(struct mean_world *w, unsigned chain, size_t i,
                struct journal_entry *out)
{
    bool is_there = false;

    pthread_mutex_lock(&w->lock);
    for (size_t at = 0; at < w->chains[chain].n && !is_there; at++) {
        const struct mean_entry *e = &w->chains[chain].entries[at];

        if (e->is_off_chain || i-- > 0)
            continue;
        *out = (struct journal_entry){ .seq = e->seq,
                                       .bytes = { e->bytes, e->n_bytes } };
        memcpy(out->id, e->id, JOURNAL_ENTRY_ID);
        is_there = true;
    }
    pthread_mutex_unlock(&w->lock);
    return is_there;
}

// --- readers ---

static enum err reader_open(struct journal *j, unsigned chain, uint64_t after,
                            struct journal_reader **out)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_reader *r;
    enum err err;

    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    err = mean_begin(h);
    if (err == OK && mean_happens(h->world, h->world->faults.lose_request))
        err = ERR_AGAIN;
    if (err != OK)
        return mean_end(h, err);
    r = xcalloc(1, sizeof(*r));
    r->base.ops = h->base.ops;
    r->handle = h;
    r->chain = chain;
    r->after = after;
    buf_init(&r->bytes, 0);
    *out = &r->base;
    return mean_end(h, OK);
}

static void give(struct mean_reader *r, const struct mean_entry *e,
                 struct journal_entry *out)
{
    buf_reset(&r->bytes);
    buf_put(&r->bytes, e->bytes, e->n_bytes);
    if (e->n_bytes > 0 &&
        mean_happens(r->handle->world, r->handle->world->faults.bad_bytes))
        r->bytes.at[e->n_bytes - 1] ^= 1;
    *out = (struct journal_entry){ .seq = e->seq, .bytes = buf_str(&r->bytes) };
    memcpy(out->id, e->id, JOURNAL_ENTRY_ID);
}

static bool is_gone(struct mean_reader *r)
{
    struct mean_world *w = r->handle->world;
    const struct mean_chain *c = &w->chains[r->chain];

    return r->after > 0 && (c->removed_seq > r->after ||
                            (c->trimmed_up_to > r->after &&
                             mean_happens(w, w->faults.gone_soon)));
}

// The next one that is there; NULL: none yet.
static const struct mean_entry *step(struct mean_reader *r)
{
    struct mean_world *w = r->handle->world;
    const struct mean_chain *c = &w->chains[r->chain];

    while (r->at < c->n &&
           (c->entries[r->at].seq <= r->after || c->entries[r->at].is_removed))
        r->at++;
    if (r->at < c->n && mean_happens(w, w->faults.bad_skip))
        r->at++;
    if (r->at >= c->n)
        return NULL;
    if (!r->has_begun)
        r->begin = r->at;
    r->has_begun = true;
    r->after = c->entries[r->at].seq;
    return &c->entries[r->at++];
}

static enum err next_locked(struct mean_reader *r, const struct timespec *until,
                            struct journal_entry *out)
{
    struct mean_world *w = r->handle->world;
    const struct mean_chain *c = &w->chains[r->chain];
    const struct mean_entry *e;

    if (mean_happens(w, w->faults.lose_request))
        return ERR_AGAIN;
    if (mean_happens(w, w->faults.lag))
        return ERR_NOTFOUND;
    if (r->is_exchanged) { // what was passed over comes now
        r->is_exchanged = false;
        give(r, &c->entries[r->at - 2], out);
        return OK;
    }
    if (r->has_begun && mean_happens(w, w->faults.repeat)) {
        e = &c->entries[r->begin + mean_random(w, r->at - r->begin)];
        if (!e->is_removed) { // or it may have been removed before it was read
            give(r, e, out);
            return OK;
        }
    }
    for (;;) {
        if (is_gone(r))
            return ERR_GONE;
        e = step(r);
        if (e != NULL)
            break;
        if (!mean_wait(w, until))
            return ERR_NOTFOUND;
    }
    if (r->at < c->n && mean_happens(w, w->faults.bad_order)) {
        r->is_exchanged = true;
        e = step(r);
    }
    if (e == NULL)
        return ERR_NOTFOUND;
    give(r, e, out);
    return OK;
}

static enum err reader_next(struct journal_reader *reader, int64_t wait_ms,
                            struct journal_entry *out)
{
    struct mean_reader *r = (struct mean_reader *)(void *)reader;
    struct timespec until = mean_until(wait_ms);
    enum err err = mean_begin(r->handle);

    if (err == OK)
        err = next_locked(r, &until, out);
    return mean_end(r->handle, err);
}

static void reader_close(struct journal_reader *reader)
{
    struct mean_reader *r = (struct mean_reader *)(void *)reader;

    buf_clear(&r->bytes);
    free(r);
}

// --- a handle ---

static enum err judge(struct journal *j, struct buf *faults)
{
    struct mean_handle *h = mean_handle_of(j);
    enum err err = mean_begin(h);

    if (err != OK)
        buf_printf(faults, "%s cannot reach the journal\n", h->name);
    return mean_end(h, err);
}

static void close_handle(struct journal *j)
{
    struct mean_handle *h = mean_handle_of(j);

    pthread_mutex_lock(&h->world->lock);
    mean_stop_serving(h);
    h->world->n_handles--;
    pthread_mutex_unlock(&h->world->lock);
    free(h->name);
    free(h);
}

static const struct journal_ops mean_ops = {
    .close = close_handle,
    .judge = judge,
    .append = append,
    .last = last,
    .trim = trim,
    .reader_open = reader_open,
    .reader_next = reader_next,
    .reader_close = reader_close,
    .value_get = mean_value_get,
    .value_put = mean_value_put,
    .value_watch = mean_value_watch,
    .lease_take = mean_lease_take,
    .lease_keep = mean_lease_keep,
    .lease_give = mean_lease_give,
    .lease_get = mean_lease_get,
    .request = mean_request,
    .serve = mean_serve,
};

struct journal *mean_open(struct mean_world *w, const char *name)
{
    struct mean_handle *h = xcalloc(1, sizeof(*h));

    h->base.ops = &mean_ops;
    h->world = w;
    h->name = xstrdup(name);
    pthread_mutex_lock(&w->lock);
    w->n_handles++;
    pthread_mutex_unlock(&w->lock);
    return &h->base;
}
