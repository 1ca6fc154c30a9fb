// SPDX-License-Identifier: MIT
// api_client.h — calls the engine for the commands of the command line.

#ifndef API_CLI_CORE_API_CLIENT_H
#define API_CLI_CORE_API_CLIENT_H

#include <stdbool.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

struct client_call {
    const char *method;
    const char *path;
    struct str body;          // empty: none
    const char *content_type; // NULL: JSON
    const char *header;       // one more, "Name: value"; or NULL
    bool is_intake;           // goes to the ingest address
    bool is_whole;            // not ended by an interrupt: it changes something
    long timeout_s;           // 0: two minutes
    struct buf *next;         // gets X-Continuation-Token; or NULL
    // Whether an answer with this status is not printed as an error; or NULL.
    bool (*is_quiet)(long status);
    // Gets a successful answer piece by piece as it arrives; false ends the call. NULL:
    // the answer is read whole.
    bool (*on_piece)(void *data, struct str piece);
    void *data;
};

// Whether this status gives no answer: the token may not read, or the engine is of an
// earlier version, without the route. For `is_quiet`.
bool client_is_refusal(long status);

// Makes a call to the engine that the options and the environment name (locate.h). An
// engine that was found through a data directory must first prove that it is the right
// one; only then the token is sent, over the same connection.
// OK: the status is 2xx. ERR_IO: no process answers; ERR_DENIED: another status, or
// another engine; both are printed to stderr. ERR_NOTFOUND, ERR_CONFLICT: a status for
// which `is_quiet` is true, 404 or another. ERR_AGAIN: interrupted.
MUST_CHECK enum err client_request(const struct args *a,
                                   const struct client_call *call,
                                   struct buf *answer);

// A list that the engine shows page by page.
struct client_pages {
    const struct args *args;       // set by the caller
    bool (*is_quiet)(long status); // as in struct client_call; or NULL
    struct buf answer;             // the page
    struct buf next; // the token of the next page; empty: there is none
};

// Initializes the buffers; the caller has set the other members, or zeroed them.
// client_pages_clear() frees what it holds.
void client_pages_init(struct client_pages *p);

// Reads the first page; later calls, while `next` is not empty, read the next one.
// `path` has a query; the token is appended to it. False: stderr has the reason, unless
// the status is quiet.
bool client_pages_read(struct client_pages *p, struct buf *path);

void client_pages_clear(struct client_pages *p);

// The proxy for calls to the engine; only --proxy names one. "": none.
const char *client_proxy(const struct args *a);

// Where the engine is called, and as whom.
struct client_target {
    char *api, *ingest, *token; // owned
    char *ingest_pins;          // owned; of struct trust
};

// client_target_clear() frees what it gives.
MUST_CHECK enum err client_target(const struct args *a,
                                  struct client_target *out);
void client_target_clear(struct client_target *t);

// Parses an answer; free it with json_free(). False: it is not JSON, which is printed
// to stderr.
bool client_read(const struct command *command, const struct buf *answer,
                 struct json **out);

// Prints an answer: unchanged with --json, else by calling `people`. Returns the exit
// status.
int client_print(const struct args *a, const struct buf *answer,
                 void (*people)(const struct json_value *answer));

// Makes a call and prints its answer; with `people` NULL it prints nothing. Returns the exit
// status.
int client_run(const struct args *a, const struct client_call *call,
               void (*people)(const struct json_value *answer));

// Appends the content of a file ("-": of standard input), at most 8 MiB. False: it
// cannot be read, which is printed to stderr.
bool client_read_file(const struct command *command, const char *path,
                      struct buf *out);

// Puts words that commas separate, as "ingest,read", as an array of JSON.
void client_put_words(const char *words, const char *key,
                      struct json_writer *w);

// Appends a segment of a path, percent-encoded.
void client_put_segment(struct buf *path, const char *segment);

#endif
