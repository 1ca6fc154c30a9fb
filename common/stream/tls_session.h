// SPDX-License-Identifier: MIT
// tls_session.h — the TLS of one connection: bytes in, bytes out, no socket.
//
// The caller feeds what it received, and sends what tls_session_output() has. Nothing
// here waits, and each call does work for at most one record or one step of the
// handshake, so that the caller decides how much of a turn a connection gets.

#ifndef COMMON_STREAM_TLS_SESSION_H
#define COMMON_STREAM_TLS_SESSION_H

#include <stdbool.h>

#include "common/base/str.h"
#include "common/stream/tls_server.h"

struct tls_session;

enum tls_step {
    TLS_GOES_ON,     // something was done; call again
    TLS_DONE,        // the handshake is complete
    TLS_NEEDS_INPUT, // nothing more until the client has sent more
    TLS_END,         // the client has ended its side (close_notify)
    TLS_FAILED       // an alert is in the output; tls_session_reason()
};

struct tls_session *
tls_session_new(struct tls_server *server);   // keeps `server`
void tls_session_free(struct tls_session *t); // NULL is fine

void tls_session_feed(struct tls_session *t, struct str received);
// Received bytes that are not decrypted yet, besides at most one record.
size_t tls_session_input_bytes(const struct tls_session *t);

// Whether tls_session_read() has something to do before the client sends more. It does
// after the handshake: the ticket of TLS 1.3 goes out then. If it waited for a request,
// a client whose system waits for an answer to its last packet would wait 40 ms.
bool tls_session_has_input(const struct tls_session *t);

// Makes one step of the handshake.
MUST_CHECK enum tls_step tls_session_shake(struct tls_session *t);

// Decrypts up to `room` bytes. TLS_GOES_ON: `*n_bytes` were read.
MUST_CHECK enum tls_step tls_session_read(struct tls_session *t, char *at,
                                          size_t room, size_t *n_bytes);

// Encrypts the first bytes of `plain`, at most a record of them, into the output.
// Returns how many; 0: the session is broken.
MUST_CHECK size_t tls_session_write(struct tls_session *t, struct str plain);

// Says that nothing more will be sent (close_notify).
void tls_session_end(struct tls_session *t);

// Hands the output over. The caller must send it, and then give the buffer back, or
// free it with buf_clear().
struct buf tls_session_take_output(struct tls_session *t);
void tls_session_give_back(struct tls_session *t, struct buf *sent);
bool tls_session_has_output(const struct tls_session *t);

// Whether the handshake resumed an earlier session.
bool tls_session_is_resumed(const struct tls_session *t);

// Frees buffers that are empty.
void tls_session_slim(struct tls_session *t);

// Why the session failed, in words; static until the next failure.
const char *tls_session_reason(const struct tls_session *t);

#endif
