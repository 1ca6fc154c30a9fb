// SPDX-License-Identifier: MIT
// channel.h — frames between two processes over a unix socket.
//
// A frame is a 4-byte big-endian length and that many bytes of msgpack values
// (codec.h). Frames written during one turn of the loop leave in one write.
// What the other side sends is not trusted: a length above the cap closes the
// channel. Each direction has its own cap, and a frame that one end may write the
// other must accept: role_open_channel() takes both caps from one table.

#ifndef COMMON_PROCESS_CHANNEL_H
#define COMMON_PROCESS_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct uv_loop_s;
struct channel; // opaque, owned by its opener

// The frame is borrowed for the call. Must not close the channel; use
// channel_refuse().
typedef void (*channel_frame_cb)(void *data, struct str frame);
// Runs once, when the other side is gone or broke the rules; the channel is already
// closed then, and is freed right after.
typedef void (*channel_closed_cb)(void *data);

// The largest frame in each direction, without its length.
struct channel_limits {
    size_t in_bytes;
    size_t out_bytes;
};

// The owner's callbacks; `data` is passed to each.
struct channel_handlers {
    channel_frame_cb on_frame;
    channel_closed_cb on_closed;
    void *data;
};

// Takes `fd`, a connected stream socket.
struct channel *channel_open(struct uv_loop_s *loop, int fd,
                             struct channel_limits limits,
                             const struct channel_handlers *handlers);

// Begins a frame: pack values into the result, then channel_end(). Nothing else
// may be called on the channel in between.
struct buf *channel_begin(struct channel *c);

// ERR_TOOBIG: the frame exceeds the cap of this direction. The frame is dropped,
// the channel stays usable, and the caller must cope without it.
MUST_CHECK enum err channel_end(struct channel *c);

// Like channel_end(), for a frame whose size does not depend on data from outside:
// exceeding the cap is a bug.
void channel_end_small(struct channel *c);

// Bytes that the other side has not taken yet.
size_t channel_unsent_bytes(const struct channel *c);

// Call within `on_frame` when the other side sent what it must not. No more frames
// are accepted; the channel closes as if the other side were gone, and `on_closed`
// runs.
void channel_refuse(struct channel *c);

// Closes without `on_closed`; frames not sent yet are dropped.
void channel_close(struct channel *c);

#endif
