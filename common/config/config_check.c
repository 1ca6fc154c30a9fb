// SPDX-License-Identifier: MIT
// config_check.c — checks settings that are valid alone but contradict each other,
// and the contents of text settings.

#include "common/config/config_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "common/base/text.h"
#include "common/config/caps.h"
#include "common/encoding/url.h"
#include "common/log/log.h"
#include "common/model/operator.h"

static bool is_proxy(const char *text)
{
    struct url url;

    return strncmp(text, "http://", 7) == 0 && strchr(text + 7, '/') == NULL &&
           strrchr(text + 7, ':') != NULL &&
           url_parse(str_of(text), &url, NULL) == OK;
}

// Each prefix must end with a slash: "https://hooks.slack.com" would also be a
// prefix of https://hooks.slack.com.example.com/.
static void check_prefixes(const char *text, struct buf *faults)
{
    static const char separators[] = ", \t";

    while (*(text += strspn(text, separators)) != '\0') {
        struct str prefix = { text, strcspn(text, separators) };

        text += prefix.n_bytes;
        if (prefix.at[prefix.n_bytes - 1] == '/' &&
            url_parse(prefix, &(struct url){ .port = 0 }, NULL) == OK)
            continue;
        buf_printf(faults,
                   "slack_url_prefixes: %s is not allowed; allowed are http "
                   "and https URLs that end with a slash, like "
                   "https://hooks.slack.com/\n",
                   log_quote(prefix));
    }
}

static bool is_host_name(struct str text)
{
    if (text.n_bytes > 2 && text.at[0] == '*' && text.at[1] == '.') {
        text.at += 2;
        text.n_bytes -= 2;
    }
    for (size_t i = 0; i < text.n_bytes; i++) {
        if (!isalnum((unsigned char)text.at[i]) && text.at[i] != '-' &&
            text.at[i] != '_' && (text.at[i] != '.' || i == 0))
            return false;
    }
    return text.n_bytes > 0 && text.at[text.n_bytes - 1] != '.';
}

// Whether a URL has more than its host: a path other than /, or a query.
static bool has_path(const char *url)
{
    const char *host = strstr(url, "://");
    size_t n = host != NULL ? strcspn(host + 3, "/?") : 0;

    return host == NULL ||
           (host[3 + n] != '\0' && strcmp(host + 3 + n, "/") != 0);
}

static void check_hosts(const struct config *c, struct buf *faults)
{
    static const char separators[] = ", \t";
    const char *text = c->api_hosts;
    struct url url;

    while (*(text += strspn(text, separators)) != '\0') {
        struct str name = { text, strcspn(text, separators) };

        text += name.n_bytes;
        if (!is_host_name(name)) {
            buf_printf(faults,
                       "api_hosts: %s is not allowed; allowed are names "
                       "without a port, like posthorn.example.com or "
                       "*.example.com\n",
                       log_quote(name));
        }
    }
    if (c->default_organization[0] != '\0' &&
        (!text_is_name(str_of(c->default_organization)) ||
         operator_is_org(str_of(c->default_organization)))) {
        buf_puts(faults,
                 "default_organization: must be the name of an organization "
                 "other than " OPERATOR_ORG ": A-Z a-z 0-9 . _ -\n");
    }
    if (c->dashboard_url[0] != '\0' &&
        (url_parse(str_of(c->dashboard_url), &url, NULL) != OK ||
         has_path(c->dashboard_url))) {
        buf_puts(faults, "dashboard_url: must be an http or https URL without "
                         "a path, like https://posthorn.example.com/; the "
                         "dashboard is at /dashboard there\n");
    }
}

static void check_origin(const char *name, struct buf *faults)
{
    if (name[0] != '\0' &&
        (name[0] == '*' || strlen(name) > 253 || !is_host_name(str_of(name)))) {
        buf_puts(faults, "webhook_origin: must be a DNS name, like "
                         "posthorn.example.com\n");
    }
}

static void check_tls(const char *prefix, const struct tls_files *files,
                      struct buf *faults)
{
    bool has_certificate = files->certificate[0] != '\0';

    if (has_certificate && files->key[0] == '\0') {
        buf_printf(faults, "%s_key: must be set, as %s_cert is\n", prefix,
                   prefix);
    }
    if (!has_certificate && files->key[0] != '\0') {
        buf_printf(faults, "%s_cert: must be set, as %s_key is\n", prefix,
                   prefix);
    }
    if (!has_certificate && files->client_ca[0] != '\0') {
        buf_printf(faults, "%s_cert: must be set, as %s_client_ca is\n", prefix,
                   prefix);
    }
}

// Whoever is among the proxies chooses the address that others are told of it.
static void check_proxies(const char *setting, const struct cidrs *proxies,
                          struct buf *faults)
{
    static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };

    for (size_t i = 0; i < proxies->n; i++) {
        const struct cidr *c = &proxies->at[i];

        if (c->port != 0) {
            buf_printf(faults,
                       "%s: an entry has no port; allowed are CIDRs, like "
                       "10.0.0.0/8\n",
                       setting);
        } else if (c->n_bits == 0 ||
                   (c->n_bits == 96 && memcmp(c->address, v4, 12) == 0)) {
            buf_printf(faults,
                       "%s: /0 would believe every client; allowed are the "
                       "networks of proxies, like 10.0.0.0/8\n",
                       setting);
        }
    }
}

