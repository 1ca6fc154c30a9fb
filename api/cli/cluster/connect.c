// SPDX-License-Identifier: MIT
// connect.c — what the commands about a cluster have in common.

#include "api/cli/cluster/connect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cli/core/locate.h"
#include "common/config/settings.h"
#include "common/files/keyring.h"

#define LMDB "lmdb:"

static bool read_keys(struct cluster_call *c)
{
    char *path = keyring_path(c->config.secret_key_file, c->data_dir);
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = keyring_read(path, &c->keys, &why);
    if (err != OK && err != ERR_NOTFOUND)
        command_failed(c->args->command, "%s", buf_cstr(&why));
    buf_clear(&why);
    free(path);
    return err == OK || err == ERR_NOTFOUND;
}

static bool hold_directory(struct cluster_call *c)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = owner_hold(c->data_dir, &c->dir, &why);
    if (err != OK && err != ERR_NOTFOUND) {
        command_failed(c->args->command, "%s %s", c->data_dir, buf_cstr(&why));
    }
    buf_clear(&why);
    return err == OK || err == ERR_NOTFOUND;
}

bool cluster_call_begin(struct cluster_call *c, const struct args *args)
{
    const char *named = args_text(args, "data-dir");

    *c = (struct cluster_call){ .args = args, .dir = { .dir_fd = -1 } };
    if (!locate_settings(args, named, &c->config)) {
        c->data_dir = NULL;
        return false;
    }
    c->data_dir = named != NULL ? named : c->config.data_dir;
    return hold_directory(c) && read_keys(c);
}

void cluster_call_end(struct cluster_call *c)
{
    if (c->journal != NULL)
        journal_close(c->journal);
    keyring_free(c->keys);
    owner_release(&c->dir);
    if (c->data_dir != NULL)
        config_clear(&c->config);
}

// Opening a journal in a directory makes it; who only looks makes none.
static bool is_there(const struct cluster_call *c, struct buf *why)
{
    const char *url = c->config.cluster;
    struct stat st;

    if (strncmp(url, LMDB, strlen(LMDB)) != 0 ||
        stat(url + strlen(LMDB), &st) == 0)
        return true;
    buf_printf(why, "there is no cluster in %s", url + strlen(LMDB));
    return false;
}

bool cluster_connect(struct cluster_call *c, bool is_new, struct buf *why)
{
    if (!config_is_clustered(&c->config)) {
        buf_puts(why, "the settings name no cluster; set cluster and node");
        return false;
    }
    if (c->dir.dir_fd >= 0 && !owner_become(&c->dir, why))
        return false;
    return (is_new || is_there(c, why)) &&
           cluster_journal_open(&c->config, why, &c->journal) == OK;
}

void cluster_put_why(struct cluster_call *c, struct buf *why)
{
    struct buf faults;

    buf_init(&faults, 0);
    buf_puts(why, "the servers of the cluster cannot be reached");
    if (journal_judge(c->journal, &faults) == ERR_AGAIN && faults.n_bytes > 0) {
        buf_puts(why, ": ");
        buf_put_str(why, buf_str(&faults));
        if (why->at[why->n_bytes - 1] == '\n')
            why->n_bytes--;
    }
    buf_clear(&faults);
}

enum err cluster_look(struct cluster_call *c)
{
    return cluster_members(c->journal, c->members, &c->n_members);
}

static bool find(struct cluster_call *c, struct buf *why)
{
    enum err err;

    if (!cluster_connect(c, false, why))
        return false;
    err = cluster_look(c);
    if (err == ERR_AGAIN) {
        cluster_put_why(c, why);
    } else if (err != OK) {
        buf_printf(why, "the members of the cluster cannot be read: %s",
                   err_str(err));
    }
    return err == OK;
}

bool cluster_find(struct cluster_call *c)
{
    struct buf why;
    bool is_found;

    buf_init(&why, 0);
    is_found = find(c, &why);
    if (!is_found)
        command_failed(c->args->command, "%s", buf_cstr(&why));
    buf_clear(&why);
    return is_found;
}

struct cluster_member *cluster_member_of(struct cluster_call *c,
                                         const char *node)
{
    for (size_t i = 0; i < c->n_members; i++) {
        if (strcmp(c->members[i].node, node) == 0)
            return &c->members[i];
    }
    return NULL;
}
