// SPDX-License-Identifier: MIT
// journal.h — what several machines agree on: chains of entries, small values, leases and
// requests. Everything above this header works the same with each implementation:
//
//   journal_lmdb   an LMDB environment that the processes of one machine share
//   journal_nats   the streams of a NATS JetStream cluster, synced and replicated
//   journal_mean   in memory, for tests: loses answers, delays, repeats, fences, is full
//
// A chain is a list of entries in one order. An entry has a sequence number, which grows
// along the chain, but not by ones. Whoever appends names the entry that is to be the
// chain's last one before, so two writers never both succeed.
//
// All functions wait, up to the time that the caller gives, and may be called by any
// thread; of one `struct journal_reader`, one thread at a time makes use. None is called on
// the thread of an event loop.
//
// Besides the errors that are named below, each function may return ERR_INVALID: a name is
// not valid, or the number of a chain is too high; and ERR_CORRUPT or ERR_IO: what keeps the
// journal is damaged or fails, which does not pass by itself.

#ifndef QUEUE_JOURNAL_JOURNAL_H
#define QUEUE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define JOURNAL_CHAINS_MAX  256 // numbers of chains are below it
#define JOURNAL_ENTRY_ID    16
#define JOURNAL_ENTRY_BYTES ((size_t)512 * 1024) // the largest entry
#define JOURNAL_VALUE_BYTES ((size_t)64 * 1024)  // the largest value
#define JOURNAL_REQUEST_BYTES \
    ((size_t)512 * 1024)      // the largest request, and answer
#define JOURNAL_NAME_BYTES 64 // of a key, a lease, a holder, an address

// Names are of letters, digits, '-', '_' and '.', 1 to JOURNAL_NAME_BYTES bytes; a '.' is
// neither first nor last nor beside another.
bool journal_name_is_valid(struct str name);

struct journal_entry {
    uint64_t seq;                 // above 0
    uint8_t id[JOURNAL_ENTRY_ID]; // that its writer gave it
    struct str bytes; // borrowed; valid until the next call of the reader
};

struct journal_value {
    struct str key;   // borrowed during the callback
    struct str bytes; // borrowed during the callback
    bool is_deleted;
    uint64_t revision;
};

typedef void (*journal_value_fn)(void *data, const struct journal_value *v);

// Answers a request, on a thread of the journal: appends to `answer`, at most
// JOURNAL_REQUEST_BYTES. An error other than OK tells the asker that there is no answer
// (ERR_AGAIN).
typedef enum err (*journal_serve_fn)(void *data, struct str body,
                                     struct buf *answer);

struct journal;
struct journal_reader;

struct journal_ops {
    void (*close)(struct journal *j);
    enum err (*judge)(struct journal *j, struct buf *faults);
    enum err (*append)(struct journal *j, unsigned chain, uint64_t after,
                       const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
                       int64_t wait_ms, uint64_t *seq);
    enum err (*last)(struct journal *j, unsigned chain, int64_t wait_ms,
                     uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID]);
    enum err (*trim)(struct journal *j, unsigned chain, uint64_t before,
                     int64_t wait_ms);
    enum err (*reader_open)(struct journal *j, unsigned chain, uint64_t after,
                            struct journal_reader **out);
    enum err (*reader_next)(struct journal_reader *r, int64_t wait_ms,
                            struct journal_entry *out);
    void (*reader_close)(struct journal_reader *r);
    enum err (*value_get)(struct journal *j, struct str key, int64_t wait_ms,
                          struct buf *bytes, uint64_t *revision);
    enum err (*value_put)(struct journal *j, struct str key,
                          const struct str *bytes, uint64_t expected,
                          int64_t wait_ms, uint64_t *revision);
    enum err (*value_watch)(struct journal *j, struct str prefix,
                            uint64_t after, int64_t wait_ms,
                            journal_value_fn on_value, void *data,
                            uint64_t *revision);
    enum err (*lease_take)(struct journal *j, struct str name,
                           struct str holder, int64_t wait_ms, uint64_t *term);
    enum err (*lease_keep)(struct journal *j, struct str name,
                           struct str holder, int64_t wait_ms, uint64_t *term);
    enum err (*lease_give)(struct journal *j, struct str name, uint64_t term,
                           int64_t wait_ms);
    enum err (*lease_get)(struct journal *j, struct str name, int64_t wait_ms,
                          struct buf *holder, uint64_t *term);
    enum err (*request)(struct journal *j, struct str address, struct str body,
                        int64_t wait_ms, struct buf *answer);
    enum err (*serve)(struct journal *j, struct str address,
                      journal_serve_fn fn, void *data);
};

