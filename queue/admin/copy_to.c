// SPDX-License-Identifier: MIT
// copy_to.c — the writing end of a copy: an environment that is made record by
// record.

#include "queue/admin/copy_to.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json_writer.h"
#include "common/files/small_file.h"
#include "common/log/log.h"
#include "queue/admin/environment_dir.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/row_changes.h"

#define ROWS_AT_ONCE  5000
#define BYTES_AT_ONCE ((size_t)32 << 20) // of a transaction

#define SMALL_FILE_BYTES 4096

// --- writing ---

enum err copy_make(struct copy_to *c, const char *dir, const struct part *part)
{
    char *path = xasprintf("%s/%s", dir, part->name);
    enum err err;

    *c = (struct copy_to){ .part = *part, .state = { .next_no = 1 } };
    buf_init(&c->plain, 0);
    err = prepare_environment(path, part->map_bytes, part->dbs, part->n_dbs,
                              &c->store);
    free(path);
    return err;
}

void copy_clear(struct copy_to *c)
{
    buf_clear(&c->plain);
}

enum err copy_flush(struct copy_to *c)
{
    MDB_txn *txn = c->txn;
    enum err err;

    if (txn == NULL)
        return OK;
    c->txn = NULL;
    c->n_rows = 0;
    c->n_bytes = 0;
    err = needed_flush(c->store, txn, &c->needed);
    return store_write_end(c->store, txn, err);
}

enum err copy_ready(struct copy_to *c, size_t n_bytes)
{
    enum err err = OK;

    if (c->n_rows >= ROWS_AT_ONCE || c->n_bytes >= BYTES_AT_ONCE)
        err = copy_flush(c);
    if (err == OK && c->txn == NULL)
        err = store_write(c->store, &c->txn);
    c->n_rows++;
    c->n_bytes += n_bytes;
    return err;
}

enum err copy_put_as_is(struct copy_to *c, unsigned db, MDB_val key,
                        MDB_val val)
{
    enum err err = copy_ready(c, key.mv_size + val.mv_size);
    int rc;

    if (err != OK)
        return err;
    rc = row_put(c->txn, store_db(c->store, db), &key, &val, MDB_APPEND);
    if (rc == MDB_KEYEXIST) // keys out of order, as in a damaged tree
        rc = row_put(c->txn, store_db(c->store, db), &key, &val, 0);
    return store_err(c->store, rc, "copy");
}

enum err copy_put_record(struct copy_to *c, unsigned db, MDB_val key,
                         struct str record)
{
    enum err err = copy_ready(c, key.mv_size + record.n_bytes);
    int rc;

    if (err != OK)
        return err;
    rc = store_put(c->store, c->txn, db, key, record, MDB_APPEND);
    if (rc == MDB_KEYEXIST)
        rc = store_put(c->store, c->txn, db, key, record, 0);
    return store_err(c->store, rc, "copy");
}

// --- what is left out ---

enum err aside_put_line(struct aside *a, struct str line)
{
    if (a->file == NULL) {
        char *path = xasprintf("%s/damaged.jsonl", a->dir);
        int fd = open(
            path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        free(path);
        a->file = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (a->file == NULL)
            return ERR_IO;
    }
    fwrite(line.at, 1, line.n_bytes, a->file);
    fputc('\n', a->file);
    return ferror(a->file) ? ERR_IO : OK;
}

enum err aside_put(struct aside *a, const struct part *part, unsigned db,
                   MDB_val key, MDB_val val)
{
    struct buf line;
    struct json_writer w = json_writer(&line);
    enum err err;

    a->n++;
    buf_init(&line, 0);
    json_open_object(&w, NULL);
    json_put_text(&w, "environment", part->name);
    json_put_text(&w, "database", part->dbs[db]);
    crypto_put_hex(json_open_text(&w, "key"), key.mv_data, key.mv_size);
    json_close_text(&w);
    crypto_put_hex(json_open_text(&w, "value"), val.mv_data, val.mv_size);
    json_close_text(&w);
    json_close(&w);
    err = aside_put_line(a, buf_str(&line));
    buf_clear(&line);
    return err;
}

enum err aside_close(struct aside *a)
{
    enum err err = OK;

    if (a->file == NULL)
        return OK;
    if (fflush(a->file) != 0 || fsync(fileno(a->file)) != 0)
        err = ERR_IO;
    fclose(a->file);
    a->file = NULL;
    return err;
}

// --- the directory ---

enum err copy_make_directory(const char *dir)
{
    char *deliveries = xasprintf("%s/deliveries", dir);
    enum err err = file_mkdir(dir);

    if (err == OK)
        err = file_mkdir(deliveries);
    free(deliveries);
    return err;
}

enum err copy_small_file(const char *from_dir, const char *to_dir,
                         const char *name)
{
    char *from = xasprintf("%s/%s", from_dir, name);
    char text[SMALL_FILE_BYTES];
    const char *why = "";
    enum err err = small_file_read(from, text, sizeof(text), NULL, &why);

    if (err == OK) {
        err = file_write(to_dir, name, text);
    } else if (err != ERR_NOTFOUND) {
        log_warn("a file cannot be copied", "path=%s reason=%s",
                 log_quote(str_of(from)), log_quote(str_of(why)));
    }
    crypto_wipe(text, sizeof(text));
    free(from);
    return err == ERR_NOTFOUND ? OK : err;
}
