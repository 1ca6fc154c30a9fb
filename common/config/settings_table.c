// SPDX-License-Identifier: MIT
// settings_table.c — every setting, in one table.

#include "common/config/settings_table.h"

#include "common/config/config.h"

#define S_MS INT64_C(1000)
#define M_MS (60 * S_MS)
#define H_MS (60 * M_MS)
#define D_MS (24 * H_MS)
#define KiB  UINT64_C(1024)
#define MiB  (1024 * KiB)
#define GiB  (1024 * MiB)

#define AT(field) offsetof(struct config, field)

// In the order that `posthorn config` prints.
static const struct setting rows[] = {
    { "data_dir", TYPE_PATH, AT(data_dir), "./var", 0, 0, false,
      "Directory of everything durable; created with mode 0700." },
    { "api_listen", TYPE_ADDRESS, AT(api_listen), "127.0.0.1:8080", 0, 0, false,
      "Address of the management API, the history and metrics." },
    { "ingest_listen", TYPE_ADDRESS, AT(ingest_listen), "127.0.0.1:8081", 0, 0,
      false, "Address that events are posted to." },
    { "api_tls_cert", TYPE_PATH, AT(api_tls.certificate), "", 0, 0, false,
      "PEM file with the API's certificate, followed by those up to an "
      "authority; the API then speaks TLS only. A reload reads it again." },
    { "api_tls_key", TYPE_PATH, AT(api_tls.key), "", 0, 0, false,
      "PEM file with the private key of api_tls_cert. A reload reads it "
      "again." },
    { "api_tls_client_ca", TYPE_PATH, AT(api_tls.client_ca), "", 0, 0, false,
      "PEM file of authorities; if set, clients of the API must have a "
      "certificate of one of them. A reload reads it again." },
    { "ingest_tls_cert", TYPE_PATH, AT(ingest_tls.certificate), "", 0, 0, false,
      "PEM file with the certificate of event intake, like api_tls_cert." },
    { "ingest_tls_key", TYPE_PATH, AT(ingest_tls.key), "", 0, 0, false,
      "PEM file with the private key of ingest_tls_cert." },
    { "ingest_tls_client_ca", TYPE_PATH, AT(ingest_tls.client_ca), "", 0, 0,
      false,
      "PEM file of authorities; if set, clients that post events must have a "
      "certificate of one of them." },
    { "api_hosts", TYPE_TEXT, AT(api_hosts), "", 0, 0, true,
      "Host names that the API accepts besides addresses, localhost and this "
      "machine's name, such as posthorn.example.com,*.internal; requests for "
      "other hosts get 421." },
    { "dashboard", TYPE_BOOL, AT(dashboard), "yes", 0, 0, true,
      "Whether the API's address also serves the dashboard, at /dashboard." },
    { "dashboard_url", TYPE_TEXT, AT(dashboard_url), "", 0, 0, true,
      "URL at which people reach the API, perhaps through a proxy, without a "
      "path, such as https://posthorn.example.com/; its host name is accepted "
      "like those in "
      "api_hosts. With https, the dashboard takes logins under this name: a "
      "proxy speaks TLS for it." },
    { "default_organization", TYPE_TEXT, AT(default_organization), "", 0, 0,
      true,
      "Organization that Pulumi's command line uses with the admin token when "
      "no organization is named; empty: the only organization, if there is "
      "just one." },
    { "trusted_proxies", TYPE_CIDRS, AT(trusted_proxies), "", 0, 0, true,
      "Addresses of reverse proxies, CIDRs, whose X-Forwarded-For is believed: "
      "limits, log lines and caps by address then count the client, not the "
      "proxy." },
    { "metrics_token_file", TYPE_PATH, AT(metrics_token_file), "", 0, 0, true,
      "File with a token; if set, /metrics requires this token or the admin "
      "token." },
    { "otlp_traces", TYPE_TEXT, AT(otlp_traces), "", 0, 0, false,
      "URL of an OpenTelemetry collector that gets traces, by OTLP over HTTP "
      "in JSON, such as http://127.0.0.1:4318/v1/traces; empty: none are "
      "made." },
    { "otlp_headers_file", TYPE_PATH, AT(otlp_headers_file), "", 0, 0, false,
      "File with header lines for the collector, such as Authorization: "
      "Bearer …; it must be a file of root or the engine alone." },
    { "otlp_sample", TYPE_COUNT, AT(otlp_sample), "100", 0, 100, true,
      "Percent of the traces that are sent, of events whose producer sends no "
      "traceparent; else the producer decides. The traceparent of requests "
      "says so, too, if a webhook has traceContext." },
    { "cluster", TYPE_TEXT, AT(cluster), "", 0, 0, false,
      "Servers of NATS that replicate what is stored, such as "
      "nats://n1,n2,n3 or tls://n1:4222,n2:4222; this machine is then a node "
      "of "
      "a cluster. Empty: it is on its own." },
    { "node", TYPE_TEXT, AT(node), "", 0, 0, false,
      "Name of this machine in the cluster, 1 to 32 letters, digits, - and _; "
      "no two nodes have the same." },
    { "node_host", TYPE_TEXT, AT(node_host), "", 0, 0, false,
      "Address at which other nodes reach api_listen and ingest_listen of this "
      "one; empty: that of the listener, or the one that reaches the servers "
      "of the cluster." },
    { "cluster_replicas", TYPE_COUNT, AT(cluster_replicas), "3", 1, 5, false,
      "Number of servers of the cluster that keep each entry; 1 is for trying "
      "it out." },
    { "cluster_credentials", TYPE_PATH, AT(cluster_credentials), "", 0, 0,
      false, "File with the credentials for the servers of the cluster." },
    { "cluster_ca", TYPE_PATH, AT(cluster_ca), "", 0, 0, false,
      "PEM file of the authorities that sign the certificates of the servers "
      "of the cluster." },
    { "cluster_cert", TYPE_PATH, AT(cluster_cert), "", 0, 0, false,
      "PEM file with the certificate that this node shows to the servers of "
      "the cluster." },
    { "cluster_key", TYPE_PATH, AT(cluster_key), "", 0, 0, false,
      "PEM file with the private key of cluster_cert." },
    { "cluster_monitors", TYPE_TEXT, AT(cluster_monitors), "", 0, 0, false,
      "URLs of the monitoring ports of the servers of the cluster, such as "
      "http://n1:8222,http://n2:8222; empty: port 8222 of each server." },
    { "cluster_max_bytes", TYPE_BYTES, AT(cluster_max_bytes), "8GiB", 256 * MiB,
      GiB * 1024 * 1024, false,
      "Room that the servers of the cluster keep for it, each of them: chosen "
      "by the node that starts first. A data directory may take a quarter." },
    { "cluster_nodes", TYPE_CIDRS, AT(cluster_nodes), "", 0, 0, true,
      "Addresses of the nodes of the cluster, CIDRs, the same on all of them: "
      "what they relay is counted and logged by the address of its client. "
      "Empty: by that of the node." },
    { "dispatchers", TYPE_COUNT, AT(dispatchers), "1", 1, 16, false,
      "Number of dispatcher processes; each owns a share of the hooks." },
    { "senders", TYPE_COUNT, AT(senders), "2", 1, 16, false,
      "Number of sender processes." },
    { "endpoint_allow", TYPE_CIDRS, AT(endpoint_allow), "", 0, 0, true,
      "Private or loopback addresses that hooks may be delivered to: CIDRs, "
      "each with an optional :port." },
    { "endpoint_ports", TYPE_PORTS, AT(endpoint_ports), "80,443,1024-65535", 0,
      0, true,
      "Ports that hooks may be delivered to; an entry of endpoint_allow with a "
      "port also allows that port at its addresses." },
    { "retry_schedule", TYPE_SCHEDULE, AT(retry_schedule_ms),
      "5s,30s,2m,10m,30m,1h,2h,5h,10h,14h,20h,24h", 1, 7 * D_MS, true,
      "Waits between the attempts of a delivery, each with 20 % jitter; a "
      "delivery that fails after the last wait is dead." },
    { "connect_timeout", TYPE_DURATION, AT(connect_timeout_ms), "5s", 10,
      60 * S_MS, true,
      "Time limit of an attempt's name resolution, TCP and TLS together." },
    { "request_timeout", TYPE_DURATION, AT(request_timeout_ms), "30s", 10,
      5 * M_MS, true,
      "Time limit of an attempt as a whole, unless its hook has a timeout." },
    { "max_event_bytes", TYPE_BYTES, AT(max_event_bytes), "262144", 1 * KiB,
      EVENT_BYTES_LIMIT, true, "Maximum size of one event as posted." },
    { "max_json_depth", TYPE_COUNT, AT(max_json_depth), "128", 8,
      JSON_DEPTH_MAX, true,
      "Maximum nesting of arrays and objects in posted JSON." },
    { "max_json_keys", TYPE_COUNT, AT(max_json_keys), "0", 0, UINT32_MAX, true,
      "Maximum number of keys in all objects of one event or request; 0: no "
      "limit besides its size." },
    { "max_json_string_bytes", TYPE_BYTES, AT(max_json_string_bytes), "0", 0,
      EVENT_BYTES_LIMIT, true,
      "Maximum length of one string in posted JSON; 0: no limit besides the "
      "size of the event or request." },
    { "max_batch_bytes", TYPE_BYTES, AT(max_batch_bytes), "8MiB", 1 * KiB,
      64 * MiB, true, "Maximum size of one NDJSON request." },
    { "max_queue_bytes", TYPE_BYTES, AT(max_queue_bytes), "64GiB", 16 * MiB,
      (UINT64_C(16) << 40), false,
      "Maximum size of the queue; event intake stops when 80 % of it, or of "
      "the disk, is in use." },
    { "max_queue_bytes_per_organization", TYPE_BYTES,
      AT(max_queue_bytes_per_organization), "0", 0, (UINT64_C(16) << 40), true,
      "Maximum backlog of one organization, beyond which its events are "
      "refused; 0: a quarter of max_queue_bytes." },
    { "retention_delivered", TYPE_DURATION, AT(retention_delivered_ms), "7d",
      1 * S_MS, 3650 * D_MS, true,
      "How long delivered events stay in the history." },
    { "retention_dead", TYPE_DURATION, AT(retention_dead_ms), "30d", 1 * S_MS,
      3650 * D_MS, true,
      "How long dead letters, failed attempts and payloads are kept." },
    { "retention_bytes", TYPE_BYTES, AT(retention_bytes), "16GiB", 1 * MiB,
      (UINT64_C(16) << 40), true,
      "Maximum size of payloads, and the same again of history; each at most "
      "30 % of max_queue_bytes. Beyond it the oldest are removed, except "
      "payloads that a delivery needs." },
    { "replay_rate", TYPE_COUNT, AT(replay_rate), "1000", 1, 1000000, true,
      "Attempts per second of each dispatcher for all replays together that "
      "name no rate of their own." },
    { "webhook_origin", TYPE_TEXT, AT(webhook_origin), "", 0, 0, true,
      "DNS name by which receivers know this engine, such as "
      "posthorn.example.com: webhooks with handshake ask for permission under "
      "it (WebHook-Request-Origin); empty: no webhook may have it." },
    { "slack_url_prefixes", TYPE_TEXT, AT(slack_url_prefixes),
      "https://hooks.slack.com/", 0, 0, true,
      "URL prefixes that hooks of format slack may point to, separated by "
      "commas." },
    { "deployments_url", TYPE_TEXT, AT(deployments_url), "", 0, 0, true,
      "Base URL for hooks of format pulumi_deployments." },
    { "deployments_token_file", TYPE_PATH, AT(deployments_token_file), "", 0, 0,
      true, "File with the token that requests to deployments_url carry." },
    { "ca_file", TYPE_PATH, AT(ca_file), "", 0, 0, false,
      "File of certificate authorities to trust instead of the system's." },
    { "egress_proxy", TYPE_TEXT, AT(egress_proxy), "", 0, 0, false,
      "Proxy that all deliveries go through, such as http://10.0.0.5:3128; the "
      "proxy then decides which addresses may be reached." },
    { "http2", TYPE_TEXT, AT(http2), "off", 0, 0, true,
      "on: receivers may choose HTTP/2 in the TLS handshake; off: HTTP/1.1 "
      "only." },
    { "secret_key_file", TYPE_PATH, AT(secret_key_file), "", 0, 0, false,
      "File with the key that encrypts hook secrets; empty: secret.key in "
      "data_dir, made at the first start." },
    { "seal_payloads", TYPE_TEXT, AT(seal_payloads), "off", 0, 0, false,
      "on: payloads are encrypted on the disk with a key per organization; "
      "erasing an organization destroys its key." },
    { "payload_keys_dir", TYPE_PATH, AT(payload_keys_dir), "", 0, 0, false,
      "Directory of these keys, outside of data_dir; needed for as long as "
      "there "
      "are encrypted payloads." },
    { "secret_overlap", TYPE_DURATION, AT(secret_overlap_ms), "24h", 0,
      7 * D_MS, true,
      "How long a replaced secret still signs besides the new one." },
    { "max_inflight", TYPE_COUNT, AT(max_inflight), "256", 1, 10000, true,
      "Maximum number of attempts in flight per sender." },
    { "max_inflight_per_hook", TYPE_COUNT, AT(max_inflight_per_hook), "16", 1,
      10000, true, "Maximum number of attempts in flight per hook." },
    { "max_inflight_per_endpoint", TYPE_COUNT, AT(max_inflight_per_endpoint),
      "128", 1, 10000, true,
      "Maximum number of attempts in flight per endpoint and dispatcher." },
    { "max_inflight_slow", TYPE_COUNT, AT(max_inflight_slow), "1024", 0, 10000,
      false,
      "Maximum number of attempts per sender that have been in flight for more "
      "than a second; they do not count towards max_inflight." },
    { "breaker_failures", TYPE_COUNT, AT(breaker_failures), "5", 0, 1000, true,
      "After this many failures in a row to reach a receiver, or when half of "
      "the last 20 failed, nothing is sent to it for breaker_wait; 0: never." },
    { "breaker_wait", TYPE_DURATION, AT(breaker_wait_ms), "30s", 1, D_MS, true,
      "Wait before one attempt tests whether a receiver is back; doubles after "
      "each failed test." },
    { "breaker_wait_max", TYPE_DURATION, AT(breaker_wait_max_ms), "10m", 1,
      D_MS, true, "Maximum that breaker_wait doubles up to." },
    { "overload_wait", TYPE_DURATION, AT(overload_wait_ms), "60s", 0, D_MS,
      true,
      "Minimum wait after a receiver answered 429 or did not answer in time." },
    { "failing_after", TYPE_COUNT, AT(failing_after), "10", 0, 1000000, true,
      "A hook counts as failing, which is an alarm, after this many failed "
      "attempts in a row; 0: their number does not matter." },
    { "disable_after", TYPE_DURATION, AT(disable_after_ms), "120h", 0,
      365 * D_MS, true,
      "A hook that fails for this long without one success is switched off; "
      "only time in which attempts are made counts; 0: never." },
    { "max_hooks", TYPE_COUNT, AT(max_hooks), "1000000", 2, 100000000, true,
      "Maximum number of webhooks of all organizations together." },
    { "max_hooks_per_organization", TYPE_COUNT, AT(max_hooks_per_organization),
      "0", 0, 100000000, true,
      "Maximum number of webhooks of one organization; 0: a tenth of "
      "max_hooks." },
    { "max_patterns", TYPE_COUNT, AT(max_patterns), "100000", 2, 100000000,
      true,
      "Maximum number of webhooks with a pattern, of all organizations "
      "together; "
      "each takes memory in its dispatcher." },
    { "max_patterns_per_organization", TYPE_COUNT,
      AT(max_patterns_per_organization), "0", 0, 100000000, true,
      "Maximum number of webhooks with a pattern of one organization, each of "
      "whose events is compared with all of them, while other organizations "
      "wait; 0: a hundredth of max_patterns." },
    { "max_stacks", TYPE_COUNT, AT(max_stacks), "1000000", 2, 100000000, false,
      "Maximum number of stacks and environments known by name, with their "
      "organizations: this many from events, and as many from webhooks and "
      "clients." },
    { "max_stacks_per_organization", TYPE_COUNT,
      AT(max_stacks_per_organization), "0", 0, 100000000, false,
      "Maximum number of stacks and environments known by name in one "
      "organization; 0: a tenth of max_stacks." },
    { "max_tokens_per_organization", TYPE_COUNT,
      AT(max_tokens_per_organization), "1000", 1, 100000, true,
      "Maximum number of tokens of one organization." },
    { "max_kinds_per_organization", TYPE_COUNT, AT(max_kinds_per_organization),
      "200", 1, 1000, true,
      "Maximum number of kinds of events that one organization describes in "
      "its "
      "catalogue." },
    { "max_tails", TYPE_COUNT, AT(max_tails), "64", 2, 10000, true,
      "Maximum number of clients that follow deliveries at once." },
    { "max_tails_per_organization", TYPE_COUNT, AT(max_tails_per_organization),
      "0", 0, 10000, true,
      "Maximum number of clients with tokens of one organization that follow "
      "deliveries; 0: a quarter of max_tails." },
    { "max_manual", TYPE_COUNT, AT(max_manual), "64", 2, 10000, false,
      "Maximum number of pings and redeliveries in progress." },
    { "max_manual_per_organization", TYPE_COUNT,
      AT(max_manual_per_organization), "0", 0, 10000, true,
      "Maximum number of pings and redeliveries in progress with tokens of one "
      "organization; 0: a quarter of max_manual." },
    { "max_questions", TYPE_COUNT, AT(max_questions), "64", 2, 10000, true,
      "Maximum number of other requests to dispatchers in progress: explain, "
      "status, replays and discards." },
    { "max_questions_per_organization", TYPE_COUNT,
      AT(max_questions_per_organization), "0", 0, 10000, true,
      "Maximum number of such requests in progress with tokens of one "
      "organization; 0: an eighth of max_questions." },
    { "max_replays", TYPE_COUNT, AT(max_replays), "256", 2, 100000, true,
      "Maximum number of running replays per dispatcher." },
    { "max_replays_per_organization", TYPE_COUNT,
      AT(max_replays_per_organization), "0", 0, 100000, true,
      "Maximum number of running replays of one organization per dispatcher; "
      "0: a quarter of max_replays." },
    { "max_buffered_bytes", TYPE_BYTES, AT(max_buffered_bytes), "64MiB",
      1 * MiB, 64 * GiB, false,
      "Maximum memory for clients in each of the two servers: request bodies, "
      "and responses until they are read." },
    { "max_buffered_bytes_per_organization", TYPE_BYTES,
      AT(max_buffered_bytes_per_organization), "0", 0, 64 * GiB, false,
      "Maximum of this memory for requests of one organization, and for all "
      "requests without a token; one request may be larger; 0: a quarter of "
      "max_buffered_bytes." },
    { "max_connections", TYPE_COUNT, AT(max_connections), "4096", 2, 100000,
      false, "Maximum number of open connections of each of the two servers." },
    { "max_connections_per_address", TYPE_COUNT,
      AT(max_connections_per_address), "1024", 1, 100000, false,
      "Maximum number of open connections from one client address." },
    { "max_handshakes_per_address", TYPE_COUNT, AT(max_handshakes_per_address),
      "100", 1, 100000, false,
      "Maximum number of TLS handshakes per second from one client address (of "
      "IPv6: one network of 64 bits); more of them wait." },
    { "max_connections_per_organization", TYPE_COUNT,
      AT(max_connections_per_organization), "0", 0, 100000, true,
      "Maximum number of connections on which requests with tokens of one "
      "organization are in progress; 0: an eighth of max_connections." },
    { "admin_reserve_percent", TYPE_COUNT, AT(admin_reserve_percent), "12", 1,
      50, false,
      "Part of each limit that organizations share, in percent, that is kept "
      "for the admin token." },
    { "drain_timeout", TYPE_DURATION, AT(drain_timeout_ms), "35s", 0, H_MS,
      true, "How long a stop waits for attempts in flight." },
    { "user", TYPE_TEXT, AT(user), "", 0, 0, false,
      "Account that all roles but senders run as when the engine is started as "
      "root: a name or a number; empty: posthorn if there is that account, "
      "else the owner of data_dir, else nobody." },
    { "sender_user", TYPE_TEXT, AT(sender_user), "nobody", 0, 0, false,
      "Account that senders run as when the engine is started as root: a name "
      "or a number." },
    { "sandbox", TYPE_TEXT, AT(sandbox), "auto", 0, 0, false,
      "auto: processes are sandboxed as far as the kernel can; on: the engine "
      "does not start if the kernel cannot; off: no sandbox." },
    { "log_format", TYPE_TEXT, AT(log_format), "text", 0, 0, true,
      "text: key=value; json: one object per line." },
    { "debug", TYPE_BOOL, AT(debug), "no", 0, 0, true,
      "Whether to log details that are of use to developers only." },
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == N_SETTINGS,
               "N_SETTINGS is the number of rows");

const struct setting *const settings = rows;
