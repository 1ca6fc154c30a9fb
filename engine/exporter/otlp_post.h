// SPDX-License-Identifier: MIT
// otlp_post.h — one request to the collector: OTLP over HTTP, in JSON.

#ifndef ENGINE_EXPORTER_OTLP_POST_H
#define ENGINE_EXPORTER_OTLP_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/config/config.h"

struct otlp_post; // the connection to the collector, which is kept

enum otlp_result {
    OTLP_TAKEN,
    OTLP_REFUSED, // as OTLP says, it must not be sent again
    OTLP_AGAIN    // it may be taken later
};

struct otlp_answer {
    enum otlp_result result;
    uint64_t n_rejected; // OTLP_TAKEN: of the spans
    int64_t wait_ms;     // OTLP_AGAIN: as the collector asks; 0: it did not say
    char reason[256];    // not OTLP_TAKEN: for the log
};

// Reads ca_file and otlp_headers_file; to be called before the process is sandboxed. Ends
// the process if one cannot be read.
struct otlp_post *otlp_post_new(const struct config *config);

// Posts a batch: `spans` are JSON objects with commas between them. Blocks for ten seconds
// at most, or until otlp_post_stop() was called that long ago; for one thread at a time.
void otlp_post_send(struct otlp_post *p, struct str spans,
                    struct otlp_answer *out);

// From now on requests end `wait_ms` from now at the latest. For any thread.
void otlp_post_stop(struct otlp_post *p, int64_t wait_ms);

#endif
