// SPDX-License-Identifier: MIT
// terminal.h — what commands show: tables, colours, progress.
//
// On a terminal, output is fitted to its width. In a pipe a table is as wide as its
// cells, and there are neither colours nor progress. NO_COLOR (no-color.org) is obeyed.

#ifndef API_CLI_CORE_TERMINAL_H
#define API_CLI_CORE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/str.h"

// The terminal's width in columns; in a pipe 80, for wrapping text.
unsigned terminal_width(FILE *out);

// Prints text in lines of at most `width` columns; lines after the first are indented.
// A newline in the text also ends a line.
void terminal_wrap(FILE *out, const char *text, unsigned indent,
                   unsigned width);

// Prints a text that may come from anybody on one line: characters that could move the
// cursor, colour text or change its direction are shown as blanks. terminal_put_lines()
// keeps newlines.
void terminal_put(FILE *out, struct str text);
void terminal_put_lines(FILE *out, struct str text);

// Prints the buffer's text and a newline to standard output, and frees the buffer.
void terminal_print_line(struct buf *line);

struct named_count {
    const char *name;
    uint64_t n;
};

// Prints counts to standard output as one JSON object.
void terminal_print_counts(const struct named_count *counts, size_t n_counts);

enum colour { PLAIN, GREEN, YELLOW, RED, DIM, BOLD };

const char *terminal_colour(FILE *out, enum colour colour); // "" in a pipe

// The colour of a delivery's state, or of a response's code.
enum colour terminal_state_colour(struct str state);

// --- tables ---

#define TABLE_COLUMNS_MAX 12

struct table {
    const char *const *titles;
    size_t n_columns;
    const char *flexible; // digits: columns that are cut to fit the terminal,
                          // the first one first
    // Digits, or NULL. `droppable`: columns that are left out when cutting is not
    // enough, the first one first. `spare`: columns that are left out as soon as the
    // last flexible column would have less than `good` columns of text.
    const char *droppable, *spare;
    unsigned least, good; // columns that a flexible one keeps; 0: 3
    struct buf text;      // cells, each ended by a NUL
    enum colour *colours; // owned, one for each cell
    size_t n_cells, room;
};

void table_init(struct table *t, const char *const *titles, size_t n_columns,
                const char *flexible);
// Adds the next cell; control characters are shown as blanks.
void table_put(struct table *t, struct str text, enum colour colour);
__attribute__((format(printf, 2, 3))) void
table_printf(struct table *t, const char *format, ...);
// Prints the table and frees it.
void table_end(struct table *t, FILE *out);

// Appends a time as "2026-11-21 10:15:30" (UTC).
void terminal_put_time(struct buf *out, int64_t seconds);
// Appends a duration: 1.2 ms, 3.4 s.
void terminal_put_duration(struct buf *out, int64_t us);
// Appends a size: 1.2 MiB.
static inline void terminal_put_bytes(struct buf *out, uint64_t n_bytes)
{
    buf_put_size(out, n_bytes);
}

// --- progress, on stderr ---

struct progress {
    const char *what;
    const char *unit;
    uint64_t total; // 0: not known
    int64_t started_us, shown_us;
    bool is_shown;
};

void progress_begin(struct progress *p, const char *what, const char *unit,
                    uint64_t total);
void progress_show(struct progress *p, uint64_t done); // limits its own rate
// Shows progress from a callback of the queue. False: the command was interrupted.
bool progress_go_on(struct progress *p, uint64_t done, uint64_t total);
void progress_end(struct progress *p, uint64_t done);

// --- interruption ---

// From now on SIGINT and SIGTERM only set a flag; a second one ends the process.
void terminal_catch_interrupts(void);
bool terminal_is_interrupted(void);

#endif
