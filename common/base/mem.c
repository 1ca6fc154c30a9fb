// mem.c — allocation that aborts instead of failing.

#include "common/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"

static void *not_null(void *p, size_t n_bytes)
{
    if (p == NULL)
        log_panic("out of memory", "bytes=%zu", n_bytes); // allocates nothing
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
