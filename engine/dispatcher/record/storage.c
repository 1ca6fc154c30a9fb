// SPDX-License-Identifier: MIT
// storage.c — whether there is room to commit the outcomes of deliveries.
//
// Happy path: there is room, and this module changes nothing.
//
// If the disk, or the map, gets full: no attempt is begun, nothing is read from the
// log, and a request for an attempt by hand is refused at once. Attempts in flight come
// to their end and are committed into the room that the shard keeps. Each commit and
// each trim, at least one a second, checks again. While only the disk is full, and the
// file has free pages, deliveries go on, but the history keeps less of the responses.

#include "engine/dispatcher/record/storage.h"

#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/process/metrics.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/commit.h"
#include "queue/queue.h"

#define BODY_BYTES 1024 // of a response that are kept while room is short

bool storage_has_room(const struct dispatcher *d)
{
    return shard_room(d->shard) != ROOM_NONE && !commit_is_failing(d);
}

void storage_refresh(struct dispatcher *d)
{
    bool has_room = storage_has_room(d);

    metrics_gauge(GAUGE_SENDING_STOPPED, !has_room);
    if (has_room != d->was_without_room)
        return;
    d->was_without_room = !has_room;
    if (!has_room) {
        log_warn("no disk space to store the results of deliveries; none is "
                 "sent until there is",
                 "in_flight=%u", schedule_n_sent(&d->schedule));
        return;
    }
    log_info("disk space is available again; deliveries continue", "");
    turn_mark(d, TURN_SEND);
    turn_mark(d, TURN_READ);
}

void storage_shorten(const struct dispatcher *d, struct attempt *attempt)
{
    if (shard_room(d->shard) == ROOM_PLENTY ||
        attempt->response_body.n_bytes <= BODY_BYTES)
        return;
    attempt->response_body.n_bytes = BODY_BYTES;
    attempt->truncated = true;
}
