// SPDX-License-Identifier: MIT
// tls_server.h — what a listener needs to speak TLS: its certificate and key, whom it
// lets in, and the keys of its session tickets.
//
// One object serves all connections of a listener. It is counted: connections that
// began with it keep it when the listener gets another one. Sessions of one object
// cannot be resumed with another.

#ifndef COMMON_STREAM_TLS_SERVER_H
#define COMMON_STREAM_TLS_SERVER_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct tls_server;

// PEM (RFC 7468), as files hold it.
enum tls_part {
    TLS_CERTIFICATE, // the listener's own, then those up to an authority
    TLS_KEY,         // of the first certificate, without a passphrase
    TLS_CLIENT_CA, // authorities of clients; empty: clients need no certificate
    TLS_PARTS
};
struct tls_texts {
    struct str of[TLS_PARTS]; // borrowed
};

#define TLS_TICKET_S \
    3600 // a key makes tickets so long, and opens them twice as long
#define TLS_PIN_BYTES 64 // "sha256//", base64 of a hash, and a NUL

// ERR_INVALID: `part` says which text is wrong, and `why` gets words that follow its
// path.
MUST_CHECK enum err tls_server_new(const struct tls_texts *texts,
                                   struct tls_server **out, enum tls_part *part,
                                   struct buf *why);

struct tls_server *tls_server_keep(struct tls_server *s); // returns it
void tls_server_free(struct tls_server *s); // the last one frees; NULL is fine

// Appends what clients will object to, in words that follow the certificate's path:
// it has expired, or is not valid yet. Appends nothing if it is valid now.
void tls_server_warn(const struct tls_server *s, struct buf *out);

// When the certificate expires, in seconds of the UTC epoch.
int64_t tls_server_expires_at_s(const struct tls_server *s);

// The hash of the certificate's public key, as libcurl takes it
// (CURLOPT_PINNEDPUBLICKEY).
void tls_server_pin(const struct tls_server *s, char out[TLS_PIN_BYTES]);

// What a server sends to a client of TLS that it does not serve: the alert
// internal_error, which needs no handshake (RFC 8446, 6).
#define TLS_REFUSAL_BYTES 7
extern const uint8_t tls_refusal[TLS_REFUSAL_BYTES];

#endif
