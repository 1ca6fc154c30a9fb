// SPDX-License-Identifier: MIT
// html.c — the result of a benchmark as one page, with charts drawn here:
// no script, nothing loaded from elsewhere.

#include "api/cli/bench/html.h"

#include <inttypes.h>
#include <math.h>

#include "api/cli/core/terminal.h"

#define WIDTH  860
#define HEIGHT 300
#define LEFT   80
#define BOTTOM 40
#define TOP    16

// --- axes ---

struct scale {
    double min, max; // on a logarithmic scale, of the logarithm
    bool is_log;
};

// A scale for latencies: from a power of ten to another one.
static struct scale scale_of(int64_t least, int64_t most)
{
    struct scale s = { .is_log = true };

    s.min = floor(log10(least > 0 ? (double)least : 1));
    s.max = ceil(log10(most > 1 ? (double)most : 10));
    if (s.max <= s.min)
        s.max = s.min + 1;
    return s;
}

static double y_of(const struct scale *s, int64_t us)
{
    double value = us > 0 ? log10((double)us) : s->min;

    if (value < s->min)
        value = s->min;
    return TOP +
           (HEIGHT - TOP - BOTTOM) * (1 - (value - s->min) / (s->max - s->min));
}

static void begin_chart(struct buf *out, const char *title)
{
    buf_puts(out, "<h2>");
    buf_put_entities(out, str_of(title));
    buf_printf(out, "</h2>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH,
               HEIGHT);
}

static void put_y_axis(struct buf *out, const struct scale *s)
{
    for (int power = (int)s->min; power <= (int)s->max; power++) {
        int64_t us = (int64_t)pow(10, power);
        double y = y_of(s, us);
        struct buf label;

        buf_init(&label, 0);
        terminal_put_duration(&label, us);
        buf_printf(out,
                   "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" "
                   "y2=\"%.1f\"/><text class=\"y\" x=\"%d\" "
                   "y=\"%.1f\">%s</text>\n",
                   LEFT, WIDTH - 10, y, y, LEFT - 8, y + 4, buf_cstr(&label));
        buf_clear(&label);
    }
}

static void put_x_label(struct buf *out, double x, const char *text)
{
    buf_printf(out,
               "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" "
               "y2=\"%d\"/><text class=\"x\" x=\"%.1f\" y=\"%d\">%s</text>\n",
               x, x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18, text);
}

// --- the percentile curve ---

// The x coordinate of a percentile: each further nine (99, 99.9 …) takes the same
// width.
static double x_of_percent(double percent, double nines)
{
    double beyond = (100 - percent) / 100;
    double at = beyond > 0 ? -log10(beyond) : nines;

    return LEFT + (WIDTH - LEFT - 20) * (at < nines ? at / nines : 1);
}

static void put_curve(const struct bench_result *r, struct buf *out)
{
    static const struct {
        double percent;
        const char *label;
    } ticks[] = { { 0, "0" },
                  { 50, "50 %" },
                  { 90, "90 %" },
                  { 99, "99 %" },
                  { 99.9, "99.9 %" },
                  { 99.99, "99.99 %" },
                  { 99.999, "99.999 %" } };
    uint64_t n = r->n_phases > 0 ? r->phases[0].n : 1;
    double nines = ceil(log10((double)(n > 10 ? n : 10)));
    struct scale s = scale_of(r->curve[0].us, r->curve[r->n_curve - 1].us);

    begin_chart(out, "Latency by percentile");
    put_y_axis(out, &s);
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        if (ticks[i].percent < 100 &&
            -log10((100 - ticks[i].percent) / 100) <= nines) {
            put_x_label(out, x_of_percent(ticks[i].percent, nines),
                        ticks[i].label);
        }
    }
    buf_puts(out, "<polyline class=\"p50\" points=\"");
    for (size_t i = 0; i < r->n_curve; i++) {
        buf_printf(out, "%.1f,%.1f ", x_of_percent(r->curve[i].percent, nines),
                   y_of(&s, r->curve[i].us));
    }
    buf_puts(out, "\"/>\n</svg>\n");
}

// --- the timeline ---

static double x_of_second(const struct bench_result *r, size_t i)
{
    double n = r->n_timeline > 1 ? (double)r->n_timeline - 1 : 1;

    return LEFT + (WIDTH - LEFT - 20) * (double)i / n;
}

static void put_line(const struct bench_result *r, const struct scale *s,
                     const char *class, int which, struct buf *out)
{
    buf_printf(out, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < r->n_timeline; i++) {
        const struct bench_second *second = &r->timeline[i];
        int64_t us = which == 0   ? second->p50
                     : which == 1 ? second->p99
                                  : second->max;

        if (second->n > 0)
            buf_printf(out, "%.1f,%.1f ", x_of_second(r, i), y_of(s, us));
    }
    buf_puts(out, "\"/>\n");
}

