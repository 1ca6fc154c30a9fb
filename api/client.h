// client.h — calls the API for the commands of the command line.

#ifndef API_CLIENT_H
#define API_CLIENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

// As given on the command line; NULL: not given.
struct client_options {
    const char *api;      // base URL
    const char *token;    // itself
    const char *data_dir; // of an engine on this machine
};

struct client {
    char *api;   // owned, without a slash at its end
    char *token; // owned
};

// Finds where to call and as whom: the options, else POSTHORN_API and
// POSTHORN_TOKEN, else what the settings say of the engine on this machine and
// its admin.token. An error is said on stderr, with `command` in front.
MUST_CHECK enum err client_open(const char *command,
                                const struct client_options *options,
                                struct client *out);
void client_close(struct client *c);

// Makes a call and reads the answer whole. `body` is JSON; empty: none.
// OK: the status is 2xx. Otherwise what is wrong is said on stderr, with
// `command` in front: ERR_IO, nobody answers; ERR_DENIED, another status.
struct client_call {
    const char *command;
    const char *method;
    const char *path;
    struct str body;
};
MUST_CHECK enum err client_send(const struct client *c,
                                const struct client_call *call,
                                struct buf *answer);

// Appends a segment of a path, percent-encoded.
void client_put_segment(struct buf *path, const char *segment);

#endif
