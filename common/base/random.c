// SPDX-License-Identifier: MIT
// random.c — bytes that nobody can guess.

#include "common/base/random.h"

#include <stdint.h>
#include <sys/random.h>

void crypto_random(void *out, size_t n_bytes)
{
    uint8_t *to = out;

    while (n_bytes > 0) {
        ssize_t n = getrandom(to, n_bytes, 0);

        if (n <= 0)
            continue; // interrupted; it has no other failure
        to += n;
        n_bytes -= (size_t)n;
    }
}
