// SPDX-License-Identifier: MIT
// metrics.h — counters, gauges and histograms of all processes, in shared memory.
//
// A slot is a row of the board, which only the supervisor writes (names, states,
// process ids), and a page, which its process writes. The api process reads all
// slots and prints Prometheus text. A slot outlives the process that writes it: a
// restarted role continues the counts.
//
// A sender, which faces hostile bytes, has its own page and nothing else: each page
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

// X(name, Prometheus name with labels, help). Counters only grow; gauges are set.
// The help text of a metric family is in its first row.
#define COUNTER_LIST(X)                                                        \
    X(EVENTS_ACCEPTED, "posthorn_events_accepted_total",                       \
      "Events committed to the queue.")                                        \
    X(EVENTS_REPEATED, "posthorn_events_repeated_total",                       \
      "Events that were accepted before under the same id or key.")            \
    X(REFUSED_INVALID, "posthorn_events_refused_total{reason=\"invalid\"}",    \
      "Intake requests refused, by reason.")                                   \
    X(REFUSED_AUTH, "posthorn_events_refused_total{reason=\"auth\"}", "")      \
    X(REFUSED_TOO_LARGE,                                                       \
      "posthorn_events_refused_total{reason=\"too_large\"}", "")               \
    X(REFUSED_CONFLICT, "posthorn_events_refused_total{reason=\"conflict\"}",  \
      "")                                                                      \
    X(REFUSED_QUOTA, "posthorn_events_refused_total{reason=\"quota\"}", "")    \
    X(REFUSED_ORG_REQUESTS,                                                    \
      "posthorn_events_refused_total{reason=\"organization_requests\"}", "")   \
    X(REFUSED_ORG_QUOTA,                                                       \
      "posthorn_events_refused_total{reason=\"organization_quota\"}", "")      \
    X(REFUSED_STORAGE, "posthorn_events_refused_total{reason=\"storage\"}",    \
      "")                                                                      \
    X(REFUSED_DISK, "posthorn_events_refused_total{reason=\"disk\"}", "")      \
    X(EVENTS_MATCHED, "posthorn_events_matched_total",                         \
      "Events read from the log and compared with the hooks.")                 \
    X(DELIVERIES_MATCHED, "posthorn_deliveries_matched_total",                 \
      "Deliveries made of matched events.")                                    \
    X(DELIVERED, "posthorn_attempts_total{outcome=\"delivered\"}",             \
      "Attempts, by what became of the delivery.")                             \
    X(RETRIED, "posthorn_attempts_total{outcome=\"retrying\"}", "")            \
    X(DIED, "posthorn_attempts_total{outcome=\"dead\"}", "")                   \
    X(CANCELLED, "posthorn_deliveries_cancelled_total",                        \
      "Deliveries whose hook was deleted or switched off.")                    \
    X(ASIDE_DELIVERIES, "posthorn_set_aside_total{what=\"delivery\"}",         \
      "Records that are not worked on any more: a role died three times with " \
      "them.")                                                                 \
    X(ASIDE_EVENTS, "posthorn_set_aside_total{what=\"event\"}", "")            \
    X(ASIDE_HOOKS, "posthorn_set_aside_total{what=\"hook\"}", "")              \
    X(ASIDE_REQUESTS, "posthorn_set_aside_total{what=\"request\"}", "")        \
    X(ASIDE_OTHERS, "posthorn_set_aside_total{what=\"other\"}", "")            \
    X(BODIES_RENDERED, "posthorn_bodies_rendered_total",                       \
      "Bodies made for hooks of a format other than raw.")                     \
    X(HTTP_REQUESTS, "posthorn_http_requests_total",                           \
      "Requests to this process's HTTP server.")                               \
    X(LISTENER_FULL, "posthorn_listener_handshakes_total{kind=\"full\"}",      \
      "TLS handshakes with clients of this process, by what came of them.")    \
    X(LISTENER_RESUMED,                                                        \
      "posthorn_listener_handshakes_total{kind=\"resumed\"}", "")              \
    X(LISTENER_FAILED, "posthorn_listener_handshakes_total{kind=\"failed\"}",  \
      "")                                                                      \
    X(SLICES, "posthorn_slices_total",                                         \
      "Slices of work that the answers of questions were made in.")            \
    X(QUESTIONS_DROPPED, "posthorn_questions_dropped_total",                   \
      "Questions whose asker was gone before they were answered.")             \
    X(CONNECTIONS_MADE, "posthorn_receiver_connections_total",                 \
      "New connections to receivers over which a request left.")               \
    X(HANDSHAKES_FULL, "posthorn_tls_handshakes_total{kind=\"full\"}",         \
      "TLS handshakes of these connections; resumed: of an earlier session.")  \
    X(HANDSHAKES_RESUMED, "posthorn_tls_handshakes_total{kind=\"resumed\"}",   \
      "")                                                                      \
    X(HTTP2_RESPONSES, "posthorn_http2_responses_total",                       \
      "Attempts that receivers answered by HTTP/2.")                           \
    X(RESTARTS, "posthorn_role_restarts_total",                                \
      "Times a role had to be started again.")

