// SPDX-License-Identifier: MIT
// room.h — reserves disk space for work that must still be committed. Part of
// queue.h, which is what to include outside of queue/.

#ifndef QUEUE_LMDB_ROOM_H
#define QUEUE_LMDB_ROOM_H

struct store;

// How much can be committed beyond the work that is under way; each commit and each
// trim determines it.
enum room {
    ROOM_PLENTY,
    ROOM_TIGHT, // disk or map is full: small records still fit into free pages
    ROOM_NONE   // disk or map is full: begin nothing that needs a later commit
};

// store_keep_room() ensures that the data file has STORE_ROOM_BYTES of blocks ahead
// of its end, for what must still be committed when the disk is full. For a writer,
// between transactions.
#define STORE_ROOM_BYTES (16 << 20)
enum room store_keep_room(struct store *s);

#endif
