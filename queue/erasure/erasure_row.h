// SPDX-License-Identifier: MIT
// erasure_row.h — the inside: rows of erasures in the environment of the hooks.

#ifndef QUEUE_ERASURE_ERASURE_ROW_H
#define QUEUE_ERASURE_ERASURE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/lmdb/environment.h"

// Whether a row of the table `meta` is the sound record of an erasure.
bool erasure_row_is_sound(uint32_t place, MDB_val key, MDB_val val);

#endif
