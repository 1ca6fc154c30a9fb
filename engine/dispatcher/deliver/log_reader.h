// SPDX-License-Identifier: MIT
// log_reader.h — reads the event log from the cursor on and matches.

#ifndef ENGINE_DISPATCHER_DELIVER_LOG_READER_H
#define ENGINE_DISPATCHER_DELIVER_LOG_READER_H

#include "engine/dispatcher/loop/dispatcher.h"

void reader_start(struct dispatcher *d);
// Reads some events, if there may be more, and makes their deliveries. Marks itself
// again until there are none.
void reader_read(struct dispatcher *d);
// Marks the reader if it pauses and may go on, since deliveries were sent.
void reader_on_sent(struct dispatcher *d);
void reader_stop(struct dispatcher *d);

#endif
