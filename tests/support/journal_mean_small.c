// SPDX-License-Identifier: MIT
// journal_mean_small.c — the small values, leases and requests of a mean world.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/journal_mean_private.h"

static void copy_name(char to[JOURNAL_NAME_BYTES + 1], struct str name)
{
    memcpy(to, name.at, name.n_bytes);
    to[name.n_bytes] = '\0';
}

// --- values ---

static struct mean_value *find_value(struct mean_world *w, struct str key)
{
    for (size_t i = 0; i < w->n_values; i++) {
        if (str_is(key, w->values[i].key))
            return &w->values[i];
    }
    return NULL;
}

// 0: there is none.
static uint64_t revision_of(const struct mean_value *v)
{
    return v != NULL && v->bytes != NULL ? v->revision : 0;
}

static void set_value(struct mean_world *w, struct str key,
                      const struct str *bytes)
{
    struct mean_value *v = find_value(w, key);

    if (v == NULL) {
        if (w->n_values == w->n_values_max) {
            w->n_values_max = w->n_values_max * 2 + 16;
            w->values = xrealloc(w->values, w->n_values_max * sizeof(*v));
        }
        v = &w->values[w->n_values++];
        *v = (struct mean_value){ .n_bytes = 0 };
        copy_name(v->key, key);
    }
    free(v->bytes);
    v->bytes = NULL;
    v->n_bytes = 0;
    if (bytes != NULL) {
        v->bytes = xmalloc(bytes->n_bytes + 1);
        v->n_bytes = bytes->n_bytes;
        if (bytes->n_bytes > 0)
            memcpy(v->bytes, bytes->at, bytes->n_bytes);
    }
    v->revision = mean_next_seq(w);
    pthread_cond_broadcast(&w->changed);
}

void mean_put_late(struct mean_world *w, const struct mean_late *l)
{
    struct str bytes = { l->bytes, l->n_bytes };

    if (revision_of(find_value(w, str_of(l->key))) == l->after)
        set_value(w, str_of(l->key), l->bytes != NULL ? &bytes : NULL);
}

enum err mean_value_get(struct journal *j, struct str key, int64_t wait_ms,
                        struct buf *bytes, uint64_t *revision)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_world *w = h->world;
    const struct mean_value *v;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(key))
        return ERR_INVALID;
    err = mean_begin(h);
    if (err == OK && mean_happens(w, w->faults.lose_answer))
        err = ERR_AGAIN;
    if (err != OK)
        return mean_end(h, err);
    v = find_value(w, key);
    *revision = revision_of(v);
    if (*revision == 0)
        return mean_end(h, ERR_NOTFOUND);
    buf_put(bytes, v->bytes, v->n_bytes);
    return mean_end(h, OK);
}

static enum err put_locked(struct mean_world *w, struct str key,
                           const struct str *bytes, uint64_t expected)
{
    if (revision_of(find_value(w, key)) != expected &&
        !mean_happens(w, w->faults.bad_put))
        return ERR_CONFLICT;
    if (mean_happens(w, w->faults.full))
        return ERR_FULL;
    if (mean_happens(w, w->faults.lose_request))
        return ERR_AGAIN;
    if (mean_happens(w, w->faults.late)) {
        struct mean_late l = { .is_value = true, .after = expected };

        copy_name(l.key, key);
        mean_push_late(w, &l, bytes);
        return ERR_AGAIN;
    }
    set_value(w, key, bytes);
    return mean_happens(w, w->faults.lose_answer) ? ERR_AGAIN : OK;
}

enum err mean_value_put(struct journal *j, struct str key,
                        const struct str *bytes, uint64_t expected,
                        int64_t wait_ms, uint64_t *revision)
{
    struct mean_handle *h = mean_handle_of(j);
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(key) || (bytes == NULL && expected == 0))
        return ERR_INVALID;
    if (bytes != NULL && bytes->n_bytes > JOURNAL_VALUE_BYTES)
        return ERR_TOOBIG;
    err = mean_begin(h);
    if (err == OK)
        err = put_locked(h->world, key, bytes, expected);
    if (err == OK)
        *revision = find_value(h->world, key)->revision;
    return mean_end(h, err);
}

// What a watcher gets, copied, so that it may call the journal.
struct found {
    char key[JOURNAL_NAME_BYTES + 1];
    struct buf bytes;
    bool is_deleted;
    uint64_t revision;
};

static int by_revision(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;

    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

static size_t find_changed(struct mean_world *w, struct str prefix,
                           uint64_t after, struct found *to)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_values; i++) {
        const struct mean_value *v = &w->values[i];
        bool is_new = v->revision > after;

        if (!str_starts(str_of(v->key), prefix))
            continue;
        if (is_new ? mean_happens(w, w->faults.bad_value)
                   : !mean_happens(w, w->faults.repeat))
            continue;
        copy_name(to[n].key, str_of(v->key));
        buf_init(&to[n].bytes, 0);
        buf_put(&to[n].bytes, v->bytes, v->n_bytes);
        to[n].is_deleted = v->bytes == NULL;
        to[n++].revision = v->revision;
    }
    if (n > 0)
        qsort(to, n, sizeof(*to), by_revision);
    return n;
}

