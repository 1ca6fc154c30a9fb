// SPDX-License-Identifier: MIT
// chain_link.c — how a process that writes an environment appends to its chain.

#include "queue/chain/chain_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/chain/chain_mark.h"
#include "queue/lmdb/part.h"

#define ANSWER_BYTES 20
// A transaction holds its changes in memory; a post of 8 MiB and its rows are less.
#define REQUEST_MAX_BYTES ((size_t)256 << 20)

// --- bytes ---

static enum err write_all(int fd, const void *bytes, size_t n_bytes)
{
    const char *at = bytes;

    while (n_bytes > 0) {
        ssize_t n = send(fd, at, n_bytes, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_NOTFOUND;
        at += n;
        n_bytes -= (size_t)n;
    }
    return OK;
}

static enum err read_all(int fd, void *bytes, size_t n_bytes)
{
    char *at = bytes;

    while (n_bytes > 0) {
        ssize_t n = recv(fd, at, n_bytes, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_NOTFOUND;
        at += n;
        n_bytes -= (size_t)n;
    }
    return OK;
}

static void put_be32(uint8_t to[4], uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (24 - 8 * i));
}

static uint32_t get_be32(const uint8_t from[4])
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
           (uint32_t)from[2] << 8 | from[3];
}

// --- the socket ---

// A path of any length: the address has room for 107 bytes.
static bool address_of(const char *data_dir, unsigned i, int *dir_fd,
                       struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *dir_fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(out->sun_path, sizeof(out->sun_path),
             "/proc/self/fd/%d/chain.%u.sock", *dir_fd, i);
    return *dir_fd >= 0;
}

enum err chain_link_listen(const char *data_dir, unsigned i, int *out_fd)
{
    struct sockaddr_un address;
    int dir_fd;
    int fd;
    bool is_good;

    if (!address_of(data_dir, i, &dir_fd, &address))
        return ERR_IO;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(address.sun_path);
    is_good =
        fd >= 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, 1) == 0;
    close(dir_fd);
    if (!is_good) {
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    *out_fd = fd;
    return OK;
}

static int connect_to(const char *data_dir, unsigned i)
{
    struct sockaddr_un address;
    int dir_fd;
    int fd;

    if (!address_of(data_dir, i, &dir_fd, &address))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        fd = -1;
    }
    close(dir_fd);
    return fd;
}

// --- the replicator's end ---

enum err chain_link_receive(int fd, struct buf *room,
                            enum chain_link_type *type, struct str *body)
{
    uint8_t head[4];
    size_t n_bytes;
    char *at;
    enum err err = read_all(fd, head, sizeof(head));

    if (err != OK)
        return err;
    n_bytes = get_be32(head);
    if (n_bytes < 1 || n_bytes > REQUEST_MAX_BYTES)
        return ERR_CORRUPT;
    buf_reset(room);
    at = buf_reserve(room, n_bytes);
    if (at == NULL)
        return ERR_CORRUPT;
    err = read_all(fd, at, n_bytes);
    if (err != OK)
        return err;
    buf_added(room, n_bytes);
    *type = (enum chain_link_type)room->at[0];
    *body = (struct str){ room->at + 1, n_bytes - 1 };
    return *type == CHAIN_LINK_HELLO || *type == CHAIN_LINK_APPEND
               ? OK
               : ERR_CORRUPT;
}

enum err chain_link_answer(int fd, const struct chain_link_answer *answer)
{
    uint8_t bytes[ANSWER_BYTES];

    put_be32(bytes, answer->err);
    put_be64(bytes + 4, answer->end.seq);
    put_be64(bytes + 12, answer->end.term);
    return write_all(fd, bytes, sizeof(bytes));
}

// --- the role's end ---

struct chain_link {
    struct store *store;
    unsigned meta_db;
    int fd;
};

static enum err ask(struct chain_link *link, enum chain_link_type type,
                    struct str body, struct chain_link_answer *answer)
{
    uint8_t head[5];
    uint8_t bytes[ANSWER_BYTES];
    enum err err;

    if (body.n_bytes >= REQUEST_MAX_BYTES)
        return ERR_TOOBIG;
    put_be32(head, (uint32_t)body.n_bytes + 1);
    head[4] = (uint8_t)type;
    err = write_all(link->fd, head, sizeof(head));
    if (err == OK)
        err = write_all(link->fd, body.at, body.n_bytes);
    if (err == OK)
        err = read_all(link->fd, bytes, sizeof(bytes));
    if (err != OK)
        return err;
    *answer = (struct chain_link_answer){
        .err = (enum err)get_be32(bytes),
        .end = { .seq = get_be64(bytes + 4), .term = get_be64(bytes + 12) },
    };
    return OK;
}

static enum err on_commit(void *data, MDB_txn *txn, struct str changes)
{
    struct chain_link *link = data;
    struct chain_link_answer answer;
    enum err err = ask(link, CHAIN_LINK_APPEND, changes, &answer);

    if (err == ERR_NOTFOUND) {
        log_fatal("the replicator has ended, so this role ends", "path=%s",
                  log_quote(str_of(store_path(link->store))));
    }
    if (err == OK)
        err = answer.err;
    if (err == ERR_DENIED) {
        log_fatal("another node owns this part of the cluster by now, so this "
                  "role ends",
                  "path=%s", log_quote(str_of(store_path(link->store))));
    }
    if (err != OK)
        return err;
    err = chain_mark_put(link->store, txn, link->meta_db, &answer.end);
    if (err != OK) {
        log_fatal("a transaction is in the chain, and cannot be committed; it "
                  "is done again from there",
                  "path=%s reason=%s",
                  log_quote(str_of(store_path(link->store))),
                  log_quote(str_of(err_str(err))));
    }
    return OK;
}

enum err chain_link_attach(const struct queue_config *config, unsigned i,
                           struct store *s)
{
    const struct part part = part_of(config, i);
    struct chain_link_answer answer;
    struct chain_link *link;
    enum err err;

    if (!config->is_replicated || store_is_recording(s))
        return OK;
    link = xcalloc(1, sizeof(*link)); // as long as the environment: for ever
    link->store = s;
    link->meta_db = part.meta_db;
    link->fd = connect_to(config->data_dir, i);
    err = link->fd >= 0 ? ask(link, CHAIN_LINK_HELLO, STR_EMPTY, &answer)
                        : ERR_NOTFOUND;
    if (err == OK)
        err = answer.err;
    if (err != OK) {
        log_fatal("the replicator does not let this role write",
                  "part=%s reason=%s", part.name,
                  log_quote(str_of(err_str(err))));
    }
    store_on_commit(s, on_commit, link);
    return OK;
}
