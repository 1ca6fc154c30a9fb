// SPDX-License-Identifier: MIT
// faults_to_find.c — a program with the fault that its argument names: it must end with a
// sanitizer's report, or that sanitizer would find no such fault in any other program.

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_LEAKS 8

static char *kept; // reachable: no leak

static void leak(size_t n_bytes)
{
    char *volatile lost = malloc(n_bytes);

    printf("lost: %d\n", lost != NULL);
    lost = NULL;
} // NOLINT(clang-analyzer-unix.Malloc): it must be lost

static void clear_the_stack(void)
{
    volatile char bytes[4096];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = 0;
}

static int overflow(int number)
{
    return number + INT_MAX;
}

static char overrun(size_t at)
{
    return kept[at];
}

int main(int argc, char **argv)
{
    const char *fault = argc == 2 ? argv[1] : "";

    kept = calloc(1000, 1);
    if (kept == NULL)
        return 1;
    // Of one block, a register might still have the address.
    for (int i = 0; i < N_LEAKS && strcmp(fault, "leak") == 0; i++)
        leak(33);
    if (strcmp(fault, "overflow") == 0)
        printf("%d\n", overflow(argc));
    if (strcmp(fault, "overrun") == 0)
        printf("%d\n", overrun(998 + (size_t)argc));
    clear_the_stack();
    return 0;
}
