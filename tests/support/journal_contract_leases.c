// SPDX-License-Identifier: MIT
// journal_contract_leases.c — the model of leases and requests, for the random part.

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "tests/support/journal_contract_private.h"

#define LEASES 2

struct lease_state {
    char name[JOURNAL_NAME_BYTES + 1];
    int holder; // a handle; -1: nobody
    bool is_known;
    uint64_t term;     // the highest one that was seen
    uint64_t own_term; // that the holder knows
    int64_t kept_ms;   // when it was taken or kept, at the earliest
    int64_t latest_ms; // and at the latest
};

struct contract_leases {
    struct contract_run *r;
    struct lease_state leases[LEASES];
    int64_t now_ms;
    atomic_uint n_served;
    bool is_serving[CONTRACT_HANDLES];
    char address[JOURNAL_NAME_BYTES + 1];
};

// --- leases ---

static int64_t shortest_ms(const struct contract_leases *s)
{
    return s->r->c->has_faults ? JOURNAL_LEASE_MS / 3 * 2 - 1000
                               : JOURNAL_LEASE_MS - 1000;
}

static int64_t longest_ms(const struct contract_leases *s)
{
    return s->r->c->has_faults ? JOURNAL_LEASE_MS / 3 * 4 + 1000
                               : JOURNAL_LEASE_MS + 1000;
}

static bool must_be_held(const struct contract_leases *s,
                         const struct lease_state *l)
{
    return l->is_known && l->holder >= 0 &&
           s->now_ms - l->kept_ms < shortest_ms(s);
}

static bool must_be_free(const struct contract_leases *s,
                         const struct lease_state *l)
{
    return l->is_known &&
           (l->holder < 0 || s->now_ms - l->latest_ms > longest_ms(s));
}

static const char *holder_name(size_t h)
{
    static const char *const names[CONTRACT_HANDLES] = { "h0", "h1", "h2",
                                                         "h3" };

    return names[h];
}

// Asks who holds it, after which it is known; a holder that lost an answer learns its term.
static void look_at_lease(struct contract_leases *s, size_t h,
                          struct lease_state *l)
{
    struct contract_run *r = s->r;
    uint64_t term = 0;
    struct buf holder;
    enum err err;
    int who = -1;

    buf_init(&holder, 0);
    err = contract_holder(r, r->handles[h], str_of(l->name), &holder, &term);
    contract_check(r, err == OK || err == ERR_NOTFOUND, "holder: %s",
                   err_str(err));
    for (size_t i = 0; i < r->n_handles && err == OK; i++) {
        if (str_is(buf_str(&holder), holder_name(i)))
            who = (int)i;
    }
    contract_check(r, err != OK || who >= 0, "holder: %s is none of us",
                   buf_cstr(&holder));
    contract_check(r, who >= 0 || !must_be_held(s, l),
                   "lease: it ended %lld ms after it was kept",
                   (long long)(s->now_ms - l->kept_ms));
    contract_check(r, who < 0 || !must_be_free(s, l),
                   "lease: %s holds it, and should not", buf_cstr(&holder));
    contract_check(r, who < 0 || !l->is_known || who == l->holder,
                   "lease: %s holds it instead of another", buf_cstr(&holder));
    contract_check(r, who < 0 || term >= l->term,
                   "lease: term %llu came after %llu", (unsigned long long)term,
                   (unsigned long long)l->term);
    buf_clear(&holder);
    if (!l->is_known)
        l->latest_ms = s->now_ms;
    if (who != l->holder)
        l->kept_ms = s->now_ms;
    l->holder = who;
    l->is_known = true;
    if (who >= 0) {
        l->term = term;
        l->own_term = term;
    }
}

static void note_term(struct contract_leases *s, struct lease_state *l,
                      size_t h, uint64_t term, bool is_taken)
{
    contract_check(s->r, is_taken ? term > l->term : term >= l->term,
                   "lease: term %llu came after %llu", (unsigned long long)term,
                   (unsigned long long)l->term);
    l->holder = (int)h;
    l->is_known = true;
    l->term = term;
    l->own_term = term;
    l->kept_ms = s->now_ms;
    l->latest_ms = s->now_ms;
}

static void step_take(struct contract_leases *s, size_t h,
                      struct lease_state *l)
{
    struct contract_run *r = s->r;
    uint64_t term = 0;
    enum err err =
        journal_lease_take(r->handles[h], str_of(l->name),
                           str_of(holder_name(h)), r->c->wait_ms, &term);

    if (err == OK) {
        contract_check(r, !must_be_held(s, l), "lease: it is taken twice");
        note_term(s, l, h, term, true);
    } else if (err == ERR_EXISTS) {
        contract_check(r, !must_be_free(s, l),
                       "take: nobody holds it, and it is refused");
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults, "take: %s",
                       err_str(err));
        l->is_known &= must_be_held(s, l);
        look_at_lease(s, h, l);
    }
}

static void step_keep(struct contract_leases *s, size_t h,
                      struct lease_state *l)
{
    struct contract_run *r = s->r;
    bool is_own = l->holder == (int)h;
    uint64_t term = is_own ? l->own_term : l->term;
    enum err err =
        journal_lease_keep(r->handles[h], str_of(l->name),
                           str_of(holder_name(h)), r->c->wait_ms, &term);

