// SPDX-License-Identifier: MIT
// fuzz.h — what a fuzz target is: one file, two functions.
//
// A target gets an input from libFuzzer and calls the code under test. It asserts
// properties of the result with CHECK(); it is not enough that nothing crashes. Its
// seeds are valid inputs, from which libFuzzer makes others.

#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

// Tests one input. It must leave nothing behind that could affect the next input.
void fuzz_one(struct str input);

// Appends seed `i`. False: there are no more.
bool fuzz_seed(size_t i, struct buf *out);

// The condition holds, or the input is a crash.
#define CHECK(condition)                                  \
    do {                                                  \
        if (!(condition))                                 \
            fuzz_fail(__FILE__, __LINE__, "" #condition); \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

// --- choices: taken from the front of the input; after its end they are zeros ---

uint8_t take_u8(struct str *input);
uint32_t take_u32(struct str *input);
uint64_t take_u64(struct str *input);
// Takes a length byte and as many bytes, or the rest of the input if that is shorter.
struct str take_text(struct str *input);
// Takes the input up to the next newline, which is dropped.
struct str take_line(struct str *input);

// --- seeds ---

// Seed `i` - `first` out of `n` texts. False: `i` is behind them.
bool seed_text(const char *const *texts, size_t n, size_t i, struct buf *out);
// Appends file `i` of a folder, by name, after what `out` has. False: it has fewer.
bool seed_file(const char *folder, size_t i, struct buf *out);

// A folder in memory for inputs that must be files; made once, removed at the exit.
const char *fuzz_folder(void);
// Writes a file in that folder, and replaces an earlier one.
void fuzz_write(const char *name, struct str content);

#endif