// The first member of an implementation's struct.
struct journal {
    const struct journal_ops *ops;
};

struct journal_reader {
    const struct journal_ops *ops;
};

// --- life ---

// Ends what the journal serves, and frees it. Readers are closed before.
static inline void journal_close(struct journal *j)
{
    j->ops->close(j);
}

// Whether what keeps the journal does what is relied on: version, number of replicas,
// that it syncs before it answers, limits of size. Appends a line for each fault, which
// names the setting, what it is and what is needed. OK: no fault. ERR_INVALID: faults.
// ERR_AGAIN: it cannot be reached, which is the one line.
MUST_CHECK static inline enum err journal_judge(struct journal *j,
                                                struct buf *faults)
{
    return j->ops->judge(j, faults);
}

// --- chains ---

// Appends an entry, if the chain's last entry is the one with the number `after` (0: the
// chain has never had one). `id` is random, and of this entry alone. OK: it is stored as
// durably as the journal can (synced by a majority), and *seq is its number. ERR_CONFLICT:
// the chain's last entry is another one; whether this one was stored before that, the chain
// itself tells. ERR_AGAIN: not known within `wait_ms`, or refused because nothing can be stored at this moment: the same call
// with the same id tells, and appends if it was not stored. Until then the entry may still
// turn up. ERR_FULL: no room, and it is not stored. ERR_TOOBIG: longer than
// JOURNAL_ENTRY_BYTES.
// NOLINTBEGIN(readability-function-size): each is needed, and named at each call
MUST_CHECK static inline enum err
journal_append(struct journal *j, unsigned chain, uint64_t after,
               const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
               int64_t wait_ms, uint64_t *seq)
{
    return j->ops->append(j, chain, after, id, bytes, wait_ms, seq);
}
// NOLINTEND(readability-function-size)

// The chain's last entry, as the machine that leads it has it: while machines are cut off from
// each other, that may be an older one, which an append finds out. ERR_NOTFOUND: it has none.
// ERR_AGAIN.
MUST_CHECK static inline enum err journal_last(struct journal *j,
                                               unsigned chain, int64_t wait_ms,
                                               uint64_t *seq,
                                               uint8_t id[JOURNAL_ENTRY_ID])
{
    return j->ops->last(j, chain, wait_ms, seq, id);
}

// Removes the entries before the one with the number `before`, but never the last one.
// ERR_AGAIN.
MUST_CHECK static inline enum err journal_trim(struct journal *j,
                                               unsigned chain, uint64_t before,
                                               int64_t wait_ms)
{
    return j->ops->trim(j, chain, before, wait_ms);
}

// Reads the entries behind the number `after` (0: from the first one). `out` is the caller's
// until journal_reader_close(). ERR_AGAIN.
MUST_CHECK static inline enum err
journal_reader_open(struct journal *j, unsigned chain, uint64_t after,
                    struct journal_reader **out)
{
    return j->ops->reader_open(j, chain, after, out);
}

// The next entry. Entries come in their order, and none is passed over; one that came
// before may come again, and an entry that is not part of the chain may come, too: entries
// tell by what they contain whether they continue. ERR_NOTFOUND: there was none within
// `wait_ms`; an entry may come later than its writer learned of it. ERR_AGAIN: the journal
// cannot be reached; call again. ERR_GONE: entries behind the last one that was read were
// removed by journal_trim(), or that one itself, if the journal cannot tell: this reader is
// of no use any more. A reader that began at 0 begins with the first entry that there is.
MUST_CHECK static inline enum err journal_reader_next(struct journal_reader *r,
                                                      int64_t wait_ms,
                                                      struct journal_entry *out)
{
    return r->ops->reader_next(r, wait_ms, out);
}

static inline void journal_reader_close(struct journal_reader *r)
{
    r->ops->reader_close(r);
}

// --- small values ---

// Appends the value to `bytes`. ERR_NOTFOUND: there is none, or it was deleted; *revision
// is 0 then. ERR_AGAIN.
MUST_CHECK static inline enum err
journal_value_get(struct journal *j, struct str key, int64_t wait_ms,
                  struct buf *bytes, uint64_t *revision)
{
    return j->ops->value_get(j, key, wait_ms, bytes, revision);
}

