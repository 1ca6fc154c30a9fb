// SPDX-License-Identifier: MIT
// args.h — the options of the benchmark programs: --name value, nothing else.

#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One option. Exactly one of `number` and `text` is set; a number's limits
// are inclusive. The default is the value that the target has before the call.
struct arg {
    const char *name; // "--port"
    const char *help;
    uint64_t *number;
    uint64_t min;
    uint64_t max;
    const char **text; // gets a pointer into argv
};

// Reads all of argv, or prints the options to stderr and exits with status 2.
void args_read(int argc, char **argv, const struct arg *args, size_t n_args);

#endif
