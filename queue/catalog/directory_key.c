// SPDX-License-Identifier: MIT
// directory_key.c — the key of a data directory, and what is derived from it.
//
// Other keys are derived from it, one for each purpose. Sealed request headers are
//   a NUL, which begins no text | nonce(12) | AES-256-GCM
// with a key of the hook. Since a hook has few attempts, a repeated nonce is that
// unlikely.

#include "queue/catalog/directory_key.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/encoding/crypto.h"
#include "common/files/keyring.h"
#include "queue/catalog/hook_keys.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

static char key_name[] = "key";
static const struct str context = { "directory key", 13 };

static struct str bytes_of(const void *at, size_t n_bytes)
{
    return (struct str){ at, n_bytes };
}

enum err directory_key_get(struct store *s, MDB_txn *txn, struct keyring *keys,
                           uint8_t key[HOOK_KEY_BYTES])
{
    MDB_val name = val_at(key_name, sizeof(key_name) - 1);
    struct buf plain;
    MDB_val val;
    enum err err = store_err(
        s, mdb_get(txn, store_db(s, HOOKS_META), &name, &val), "get key");

    if (err != OK)
        return err;
    buf_init(&plain, 0);
    err = keyring_open(keys, context, str_of_val(val), &plain);
    if (err == OK && plain.n_bytes != HOOK_KEY_BYTES)
        err = ERR_CORRUPT;
    if (err == OK)
        memcpy(key, plain.at, HOOK_KEY_BYTES);
    crypto_wipe_buf(&plain);
    return err;
}

enum err directory_key_put(struct store *s, MDB_txn *txn, struct keyring *keys,
                           const uint8_t key[HOOK_KEY_BYTES])
{
    MDB_val name = val_at(key_name, sizeof(key_name) - 1);
    struct buf sealed;
    MDB_val val;
    enum err err;

    buf_init(&sealed, 0);
    keyring_seal(keys, context, bytes_of(key, HOOK_KEY_BYTES), &sealed);
    val = val_of(buf_str(&sealed));
    err = store_err(s, row_put(txn, store_db(s, HOOKS_META), &name, &val, 0),
                    "put key");
    buf_clear(&sealed);
    return err;
}

enum err directory_key_make(struct store *s, MDB_txn *txn, struct keyring *keys)
{
    uint8_t key[HOOK_KEY_BYTES];
    enum err err = directory_key_get(s, txn, keys, key);

    if (err == ERR_NOTFOUND) {
        crypto_random(key, sizeof(key));
        err = directory_key_put(s, txn, keys, key);
    }
    crypto_wipe(key, sizeof(key));
    return err;
}

// --- what is made of it ---

static void derive(const struct hook_store *hs, struct str purpose,
                   struct str more, uint8_t out[HOOK_KEY_BYTES])
{
    const struct str parts[] = { purpose, bytes_of("", 1), more };

    if (hs->has_key) {
        crypto_hmac_sha256(bytes_of(hs->key, sizeof(hs->key)), parts, 3, out);
    } else {
        crypto_random(out, HOOK_KEY_BYTES);
    }
}

void hook_store_key(const struct hook_store *hs, const char *purpose,
                    uint8_t out[HOOK_KEY_BYTES])
{
    derive(hs, str_of(purpose), STR_EMPTY, out);
}

static struct aead *aead_of(const struct hook_store *hs, uint64_t hook_id)
{
    uint8_t number[8], key[HOOK_KEY_BYTES];
    struct aead *aead;

    put_be64(number, hook_id);
    derive(hs, STR("request headers"), bytes_of(number, sizeof(number)), key);
    aead = aead_new(key);
    crypto_wipe(key, sizeof(key));
    return aead;
}

void headers_seal(const struct hook_store *hs, uint64_t hook_id,
                  struct position position, struct str text, struct buf *out)
{
    struct aead *aead = aead_of(hs, hook_id);
    uint8_t nonce[AEAD_NONCE_BYTES], place[8];

    crypto_random(nonce, sizeof(nonce));
    put_be64(place, position_number(position));
    buf_putc(out, '\0');
    buf_put(out, nonce, sizeof(nonce));
    aead_seal(aead, nonce, bytes_of(place, sizeof(place)), text, out);
    aead_free(aead);
}

bool headers_are_sealed(struct str headers)
{
    return headers.n_bytes > 0 && headers.at[0] == '\0';
}

enum err headers_open(const struct hook_store *hs, uint64_t hook_id,
                      struct position position, struct str sealed,
                      struct buf *out)
{
    size_t n_before = 1 + AEAD_NONCE_BYTES;
    struct aead *aead;
    uint8_t place[8];
    enum err err;

    if (!headers_are_sealed(sealed) || sealed.n_bytes < n_before)
        return ERR_CORRUPT;
    aead = aead_of(hs, hook_id);
    put_be64(place, position_number(position));
    err = aead_open(
        aead, (const uint8_t *)sealed.at + 1, bytes_of(place, sizeof(place)),
        bytes_of(sealed.at + n_before, sealed.n_bytes - n_before), out);
    aead_free(aead);
    return err;
}
