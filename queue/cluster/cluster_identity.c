// SPDX-License-Identifier: MIT
// cluster_identity.c — what all nodes of a cluster have in common.

#include "queue/cluster/cluster_identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/files/keyring.h"
#include "common/files/small_file.h"
#include "queue/journal/journal.h"
#include "queue/lmdb/identity.h"

#define NAME           STR("identity")
#define CONTEXT        STR("cluster identity")
#define WAIT_MS        3000
#define RECORD_VERSION 1

static void encode(const struct cluster_identity *i, struct buf *out)
{
    size_t start = record_begin(out, RECORD_VERSION);

    pack_str(out, (struct str){ (const char *)i->id, sizeof(i->id) });
    pack_str(out, (struct str){ (const char *)i->key, sizeof(i->key) });
    pack_u64(out, i->n_shards);
    pack_str(out, str_of(i->admin_token));
    record_end(out, start);
}

static enum err decode(struct str bytes, struct cluster_identity *out)
{
    struct unpack u;
    uint8_t version;
    struct str id, key, token;
    uint64_t n_shards;
    enum err err =
        record_open(RECORD_NOWHERE, bytes, RECORD_VERSION, &version, &u);

    if (err != OK)
        return err;
    id = unpack_str(&u);
    key = unpack_str(&u);
    n_shards = unpack_u64(&u);
    token = unpack_str(&u);
    if (unpack_done(&u) != OK || id.n_bytes != sizeof(out->id) ||
        key.n_bytes != sizeof(out->key) || n_shards < 1 ||
        n_shards > QUEUE_SHARDS_MAX ||
        token.n_bytes >= sizeof(out->admin_token))
        return ERR_CORRUPT;
    *out = (struct cluster_identity){ .n_shards = (unsigned)n_shards };
    memcpy(out->id, id.at, id.n_bytes);
    memcpy(out->key, key.at, key.n_bytes);
    memcpy(out->admin_token, token.at, token.n_bytes);
    return OK;
}

enum err cluster_identity_get(struct journal *j, struct keyring *keys,
                              struct cluster_identity *out)
{
    struct buf sealed;
    struct buf plain;
    uint64_t revision;
    enum err err;

    buf_init(&sealed, 0);
    buf_init(&plain, 0);
    err = journal_value_get(j, NAME, WAIT_MS, &sealed, &revision);
    if (err == OK)
        err = keyring_open(keys, CONTEXT, buf_str(&sealed), &plain);
    if (err == OK)
        err = decode(buf_str(&plain), out);
    buf_clear(&sealed);
    buf_clear(&plain);
    return err;
}

enum err cluster_identity_put(struct journal *j, struct keyring *keys,
                              const struct cluster_identity *identity)
{
    struct buf sealed;
    struct buf plain;
    struct str bytes;
    uint64_t revision;
    enum err err;

    buf_init(&sealed, 0);
    buf_init(&plain, 0);
    encode(identity, &plain);
    keyring_seal(keys, CONTEXT, buf_str(&plain), &sealed);
    bytes = buf_str(&sealed);
    err = journal_value_put(j, NAME, &bytes, 0, WAIT_MS, &revision);
    buf_clear(&sealed);
    buf_clear(&plain);
    return err == ERR_CONFLICT ? ERR_EXISTS : err;
}

enum err cluster_identity_read(const struct queue_config *config,
                               struct cluster_identity *out)
{
    char *path = xasprintf("%s/admin.token", config->data_dir);
    const char *why;
    struct format f;
    enum err err = format_read(config->data_dir, &f);

    *out = (struct cluster_identity){ .n_shards = config->n_shards };
    if (err == OK && (!f.has_id || !f.has_key))
        err = ERR_NOTFOUND;
    if (err == OK) {
        memcpy(out->id, f.id, sizeof(out->id));
        memcpy(out->key, f.key, sizeof(out->key));
        // Without the file, each node makes one of its own.
        if (small_file_read(path, out->admin_token, sizeof(out->admin_token),
                            NULL, &why) != OK)
            out->admin_token[0] = '\0';
        out->admin_token[strcspn(out->admin_token, "\n")] = '\0';
    }
    free(path);
    return err;
}
