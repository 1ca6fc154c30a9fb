// SPDX-License-Identifier: MIT
// metrics.c — counters, gauges and histograms of all processes, in shared memory.

#include "common/process/metrics.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/str.h"

#define NAME_BYTES 32

static const int64_t bounds_us[] = {
    100,    250,    500,    1000,    2500,    5000,    10000,    25000,   50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000
};
#define N_BOUNDS (sizeof(bounds_us) / sizeof(bounds_us[0]))

struct histogram_cells {
    atomic_uint_least64_t counts[N_BOUNDS + 1]; // not cumulative
    atomic_uint_least64_t sum_us;
};

// The part of a slot that its process writes.
struct page {
    struct pulse pulse;
    atomic_uint_least64_t counters[COUNTERS];
    atomic_int_least64_t gauges[GAUGES];
    struct histogram_cells histograms[HISTOGRAMS];
};

#define PAGE_BYTES ((size_t)4096)
_Static_assert(sizeof(struct page) <= PAGE_BYTES, "a page holds it");

// The part of a slot that the supervisor writes.
struct row_of_board {
    char name[NAME_BYTES]; // written once, before its process starts
    bool is_sender;        // written when `name` is
    atomic_int_least64_t pid;
    struct standing standing;
    atomic_uint_least64_t counters[COUNTERS]; // added to the page's
};

#define SLOTS_MAX 64

struct board {
    size_t n_slots;
    struct row_of_board rows[SLOTS_MAX];
};

// Used until metrics_create() or metrics_attach(): private to this process.
static struct page own_page;
static struct board own_board = { .n_slots = 1 };
static struct board *board = &own_board;
static struct page *pages[SLOTS_MAX] = { &own_page };
static struct page *mine = &own_page;
static int board_fd = -1;
static int page_fds[SLOTS_MAX];

struct row {
    const char *prometheus;
    const char *help;
};

#define ROW(name, prometheus, help) { (prometheus), (help) },
static const struct row counter_rows[] = { COUNTER_LIST(ROW) };
static const struct row gauge_rows[] = { GAUGE_LIST(ROW) };
static const struct row histogram_rows[] = { HISTOGRAM_LIST(ROW) };
#undef ROW

static struct row_of_board *row_at(size_t slot)
{
    assert(slot < board->n_slots);
    return &board->rows[slot];
}

static struct page *page_at(size_t slot)
{
    assert(slot < board->n_slots);
    return pages[slot];
}

// --- the memory ---

