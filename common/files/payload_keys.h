// SPDX-License-Identifier: MIT
// payload_keys.h — a key for each organization, which its payloads are sealed with.
//
// The keys lie in a directory of their own, outside of the data directory: no backup of
// data contains them. Whoever destroys the key of an organization destroys every copy of
// what it sealed. One process makes and destroys keys (the writer); others read them.
//
// All calls but those of opening and closing are callable from any thread.

#ifndef COMMON_FILES_PAYLOAD_KEYS_H
#define COMMON_FILES_PAYLOAD_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"

struct keyring;
struct payload_keys; // opaque

// How many bytes a text takes more when it is sealed.
#define PAYLOAD_SEAL_BYTES 55

// Opens the directory; `keyring` is borrowed, and seals the files in it. ERR_DENIED: it
// cannot be opened, and `why` has the reason.
MUST_CHECK enum err payload_keys_open(const char *dir, struct keyring *keyring,
                                      bool is_writer, struct payload_keys **out,
                                      struct buf *why);
void payload_keys_free(struct payload_keys *k); // wipes; NULL is fine

// Makes the organization's key if there is none, durably, and reads it. Of a writer.
// ERR_DENIED: its file cannot be written or read, which is logged. ERR_INVALID: the file
// holds no key of this organization, which is logged.
MUST_CHECK enum err payload_keys_prepare(struct payload_keys *k,
                                         struct str org);

// Appends `plain`, sealed with the organization's key; `context` names what it belongs
// to, so that it cannot be used elsewhere. ERR_NOTFOUND: the organization has no key.
// ERR_DENIED, ERR_INVALID: as above.
MUST_CHECK enum err payload_seal(struct payload_keys *k, struct str org,
                                 struct str context, struct str plain,
                                 struct buf *out);

// Appends the plain text. ERR_NOTFOUND: the key was destroyed or is lost, for good.
// ERR_DENIED, ERR_INVALID: there is a file, and it cannot be used now, which is logged.
// ERR_CORRUPT: the sealed text is damaged, or belongs to another context.
MUST_CHECK enum err payload_open(struct payload_keys *k, struct str context,
                                 struct str sealed, struct buf *out);

// Whether the key of this sealed text is there, without opening the text: the errors of
// payload_open().
MUST_CHECK enum err payload_has_key(struct payload_keys *k, struct str sealed);

// Destroys the organization's key, durably; does nothing if there is none. Of a writer.
// Readers that have the key in memory forget it within a second. ERR_DENIED.
MUST_CHECK enum err payload_keys_destroy(struct payload_keys *k,
                                         struct str org);

// Whether the keyring opens the files in the directory. ERR_DENIED: some were sealed with
// a key that it does not have, or the directory cannot be read; `why` has the reason.
// Files that hold no key are logged, and are no error.
MUST_CHECK enum err payload_keys_check(struct payload_keys *k, struct buf *why);

// Whether the directory has a key, or the file PAYLOAD_KEYS_NONE, by which an operator says
// that it has none. True also if it cannot be read.
#define PAYLOAD_KEYS_NONE "without-keys"
bool payload_keys_are_there(struct payload_keys *k);

// Seals every file in the directory anew, with the keyring's first key. Only while no
// engine runs. A file that cannot be opened is kept as it is and counted in `n_left`.
// ERR_DENIED: a file cannot be written, and `why` has the reason.
MUST_CHECK enum err payload_keys_reseal(struct payload_keys *k,
                                        size_t *n_sealed, size_t *n_left,
                                        struct buf *why);

#endif
