// SPDX-License-Identifier: MIT
// environment.c — LMDB's environments, transactions and errors.

#include "queue/lmdb/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/lmdb/environment_guard.h"
#include "queue/lmdb/row_change.h"
#include "queue/records/schema.h"

#define READERS_MAX   512
#define LOCK_BYTES    (READERS_MAX * 64 + 4096) // LMDB's needs, and some more
#define MAP_MIN_BYTES (UINT64_C(16) << 20)
#define NO_ROOM_BYTES (UINT64_C(1) << 20)

static struct store *stores; // of this process

struct store *store_first(void)
{
    return stores;
}

uint64_t store_file_limit(const struct store *s)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < s->map_bytes
               ? limit.rlim_cur
               : s->map_bytes;
}

static bool is_full(const struct store *s)
{
    char *path = xasprintf("%s/data.mdb", s->path);
    struct statvfs fs;
    struct stat st;
    bool is_file_full =
        stat(path, &st) == 0 &&
        (uint64_t)st.st_size + NO_ROOM_BYTES > store_file_limit(s);

    free(path);
    return is_file_full ||
           (statvfs(s->path, &fs) == 0 &&
            (uint64_t)fs.f_bavail * fs.f_frsize < NO_ROOM_BYTES);
}

enum err store_err(const struct store *s, int rc, const char *what)
{
    enum err err = ERR_IO;

    switch (rc) {
    case MDB_SUCCESS:
        return OK;
    case MDB_NOTFOUND:
        return ERR_NOTFOUND;
    case MDB_KEYEXIST:
        return ERR_EXISTS;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        err = ERR_FULL;
        break;
    case EIO: // LMDB returns it also for a short write on a full disk
        err = is_full(s) ? ERR_FULL : ERR_IO;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL: // a tree that is too deep to be sound
    case MDB_MAP_RESIZED: // its end lies beyond the map
    case MDB_INVALID:     // no environment
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE: // a database of another kind
    case MDB_BAD_TXN:      // follows one of the errors above
        err = ERR_CORRUPT;
        break;
    default:
        break;
    }
    if (err == ERR_CORRUPT)
        log_set_fatal_status(EXIT_DAMAGED); // for an exit because of it
    log_warn(err == ERR_CORRUPT
                 ? "stored data is damaged; " STORE_DAMAGED_ADVICE
                 : "the database failed",
             "what=%s path=%s reason=%s", log_quote(str_of(what)),
             log_quote(str_of(s->path)), log_quote(str_of(mdb_strerror(rc))));
    return err;
}

static enum err open_dbs(struct store *s, const char *const *names,
                         size_t n_names)
{
    MDB_txn *txn;
    int rc =
        mdb_txn_begin(s->env, NULL, s->is_read_only ? MDB_RDONLY : 0, &txn);

    for (size_t i = 0; i < n_names && rc == 0; i++) {
        rc = mdb_dbi_open(txn, names[i], s->is_read_only ? 0 : MDB_CREATE,
                          &s->dbs[i]);
        if (rc == MDB_NOTFOUND && names == shard_dbs && i == SHARD_LISTED) {
            s->dbs[i] = STORE_NO_DB; // an older version made no such table
            rc = 0;
        }
    }
    if (rc == 0)
        rc = mdb_txn_commit(txn); // readers too: it keeps the handles
    return store_err(s, rc, "open databases");
}

// --- place ---

static struct file_place place_of(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    struct file_place place = { 0 };
    struct stat st;

    if (stat(path, &st) == 0)
        place = (struct file_place){ st.st_dev, st.st_ino };
    free(path);
    return place;
}

// An open file keeps its inode number, so no other file can have the same one.
static bool is_same(struct file_place a, struct file_place b)
{
    return a.device == b.device && a.number == b.number;
}

bool store_is_in_place(struct store *s)
{
    bool is_displaced = !is_same(place_of(s->path, "data.mdb"), s->data_file) ||
                        !is_same(place_of(s->path, "lock.mdb"), s->lock_file);

    if (atomic_exchange(&s->is_displaced, is_displaced) != is_displaced) {
        log_warn(is_displaced
                     ? "files of the queue were removed or replaced while the "
                       "engine was running; put them back or stop the engine"
                     : "files of the queue are back in their place",
                 "path=%s", log_quote(str_of(s->path)));
    }
    return !is_displaced;
}

