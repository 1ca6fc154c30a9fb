// SPDX-License-Identifier: MIT
// mem.c — allocation that aborts instead of failing.

#include "common/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*on_exhausted)(size_t n_bytes);

void mem_on_exhausted(void (*panic)(size_t n_bytes))
{
    on_exhausted = panic;
}

static _Noreturn void give_up(size_t n_bytes)
{
    static const char line[] = "out of memory\n";

    if (on_exhausted != NULL)
        on_exhausted(n_bytes);
    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    abort();
}

static void *not_null(void *p, size_t n_bytes)
{
    if (p == NULL)
        give_up(n_bytes);
    return p;
}

void *xmalloc(size_t n_bytes)
{
    return not_null(malloc(n_bytes > 0 ? n_bytes : 1), n_bytes);
}

void *xcalloc(size_t n, size_t each_bytes)
{
    return not_null(calloc(n > 0 ? n : 1, each_bytes > 0 ? each_bytes : 1),
                    n * each_bytes);
}

void *xrealloc(void *old, size_t n_bytes)
{
    return not_null(realloc(old, n_bytes > 0 ? n_bytes : 1), n_bytes);
}

char *xstrndup(const char *text, size_t n_bytes)
{
    char *copy = xmalloc(n_bytes + 1);

    memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return not_null(text, 0);
}
