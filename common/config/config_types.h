// SPDX-License-Identifier: MIT
// config_types.h — reads and writes the types of values that settings have.
//
// All readers return ERR_INVALID if the text has the wrong form or is out of range.

#ifndef COMMON_CONFIG_CONFIG_TYPES_H
#define COMMON_CONFIG_CONFIG_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/config.h"

struct sockaddr_storage;

enum config_type {
    TYPE_TEXT,
    TYPE_PATH,
    TYPE_ADDRESS,
    TYPE_COUNT,    // "12"
    TYPE_BYTES,    // "262144", "64GiB"
    TYPE_DURATION, // "500ms", "5s", "2m", "1h", "7d"
    TYPE_SCHEDULE, // durations with commas
    TYPE_CIDRS,    // "10.0.0.0/8, fd00::/8, 127.0.0.1/32:8443"
    TYPE_PORTS,    // "80,443,1024-65535"
    TYPE_BOOL      // "yes", "no"
};

MUST_CHECK enum err config_read_count(struct str text, uint64_t min,
                                      uint64_t max, uint64_t *out);
MUST_CHECK enum err config_read_bytes(struct str text, uint64_t min,
                                      uint64_t max, uint64_t *out);
MUST_CHECK enum err config_read_duration(struct str text, int64_t min_ms,
                                         int64_t max_ms, int64_t *out_ms);
// Up to RETRIES_MAX waits of at most `max_ms` each.
MUST_CHECK enum err config_read_schedule(struct str text, int64_t max_ms,
                                         int64_t *waits_ms, size_t *n);
MUST_CHECK enum err config_read_cidrs(struct str text, struct cidr *cidrs,
                                      size_t max, size_t *n);
MUST_CHECK enum err config_read_ports(struct str text,
                                      struct port_range *ranges, size_t max,
                                      size_t *n);
MUST_CHECK enum err config_read_bool(struct str text, bool *out);

// Reads "127.0.0.1:8080" or "[::1]:8080". ERR_INVALID.
MUST_CHECK enum err config_address(const char *text,
                                   struct sockaddr_storage *out);

void config_put_bytes(uint64_t n_bytes, struct buf *out);
void config_put_duration(int64_t duration_ms, struct buf *out);

#endif