// --- what is damaged ---

// The header of an LMDB page; a large value begins right after it.
struct page_header {
    uint64_t number;
    uint16_t pad, flags;
    uint32_t n_pages;
};

#define PAGE_OVERFLOW 4

bool store_value_is_mapped(const struct store *s, MDB_val val)
{
    const uint8_t *at = val.mv_data;

    return s->map == NULL ||
           (at >= s->map && at < s->map + s->map_bytes &&
            val.mv_size <= (size_t)(s->map + s->map_bytes - at));
}

bool store_value_is_in_place(const struct store *s, MDB_val val)
{
    const uint8_t *at = val.mv_data;
    struct page_header h;
    size_t offset;

    if (!store_value_is_mapped(s, val)) // as in a write transaction
        return !s->is_read_only;
    if (s->map == NULL)
        return true;
    offset = (size_t)(at - s->map);
    if (offset % s->page_bytes != sizeof(h))
        return true; // a small value in a leaf
    memcpy(&h, at - sizeof(h), sizeof(h));
    // A shorter value that replaced it in the same transaction needs fewer pages.
    return h.number == offset / s->page_bytes && h.flags == PAGE_OVERFLOW &&
           h.n_pages >= (sizeof(h) + val.mv_size - 1) / s->page_bytes + 1;
}

static int compare(MDB_val a, MDB_val b)
{
    size_t n = a.mv_size < b.mv_size ? a.mv_size : b.mv_size;
    int order = memcmp(a.mv_data, b.mv_data, n);

    if (order != 0)
        return order;
    return a.mv_size < b.mv_size ? -1 : a.mv_size > b.mv_size;
}

int store_seek(MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    MDB_val wanted = *key;
    int rc = mdb_cursor_get(cursor, key, val, MDB_SET_RANGE);

    return rc == 0 && compare(*key, wanted) < 0 ? MDB_CORRUPTED : rc;
}

int store_next(MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    MDB_val before = *key;
    int rc = mdb_cursor_get(cursor, key, val, MDB_NEXT);

    return rc == 0 && compare(*key, before) <= 0 ? MDB_CORRUPTED : rc;
}

// --- records and their places ---

uint64_t store_place_of(const char *const *names, uint64_t shard)
{
    return hash64(str_of(names[0]), shard);
}

uint32_t store_place_in(uint64_t environment, unsigned db, MDB_val key)
{
    return record_place(environment + db, str_of_val(key));
}

uint32_t store_place(const struct store *s, unsigned db, MDB_val key)
{
    return store_place_in(s->place, db, key);
}

int store_put(struct store *s, MDB_txn *txn, unsigned db, MDB_val key,
              struct str record, unsigned flags)
{
    uint32_t place = store_place(s, db, key);
    MDB_val room = { record.n_bytes, NULL };
    int rc = mdb_put(txn, s->dbs[db], &key, &room, flags | MDB_RESERVE);

    if (rc == 0) {
        memcpy(room.mv_data, record.at, record.n_bytes);
        record_move(room.mv_data, room.mv_size, place);
    }
    if (rc == 0 && store_is_recording(s)) {
        row_change_put(&s->changes,
                       &(struct row_change){ .db = db,
                                             .key = str_of_val(key),
                                             .value = str_of_val(room) });
    }
    return rc;
}

// A shard's directory is named by its number.
static uint64_t shard_of_path(const char *path)
{
    const char *name = strrchr(path, '/');

    return strtoull(name != NULL ? name + 1 : path, NULL, 10);
}

// --- opening ---

static void on_assert(MDB_env *env, const char *text)
{
    (void)text; // useful only to LMDB's developers
    store_guard_assert(store_path(mdb_env_get_userctx(env)));
}

static void note_map(struct store *s)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(s->env, &info) != 0 || mdb_env_stat(s->env, &stat) != 0)
        return;
    s->page_bytes = stat.ms_psize;
    s->map = store_guard(s->path, info.me_mapsize);
    mdb_env_set_assert(s->env, on_assert);
}

// A lock file that root's commands make gets the directory's owner, since the
// engine's roles could not open it otherwise.
static void keep_owner(int fd, const char *dir)
{
    struct stat st;

    if (geteuid() == 0 && stat(dir, &st) == 0 && st.st_uid != 0 &&
        fchown(fd, st.st_uid, st.st_gid) != 0) {
        log_warn("the owner of a lock file cannot be changed",
                 "dir=%s errno=%d", log_quote(str_of(dir)), errno);
    }
}

