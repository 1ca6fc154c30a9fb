// SPDX-License-Identifier: MIT
// collide.c — finds two names of organizations that have the same number under the hash
// of format 4: XXH3-64 with the dialect as its seed and the highest bit set.
//
// A chain makes a name from each hash and hashes that name, until a hash's low bits are
// zero. Two chains that end at the same hash have met, and where they met are two names
// with one hash. This takes about 2^32 hashes: a minute or less.
// Given two names, prints their hashes.

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME_BYTES 17
#define END_BITS   20
#define PLACES     (1U << 18) // a power of two, more than there are chains
#define FAMILY     1

struct chain {
    uint64_t end, start, n; // n: hashes; 0: a free place
};

static void name_of(uint64_t x, char name[NAME_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    name[0] = 'o';
    for (int i = 1; i < NAME_BYTES; i++, x >>= 4)
        name[i] = digits[x & 15];
    name[NAME_BYTES] = '\0';
}

static uint64_t number_of(const char *name)
{
    return XXH3_64bits_withSeed(name, strlen(name), FAMILY) | UINT64_C(1) << 63;
}

static uint64_t step(uint64_t x)
{
    char name[NAME_BYTES + 1];

    name_of(x, name);
    return number_of(name);
}

static struct chain *place_of(struct chain *chains, uint64_t end)
{
    uint64_t i = end >> END_BITS;

    while (chains[i % PLACES].n != 0 && chains[i % PLACES].end != end)
        i++;
    return &chains[i % PLACES];
}

// Finds the last two values before the chains become the same.
static void meet(struct chain a, struct chain b)
{
    char one[NAME_BYTES + 1];
    char other[NAME_BYTES + 1];
    uint64_t x;
    uint64_t y;

    while (a.n > b.n) {
        a.start = step(a.start);
        a.n--;
    }
    while (b.n > a.n) {
        b.start = step(b.start);
        b.n--;
    }
    for (x = a.start, y = b.start; step(x) != step(y);) {
        x = step(x);
        y = step(y);
    }
    name_of(x, one);
    name_of(y, other);
    printf("%s %s %016" PRIx64 "\n", one, other, step(x));
}

int main(int argc, char **argv)
{
    struct chain *chains = calloc(PLACES, sizeof(*chains));
    uint64_t start = 1;

    if (chains == NULL)
        return 1;
    if (argc == 3) {
        printf("%016" PRIx64 " %016" PRIx64 "\n", number_of(argv[1]),
               number_of(argv[2]));
        free(chains);
        return 0;
    }
    for (;; start++) {
        struct chain c = { .start = start, .n = 1 };
        struct chain *met;

        for (c.end = step(start); (c.end & ((1U << END_BITS) - 1)) != 0; c.n++)
            c.end = step(c.end);
        met = place_of(chains, c.end);
        if (met->n != 0 && met->start != start) {
            meet(*met, c);
            free(chains);
            return 0;
        }
        *met = c;
    }
}
