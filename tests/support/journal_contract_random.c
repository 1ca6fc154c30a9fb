// SPDX-License-Identifier: MIT
// journal_contract_random.c — random operations of several handles, against a model.
//
// One thread makes them in turns, so the model knows the chain's last entry, but for
// entries whose outcome is unknown: each of them may be it, if what it was to follow was
// the last one.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/journal_contract_private.h"

#define CATCH_UP_MAX 4000 // reads

// An entry that was sent, with or without success.
struct sent {
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t after;
    uint64_t number; // in its bytes
    size_t n_bytes;
    uint64_t seq;     // 0: it is not known to be in the chain
    bool may_turn_up; // the last answer was ERR_AGAIN
};

struct reading {
    struct journal_reader *reader; // NULL: none
    uint64_t seen;                 // the highest number that came
    uint64_t at; // the last one of the chain that came; or where it began
    uint64_t given[16]; // the last numbers that came, for repeats
    size_t n_given;
    uint64_t floor; // what is before it had been removed when it was opened
};

struct model {
    struct contract_run *r;
    unsigned chain;
    uint64_t start; // the last one before all
    uint64_t tip;   // the last one as far as is known
    struct sent *sent;
    size_t n_sent, n_sent_max;
    size_t *links; // the chain behind `start`: places in `sent`
    size_t n_links;
    size_t pending[CONTRACT_HANDLES]; // in `sent`, and 1 more; 0: none
    struct reading readings[CONTRACT_HANDLES];
    uint64_t trimmed;       // removed for sure: all before it
    uint64_t maybe_trimmed; // removed perhaps
    struct buf bytes;
};

static void model_begin(struct model *m, struct contract_run *r)
{
    uint8_t id[JOURNAL_ENTRY_ID];

    *m = (struct model){ .r = r, .chain = r->c->chain + 1 };
    buf_init(&m->bytes, 0);
    contract_expect(r, contract_last(r, r->handles[0], m->chain, &m->start, id),
                    OK, "last");
    m->tip = m->start;
}

static void model_free(struct model *m)
{
    for (size_t h = 0; h < m->r->n_handles; h++) {
        if (m->readings[h].reader != NULL)
            journal_reader_close(m->readings[h].reader);
    }
    buf_clear(&m->bytes);
    free(m->sent);
    free(m->links);
}

// --- appending ---

// It is the chain's last one, with this number.
static void note_link(struct model *m, size_t place, uint64_t seq)
{
    m->sent[place].seq = seq;
    m->sent[place].may_turn_up = false;
    m->links[m->n_links++] = place;
    m->tip = seq;
}

static bool may_be_last(const struct model *m, size_t place)
{
    return m->sent[place].may_turn_up && m->sent[place].seq == 0 &&
           m->sent[place].after == m->tip;
}

static bool is_tip_known(const struct model *m)
{
    for (size_t i = 0; i < m->n_sent; i++) {
        if (may_be_last(m, i))
            return false;
    }
    return true;
}

// The place of the entry with this id; n_sent: none.
static size_t find_sent(const struct model *m,
                        const uint8_t id[JOURNAL_ENTRY_ID])
{
    size_t i = 0;

    while (i < m->n_sent && memcmp(m->sent[i].id, id, JOURNAL_ENTRY_ID) != 0)
        i++;
    return i;
}

// Asks which one is the last, and learns of it.
static void look_at_last(struct model *m, struct journal *j)
{
    struct contract_run *r = m->r;
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t seq = 0;
    size_t place;

    if (!contract_expect(r, contract_last(r, j, m->chain, &seq, id), OK,
                         "last"))
        return;
    place = find_sent(m, id);
    if (seq == m->tip) {
        contract_check(r, m->n_links == 0 || place == m->links[m->n_links - 1],
                       "last: %llu has another id", (unsigned long long)seq);
    } else if (contract_check(
                   r,
                   seq > m->tip && place < m->n_sent && may_be_last(m, place),
                   "last: %llu follows %llu, and nobody appended it",
                   (unsigned long long)seq, (unsigned long long)m->tip)) {
        note_link(m, place, seq);
    }
}

