// SPDX-License-Identifier: MIT
// engine_file.h — the file in which a running engine says where it is reached.
//
// DATA_DIR/engine.json: process, addresses, a random name of this run, which its health
// endpoints say, too, and a secret of this run. So a command finds the engine of a data
// directory, and lets it prove that it is the one before it is told a token: whoever
// knows the secret can read the directory. Who may read admin.token may read this file.
// It is written whole or not at all, and removed by a stop; one that a kill has left
// names a process that is gone, one in a copy of the directory another directory.

#ifndef COMMON_FILES_ENGINE_FILE_H
#define COMMON_FILES_ENGINE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define ENGINE_FILE_NAME      "engine.json"
#define ENGINE_INSTANCE_BYTES 33 // hexadecimal, with its NUL
#define ENGINE_ADDRESS_BYTES  80
#define ENGINE_SECRET_BYTES   33 // hexadecimal, with its NUL
#define ENGINE_PROOF_BYTES    65
#define ENGINE_CHALLENGE_MIN  16 // characters
#define ENGINE_CHALLENGE_MAX  64
#define ENGINE_ENV_INSTANCE   "POSTHORN_ROLE_INSTANCE" // of roles
#define ENGINE_ENV_SECRET     "POSTHORN_ROLE_SECRET"   // of those that listen

struct engine_file {
    int64_t pid;
    uint64_t
        started; // as /proc has it: a number may be another process's by now
    uint64_t pid_space; // in which the number counts
    uint64_t directory; // inode of the data directory; 0: an earlier version
    char instance[ENGINE_INSTANCE_BYTES];
    char secret[ENGINE_SECRET_BYTES]; // "": an earlier version
    char api[ENGINE_ADDRESS_BYTES];   // "127.0.0.1:8080"
    char ingest[ENGINE_ADDRESS_BYTES];
};

// Of this process, with a new name and secret, and without addresses.
void engine_file_init(struct engine_file *f);

// Writes it into a data directory that is open. ERR_IO (errno).
MUST_CHECK enum err engine_file_write(int dir_fd, const struct engine_file *f);

// Removes it if this process has written it.
void engine_file_remove(int dir_fd, const struct engine_file *f);

// Reads what is there. ERR_NOTFOUND; ERR_DENIED; ERR_INVALID: it is not what an engine
// writes, or of another directory. But for ERR_NOTFOUND, `why` gets words that go on after the path.
MUST_CHECK enum err engine_file_read(const char *data_dir,
                                     struct engine_file *out, struct buf *why);

// Whether the process that wrote it is gone. False also if that cannot be known here,
// as from outside of a container.
bool engine_file_is_stale(const struct engine_file *f);

// Whether somebody has locked a data directory, as an engine does as long as it runs: one
// that could not write its file yet. False also if that cannot be known here.
bool engine_has_locked(const char *data_dir);

// The secret of an engine that could not write its file: a link that leads nowhere has
// room on a full disk. "": there is none.
void engine_read_link(const char *data_dir, char out[ENGINE_SECRET_BYTES]);

// What an engine answers to a challenge.
void engine_prove(const char *secret, struct str challenge,
                  char out[ENGINE_PROOF_BYTES]);

// Role: appends what a health endpoint answers, with the name of this run, and with the
// proof if a challenge is not empty. ERR_INVALID: it is no 16 to 64 letters and digits.
MUST_CHECK enum err engine_put_health(struct str challenge, struct buf *out);

#endif
