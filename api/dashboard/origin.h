// SPDX-License-Identifier: MIT
// origin.h — which page a request comes from, and whether others can listen. Pure.
//
// A browser sends a cookie with every request to its host, whichever page made the request,
// and all ports of a host share cookies: a page on another port of this machine counts as
// "same-site". So what a request may do with a session depends on the page that it comes
// from, which the browser tells in Sec-Fetch-Site and Origin.

#ifndef API_DASHBOARD_ORIGIN_H
#define API_DASHBOARD_ORIGIN_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/str.h"

struct origin_facts {
    bool is_read;           // GET or HEAD
    bool is_encrypted;      // the listener speaks TLS
    struct str peer;        // the client's address
    struct str host;        // Host
    struct str site;        // Sec-Fetch-Site
    struct str origin;      // Origin
    struct str mark;        // X-Posthorn
    const char *public_url; // the setting dashboard_url; "": not set
};

// What forbids a request to use a session, as a sentence; NULL: nothing. Reads must not
// come from another page. Other requests must come from ours, and must have the mark,
// which no form can send and no script of another page without asking first.
const char *origin_fault(const struct origin_facts *f);

// What forbids a login from this page, as a sentence; NULL: nothing. Without both
// headers no browser is at work, so no page can misuse one.
const char *origin_login_fault(const struct origin_facts *f);

// Appends the origin of a URL as browsers write it: "https://hooks.example.com:8443", without
// the port that the scheme has anyway. False: the text is no URL.
bool origin_put(struct str url, struct buf *out);

// Whether nobody else can read the request: it is encrypted, or it comes from this machine
// under a name that leads here, or under the name for which, as dashboard_url says, a proxy
// speaks TLS.
bool origin_is_private(const struct origin_facts *f);

#endif