static size_t make_entry(struct model *m, uint64_t after)
{
    struct contract_run *r = m->r;
    uint64_t halves[2] = { contract_random(&r->random),
                           contract_random(&r->random) };
    struct sent *s;

    if (m->n_sent == m->n_sent_max) {
        m->n_sent_max = m->n_sent_max * 2 + 64;
        m->sent = xrealloc(m->sent, m->n_sent_max * sizeof(*m->sent));
        m->links = xrealloc(m->links, m->n_sent_max * sizeof(*m->links));
    }
    s = &m->sent[m->n_sent++];
    *s = (struct sent){ .after = after, .number = contract_random(&r->random) };
    s->n_bytes = CONTRACT_HEAD_BYTES + contract_below(r, 100);
    if (contract_below(r, 50) == 0)
        s->n_bytes = CONTRACT_HEAD_BYTES + contract_below(r, 10000);
    memcpy(s->id, halves, sizeof(s->id));
    return m->n_sent - 1;
}

static void note_ok(struct model *m, size_t place, uint64_t seq)
{
    struct contract_run *r = m->r;
    struct sent *s = &m->sent[place];

    if (s->seq != 0) {
        contract_check(r, seq == s->seq, "append: %llu was %llu before",
                       (unsigned long long)seq, (unsigned long long)s->seq);
    } else if (contract_check(r, s->after == m->tip && seq > m->tip,
                              "append: %llu is accepted behind %llu, but %llu "
                              "is the last one",
                              (unsigned long long)seq,
                              (unsigned long long)s->after,
                              (unsigned long long)m->tip)) {
        note_link(m, place, seq);
    }
}

// Sends an entry, once; returns whether its outcome is known.
static bool send_entry(struct model *m, size_t h, size_t place)
{
    struct contract_run *r = m->r;
    struct sent *s = &m->sent[place];
    bool is_plain = s->after == m->tip && is_tip_known(m);
    bool is_last = s->seq != 0 && s->seq == m->tip && is_tip_known(m);
    uint64_t seq = 0;
    enum err err;

    contract_entry(&m->bytes, s->after, s->number, s->n_bytes);
    err = journal_append(r->handles[h], m->chain, s->after, s->id,
                         buf_str(&m->bytes), r->c->wait_ms, &seq);
    switch ((int)err) {
    case OK:
        note_ok(m, place, seq);
        return true;
    case ERR_CONFLICT:
        contract_check(r, !is_plain && !is_last,
                       "append behind the last one, %llu, is refused",
                       (unsigned long long)m->tip);
        look_at_last(m, r->handles[h]);
        contract_check(r, s->seq == 0 || s->seq != m->tip,
                       "append: %llu is the last one, and refused",
                       (unsigned long long)s->seq);
        return true;
    case ERR_FULL:
        contract_check(r, r->c->has_faults && s->seq == 0,
                       "append: no room, though there is some");
        s->may_turn_up = false;
        return true;
    case ERR_AGAIN:
        contract_check(r, r->c->has_faults, "append: it has no outcome");
        s->may_turn_up = true;
        return !r->c->has_faults;
    default:
        contract_fault(r, "append: %s", err_str(err));
        return true;
    }
}

static void step_append(struct model *m, size_t h)
{
    struct contract_run *r = m->r;
    uint64_t after = m->tip;
    uint64_t kind = contract_below(r, 20);

    if (m->pending[h] != 0 && contract_below(r, 10) == 0)
        m->pending[h] = 0; // as if the writer had died
    if (m->pending[h] == 0) {
        if (kind < 3 && m->n_links > 0) {
            after = m->sent[m->links[contract_below(r, m->n_links)]].after;
        } else if (kind == 3) {
            after = 0;
        }
        m->pending[h] = make_entry(m, after) + 1;
    }
    if (send_entry(m, h, m->pending[h] - 1))
        m->pending[h] = 0;
}

static void step_trim(struct model *m, size_t h)
{
    struct contract_run *r = m->r;
    uint64_t before = UINT64_MAX;
    uint64_t end = m->tip; // before which entries go
    enum err err;

    if (m->n_links == 0)
        return;
    if (!is_tip_known(m) || contract_below(r, 8) != 0) {
        before = m->sent[m->links[contract_below(r, m->n_links)]].seq;
        end = before;
    }
    if (end > m->maybe_trimmed)
        m->maybe_trimmed = end;
    err = journal_trim(r->handles[h], m->chain, before, r->c->wait_ms);
    if (err == OK) {
        if (end > m->trimmed)
            m->trimmed = end;
    } else {
        contract_check(r, err == ERR_AGAIN && r->c->has_faults, "trim: %s",
                       err_str(err));
    }
}

