// SPDX-License-Identifier: MIT
// certificates.h — the files that listeners need to speak TLS.
//
// The supervisor reads them, since it may run as root, and hands them to the role that
// listens as a sealed file of memory (tls_bundle.h), when it starts it and when they
// change. So keys may be files of root alone, a role in its sandbox opens none, and a
// role that is started again gets what was last found good.

#ifndef ENGINE_SUPERVISOR_CERTIFICATES_H
#define ENGINE_SUPERVISOR_CERTIFICATES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/config.h"
#include "common/encoding/crypto.h"
#include "common/files/engine_file.h"

struct listener_tls {
    int fd;                     // the bundle; -1: it speaks plain HTTP
    uint8_t hash[SHA256_BYTES]; // of the bundle
    // Of this key, and of the one before: a client may have looked up either.
    char pins[ENGINE_PINS_BYTES];
    bool is_known; // hash and pins are those of a bundle
    bool is_new; // the last reading brought something else than the one before
};

// Of zeros but for `fd`.
void listener_tls_init(struct listener_tls *l);

// Reads the files that settings beginning with `prefix` name, such as "api_tls", and
// checks them: each alone, and whether they belong together. Logs a warning if clients
// will refuse the certificate.
// ERR_INVALID, ERR_DENIED: a line in `faults` names the setting, the file and the
// reason, and `l` stays as it was. Files that are not set are no error.
MUST_CHECK enum err listener_tls_read(struct listener_tls *l,
                                      const char *prefix,
                                      const struct tls_files *files,
                                      struct buf *faults);

// The same for a reload, which logs what came of it. False: the old ones stay.
bool listener_tls_again(struct listener_tls *l, const char *prefix,
                        const struct tls_files *files);

#endif
