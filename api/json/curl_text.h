// SPDX-License-Identifier: MIT
// curl_text.h — a request as a command of curl, to be pasted into a POSIX shell.
//
// Pure. Whatever bytes the request has, the shell expands nothing but the variables of
// masked values.

#ifndef API_JSON_CURL_TEXT_H
#define API_JSON_CURL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/str.h"

struct curl_header {
    struct str name, value;
    bool is_masked; // the value is not known; a variable stands for it
};

struct curl_request {
    bool is_get; // without a body; else a POST
    struct str url;
    const struct curl_header *headers; // borrowed
    size_t n_headers;
    struct str body;
};

// Appends the shell variable for a masked header of this name: AUTHORIZATION, COOKIE, and
// for X-Api-Key X_API_KEY. Other names begin with HEADER_, so that none is one of the
// shell's own.
void curl_put_variable(struct str name, struct buf *out);

// Appends the command, without a newline at its end. It sends exactly the bytes of the
// body; a text that is safe to paste is an argument, any other body comes from printf.
void curl_put(const struct curl_request *request, struct buf *out);

#endif
