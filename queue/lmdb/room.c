// SPDX-License-Identifier: MIT
// room.c — reserves disk space for work that must still be committed.
//
// Happy path: the data file of an environment has allocated blocks beyond its end,
// which no other file can take; LMDB grows into them, and after a commit more are
// allocated.
//
// If the disk is full, or the map nearly: the blocks ahead shrink with each commit,
// more slowly while pages within the file are free. The owner learns it in time
// from enum room.

#include "queue/lmdb/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include "queue/lmdb/environment.h"

#define ROOM_BYTES ((uint64_t)STORE_ROOM_BYTES)

struct extent {
    uint64_t end_bytes; // the file's end, as committed
    uint64_t limit_bytes;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool find_end(struct store *s, struct extent *out)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(s->env, &info) != 0 || mdb_env_stat(s->env, &stat) != 0)
        return false;
    out->end_bytes = (info.me_last_pgno + 1) * stat.ms_psize;
    out->limit_bytes = store_file_limit(s);
    return true;
}

static bool is_disk_left(const struct store *s, uint64_t n_bytes)
{
    struct statvfs fs;

    return statvfs(s->path, &fs) != 0 ||
           (uint64_t)fs.f_bavail * fs.f_frsize >= n_bytes;
}

// The first call starts at the beginning of the file, which may have holes.
static bool back(struct store *s, uint64_t to)
{
    mdb_filehandle_t fd;
    int rc;

    if (to <= s->backed_bytes)
        return true;
    if (mdb_env_get_fd(s->env, &fd) != 0)
        return false;
    do {
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)s->backed_bytes,
                       (off_t)(to - s->backed_bytes));
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        s->backed_bytes = to;
        return true;
    }
    // If the file system does not support it, the free space of the disk is the
    // best estimate.
    return (errno == EOPNOTSUPP || errno == ENOSYS) &&
           is_disk_left(s, ROOM_BYTES);
}

static bool back_ahead(struct store *s, const struct extent *e)
{
    uint64_t half = least(e->end_bytes + ROOM_BYTES / 2, e->limit_bytes);
    uint64_t most = least(e->end_bytes + ROOM_BYTES, e->limit_bytes);

    if (s->backed_bytes >=
        least(e->end_bytes + ROOM_BYTES / 4 * 3, e->limit_bytes))
        return true;
    return back(s, most) || back(s, half);
}

// Bytes of free pages within the file. Zero if unknown.
static uint64_t free_bytes(struct store *s, const struct extent *e)
{
    uint64_t used_bytes;

    if (store_usage_now(s, &used_bytes) != OK || used_bytes > e->end_bytes)
        return 0;
    return e->end_bytes - used_bytes;
}

// How large the file may get before the remaining space is reserved for work under
// way: in a full map, even deleting is impossible.
static uint64_t soft_limit(const struct extent *e)
{
    uint64_t left = ROOM_BYTES / 2;

    if (e->limit_bytes < left)
        return 0;
    return least(e->limit_bytes / 8 * 7, e->limit_bytes - left);
}

// Whether there is room for small records, which LMDB puts into free pages; it
// needs blocks ahead only when a page splits.
static bool is_enough(struct store *s, const struct extent *e)
{
    uint64_t ahead_bytes =
        s->backed_bytes > e->end_bytes ? s->backed_bytes - e->end_bytes : 0;
    bool can_grow = e->end_bytes + ROOM_BYTES / 4 <= e->limit_bytes;

    return (ahead_bytes >= ROOM_BYTES / 4 || !can_grow) &&
           free_bytes(s, e) + ahead_bytes >= ROOM_BYTES;
}

enum room store_keep_room(struct store *s)
{
    struct extent e = { 0 };

    if (!find_end(s, &e))
        return ROOM_NONE;
    if (back_ahead(s, &e) && e.end_bytes < soft_limit(&e))
        return ROOM_PLENTY;
    return is_enough(s, &e) ? ROOM_TIGHT : ROOM_NONE;
}