// --- reading ---

static void end_reading(struct reading *g)
{
    journal_reader_close(g->reader);
    *g = (struct reading){ .reader = NULL };
}

static void begin_reading(struct model *m, size_t h, uint64_t after)
{
    struct contract_run *r = m->r;
    struct reading *g = &m->readings[h];

    if (contract_expect(
            r,
            contract_open_reader(r, r->handles[h], m->chain, after, &g->reader),
            OK, "reader")) {
        g->seen = after;
        g->at = after;
        g->floor = m->trimmed;
    } else {
        g->reader = NULL;
    }
}

static bool was_given(const struct reading *g, uint64_t seq)
{
    size_t n = sizeof(g->given) / sizeof(g->given[0]);

    if (g->n_given > n)
        return true; // it is not remembered any more
    for (size_t i = 0; i < g->n_given; i++) {
        if (g->given[i] == seq)
            return true;
    }
    return false;
}

// The chain's entry before the one at `place`.
static uint64_t before_link(const struct model *m, size_t place)
{
    return m->sent[place].after;
}

// An entry that the reader has not seen, of which the model knows that it is in the chain.
static void check_link(struct model *m, struct reading *g, size_t place,
                       uint64_t seq)
{
    struct contract_run *r = m->r;
    uint64_t before = before_link(m, place);

    // A reader that begins with the first one misses what was removed, and no more.
    contract_check(r,
                   before == g->at ||
                       (before == m->start && g->at <= m->start) ||
                       (g->at == 0 && before < m->maybe_trimmed),
                   "reader: %llu came after %llu, and %llu was passed over",
                   (unsigned long long)seq, (unsigned long long)g->at,
                   (unsigned long long)before);
    contract_check(r, g->at != 0 || seq >= g->floor,
                   "reader: %llu comes, and was removed before",
                   (unsigned long long)seq);
    g->at = seq;
}

static void check_bytes(struct model *m, size_t place,
                        const struct journal_entry *e)
{
    const struct sent *s = &m->sent[place];

    contract_entry(&m->bytes, s->after, s->number, s->n_bytes);
    contract_check(m->r, str_eq(buf_str(&m->bytes), e->bytes),
                   "reader: %llu has other bytes", (unsigned long long)e->seq);
}

static void check_entry(struct model *m, struct reading *g,
                        const struct journal_entry *e)
{
    struct contract_run *r = m->r;
    size_t place = find_sent(m, e->id);

    if (e->seq <= g->seen) { // again
        contract_check(r, e->seq > 0 && was_given(g, e->seq),
                       "reader: %llu came after %llu, and for the first time",
                       (unsigned long long)e->seq, (unsigned long long)g->seen);
        return;
    }
    g->given[g->n_given++ % (sizeof(g->given) / sizeof(g->given[0]))] = e->seq;
    g->seen = e->seq;
    if (e->seq <= m->start) { // of those who were here before
        g->at = e->seq;
        return;
    }
    if (place == m->n_sent) { // left over from before, so it continues nothing
        uint64_t after = 0;

        contract_check(
            r, contract_entry_after(e->bytes, &after) && after != g->at,
            "reader: %llu was appended by nobody", (unsigned long long)e->seq);
        return;
    }
    check_bytes(m, place, e);
    if (may_be_last(m, place) && e->seq > m->tip)
        note_link(m, place, e->seq);
    if (m->sent[place].seq == e->seq) {
        check_link(m, g, place, e->seq);
        return;
    }
    // It is none of the chain, and tells so.
    contract_check(r, m->sent[place].after != g->at || g->at == 0,
                   "reader: %llu continues the chain behind %llu, and was not "
                   "accepted",
                   (unsigned long long)e->seq, (unsigned long long)g->at);
}

// Reads one entry. False: there is nothing now.
static bool read_one(struct model *m, size_t h)
{
    struct contract_run *r = m->r;
    struct reading *g = &m->readings[h];
    bool is_behind = g->at < m->tip;
    struct journal_entry e;
    enum err err = journal_reader_next(
        g->reader, is_behind ? r->c->wait_ms : r->c->look_ms, &e);

    switch ((int)err) {
    case OK:
        check_entry(m, g, &e);
        return true;
    case ERR_NOTFOUND:
        contract_check(r, r->c->has_faults || !is_behind,
                       "reader: nothing comes behind %llu, and %llu is the "
                       "last one",
                       (unsigned long long)g->at, (unsigned long long)m->tip);
        return false;
    case ERR_AGAIN:
        contract_check(r, r->c->has_faults, "reader: it cannot read");
        return false;
    case ERR_GONE:
        contract_check(r, g->seen > 0 && m->maybe_trimmed > g->at,
                       "reader: what is behind %llu is gone, and nobody "
                       "removed it",
                       (unsigned long long)g->at);
        end_reading(g);
        return false;
    default:
        contract_fault(r, "reader: %s", err_str(err));
        end_reading(g);
        return false;
    }
}

