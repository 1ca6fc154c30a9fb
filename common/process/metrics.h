// SPDX-License-Identifier: MIT
// metrics.h — counters, gauges and histograms of all processes, in shared memory.
//
// A slot is a row of the board, which only the supervisor writes (names, states,
// process ids), and a page, which its process writes. The api process reads all
// slots and prints Prometheus text. A slot outlives the process that writes it: a
// restarted role continues the counts.
//
// Senders and relays, which face hostile bytes, and the exporter have their own page and nothing else: each page
// is a file of its own, so that no mapping can reach another one. Of what a sender
// writes there, readers take only what senders count, within bounds.

#ifndef COMMON_PROCESS_METRICS_H
#define COMMON_PROCESS_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

// The cells by which pulse.h decides whether a role works.
#define PULSE_DISK_CELLS 4 // commits at once in one process

struct standing {               // written by the supervisor
    atomic_int_least64_t state; // enum pulse_state (pulse.h)
    atomic_int_least64_t reason;
    atomic_int_least64_t
        link_errno; // why a link to a neighbour is missing; 0: none is
};

struct pulse { // written by the role
    atomic_int_least64_t beat_us;
    atomic_int_least64_t disk_since_us[PULSE_DISK_CELLS]; // 0: free
};

// Who has a series: a series is printed for these slots only, so that none can stay 0
// for ever.
enum metrics_owners {
    METRICS_INGEST = 1 << 0,
    METRICS_DISPATCHER = 1 << 1,
    METRICS_SENDER = 1 << 2,
    METRICS_API = 1 << 3,
    METRICS_SUPERVISOR = 1 << 4,
    METRICS_EXPORTER = 1 << 5,
    METRICS_RELAY = 1 << 6,
    METRICS_REPLICATOR = 1 << 7,
    METRICS_SERVERS = METRICS_INGEST | METRICS_API,
    METRICS_STORES = METRICS_INGEST | METRICS_DISPATCHER | METRICS_API,
    METRICS_OUTWARD = METRICS_SENDER | METRICS_EXPORTER | METRICS_RELAY,
    METRICS_ROLES = METRICS_STORES | METRICS_OUTWARD | METRICS_REPLICATOR,
    METRICS_ALL = METRICS_ROLES | METRICS_SUPERVISOR,
    // The supervisor counts it on the board; what the page says is not looked at.
    METRICS_ON_BOARD = 1 << 8,
    // Printed only if there is an exporter.
    METRICS_OF_TRACES = 1 << 9
};

// What a gauge's cell holds, and what is printed for it.
enum metrics_form {
    FORM_PLAIN,
    FORM_PERCENT,  // printed as a ratio
    FORM_SINCE_MS, // a time (UTC epoch, 0: none), printed as its age in seconds
    FORM_TIMESTAMP, // seconds of the UTC epoch; not printed while it is 0
    FORM_READY      // determined when the page is printed
};

