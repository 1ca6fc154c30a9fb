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

#define N_BOUNDS METRICS_BOUNDS

const int64_t metrics_bounds_us[N_BOUNDS] = {
    100,    250,    500,    1000,    2500,    5000,    10000,    25000,   50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000
};

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
    unsigned owner;        // enum metrics_owners; written when `name` is
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

// Who has a series.
#define COUNTER_OWNERS(name, owners, prometheus, help)     (owners),
#define GAUGE_OWNERS(name, owners, form, prometheus, help) (owners),
#define HISTOGRAM_OWNERS(name, owners, prometheus, help)   (owners),
static const unsigned counter_owners[] = { COUNTER_LIST(COUNTER_OWNERS) };
static const unsigned gauge_owners[] = { GAUGE_LIST(GAUGE_OWNERS) };
static const unsigned histogram_owners[] = { HISTOGRAM_LIST(HISTOGRAM_OWNERS) };
#undef COUNTER_OWNERS
#undef GAUGE_OWNERS
#undef HISTOGRAM_OWNERS

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

void metrics_name(size_t slot, const char *name, enum metrics_owners owner)
{
    struct row_of_board *row = row_at(slot);

    row->owner = owner;
    snprintf(row->name, NAME_BYTES, "%s", name);
}

void metrics_set_pid(size_t slot, int64_t pid)
{
    atomic_store(&row_at(slot)->pid, pid);
}

// Figures of what lies on disk hold whether the role runs or not.
static bool is_of_disk(enum gauge gauge)
{
    switch (gauge) {
    case GAUGE_DUE:
    case GAUGE_OLDEST_DUE:
    case GAUGE_DEAD:
    case GAUGE_HOOKS_ACTIVE:
    case GAUGE_HOOKS_FAILING:
    case GAUGE_HOOKS_BREAKER_OPEN:
    case GAUGE_HOOKS_PAUSED:
    case GAUGE_HOOKS_INACTIVE:
    case GAUGE_HOOKS_DISABLED:
    case GAUGE_HOOKS_ASIDE:
    case GAUGE_QUEUE_BYTES:
    case GAUGE_QUEUE_LIMIT_BYTES:
    case GAUGE_DISK_SIZE_BYTES:
    case GAUGE_DISK_FREE_BYTES:
    case GAUGE_WRITTEN_TO:
    case GAUGE_MATCHED_TO:
        return true;
    default:
        return false;
    }
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

bool metrics_is_owner(size_t slot, unsigned owners)
{
    return (row_at(slot)->owner & owners) != 0;
}

// As role_is_outward() says of its role.
static bool is_outward(size_t slot)
{
    return metrics_is_owner(slot, METRICS_OUTWARD);
}

// From the page of an outward role, reads only what such roles count: an intruder may have
// written the rest.
static bool is_taken(size_t slot, unsigned owners)
{
    return !is_outward(slot) ||
           (metrics_is_owner(slot, owners) && (owners & METRICS_ON_BOARD) == 0);
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
    if (!is_taken(slot, gauge_owners[gauge]))
        return 0;
    return within_bounds(atomic_load(&page_at(slot)->gauges[gauge]));
}

uint64_t metrics_counter_of(size_t slot, enum counter counter)
{
    uint64_t n = atomic_load(&row_at(slot)->counters[counter]);
    uint64_t n_own = atomic_load_explicit(&page_at(slot)->counters[counter],
                                          memory_order_relaxed);

    if (!is_taken(slot, counter_owners[counter]))
        return n;
    return n +
           (is_outward(slot) ? (uint64_t)within_bounds((int64_t)n_own) : n_own);
}

void metrics_histogram_of(size_t slot, enum histogram histogram,
                          struct metrics_histogram *out)
{
    const struct histogram_cells *h = &page_at(slot)->histograms[histogram];

    *out = (struct metrics_histogram){ .sum_us = 0 };
    if (!is_taken(slot, histogram_owners[histogram]))
        return;
    for (size_t i = 0; i <= N_BOUNDS; i++)
        out->counts[i] = atomic_load(&h->counts[i]);
    out->sum_us = atomic_load(&h->sum_us);
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

    while (i < N_BOUNDS && duration_us > metrics_bounds_us[i])
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

// --- memory of a process ---

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