// The last `revision` that the watcher need not get again; ERR_NOTFOUND: nothing new.
static enum err watch_locked(struct mean_world *w, struct str prefix,
                             uint64_t after, const struct timespec *until,
                             struct found **found, size_t *n)
{
    if (mean_happens(w, w->faults.lose_request))
        return ERR_AGAIN;
    if (mean_happens(w, w->faults.lag))
        return ERR_NOTFOUND;
    for (;;) {
        *found = xmalloc((w->n_values + 1) * sizeof(**found));
        *n = find_changed(w, prefix, after, *found);
        if (*n > 0 && (*found)[*n - 1].revision > after)
            break;
        for (size_t i = 0; i < *n; i++)
            buf_clear(&(*found)[i].bytes);
        free(*found);
        *found = NULL;
        *n = 0;
        if (!mean_wait(w, until))
            return ERR_NOTFOUND;
    }
    if (mean_happens(w, w->faults.partial)) {
        size_t n_kept = 1 + mean_random(w, *n);

        while (*n > n_kept)
            buf_clear(&(*found)[--*n].bytes);
    }
    return OK;
}

// NOLINTNEXTLINE(readability-function-size): the seam names them all
enum err mean_value_watch(struct journal *j, struct str prefix, uint64_t after,
                          int64_t wait_ms, journal_value_fn on_value,
                          void *data, uint64_t *revision)
{
    struct mean_handle *h = mean_handle_of(j);
    struct timespec until = mean_until(wait_ms);
    struct found *found = NULL;
    size_t n = 0;
    enum err err = mean_begin(h);

    if (err == OK)
        err = watch_locked(h->world, prefix, after, &until, &found, &n);
    mean_end(h, err);
    if (err != OK)
        return err;
    *revision = found[n - 1].revision > after ? found[n - 1].revision : after;
    for (size_t i = 0; i < n; i++) {
        struct journal_value v = { .key = str_of(found[i].key),
                                   .bytes = buf_str(&found[i].bytes),
                                   .is_deleted = found[i].is_deleted,
                                   .revision = found[i].revision };

        on_value(data, &v);
        buf_clear(&found[i].bytes);
    }
    free(found);
    return OK;
}

// --- leases ---

static struct mean_lease *find_lease(struct mean_world *w, struct str name)
{
    struct mean_lease *l;

    for (size_t i = 0; i < w->n_leases; i++) {
        l = &w->leases[i];
        if (!str_is(name, l->name))
            continue;
        if (l->ends_at_ms <= w->now_ms)
            l->holder[0] = '\0';
        return l;
    }
    if (w->n_leases == w->n_leases_max) {
        w->n_leases_max = w->n_leases_max * 2 + 16;
        w->leases = xrealloc(w->leases, w->n_leases_max * sizeof(*l));
    }
    l = &w->leases[w->n_leases++];
    *l = (struct mean_lease){ .term = 0 };
    copy_name(l->name, name);
    return l;
}

static void renew(struct mean_world *w, struct mean_lease *l)
{
    int64_t drift = 0;

    if (mean_happens(w, w->faults.drift)) {
        drift = (int64_t)mean_random(w, UINT64_C(2) * JOURNAL_LEASE_MS / 3) -
                JOURNAL_LEASE_MS / 3;
    }
    if (l->term == 0 || !mean_happens(w, w->faults.bad_term))
        l->term = mean_next_seq(w);
    l->ends_at_ms = w->now_ms + JOURNAL_LEASE_MS + drift;
}

// The lease is this holder's since `term` or before: it may not know of later ones.
static bool is_its_own(const struct mean_lease *l, uint64_t term)
{
    return l->holder[0] != '\0' && term >= l->taken_term && term <= l->term;
}

// Begins an operation on a lease; sets *lease if it reaches the world.
static enum err begin_lease(struct mean_handle *h, struct str name,
                            struct mean_lease **lease)
{
    enum err err = mean_begin(h);

    if (err == OK && mean_happens(h->world, h->world->faults.lose_request))
        err = ERR_AGAIN;
    if (err == OK)
        *lease = find_lease(h->world, name);
    return err;
}

static enum err end_lease(struct mean_handle *h, enum err err)
{
    if (mean_happens(h->world, h->world->faults.lose_answer))
        err = ERR_AGAIN;
    return mean_end(h, err);
}

enum err mean_lease_take(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_lease *l = NULL;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(name) || !journal_name_is_valid(holder))
        return ERR_INVALID;
    err = begin_lease(h, name, &l);
    if (err != OK)
        return mean_end(h, err);
    if (l->holder[0] != '\0' &&
        !mean_happens(h->world, h->world->faults.bad_lease))
        return end_lease(h, ERR_EXISTS);
    copy_name(l->holder, holder);
    renew(h->world, l);
    l->taken_term = l->term;
    *term = l->term;
    return end_lease(h, OK);
}