#define GAUGE_LIST(X)                                                          \
    X(ATTEMPTS_IN_FLIGHT, "posthorn_attempts_in_flight",                       \
      "Attempts handed to senders and not settled.")                           \
    X(DUE, "posthorn_deliveries_due", "Deliveries waiting for an attempt.")    \
    X(DEAD, "posthorn_deliveries_dead", "Dead letters.")                       \
    X(BACKLOG_BYTES, "posthorn_backlog_bytes",                                 \
      "Payloads of events, each as often as it waits for a webhook.")          \
    X(FULLEST_PERCENT, "posthorn_backlog_fullest_percent",                     \
      "Of its quota: the organization whose backlog fills it most.")           \
    X(ORGS_FULL, "posthorn_organizations_full",                                \
      "Organizations whose events are refused, for their backlog.")            \
    X(HOOKS_PAUSED, "posthorn_hooks_paused", "Webhooks that are paused.")      \
    X(HOOKS_FAILING, "posthorn_hooks_failing",                                 \
      "Webhooks whose attempts fail so that an alarm was raised.")             \
    X(QUEUE_BYTES, "posthorn_queue_bytes",                                     \
      "Bytes in use of this process's environment.")                           \
    X(HTTP_CONNECTIONS, "posthorn_http_connections", "Open connections.")      \
    X(HTTP_BUFFERED_BYTES, "posthorn_http_buffered_bytes",                     \
      "Held for clients of this process's HTTP server; at most "               \
      "max_buffered_bytes.")                                                   \
    X(HTTP_OUTPUT_BYTES, "posthorn_http_output_bytes",                         \
      "Of them, what is set aside for answers that are being read.")           \
    X(MATCHED_TO, "posthorn_log_position",                                     \
      "Number of the last event: written by ingest, matched by a dispatcher.") \
    X(DISPLACED, "posthorn_files_displaced",                                   \
      "Environments whose files were removed or replaced while in use.")       \
    X(WITHOUT_ROOM, "posthorn_without_room",                                   \
      "1 while nothing is sent: what comes of it could not be stored.")        \
    X(EVENTS_MISSING, "posthorn_events_missing",                               \
      "Accepted events that the event log lost: it was older than the rest.")  \
    X(READY, "posthorn_role_ready",                                            \
      "1 while the role works, as /readyz checks it; nobody sets it.")         \
    X(PID, "posthorn_role_pid", "Process id of the role.")                     \
    X(RESIDENT_BYTES, "posthorn_process_resident_memory_bytes",                \
      "Resident set size.")                                                    \
    X(PROPORTIONAL_BYTES, "posthorn_process_proportional_memory_bytes",        \
      "Proportional set size: shared pages divided by their users.")

#define HISTOGRAM_LIST(X)                                             \
    X(COMMIT_SECONDS, "posthorn_commit_duration_seconds",             \
      "Duration of database commits.")                                \
    X(ATTEMPT_SECONDS, "posthorn_attempt_duration_seconds",           \
      "Duration of attempts, from start to the end of the response.") \
    X(TURN_SECONDS, "posthorn_loop_turn_duration_seconds",            \
      "How long a role worked in one turn of its loop: all else waited.")

#define COUNTER_ENUM(name, prometheus, help)   COUNTER_##name,
#define GAUGE_ENUM(name, prometheus, help)     GAUGE_##name,
#define HISTOGRAM_ENUM(name, prometheus, help) HISTOGRAM_##name,
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

// Supervisor: the slot's label is role="NAME" from now on. `is_sender`: only what
// senders count is taken from its page.
void metrics_name(size_t slot, const char *name, bool is_sender);

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

// Appends Prometheus text format 0.0.4. `works` says whether the role of a slot
// works (pulse_works()): readiness is determined at each request.
void metrics_render(struct buf *out,
                    bool (*works)(size_t slot, struct buf *why));

#endif
