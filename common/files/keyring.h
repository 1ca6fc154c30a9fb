// SPDX-License-Identifier: MIT
// keyring.h — the keys that secrets are sealed with before they are stored.
//
// A file of mode 0400 holds them, 64 hexadecimal digits a line. The first one
// seals; the others only open what was sealed before a change of keys that did
// not come to its end. A sealed text says by a key's fingerprint which one it
// needs.

#ifndef COMMON_FILES_KEYRING_H
#define COMMON_FILES_KEYRING_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

#define KEYRING_MAX 4

struct keyring; // opaque; its memory is in no core file

// Where the file is: as the setting secret_key_file says, or, if that is empty,
// secret.key in `data_dir`. The caller frees it.
char *keyring_path(const char *setting, const char *data_dir);

// On any error `why` holds a sentence for the operator. ERR_NOTFOUND: there is
// no such file. ERR_DENIED: it cannot be read. ERR_INVALID: it holds no keys.
MUST_CHECK enum err keyring_read(const char *path, struct keyring **out,
                                 struct buf *why);
void keyring_free(struct keyring *k); // wipes; NULL is fine

// Makes the file with one new key; it is there whole or not at all.
// ERR_EXISTS: it is there already. ERR_DENIED: it cannot be written.
MUST_CHECK enum err keyring_make(const char *path, struct buf *why);

// Puts a new key in front in the file, and in `*k`, which is replaced. With
// several keys already, it leaves all as it is: an earlier change did not come
// to its end. ERR_DENIED.
MUST_CHECK enum err keyring_add(const char *path, struct keyring **k,
                                struct buf *why);
// Leaves the first key alone in the file. ERR_DENIED.
MUST_CHECK enum err keyring_drop_old(const char *path, struct keyring **k,
                                     struct buf *why);

// Appends `plain`, sealed; `context` is what it belongs to, so that nobody can
// put it elsewhere.
void keyring_seal(struct keyring *k, struct str context, struct str plain,
                  struct buf *out);
// Appends the text. ERR_DENIED: none of the keys is the one. ERR_CORRUPT: it is
// damaged, or belongs elsewhere.
MUST_CHECK enum err keyring_open(struct keyring *k, struct str context,
                                 struct str sealed, struct buf *out);

#endif
