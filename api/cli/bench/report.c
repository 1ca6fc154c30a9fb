// SPDX-License-Identifier: MIT
// report.c — the result of a benchmark: for people, as JSON, compared.

#include "api/cli/bench/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/terminal.h"
#include "common/base/mem.h"
#include "common/encoding/json_writer.h"

#define SIGNIFICANT 0.01

void bench_add_phase(struct bench_result *r, const char *name,
                     const char *meaning, const struct histogram *histogram)
{
    if (histogram->n == 0 || r->n_phases == BENCH_PHASES_MAX)
        return;
    r->phases[r->n_phases++] =
        (struct bench_phase){ .name = name,
                              .meaning = meaning,
                              .n = histogram->n,
                              .p50 = histogram_percentile(histogram, 50),
                              .p90 = histogram_percentile(histogram, 90),
                              .p99 = histogram_percentile(histogram, 99),
                              .p999 = histogram_percentile(histogram, 99.9),
                              .max = histogram->max_us };
}

// From the median on, each further point halves what is beyond it.
void bench_set_curve(struct bench_result *r, const struct histogram *histogram)
{
    double beyond = 100;

    r->n_curve = 0;
    while (r->n_curve < BENCH_CURVE && histogram->n > 0 &&
           beyond / 100 * (double)histogram->n >= 1) {
        r->curve[r->n_curve++] = (struct bench_point){
            100 - beyond, histogram_percentile(histogram, 100 - beyond)
        };
        beyond /= 1.5;
    }
    if (histogram->n > 0 && r->n_curve < BENCH_CURVE)
        r->curve[r->n_curve++] = (struct bench_point){ 100, histogram->max_us };
}

// --- for people ---

static void put_duration(struct table *t, int64_t us)
{
    struct buf text;

    buf_init(&text, 0);
    terminal_put_duration(&text, us);
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
}

void bench_print(const struct bench_result *r)
{
    static const char *const titles[] = { "PHASE", "COUNT", "P50", "P90",
                                          "P99",   "P99.9", "MAX", "" };
    struct table t;

    printf("%s: %" PRIu64 " sent in %.1f s (%.0f/s), %" PRIu64
           " accepted, %" PRIu64 " refused, %" PRIu64 " lost",
           r->target, r->n_sent, r->seconds,
           r->seconds > 0 ? (double)r->n_sent / r->seconds : 0.0, r->n_accepted,
           r->n_refused, r->n_lost);
    printf("; %" PRIu64 " of %" PRIu64 " delivered\n\n", r->n_delivered,
           r->n_expected);
    table_init(&t, titles, 8, "7");
    for (size_t i = 0; i < r->n_phases; i++) {
        const struct bench_phase *p = &r->phases[i];

        table_put(&t, str_of(p->name), PLAIN);
        table_printf(&t, "%" PRIu64, p->n);
        put_duration(&t, p->p50);
        put_duration(&t, p->p90);
        put_duration(&t, p->p99);
        put_duration(&t, p->p999);
        put_duration(&t, p->max);
        table_put(&t, str_of(p->meaning), DIM);
    }
    table_end(&t, stdout);
}

// --- as JSON ---

static void put_phases(const struct bench_result *r, struct json_writer *w)
{
    json_open_object(w, "phases");
    for (size_t i = 0; i < r->n_phases; i++) {
        const struct bench_phase *p = &r->phases[i];

        json_open_object(w, p->name);
        json_put_u64(w, "n", p->n);
        json_put_i64(w, "p50", p->p50);
        json_put_i64(w, "p90", p->p90);
        json_put_i64(w, "p99", p->p99);
        json_put_i64(w, "p999", p->p999);
        json_put_i64(w, "max", p->max);
        json_close(w);
    }
    json_close(w);
}

static void put_series(const struct bench_result *r, struct json_writer *w)
{
    json_open_array(w, "timeline");
    for (size_t i = 0; i < r->n_timeline; i++) {
        const struct bench_second *s = &r->timeline[i];

        json_open_object(w, NULL);
        json_put_u64(w, "n", s->n);
        json_put_i64(w, "p50", s->p50);
        json_put_i64(w, "p99", s->p99);
        json_put_i64(w, "max", s->max);
        json_close(w);
    }
    json_close(w);
    json_open_array(w, "curve");
    for (size_t i = 0; i < r->n_curve; i++) {
        json_open_array(w, NULL);
        json_put_double(w, NULL, r->curve[i].percent, 6);
        json_put_i64(w, NULL, r->curve[i].us);
        json_close(w);
    }
    json_close(w);
}

void bench_json(const struct bench_result *r, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    json_put_text(&w, "target", r->target);
    json_put_double(&w, "rate", r->rate, 3);
    json_put_u64(&w, "concurrency", r->concurrency);
    json_put_u64(&w, "payloadBytes", r->payload_bytes);
    json_put_u64(&w, "fanOut", r->fan_out);
    json_put_double(&w, "seconds", r->seconds, 3);
    json_put_u64(&w, "sent", r->n_sent);
    json_put_u64(&w, "accepted", r->n_accepted);
    json_put_u64(&w, "refused", r->n_refused);
    json_put_u64(&w, "lost", r->n_lost);
    json_put_u64(&w, "expected", r->n_expected);
    json_put_u64(&w, "delivered", r->n_delivered);
    put_phases(r, &w);
    put_series(r, &w);
    json_close(&w);
}

