// SPDX-License-Identifier: MIT
// engine_file.h — the file in which a running engine publishes its addresses.
//
// DATA_DIR/engine.json holds the process, its addresses, a random name of this run
// (health endpoints report it, too) and a secret of this run. With it a command
// finds the engine of a data directory, and lets it prove its identity before the
// command sends a token: only processes that can read the directory know the
// secret. Users who may read admin.token may read this file. It is written whole or
// not at all, and removed when the engine stops. A file that a kill has left names
// a process that is gone; in a copy of the directory, it names another directory.

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
#define ENGINE_PINS_BYTES     128
#define ENGINE_PROOF_BYTES    65
#define ENGINE_CHALLENGE_MIN  16 // characters
#define ENGINE_CHALLENGE_MAX  64
#define ENGINE_ENV_INSTANCE   "POSTHORN_ROLE_INSTANCE" // set for roles
#define ENGINE_ENV_SECRET     "POSTHORN_ROLE_SECRET" // set for roles that listen

struct engine_file {
    int64_t pid;
    uint64_t started;   // start time from /proc: process ids are reused
    uint64_t pid_space; // the pid namespace
    uint64_t directory; // inode of the data directory; 0: an earlier version
    char instance[ENGINE_INSTANCE_BYTES];
    char secret[ENGINE_SECRET_BYTES]; // "": an earlier version
    char api[ENGINE_ADDRESS_BYTES];   // "127.0.0.1:8080"
    char ingest[ENGINE_ADDRESS_BYTES];
    // If the address speaks TLS: the keys that it has, or had before, as libcurl takes
    // them (CURLOPT_PINNEDPUBLICKEY). "": it speaks plain HTTP.
    char api_pins[ENGINE_PINS_BYTES];
    char ingest_pins[ENGINE_PINS_BYTES];
};

// Describes this process, with a new name and secret, and without addresses.
void engine_file_init(struct engine_file *f);

// Writes it into a data directory that is open. ERR_IO (errno).
MUST_CHECK enum err engine_file_write(int dir_fd, const struct engine_file *f);

// Removes it if this process has written it.
void engine_file_remove(int dir_fd, const struct engine_file *f);

// Reads the file. ERR_NOTFOUND; ERR_DENIED; ERR_INVALID: it has not the form that
// an engine writes, or is of another directory. On errors other than ERR_NOTFOUND,
// `why` gets words that follow the path.
MUST_CHECK enum err engine_file_read(const char *data_dir,
                                     struct engine_file *out, struct buf *why);

// Whether the process that wrote it is gone. False also if that cannot be known
// here, for instance from outside a container.
bool engine_file_is_stale(const struct engine_file *f);

// Whether a process has locked the data directory, as an engine does while it runs,
// also one that could not write its file yet. False also if that cannot be known
// here.
bool engine_has_locked(const char *data_dir);

// Reads the secret of an engine that could not write its file: it is kept as the
// target of a symbolic link, which can be made on a full disk. "": there is none.
void engine_read_link(const char *data_dir, char out[ENGINE_SECRET_BYTES]);

// Computes an engine's response to a challenge.
void engine_prove(const char *secret, struct str challenge,
                  char out[ENGINE_PROOF_BYTES]);

// Role: appends the body of a health endpoint, with the name of this run and, if
// `challenge` is not empty, the proof. ERR_INVALID: the challenge is not 16 to 64
// letters and digits.
MUST_CHECK enum err engine_put_health(struct str challenge, struct buf *out);

#endif