// X(name, owners, Prometheus name with labels, help). Counters only grow. The help text
// of a metric family is in its first row.
#define COUNTER_LIST(X)                                                        \
    X(EVENTS_ACCEPTED, METRICS_INGEST, "posthorn_events_accepted_total",       \
      "Events committed to the queue.")                                        \
    X(EVENTS_REPEATED, METRICS_INGEST, "posthorn_events_repeated_total",       \
      "Events that were accepted before under the same id or key.")            \
    X(REFUSED_INVALID, METRICS_INGEST,                                         \
      "posthorn_events_refused_total{reason=\"invalid\"}",                     \
      "Intake requests refused, by reason.")                                   \
    X(REFUSED_AUTH, METRICS_INGEST,                                            \
      "posthorn_events_refused_total{reason=\"auth\"}", "")                    \
    X(REFUSED_TOO_LARGE, METRICS_INGEST,                                       \
      "posthorn_events_refused_total{reason=\"too_large\"}", "")               \
    X(REFUSED_CONFLICT, METRICS_INGEST,                                        \
      "posthorn_events_refused_total{reason=\"conflict\"}", "")                \
    X(REFUSED_QUOTA, METRICS_INGEST,                                           \
      "posthorn_events_refused_total{reason=\"quota\"}", "")                   \
    X(REFUSED_ORG_REQUESTS, METRICS_INGEST,                                    \
      "posthorn_events_refused_total{reason=\"organization_requests\"}", "")   \
    X(REFUSED_ORG_QUOTA, METRICS_INGEST,                                       \
      "posthorn_events_refused_total{reason=\"organization_quota\"}", "")      \
    X(REFUSED_STORAGE, METRICS_INGEST,                                         \
      "posthorn_events_refused_total{reason=\"storage\"}", "")                 \
    X(REFUSED_DISK, METRICS_INGEST,                                            \
      "posthorn_events_refused_total{reason=\"disk\"}", "")                    \
    X(EVENTS_MATCHED, METRICS_DISPATCHER, "posthorn_events_matched_total",     \
      "Events read from the log and compared with the hooks.")                 \
    X(DELIVERIES_MATCHED, METRICS_DISPATCHER,                                  \
      "posthorn_deliveries_matched_total",                                     \
      "Deliveries made of matched events.")                                    \
    X(DELIVERED, METRICS_DISPATCHER,                                           \
      "posthorn_attempts_total{outcome=\"delivered\"}",                        \
      "Attempts, by what became of the delivery.")                             \
    X(RETRIED, METRICS_DISPATCHER,                                             \
      "posthorn_attempts_total{outcome=\"retrying\"}", "")                     \
    X(DIED, METRICS_DISPATCHER, "posthorn_attempts_total{outcome=\"dead\"}",   \
      "")                                                                      \
    X(RESULT_2XX, METRICS_DISPATCHER,                                          \
      "posthorn_attempt_results_total{result=\"2xx\"}",                        \
      "Attempts, those made by hand included: the class of the status code, "  \
      "or of the error if no whole response came.")                            \
    X(RESULT_3XX, METRICS_DISPATCHER,                                          \
      "posthorn_attempt_results_total{result=\"3xx\"}", "")                    \
    X(RESULT_4XX, METRICS_DISPATCHER,                                          \
      "posthorn_attempt_results_total{result=\"4xx\"}", "")                    \
    X(RESULT_5XX, METRICS_DISPATCHER,                                          \
      "posthorn_attempt_results_total{result=\"5xx\"}", "")                    \
    X(RESULT_DNS, METRICS_DISPATCHER,                                          \
      "posthorn_attempt_results_total{result=\"dns\"}", "")                    \
    X(RESULT_CONNECT, METRICS_DISPATCHER,                                      \
      "posthorn_attempt_results_total{result=\"connect\"}", "")                \
    X(RESULT_TLS, METRICS_DISPATCHER,                                          \
      "posthorn_attempt_results_total{result=\"tls\"}", "")                    \
    X(RESULT_TIMEOUT, METRICS_DISPATCHER,                                      \
      "posthorn_attempt_results_total{result=\"timeout\"}", "")                \
    X(RESULT_RESET, METRICS_DISPATCHER,                                        \
      "posthorn_attempt_results_total{result=\"reset\"}", "")                  \
    X(RESULT_PROTOCOL, METRICS_DISPATCHER,                                     \
      "posthorn_attempt_results_total{result=\"protocol\"}", "")               \
    X(RESULT_BLOCKED, METRICS_DISPATCHER,                                      \
      "posthorn_attempt_results_total{result=\"blocked\"}", "")                \
    X(CANCELLED, METRICS_DISPATCHER, "posthorn_deliveries_cancelled_total",    \
      "Deliveries whose hook was deleted or switched off.")                    \
    X(ASIDE_DELIVERIES, METRICS_DISPATCHER,                                    \
      "posthorn_records_set_aside_total{kind=\"delivery\"}",                   \
      "Records that are not worked on any more: a role died three times with " \
      "them.")                                                                 \
    X(ASIDE_EVENTS, METRICS_INGEST | METRICS_DISPATCHER,                       \
      "posthorn_records_set_aside_total{kind=\"event\"}", "")                  \
    X(ASIDE_HOOKS, METRICS_DISPATCHER,                                         \
      "posthorn_records_set_aside_total{kind=\"hook\"}", "")                   \
    X(ASIDE_REQUESTS, METRICS_STORES,                                          \
      "posthorn_records_set_aside_total{kind=\"request\"}", "")                \
    X(ASIDE_OTHERS, METRICS_INGEST | METRICS_DISPATCHER,                       \
      "posthorn_records_set_aside_total{kind=\"other\"}", "")                  \
    X(BODIES_RENDERED, METRICS_DISPATCHER, "posthorn_bodies_rendered_total",   \
      "Bodies made for hooks of a format other than raw.")                     \
    X(HTTP_REQUESTS, METRICS_SERVERS, "posthorn_http_requests_total",          \
      "Requests to this process's HTTP server.")                               \
    X(LISTENER_FULL, METRICS_SERVERS,                                          \
      "posthorn_listener_handshakes_total{kind=\"full\"}",                     \
      "TLS handshakes with clients of this process, by what came of them.")    \
    X(LISTENER_RESUMED, METRICS_SERVERS,                                       \
      "posthorn_listener_handshakes_total{kind=\"resumed\"}", "")              \
    X(LISTENER_FAILED, METRICS_SERVERS,                                        \
      "posthorn_listener_handshakes_total{kind=\"failed\"}", "")               \
    X(SLICES, METRICS_STORES, "posthorn_slices_total",                         \
      "Slices of work that the answers of questions were made in.")            \
    X(QUESTIONS_DROPPED, METRICS_DISPATCHER,                                   \
      "posthorn_questions_dropped_total",                                      \
      "Questions whose asker was gone before they were answered.")             \
    X(CONNECTIONS_MADE, METRICS_SENDER, "posthorn_receiver_connections_total", \
      "New connections to receivers over which a request left.")               \
    X(HANDSHAKES_FULL, METRICS_SENDER,                                         \
      "posthorn_receiver_handshakes_total{kind=\"full\"}",                     \
      "TLS handshakes of these connections; resumed: of an earlier session.")  \
    X(HANDSHAKES_RESUMED, METRICS_SENDER,                                      \
      "posthorn_receiver_handshakes_total{kind=\"resumed\"}", "")              \
    X(HTTP2_RESPONSES, METRICS_SENDER, "posthorn_http2_responses_total",       \
      "Attempts that receivers answered by HTTP/2.")                           \
    X(SPANS_EXPORTED, METRICS_EXPORTER, "posthorn_spans_exported_total",       \
      "Spans that the collector has taken.")                                   \
    X(SPANS_FULL,                                                              \
      METRICS_INGEST | METRICS_DISPATCHER | METRICS_EXPORTER |                 \
          METRICS_OF_TRACES,                                                   \
      "posthorn_spans_dropped_total{reason=\"full\"}",                         \
      "Spans that were lost: no room for them while the collector or the "     \
      "exporter does not keep up; refused by the collector; left when the "    \
      "engine stopped.")                                                       \
    X(SPANS_REFUSED, METRICS_EXPORTER,                                         \
      "posthorn_spans_dropped_total{reason=\"refused\"}", "")                  \
    X(SPANS_STOPPED, METRICS_EXPORTER,                                         \
      "posthorn_spans_dropped_total{reason=\"stopped\"}", "")                  \
    X(RESTARTS, METRICS_ROLES | METRICS_ON_BOARD,                              \
      "posthorn_role_restarts_total", "Times a role had to be started again.")

