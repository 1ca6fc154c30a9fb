// bench.h — the inside of `posthorn bench`, shared by its files.
//
//   bench.c      what is asked for; webhooks made and deleted
//   load.c     sends, at a rate or with so many at once
//   receiver.c     the receiver, in a thread of its own
//   report.c   the result: for people, as JSON, compared
//   html.c     the result as a page

#ifndef API_CLI_BENCH_BENCH_H
#define API_CLI_BENCH_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/base/histogram.h"
#include "common/base/str.h"
#include "common/encoding/json.h"

#define BENCH_PHASES_MAX  12
#define BENCH_SECONDS_MAX 3700
#define BENCH_CURVE       48 // points of the percentile curve

struct bench_phase {
    const char *name;
    const char *meaning;
    uint64_t n;
    int64_t p50, p90, p99, p999, max; // µs
};

// One second of the run.
struct bench_second {
    uint64_t n;
    int64_t p50, p99, max; // of the phase that matters
};

struct bench_point {
    double percent;
    int64_t us;
};

struct bench_result {
    char target[256];
    double rate; // asked for; 0: as fast as answers come
    uint64_t concurrency, payload_bytes, fan_out;
    double seconds; // that it took
    uint64_t n_sent, n_accepted, n_refused, n_lost;
    uint64_t n_expected, n_delivered; // at the receiver, or answered 2xx
    struct bench_phase phases[BENCH_PHASES_MAX]; // the first is what matters
    size_t n_phases;
    struct bench_second *timeline; // owned
    size_t n_timeline;
    struct bench_point curve[BENCH_CURVE];
    size_t n_curve;
};

// --- the load ---

struct bench_load {
    const char *url, *token; // token NULL: none
    const char *proxy;       // "": none
    const char *kind;        // NULL: the payload alone is posted
    double rate;
    uint64_t concurrency;
    uint64_t seconds, count, payload_bytes;
    // Filled in:
    uint64_t n_sent, n_accepted, n_refused, n_lost;
    char first_fault[200];
    struct hdr *latency; // from when it was due to the end of the answer
    struct hdr *dns, *connect, *tls, *first_byte, *took;
    // Called now and then.
    void (*on_tick)(void *data);
    // Of each success, when it came (monotonic).
    void (*on_latency)(void *data, int64_t at_us, int64_t latency_us);
    void *data;
};

void bench_load_run(struct bench_load *load);

// How long to wait for what is under way: `most_us`, or less once somebody asked for
// an end.
int64_t bench_patience_us(int64_t most_us);
void bench_load_clear(struct bench_load *load);

// --- the receiver ---

struct bench_sink; // a thread

// Listens on `address`; NULL: on this machine, on any port. NULL: it cannot,
// which is said on stderr.
struct bench_sink *bench_sink_start(const char *address);
unsigned bench_sink_port(const struct bench_sink *s);
uint64_t bench_sink_count(const struct bench_sink *s);
// Ends the thread. Latencies from when events were due.
void bench_sink_stop(struct bench_sink *s, struct hdr *latency,
                     struct bench_second *timeline, size_t *n_timeline,
                     int64_t started_us);
// The last whole second, for a line on the screen.
struct bench_second bench_sink_last(struct bench_sink *s);
void bench_sink_free(struct bench_sink *s);

// --- seconds ---

// Puts latencies into the seconds of a run.
struct bench_clock {
    int64_t started_us;
    size_t second; // that is being filled
    struct hdr hdr;
    struct bench_second *timeline; // owned, BENCH_SECONDS_MAX
    size_t n_timeline;
};

void bench_clock_init(struct bench_clock *c, int64_t started_us);
void bench_clock_put(struct bench_clock *c, int64_t at_us, int64_t latency_us);
void bench_clock_end(struct bench_clock *c);

// --- the result ---

void bench_add_phase(struct bench_result *r, const char *name,
                     const char *meaning, const struct hdr *hdr);
void bench_set_curve(struct bench_result *r, const struct hdr *hdr);
void bench_print(const struct bench_result *r);
void bench_json(const struct bench_result *r, struct buf *out);
void bench_html(const struct bench_result *r, struct buf *out);
// Both are results as JSON. Prints what has changed, and whether that is more
// than noise. False: one is none, which is said on stderr.
bool bench_compare(const struct command *command, const struct json_value *was,
                   const struct json_value *is);

#endif
