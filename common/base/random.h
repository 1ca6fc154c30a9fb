// SPDX-License-Identifier: MIT
// random.h — bytes that nobody can guess.

#ifndef COMMON_BASE_RANDOM_H
#define COMMON_BASE_RANDOM_H

#include <stddef.h>

// From the kernel's generator (getrandom(2)).
void crypto_random(void *out, size_t n_bytes);

#endif