// Sets the value if its revision is `expected` (0: there is none), or deletes it
// (`bytes` is NULL; `expected` is above 0). OK: stored, *revision is the new one, higher
// than all before. ERR_CONFLICT: another revision is there. ERR_AGAIN: not known whether it
// is stored; it may still turn up, while its revision is the expected one. ERR_FULL.
// ERR_TOOBIG: longer than JOURNAL_VALUE_BYTES.
MUST_CHECK static inline enum err
journal_value_put(struct journal *j, struct str key, const struct str *bytes,
                  uint64_t expected, int64_t wait_ms, uint64_t *revision)
{
    return j->ops->value_put(j, key, bytes, expected, wait_ms, revision);
}

// Calls `on_value` for the last value of each key that begins with `prefix` and changed
// behind revision `after` (0: for all that there are); waits up to `wait_ms` for the first
// one. OK: *revision is what to pass as `after` the next time. A value may come again; the
// last value of a key is never passed over, and a deletion counts as one, but for a watcher
// that begins at 0. ERR_NOTFOUND: none within `wait_ms`; one may come later than who set it
// learned of it. ERR_AGAIN.
// NOLINTBEGIN(readability-function-size): each is needed, and named at each call
MUST_CHECK static inline enum err
journal_value_watch(struct journal *j, struct str prefix, uint64_t after,
                    int64_t wait_ms, journal_value_fn on_value, void *data,
                    uint64_t *revision)
{
    return j->ops->value_watch(j, prefix, after, wait_ms, on_value, data,
                               revision);
}
// NOLINTEND(readability-function-size)

// --- leases ---

// A lease says who tries; that two do not both write is what journal_append() ensures. A
// lease ends JOURNAL_LEASE_MS after it was taken or kept, by the clock of the journal, or up
// to a third of that earlier or later.
#define JOURNAL_LEASE_MS 30000

// Takes the lease if nobody holds it. *term is higher than each before. ERR_EXISTS: somebody
// holds it, perhaps this holder. ERR_AGAIN: not known whether it is taken, which
// journal_lease_get() tells.
MUST_CHECK static inline enum err
journal_lease_take(struct journal *j, struct str name, struct str holder,
                   int64_t wait_ms, uint64_t *term)
{
    return j->ops->lease_take(j, name, holder, wait_ms, term);
}

// Keeps a lease for JOURNAL_LEASE_MS from now on: *term is that of the last success, and
// becomes the new one, which is not lower. ERR_CONFLICT: it ended, or is another's.
// ERR_AGAIN: not known whether it is kept; the next call of this function settles it, with
// *term as this one left it.
MUST_CHECK static inline enum err
journal_lease_keep(struct journal *j, struct str name, struct str holder,
                   int64_t wait_ms, uint64_t *term)
{
    return j->ops->lease_keep(j, name, holder, wait_ms, term);
}

// Ends it at once. ERR_CONFLICT: it had ended. ERR_AGAIN.
MUST_CHECK static inline enum err journal_lease_give(struct journal *j,
                                                     struct str name,
                                                     uint64_t term,
                                                     int64_t wait_ms)
{
    return j->ops->lease_give(j, name, term, wait_ms);
}

// Who holds it: appended to `holder`. ERR_NOTFOUND: nobody. ERR_AGAIN.
MUST_CHECK static inline enum err
journal_lease_get(struct journal *j, struct str name, int64_t wait_ms,
                  struct buf *holder, uint64_t *term)
{
    return j->ops->lease_get(j, name, wait_ms, holder, term);
}

// --- requests ---

// Asks whoever serves `address`, and appends the answer. Made at most once: if several
// journals serve the address, one of them gets it. ERR_NOTFOUND: nobody serves it.
// ERR_AGAIN: no answer within `wait_ms`; it may have been worked on.
// ERR_TOOBIG: the body is longer than JOURNAL_REQUEST_BYTES.
MUST_CHECK static inline enum err
journal_request(struct journal *j, struct str address, struct str body,
                int64_t wait_ms, struct buf *answer)
{
    return j->ops->request(j, address, body, wait_ms, answer);
}

// From now on `fn` answers requests to the address, one at a time in the order in which
// they come, until journal_close(). ERR_AGAIN. ERR_EXISTS: this journal serves it already.
MUST_CHECK static inline enum err journal_serve(struct journal *j,
                                                struct str address,
                                                journal_serve_fn fn, void *data)
{
    return j->ops->serve(j, address, fn, data);
}

#endif
