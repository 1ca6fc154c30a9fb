// chan.h — frames between two processes over a unix socket.
//
// A frame is a 4-byte big-endian length and that many bytes of msgpack values
// (codec.h). Frames written during one turn of the loop leave in one write.
// What the other side sends is not trusted: a length over the cap closes the
// channel.

#ifndef COMMON_CHAN_H
#define COMMON_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

struct uv_loop_s;
struct chan; // opaque, owned by whoever opened it

// The frame is borrowed for the call. Must not close the channel.
typedef void (*chan_frame_cb)(void *data, struct str frame);
// Runs once, when the other side is gone or broke the rules; the channel is
// already closed then, and freed right after.
typedef void (*chan_closed_cb)(void *data);

// Takes `fd`, a connected stream socket. Frames may be up to `max_frame_bytes`.
struct chan *chan_open(struct uv_loop_s *loop, int fd, size_t max_frame_bytes,
                       chan_frame_cb on_frame, chan_closed_cb on_closed,
                       void *data);

// Begins a frame: pack values into the result, then chan_end(). Nothing else
// may be called on the channel in between.
struct buf *chan_begin(struct chan *c);
void chan_end(struct chan *c);

// Bytes that the other side has not taken yet.
size_t chan_unsent_bytes(const struct chan *c);

// Closes without `on_closed`; frames not sent yet are dropped.
void chan_close(struct chan *c);

#endif
