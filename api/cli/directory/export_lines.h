// SPDX-License-Identifier: MIT
// export_lines.h — files of webhooks, one JSON object a line.
//
// Each line has the path where the webhook is made, and the body that is posted there:
//   {"path":"/api/orgs/acme/hooks","hook":{…}}
// or the key that an organization signs with, before its webhooks:
//   {"path":"/api/orgs/acme/signing-keys","signingKey":{"key":"whsk_…"}}

#ifndef API_CLI_DIRECTORY_EXPORT_LINES_H
#define API_CLI_DIRECTORY_EXPORT_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/encoding/json.h"

struct line {
    struct json *json; // owned
    char *path;        // owned
    struct buf body;   // as it is posted
    bool is_key;       // a key of an organization; else a webhook
};

typedef bool (*line_visit)(void *data, uint64_t number, const struct line *l);

// Opens the file; "-": standard input. NULL: it cannot be read; stderr has the reason.
FILE *lines_open(const struct args *args, const char *path);

// Visits each line that is not empty. False: a line is wrong, or a visit returned
// false.
bool lines_each(const struct args *args, FILE *file, line_visit visit,
                void *data);

// `posthorn verify` of such a file; returns the exit status.
int export_verify(const struct args *args, const char *path);

#endif