// Makes the lock file if it does not exist: LMDB would make it sparse, and on a
// full disk the first access would end the process. LMDB reports other faults. A
// reader makes no lock file where there is nothing to read.
static enum err make_lock_file(const char *dir, bool read_only)
{
    char *path = xasprintf("%s/lock.mdb", dir);
    enum err err = OK;
    int fd = -1;

    if (!read_only || place_of(dir, "data.mdb").number != 0)
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        keep_owner(fd, dir);
    if (fd >= 0 && posix_fallocate(fd, 0, LOCK_BYTES) != 0) {
        unlink(path);
        err = ERR_FULL;
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return err;
}

// LMDB would block on a FIFO, and follow a link to any file. Links of root's or of
// this user's own are allowed, for instance to a larger disk.
static bool is_file_or_nothing(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    struct stat st;
    bool is = lstat(path, &st) != 0 || S_ISREG(st.st_mode);

    if (!is && S_ISLNK(st.st_mode) &&
        (st.st_uid == 0 || st.st_uid == geteuid()))
        is = stat(path, &st) == 0 && S_ISREG(st.st_mode);

    if (!is) {
        log_warn("a file of the queue is not a regular file", "path=%s",
                 log_quote(str_of(path)));
    }
    free(path);
    return is;
}

// A store whose path is the same but whose files were renamed is another one.
static struct store *find_open(const char *dir)
{
    struct file_place data = place_of(dir, "data.mdb");
    struct store *s = stores;

    while (s != NULL &&
           (strcmp(s->path, dir) != 0 || !is_same(s->data_file, data)))
        s = s->next;
    return s;
}

static int open_environment(struct store *s, unsigned flags)
{
    int rc = mdb_env_create(&s->env);

    if (rc == 0)
        rc = mdb_env_set_userctx(s->env, s);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(s->env, STORE_DBS_MAX);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(s->env, READERS_MAX);
    if (rc == 0)
        rc = mdb_env_set_mapsize(s->env, s->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(s->env, s->path, flags | MDB_NORDAHEAD, 0600);
    // Here these mean a bad environment.
    return rc == EBUSY || rc == EINVAL ? MDB_INVALID : rc;
}

enum err store_open(const char *dir, uint64_t map_bytes, bool read_only,
                    const char *const *names, size_t n_names,
                    struct store **out)
{
    struct store *s;
    unsigned flags = MDB_NOTLS | (read_only ? MDB_RDONLY : 0);
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    int dead;
    int rc;
    enum err err;

    // LMDB must not open a file twice in a process: its locks belong to the
    // process, not to the descriptor.
    *out = find_open(dir);
    if (*out != NULL)
        return OK;
    signal(SIGXFSZ,
           SIG_IGN); // exceeding the file size limit is then an ordinary error
    if (!is_file_or_nothing(dir, "data.mdb") ||
        !is_file_or_nothing(dir, "lock.mdb"))
        return ERR_CORRUPT;
    err = make_lock_file(dir, read_only);
    if (err != OK)
        return err;
    s = xcalloc(1, sizeof(*s));
    s->path = xstrdup(dir);
    s->place = store_place_of(names, shard_of_path(dir));
    s->n_dbs = n_names;
    buf_init(&s->changes, 0);
    s->is_read_only = read_only;
    s->map_bytes = map_bytes < MAP_MIN_BYTES ? MAP_MIN_BYTES : map_bytes;
    s->map_bytes = s->map_bytes / page_bytes * page_bytes;
    store_guard_begin(s->path);
    rc = open_environment(s, flags);
    if (rc == ENOENT)
        return ERR_NOTFOUND;
    if (rc != 0)
        return store_err(s, rc, "open");
    note_map(s);
    s->data_file = place_of(dir, "data.mdb");
    s->lock_file = place_of(dir, "lock.mdb");
    mdb_reader_check(s->env, &dead); // the next use reports a failure
    err = open_dbs(s, names, n_names);
    if (err != OK)
        return err;
    s->next = stores;
    stores = s;
    *out = s;
    return OK;
}

enum err store_read(struct store *s, MDB_txn **txn)
{
    int rc;

    if (s->reader == NULL) {
        rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader);
    } else {
        rc = mdb_txn_renew(s->reader);
    }
    if (rc == MDB_READERS_FULL) {
        int dead;

        mdb_reader_check(s->env, &dead);
    }
    if (rc != 0)
        return store_err(s, rc, "begin reading");
    *txn = s->reader;
    s->is_reading = true;
    return OK;
}

void store_read_end(struct store *s)
{
    mdb_txn_reset(s->reader);
    s->is_reading = false;
}

void store_on_commit(struct store *s, store_commit_fn fn, void *data)
{
    s->on_commit = fn;
    s->on_commit_data = data;
}

enum err store_write(struct store *s, MDB_txn **txn)
{
    buf_reset(&s->changes);
    return store_err(s, mdb_txn_begin(s->env, NULL, 0, txn), "begin writing");
}

// Hands the changes to whoever copies them.
static enum err hand_over(struct store *s, MDB_txn *txn)
{
    enum err err = OK;

