// SPDX-License-Identifier: MIT
// payload_key_file.h — the inside of payload_keys: the file of one organization's key.
//
// Its name is the locator in hexadecimal digits and ".key"; its text is a line with the
// version, and the key and the organization's name, sealed by the keyring, in
// hexadecimal digits.

#ifndef COMMON_FILES_PAYLOAD_KEY_FILE_H
#define COMMON_FILES_PAYLOAD_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/crypto.h"

#define KEY_LOCATOR_BYTES 16
#define KEY_ID_BYTES      4

struct keyring;

// Which file it is, and which state of it. Zeros: there is none.
struct key_file_mark {
    uint64_t inode;
    int64_t changed_s, changed_ns;
};

static inline bool key_file_is_same(const struct key_file_mark *a,
                                    const struct key_file_mark *b)
{
    return a->inode == b->inode && a->changed_s == b->changed_s &&
           a->changed_ns == b->changed_ns;
}

void key_file_locate(struct str org, uint8_t locator[KEY_LOCATOR_BYTES]);
void key_file_id(const uint8_t key[AEAD_KEY_BYTES], uint8_t id[KEY_ID_BYTES]);

void key_file_look(int dir_fd, const uint8_t locator[KEY_LOCATOR_BYTES],
                   struct key_file_mark *out);

// ERR_NOTFOUND: there is no file. ERR_DENIED: it cannot be read, or was sealed with
// another key than the keyring has. ERR_INVALID: it holds no such key. All but the first
// are logged.
MUST_CHECK enum err key_file_read(int dir_fd, struct keyring *keyring,
                                  const uint8_t locator[KEY_LOCATOR_BYTES],
                                  uint8_t key[AEAD_KEY_BYTES],
                                  struct key_file_mark *mark);

// Makes a file with a new key, durably: it is there, whole, or not at all. ERR_DENIED:
// it cannot be written, which is logged.
MUST_CHECK enum err key_file_make(int dir_fd, struct keyring *keyring,
                                  struct str org);

// Removes it, durably. ERR_DENIED: it cannot be removed, which is logged.
MUST_CHECK enum err key_file_remove(int dir_fd,
                                    const uint8_t locator[KEY_LOCATOR_BYTES]);

// As payload_keys_check().
MUST_CHECK enum err key_files_check(int dir_fd, struct keyring *keyring,
                                    struct buf *why);

// Whether there is any; true also if the directory cannot be read.
bool key_files_are_there(int dir_fd);

// As payload_keys_reseal().
MUST_CHECK enum err key_files_reseal(int dir_fd, struct keyring *keyring,
                                     size_t *n_sealed, size_t *n_left,
                                     struct buf *why);

#endif