// X(name, owners, form, Prometheus name with labels, help). Gauges are set.
#define GAUGE_LIST(X)                                                          \
    X(ATTEMPTS_IN_FLIGHT, METRICS_DISPATCHER, FORM_PLAIN,                      \
      "posthorn_attempts_in_flight",                                           \
      "Attempts handed to senders and not settled.")                           \
    X(SENDER_ATTEMPTS, METRICS_SENDER, FORM_PLAIN, "posthorn_sender_attempts", \
      "Attempts that this sender is making.")                                  \
    X(DUE, METRICS_DISPATCHER, FORM_PLAIN, "posthorn_deliveries_due",          \
      "Deliveries waiting for an attempt.")                                    \
    X(OLDEST_DUE, METRICS_DISPATCHER, FORM_SINCE_MS,                           \
      "posthorn_oldest_due_age_seconds",                                       \
      "How long the oldest delivery waits that could be sent: its time has "   \
      "come, and its hook is active, and neither paused nor held back by its " \
      "breaker.")                                                              \
    X(DEAD, METRICS_DISPATCHER, FORM_PLAIN, "posthorn_deliveries_dead",        \
      "Dead letters.")                                                         \
    X(BACKLOG_BYTES, METRICS_DISPATCHER, FORM_PLAIN, "posthorn_backlog_bytes", \
      "Payloads of events, each as often as it waits for a webhook.")          \
    X(FULLEST_PERCENT, METRICS_INGEST, FORM_PERCENT,                           \
      "posthorn_backlog_fullest_ratio",                                        \
      "Of its quota: the organization whose backlog fills it most.")           \
    X(ORGS_FULL, METRICS_INGEST, FORM_PLAIN, "posthorn_organizations_full",    \
      "Organizations whose events are refused, for their backlog.")            \
    X(HOOKS_ACTIVE, METRICS_DISPATCHER, FORM_PLAIN,                            \
      "posthorn_hooks{state=\"active\"}",                                      \
      "Webhooks, each in one state: active (none of the others), failing (an " \
      "alarm was raised), breaker_open (failing, and nothing is sent for a "   \
      "while), paused (by somebody, or its receiver has not allowed "          \
      "requests yet), inactive (switched off by somebody), disabled "          \
      "(switched off by the engine), set_aside (damaged, or a role died with " \
      "it).")                                                                  \
    X(HOOKS_FAILING, METRICS_DISPATCHER, FORM_PLAIN,                           \
      "posthorn_hooks{state=\"failing\"}", "")                                 \
    X(HOOKS_BREAKER_OPEN, METRICS_DISPATCHER, FORM_PLAIN,                      \
      "posthorn_hooks{state=\"breaker_open\"}", "")                            \
    X(HOOKS_PAUSED, METRICS_DISPATCHER, FORM_PLAIN,                            \
      "posthorn_hooks{state=\"paused\"}", "")                                  \
    X(HOOKS_INACTIVE, METRICS_DISPATCHER, FORM_PLAIN,                          \
      "posthorn_hooks{state=\"inactive\"}", "")                                \
    X(HOOKS_DISABLED, METRICS_DISPATCHER, FORM_PLAIN,                          \
      "posthorn_hooks{state=\"disabled\"}", "")                                \
    X(HOOKS_ASIDE, METRICS_DISPATCHER, FORM_PLAIN,                             \
      "posthorn_hooks{state=\"set_aside\"}", "")                               \
    X(QUEUE_BYTES, METRICS_INGEST | METRICS_DISPATCHER, FORM_PLAIN,            \
      "posthorn_queue_bytes", "Bytes in use of this process's environment.")   \
    X(QUEUE_LIMIT_BYTES, METRICS_INGEST, FORM_PLAIN,                           \
      "posthorn_queue_limit_bytes",                                            \
      "The setting max_queue_bytes, for all environments together; intake "    \
      "stops at 80 % of it.")                                                  \
    X(DISK_SIZE_BYTES, METRICS_INGEST, FORM_PLAIN, "posthorn_disk_size_bytes", \
      "Size of the file system that has data_dir.")                            \
    X(DISK_FREE_BYTES, METRICS_INGEST, FORM_PLAIN, "posthorn_disk_free_bytes", \
      "Of it, what the engine may still use.")                                 \
    X(INTAKE_STOPPED, METRICS_INGEST, FORM_PLAIN, "posthorn_intake_stopped",   \
      "1 while all events are refused: the queue or the disk is full.")        \
    X(SENDING_STOPPED, METRICS_DISPATCHER, FORM_PLAIN,                         \
      "posthorn_sending_stopped",                                              \
      "1 while nothing is sent: what comes of it could not be stored.")        \
    X(HTTP_CONNECTIONS, METRICS_SERVERS, FORM_PLAIN,                           \
      "posthorn_http_connections", "Open connections.")                        \
    X(HTTP_BUFFERED_BYTES, METRICS_SERVERS, FORM_PLAIN,                        \
      "posthorn_http_buffered_bytes",                                          \
      "Held for clients of this process's HTTP server; at most "               \
      "max_buffered_bytes.")                                                   \
    X(HTTP_OUTPUT_BYTES, METRICS_SERVERS, FORM_PLAIN,                          \
      "posthorn_http_output_bytes",                                            \
      "Of them, what is set aside for answers that are being read.")           \
    X(CERTIFICATE_EXPIRES, METRICS_SERVERS, FORM_TIMESTAMP,                    \
      "posthorn_listener_certificate_expiry_timestamp_seconds",                \
      "When the certificate of this process's HTTP server expires (Unix "      \
      "time); without one, there is no such series.")                          \
    X(WRITTEN_TO, METRICS_INGEST, FORM_PLAIN, "posthorn_log_position",         \
      "Number of the last event in the event log.")                            \
    X(MATCHED_TO, METRICS_DISPATCHER, FORM_PLAIN,                              \
      "posthorn_log_matched_position",                                         \
      "Number of the last event that this dispatcher has matched.")            \
    X(DISPLACED, METRICS_STORES, FORM_PLAIN, "posthorn_files_displaced",       \
      "Environments whose files were removed or replaced while in use.")       \
    X(EVENTS_MISSING, METRICS_INGEST, FORM_PLAIN, "posthorn_events_missing",   \
      "Accepted events that the event log lost: it was older than the rest.")  \
    X(SPANS_WAITING, METRICS_EXPORTER, FORM_PLAIN, "posthorn_spans_waiting",   \
      "Spans that wait to be sent to the collector.")                          \
    X(READY, METRICS_ALL, FORM_READY, "posthorn_role_ready",                   \
      "1 while the role works, as /readyz checks it.")                         \
    X(PID, METRICS_ALL | METRICS_ON_BOARD, FORM_PLAIN, "posthorn_role_pid",    \
      "Process id of the role.")                                               \
    X(RESIDENT_BYTES, METRICS_ALL, FORM_PLAIN,                                 \
      "posthorn_process_resident_memory_bytes", "Resident set size.")          \
    X(PROPORTIONAL_BYTES, METRICS_ALL, FORM_PLAIN,                             \
      "posthorn_process_proportional_memory_bytes",                            \
      "Proportional set size: shared pages divided by their users.")

