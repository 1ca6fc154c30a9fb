// SPDX-License-Identifier: MIT
// identity.c — which data directory an environment belongs to, and as which part.

#include "queue/lmdb/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/small_file.h"
#include "common/log/log.h"
#include "queue/lmdb/child.h"
#include "queue/lmdb/files.h"
#include "queue/lmdb/page_check.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

#define SELF_BYTES       (DIRECTORY_ID_BYTES + 16)
#define FORMAT_MAX_BYTES 1024

static char self_name[] = "self";

// --- FORMAT ---

static bool read_hex(const char *text, uint8_t *id, size_t n_bytes)
{
    if (strlen(text) < 2 * n_bytes)
        return false;
    for (size_t i = 0; i < n_bytes; i++) {
        const char pair[3] = { text[2 * i], text[2 * i + 1], '\0' };
        char *end;

        id[i] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            return false;
    }
    return true;
}

// Reads the first line and the lines after it.
static void read_format(char *text, struct format *out)
{
    char *save = NULL;
    char *line = strtok_r(text, "\n", &save);

    // NOLINTNEXTLINE(cert-err34-c): what does not fit leaves zeros
    if (line == NULL || sscanf(line, "%31s %u", out->name, &out->version) != 2)
        out->version = 0;
    while (line != NULL && (line = strtok_r(NULL, "\n", &save)) != NULL) {
        if (strncmp(line, "id ", 3) == 0)
            out->has_id = read_hex(line + 3, out->id, sizeof(out->id));
        if (strncmp(line, "key ", 4) == 0)
            out->has_key = read_hex(line + 4, out->key, sizeof(out->key));
        if (strcmp(line, "complete") == 0)
            out->is_complete = true;
    }
    out->is_complete = out->is_complete && out->has_id;
}

enum err format_read(const char *dir, struct format *out)
{
    char *path = xasprintf("%s/FORMAT", dir);
    char text[FORMAT_MAX_BYTES];
    const char *why = "";
    enum err err = small_file_read(path, text, sizeof(text), NULL, &why);

    *out = (struct format){ .version = 0 };
    if (err == OK) {
        read_format(text, out);
    } else if (err != ERR_NOTFOUND) {
        log_warn("FORMAT cannot be read", "path=%s reason=%s",
                 log_quote(str_of(path)), log_quote(str_of(why)));
        err = ERR_DENIED;
    }
    free(path);
    return err;
}

enum err format_write(const char *dir, const struct format *f)
{
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    buf_printf(&text, "%s %d\n", FORMAT_NAME, FORMAT_VERSION);
    if (f->has_id) {
        buf_puts(&text, "id ");
        crypto_put_hex(&text, f->id, sizeof(f->id));
        buf_putc(&text, '\n');
    }
    if (f->has_key) {
        buf_puts(&text, "key ");
        crypto_put_hex(&text, f->key, sizeof(f->key));
        buf_putc(&text, '\n');
    }
    if (f->is_complete)
        buf_puts(&text, "complete\n");
    err = file_write(dir, "FORMAT", buf_cstr(&text));
    buf_clear(&text);
    return err;
}

void format_make_id(struct format *f)
{
    crypto_random(f->id, sizeof(f->id));
    f->has_id = true;
    if (!f->has_key)
        crypto_random(f->key, sizeof(f->key));
    f->has_key = true;
}

// --- what an environment is ---

bool identity_is(MDB_val key)
{
    return str_eq(str_of_val(key), str_of(self_name));
}

// ERR_NOTFOUND: the environment has none.
static enum err identity_get(struct store *s, MDB_txn *txn, unsigned meta_db,
                             struct identity *out)
{
    MDB_val key = val_at(self_name, sizeof(self_name) - 1);
    MDB_val val;
    const uint8_t *at;
    enum err err =
        store_err(s, mdb_get(txn, s->dbs[meta_db], &key, &val), "get self");

    if (err != OK)
        return err;
    if (val.mv_size != SELF_BYTES)
        return ERR_CORRUPT;
    at = val.mv_data;
    memcpy(out->id, at, sizeof(out->id));
    out->shard = get_be64(at + sizeof(out->id));
    out->n_shards = get_be64(at + sizeof(out->id) + 8);
    return OK;
}

enum err identity_put(struct store *s, MDB_txn *txn, const struct part *part,
                      const uint8_t *id)
{
    uint8_t bytes[SELF_BYTES];
    MDB_val key = val_at(self_name, sizeof(self_name) - 1);
    MDB_val val = val_at(bytes, sizeof(bytes));

    memcpy(bytes, id, DIRECTORY_ID_BYTES);
    put_be64(bytes + DIRECTORY_ID_BYTES, part->shard);
    put_be64(bytes + DIRECTORY_ID_BYTES + 8, part->n_shards);
    return store_err(s, row_put(txn, s->dbs[part->meta_db], &key, &val, 0),
                     "put self");
}

// --- checking ---

struct checking {
    struct queue_config found; // with the number of shards that were found
    bool with_pages;
    struct format format;
};

static enum err refuse(struct buf *why)
{
    buf_puts(why, "; put the right one in its place, or repair");
    return ERR_CONFLICT;
}