static void put_timeline(const struct bench_result *r, struct buf *out)
{
    size_t step = r->n_timeline > 10 ? r->n_timeline / 10 : 1;
    int64_t least = INT64_MAX, most = 0;
    struct scale s;

    for (size_t i = 0; i < r->n_timeline; i++) {
        const struct bench_second *second = &r->timeline[i];

        if (second->n > 0 && second->p50 < least)
            least = second->p50;
        if (second->max > most)
            most = second->max;
    }
    s = scale_of(least == INT64_MAX ? 1 : least, most);
    begin_chart(out, "Latency over time");
    put_y_axis(out, &s);
    for (size_t i = 0; i < r->n_timeline; i += step) {
        char label[24];

        snprintf(label, sizeof(label), "%zu s", i);
        put_x_label(out, x_of_second(r, i), label);
    }
    put_line(r, &s, "max", 2, out);
    put_line(r, &s, "p99", 1, out);
    put_line(r, &s, "p50", 0, out);
    buf_puts(out, "</svg>\n<p class=\"key\"><b class=\"p50\">median</b> "
                  "<b class=\"p99\">p99</b> <b class=\"max\">max</b>, of each "
                  "second</p>\n");
}

// --- the page ---

static void put_cell(struct buf *out, int64_t us)
{
    buf_puts(out, "<td>");
    terminal_put_duration(out, us);
    buf_puts(out, "</td>");
}

static void put_table(const struct bench_result *r, struct buf *out)
{
    buf_puts(out, "<table><tr><th>phase</th><th>count</th><th>p50</th>"
                  "<th>p90</th><th>p99</th><th>p99.9</th><th>max</th><th></th>"
                  "</tr>\n");
    for (size_t i = 0; i < r->n_phases; i++) {
        const struct bench_phase *p = &r->phases[i];

        buf_puts(out, "<tr><th>");
        buf_put_entities(out, str_of(p->name));
        buf_printf(out, "</th><td>%" PRIu64 "</td>", p->n);
        put_cell(out, p->p50);
        put_cell(out, p->p90);
        put_cell(out, p->p99);
        put_cell(out, p->p999);
        put_cell(out, p->max);
        buf_puts(out, "<td class=\"note\">");
        buf_put_entities(out, str_of(p->meaning));
        buf_puts(out, "</td></tr>\n");
    }
    buf_puts(out, "</table>\n");
}

void bench_html(const struct bench_result *r, struct buf *out)
{
    buf_puts(out,
             "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
             "<title>posthorn bench</title>\n<style>\n"
             "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;"
             "margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\n"
             "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\n"
             "table{border-collapse:collapse;width:100%}\n"
             "th,td{text-align:right;padding:.25rem .5rem;border-bottom:1px "
             "solid #ddd}\nth:first-child,.note{text-align:left}\n"
             ".note,.y,.x{color:#555}svg{width:100%;height:auto}\n"
             "svg text{font-size:12px;fill:#555}.y{text-anchor:end}"
             ".x{text-anchor:middle}\n.grid{stroke:#e5e5e5}\n"
             "polyline{fill:none;stroke-width:2}polyline.p50{stroke:#1f6feb}\n"
             "polyline.p99{stroke:#c2410c}polyline.max{stroke:#bbb;"
             "stroke-width:1}\nb.p50{color:#1f6feb}b.p99{color:#c2410c}"
             "b.max{color:#777}\n</style>\n<h1>Delivery latency: ");
    buf_put_entities(out, str_of(r->target));
    buf_printf(out,
               "</h1>\n<p>%" PRIu64 " events in %.1f s (%.0f/s) of %" PRIu64
               " bytes, each to %" PRIu64 " webhooks: %" PRIu64
               " accepted, %" PRIu64 " refused, %" PRIu64 " lost, %" PRIu64
               " of %" PRIu64 " delivered. ",
               r->n_sent, r->seconds,
               r->seconds > 0 ? (double)r->n_sent / r->seconds : 0.0,
               r->payload_bytes, r->fan_out, r->n_accepted, r->n_refused,
               r->n_lost, r->n_delivered, r->n_expected);
    if (r->rate > 0) {
        buf_printf(out,
                   "Open loop at %.0f/s: latency counts from when an event was "
                   "due.</p>\n",
                   r->rate);
    } else {
        buf_printf(out, "Closed loop, %" PRIu64 " at once.</p>\n",
                   r->concurrency);
    }
    put_table(r, out);
    if (r->n_curve > 0)
        put_curve(r, out);
    if (r->n_timeline > 0)
        put_timeline(r, out);
    buf_puts(out, "</html>\n");
}