// X(name, owners, Prometheus name with labels, help).
#define HISTOGRAM_LIST(X)                                                      \
    X(COMMIT_SECONDS, METRICS_INGEST | METRICS_DISPATCHER,                     \
      "posthorn_commit_duration_seconds", "Duration of database commits.")     \
    X(QUEUE_SECONDS, METRICS_DISPATCHER,                                       \
      "posthorn_delivery_queue_duration_seconds",                              \
      "From an event's acceptance to the first attempt of a delivery.")        \
    X(ATTEMPT_SECONDS, METRICS_SENDER, "posthorn_attempt_duration_seconds",    \
      "Duration of attempts, from start to the end of the response.")          \
    X(DNS_SECONDS, METRICS_SENDER,                                             \
      "posthorn_attempt_phase_duration_seconds{phase=\"dns\"}",                \
      "Duration of an attempt's phases; dns, connect and tls only if it made " \
      "a connection, response from the connection to the first byte.")         \
    X(CONNECT_SECONDS, METRICS_SENDER,                                         \
      "posthorn_attempt_phase_duration_seconds{phase=\"connect\"}", "")        \
    X(TLS_SECONDS, METRICS_SENDER,                                             \
      "posthorn_attempt_phase_duration_seconds{phase=\"tls\"}", "")            \
    X(RESPONSE_SECONDS, METRICS_SENDER,                                        \
      "posthorn_attempt_phase_duration_seconds{phase=\"response\"}", "")       \
    X(TURN_SECONDS, METRICS_ROLES, "posthorn_loop_turn_duration_seconds",      \
      "How long a role worked in one turn of its loop: all else waited.")

