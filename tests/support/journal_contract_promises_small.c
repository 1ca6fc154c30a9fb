// SPDX-License-Identifier: MIT
// journal_contract_promises_small.c — each promise on small values, leases and requests.

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/journal_contract_private.h"

// --- values ---

struct watched {
    struct str key;
    uint64_t revision;
    struct buf bytes;
    bool is_deleted;
    bool is_foreign; // another key came
};

static void on_value(void *data, const struct journal_value *v)
{
    struct watched *w = data;

    if (!str_eq(v->key, w->key)) {
        w->is_foreign = true;
    } else if (v->revision >= w->revision) {
        w->revision = v->revision;
        w->is_deleted = v->is_deleted;
        buf_reset(&w->bytes);
        buf_put_str(&w->bytes, v->bytes);
    }
}

// Watches until the key has this revision.
static void watch(struct contract_run *r, struct watched *w, uint64_t *after,
                  uint64_t revision)
{
    enum err err = ERR_NOTFOUND;

    for (unsigned n = 0; n < 1000 && w->revision != revision; n++) {
        err = journal_value_watch(r->handles[1], w->key, *after, r->c->wait_ms,
                                  on_value, w, after);
        if (err != OK && !r->c->has_faults)
            break;
    }
    if (contract_check(r, w->revision == revision,
                       "watch: the last value does not come: %s", err_str(err)))
        contract_check(r, !w->is_foreign, "watch: a value of another key");
}

static void check_values(struct contract_run *r)
{
    struct journal *j = r->handles[0];
    char name[JOURNAL_NAME_BYTES + 1];
    struct str key = contract_name(r, name, "value", 0);
    struct watched w = { .key = key };
    struct str value = STR("one");
    struct buf big;
    uint64_t first = 0;
    uint64_t second = 0;
    uint64_t after = 0;
    uint64_t none = 7;

    buf_init(&w.bytes, 0);
    buf_init(&big, 0);
    contract_expect(r, contract_get(r, j, key, &big, &none), ERR_NOTFOUND,
                    "get");
    contract_check(r, none == 0, "get: what is not there has a revision");
    contract_expect(r, contract_put(r, j, key, &value, 0, &first), OK, "put");
    watch(r, &w, &after, first);
    contract_check(r, str_eq(buf_str(&w.bytes), value),
                   "watch: it is another value");
    contract_entry(&big, 0, 5, JOURNAL_VALUE_BYTES + 1);
    value = buf_str(&big);
    contract_expect(r, contract_put(r, j, key, &value, first, &second),
                    ERR_TOOBIG, "put of a byte too much");
    value.n_bytes--;
    contract_expect(r, contract_put(r, j, key, &value, first + 1000, &second),
                    ERR_CONFLICT, "put over a revision that is not there");
    contract_expect(r, contract_put(r, j, key, &value, first, &second), OK,
                    "put");
    contract_check(r, second > first, "put: revisions do not grow");
    watch(r, &w, &after, second);
    contract_check(r, str_eq(buf_str(&w.bytes), value),
                   "watch: it is another value");
    value.n_bytes = 5;
    contract_expect(r,
                    contract_put(r, r->handles[1], key, &value, first, &none),
                    ERR_CONFLICT, "put over an old revision");
    contract_expect(r, contract_put(r, r->handles[1], key, &value, 0, &none),
                    ERR_CONFLICT, "put of a value that there is");
    buf_clear(&big);
    buf_clear(&w.bytes);
}

