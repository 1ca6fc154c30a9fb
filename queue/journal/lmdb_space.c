// SPDX-License-Identifier: MIT
// lmdb_space.c — the environment of a journal in LMDB.

#include "queue/journal/lmdb_space.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "queue/lmdb/files.h"

#define FORMAT        1
#define PAUSE_MIN_MS  1
#define PAUSE_MAX_MS  20
#define RESERVE_PART  8 // of the map, which stays for removals
#define RECORD_FORMAT 1 // the version of each record

static const char *const tables[LMDB_TABLES] = { "entries", "values", "leases",
                                                 "meta" };

static pthread_mutex_t spaces_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lmdb_space *spaces; // of this process

// --- opening ---

static enum err explain(struct buf *why, enum err err, const char *dir,
                        const char *what)
{
    buf_printf(why, "%s: %s", dir, what);
    return err;
}

static enum err check_format(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct buf record;
    struct unpack u;
    size_t start;
    enum err err = lmdb_get(s, txn, LMDB_META, STR("format"), &u);

    (void)data;
    if (err == OK)
        return unpack_u64(&u) == FORMAT ? OK : ERR_INVALID;
    if (err != ERR_NOTFOUND)
        return err;
    buf_init(&record, 0);
    start = record_begin(&record, RECORD_FORMAT);
    pack_u64(&record, FORMAT);
    record_end(&record, start);
    err = lmdb_put(s, txn, LMDB_META, STR("format"), &record, true);
    buf_clear(&record);
    return err;
}

static struct lmdb_space *space_of(struct store *store)
{
    struct lmdb_space *s = spaces;
    pthread_condattr_t attr;

    while (s != NULL && s->store != store)
        s = s->next;
    if (s != NULL)
        return s;
    s = xcalloc(1, sizeof(*s));
    s->store = store;
    pthread_mutex_init(&s->writing, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    s->dir_fd = -1;
    s->next = spaces;
    spaces = s;
    return s;
}

// LMDB does not sync the names of the files that it makes. The parent may be one that this
// process must not read.
static bool sync_names(int dir_fd)
{
    int parent = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (parent >= 0) {
        fsync(parent);
        close(parent);
    }
    return fsync(dir_fd) == 0;
}

static enum err open_in(const char *dir, int dir_fd, uint64_t map_bytes,
                        struct buf *why, struct lmdb_space **out)
{
    struct store *store;
    enum err err =
        store_open(dir, map_bytes, false, tables, LMDB_TABLES, &store);

    if (err != OK)
        return explain(why, err, dir, err_str(err));
    if (!sync_names(dir_fd))
        return explain(why, ERR_IO, dir, strerror(errno));
    *out = space_of(store);
    err = lmdb_write(*out, check_format, NULL);
    if (err == ERR_INVALID)
        return explain(why, err, dir, "a journal of another version");
    return err == OK ? OK : explain(why, err, dir, err_str(err));
}

static enum err open_locked(const char *dir, uint64_t map_bytes,
                            struct buf *why, struct lmdb_space **out)
{
    enum err err = file_mkdir(dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (err != OK || fd < 0) {
        return explain(why, ERR_INVALID, dir,
                       fd < 0 ? strerror(errno) : "it cannot be made");
    }
    err = open_in(dir, fd, map_bytes, why, out);
    if (err == OK && (*out)->dir_fd < 0) {
        (*out)->dir_fd = fd;
    } else {
        close(fd);
    }
    return err;
}

enum err lmdb_space_open(const char *dir, uint64_t map_bytes, struct buf *why,
                         struct lmdb_space **out)
{
    enum err err;

    pthread_mutex_lock(&spaces_lock);
    err = open_locked(dir, map_bytes, why, out);
    pthread_mutex_unlock(&spaces_lock);
    return err;
}

// --- transactions ---

static enum err write_once(struct lmdb_space *s, lmdb_work_fn work, void *data)
{
    MDB_txn *txn;
    enum err err = store_write(s->store, &txn);

    if (err != OK)
        return err;
    return store_write_end(s->store, txn, work(s, txn, data));
}

enum err lmdb_write(struct lmdb_space *s, lmdb_work_fn work, void *data)
{
    enum err err;

    pthread_mutex_lock(&s->writing);
    err = write_once(s, work, data);
    if (err == ERR_FULL && store_turn(s->store, store_db(s->store, LMDB_META)))
        err = write_once(s, work, data);
    pthread_mutex_unlock(&s->writing);
    if (err == OK) {
        pthread_mutex_lock(&s->lock);
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    return err == ERR_LOST ? ERR_AGAIN : err;
}

enum err lmdb_read(struct lmdb_space *s, MDB_txn **txn)
{
    MDB_env *env = store_env(s->store);
    int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, txn);