#define COUNTER_ENUM(name, owners, prometheus, help)     COUNTER_##name,
#define GAUGE_ENUM(name, owners, form, prometheus, help) GAUGE_##name,
#define HISTOGRAM_ENUM(name, owners, prometheus, help)   HISTOGRAM_##name,
enum counter { COUNTER_LIST(COUNTER_ENUM) COUNTERS };
enum gauge { GAUGE_LIST(GAUGE_ENUM) GAUGES };
enum histogram { HISTOGRAM_LIST(HISTOGRAM_ENUM) HISTOGRAMS };
#undef COUNTER_ENUM
#undef GAUGE_ENUM
#undef HISTOGRAM_ENUM

// Supervisor: makes the board and `n` pages, and takes slot 0. False (errno): it
// failed, and nothing is left behind.
MUST_CHECK bool metrics_create(unsigned n);

// Supervisor: descriptors that roles inherit; they stay open.
int metrics_board_fd(void);
int metrics_page_fd(size_t slot);

// Maps the board and the pages, whose descriptors are consecutive from
// `first_page_fd` on, and takes slot `slot`; false: they cannot be mapped. Before
// this call, the functions below count into a private page. Closes the descriptors,
// so no role can reach another's page through them.
MUST_CHECK bool metrics_attach(int board_fd, int first_page_fd, unsigned slot);

