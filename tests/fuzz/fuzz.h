// SPDX-License-Identifier: MIT
// fuzz.h — what a fuzz target is: one file, two functions.
//
// A target gets an input as libFuzzer makes them and calls the code under test. It
// asserts properties of what comes out, with CHECK(): that nothing crashes is the least
// of them. Its seeds are inputs as they should be, from which libFuzzer goes on.

#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

// Must leave nothing behind that the next input could notice.
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

// --- choices: taken off the front of the input; zeros at its end ---

uint8_t take_u8(struct str *input);
uint32_t take_u32(struct str *input);
uint64_t take_u64(struct str *input);
// A length byte and so many bytes, or what is left of them.
struct str take_text(struct str *input);
// Up to and without the next newline, which is dropped.
struct str take_line(struct str *input);

// --- seeds ---

// Seed `i` - `first` out of `n` texts. False: `i` is behind them.
bool seed_text(const char *const *texts, size_t n, size_t i, struct buf *out);
// Appends file `i` of a folder, by name, after what `out` has. False: it has fewer.
bool seed_file(const char *folder, size_t i, struct buf *out);

// A folder in memory for what must be a file; made once, removed at the exit.
const char *fuzz_folder(void);
// Writes a file there; whole, anew.
void fuzz_write(const char *name, struct str content);

#endif