// --- compared ---

struct sample {
    double value;
    int run;
};

static int by_value(const void *a, const void *b)
{
    const struct sample *x = a;
    const struct sample *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

static size_t take_samples(const struct json_value *result, const char *key,
                           int run, struct sample *out, size_t max)
{
    struct json_iter it = json_iter(json_get(result, "timeline"));
    const struct json_value *second;
    size_t n = 0;
    int64_t value;

    while (n < max && (second = json_next(&it, NULL)) != NULL) {
        int64_t count;

        if (json_int(json_get(second, "n"), &count) == OK && count > 0 &&
            json_int(json_get(second, key), &value) == OK)
            out[n++] = (struct sample){ (double)value, run };
    }
    return n;
}

// The two-sided p of a Mann-Whitney U test, by its normal approximation with
// ties: how likely the seconds of two runs differ so much if nothing changed.
static double mann_whitney(struct sample *samples, size_t n1, size_t n2)
{
    size_t n = n1 + n2;
    double rank_sum = 0;
    double ties = 0;
    double mean = (double)n1 * (double)n2 / 2;
    double deviation;

    qsort(samples, n, sizeof(*samples), by_value);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        double same;

        while (end < n && !(samples[end].value > samples[i].value))
            end++;
        same = (double)(end - i);
        ties += same * same * same - same;
        for (size_t k = i; k < end; k++) {
            if (samples[k].run == 1)
                rank_sum += (double)(i + 1 + end) / 2;
        }
        i = end;
    }
    deviation = sqrt((double)n1 * (double)n2 / 12 *
                     ((double)n + 1 - ties / ((double)n * ((double)n - 1))));
    if (deviation < 1e-9)
        return 1;
    rank_sum -= (double)n1 * ((double)n1 + 1) / 2;
    return erfc(fabs(rank_sum - mean) / deviation / sqrt(2.0));
}

static const char *note_of(const struct json_value *was,
                           const struct json_value *is, const char *key,
                           struct buf *out)
{
    struct sample *samples =
        xcalloc((size_t)2 * BENCH_SECONDS_MAX, sizeof(*samples));
    size_t n1 = take_samples(was, key, 1, samples, BENCH_SECONDS_MAX);
    size_t n2 = take_samples(is, key, 2, samples + n1, BENCH_SECONDS_MAX);

    if (n1 < 5 || n2 < 5) {
        buf_puts(out, "too short to tell: at least 5 seconds each");
    } else {
        double p = mann_whitney(samples, n1, n2);

        buf_printf(out, "%s (p = %.3g, Mann-Whitney over %zu and %zu seconds)",
                   p < SIGNIFICANT ? "significant" : "within noise", p, n1, n2);
    }
    free(samples);
    return buf_cstr(out);
}

static bool phase_value(const struct json_value *result, struct str phase,
                        const char *key, int64_t *out)
{
    struct json_iter it = json_iter(json_get(result, "phases"));
    const struct json_value *v;
    struct str name;

    while ((v = json_next(&it, &name)) != NULL) {
        if (str_eq(name, phase))
            return json_int(json_get(v, key), out) == OK;
    }
    return false;
}

static void compare_phase(struct table *t, const struct json_value *was,
                          const struct json_value *is, struct str phase,
                          const char *key, const char *note)
{
    int64_t before, after;

    if (!phase_value(was, phase, key, &before) ||
        !phase_value(is, phase, key, &after))
        return;
    table_printf(t, "%.*s %s", STR_ARG(phase), key);
    put_duration(t, before);
    put_duration(t, after);
    if (before > 0) {
        table_printf(t, "%+.1f %%", ((double)after / (double)before - 1) * 100);
    } else {
        table_put(t, STR("-"), PLAIN);
    }
    table_put(t, str_of(note), PLAIN);
}

bool bench_compare(const struct command *command, const struct json_value *was,
                   const struct json_value *is)
{
    static const char *const titles[] = { "PHASE", "BEFORE", "AFTER", "CHANGE",
                                          "NOTE" };
    static const char *const keys[] = { "p50", "p90", "p99" };
    struct json_iter it = json_iter(json_get(is, "phases"));
    bool is_first = true;
    struct table t;
    struct str phase;

    if (json_size(json_get(was, "phases")) == 0 ||
        json_size(json_get(is, "phases")) == 0) {
        command_failed(command, "this is not a result of posthorn bench");
        return false;
    }
    table_init(&t, titles, 5, "4");
    while (json_next(&it, &phase) != NULL) {
        for (size_t i = 0; i < 3; i++) {
            struct buf note;

            buf_init(&note, 0);
            if (is_first && i != 1) // the timeline belongs to the first phase
                note_of(was, is, keys[i], &note);
            compare_phase(&t, was, is, phase, keys[i], buf_cstr(&note));
            buf_clear(&note);
        }
        is_first = false;
    }
    table_end(&t, stdout);
    return true;
}
