// SPDX-License-Identifier: MIT
// mem.h — allocation that aborts instead of failing.
//
// Callers need no out-of-memory path: data whose size comes from outside goes into
// a buf with a cap (buf.h), and everything else is small.

#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stddef.h>

// Sets the function that reports that memory is exhausted. It may end the process
// and must not allocate; if it returns, the process aborts. Before the first call,
// a line on stderr is the report.
void mem_on_exhausted(void (*panic)(size_t n_bytes));

// The caller owns the result and releases it with free(). Never NULL.
void *xmalloc(size_t n_bytes);
void *xcalloc(size_t n, size_t each_bytes); // zeroed
void *xrealloc(void *old, size_t n_bytes);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t n_bytes);

// printf into a fresh string of the right size.
__attribute__((format(printf, 1, 2))) char *xasprintf(const char *format, ...);

#endif
