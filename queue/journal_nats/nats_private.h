// SPDX-License-Identifier: MIT
// nats_private.h — what the modules of this room share: the journal's state, a request that
// is repeated until its time is over, and what a stream stores.

#ifndef QUEUE_JOURNAL_NATS_NATS_PRIVATE_H
#define QUEUE_JOURNAL_NATS_NATS_PRIVATE_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"
#include "queue/journal/journal.h"

#define NATS_VERSION_NEEDED "2.10.27"
#define MAX_PAYLOAD_NEEDED  INT64_C(1048576)
#define SUBJECT_BYTES       160
#define ID_BYTES            160 // of a message: hexadecimal, or made of a holder
#define LOST_AFTER_MS       2500 // without a heartbeat, each second

// The streams. A chain lies in one of the first four, by its number; one with a snapshot in
// the fifth.
enum stream {
    STREAM_CHAINS_0,
    STREAM_SNAPSHOTS = 4,
    STREAM_VALUES,
    STREAM_LEASES,
    STREAMS
};
#define SNAPSHOTS_FROM 128

// An address to which requests are answered.
struct served {
    struct nats_journal *j; // borrowed
    char address[JOURNAL_NAME_BYTES + 1];
    journal_serve_fn fn;
    void *data;
    natsSubscription *sub; // owned
    struct served *next;
};

struct nats_journal {
    struct journal base; // first
    natsConnection *nc;  // owned
    char *urls;          // "nats://h1:4222,h2", owned
    char *monitors; // "http://h1:8222,…", owned; NULL: port 8222 of each server
    unsigned replicas;
    uint64_t max_bytes; // of all streams

    natsSubscription *pokes; // owned
    pthread_mutex_t lock;    // of what follows
    pthread_cond_t changed;
    uint64_t n_pokes;            // values that were put anywhere
    uint32_t ready_streams;      // a bit for each stream that is there
    unsigned n_open;             // subscriptions whose callbacks may still run
    struct served *served;       // owned
    struct withdrawn *withdrawn; // owned
};

static inline struct nats_journal *nats_of(struct journal *j)
{
    return (struct nats_journal *)j;
}

// --- nats_request.c: time, and requests to the servers ---

// When a call that may wait so long has to end, by clock_mono_us().
int64_t end_in(int64_t wait_ms);
// The same, but a second from now on at least: for what has to be asked for, so that a caller
// who does not wait is told, too.
int64_t asked_by(int64_t end_us);
int64_t left_ms(int64_t end_us); // 0: over

// Sleeps a random time of 100 to 500 ms, as there is time left.
void back_off(int64_t end_us);

// A message to publish. `id`: its Nats-Msg-Id, or NULL. `expected`: the last sequence of
// the subject that it is to follow; used if there is an id.
struct outgoing {
    const char *subject;
    struct str body;
    const char *id;
    uint64_t expected;
    bool is_deletion;
};

// One try, of up to `try_ms`. NULL: no answer, and *is_silent says whether that took the time
// (false: refused at once, or not connected). The caller destroys the answer.
natsMsg *ask_once(struct nats_journal *j, const struct outgoing *out,
                  int64_t try_ms, bool *is_silent);

// What a server answers in JSON: `err_code` is 0, or JetStream's number.
struct answer {
    struct json *json; // owned
    const struct json_value *root;
    int64_t err_code;
};
void answer_free(struct answer *a);

// Asks, again and again until there is an answer or `end_us`. ERR_AGAIN: none.
MUST_CHECK enum err ask(struct nats_journal *j, const char *subject,
                        struct str body, int64_t end_us, struct answer *out);
MUST_CHECK enum err answer_read(const natsMsg *msg, struct answer *out);

// --- nats_streams.c ---

const char *stream_name(enum stream s);
enum stream stream_of_chain(unsigned chain);
void subject_of_chain(unsigned chain, char out[SUBJECT_BYTES]);

// Makes the stream unless it is there. ERR_AGAIN.
MUST_CHECK enum err stream_ready(struct nats_journal *j, enum stream s,
                                 int64_t end_us);

// Appends a line for each setting of the streams that is not as wanted. ERR_INVALID: there
// are some, or a stream cannot be made. ERR_AGAIN.
MUST_CHECK enum err streams_judge(struct nats_journal *j, int64_t end_us,
                                  struct buf *faults);

// --- nats_stored.c: what a stream stores ---

struct stored {
    uint64_t seq;
    char subject[SUBJECT_BYTES];
    char id[ID_BYTES];
    bool is_deletion;
    struct buf bytes; // owned
};
void stored_free(struct stored *s);

// The subject's last message, as the stream's leader has it. ERR_NOTFOUND, ERR_AGAIN.
MUST_CHECK enum err stored_last(struct nats_journal *j, enum stream s,
                                const char *subject, int64_t end_us,
                                struct stored *out);
