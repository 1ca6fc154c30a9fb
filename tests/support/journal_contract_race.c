// SPDX-License-Identifier: MIT
// journal_contract_race.c — threads that do the same at the same time.

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "tests/support/journal_contract_private.h"

#define WRITERS      3
#define ROUNDS       20
#define ENTRY_BYTES  64
#define WAITS        8
#define MOMENT_US    8000 // at most
#define IDLE_MAX     500
#define ACCEPTED_MAX (WRITERS * ROUNDS)

struct accepted {
    uint64_t seq, after;
    uint8_t id[JOURNAL_ENTRY_ID];
};

struct race {
    struct contract_run *r;
    pthread_barrier_t start; // of all threads
    pthread_barrier_t round; // of the writers
    uint64_t tip;            // before all
    char key[JOURNAL_NAME_BYTES + 1];
    char lease[JOURNAL_NAME_BYTES + 1];
    char address[JOURNAL_NAME_BYTES + 1];
    atomic_bool is_over;     // writers have ended
    atomic_bool is_working;  // a request is being worked on
    atomic_bool is_crossing; // two were at the same time
    atomic_uint n_served;
    _Atomic(uint64_t) last_served[WRITERS];
    atomic_bool is_out_of_order;
    atomic_bool is_wrong;
};

struct racer {
    struct race *race;
    unsigned number;
    uint64_t random;
    struct accepted accepted[ROUNDS + 1]; // the last one is the next
    size_t n_accepted;
    unsigned n_put, n_put_unknown;
    unsigned n_taken;
    unsigned n_asked, n_ask_unknown;
};

// --- what each thread does ---

static void race_append(struct racer *x)
{
    struct race *race = x->race;
    const struct journal_contract_case *c = race->r->c;
    struct journal *j = race->r->handles[x->number];
    struct buf bytes;

    buf_init(&bytes, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct accepted *a = &x->accepted[x->n_accepted];
        uint64_t halves[2] = { contract_random(&x->random),
                               contract_random(&x->random) };
        enum err err;

        pthread_barrier_wait(&race->round);
        err = contract_last(race->r, j, c->chain, &a->after, a->id);
        if (err != OK)
            atomic_store(&race->is_wrong, true);
        memcpy(a->id, halves, sizeof(a->id));
        contract_entry(&bytes, a->after, contract_random(&x->random),
                       ENTRY_BYTES);
        pthread_barrier_wait(&race->round);
        err = contract_append(race->r, j, c->chain, a->after, a->id,
                              buf_str(&bytes), &a->seq);
        if (err == OK) {
            x->n_accepted++;
        } else if (err != ERR_CONFLICT) {
            atomic_store(&race->is_wrong, true);
        }
    }
    buf_clear(&bytes);
}

static void race_put(struct racer *x)
{
    struct race *race = x->race;
    const struct journal_contract_case *c = race->r->c;
    struct journal *j = race->r->handles[x->number];
    struct buf now;

    buf_init(&now, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t revision = 0;
        uint8_t next[8] = { 0 };
        struct str value = { (const char *)next, sizeof(next) };
        enum err err;

        buf_reset(&now);
        err = contract_get(race->r, j, str_of(race->key), &now, &revision);
        if (err != OK && err != ERR_NOTFOUND)
            atomic_store(&race->is_wrong, true);
        if (err == OK && now.n_bytes == sizeof(next))
            put_be64(next, get_be64((const uint8_t *)now.at) + 1);
        if (err == ERR_NOTFOUND)
            put_be64(next, 1);
        err = journal_value_put(j, str_of(race->key), &value, revision,
                                c->wait_ms, &revision);
        x->n_put += err == OK;
        x->n_put_unknown += err == ERR_AGAIN;
        if (err != OK && err != ERR_CONFLICT && !c->has_faults)
            atomic_store(&race->is_wrong, true);
    }
    buf_clear(&now);
}

static enum err serve(void *data, struct str body, struct buf *answer)
{
    struct race *race = data;
    uint64_t number;
    uint64_t order;

    if (body.n_bytes != 16)
        return ERR_INVALID;
    if (atomic_exchange(&race->is_working, true))
        atomic_store(&race->is_crossing, true);
    number = get_be64((const uint8_t *)body.at) % WRITERS;
    order = get_be64((const uint8_t *)body.at + 8);
    if (atomic_exchange(&race->last_served[number], order) >= order)
        atomic_store(&race->is_out_of_order, true);
    atomic_fetch_add(&race->n_served, 1);
    buf_put_str(answer, body);
    atomic_store(&race->is_working, false);
    return OK;
}

