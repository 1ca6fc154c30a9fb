// SPDX-License-Identifier: MIT
// room.h — room on the disk for what has still to be committed. Part of queue.h,
// which is what to include outside of queue/.

#ifndef QUEUE_LMDB_ROOM_H
#define QUEUE_LMDB_ROOM_H

struct store;

// How much can be committed beyond what is under way, as each commit and each trim
// finds.
enum room {
    ROOM_PLENTY,
    ROOM_TIGHT, // the disk, or the map, is full: small records go on, in free pages
    ROOM_NONE // likewise: begin nothing whose end has to be committed
};

// Sees to it that the data file has STORE_ROOM_BYTES of blocks ahead of its
// end, for what must still be committed when the disk is full. A writer's, between
// transactions.
#define STORE_ROOM_BYTES (16 << 20)
enum room store_keep_room(struct store *s);

#endif