static void step_read(struct model *m, size_t h)
{
    struct contract_run *r = m->r;

    if (m->readings[h].reader != NULL && contract_below(r, 20) == 0)
        end_reading(&m->readings[h]);
    if (m->readings[h].reader == NULL) {
        uint64_t after = 0;

        if (m->n_links > 0 && contract_below(r, 2) == 0)
            after = m->sent[m->links[contract_below(r, m->n_links)]].seq;
        begin_reading(m, h, after);
    }
    for (uint64_t n = contract_below(r, 6);
         m->readings[h].reader != NULL && n > 0 && read_one(m, h); n--)
        ;
}

// In the end, each handle reads all that there is.
static void read_all(struct model *m, size_t h)
{
    struct reading *g = &m->readings[h];

    if (g->reader == NULL)
        begin_reading(m, h, 0);
    for (unsigned n = 0; n < CATCH_UP_MAX && g->at < m->tip; n++) {
        if (contract_is_over(m->r))
            return;
        if (g->reader == NULL)
            begin_reading(m, h, 0);
        read_one(m, h);
    }
    contract_check(m->r, g->at == m->tip,
                   "reader: it never comes to the last one, %llu",
                   (unsigned long long)m->tip);
}

// --- the run ---

static void end_chain(struct model *m)
{
    struct contract_run *r = m->r;

    for (size_t h = 0; h < r->n_handles; h++) {
        for (unsigned n = 0; n < 1000 && m->pending[h] != 0; n++) {
            if (send_entry(m, h, m->pending[h] - 1))
                m->pending[h] = 0;
        }
        contract_check(r, m->pending[h] == 0, "append: never an outcome");
    }
    // Entries that nobody asks for again may still turn up: an entry behind them settles
    // it.
    for (unsigned n = 0; n < 1000 && !contract_is_over(r); n++) {
        size_t place = make_entry(m, m->tip);

        for (unsigned k = 0; k < 1000 && !send_entry(m, 0, place); k++)
            ;
        look_at_last(m, r->handles[0]);
        if (is_tip_known(m))
            break;
    }
    for (size_t h = 0; h < r->n_handles && !contract_is_over(r); h++)
        read_all(m, h);
    for (size_t h = 0; h < r->n_handles && !contract_is_over(r); h++) {
        if (m->readings[h].reader != NULL)
            end_reading(&m->readings[h]);
        read_all(m, h);
    }
}

static void step(struct model *m, struct contract_values *values,
                 struct contract_leases *leases)
{
    size_t h = contract_below(m->r, m->r->n_handles);
    uint64_t kind = contract_below(m->r, 64);

    if (kind < 20) {
        step_append(m, h);
    } else if (kind < 36) {
        step_read(m, h);
    } else if (kind < 40) {
        look_at_last(m, m->r->handles[h]);
    } else if (kind < 42) {
        step_trim(m, h);
    } else if (kind < 52) {
        contract_values_step(values);
    } else {
        contract_leases_step(leases);
    }
}

bool journal_contract_random(const struct journal_contract_case *c,
                             struct buf *faults)
{
    unsigned n = c->n_operations > 0 ? c->n_operations : 300;
    unsigned n_handles = 2 + (unsigned)(c->seed % (CONTRACT_HANDLES - 1));
    struct contract_run r;
    struct contract_values *values;
    struct contract_leases *leases;
    struct model m;
    bool is_kept;

    if (!contract_begin(&r, c, "random", n_handles, faults))
        return contract_end(&r);
    model_begin(&m, &r);
    values = contract_values_new(&r);
    leases = contract_leases_new(&r);
    for (unsigned i = 0; i < n && !contract_is_over(&r); i++)
        step(&m, values, leases);
    end_chain(&m);
    model_free(&m);
    contract_values_end(values);
    is_kept = contract_end(&r);
    contract_leases_free(leases);
    return is_kept;
}