// The file can neither grow nor shrink, so no process that has it mapped loses it.
static int make_file(const char *name, size_t n_bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && (ftruncate(fd, (off_t)n_bytes) != 0 ||
                    fcntl(fd, F_ADD_SEALS,
                          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

// NULL: it cannot be mapped.
static void *map_file(int fd, size_t n_bytes, int protection)
{
    void *at = mmap(NULL, n_bytes, protection, MAP_SHARED, fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

static struct page *map_page(int fd, bool is_own)
{
    return map_file(fd, PAGE_BYTES,
                    is_own ? PROT_READ | PROT_WRITE : PROT_READ);
}

bool metrics_create(unsigned n)
{
    int fd = make_file("posthorn-board", sizeof(struct board));
    struct board *made =
        fd >= 0 ? map_file(fd, sizeof(*made), PROT_READ | PROT_WRITE) : NULL;

    assert(n <= SLOTS_MAX);
    if (made == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        page_fds[i] = make_file("posthorn-metrics", PAGE_BYTES);
        pages[i] = page_fds[i] >= 0 ? map_page(page_fds[i], true) : NULL;
        if (pages[i] == NULL)
            return false;
    }
    board_fd = fd;
    board = made;
    board->n_slots = n;
    mine = pages[0];
    metrics_set_pid(0, getpid());
    return true;
}

int metrics_board_fd(void)
{
    return board_fd;
}

int metrics_page_fd(size_t slot)
{
    assert(slot < board->n_slots);
    return page_fds[slot];
}

bool metrics_attach(int from_board_fd, int first_page_fd, unsigned slot)
{
    struct board *given = map_file(from_board_fd, sizeof(*given), PROT_READ);

    if (given == NULL || slot >= given->n_slots)
        return false;
    close(from_board_fd);
    for (size_t i = 0; i < given->n_slots; i++) {
        int fd = first_page_fd + (int)i;

        pages[i] = map_page(fd, i == slot);
        if (pages[i] == NULL)
            return false;
        close(fd);
    }
    board = given;
    mine = pages[slot];
    return true;
}

bool metrics_attach_alone(int page_fd)
{
    struct page *page = map_page(page_fd, true);

    if (page == NULL)
        return false;
    close(page_fd);
    pages[0] = page;
    mine = page;
    return true;
}

// --- the supervisor ---

void metrics_name(size_t slot, const char *name, bool is_sender)
{
    struct row_of_board *row = row_at(slot);

    row->is_sender = is_sender;
    snprintf(row->name, NAME_BYTES, "%s", name);
}

void metrics_set_pid(size_t slot, int64_t pid)
{
    atomic_store(&row_at(slot)->pid, pid);
}

// Figures of what lies on disk hold whether the role runs or not.
static bool is_of_disk(enum gauge gauge)
{
    return gauge == GAUGE_DUE || gauge == GAUGE_DEAD ||
           gauge == GAUGE_HOOKS_PAUSED || gauge == GAUGE_HOOKS_FAILING ||
           gauge == GAUGE_QUEUE_BYTES || gauge == GAUGE_MATCHED_TO;
}

void metrics_clear_process(size_t slot)
{
    struct page *page = page_at(slot);

    for (size_t i = 0; i < GAUGES; i++) {
        if (!is_of_disk((enum gauge)i))
            atomic_store(&page->gauges[i], 0);
    }
    metrics_set_pid(slot, 0);
}

void metrics_count_for(size_t slot, enum counter counter, uint64_t n)
{
    atomic_fetch_add(&row_at(slot)->counters[counter], n);
}

// --- reading ---

// From a sender's page, reads only what senders count: an intruder may have written
// the rest.
static bool is_taken(size_t slot, enum gauge gauge)
{
    return !row_at(slot)->is_sender || gauge == GAUGE_ATTEMPTS_IN_FLIGHT ||
           gauge == GAUGE_RESIDENT_BYTES || gauge == GAUGE_PROPORTIONAL_BYTES;
}

static bool is_counted_by_senders(enum counter counter)
{
    return counter == COUNTER_CONNECTIONS_MADE ||
           counter == COUNTER_HANDSHAKES_FULL ||
           counter == COUNTER_HANDSHAKES_RESUMED ||
           counter == COUNTER_HTTP2_RESPONSES;
}

// Bounds a value so that the sum over all slots cannot overflow.
static int64_t within_bounds(int64_t n)
{
    const int64_t most = INT64_MAX / SLOTS_MAX;

    if (n < 0)
        return 0;
    return n > most ? most : n;
}

size_t metrics_slots(void)
{
    return board->n_slots;
}

const char *metrics_slot_name(size_t slot)
{
    return row_at(slot)->name;
}

int64_t metrics_gauge_of(size_t slot, enum gauge gauge)
{
    if (gauge == GAUGE_PID)
        return atomic_load(&row_at(slot)->pid);
    if (!is_taken(slot, gauge))
        return 0;
    return within_bounds(atomic_load(&page_at(slot)->gauges[gauge]));
}

uint64_t metrics_counter_of(size_t slot, enum counter counter)
{
    const struct row_of_board *row = row_at(slot);
    uint64_t n = atomic_load(&row->counters[counter]);
    uint64_t n_own = atomic_load_explicit(&page_at(slot)->counters[counter],
                                          memory_order_relaxed);

    if (!row->is_sender)
        return n + n_own;
    return is_counted_by_senders(counter)
               ? n + (uint64_t)within_bounds((int64_t)n_own)
               : n;
}

struct pulse *metrics_pulse(size_t slot)
{
    return &page_at(slot)->pulse;
}

struct standing *metrics_standing(size_t slot)
{
    return &row_at(slot)->standing;
}

struct pulse *metrics_own_pulse(void)
{
    return &mine->pulse;
}

// --- a process, of itself ---

void metrics_count(enum counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&mine->counters[counter], n,
                              memory_order_relaxed);
}

void metrics_gauge(enum gauge gauge, int64_t value)
{
    atomic_store_explicit(&mine->gauges[gauge], value, memory_order_relaxed);
}

void metrics_observe_us(enum histogram histogram, int64_t duration_us)
{
    struct histogram_cells *h = &mine->histograms[histogram];
    size_t i = 0;

    while (i < N_BOUNDS && duration_us > bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us,
                              duration_us > 0 ? (uint64_t)duration_us : 0,
                              memory_order_relaxed);
}

// --- sums ---

static bool is_named(size_t slot, const char *name)
{
    const char *own = row_at(slot)->name;

    return own[0] != '\0' &&
           (name == NULL || strncmp(own, name, strlen(name)) == 0);
}

int64_t metrics_sum_gauge(enum gauge gauge, const char *name)
{
    int64_t sum = 0;

    for (size_t i = 0; i < board->n_slots; i++) {
        if (is_named(i, name))
            sum += metrics_gauge_of(i, gauge);
    }
    return sum;
}

uint64_t metrics_sum_counter(enum counter counter, const char *name)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < board->n_slots; i++) {
        if (is_named(i, name))
            sum += metrics_counter_of(i, counter);
    }
    return sum;
}

// --- Prometheus text ---

// The part "name" of "name{labels}".
static struct str family_of(const char *prometheus)
{
    return (struct str){ prometheus, strcspn(prometheus, "{") };
}

static void put_header(struct buf *out, const struct row *row, const char *type)
{
    struct str family = family_of(row->prometheus);

    if (row->help[0] == '\0')
        return; // another row of the family above
    buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", STR_ARG(family),
               row->help, STR_ARG(family), type);
}

// name{labels} with the slot's role added to the labels.
static void put_name(struct buf *out, const char *prometheus, const char *role)
{
    struct str family = family_of(prometheus);
    const char *labels = prometheus + family.n_bytes;

    buf_put_str(out, family);
    if (labels[0] == '{') { // "{a=\"b\"}": all but the closing brace
        buf_printf(out, "%.*s,role=\"%s\"} ", (int)strlen(labels) - 1, labels,
                   role);
    } else {
        buf_printf(out, "{role=\"%s\"} ", role);
    }
}

static void put_counters(struct buf *out)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        put_header(out, &counter_rows[i], "counter");
        for (size_t s = 0; s < board->n_slots; s++) {
            if (!is_named(s, NULL))
                continue;
            put_name(out, counter_rows[i].prometheus, metrics_slot_name(s));
            buf_put_u64(out, metrics_counter_of(s, (enum counter)i));
            buf_putc(out, '\n');
        }
    }
}