static void race_ask(struct racer *x)
{
    struct race *race = x->race;
    const struct journal_contract_case *c = race->r->c;
    struct buf answer;

    buf_init(&answer, 0);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        uint8_t body[16];
        struct str text = { (const char *)body, sizeof(body) };
        enum err err;

        put_be64(body, x->number);
        put_be64(body + 8, i);
        buf_reset(&answer);
        err = journal_request(race->r->handles[x->number],
                              str_of(race->address), text, c->wait_ms, &answer);
        x->n_asked += err == OK;
        x->n_ask_unknown += err == ERR_AGAIN;
        if (err == OK ? !str_eq(buf_str(&answer), text)
                      : err != ERR_AGAIN || !c->has_faults)
            atomic_store(&race->is_wrong, true);
    }
    buf_clear(&answer);
}

static void race_take(struct racer *x)
{
    struct race *race = x->race;
    uint64_t term = 0;
    char holder[] = "racer0";
    enum err err;

    holder[5] = (char)('0' + x->number);
    err = contract_take(race->r, race->r->handles[x->number],
                        str_of(race->lease), str_of(holder), &term);
    x->n_taken = err == OK;
    if (err != OK && err != ERR_EXISTS)
        atomic_store(&race->is_wrong, true);
}

static void *run_racer(void *data)
{
    struct racer *x = data;

    pthread_barrier_wait(&x->race->start);
    race_append(x);
    race_put(x);
    race_ask(x);
    race_take(x);
    return NULL;
}

// Follows the chain while it grows, up to the number that comes with the end.
static void *run_reader(void *data)
{
    struct race *race = data;
    struct contract_run *r = race->r;
    struct journal_reader *reader;
    struct journal_entry e;
    uint64_t at = race->tip;
    uint64_t last = 0;
    unsigned n_idle = 0; // reads since the end that brought nothing
    uint8_t id[JOURNAL_ENTRY_ID];
    enum err err;

    pthread_barrier_wait(&race->start);
    if (contract_open_reader(r, r->handles[WRITERS], r->c->chain, at,
                             &reader) != OK)
        return NULL;
    for (;;) {
        uint64_t follows = 0;

        if (last == 0 && atomic_load(&race->is_over) &&
            contract_last(r, r->handles[WRITERS], r->c->chain, &last, id) != OK)
            break;
        if (last != 0 && (at >= last || n_idle >= IDLE_MAX))
            break;
        err = journal_reader_next(reader, r->c->look_ms + 1, &e);
        if (err == OK && e.seq > at &&
            contract_entry_after(e.bytes, &follows) && follows == at) {
            at = e.seq;
        } else if (last != 0) {
            n_idle++;
        }
        if (err != OK && err != ERR_NOTFOUND && err != ERR_AGAIN) {
            break;
        }
    }
    journal_reader_close(reader);
    if (at < last)
        atomic_store(&race->is_wrong, true);
    return NULL;
}

// --- what must be true afterwards ---

// Each accepted entry is in the chain, once, where it was said to be.
static void check_chain(struct race *race, const struct racer *racers)
{
    struct contract_run *r = race->r;
    struct journal_reader *reader;
    struct journal_entry e;
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t at = race->tip;
    uint64_t last = 0;
    size_t n = 0;
    size_t n_accepted = 0;

    contract_last(r, r->handles[0], r->c->chain, &last, id);
    if (!contract_expect(
            r, contract_open_reader(r, r->handles[0], r->c->chain, at, &reader),
            OK, "reader"))
        return;
    while (at < last && contract_read(r, reader, &at, &e) == OK) {
        for (size_t x = 0; x < WRITERS; x++) {
            for (size_t i = 0; i < racers[x].n_accepted; i++) {
                const struct accepted *a = &racers[x].accepted[i];

                n += a->seq == e.seq && memcmp(a->id, e.id, sizeof(a->id)) == 0;
            }
        }
    }
    journal_reader_close(reader);
    for (size_t x = 0; x < WRITERS; x++)
        n_accepted += racers[x].n_accepted;
    contract_check(r, at == last, "race: the chain is read up to %llu of %llu",
                   (unsigned long long)at, (unsigned long long)last);
    contract_check(r, n == n_accepted,
                   "race: %zu entries were accepted, and %zu are in the chain",
                   n_accepted, n);
    contract_check(r, n_accepted == ROUNDS,
                   "race: in %d rounds, %zu are accepted", ROUNDS, n_accepted);
}

