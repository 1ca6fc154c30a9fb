// SPDX-License-Identifier: MIT
// args.c — the options of the benchmark programs: --name value, nothing else.

#include "bench/args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void usage(const char *program, const struct arg *args,
                            size_t n_args)
{
    fprintf(stderr, "usage: %s [--name value]...\n", program);
    for (size_t i = 0; i < n_args; i++) {
        fprintf(stderr, "  %-14s %s", args[i].name, args[i].help);
        if (args[i].number != NULL)
            fprintf(stderr, " (%" PRIu64 ")", *args[i].number);
        fprintf(stderr, "\n");
    }
    exit(2);
}

static bool number_read(const char *text, const struct arg *arg)
{
    char *end = NULL;
    unsigned long long number;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < arg->min || number > arg->max)
        return false;
    *arg->number = number;
    return true;
}

static const struct arg *find(const char *name, const struct arg *args,
                              size_t n_args)
{
    for (size_t i = 0; i < n_args; i++) {
        if (strcmp(args[i].name, name) == 0)
            return &args[i];
    }
    return NULL;
}

void args_read(int argc, char **argv, const struct arg *args, size_t n_args)
{
    for (int i = 1; i < argc; i += 2) {
        const struct arg *arg = find(argv[i], args, n_args);

        if (arg == NULL || i + 1 >= argc)
            usage(argv[0], args, n_args);
        if (arg->text != NULL) {
            *arg->text = argv[i + 1];
        } else if (!number_read(argv[i + 1], arg)) {
            fprintf(stderr, "%s: %s is not in %" PRIu64 "..%" PRIu64 "\n",
                    arg->name, argv[i + 1], arg->min, arg->max);
            exit(2);
        }
    }
}