// The first message from `seq` on whose subject matches.
MUST_CHECK enum err stored_next(struct nats_journal *j, enum stream s,
                                uint64_t seq, const char *subject,
                                int64_t end_us, struct stored *out);

// A message that is to be stored, and what came of it.
struct storing {
    enum stream stream;
    struct outgoing out;
    int64_t end_us;
    uint64_t seq;   // of the message
    bool was_there; // an earlier try had stored it
    struct stored
        last; // of ERR_CONFLICT: what is there; seq 0: nothing, or not known
};

// Publishes the message until it is known whether the stream has it. OK: x->seq. ERR_CONFLICT:
// the subject's last message is another one; free x->last. ERR_FULL, ERR_AGAIN.
MUST_CHECK enum err store_after(struct nats_journal *j, struct storing *x);

// Removes the subject's messages below the number; *n: how many. ERR_AGAIN: not known.
MUST_CHECK enum err stored_purge(struct nats_journal *j, enum stream s,
                                 const char *subject, uint64_t below,
                                 int64_t end_us, uint64_t *n);

// --- nats_subscriptions.c ---

// Counts a subscription's callbacks in n_open.
MUST_CHECK enum err subscription_count(struct nats_journal *j,
                                       natsSubscription *sub);
// Ends a subscription without callbacks. NULL is fine, here and below.
void subscription_end(struct nats_journal *j, natsSubscription *sub);
// No message comes from now on, but for what is on its way; it is freed at the journal's end.
void subscription_withdraw(struct nats_journal *j, natsSubscription *sub);
void subscriptions_wait(
    struct nats_journal *j); // for callbacks of those withdrawn
void subscriptions_free(
    struct nats_journal *j); // once the connection is closed

// --- the operations of journal.h ---

enum err nats_append(struct journal *journal, unsigned chain, uint64_t after,
                     const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
                     int64_t wait_ms, uint64_t *seq);
enum err nats_last(struct journal *journal, unsigned chain, int64_t wait_ms,
                   uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID]);
enum err nats_trim(struct journal *journal, unsigned chain, uint64_t before,
                   int64_t wait_ms);
void entry_id_read(const char *hex, uint8_t out[JOURNAL_ENTRY_ID]);

enum err nats_reader_open(struct journal *journal, unsigned chain,
                          uint64_t after, struct journal_reader **out);
enum err nats_reader_next(struct journal_reader *reader, int64_t wait_ms,
                          struct journal_entry *out);
void nats_reader_close(struct journal_reader *reader);

enum err nats_value_get(struct journal *journal, struct str key,
                        int64_t wait_ms, struct buf *bytes, uint64_t *revision);
enum err nats_value_put(struct journal *journal, struct str key,
                        const struct str *bytes, uint64_t expected,
                        int64_t wait_ms, uint64_t *revision);
enum err nats_value_watch(struct journal *journal, struct str prefix,
                          uint64_t after, int64_t wait_ms,
                          journal_value_fn on_value, void *data,
                          uint64_t *revision);
// Subscribes to what tells that a value was put.
MUST_CHECK enum err nats_values_open(struct nats_journal *j);

enum err nats_lease_take(struct journal *journal, struct str name,
                         struct str holder, int64_t wait_ms, uint64_t *term);
enum err nats_lease_keep(struct journal *journal, struct str name,
                         struct str holder, int64_t wait_ms, uint64_t *term);
enum err nats_lease_give(struct journal *journal, struct str name,
                         uint64_t term, int64_t wait_ms);
enum err nats_lease_get(struct journal *journal, struct str name,
                        int64_t wait_ms, struct buf *holder, uint64_t *term);

enum err nats_request(struct journal *journal, struct str address,
                      struct str body, int64_t wait_ms, struct buf *answer);
enum err nats_serve(struct journal *journal, struct str address,
                    journal_serve_fn fn, void *data);
enum err nats_judge(struct journal *journal, struct buf *faults);

// --- nats_probe.c: what a server says of itself, without an account ---

struct server_facts {
    char address[300]; // host:port that was asked
    char id[64];
    char name[64];
    char version[32];
    bool has_jetstream;
    int64_t max_payload;
};
// Asks the server at `host` and `port`: its first line. `more` gets the addresses of other
// servers that it names, each with a newline. ERR_AGAIN: not reached.
MUST_CHECK enum err probe_server(const char *host, const char *port,
                                 struct server_facts *out, struct buf *more);
// Asks the monitoring port for JetStream's settings. ERR_AGAIN: not reached, or no such
// answer.
MUST_CHECK enum err probe_monitor(const char *host, const char *port,
                                  char id[64], bool *is_synced);
// Splits "[scheme://][user@]host[:port]" of a list's first element; returns what follows it.
const char *address_split(const char *list, const char *default_port,
                          char host[256], char port[8]);

#endif
