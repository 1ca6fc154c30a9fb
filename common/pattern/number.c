// SPDX-License-Identifier: MIT
// number.c — numbers of JSON that are compared by their value.

#include "common/pattern/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// A double has at most this many decimal digits of its own; all numbers with at most
// DIGITS_SURE have a double that no other number of so few digits shares.
#define DIGITS_MAX  17
#define DIGITS_SURE 15
// Powers of ten up to this are doubles themselves, so one operation rounds correctly.
#define EXACT_POWER 22
// Beyond these no double of at most DIGITS_MAX digits lies, or only a few.
#define EXPONENT_SURE 290
#define EXPONENT_MAX  400

// digits * 10^exponent; no zeros at the end of the digits, except for 0 itself.
struct decimal {
    uint64_t digits;
    int n_digits;
    int exponent;
};

static void add_digit(struct decimal *d, char c, int *n_zeros)
{
    if (c == '0') {
        (*n_zeros)++;
        return;
    }
    if (d->digits > 0) {
        d->n_digits += *n_zeros;
        for (int i = 0; i < *n_zeros && d->n_digits <= DIGITS_MAX; i++)
            d->digits *= 10;
    }
    *n_zeros = 0;
    d->n_digits++;
    if (d->n_digits <= DIGITS_MAX)
        d->digits = d->digits * 10 + (uint64_t)(c - '0');
}

static int exponent_of(const char *at, const char *end)
{
    bool is_negative = at < end && *at == '-';
    int exponent = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    for (; at < end && exponent < 1000000; at++)
        exponent = exponent * 10 + (*at - '0');
    return is_negative ? -exponent : exponent;
}

// False: too many digits.
static bool decimal_of(struct str text, struct decimal *out)
{
    const char *at = text.at;
    const char *end = text.at + text.n_bytes;
    struct decimal d = { .digits = 0 };
    int n_zeros = 0; // since the last other digit
    int64_t exponent = 0;
    bool is_fraction = false;

    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            is_fraction = true;
        } else if (*at != '-') {
            if (d.n_digits > DIGITS_MAX || n_zeros > (1 << 20))
                return false;
            add_digit(&d, *at, &n_zeros);
            exponent -= is_fraction;
        }
    }
    if (at < end)
        exponent += exponent_of(at + 1, end);
    if (d.n_digits > DIGITS_MAX)
        return false;
    if (d.digits > 0)
        exponent += n_zeros;
    if (exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX)
        exponent = exponent < 0 ? -EXPONENT_MAX : EXPONENT_MAX;
    d.exponent = (int)exponent;
    *out = d;
    return true;
}

static double power_of_ten(int exponent)
{
    static const double powers[EXACT_POWER + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };

    return powers[exponent];
}

// Whether the shortest digits that give the double are these.
static bool is_shortest(double number, const struct decimal *d)
{
    for (int digits = 1; digits <= DIGITS_MAX; digits++) {
        char text[64];
        struct decimal shortest;
        int n = snprintf(text, sizeof(text), "%.*e", digits - 1, number);

        if (strtod(text, NULL) < number || strtod(text, NULL) > number)
            continue;
        return decimal_of((struct str){ text, (size_t)n }, &shortest) &&
               shortest.digits == d->digits && shortest.exponent == d->exponent;
    }
    return false;
}

bool number_of(struct str text, double *out)
{
    struct decimal d;
    double number;
    char shown[64];

    if (text.n_bytes == 0 || !decimal_of(text, &d))
        return false;
    if (d.digits == 0) {
        *out = 0;
        return true;
    }
    if (d.n_digits <= DIGITS_SURE && d.exponent >= -EXACT_POWER &&
        d.exponent <= EXACT_POWER) {
        number = d.exponent < 0 ? (double)d.digits / power_of_ten(-d.exponent)
                                : (double)d.digits * power_of_ten(d.exponent);
    } else {
        (void)snprintf(shown, sizeof(shown), "%" PRIu64 "e%d", d.digits,
                       d.exponent);
        number = strtod(shown, NULL);
        if (isinf(number) ||
            ((d.n_digits > DIGITS_SURE || d.exponent < -EXPONENT_SURE) &&
             !is_shortest(number, &d)))
            return false;
    }
    *out = text.at[0] == '-' ? -number : number;
    return true;
}
