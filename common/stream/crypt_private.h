// SPDX-License-Identifier: MIT
// crypt_private.h — the inside of a TLS stream, for crypt.c and crypt_output.c.

#ifndef COMMON_STREAM_CRYPT_PRIVATE_H
#define COMMON_STREAM_CRYPT_PRIVATE_H

#include "common/base/buf.h"
#include "common/stream/shake_turns.h"
#include "common/stream/stream.h"
#include "common/stream/tls_session.h"

enum crypt_state { CRYPT_SHAKING, CRYPT_OPEN, CRYPT_CLOSED };

struct crypt {
    struct stream *stream;
    struct stream_hub *hub;
    struct tls_session *tls; // NULL: the handshake has not begun
    struct shaker shaker;
    enum crypt_state state;
    struct buf hello;     // what came before the handshake began
    uv_alloc_cb on_alloc; // the owner's
    uv_read_cb on_read;
    struct list_node resumed;
    bool is_reading;   // the owner reads
    bool is_receiving; // the handle reads
    bool is_resumed;   // in the hub's list
    bool is_writing;   // `sending` is at libuv
    uv_write_t write;
    struct buf sending;
    struct list writes;     // struct stream_write, not encrypted yet
    size_t n_queued_bytes;  // of theirs
    uv_shutdown_t *request; // waits for the output to go
    uv_shutdown_cb on_shut_down;
    const char *reason;
};

// crypt_output.c

// Sends what is encrypted. Returns an error of the socket, or 0.
int crypt_flush(struct crypt *c);
void crypt_fail_writes(struct crypt *c, int status);

#endif