static void check_winners(struct race *race, const struct racer *racers)
{
    for (size_t i = 0; i < (size_t)ACCEPTED_MAX; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct racer *a = &racers[i / ROUNDS];
            const struct racer *b = &racers[k / ROUNDS];

            if (i % ROUNDS >= a->n_accepted || k % ROUNDS >= b->n_accepted)
                continue;
            contract_check(race->r,
                           a->accepted[i % ROUNDS].after !=
                               b->accepted[k % ROUNDS].after,
                           "race: two are accepted behind %llu",
                           (unsigned long long)a->accepted[i % ROUNDS].after);
        }
    }
}

static void check_counts(struct race *race, const struct racer *racers)
{
    struct contract_run *r = race->r;
    unsigned n_put = 0;
    unsigned n_put_unknown = 0;
    unsigned n_asked = 0;
    unsigned n_ask_unknown = 0;
    unsigned n_taken = 0;
    unsigned n_served = atomic_load(&race->n_served);
    uint64_t count = 0;
    uint64_t revision;
    struct buf now;

    for (size_t x = 0; x < WRITERS; x++) {
        n_put += racers[x].n_put;
        n_put_unknown += racers[x].n_put_unknown;
        n_asked += racers[x].n_asked;
        n_ask_unknown += racers[x].n_ask_unknown;
        n_taken += racers[x].n_taken;
    }
    buf_init(&now, 0);
    if (contract_get(r, r->handles[0], str_of(race->key), &now, &revision) ==
            OK &&
        now.n_bytes == 8)
        count = get_be64((const uint8_t *)now.at);
    buf_clear(&now);
    contract_check(r, count >= n_put && count <= n_put + n_put_unknown,
                   "race: %u increments count %llu", n_put,
                   (unsigned long long)count);
    contract_check(r, n_put > 0, "race: no value is put");
    contract_check(
        r, n_served >= n_asked && n_served <= n_asked + n_ask_unknown,
        "race: %u requests are answered, %u worked on", n_asked, n_served);
    contract_check(r, n_taken == 1, "race: %u hold the lease", n_taken);
    contract_check(r, !atomic_load(&race->is_crossing),
                   "race: two requests are worked on at the same time");
    contract_check(r, !atomic_load(&race->is_out_of_order),
                   "race: requests are worked on in another order");
    contract_check(r, !atomic_load(&race->is_wrong),
                   "race: an operation fails, or the reader does not follow");
}

static void run(struct race *race, struct racer *racers)
{
    pthread_t threads[WRITERS];
    pthread_t reader;

    pthread_barrier_init(&race->start, NULL, WRITERS + 1);
    pthread_barrier_init(&race->round, NULL, WRITERS);
    for (unsigned i = 0; i < WRITERS; i++) {
        racers[i] = (struct racer){ .race = race, .number = i };
        racers[i].random = hash64(STR("racer"), race->r->c->seed * WRITERS + i);
        if (pthread_create(&threads[i], NULL, run_racer, &racers[i]) != 0)
            abort();
    }
    if (pthread_create(&reader, NULL, run_reader, race) != 0)
        abort();
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&race->is_over, true);
    pthread_join(reader, NULL);
    pthread_barrier_destroy(&race->start);
    pthread_barrier_destroy(&race->round);
}

// --- who waits is woken ---