static void check_otlp(const struct config *c, struct buf *faults)
{
    struct url url;

    if (c->otlp_traces[0] != '\0' &&
        (url_parse(str_of(c->otlp_traces), &url, NULL) != OK ||
         !has_path(c->otlp_traces))) {
        buf_puts(faults, "otlp_traces: must be an http or https URL with a "
                         "path, like http://127.0.0.1:4318/v1/traces\n");
    }
}

static void check_sealing(const struct config *c, struct buf *faults)
{
    if (strcmp(c->seal_payloads, "on") != 0 &&
        strcmp(c->seal_payloads, "off") != 0)
        buf_puts(faults, "seal_payloads: must be on or off\n");
    if (config_seals(c) && c->payload_keys_dir[0] == '\0') {
        buf_puts(faults,
                 "payload_keys_dir: must be set with seal_payloads = on, to a "
                 "directory outside of data_dir\n");
    }
}

// 1 to 32 letters, digits, '-' and '_'.
static bool is_node_name(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= 32 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_") == n;
}

static bool is_host_address(const char *host)
{
    struct in6_addr room;

    return inet_pton(AF_INET, host, &room) == 1 ||
           inet_pton(AF_INET6, host, &room) == 1;
}

static void check_cluster(const struct config *c, struct buf *faults)
{
    if (c->cluster[0] == '\0') {
        if (c->node[0] != '\0')
            buf_puts(faults, "cluster: must be set if node is set\n");
        return;
    }
    if (!is_node_name(c->node)) {
        buf_puts(faults, "node: must be 1 to 32 letters, digits, - and _, a "
                         "name that no other node of the cluster has\n");
    }
    if (c->node_host[0] != '\0' && !is_host_address(c->node_host)) {
        buf_puts(faults, "node_host: must be an address, like 10.0.0.7 or "
                         "fd00::7, and no name\n");
    }
    if ((c->cluster_cert[0] == '\0') != (c->cluster_key[0] == '\0')) {
        buf_puts(faults,
                 "cluster_cert: must be set together with cluster_key\n");
    }
    if (config_seals(c)) {
        buf_puts(faults, "seal_payloads: must be off in a cluster, whose nodes "
                         "do not exchange the keys of payloads\n");
    }
}

void config_check(const struct config *c, struct buf *faults)
{
    if (c->connect_timeout_ms > c->request_timeout_ms) {
        buf_puts(faults, "connect_timeout: must not be longer than "
                         "request_timeout\n");
    }
    if (c->breaker_wait_ms > c->breaker_wait_max_ms) {
        buf_puts(faults, "breaker_wait: must not be longer than "
                         "breaker_wait_max\n");
    }
    if (c->max_event_bytes > c->max_batch_bytes) {
        buf_puts(faults, "max_event_bytes: must not be larger than "
                         "max_batch_bytes\n");
    }
    // The largest batch, with its answer, must fit beside what others hold.
    if (c->max_batch_bytes >
        c->max_buffered_bytes / 200 * (100 - c->admin_reserve_percent)) {
        buf_puts(faults,
                 "max_buffered_bytes: must be at least twice max_batch_bytes, "
                 "without the part that admin_reserve_percent keeps\n");
    }
    if (c->max_queue_bytes_per_organization > c->max_queue_bytes) {
        buf_puts(faults, "max_queue_bytes_per_organization: must not be larger "
                         "than max_queue_bytes\n");
    }
    if (c->egress_proxy[0] != '\0' && !is_proxy(c->egress_proxy))
        buf_puts(faults, "egress_proxy: must be like http://10.0.0.5:3128\n");
    check_otlp(c, faults);
    if (strcmp(c->http2, "on") != 0 && strcmp(c->http2, "off") != 0)
        buf_puts(faults, "http2: must be on or off\n");
    check_sealing(c, faults);
    check_cluster(c, faults);
    if (strcmp(c->sandbox, "auto") != 0 && strcmp(c->sandbox, "on") != 0 &&
        strcmp(c->sandbox, "off") != 0)
        buf_puts(faults, "sandbox: must be auto, on or off\n");
    if (strcmp(c->log_format, "text") != 0 && !config_logs_json(c))
        buf_puts(faults, "log_format: must be text or json\n");
    if (c->sender_user[0] == '\0' || strcmp(c->sender_user, "root") == 0 ||
        strcmp(c->sender_user, "0") == 0)
        buf_puts(faults, "sender_user: must be a user other than root\n");
    check_prefixes(c->slack_url_prefixes, faults);
    check_hosts(c, faults);
    check_origin(c->webhook_origin, faults);
    check_proxies("trusted_proxies", &c->trusted_proxies, faults);
    check_proxies("cluster_nodes", &c->cluster_nodes, faults);
    if (strcmp(c->user, "root") == 0 || strcmp(c->user, "0") == 0)
        buf_puts(faults, "user: must be a user other than root\n");
    if (strcmp(c->api_listen, c->ingest_listen) == 0)
        buf_puts(faults, "ingest_listen: must differ from api_listen\n");
    check_tls("api_tls", &c->api_tls, faults);
    check_tls("ingest_tls", &c->ingest_tls, faults);
    caps_check(c, faults);
}
