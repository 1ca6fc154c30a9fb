// SPDX-License-Identifier: MIT
// journal_open.h — opens the journal that a URL names:
//
//   nats://host[:port],…   servers of NATS; tls://…: the same, encrypted
//   lmdb:PATH              a directory that the processes of one machine share

#ifndef QUEUE_JOURNAL_JOURNAL_OPEN_H
#define QUEUE_JOURNAL_JOURNAL_OPEN_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/journal/journal.h"

// All texts are borrowed for the call.
struct journal_config {
    const char *url;
    const char *node;  // how the connection is named; NULL: "posthorn"
    unsigned replicas; // of each stream; 0: 3
    // For NATS: what all streams together may take on each server, as they are made; whoever
    // made them may change it later. 0: 8 GiB.
    uint64_t max_bytes;
    // For NATS; each may be NULL. Paths are of files.
    const char *credentials; // a user's JWT and key
    const char *authorities; // certificates that sign those of servers, PEM
    const char *certificate; // that the connection shows, PEM, and its key
    const char *key;
    const char
        *monitors; // "http://host[:port],…"; NULL: port 8222 of each server
};

// OK: *out is the caller's until journal_close(). The servers need not run yet. ERR_INVALID:
// the URL, a file or the directory does not do; ERR_NOTFOUND: what this kind of journal needs is
// not installed. Both append a sentence to `why`, without passwords.
MUST_CHECK enum err journal_open(const struct journal_config *config,
                                 struct buf *why, struct journal **out);

// What a module has as JOURNAL_MODULE_ENTRY, which does the same for one kind of URL. A
// module of another version has another number.
#define JOURNAL_MODULE_VERSION 1
#define JOURNAL_MODULE_ENTRY   "posthorn_journal_module"

struct journal_module {
    unsigned version;
    enum err (*open)(const struct journal_config *config, struct buf *why,
                     struct journal **out);
};

#endif
