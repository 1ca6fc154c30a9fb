// SPDX-License-Identifier: MIT
// cluster_members.c — the nodes of a cluster, and which of them is the lead.

#include "queue/cluster/cluster_members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/files/small_file.h"
#include "queue/journal/journal.h"
#include "queue/lmdb/files.h"

#define WAIT_MS        3000
#define RECORD_VERSION 1
#define NODE_ID_BYTES  8
#define NODE_ID_FILE   "node.id"

bool cluster_node_is_valid(struct str name)
{
    return name.n_bytes < CLUSTER_NODE_BYTES && journal_name_is_valid(name) &&
           memchr(name.at, '.', name.n_bytes) == NULL;
}

void cluster_put_node_name(struct buf *out, struct str node)
{
    buf_puts(out, "node.");
    buf_put_str(out, node);
}

struct str cluster_node_of(struct str holder)
{
    const char *dot = memchr(holder.at, '.', holder.n_bytes);

    if (dot != NULL)
        holder.n_bytes = (size_t)(dot - holder.at);
    return holder;
}

// --- the value ---

static void encode(const struct cluster_member *m, struct buf *out)
{
    size_t start = record_begin(out, RECORD_VERSION);

    pack_str(out, str_of(m->holder));
    pack_str(out, str_of(m->api));
    pack_str(out, str_of(m->ingest));
    pack_str(out, str_of(m->version));
    pack_bool(out, m->is_drained);
    record_end(out, start);
}

static bool take_text(struct unpack *u, char *to, size_t room)
{
    struct str text = unpack_str(u);

    if (text.n_bytes >= room)
        return false;
    memcpy(to, text.at, text.n_bytes);
    to[text.n_bytes] = '\0';
    return true;
}

static enum err decode(struct str key, struct str bytes,
                       struct cluster_member *out)
{
    struct unpack u;
    uint8_t version;
    enum err err =
        record_open(RECORD_NOWHERE, bytes, RECORD_VERSION, &version, &u);
    size_t n_prefix = strlen(CLUSTER_MEMBER_PREFIX);

    if (err != OK)
        return err;
    *out = (struct cluster_member){ .is_live = false };
    if (key.n_bytes <= n_prefix ||
        key.n_bytes - n_prefix >= sizeof(out->node) ||
        !take_text(&u, out->holder, sizeof(out->holder)) ||
        !take_text(&u, out->api, sizeof(out->api)) ||
        !take_text(&u, out->ingest, sizeof(out->ingest)) ||
        !take_text(&u, out->version, sizeof(out->version)))
        return ERR_CORRUPT;
    out->is_drained = unpack_bool(&u);
    memcpy(out->node, key.at + n_prefix, key.n_bytes - n_prefix);
    return unpack_done(&u);
}

static void put_key(struct buf *out, struct str node)
{
    buf_puts(out, CLUSTER_MEMBER_PREFIX);
    buf_put_str(out, node);
}

enum err cluster_member_get(struct journal *j, struct str node,
                            struct cluster_member *out)
{
    struct buf key;
    struct buf bytes;
    uint64_t revision = 0;
    enum err err;

    buf_init(&key, 0);
    buf_init(&bytes, 0);
    put_key(&key, node);
    err = journal_value_get(j, buf_str(&key), WAIT_MS, &bytes, &revision);
    if (err == OK)
        err = decode(buf_str(&key), buf_str(&bytes), out);
    if (err == OK)
        out->revision = revision;
    buf_clear(&key);
    buf_clear(&bytes);
    return err;
}

enum err cluster_member_put(struct journal *j, struct cluster_member *m)
{
    struct buf key;
    struct buf record;
    struct str bytes;
    enum err err;

    buf_init(&key, 0);
    buf_init(&record, 0);
    put_key(&key, str_of(m->node));
    encode(m, &record);
    bytes = buf_str(&record);
    err = journal_value_put(j, buf_str(&key), &bytes, m->revision, WAIT_MS,
                            &m->revision);
    buf_clear(&key);
    buf_clear(&record);
    return err;
}

enum err cluster_member_remove(struct journal *j, struct str node)
{
    struct cluster_member m;
    struct buf key;
    uint64_t revision;
    enum err err = cluster_member_get(j, node, &m);

    if (err != OK)
        return err;
    buf_init(&key, 0);
    put_key(&key, node);
    err = journal_value_put(j, buf_str(&key), NULL, m.revision, WAIT_MS,
                            &revision);
    buf_clear(&key);
    return err;
}

// --- all ---

struct list_of_members {
    struct cluster_member *at;
    size_t n;
};

// A value may come again.
static void on_value(void *data, const struct journal_value *v)
{
    struct list_of_members *list = data;
    struct cluster_member m;
    size_t i = 0;

    if (v->is_deleted || decode(v->key, v->bytes, &m) != OK)
        return;
    m.revision = v->revision;
    while (i < list->n && strcmp(list->at[i].node, m.node) != 0)
        i++;
    if (i == CLUSTER_MEMBERS_MAX)
        return;
    list->at[i] = m;
    list->n += i == list->n;
}

static int compare(const void *a, const void *b)
{
    const struct cluster_member *one = a;
    const struct cluster_member *other = b;

    return strcmp(one->node, other->node);
}

// Whether the lease is held by the member.
static enum err holds(struct journal *j, struct str lease,
                      const struct cluster_member *m, bool *does)
{
    struct buf holder;
    uint64_t term;
    enum err err;

    buf_init(&holder, 0);
    err = journal_lease_get(j, lease, WAIT_MS, &holder, &term);
    *does = err == OK && str_eq(buf_str(&holder), str_of(m->holder));
    buf_clear(&holder);
    return err == ERR_NOTFOUND ? OK : err;
}

enum err cluster_members(struct journal *j, struct cluster_member *out,
                         size_t *n)
{
    struct list_of_members list = { .at = out };
    uint64_t revision = 0;
    enum err err = journal_value_watch(j, STR(CLUSTER_MEMBER_PREFIX), 0, 0,
                                       on_value, &list, &revision);

    *n = 0;
    if (err == ERR_NOTFOUND)
        return OK;
    for (size_t i = 0; i < list.n && err == OK; i++) {
        struct buf lease;

        buf_init(&lease, 0);
        cluster_put_node_name(&lease, str_of(out[i].node));
        err = holds(j, buf_str(&lease), &out[i], &out[i].is_live);
        if (err == OK)
            err = holds(j, STR(CLUSTER_LEAD), &out[i], &out[i].is_lead);
        buf_clear(&lease);
    }
    *n = list.n;
    qsort(out, list.n, sizeof(*out), compare);
    return err;
}

// --- this node ---

enum err cluster_holder(const char *data_dir, const char *node,
                        char out[CLUSTER_HOLDER_BYTES])
{
    char *path = xasprintf("%s/%s", data_dir, NODE_ID_FILE);
    char text[2 * NODE_ID_BYTES + 2] = "";
    const char *why;
    enum err err = small_file_read(path, text, sizeof(text), NULL, &why);

    if (err == ERR_NOTFOUND) {
        uint8_t id[NODE_ID_BYTES];

        crypto_random(id, sizeof(id));
        for (size_t i = 0; i < sizeof(id); i++)
            snprintf(text + 2 * i, 3, "%02x", id[i]);
        err = file_write(data_dir, NODE_ID_FILE, text);
    }
    text[strcspn(text, "\n")] = '\0';
    if (err == OK)
        snprintf(out, CLUSTER_HOLDER_BYTES, "%s.%s", node, text);
    free(path);
    return err == OK ? OK : ERR_IO;
}