// Where what was lost may still arrive, nothing is said of a value after its deletion.
static void check_deletion(struct contract_run *r)
{
    struct journal *j = r->handles[0];
    char name[JOURNAL_NAME_BYTES + 1];
    struct str key = contract_name(r, name, "deleted", 0);
    struct watched w = { .key = key };
    struct str value = STR("one");
    struct buf got;
    uint64_t revision = 0;
    uint64_t deleted = 0;
    uint64_t none = 7;
    uint64_t after = 0;

    if (r->c->has_faults)
        return;
    buf_init(&got, 0);
    buf_init(&w.bytes, 0);
    contract_expect(r, contract_put(r, j, key, &value, 0, &revision), OK,
                    "put");
    watch(r, &w, &after, revision);
    contract_expect(r, contract_put(r, j, key, NULL, revision, &deleted), OK,
                    "delete");
    contract_check(r, deleted > revision, "delete: revisions do not grow");
    contract_expect(r, contract_get(r, j, key, &got, &none), ERR_NOTFOUND,
                    "get of what was deleted");
    contract_check(r, none == 0 && got.n_bytes == 0,
                   "get of what was deleted: a revision or a value");
    contract_expect(r, contract_put(r, j, key, &value, deleted, &none),
                    ERR_CONFLICT, "put over a deletion");
    watch(r, &w, &after, deleted);
    contract_check(r, w.is_deleted, "watch: the deletion is none");
    contract_expect(
        r,
        journal_value_watch(j, key, after, r->c->look_ms, on_value, &w, &after),
        ERR_NOTFOUND, "watch of what does not change");
    contract_expect(r, contract_put(r, j, key, &value, 0, &revision), OK,
                    "put of what was deleted");
    contract_check(r, revision > deleted, "put: revisions do not grow");
    watch(r, &w, &after, revision);
    contract_check(r, !w.is_deleted && str_eq(buf_str(&w.bytes), value),
                   "watch: it is another value");
    buf_clear(&got);
    buf_clear(&w.bytes);
}

// --- leases ---

static void expect_holder(struct contract_run *r, struct str name,
                          const char *holder, uint64_t term)
{
    struct buf now;
    uint64_t now_term = 0;
    enum err err;

    buf_init(&now, 0);
    err = contract_holder(r, r->handles[1], name, &now, &now_term);
    if (holder == NULL) {
        contract_expect(r, err, ERR_NOTFOUND, "holder of a lease that ended");
    } else if (contract_expect(r, err, OK, "holder")) {
        contract_check(r, str_is(buf_str(&now), holder) && now_term == term,
                       "holder: %s, term %llu instead of %s, %llu",
                       buf_cstr(&now), (unsigned long long)now_term, holder,
                       (unsigned long long)term);
    }
    buf_clear(&now);
}

// Lets time pass by the clock of leases.
static void pass_ms(const struct contract_run *r, int64_t ms)
{
    if (r->c->advance_ms != NULL) {
        r->c->advance_ms(r->c->data, ms);
    } else {
        sleep((unsigned)(ms / 1000));
    }
}

static void check_leases(struct contract_run *r)
{
    struct journal *a = r->handles[0];
    struct journal *b = r->handles[1];
    char room[JOURNAL_NAME_BYTES + 1];
    struct str name = contract_name(r, room, "lease", 0);
    uint64_t term = 0;
    uint64_t kept;
    uint64_t other = 0;
    enum err err;

    expect_holder(r, name, NULL, 0);
    contract_expect(r, contract_take(r, a, name, STR("a"), &term), OK, "take");
    expect_holder(r, name, "a", term);
    contract_expect(r, contract_take(r, b, name, STR("b"), &other), ERR_EXISTS,
                    "take of what another has");
    kept = term;
    contract_expect(r, contract_keep(r, a, name, STR("a"), &kept), OK, "keep");
    contract_check(r, kept >= term, "keep: the term is an older one");
    expect_holder(r, name, "a", kept);
    other = kept + 1000;
    contract_expect(r, contract_keep(r, b, name, STR("b"), &other),
                    ERR_CONFLICT, "keep of what another has");
    contract_expect(r, contract_give(r, a, name, kept), OK, "give");
    expect_holder(r, name, NULL, 0);
    contract_expect(r, contract_take(r, b, name, STR("b"), &other), OK, "take");
    contract_check(r, other > kept, "take: the term does not grow");
    term = kept;
    contract_expect(r, contract_keep(r, a, name, STR("a"), &term), ERR_CONFLICT,
                    "keep of what was given");
    err = journal_lease_give(a, name, kept, r->c->wait_ms);
    contract_check(
        r, err == ERR_CONFLICT || (err == ERR_AGAIN && r->c->has_faults),
        "give of what is another's: %s", err_str(err));
    expect_holder(r, name, "b", other);
    if (r->c->advance_ms == NULL && !r->c->waits_for_leases)
        return;
    pass_ms(r, JOURNAL_LEASE_MS / 2);
    contract_expect(r, contract_keep(r, b, name, STR("b"), &other), OK,
                    "keep at half its time");
    pass_ms(r, JOURNAL_LEASE_MS / 2 + 1000);
    expect_holder(r, name, "b", other);
    contract_expect(r, contract_take(r, a, name, STR("a"), &term), ERR_EXISTS,
                    "take before its end");
    pass_ms(r, JOURNAL_LEASE_MS);
    expect_holder(r, name, NULL, 0);
    contract_expect(r, contract_keep(r, b, name, STR("b"), &other),
                    ERR_CONFLICT, "keep after its end");
    contract_expect(r, contract_take(r, a, name, STR("a"), &term), OK,
                    "take after its end");
    contract_check(r, term > other, "take: the term does not grow");
    contract_expect(r, contract_keep(r, b, name, STR("b"), &other),
                    ERR_CONFLICT, "keep after another took it");
}

