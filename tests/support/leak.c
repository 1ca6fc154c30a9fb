// SPDX-License-Identifier: MIT
// leak.c — a program that loses memory: its end must be a report, or no leak of any other
// program would be found.

#include <stdio.h>
#include <stdlib.h>

static char *kept; // reachable: must not be reported

static void clear_the_stack(void)
{
    volatile char bytes[4096];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = 0;
}

static void lose(size_t n_bytes)
{
    char *volatile lost = malloc(n_bytes);

    printf("lost: %d\n", lost != NULL);
    lost = NULL;
} // NOLINT(clang-analyzer-unix.Malloc): this is what it is for

int main(void)
{
    kept = malloc(1000);
    lose(33);
    clear_the_stack();
    return kept == NULL;
}
