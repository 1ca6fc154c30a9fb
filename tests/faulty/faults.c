// SPDX-License-Identifier: MIT
// faults.c — faults that a test causes in a process.
//
// Linked into an engine of its own (posthorn-faulty), in front of functions of the
// engine (ld --wrap); the rest of the program is unchanged. Records choose where a
// process crashes or spins: events by their kind, such as "crash.match", hooks by their
// display name or URL, requests by their body.
//
// While the file that FAULTY_DISK names exists, commits wait, as with a disk that
// hangs. While the file that FAULTY_TOKENS names exists, no token can be looked up. While the file that FAULTY_CALM names exists, no process crashes.
// FAULTY_WATCHDOG_S sets how often the watchdog checks.

#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "api/core/api_request.h"
#include "engine/delivery/match.h"
#include "engine/delivery/request_body.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/ingest/event_parser.h"
#include "engine/sender/private.h"
#include "engine/sender/transfer.h"
#include "queue/event_rows/idempotency.h"
#include "queue/queue.h"

#define DISK_LOOK_US 5000

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
size_t __real_match_event(const struct match_index *index,
                          const struct event *event, match_visit visit,
                          void *data);
size_t __wrap_match_event(const struct match_index *index,
                          const struct event *event, match_visit visit,
                          void *data);
bool __real_match_index_put(struct match_index *index, const struct hook *hook,
                            void *runtime);
bool __wrap_match_index_put(struct match_index *index, const struct hook *hook,
                            void *runtime);
enum err __real_render(struct renderer *r, const struct hook *hook,
                       const struct event *event, struct rendered *out);
enum err __wrap_render(struct renderer *r, const struct hook *hook,
                       const struct event *event, struct rendered *out);
void __real_attempt_stats_note(struct dispatcher *d,
                               const struct attempt *attempt);
void __wrap_attempt_stats_note(struct dispatcher *d,
                               const struct attempt *attempt);
__typeof__(event_keys_check) __real_event_keys_check, __wrap_event_keys_check;
enum err __real_event_parser_read(const struct event_parser *in,
                                  struct str text, struct arena *arena,
                                  struct new_event *out, struct buf *why);
enum err __wrap_event_parser_read(const struct event_parser *in,
                                  struct str text, struct arena *arena,
                                  struct new_event *out, struct buf *why);
bool __real_request_json(struct api_request *rq, struct json **out);
bool __wrap_request_json(struct api_request *rq, struct json **out);
void __real_transfers_start(struct transfers *ts, const struct order *order);
void __wrap_transfers_start(struct transfers *ts, const struct order *order);
struct outcome __real_transfer_outcome(const struct transfer *t, CURLcode code);
struct outcome __wrap_transfer_outcome(const struct transfer *t, CURLcode code);
__typeof__(token_find) __real_token_find, __wrap_token_find;
int __real_setitimer(__itimer_which_t which, const struct itimerval *value,
                     struct itimerval *old);
int __wrap_setitimer(__itimer_which_t which, const struct itimerval *value,
                     struct itimerval *old);
// NOLINTEND(bugprone-reserved-identifier)

static bool is_there(const char *variable)
{
    const char *path = getenv(variable);

    return path != NULL && access(path, F_OK) == 0;
}

static void spin(void)
{
    volatile bool goes_on = true;

    while (goes_on) {
    }
}

static bool has(struct str text, const char *what)
{
    return text.n_bytes > 0 &&
           memmem(text.at, text.n_bytes, what, strlen(what)) != NULL;
}

static void die_if(bool is_so)
{
    if (is_so && !is_there("FAULTY_CALM"))
        abort();
}

// --- the disk ---

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    while (is_there("FAULTY_DISK"))
        usleep(DISK_LOOK_US);
    return __real_mdb_txn_commit(txn);
}

enum err __wrap_token_find(struct token_store *ts,
                           const uint8_t hash[TOKEN_HASH_BYTES],
                           token_visit visit, void *data)
{
    return is_there("FAULTY_TOKENS") ? ERR_IO
                                     : __real_token_find(ts, hash, visit, data);
}

// --- the dispatcher ---

size_t __wrap_match_event(const struct match_index *index,
                          const struct event *event, match_visit visit,
                          void *data)
{
    die_if(has(event->kind, "crash.match"));
    if (has(event->kind, "spin.match"))
        spin();
    return __real_match_event(index, event, visit, data);
}

bool __wrap_match_index_put(struct match_index *index, const struct hook *hook,
                            void *runtime)
{
    die_if(has(hook->display_name, "crash hook"));
    return __real_match_index_put(index, hook, runtime);
}

enum err __wrap_render(struct renderer *r, const struct hook *hook,
                       const struct event *event, struct rendered *out)
{
    die_if(has(event->kind, "crash.send") ||
           (has(event->kind, "ping") && has(hook->url, "/crash-ping")));
    return __real_render(r, hook, event, out);
}

void __wrap_attempt_stats_note(struct dispatcher *d,
                               const struct attempt *attempt)
{
    die_if(has(attempt->kind, "crash.settle") && attempt->response_code != 0);
    __real_attempt_stats_note(d, attempt);
}

// --- ingest ---

enum err __wrap_event_keys_check(const struct event_hasher *h, struct store *s,
                                 MDB_txn *txn, struct append *a)
{
    die_if(has(a->events[0].event.kind, "crash.append"));
    return __real_event_keys_check(h, s, txn, a);
}

enum err __wrap_event_parser_read(const struct event_parser *in,
                                  struct str text, struct arena *arena,
                                  struct new_event *out, struct buf *why)
{
    die_if(has(text, "crash.intake"));
    return __real_event_parser_read(in, text, arena, out, why);
}

// --- api ---

bool __wrap_request_json(struct api_request *rq, struct json **out)
{
    die_if(has(rq->http->body, "crash.api"));
    return __real_request_json(rq, out);
}

// --- the sender ---

void __wrap_transfers_start(struct transfers *ts, const struct order *order)
{
    die_if(has(order->url, "/crash-start"));
    __real_transfers_start(ts, order);
}

// At this point the sender works on no particular order.
struct outcome __wrap_transfer_outcome(const struct transfer *t, CURLcode code)
{
    die_if(has(buf_str(&t->copy), "/crash-outcome"));
    return __real_transfer_outcome(t, code);
}

// --- the watchdog ---

int __wrap_setitimer(__itimer_which_t which, const struct itimerval *value,
                     struct itimerval *old)
{
    const char *seconds = getenv("FAULTY_WATCHDOG_S");
    struct itimerval every = *value;

    if (seconds != NULL) {
        every.it_interval.tv_sec = strtol(seconds, NULL, 10);
        every.it_value = every.it_interval;
    }
    return __real_setitimer(which, &every, old);
}