static enum err check_part(const struct part *part, const struct format *f,
                           const struct identity *self, struct buf *why)
{
    if (self == NULL && !f->is_complete)
        return OK;
    if (self == NULL || memcmp(self->id, f->id, sizeof(f->id)) != 0) {
        buf_printf(why, "%s is of another data directory than the rest",
                   part->name);
        return refuse(why);
    }
    if (self->shard != part->shard) {
        buf_printf(why,
                   "%s holds shard %" PRIu64 " of %" PRIu64
                   ": directories of shards were exchanged",
                   part->name, self->shard, self->n_shards);
        return refuse(why);
    }
    if (self->n_shards != part->n_shards) {
        buf_printf(why,
                   "deliveries has %" PRIu64 " shards, but %s is one of "
                   "%" PRIu64 ": some are missing, or of another time",
                   part->n_shards, part->name, self->n_shards);
        return refuse(why);
    }
    return OK;
}

static enum err read_self(struct store *s, unsigned meta_db,
                          struct identity *self)
{
    MDB_txn *txn;
    enum err err = store_read(s, &txn);

    if (err != OK)
        return err;
    err = identity_get(s, txn, meta_db, self);
    store_read_end(s);
    return err;
}

// Keeps the first fault only.
static void take_fault(void *data, const char *what)
{
    struct buf *why = data;

    if (why->n_bytes == 0)
        buf_puts(why, what);
}

static enum err check_present(const struct checking *j, const struct part *part,
                              struct buf *why)
{
    const struct queue_config *config = &j->found;
    const struct format *f = &j->format;
    bool with_pages = j->with_pages;
    char *data = xasprintf("%s/%s/data.mdb", config->data_dir, part->name);
    bool is_there = file_is_there(data);
    const struct page_check check = { .is_skeleton = true,
                                      .on_fault = take_fault,
                                      .data = why };
    struct identity self;
    struct store *s;
    enum err err;

    free(data);
    if (!is_there && !f->is_complete)
        return OK; // it will be made
    if (!is_there) {
        buf_printf(why, "%s is missing", part->name);
        return refuse(why);
    }
    err = with_pages ? page_check_at_rest(config->data_dir, part, &check) : OK;
    if (err == OK)
        err = part_open(config, part, true, &s);
    if (err == OK)
        err = read_self(s, part->meta_db, &self);
    if (err == ERR_IO || err == ERR_CORRUPT) {
        if (why->n_bytes == 0)
            buf_printf(why, "%s cannot be read and may be damaged", part->name);
        return refuse(why);
    }
    if (err != OK && err != ERR_NOTFOUND)
        return err;
    return check_part(part, f, err == OK ? &self : NULL, why);
}

static enum err check_all(void *data, struct buf *why)
{
    struct checking *j = data;
    const struct queue_config *found = &j->found;
    enum err err = format_read(found->data_dir, &j->format);

    if (err == ERR_NOTFOUND) {
        buf_puts(why, "FORMAT is missing");
        return refuse(why);
    }
    if (err == OK && j->format.version != FORMAT_VERSION) {
        buf_printf(
            why,
            "the data directory has format %u, and this program works with "
            "format %d; a start of the engine converts it if it is older",
            j->format.version, FORMAT_VERSION);
        return ERR_CONFLICT;
    }
    for (unsigned i = 0; i < found->n_shards + 2 && err == OK; i++) {
        struct part part = part_of(found, i);

        err = check_present(j, &part, why);
    }
    if (err == OK && found->n_shards == 0 && j->format.is_complete) {
        buf_puts(why, "deliveries/0 is missing");
        return refuse(why);
    }
    return err;
}

// Runs in a process of its own: the caller has opened nothing yet and will open
// everything differently, and a damaged file may end the process.
enum err identity_check_parts(const struct queue_config *config,
                              unsigned n_shards, bool is_at_rest,
                              struct buf *why)
{
    struct checking j = { .found = *config, .with_pages = is_at_rest };
    enum err err;

    j.found.n_shards = n_shards;
    err = queue_apart(check_all, &j, NULL, why, why);
    return err == ERR_CORRUPT ? refuse(why) : err;
}

enum err identity_check(const struct queue_config *config, unsigned i,
                        struct store *s)
{
    struct part part = part_of(config, i);
    struct identity self;
    struct format f;
    struct buf why;
    enum err err = format_read(config->data_dir, &f);

    if (err == ERR_NOTFOUND)
        return ERR_INVALID; // the directory is gone
    if (err == OK)
        err = read_self(s, part.meta_db, &self);
    if (err != OK && err != ERR_NOTFOUND)
        return err;
    buf_init(&why, 0);
    err = check_part(&part, &f, err == OK ? &self : NULL, &why);
    if (err != OK) {
        log_warn("a part of the queue is not the one that belongs here",
                 "reason=%s", log_quote(buf_str(&why)));
    }
    buf_clear(&why);
    return err;
}

// --- marking ---

static enum err mark(const struct queue_config *config, const struct part *part,
                     const uint8_t *id)
{
    struct identity self;
    struct store *s;
    MDB_txn *txn;
    enum err err = part_open(config, part, false, &s);

    if (err == OK)
        err = store_write(s, &txn);
    if (err != OK)
        return err;
    err = identity_get(s, txn, part->meta_db, &self);
    if (err == ERR_NOTFOUND) {
        err = identity_put(s, txn, part, id);
        if (err == OK)
            return store_commit(s, txn);
    }
    mdb_txn_abort(txn);
    return err;
}

enum err identity_complete(const struct queue_config *config)
{
    struct format f;
    enum err err = format_read(config->data_dir, &f);

    if (err == OK && f.is_complete)
        return OK;
    for (unsigned i = 0; i < config->n_shards + 2 && err == OK; i++) {
        struct part part = part_of(config, i);

        err = mark(config, &part, f.id);
    }
    f.is_complete = true;
    return err == OK ? format_write(config->data_dir, &f) : err;
}