    if (rc == MDB_READERS_FULL) { // of processes that died, perhaps
        int n_dead;

        rc = mdb_reader_check(env, &n_dead);
        if (rc == 0)
            rc = mdb_txn_begin(env, NULL, MDB_RDONLY, txn);
    }
    return rc == MDB_READERS_FULL ? ERR_AGAIN
                                  : store_err(s->store, rc, "begin reading");
}

// --- records ---

static uint32_t place_of(enum lmdb_table table, struct str key)
{
    return record_place(hash64(str_of(tables[table]), 0), key);
}

enum err lmdb_open_record(struct lmdb_space *s, enum lmdb_table table,
                          MDB_val key, MDB_val val, struct unpack *u)
{
    uint8_t version;

    if (!store_value_is_in_place(s->store, val))
        return ERR_CORRUPT;
    return record_open(place_of(table, str_of_val(key)), str_of_val(val),
                       RECORD_FORMAT, &version, u);
}

enum err lmdb_get(struct lmdb_space *s, MDB_txn *txn, enum lmdb_table table,
                  struct str key, struct unpack *u)
{
    MDB_val k = val_of(key);
    MDB_val v;
    int rc = mdb_get(txn, store_db(s->store, table), &k, &v);
    enum err err = store_err(s->store, rc, "get");

    return err == OK ? lmdb_open_record(s, table, k, v, u) : err;
}

// Whether what is taken leaves the reserve. To count free pages takes time, so this is done
// only once the file is as large as it may become.
static enum err check_room(struct lmdb_space *s, size_t n_bytes)
{
    uint64_t map_bytes = store_map_bytes(s->store);
    uint64_t most = map_bytes - map_bytes / RESERVE_PART;
    uint64_t n_used;
    MDB_envinfo info;
    MDB_stat stat;
    enum err err;

    if (mdb_env_info(store_env(s->store), &info) != 0 ||
        mdb_env_stat(store_env(s->store), &stat) != 0)
        return ERR_IO;
    if ((info.me_last_pgno + 1) * stat.ms_psize + n_bytes <= most)
        return OK;
    err = store_usage_now(s->store, &n_used);
    if (err != OK)
        return err;
    return n_used + n_bytes <= most ? OK : ERR_FULL;
}

enum err lmdb_put(struct lmdb_space *s, MDB_txn *txn, enum lmdb_table table,
                  struct str key, struct buf *record, bool is_needed)
{
    MDB_val k = val_of(key);
    MDB_val v = val_of(buf_str(record));
    enum err err = is_needed ? OK : check_room(s, record->n_bytes);

    if (err != OK)
        return err;
    record_move(record->at, record->n_bytes, place_of(table, key));
    err = store_err(s->store,
                    mdb_put(txn, store_db(s->store, table), &k, &v, 0), "put");
    record_move(record->at, record->n_bytes, place_of(table, key)); // back
    return err;
}

enum err lmdb_next_number(struct lmdb_space *s, MDB_txn *txn, uint64_t *number)
{
    struct buf record;
    struct unpack u;
    size_t start;
    enum err err = lmdb_get(s, txn, LMDB_META, STR("number"), &u);

    *number = err == OK ? unpack_u64(&u) : 0;
    if (err == OK)
        err = unpack_done(&u);
    if (err != OK && err != ERR_NOTFOUND)
        return err;
    ++*number;
    buf_init(&record, 0);
    start = record_begin(&record, RECORD_FORMAT);
    pack_u64(&record, *number);
    record_end(&record, start);
    err = lmdb_put(s, txn, LMDB_META, STR("number"), &record, true);
    buf_clear(&record);
    return err;
}

// --- waiting ---

static size_t last_txn(struct lmdb_space *s)
{
    MDB_envinfo info;

    return mdb_env_info(store_env(s->store), &info) == 0 ? info.me_last_txnid
                                                         : 0;
}

struct lmdb_patience lmdb_patience_of(int64_t wait_ms)
{
    return (struct lmdb_patience){ .until_us = clock_mono_us() + wait_ms * 1000,
                                   .pause_ms = PAUSE_MIN_MS };
}

// Until something is committed here, or for a pause.
static void sleep_until_changed(struct lmdb_space *s, size_t now,
                                int64_t most_us)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += most_us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    if (last_txn(s) == now)
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
}

// Other processes tell nothing: the number of LMDB's last transaction does. It is on disk a
// moment before it can be read: who looks in that moment sees the one before, and looks
// again after a pause.
bool lmdb_wait(struct lmdb_space *s, struct lmdb_patience *p)
{
    for (;;) {
        size_t now = last_txn(s);
        int64_t left_us = p->until_us - clock_mono_us();

        if (now != p->seen && now != p->announced) {
            p->announced = now;
            p->pause_ms = PAUSE_MIN_MS;
            return true;
        }
        if (left_us <= 0)
            return false;
        sleep_until_changed(s, now,
                            left_us < p->pause_ms * 1000 ? left_us
                                                         : p->pause_ms * 1000);
        p->pause_ms *= 2;
        if (p->pause_ms > PAUSE_MAX_MS)
            p->pause_ms = PAUSE_MAX_MS;
        if (now != p->seen)
            return true;
    }
}
