// SPDX-License-Identifier: MIT
// metrics_text.c — the metrics as Prometheus reads them.

#include "common/process/metrics_text.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/process/metrics.h"

struct row {
    unsigned owners;
    enum metrics_form form;
    const char *prometheus;
    const char *help;
};

#define ROW(name, owners, prometheus, help) \
    { (owners), FORM_PLAIN, (prometheus), (help) },
#define GAUGE_ROW(name, owners, form, prometheus, help) \
    { (owners), (form), (prometheus), (help) },
static const struct row counter_rows[] = { COUNTER_LIST(ROW) };
static const struct row gauge_rows[] = { GAUGE_LIST(GAUGE_ROW) };
static const struct row histogram_rows[] = { HISTOGRAM_LIST(ROW) };
#undef ROW
#undef GAUGE_ROW

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

// name, suffix and {labels, with the slot's role among them; the brace stays open.
static void put_name(struct buf *out, const char *prometheus,
                     const char *suffix, size_t slot)
{
    struct str family = family_of(prometheus);
    const char *labels = prometheus + family.n_bytes;

    buf_put_str(out, family);
    buf_puts(out, suffix);
    if (labels[0] == '{') { // "{a=\"b\"}": all but the closing brace
        buf_printf(out, "%.*s,", (int)strlen(labels) - 1, labels);
    } else {
        buf_putc(out, '{');
    }
    buf_printf(out, "role=\"%s\"", metrics_slot_name(slot));
}

static bool has_exporter(void)
{
    for (size_t s = 0; s < metrics_slots(); s++) {
        if (metrics_is_owner(s, METRICS_EXPORTER))
            return true;
    }
    return false;
}

static bool has_series(size_t slot, const struct row *row)
{
    if ((row->owners & METRICS_OF_TRACES) != 0 && !has_exporter())
        return false;
    return metrics_slot_name(slot)[0] != '\0' &&
           metrics_is_owner(slot, row->owners);
}

static void put_counters(struct buf *out)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        put_header(out, &counter_rows[i], "counter");
        for (size_t s = 0; s < metrics_slots(); s++) {
            if (!has_series(s, &counter_rows[i]))
                continue;
            put_name(out, counter_rows[i].prometheus, "", s);
            buf_puts(out, "} ");
            buf_put_u64(out, metrics_counter_of(s, (enum counter)i));
            buf_putc(out, '\n');
        }
    }
}

static void put_age(struct buf *out, int64_t since_ms, int64_t now_ms)
{
    double age_s = since_ms > 0 && since_ms < now_ms
                       ? (double)(now_ms - since_ms) / 1e3
                       : 0;

    buf_printf(out, "%.3f", age_s);
}

static void put_gauge(struct buf *out, const struct row *row, size_t slot,
                      int64_t value, int64_t now_ms)
{
    if (row->form == FORM_TIMESTAMP && value == 0)
        return;
    put_name(out, row->prometheus, "", slot);
    buf_puts(out, "} ");
    if (row->form == FORM_PERCENT) {
        buf_printf(out, "%g", (double)value / 100);
    } else if (row->form == FORM_SINCE_MS) {
        put_age(out, value, now_ms);
    } else {
        buf_put_i64(out, value);
    }
    buf_putc(out, '\n');
}

static void put_gauges(struct buf *out,
                       bool (*works)(size_t slot, struct buf *why),
                       int64_t now_ms)
{
    for (size_t i = 0; i < GAUGES; i++) {
        const struct row *row = &gauge_rows[i];

        put_header(out, row, "gauge");
        for (size_t s = 0; s < metrics_slots(); s++) {
            if (!has_series(s, row))
                continue;
            put_gauge(out, row, s,
                      row->form == FORM_READY
                          ? works(s, NULL)
                          : metrics_gauge_of(s, (enum gauge)i),
                      now_ms);
        }
    }
}

static void put_histogram(struct buf *out, const char *name, size_t slot,
                          const struct metrics_histogram *h)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= METRICS_BOUNDS; i++) {
        n += h->counts[i];
        put_name(out, name, "_bucket", slot);
        if (i < METRICS_BOUNDS) {
            buf_printf(out, ",le=\"%g\"", (double)metrics_bounds_us[i] / 1e6);
        } else {
            buf_puts(out, ",le=\"+Inf\"");
        }
        buf_printf(out, "} %llu\n", (unsigned long long)n);
    }
    put_name(out, name, "_sum", slot);
    buf_printf(out, "} %.6f\n", (double)h->sum_us / 1e6);
    put_name(out, name, "_count", slot);
    buf_printf(out, "} %llu\n", (unsigned long long)n);
}

static void put_histograms(struct buf *out)
{
    for (size_t i = 0; i < HISTOGRAMS; i++) {
        put_header(out, &histogram_rows[i], "histogram");
        for (size_t s = 0; s < metrics_slots(); s++) {
            struct metrics_histogram h;

            if (!has_series(s, &histogram_rows[i]))
                continue;
            metrics_histogram_of(s, (enum histogram)i, &h);
            put_histogram(out, histogram_rows[i].prometheus, s, &h);
        }
    }
}

void metrics_render(struct buf *out,
                    bool (*works)(size_t slot, struct buf *why))
{
    buf_puts(out, "# HELP posthorn_build_info The program; its value is 1.\n"
                  "# TYPE posthorn_build_info gauge\n"
                  "posthorn_build_info{version=\"" POSTHORN_VERSION "\"} 1\n");
    put_counters(out);
    put_gauges(out, works, clock_now_ms());
    put_histograms(out);
}