// --- requests ---

// Of a thread of the journal, too.
struct served {
    atomic_int err;
    atomic_size_t n_more; // bytes behind the body
};

static enum err serve(void *data, struct str body, struct buf *answer)
{
    struct served *s = data;
    size_t n_more = atomic_load(&s->n_more);
    char *more;

    buf_put_str(answer, body);
    more = n_more > 0 ? buf_reserve(answer, n_more) : NULL;
    if (more != NULL) {
        memset(more, 'x', n_more);
        buf_added(answer, n_more);
    }
    return (enum err)atomic_load(&s->err);
}

static enum err ask(struct contract_run *r, struct str address, struct str body,
                    struct buf *answer)
{
    unsigned n = 0;
    enum err err;

    buf_reset(answer);
    while (contract_again(r, &n,
                          err = journal_request(r->handles[0], address, body,
                                                r->c->wait_ms, answer)))
        ;
    return err;
}

static enum err begin_serving(struct contract_run *r, struct journal *j,
                              struct str address, struct served *s)
{
    unsigned n = 0;
    enum err err;

    while (contract_again(r, &n, err = journal_serve(j, address, serve, s)))
        ;
    return err;
}

static void check_requests(struct contract_run *r)
{
    struct journal *server = r->c->open(r->c->data);
    char room[JOURNAL_NAME_BYTES + 1];
    struct str address = contract_name(r, room, "address", 0);
    struct served s;
    struct buf answer;
    struct buf body;

    if (!contract_check(r, server != NULL, "a handle cannot be opened"))
        return;
    atomic_init(&s.err, OK);
    atomic_init(&s.n_more, 0);
    buf_init(&answer, 0);
    buf_init(&body, 0);
    contract_expect(r, ask(r, address, STR("x"), &answer), ERR_NOTFOUND,
                    "request to nobody");
    contract_expect(r, begin_serving(r, server, address, &s), OK, "serve");
    contract_expect(r, begin_serving(r, server, address, &s), ERR_EXISTS,
                    "serve twice");
    contract_expect(r, ask(r, address, STR("x"), &answer), OK, "request");
    contract_check(r, str_is(buf_str(&answer), "x"), "request: wrong answer");
    contract_expect(r, ask(r, address, STR_EMPTY, &answer), OK,
                    "empty request");
    contract_check(r, answer.n_bytes == 0, "empty request: wrong answer");
    contract_entry(&body, 0, 3, JOURNAL_REQUEST_BYTES + 1);
    contract_expect(r, ask(r, address, buf_str(&body), &answer), ERR_TOOBIG,
                    "request of a byte too much");
    buf_cut(&body, JOURNAL_REQUEST_BYTES);
    contract_expect(r, ask(r, address, buf_str(&body), &answer), OK,
                    "the largest request");
    contract_check(r, str_eq(buf_str(&answer), buf_str(&body)),
                   "the largest request: wrong answer");
    atomic_store(&s.n_more, JOURNAL_REQUEST_BYTES);
    contract_expect(r,
                    journal_request(r->handles[0], address, STR("x"),
                                    r->c->wait_ms, &answer),
                    ERR_AGAIN, "request with an answer that is too big");
    atomic_store(&s.n_more, 0);
    atomic_store(&s.err, ERR_IO);
    contract_expect(r,
                    journal_request(r->handles[0], address, STR("x"),
                                    r->c->wait_ms, &answer),
                    ERR_AGAIN, "request without an answer");
    journal_close(server);
    contract_expect(r, ask(r, address, STR("x"), &answer), ERR_NOTFOUND,
                    "request to one that was closed");
    buf_clear(&answer);
    buf_clear(&body);
}

void contract_small_promises(struct contract_run *r)
{
    check_values(r);
    check_deletion(r);
    check_leases(r);
    check_requests(r);
}