// Appends an entry and sets a value, each a moment after the other began to wait for it.
static void *run_waker(void *data)
{
    struct race *race = data;
    struct contract_run *r = race->r;
    struct str value = STR("woken");
    uint64_t tip = race->tip;
    uint64_t revision = 0;
    struct buf bytes;

    buf_init(&bytes, 0);
    for (unsigned i = 0; i < WAITS; i++) {
        uint64_t id[2] = { contract_random(&r->random),
                           contract_random(&r->random) };

        contract_entry(&bytes, tip, i, ENTRY_BYTES);
        pthread_barrier_wait(&race->start);
        usleep((useconds_t)contract_below(r, MOMENT_US));
        if (contract_append(r, r->handles[0], r->c->chain, tip,
                            (const uint8_t *)id, buf_str(&bytes), &tip) != OK)
            atomic_store(&race->is_wrong, true);
        pthread_barrier_wait(&race->start);
        usleep((useconds_t)contract_below(r, MOMENT_US));
        if (contract_put(r, r->handles[0], str_of(race->key), &value, revision,
                         &revision) != OK)
            atomic_store(&race->is_wrong, true);
    }
    buf_clear(&bytes);
    return NULL;
}

static void on_value(void *data, const struct journal_value *v)
{
    uint64_t *revision = data;

    *revision = v->revision;
}

// The next entry, of which it is known that it comes; repeats are passed over.
static enum err read_next(struct contract_run *r, struct journal_reader *reader,
                          uint64_t *at)
{
    struct journal_entry e;
    enum err err;

    do {
        err = journal_reader_next(reader, r->c->wait_ms, &e);
    } while (err == OK && e.seq <= *at);
    if (err == OK)
        *at = e.seq;
    return err;
}

static enum err watch_next(struct contract_run *r, const char *key,
                           uint64_t *revision, uint64_t *after)
{
    uint64_t before = *revision;
    enum err err;

    do {
        err = journal_value_watch(r->handles[1], str_of(key), *after,
                                  r->c->wait_ms, on_value, revision, after);
    } while (err == OK && *revision <= before);
    return err;
}

static void check_waits(struct race *race)
{
    struct contract_run *r = race->r;
    struct journal_reader *reader;
    uint64_t revision = 0;
    uint64_t after = 0;
    uint64_t at;
    uint8_t id[JOURNAL_ENTRY_ID];
    pthread_t waker;

    contract_name(r, race->key, "woken", 0);
    contract_last(r, r->handles[1], r->c->chain, &race->tip, id);
    at = race->tip;
    if (!contract_expect(
            r, contract_open_reader(r, r->handles[1], r->c->chain, at, &reader),
            OK, "reader"))
        return;
    pthread_barrier_init(&race->start, NULL, 2);
    if (pthread_create(&waker, NULL, run_waker, race) != 0)
        abort();
    for (unsigned i = 0; i < WAITS; i++) {
        pthread_barrier_wait(&race->start);
        contract_expect(r, read_next(r, reader, &at), OK,
                        "read of what comes while it waits");
        pthread_barrier_wait(&race->start);
        contract_expect(r, watch_next(r, race->key, &revision, &after), OK,
                        "watch of what comes while it waits");
    }
    pthread_join(waker, NULL);
    pthread_barrier_destroy(&race->start);
    journal_reader_close(reader);
    contract_check(r, after > 0 && revision == after,
                   "watch: revision %llu, and %llu is where to go on",
                   (unsigned long long)revision, (unsigned long long)after);
    contract_check(r, !atomic_load(&race->is_wrong),
                   "race: an operation of the one that wakes fails");
}

bool journal_contract_race(const struct journal_contract_case *c,
                           struct buf *faults)
{
    struct contract_run r;
    struct race *race = xcalloc(1, sizeof(*race));
    struct racer *racers = xcalloc(WRITERS, sizeof(*racers));
    uint8_t id[JOURNAL_ENTRY_ID];
    unsigned n = 0;
    bool is_kept;
    enum err err;

    if (contract_begin(&r, c, "race", WRITERS + 1, faults)) {
        race->r = &r;
        contract_name(&r, race->key, "race", 0);
        contract_name(&r, race->lease, "race", 0);
        contract_name(&r, race->address, "race", 0);
        contract_expect(
            &r, contract_last(&r, r.handles[0], c->chain, &race->tip, id), OK,
            "last");
        while (contract_again(&r, &n,
                              err = journal_serve(r.handles[WRITERS],
                                                  str_of(race->address), serve,
                                                  race)))
            ;
        contract_expect(&r, err, OK, "serve");
        run(race, racers);
        check_chain(race, racers);
        check_winners(race, racers);
        check_counts(race, racers);
        if (!c->has_faults && c->wait_ms >= 1000)
            check_waits(race);
    }
    is_kept = contract_end(&r); // before what it serves is freed
    free(racers);
    free(race);
    return is_kept;
}
