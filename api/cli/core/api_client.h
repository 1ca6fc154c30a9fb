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

struct client_call {
    const char *method;
    const char *path;
    struct str body;          // empty: none
    const char *content_type; // NULL: JSON
    const char *header;       // one more, "Name: value"; or NULL
    bool is_intake;           // to the intake's address
    bool is_whole;            // not ended by an interrupt: it changes something
    long timeout_s;           // 0: two minutes
    struct buf *next;         // gets X-Continuation-Token; or NULL
    // A refusal with such a status is not said; or NULL.
    bool (*is_quiet)(long status);
    // Gets a successful answer piece by piece, as long as it comes; false ends
    // it. NULL: it is read whole.
    bool (*on_piece)(void *data, struct str piece);
    void *data;
};

// Makes a call to the engine that the options and the environment mean (locate.h). The
// engine of a data directory has to prove first that it is, without the token, which
// then goes over the same connection.
// OK: the status is 2xx. Otherwise what is wrong is said on stderr: ERR_IO,
// nobody answers; ERR_DENIED, another status, or another engine. ERR_NOTFOUND,
// ERR_CONFLICT: a quiet one, 404 or else. ERR_AGAIN:
// interrupted.
MUST_CHECK enum err client_request(const struct args *a,
                                   const struct client_call *call,
                                   struct buf *answer);

// A list that the engine shows page by page.
struct client_pages {
    const struct args *args;       // set by the caller
    bool (*is_quiet)(long status); // as of struct client_call; or NULL
    struct buf answer;             // the page
    struct buf next; // the token of the next page; empty: there is none
};

// `p` is as the caller set it, else zeros; client_pages_clear() frees what it holds.
void client_pages_init(struct client_pages *p);

// Reads the first page; then, as long as `next` is not empty, the next one. `path` is
// what to ask for, with a query; the token is appended. False: said on stderr, if it is
// not quiet.
bool client_pages_read(struct client_pages *p, struct buf *path);

void client_pages_clear(struct client_pages *p);

// The proxy that such calls go through, which --proxy alone names: "", none.
const char *client_proxy(const struct args *a);

// Where such calls go, and as whom; the caller frees them.
MUST_CHECK enum err client_addresses(const struct args *a, char **api,
                                     char **ingest, char **token);

// Parses an answer; free it with json_free(). False: said on stderr.
bool client_read(const struct command *command, const struct buf *answer,
                 struct json **out);

// Prints an answer: as it is with --json, else as `people` prints it. Returns the
// exit status.
int client_print(const struct args *a, const struct buf *answer,
                 void (*people)(const struct json_value *answer));

// Appends the content of a file ("-": of standard input), at most 8 MiB. False:
// it cannot be read, which is said on stderr.
bool client_read_file(const struct command *command, const char *path,
                      struct buf *out);

// Appends a segment of a path, percent-encoded.
void client_put_segment(struct buf *path, const char *segment);

#endif
