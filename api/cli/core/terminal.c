// SPDX-License-Identifier: MIT
// terminal.c — what commands show: tables, colours, progress.

#include "api/cli/core/terminal.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/encoding/json_writer.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN     40
#define CUT_MIN       3 // columns that a flexible column keeps
#define GAP           2 // between columns
#define BAR_COLUMNS   24
#define SHOW_EVERY_US 100000

unsigned terminal_width(FILE *out)
{
    struct winsize size;

    if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= WIDTH_MIN)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

void terminal_wrap(FILE *out, const char *text, unsigned indent, unsigned width)
{
    unsigned column = indent;

    while (*text != '\0') {
        size_t n = strcspn(text, " \n");

        if (column > indent && column + n + 1 > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += (unsigned)n;
        text += n;
        if (*text == '\n') {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

void terminal_put(FILE *out, struct str text)
{
    struct buf plain;

    buf_init(&plain, 0);
    buf_put_plain(&plain, text);
    if (plain.n_bytes > 0)
        fwrite(plain.at, 1, plain.n_bytes, out);
    buf_clear(&plain);
}

void terminal_put_lines(FILE *out, struct str text)
{
    while (text.n_bytes > 0) {
        const char *end = memchr(text.at, '\n', text.n_bytes);
        size_t n = end != NULL ? (size_t)(end - text.at) : text.n_bytes;

        terminal_put(out, (struct str){ text.at, n });
        if (end != NULL)
            fputc('\n', out);
        text.at += n + (end != NULL);
        text.n_bytes -= n + (end != NULL);
    }
}

// --- colours ---

static bool has_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

const char *terminal_colour(FILE *out, enum colour colour)
{
    static const char *const codes[] = { "\033[0m",  "\033[32m", "\033[33m",
                                         "\033[31m", "\033[2m",  "\033[1m" };

    return has_colours(out) ? codes[colour] : "";
}

enum colour terminal_state_colour(struct str state)
{
    static const struct {
        const char *name;
        enum colour colour;
    } states[] = {
        { "delivered", GREEN }, { "done", GREEN },     { "ok", GREEN },
        { "retrying", YELLOW }, { "running", YELLOW }, { "probing", YELLOW },
        { "dead", RED },        { "open", RED },       { "disabled", RED },
        { "cancelled", DIM },   { "inactive", DIM },   { "blocked", YELLOW },
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (str_is(state, states[i].name))
            return states[i].colour;
    }
    return PLAIN;
}

void terminal_print_line(struct buf *line)
{
    buf_putc(line, '\n');
    fwrite(line->at, 1, line->n_bytes, stdout);
    buf_clear(line);
}

void terminal_print_counts(const struct named_count *counts, size_t n_counts)
{
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_open_object(&w, NULL);
    for (size_t i = 0; i < n_counts; i++)
        json_put_u64(&w, counts[i].name, counts[i].n);
    json_close(&w);
    terminal_print_line(&line);
}

// --- tables ---

void table_init(struct table *t, const char *const *titles, size_t n_columns,
                const char *flexible)
{
    assert(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX);
    *t = (struct table){ .titles = titles,
                         .n_columns = n_columns,
                         .flexible = flexible };
    buf_init(&t->text, 0);
}

void table_put(struct table *t, struct str text, enum colour colour)
{
    if (t->n_cells == t->room) {
        t->room = t->room > 0 ? t->room * 2 : 64;
        t->colours = xrealloc(t->colours, t->room * sizeof(*t->colours));
    }
    t->colours[t->n_cells++] = colour;
    buf_put_plain(&t->text, text);
    buf_putc(&t->text, '\0');
}

void table_printf(struct table *t, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, just above
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        abort(); // out of memory, as in xmalloc()
    table_put(t, (struct str){ text, (size_t)n }, PLAIN);
    free(text);
}

// The number of columns that a text takes: one for each character.
static unsigned columns_of(const char *text)
{
    return (unsigned)utf8_count(text, strlen(text));
}

// The number of bytes of the text that fit into `width` columns.
static int bytes_of(const char *text, unsigned width)
{
    const char *at = text;

    while (*at != '\0' && width > 0) {
        at++;
        while (((unsigned char)*at & 0xc0) == 0x80)
            at++;
        width--;
    }
    return (int)(at - text);
}

static void put_cell(FILE *out, const char *text, unsigned width,
                     enum colour colour, bool is_last)
{
    unsigned n = columns_of(text);
    bool is_cut = n > width;
    int n_bytes = bytes_of(text, is_cut ? width - 1 : width);
    unsigned shown = is_cut ? width : n;

    if (colour != PLAIN)
        fputs(terminal_colour(out, colour), out);
    fprintf(out, "%.*s%s", n_bytes, text, is_cut ? "…" : "");
    if (colour != PLAIN)
        fputs(terminal_colour(out, PLAIN), out);
    if (!is_last)
        fprintf(out, "%*s", (int)(width - shown + GAP), "");
}

static void measure(const struct table *t, unsigned *widths)
{
    const char *cell = t->text.at;

    assert(t->n_columns > 0);
    for (size_t i = 0; i < t->n_columns; i++)
        widths[i] = columns_of(t->titles[i]);
    for (size_t i = 0; i < t->n_cells; i++) {
        unsigned n = columns_of(cell);

        if (n > widths[i % t->n_columns])
            widths[i % t->n_columns] = n;
        cell += strlen(cell) + 1;
    }
}

// The widths to which flexible columns may be cut: `last` for the one that is cut last.
struct bounds {
    unsigned least, last;
};

static unsigned least_of(const struct table *t, size_t column,
                         const unsigned *widths, struct bounds b)
{
    const char *flexible = strchr(t->flexible, '0' + (int)column);
    bool is_last = flexible != NULL && flexible[1] == '\0';
    unsigned least = is_last ? b.last : b.least;

    return flexible != NULL && widths[column] > least ? least : widths[column];
}

static unsigned least_width(const struct table *t, const unsigned *widths,
                            struct bounds b)
{
    unsigned all = 0;

    for (size_t i = 0; i < t->n_columns; i++) {
        if (widths[i] > 0)
            all += least_of(t, i, widths, b) + (all > 0 ? GAP : 0);
    }
    return all;
}

// Leaves columns out, one after the other, until the rest fits.
static void leave_out(const struct table *t, unsigned *widths,
                      const char *columns, struct bounds b, unsigned width)
{
    for (const char *c = columns; c != NULL && *c != '\0'; c++) {
        if (least_width(t, widths, b) <= width)
            return;
        if ((size_t)(*c - '0') < t->n_columns)
            widths[*c - '0'] = 0;
    }
}

static void cut(const struct table *t, unsigned *widths, struct bounds b,
                unsigned width)
{
    unsigned all =
        least_width(t, widths, (struct bounds){ UINT_MAX, UINT_MAX });

    for (const char *c = t->flexible; *c != '\0' && all > width; c++) {
        size_t i = (size_t)(*c - '0');
        unsigned spare, less;

        if (i >= t->n_columns || widths[i] == 0)
            continue;
        spare = widths[i] - least_of(t, i, widths, b);
        less = all - width < spare ? all - width : spare;
        widths[i] -= less;
        all -= less;
    }
}

// Fits a table to the terminal: flexible columns are cut; if the table is still too
// wide, columns are left out, which a width of 0 means.
static void fit(const struct table *t, unsigned *widths, FILE *out)
{
    const struct bounds none = { CUT_MIN, CUT_MIN };
    struct bounds least = none, good;
    unsigned width = terminal_width(out);

    if (!isatty(fileno(out)))
        return;
    if (t->least > 0)
        least = (struct bounds){ t->least, t->least };
    good = (struct bounds){ least.least,
                            t->good > least.least ? t->good : least.least };
    leave_out(t, widths, t->spare, good, width);
    leave_out(t, widths, t->droppable, least, width);
    cut(t, widths, least, width);
    cut(t, widths, none, width);
}

// The last column that is shown, after which no blanks are printed.
static size_t last_shown(const struct table *t, const unsigned *widths)
{
    size_t last = t->n_columns - 1;

    while (last > 0 && widths[last] == 0)
        last--;
    return last;
}

void table_end(struct table *t, FILE *out)
{
    unsigned widths[TABLE_COLUMNS_MAX] = { 0 };
    const char *cell = t->text.at;
    size_t last;

    assert(t->n_columns > 0);
    measure(t, widths);
    fit(t, widths, out);
    last = last_shown(t, widths);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (widths[i] > 0)
            put_cell(out, t->titles[i], widths[i], BOLD, i == last);
    }
    fputc('\n', out);
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t column = i % t->n_columns;

        if (widths[column] > 0)
            put_cell(out, cell, widths[column], t->colours[i], column == last);
        if (column + 1 == t->n_columns)
            fputc('\n', out);
        cell += strlen(cell) + 1;
    }
    buf_clear(&t->text);
    free(t->colours);
}

void terminal_put_time(struct buf *out, int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm tm;
    char text[32];

    if (gmtime_r(&at, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
        text[0] = '\0';
    buf_puts(out, text);
}

void terminal_put_duration(struct buf *out, int64_t us)
{
    if (us < 1000) {
        buf_printf(out, "%" PRId64 " us", us);
    } else if (us < 1000000) {
        buf_printf(out, "%.1f ms", (double)us / 1e3);
    } else {
        buf_printf(out, "%.1f s", (double)us / 1e6);
    }
}

// --- progress ---

void progress_begin(struct progress *p, const char *what, const char *unit,
                    uint64_t total)
{
    *p = (struct progress){ .what = what,
                            .unit = unit,
                            .total = total,
                            .started_us = clock_mono_us(),
                            .is_shown = isatty(STDERR_FILENO) != 0 };
}

static void put_left(const struct progress *p, uint64_t done, double rate)
{
    uint64_t left = p->total > done ? p->total - done : 0;
    unsigned seconds = rate > 0 ? (unsigned)((double)left / rate) : 0;

    fprintf(stderr, "  %u:%02u left", seconds / 60, seconds % 60);
}

static void put_bar(const struct progress *p, uint64_t done)
{
    unsigned n = done < p->total
                     ? (unsigned)((double)done / (double)p->total * BAR_COLUMNS)
                     : BAR_COLUMNS;

    fputs(" [", stderr);
    for (unsigned i = 0; i < BAR_COLUMNS; i++)
        fputc(i < n ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f %%",
            done < p->total ? (double)done / (double)p->total * 100 : 100.0);
}

static void show(struct progress *p, uint64_t done, int64_t now_us)
{
    double rate = (double)done * 1e6 / (double)(now_us - p->started_us + 1);

    p->shown_us = now_us;
    fprintf(stderr, "\r\033[K%s", p->what);
    if (p->total > 0)
        put_bar(p, done);
    fprintf(stderr, "  %" PRIu64 " %s  %.0f/s", done, p->unit, rate);
    if (p->total > 0)
        put_left(p, done, rate);
}

void progress_show(struct progress *p, uint64_t done)
{
    int64_t now_us = clock_mono_us();

    if (p->is_shown && now_us - p->shown_us >= SHOW_EVERY_US)
        show(p, done, now_us);
}

bool progress_go_on(struct progress *p, uint64_t done, uint64_t total)
{
    p->total = total;
    progress_show(p, done < total ? done : total);
    return !terminal_is_interrupted();
}

void progress_end(struct progress *p, uint64_t done)
{
    if (!p->is_shown)
        return;
    show(p, done, clock_mono_us());
    fputc('\n', stderr);
}

// --- interruption ---

static volatile sig_atomic_t is_interrupted;

static void on_signal(int signal_no)
{
    (void)signal_no;
    is_interrupted = 1;
}

void terminal_catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_signal,
                                .sa_flags = (int)SA_RESETHAND };
    struct sigaction before;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    // Under nohup(1) SIGHUP is ignored, and stays so.
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
}

bool terminal_is_interrupted(void)
{
    return is_interrupted != 0;
}