static void put_gauges(struct buf *out,
                       bool (*works)(size_t slot, struct buf *why))
{
    for (size_t i = 0; i < GAUGES; i++) {
        put_header(out, &gauge_rows[i], "gauge");
        for (size_t s = 0; s < board->n_slots; s++) {
            if (!is_named(s, NULL))
                continue;
            put_name(out, gauge_rows[i].prometheus, metrics_slot_name(s));
            buf_put_i64(out, i == GAUGE_READY
                                 ? works(s, NULL)
                                 : metrics_gauge_of(s, (enum gauge)i));
            buf_putc(out, '\n');
        }
    }
}

static void put_histogram(struct buf *out, const char *name, const char *role,
                          const struct histogram_cells *h)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= N_BOUNDS; i++) {
        n += atomic_load(&h->counts[i]);
        buf_printf(out, "%s_bucket{role=\"%s\",le=\"", name, role);
        if (i < N_BOUNDS) {
            buf_printf(out, "%g", (double)bounds_us[i] / 1e6);
        } else {
            buf_puts(out, "+Inf");
        }
        buf_printf(out, "\"} %llu\n", (unsigned long long)n);
    }
    buf_printf(out, "%s_sum{role=\"%s\"} %g\n", name, role,
               (double)atomic_load(&h->sum_us) / 1e6);
    buf_printf(out, "%s_count{role=\"%s\"} %llu\n", name, role,
               (unsigned long long)n);
}

// Senders commit nothing, so their commit histogram is ignored.
static const struct histogram_cells *histogram_of(size_t slot,
                                                  enum histogram histogram)
{
    static const struct histogram_cells none;

    if (row_at(slot)->is_sender && histogram != HISTOGRAM_ATTEMPT_SECONDS &&
        histogram != HISTOGRAM_TURN_SECONDS)
        return &none;
    return &page_at(slot)->histograms[histogram];
}

static void put_histograms(struct buf *out)
{
    for (size_t i = 0; i < HISTOGRAMS; i++) {
        put_header(out, &histogram_rows[i], "histogram");
        for (size_t s = 0; s < board->n_slots; s++) {
            if (is_named(s, NULL)) {
                put_histogram(out, histogram_rows[i].prometheus,
                              metrics_slot_name(s),
                              histogram_of(s, (enum histogram)i));
            }
        }
    }
}

// The value in bytes of a line "Name:  12 kB" in a /proc file; 0: there is none.
static uint64_t read_kb(const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    char line[256];
    unsigned long long kb = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            // A kernel file: the form is fixed.
            // NOLINTNEXTLINE(cert-err34-c): a miss leaves 0, which is right
            if (sscanf(line + strlen(name), "%llu", &kb) != 1)
                kb = 0;
            break;
        }
    }
    fclose(file);
    return kb * 1024;
}

void metrics_note_memory(void)
{
    static const char path[] = "/proc/self/smaps_rollup";

    metrics_gauge(GAUGE_RESIDENT_BYTES, (int64_t)read_kb(path, "Rss:"));
    metrics_gauge(GAUGE_PROPORTIONAL_BYTES, (int64_t)read_kb(path, "Pss:"));
}

void metrics_render(struct buf *out,
                    bool (*works)(size_t slot, struct buf *why))
{
    put_counters(out);
    put_gauges(out, works);
    put_histograms(out);
}
