// SPDX-License-Identifier: MIT
// transfer.h — makes HTTP attempts: libcurl's multi interface on a libuv loop.

#ifndef ENGINE_SENDER_TRANSFER_H
#define ENGINE_SENDER_TRANSFER_H

#include <stddef.h>

#include "common/config/config.h"
#include "common/messages/send_order.h"

struct uv_loop_s;
struct transfers; // opaque: connections and attempts of one process

// Gets the outcome of one attempt, borrowed for the call. May start another attempt.
typedef void (*transfer_done)(void *data, const struct outcome *outcome);

// `config` is borrowed: the caller passes a new one to transfers_reload() before it
// frees the old one. Exits if libcurl cannot start.
struct transfers *transfers_new(struct uv_loop_s *loop,
                                const struct config *config, transfer_done done,
                                void *data);

// Starts an attempt; copies what it needs. `done` runs exactly once, later.
void transfers_start(struct transfers *ts, const struct order *order);

void transfers_reload(struct transfers *ts, const struct config *config);

size_t transfers_n_inflight(const struct transfers *ts);

#endif
