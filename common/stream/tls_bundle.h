// SPDX-License-Identifier: MIT
// tls_bundle.h — certificate, key and authorities as one file of memory, which the
// supervisor hands to a role: the role need not be able to read the files, neither
// when it starts nor when they are replaced.

#ifndef COMMON_STREAM_TLS_BUNDLE_H
#define COMMON_STREAM_TLS_BUNDLE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/stream/tls_server.h"

// Returns the descriptor of a sealed file, which nobody can change; -1: errno.
int tls_bundle_make(const struct tls_texts *texts);

// Makes what a listener needs of a bundle, whose descriptor stays the caller's.
// ERR_IO: it cannot be read. ERR_INVALID: `why` has the reason.
MUST_CHECK enum err tls_bundle_load(int fd, struct tls_server **out,
                                    struct buf *why);

#endif
