// log_reader.h — reads the event log from the cursor on and matches.

#ifndef ENGINE_DISPATCHER_DELIVER_LOG_READER_H
#define ENGINE_DISPATCHER_DELIVER_LOG_READER_H

#include "engine/dispatcher/schedule/schedule.h"

void reader_start(struct dispatcher *d);
void reader_wake(struct dispatcher *d); // there may be more in the log
void reader_stop(struct dispatcher *d);

#endif