    if (store_is_recording(s) && s->changes.n_bytes > 0)
        err = s->on_commit(s->on_commit_data, txn, buf_str(&s->changes));
    if (err != OK)
        mdb_txn_abort(txn);
    return err;
}

enum err store_commit(struct store *s, MDB_txn *txn)
{
    enum err err = hand_over(s, txn);

    if (err != OK)
        return err;
    err = store_err(s, mdb_txn_commit(txn), "commit");
    if (err != OK && store_is_recording(s) && s->changes.n_bytes > 0) {
        log_fatal("a commit failed that the copies on other nodes have; it is "
                  "done again from there",
                  "path=%s reason=%s", log_quote(str_of(s->path)),
                  log_quote(str_of(err_str(err))));
    }

    return err == OK && !store_is_in_place(s) ? ERR_LOST : err;
}

enum err store_write_end(struct store *s, MDB_txn *txn, enum err err)
{
    if (err == OK)
        return store_commit(s, txn);
    mdb_txn_abort(txn);
    return err;
}

static enum err put_as_it_is(struct store *s, MDB_txn *txn, MDB_dbi dbi)
{
    struct buf copy;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err = store_err(s, mdb_cursor_open(txn, dbi, &cursor), "turn");

    if (err != OK)
        return err;
    err = store_err(s, mdb_cursor_get(cursor, &key, &val, MDB_FIRST), "turn");
    if (err == OK) {
        buf_init(&copy, 0);
        buf_put_str(&copy, str_of_val(val));
        val = val_of(buf_str(&copy));
        err = store_err(s, mdb_cursor_put(cursor, &key, &val, MDB_CURRENT),
                        "turn");
        buf_clear(&copy);
    }
    mdb_cursor_close(cursor);
    return err;
}

bool store_turn(struct store *s, MDB_dbi dbi)
{
    MDB_envinfo info;
    MDB_txn *txn;
    enum err err;

    if (mdb_env_info(s->env, &info) != 0 || info.me_last_txnid == s->turned)
        return false;
    err = store_write(s, &txn);
    if (err != OK)
        return false;
    err = put_as_it_is(s, txn, dbi);
    err = store_write_end(s, txn, err);
    if (err == OK)
        s->turned = info.me_last_txnid + 1;
    return err == OK;
}

enum err store_usage(struct store *s, MDB_txn *txn, uint64_t *n_bytes)
{
    MDB_envinfo info;
    MDB_stat stat;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    uint64_t n_free = 0;
    int rc = mdb_env_info(s->env, &info);

    if (rc == 0)
        rc = mdb_env_stat(s->env, &stat);
    if (rc == 0) // 0: LMDB's list of free pages, as mdb_stat reads it
        rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc != 0)
        return store_err(s, rc, "usage");
    while ((rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        size_t n_pages; // each entry begins with the number of its pages

        memcpy(&n_pages, val.mv_data, sizeof(n_pages));
        n_free += n_pages;
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND)
        return store_err(s, rc, "usage");
    *n_bytes = (info.me_last_pgno + 1 - n_free) * stat.ms_psize;
    return OK;
}

enum err store_usage_now(struct store *s, uint64_t *n_bytes)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    enum err err = store_err(s, rc, "usage");

    if (err != OK)
        return err;
    err = store_usage(s, txn, n_bytes);
    mdb_txn_abort(txn);
    return err;
}
