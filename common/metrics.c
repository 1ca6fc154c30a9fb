// metrics.c — counters, gauges and histograms of all processes, in one shared
// page.

#include "common/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pulse.h"
#include "common/str.h"

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

struct slot {
    char name[NAME_BYTES]; // written once, before its process is there
    struct pulse pulse;
    atomic_uint_least64_t counters[COUNTERS];
    atomic_int_least64_t gauges[GAUGES];
    struct histogram_cells histograms[HISTOGRAMS];
};

// Of whole pages, so that a process can be given its own slot alone.
#define PAGE_BYTES 4096
union place {
    struct slot slot;
    char bytes[PAGE_BYTES];
};
_Static_assert(sizeof(union place) == PAGE_BYTES, "a slot fills its page");

static union place own_page; // until metrics_attach()
static union place *places = &own_page;
static struct slot *mine = &own_page.slot;
static size_t n_slots = 1;

struct row {
    const char *prometheus;
    const char *help;
};

#define ROW(name, prometheus, help) { (prometheus), (help) },
static const struct row counter_rows[] = { COUNTER_LIST(ROW) };
static const struct row gauge_rows[] = { GAUGE_LIST(ROW) };
static const struct row histogram_rows[] = { HISTOGRAM_LIST(ROW) };
#undef ROW

static struct slot *slot_at(size_t i)
{
    assert(i < n_slots);
    return &places[i].slot;
}

int metrics_create(unsigned n)
{
    int fd = memfd_create("posthorn-metrics", MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, (off_t)(n * sizeof(union place))) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

// Maps `n` slots from `first` on.
static bool map_slots(int fd, size_t first, size_t n)
{
    void *page = mmap(NULL, n * sizeof(union place), PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd, (off_t)(first * sizeof(union place)));

    if (page == MAP_FAILED)
        return false;
    places = page;
    n_slots = n;
    return true;
}

bool metrics_attach(int fd, unsigned slot)
{
    struct stat st;

    if (fstat(fd, &st) != 0 ||
        !map_slots(fd, 0, (size_t)st.st_size / sizeof(union place)))
        return false;
    mine = slot_at(slot);
    metrics_gauge(GAUGE_PID, getpid());
    return true;
}

bool metrics_attach_alone(int fd, unsigned slot)
{
    if (!map_slots(fd, slot, 1))
        return false;
    mine = slot_at(0);
    metrics_gauge(GAUGE_PID, getpid());
    return true;
}

void metrics_name(size_t slot, const char *name)
{
    snprintf(slot_at(slot)->name, NAME_BYTES, "%s", name);
}

// What lies on the disk, whether the role runs or not.
static bool is_of_disk(enum gauge gauge)
{
    return gauge == GAUGE_DUE || gauge == GAUGE_DEAD ||
           gauge == GAUGE_HOOKS_PAUSED || gauge == GAUGE_HOOKS_FAILING ||
           gauge == GAUGE_QUEUE_BYTES || gauge == GAUGE_MATCHED_TO;
}

void metrics_clear_process(size_t slot)
{
    struct slot *s = slot_at(slot);

    for (size_t i = 0; i < GAUGES; i++) {
        if (!is_of_disk((enum gauge)i))
            atomic_store(&s->gauges[i], 0);
    }
}

void metrics_count_for(size_t slot, enum counter counter, uint64_t n)
{
    atomic_fetch_add(&slot_at(slot)->counters[counter], n);
}

size_t metrics_slots(void)
{
    return n_slots;
}

const char *metrics_slot_name(size_t slot)
{
    return slot_at(slot)->name;
}

int64_t metrics_gauge_of(size_t slot, enum gauge gauge)
{
    return atomic_load(&slot_at(slot)->gauges[gauge]);
}

struct pulse *metrics_pulse(size_t slot)
{
    return &slot_at(slot)->pulse;
}

struct pulse *metrics_own_pulse(void)
{
    return &mine->pulse;
}

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

static bool is_named(const struct slot *s, const char *name)
{
    return s->name[0] != '\0' &&
           (name == NULL || strncmp(s->name, name, strlen(name)) == 0);
}

int64_t metrics_sum_gauge(enum gauge gauge, const char *name)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n_slots; i++) {
        if (is_named(slot_at(i), name)) {
            sum += atomic_load_explicit(&slot_at(i)->gauges[gauge],
                                        memory_order_relaxed);
        }
    }
    return sum;
}

uint64_t metrics_sum_counter(enum counter counter, const char *name)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n_slots; i++) {
        if (is_named(slot_at(i), name)) {
            sum += atomic_load_explicit(&slot_at(i)->counters[counter],
                                        memory_order_relaxed);
        }
    }
    return sum;
}

// "name" of "name{labels}".
static struct str family_of(const char *prometheus)
{
    return (struct str){ prometheus, strcspn(prometheus, "{") };
}

static void put_header(struct buf *out, const struct row *row, const char *type)
{
    struct str family = family_of(row->prometheus);

    if (row->help[0] == '\0')
        return; // a further row of the family above
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
        for (size_t s = 0; s < n_slots; s++) {
            const struct slot *slot = slot_at(s);

            if (slot->name[0] == '\0')
                continue;
            put_name(out, counter_rows[i].prometheus, slot->name);
            buf_put_u64(out, atomic_load(&slot->counters[i]));
            buf_putc(out, '\n');
        }
    }
}

// Readiness is judged when it is asked for.
static int64_t shown_gauge(size_t slot, enum gauge gauge)
{
    if (gauge == GAUGE_READY)
        return pulse_works(slot, NULL) ? 1 : 0;
    return metrics_gauge_of(slot, gauge);
}

static void put_gauges(struct buf *out)
{
    for (size_t i = 0; i < GAUGES; i++) {
        put_header(out, &gauge_rows[i], "gauge");
        for (size_t s = 0; s < n_slots; s++) {
            if (slot_at(s)->name[0] == '\0')
                continue;
            put_name(out, gauge_rows[i].prometheus, slot_at(s)->name);
            buf_put_i64(out, shown_gauge(s, (enum gauge)i));
            buf_putc(out, '\n');
        }
    }
}

static void put_histogram(struct buf *out, const char *name,
                          const struct slot *s, const struct histogram_cells *h)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= N_BOUNDS; i++) {
        n += atomic_load(&h->counts[i]);
        buf_printf(out, "%s_bucket{role=\"%s\",le=\"", name, s->name);
        if (i < N_BOUNDS) {
            buf_printf(out, "%g", (double)bounds_us[i] / 1e6);
        } else {
            buf_puts(out, "+Inf");
        }
        buf_printf(out, "\"} %llu\n", (unsigned long long)n);
    }
    buf_printf(out, "%s_sum{role=\"%s\"} %g\n", name, s->name,
               (double)atomic_load(&h->sum_us) / 1e6);
    buf_printf(out, "%s_count{role=\"%s\"} %llu\n", name, s->name,
               (unsigned long long)n);
}

static void put_histograms(struct buf *out)
{
    for (size_t i = 0; i < HISTOGRAMS; i++) {
        put_header(out, &histogram_rows[i], "histogram");
        for (size_t s = 0; s < n_slots; s++) {
            if (slot_at(s)->name[0] != '\0') {
                put_histogram(out, histogram_rows[i].prometheus, slot_at(s),
                              &slot_at(s)->histograms[i]);
            }
        }
    }
}

// The value in bytes of a line "Name:  12 kB" in a file of /proc; 0: none.
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

void metrics_render(struct buf *out)
{
    put_counters(out);
    put_gauges(out);
    put_histograms(out);
}
