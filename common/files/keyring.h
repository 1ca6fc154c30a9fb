// SPDX-License-Identifier: MIT
// keyring.h — the keys that secrets are sealed with before they are stored.
//
// A file of mode 0400 holds them, 64 hexadecimal digits a line. The first key
// seals; the others only open what was sealed before a change of keys that was
// interrupted. A sealed text names the key that it needs by the key's fingerprint.

#ifndef COMMON_FILES_KEYRING_H
#define COMMON_FILES_KEYRING_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define KEYRING_MAX 4

struct keyring; // opaque; its memory is excluded from core files

// The path of the file: the setting secret_key_file, or, if that is empty,
// secret.key in `data_dir`. The caller frees it.
char *keyring_path(const char *setting, const char *data_dir);

// On any error `why` holds a sentence for the operator. ERR_NOTFOUND: there is
// no such file. ERR_DENIED: it cannot be read. ERR_INVALID: it holds no keys.
MUST_CHECK enum err keyring_read(const char *path, struct keyring **out,
                                 struct buf *why);
void keyring_free(struct keyring *k); // wipes; NULL is fine

// Makes the file with one new key, atomically. ERR_EXISTS: it exists already.
// ERR_DENIED: it cannot be written.
MUST_CHECK enum err keyring_make(const char *path, struct buf *why);

// Puts a new key in front, in the file and in `*k`, which is replaced. If there are
// several keys already, it changes nothing: an earlier change of keys was
// interrupted. ERR_DENIED.
MUST_CHECK enum err keyring_add(const char *path, struct keyring **k,
                                struct buf *why);
// Removes all keys but the first from the file. ERR_DENIED.
MUST_CHECK enum err keyring_drop_old(const char *path, struct keyring **k,
                                     struct buf *why);

// Both are callable from any thread.
//
// Appends `plain`, sealed; `context` names what it belongs to, so that the sealed
// text cannot be used elsewhere.
void keyring_seal(struct keyring *k, struct str context, struct str plain,
                  struct buf *out);
// As keyring_seal(), for texts of which there may be more than 2^32: each is sealed with a
// key of its own, which is derived from 16 random bytes.
void keyring_seal_often(struct keyring *k, struct str context, struct str plain,
                        struct buf *out);
// Appends the plain text. ERR_DENIED: none of the keys fits. ERR_CORRUPT: it is
// damaged, or belongs to another context.
MUST_CHECK enum err keyring_open(struct keyring *k, struct str context,
                                 struct str sealed, struct buf *out);

#endif
