// SPDX-License-Identifier: MIT
// config.h — the value of every setting, and values that are derived from them.
// settings.h loads them.

#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"

#define RETRIES_MAX  64
#define PREFIXES_MAX 16
#define CIDRS_MAX    64

struct setting_source;
struct sockaddr;

struct cidr {
    uint8_t address[16]; // IPv4 as ::ffff:a.b.c.d
    uint8_t n_bits;      // of 128
    uint16_t port;       // 0: any
};

struct cidrs {
    struct cidr at[CIDRS_MAX];
    size_t n;
};

// The largest value that the setting max_event_bytes may have. Buffers and frames
// that hold an event's payload are sized for it.
#define EVENT_BYTES_LIMIT ((size_t)4 * 1024 * 1024)

#define PORT_RANGES_MAX 64

struct port_range {
    uint16_t first, last;
};

// Of a listener, PEM; empty: it speaks plain HTTP.
struct tls_files {
    char *certificate, *key;
    char *client_ca; // empty: clients need no certificate
};

struct config {
    char *data_dir;
    char *api_listen; // "127.0.0.1:8080"; so is ingest_listen
    char *ingest_listen;
    char *api_hosts; // comma-separated names
    bool dashboard;
    char *dashboard_url;        // or empty
    char *default_organization; // or empty
    char *metrics_token_file;
    char *otlp_traces; // URL of a collector, or empty: no spans
    char *otlp_headers_file;
    uint64_t otlp_sample; // percent of the traces
    char *cluster; // URL of the journal; empty: this machine is on its own
    char *node;    // name of this machine in the cluster
    char *node_host;
    uint64_t cluster_replicas;
    char *cluster_credentials; // paths; so are the three below
    char *cluster_ca, *cluster_cert, *cluster_key;
    char *cluster_monitors;     // URLs
    struct cidrs cluster_nodes; // each for any port
    uint64_t cluster_max_bytes;
    uint64_t dispatchers;
    uint64_t senders;
    struct cidrs endpoint_allow;
    struct cidrs trusted_proxies; // each for any port
    struct port_range endpoint_ports[PORT_RANGES_MAX];
    size_t n_endpoint_ports;
    int64_t retry_schedule_ms[RETRIES_MAX];
    size_t n_retries;
    int64_t connect_timeout_ms;
    int64_t request_timeout_ms;
    uint64_t max_event_bytes;
    uint64_t max_json_depth;
    uint64_t max_json_keys;         // 0: bounded by the event's size only
    uint64_t max_json_string_bytes; // 0: bounded by the event's size only
    uint64_t max_batch_bytes;
    uint64_t max_queue_bytes;
    uint64_t max_queue_bytes_per_organization; // 0: max_queue_bytes / 4
    int64_t retention_delivered_ms;
    int64_t retention_dead_ms;
    uint64_t retention_bytes;
    uint64_t replay_rate;
    char *slack_url_prefixes; // comma-separated
    char *webhook_origin;     // a DNS name, or empty
    char *deployments_url;
    char *deployments_token_file;
    char *ca_file;
    struct tls_files api_tls, ingest_tls;
    char *egress_proxy; // "http://host:port", or empty
    char *http2;        // "on", "off"
    char *secret_key_file;
    char *seal_payloads; // "on", "off"
    char *payload_keys_dir;
    int64_t secret_overlap_ms;
    uint64_t max_inflight; // per sender
    uint64_t max_inflight_per_hook;
    uint64_t max_inflight_per_endpoint; // and per dispatcher
    uint64_t max_inflight_slow;         // per sender
    uint64_t breaker_failures;          // 0: never opens
    int64_t breaker_wait_ms;
    int64_t breaker_wait_max_ms;
    int64_t overload_wait_ms;
    uint64_t failing_after;   // 0: the number of failures alarms nobody
    int64_t disable_after_ms; // 0: never
    // Caps that organizations share; see caps.h.
    uint64_t max_hooks;
    uint64_t max_hooks_per_organization;
    uint64_t max_patterns;
    uint64_t max_patterns_per_organization;
    uint64_t max_stacks;
    uint64_t max_stacks_per_organization;
    uint64_t max_tokens_per_organization;
    uint64_t max_kinds_per_organization; // in its catalogue
    uint64_t max_tails;
    uint64_t max_tails_per_organization;
    uint64_t max_manual;
    uint64_t max_manual_per_organization;
    uint64_t max_questions;
    uint64_t max_questions_per_organization;
    uint64_t max_replays;
    uint64_t max_replays_per_organization;
    uint64_t max_buffered_bytes;
    uint64_t max_buffered_bytes_per_organization;
    uint64_t max_connections;
    uint64_t max_connections_per_address;
    uint64_t max_handshakes_per_address; // a second
    uint64_t max_connections_per_organization;
    uint64_t admin_reserve_percent;
    int64_t drain_timeout_ms;
    char *user; // empty: chosen by engine/supervisor/accounts.c
    char *sender_user;
    char *sandbox;    // "auto", "on", "off"
    char *log_format; // "text", "json"
    bool debug;
    struct setting_source *sources; // owned; of each setting (settings_shown.h)
};

// Is the port in one of the ranges?
bool port_is_among(uint16_t port, const struct port_range *ranges, size_t n);

// May a hook's URL have this port? Yes if endpoint_ports has it, or if an entry of
// endpoint_allow names it; whether that entry covers the address is checked at
// connect.
bool config_permits_port(const struct config *c, uint16_t port);

// Appends endpoint_ports, as the setting is written.
void config_put_ports(const struct config *c, struct buf *out);

// How many bytes payloads may take, and how many histories may: retention_bytes,
// but at most three tenths of the queue's quota, so that retained data cannot stop
// intake.
uint64_t config_retention_bytes(const struct config *c);

// True if seal_payloads is on.
bool config_seals(const struct config *c);

// Whether this machine is a node of a cluster.
bool config_is_clustered(const struct config *c);

// True if log_format is json.
bool config_logs_json(const struct config *c);

// Limits for JSON that clients post.
struct json_limits config_json_limits(const struct config *c);

// How many bytes may wait for one organization before its events are refused: the
// setting, or a quarter of the queue's quota.
uint64_t config_org_quota_bytes(const struct config *c);

bool cidr_holds(const struct cidr *cidr, const struct sockaddr *address);
// The same for any port; `address` is of 16 bytes, IPv4 as ::ffff:a.b.c.d.
bool cidr_holds_address(const struct cidr *cidr, const uint8_t address[16]);

#endif
