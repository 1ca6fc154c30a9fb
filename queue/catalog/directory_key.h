// SPDX-License-Identifier: MIT
// directory_key.h — the key of a data directory, stored sealed beside the hooks:
// each directory has its own, which never changes. It is not the key in FORMAT,
// which anybody who reads the disk has.

#ifndef QUEUE_CATALOG_DIRECTORY_KEY_H
#define QUEUE_CATALOG_DIRECTORY_KEY_H

#include <stdint.h>

#include "common/base/err.h"
#include "queue/catalog/hook_store.h"
#include "queue/lmdb/environment.h"

struct keyring;

// ERR_NOTFOUND: there is none yet. ERR_DENIED, ERR_CORRUPT: as keyring_open().
MUST_CHECK enum err directory_key_get(struct store *s, MDB_txn *txn,
                                      struct keyring *keys,
                                      uint8_t key[HOOK_KEY_BYTES]);

// Seals the key with the first key of the keyring.
MUST_CHECK enum err directory_key_put(struct store *s, MDB_txn *txn,
                                      struct keyring *keys,
                                      const uint8_t key[HOOK_KEY_BYTES]);

// Makes a key if there is none.
MUST_CHECK enum err directory_key_make(struct store *s, MDB_txn *txn,
                                       struct keyring *keys);

#endif