    if (err == OK) {
        contract_check(r, is_own && !must_be_free(s, l),
                       "keep: it had ended, or is another's");
        note_term(s, l, h, term, false);
    } else if (err == ERR_CONFLICT) {
        contract_check(r, !is_own || !must_be_held(s, l),
                       "keep: it is refused %lld ms after it was kept",
                       (long long)(s->now_ms - l->kept_ms));
        look_at_lease(s, h, l);
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults, "keep: %s",
                       err_str(err));
        if (contract_below(r, 2) == 0 && is_own) {
            step_keep(s, h, l); // the next call settles it
        } else if (is_own) {
            uint64_t known = l->own_term;

            l->is_known = false; // when it was kept
            look_at_lease(s, h, l);
            l->own_term = known;
        }
    }
}

static void step_give(struct contract_leases *s, size_t h,
                      struct lease_state *l)
{
    struct contract_run *r = s->r;
    bool is_own = l->holder == (int)h;
    enum err err;

    // Whoever does not know the last term keeps the lease first.
    if (!is_own || l->own_term != l->term)
        return;
    err = journal_lease_give(r->handles[h], str_of(l->name), l->own_term,
                             r->c->wait_ms);
    if (err == OK) {
        contract_check(r, !must_be_free(s, l), "give: it had ended");
        l->holder = -1;
    } else if (err == ERR_CONFLICT) {
        contract_check(r, !must_be_held(s, l), "give: it is refused");
        look_at_lease(s, h, l);
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults, "give: %s",
                       err_str(err));
        l->is_known = false;
        look_at_lease(s, h, l);
    }
}

static void step_clock(struct contract_leases *s)
{
    int64_t ms = (int64_t)contract_below(s->r, JOURNAL_LEASE_MS / 2);

    if (s->r->c->advance_ms == NULL)
        return;
    s->r->c->advance_ms(s->r->c->data, ms);
    s->now_ms += ms;
}

static void step_lease(struct contract_leases *s, size_t h)
{
    struct lease_state *l = &s->leases[contract_below(s->r, LEASES)];

    switch (contract_below(s->r, 8)) {
    case 0:
    case 1:
        step_take(s, h, l);
        break;
    case 2:
    case 3:
        step_keep(s, l->holder >= 0 ? (size_t)l->holder : h, l);
        break;
    case 4:
        step_give(s, l->holder >= 0 ? (size_t)l->holder : h, l);
        break;
    case 5:
        step_keep(s, h, l);
        break;
    case 6:
        step_clock(s);
        break;
    default:
        look_at_lease(s, h, l);
        break;
    }
}

// --- requests ---

static enum err serve(void *data, struct str body, struct buf *answer)
{
    struct contract_leases *s = data;

    atomic_fetch_add(&s->n_served, 1);
    buf_puts(answer, "answer to ");
    buf_put_str(answer, body);
    return OK;
}

static void step_request(struct contract_leases *s, size_t h)
{
    struct contract_run *r = s->r;
    unsigned before = atomic_load(&s->n_served);
    bool is_served = false;
    uint8_t body[8];
    struct str text = { (const char *)body, sizeof(body) };
    struct buf answer;
    unsigned n;
    enum err err;

    for (size_t i = 0; i < r->n_handles; i++)
        is_served |= s->is_serving[i];
    put_be64(body, contract_random(&r->random));
    buf_init(&answer, 0);
    err = journal_request(r->handles[h], str_of(s->address), text,
                          r->c->wait_ms, &answer);
    n = atomic_load(&s->n_served) - before;
    if (err == OK) {
        contract_check(r,
                       answer.n_bytes == sizeof("answer to ") - 1 + 8 &&
                           memcmp(answer.at + answer.n_bytes - 8, body, 8) == 0,
                       "request: wrong answer");
        contract_check(r, n == 1, "request: it is worked on %u times", n);
    } else if (err == ERR_NOTFOUND) {
        contract_check(r, !is_served && n == 0, "request: nobody is found");
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults && n <= 1,
                       "request: %s, worked on %u times", err_str(err), n);
    }
    buf_clear(&answer);
}

static void step_serve(struct contract_leases *s, size_t h)
{
    struct contract_run *r = s->r;
    enum err err = journal_serve(r->handles[h], str_of(s->address), serve, s);

    if (err == OK) {
        contract_check(r, !s->is_serving[h], "serve: twice");
        s->is_serving[h] = true;
    } else if (err == ERR_EXISTS) {
        contract_check(r, s->is_serving[h] || r->c->has_faults,
                       "serve: it does not yet");
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults, "serve: %s",
                       err_str(err));
    }
}

struct contract_leases *contract_leases_new(struct contract_run *r)
{
    struct contract_leases *s = xcalloc(1, sizeof(*s));

    s->r = r;
    atomic_init(&s->n_served, 0);
    for (unsigned i = 0; i < LEASES; i++) {
        contract_name(r, s->leases[i].name, "random", i);
        s->leases[i].holder = -1;
        s->leases[i].is_known = true;
    }
    contract_name(r, s->address, "random", 0);
    return s;
}

void contract_leases_step(struct contract_leases *s)
{
    struct contract_run *r = s->r;
    size_t h = contract_below(r, r->n_handles);

    switch (contract_below(r, 8)) {
    case 0:
        step_serve(s, h);
        break;
    case 1:
    case 2:
        step_request(s, h);
        break;
    default:
        step_lease(s, h);
        break;
    }
}

void contract_leases_free(struct contract_leases *s)
{
    free(s);
}