// A sender maps only its own page and no board; to itself it is slot 0 from now on.
MUST_CHECK bool metrics_attach_alone(int page_fd);

// Supervisor: the slot's label is role="NAME" from now on, and it has the series of
// `owner`, which is one of enum metrics_owners.
void metrics_name(size_t slot, const char *name, enum metrics_owners owner);

// Supervisor: sets the id of the slot's process.
void metrics_set_pid(size_t slot, int64_t pid);

// Supervisor: call for a role that has ended. Clears what was true of its process
// only. Gauges of what lies on disk keep their last values.
void metrics_clear_process(size_t slot);

// Supervisor: counts on behalf of another role.
void metrics_count_for(size_t slot, enum counter counter, uint64_t n);

size_t metrics_slots(void);
const char *metrics_slot_name(size_t slot); // "": nobody's
int64_t metrics_gauge_of(size_t slot, enum gauge gauge);
uint64_t metrics_counter_of(size_t slot, enum counter counter);
struct pulse *metrics_pulse(size_t slot);
struct standing *metrics_standing(size_t slot);
struct pulse *metrics_own_pulse(void);

void metrics_count(enum counter counter, uint64_t n);
void metrics_gauge(enum gauge gauge, int64_t value);
void metrics_observe_us(enum histogram histogram, int64_t duration_us);

// The sum of a gauge or counter over all slots, or over those whose name
// starts with `name` (NULL: all).
int64_t metrics_sum_gauge(enum gauge gauge, const char *name);
uint64_t metrics_sum_counter(enum counter counter, const char *name);

// Records how much memory this process uses: other processes may not look.
void metrics_note_memory(void);

// --- for metrics_text.h ---

#define METRICS_BOUNDS 17 // buckets of a histogram but for the last one

extern const int64_t metrics_bounds_us[METRICS_BOUNDS];

struct metrics_histogram {
    uint64_t counts[METRICS_BOUNDS + 1]; // not cumulative
    uint64_t sum_us;
};

// Whether the slot has series that `owners` have.
bool metrics_is_owner(size_t slot, unsigned owners);
void metrics_histogram_of(size_t slot, enum histogram histogram,
                          struct metrics_histogram *out);

#endif