enum err mean_lease_keep(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_lease *l = NULL;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(name) || !journal_name_is_valid(holder))
        return ERR_INVALID;
    err = begin_lease(h, name, &l);
    if (err != OK)
        return mean_end(h, err);
    if (!is_its_own(l, *term) || !str_is(holder, l->holder))
        return end_lease(h, ERR_CONFLICT);
    renew(h->world, l);
    err = end_lease(h, OK);
    if (err == OK)
        *term = l->term;
    return err;
}

enum err mean_lease_give(struct journal *j, struct str name, uint64_t term,
                         int64_t wait_ms)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_lease *l = NULL;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(name))
        return ERR_INVALID;
    err = begin_lease(h, name, &l);
    if (err != OK)
        return mean_end(h, err);
    if (!is_its_own(l, term))
        return end_lease(h, ERR_CONFLICT);
    l->holder[0] = '\0';
    return end_lease(h, OK);
}

enum err mean_lease_get(struct journal *j, struct str name, int64_t wait_ms,
                        struct buf *holder, uint64_t *term)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_lease *l = NULL;
    enum err err;

    (void)wait_ms;
    if (!journal_name_is_valid(name))
        return ERR_INVALID;
    err = begin_lease(h, name, &l);
    if (err != OK)
        return mean_end(h, err);
    if (l->holder[0] == '\0')
        return mean_end(h, ERR_NOTFOUND);
    buf_puts(holder, l->holder);
    *term = l->term;
    return mean_end(h, OK);
}

// --- requests ---

// One of those that serve the address; NULL: nobody does.
static struct mean_server *find_server(struct mean_world *w, struct str address)
{
    struct mean_server *found = NULL;
    size_t n = 0;

    for (struct mean_server *s = w->servers; s != NULL; s = s->next) {
        if (str_is(address, s->address) && !s->handle->is_cut &&
            mean_random(w, ++n) == 0)
            found = s;
    }
    return found;
}

// Waits for its turn, and answers, with the world unlocked meanwhile.
static enum err work(struct mean_world *w, struct mean_server *s,
                     struct str body, struct buf *answer)
{
    uint64_t ticket = s->next_ticket++;
    bool is_twice = mean_happens(w, w->faults.bad_request);
    enum err err;

    while (s->now_serving != ticket)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    err = s->fn(s->data, body, answer);
    if (is_twice) {
        buf_reset(answer);
        err = s->fn(s->data, body, answer);
    }
    pthread_mutex_lock(&w->lock);
    s->now_serving++;
    pthread_cond_broadcast(&w->changed);
    return err == OK && !answer->overflow ? OK : ERR_AGAIN;
}

enum err mean_request(struct journal *j, struct str address, struct str body,
                      int64_t wait_ms, struct buf *answer)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_world *w = h->world;
    struct mean_server *s;
    struct buf own;
    enum err err;

    (void)wait_ms; // the thread that asks also answers
    if (!journal_name_is_valid(address))
        return ERR_INVALID;
    if (body.n_bytes > JOURNAL_REQUEST_BYTES)
        return ERR_TOOBIG;
    err = mean_begin(h);
    if (err != OK)
        return mean_end(h, err);
    s = find_server(w, address);
    if (s == NULL)
        return mean_end(h, ERR_NOTFOUND);
    if (mean_happens(w, w->faults.lose_request))
        return mean_end(h, ERR_AGAIN);
    buf_init(&own, JOURNAL_REQUEST_BYTES);
    err = work(w, s, body, &own);
    if (mean_happens(w, w->faults.lose_answer))
        err = ERR_AGAIN;
    if (err == OK)
        buf_put_str(answer, buf_str(&own));
    buf_clear(&own);
    return mean_end(h, err);
}

enum err mean_serve(struct journal *j, struct str address, journal_serve_fn fn,
                    void *data)
{
    struct mean_handle *h = mean_handle_of(j);
    struct mean_world *w = h->world;
    struct mean_server *s;
    enum err err;

    if (!journal_name_is_valid(address))
        return ERR_INVALID;
    err = mean_begin(h);
    for (s = w->servers; s != NULL && err == OK; s = s->next) {
        if (s->handle == h && str_is(address, s->address))
            err = ERR_EXISTS;
    }
    if (err == OK && mean_happens(w, w->faults.lose_request))
        err = ERR_AGAIN;
    if (err != OK)
        return mean_end(h, err);
    s = xcalloc(1, sizeof(*s));
    s->handle = h;
    copy_name(s->address, address);
    s->fn = fn;
    s->data = data;
    s->next = w->servers;
    w->servers = s;
    return mean_end(h, OK);
}

void mean_stop_serving(struct mean_handle *h)
{
    struct mean_world *w = h->world;

    for (struct mean_server **at = &w->servers; *at != NULL;) {
        struct mean_server *s = *at;

        if (s->handle != h) {
            at = &s->next;
            continue;
        }
        *at = s->next; // nobody finds it, but some may have found it
        while (s->now_serving != s->next_ticket)
            pthread_cond_wait(&w->changed, &w->lock);
        free(s);
        at = &w->servers; // others may have changed the list meanwhile
    }
}
