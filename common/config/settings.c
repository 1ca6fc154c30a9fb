// SPDX-License-Identifier: MIT
// settings.c — every setting, in one table.

#include "common/config/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/config/config_check.h"
#include "common/config/config_follow.h"
#include "common/config/config_types.h"
#include "common/log/log.h"

#define S_MS INT64_C(1000)
#define M_MS (60 * S_MS)
#define H_MS (60 * M_MS)
#define D_MS (24 * H_MS)
#define KiB  UINT64_C(1024)
#define MiB  (1024 * KiB)
#define GiB  (1024 * MiB)

#define AT(field) offsetof(struct config, field)

// One row per setting, in the order that `posthorn config` prints; min, max: numbers.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in reading order
static const struct setting {
    const char *name;
    enum config_type type;
    size_t offset;
    const char *fallback;
    uint64_t min, max;
    bool reloadable;
    const char *help;
} settings[] = {
    { "data_dir", TYPE_PATH, AT(data_dir), "./var", 0, 0, false,
      "Everything durable; created with mode 0700." },
    { "api_listen", TYPE_ADDRESS, AT(api_listen), "127.0.0.1:8080", 0, 0, false,
      "Management API, history, metrics." },
    { "ingest_listen", TYPE_ADDRESS, AT(ingest_listen), "127.0.0.1:8081", 0, 0,
      false, "Event intake." },
    { "api_hosts", TYPE_TEXT, AT(api_hosts), "", 0, 0, true,
      "Names that the API answers under besides addresses, localhost and this "
      "machine's name: posthorn.example.com,*.internal; others get 421." },
    { "dashboard_url", TYPE_TEXT, AT(dashboard_url), "", 0, 0, true,
      "Where people reach the API's address, through a proxy perhaps: "
      "https://posthorn.example.com/; its name is answered like api_hosts." },
    { "default_organization", TYPE_TEXT, AT(default_organization), "", 0, 0,
      true,
      "What Pulumi's command line takes with the admin token when no "
      "organization is named; empty: the only one that there is." },
    { "metrics_token_file", TYPE_PATH, AT(metrics_token_file), "", 0, 0, true,
      "File with a token that /metrics then asks for, besides the admin "
      "token." },
    { "dispatchers", TYPE_COUNT, AT(dispatchers), "1", 1, 16, false,
      "Dispatcher processes; each owns a share of the hooks." },
    { "senders", TYPE_COUNT, AT(senders), "2", 1, 16, false,
      "Sender processes." },
    { "endpoint_allow", TYPE_CIDRS, AT(endpoint_allow), "", 0, 0, true,
      "Private or loopback addresses that may be delivered to: CIDRs, each "
      "with an optional :port." },
    { "endpoint_ports", TYPE_PORTS, AT(endpoint_ports), "80,443,1024-65535", 0,
      0, true,
      "Ports that may be delivered to; an entry of endpoint_allow with a port "
      "allows that one besides, at its addresses." },
    { "retry_schedule", TYPE_SCHEDULE, AT(retry_schedule_ms),
      "5s,30s,2m,10m,30m,1h,2h,5h,10h,14h,20h,24h", 1, 7 * D_MS, true,
      "Waits between attempts, each with 20 % jitter; then the delivery is "
      "dead." },
    { "connect_timeout", TYPE_DURATION, AT(connect_timeout_ms), "5s", 10,
      60 * S_MS, true, "Per attempt: name resolution, TCP and TLS." },
    { "request_timeout", TYPE_DURATION, AT(request_timeout_ms), "30s", 10,
      5 * M_MS, true, "Per attempt, as a whole." },
    { "max_event_bytes", TYPE_BYTES, AT(max_event_bytes), "262144", 1 * KiB,
      EVENT_BYTES_LIMIT, true, "Of one event, as posted." },
    { "max_json_depth", TYPE_COUNT, AT(max_json_depth), "128", 8,
      JSON_DEPTH_MAX, true,
      "Arrays and objects within each other, in what is posted." },
    { "max_json_keys", TYPE_COUNT, AT(max_json_keys), "0", 0, UINT32_MAX, true,
      "Of all objects of one event or request; 0: as many as it holds." },
    { "max_json_string_bytes", TYPE_BYTES, AT(max_json_string_bytes), "0", 0,
      EVENT_BYTES_LIMIT, true,
      "Of one string; 0: as many as the event or request has." },
    { "max_batch_bytes", TYPE_BYTES, AT(max_batch_bytes), "8MiB", 1 * KiB,
      64 * MiB, true, "Of one NDJSON request." },
    { "max_queue_bytes", TYPE_BYTES, AT(max_queue_bytes), "64GiB", 16 * MiB,
      (UINT64_C(16) << 40), false,
      "Of the queue; intake stops at 80 % of it, and of the disk." },
    { "max_queue_bytes_per_organization", TYPE_BYTES,
      AT(max_queue_bytes_per_organization), "0", 0, (UINT64_C(16) << 40), true,
      "Of what waits for one organization, beyond which its events are "
      "refused; "
      "0: a quarter of max_queue_bytes." },
    { "retention_delivered", TYPE_DURATION, AT(retention_delivered_ms), "7d",
      1 * S_MS, 3650 * D_MS, true, "History of what was delivered." },
    { "retention_dead", TYPE_DURATION, AT(retention_dead_ms), "30d", 1 * S_MS,
      3650 * D_MS, true, "Dead letters, failed attempts, and payloads." },
    { "retention_bytes", TYPE_BYTES, AT(retention_bytes), "16GiB", 1 * MiB,
      (UINT64_C(16) << 40), true,
      "Of payloads, and as many of history; at most 30 % of max_queue_bytes "
      "each. Beyond, the oldest go, but for payloads that a delivery needs." },
    { "replay_rate", TYPE_COUNT, AT(replay_rate), "1000", 1, 1000000, true,
      "Attempts a second of replays that name no rate, of each dispatcher." },
    { "slack_url_prefixes", TYPE_TEXT, AT(slack_url_prefixes),
      "https://hooks.slack.com/", 0, 0, true,
      "Where a slack hook may point; comma-separated." },
    { "deployments_url", TYPE_TEXT, AT(deployments_url), "", 0, 0, true,
      "Base URL for pulumi_deployments hooks." },
    { "deployments_token_file", TYPE_PATH, AT(deployments_token_file), "", 0, 0,
      true, "File with the token for deployments_url." },
    { "ca_file", TYPE_PATH, AT(ca_file), "", 0, 0, false,
      "Certificate authorities to trust instead of the system's." },
    { "egress_proxy", TYPE_TEXT, AT(egress_proxy), "", 0, 0, false,
      "http://host:port that all deliveries go through; which addresses may "
      "be reached is then for the proxy to decide." },
    { "secret_key_file", TYPE_PATH, AT(secret_key_file), "", 0, 0, false,
      "Key that hook secrets are sealed with; empty: secret.key in data_dir, "
      "made at the first start." },
    { "secret_overlap", TYPE_DURATION, AT(secret_overlap_ms), "24h", 0,
      7 * D_MS, true, "How long a replaced secret still signs." },
    { "max_inflight", TYPE_COUNT, AT(max_inflight), "256", 1, 10000, true,
      "Attempts in flight, per sender." },
    { "max_inflight_per_hook", TYPE_COUNT, AT(max_inflight_per_hook), "16", 1,
      10000, true, "Attempts in flight, per hook." },
    { "max_inflight_per_endpoint", TYPE_COUNT, AT(max_inflight_per_endpoint),
      "128", 1, 10000, true,
      "Attempts in flight, per endpoint and dispatcher." },
    { "max_inflight_slow", TYPE_COUNT, AT(max_inflight_slow), "1024", 0, 10000,
      false,
      "Attempts in flight for more than a second, per sender, besides." },
    { "breaker_failures", TYPE_COUNT, AT(breaker_failures), "5", 0, 1000, true,
      "Failures in a row to reach a receiver, or half of the last 20, after "
      "which nothing is sent to it for breaker_wait; 0: never." },
    { "breaker_wait", TYPE_DURATION, AT(breaker_wait_ms), "30s", 1, D_MS, true,
      "Until one attempt shows whether a receiver is back; doubles if not." },
    { "breaker_wait_max", TYPE_DURATION, AT(breaker_wait_max_ms), "10m", 1,
      D_MS, true, "It doubles up to this." },
    { "overload_wait", TYPE_DURATION, AT(overload_wait_ms), "60s", 0, D_MS,
      true, "Least wait after 429 or no answer in time." },
    { "failing_after", TYPE_COUNT, AT(failing_after), "10", 0, 1000000, true,
      "So many failed attempts in a row are an alarm: the hook counts as "
      "failing; 0: their number is none." },
    { "disable_after", TYPE_DURATION, AT(disable_after_ms), "120h", 0,
      365 * D_MS, true,
      "A hook that fails so long without one success is switched off; only "
      "time in which attempts are made counts; 0: never." },
    { "max_hooks", TYPE_COUNT, AT(max_hooks), "1000000", 2, 100000000, true,
      "Webhooks of all organizations together." },
    { "max_hooks_per_organization", TYPE_COUNT, AT(max_hooks_per_organization),
      "0", 0, 100000000, true,
      "Of them, of one organization; 0: a tenth of max_hooks." },
    { "max_stacks", TYPE_COUNT, AT(max_stacks), "1000000", 2, 100000000, false,
      "Stacks and environments that are known by name, with their "
      "organizations: named by events, and as many by webhooks and clients." },
    { "max_stacks_per_organization", TYPE_COUNT,
      AT(max_stacks_per_organization), "0", 0, 100000000, false,
      "Of them, of one organization; 0: a tenth of max_stacks." },
    { "max_tokens_per_organization", TYPE_COUNT,
      AT(max_tokens_per_organization), "1000", 1, 100000, true,
      "Tokens of one organization." },
    { "max_tails", TYPE_COUNT, AT(max_tails), "64", 2, 10000, true,
      "Who follow deliveries at once." },
    { "max_tails_per_organization", TYPE_COUNT, AT(max_tails_per_organization),
      "0", 0, 10000, true,
      "Of them, with tokens of one organization; 0: a quarter of max_tails." },
    { "max_manual", TYPE_COUNT, AT(max_manual), "64", 2, 10000, false,
      "Pings and redeliveries under way." },
    { "max_manual_per_organization", TYPE_COUNT,
      AT(max_manual_per_organization), "0", 0, 10000, true,
      "Of them, with tokens of one organization; 0: a quarter of max_manual." },
    { "max_questions", TYPE_COUNT, AT(max_questions), "64", 2, 10000, true,
      "Other questions to dispatchers under way: explain, status, replays "
      "and discards." },
    { "max_questions_per_organization", TYPE_COUNT,
      AT(max_questions_per_organization), "0", 0, 10000, true,
      "Of them, with tokens of one organization; 0: an eighth of "
      "max_questions." },
    { "max_replays", TYPE_COUNT, AT(max_replays), "256", 2, 100000, true,
      "Replays under way, of each dispatcher." },
    { "max_replays_per_organization", TYPE_COUNT,
      AT(max_replays_per_organization), "0", 0, 100000, true,
      "Of them, of one organization; 0: a quarter of max_replays." },
    { "max_buffered_bytes", TYPE_BYTES, AT(max_buffered_bytes), "64MiB",
      1 * MiB, 64 * GiB, false,
      "Held for clients by intake and by the API, each: bodies, and answers "
      "until they are read." },
    { "max_buffered_bytes_per_organization", TYPE_BYTES,
      AT(max_buffered_bytes_per_organization), "0", 0, 64 * GiB, false,
      "Of them, for one organization's requests, and for all without a token; "
      "one request may be larger; 0: a quarter of max_buffered_bytes." },
    { "max_connections", TYPE_COUNT, AT(max_connections), "4096", 2, 100000,
      false, "Open connections, of each of the two servers." },
    { "max_connections_per_address", TYPE_COUNT,
      AT(max_connections_per_address), "1024", 1, 100000, false,
      "Open connections from one client address." },
    { "max_connections_per_organization", TYPE_COUNT,
      AT(max_connections_per_organization), "0", 0, 100000, true,
      "Of them, with a request in work of one organization's tokens; 0: an "
      "eighth of max_connections." },
    { "admin_reserve_percent", TYPE_COUNT, AT(admin_reserve_percent), "12", 1,
      50, false,
      "Of each limit that organizations share, so much is kept for the admin "
      "token." },
    { "drain_timeout", TYPE_DURATION, AT(drain_timeout_ms), "35s", 0, H_MS,
      true, "How long a stop waits for attempts in flight." },
    { "user", TYPE_TEXT, AT(user), "", 0, 0, false,
      "Whom all roles but senders become when the engine is started as root: a "
      "name or a number; empty: posthorn if there is that account, else the "
      "owner of data_dir, else nobody." },
    { "sender_user", TYPE_TEXT, AT(sender_user), "nobody", 0, 0, false,
      "Whom senders become when the engine is started as root: a name or a "
      "number." },
    { "sandbox", TYPE_TEXT, AT(sandbox), "auto", 0, 0, false,
      "auto: processes are sandboxed as far as the kernel can; on: and do not "
      "start if it cannot; off." },
    { "log_format", TYPE_TEXT, AT(log_format), "text", 0, 0, true,
      "text: key=value; json: one object a line." },
    { "debug", TYPE_BOOL, AT(debug), "no", 0, 0, true,
      "Log what is of use to developers only." },
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

// A value and where it came from, while sources are read.
struct draft {
    char *values[N_SETTINGS];
    const char *origins[N_SETTINGS];
};

static int setting_find(struct str name)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (str_is(name, settings[i].name))
            return (int)i;
    }
    return -1;
}

static void put_range(const struct setting *s, struct buf *out)
{
    switch (s->type) {
    case TYPE_BYTES:
        config_put_bytes(s->min, out);
        buf_puts(out, " to ");
        config_put_bytes(s->max, out);
        break;
    case TYPE_DURATION:
        config_put_duration((int64_t)s->min, out);
        buf_puts(out, " to ");
        config_put_duration((int64_t)s->max, out);
        break;
    case TYPE_COUNT:
        buf_printf(out, "%llu to %llu", (unsigned long long)s->min,
                   (unsigned long long)s->max);
        break;
    case TYPE_SCHEDULE:
        buf_printf(out, "1 to %d waits like 5s,2m,1h", RETRIES_MAX);
        break;
    case TYPE_CIDRS:
        buf_puts(out, "CIDRs like 10.0.0.0/8 or 127.0.0.1/32:8443");
        break;
    case TYPE_PORTS:
        buf_printf(out, "1 to %d ports and ranges like 443,1024-65535",
                   PORT_RANGES_MAX);
        break;
    case TYPE_ADDRESS:
        buf_puts(out, "address:port like 127.0.0.1:8080 or [::1]:8080");
        break;
    case TYPE_BOOL:
        buf_puts(out, "yes or no");
        break;
    case TYPE_TEXT:
    case TYPE_PATH:
        buf_puts(out, "text");
        break;
    }
}

static void fault_unknown(struct str name, const char *origin,
                          struct buf *faults)
{
    buf_printf(faults, "%s: there is no setting %s; allowed:", origin,
               log_quote(name));
    for (size_t i = 0; i < N_SETTINGS; i++)
        buf_printf(faults, "%s%s", i > 0 ? ", " : " ", settings[i].name);
    buf_putc(faults, '\n');
}

static void draft_set(struct draft *d, struct str name, struct str value,
                      const char *origin, struct buf *faults)
{
    int i = setting_find(name);

    if (i < 0) {
        fault_unknown(name, origin, faults);
        return;
    }
    free(d->values[i]);
    d->values[i] = xstrndup(value.at != NULL ? value.at : "", value.n_bytes);
    d->origins[i] = origin;
}

static struct str trimmed(struct str s)
{
    while (s.n_bytes > 0 && isspace((unsigned char)s.at[0])) {
        s.at++;
        s.n_bytes--;
    }
    while (s.n_bytes > 0 && isspace((unsigned char)s.at[s.n_bytes - 1]))
        s.n_bytes--;
    return s;
}

// "name = value", from a file's line or from --set.
static void read_pair(struct draft *d, struct str line, const char *origin,
                      struct buf *faults)
{
    const char *equals = memchr(line.at, '=', line.n_bytes);
    struct str name = line;
    struct str value = STR_EMPTY;

    if (memchr(line.at, '\0', line.n_bytes) != NULL) {
        buf_printf(faults, "%s: %s holds a NUL byte, which no value may\n",
                   origin, log_quote(line));
        return;
    }
    if (equals == NULL) {
        buf_printf(faults, "%s: %s is not of the form name = value\n", origin,
                   log_quote(line));
        return;
    }
    name.n_bytes = (size_t)(equals - line.at);
    value.at = equals + 1;
    value.n_bytes = line.n_bytes - name.n_bytes - 1;
    draft_set(d, trimmed(name), trimmed(value), origin, faults);
}

static void read_file(struct draft *d, const struct config_sources *sources,
                      struct buf *faults)
{
    const char *path = sources->file;
    int fd = sources->file_fd > 0 ? dup(sources->file_fd) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "r") : fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (file == NULL) {
        buf_printf(faults, "%s: cannot be read: %s\n", path, strerror(errno));
        return;
    }
    while ((n = getline(&line, &room, file)) >= 0) {
        struct str text = trimmed((struct str){ line, (size_t)n });

        if (text.n_bytes > 0 && text.at[0] != '#')
            read_pair(d, text, path, faults);
    }
    free(line);
    fclose(file);
}

// Of ASCII, whatever the locale is.
static char upper(char c)
{
    if (c < 'a' || c > 'z')
        return c;
    return (char)(c - 'a' + 'A');
}

static char lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)(c - 'A' + 'a');
}

// A variable POSTHORN_NAME for every setting. POSTHORN_API and its like belong
// to the command line, so unknown ones are no fault.
static void read_environment(struct draft *d, struct buf *faults)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        char name[64];
        const char *value;

        snprintf(name, sizeof(name), "POSTHORN_%s", settings[i].name);
        for (char *c = name; *c != '\0'; c++)
            *c = upper(*c);
        value = getenv(name);
        if (value != NULL) {
            draft_set(d, str_of(settings[i].name), str_of(value), "environment",
                      faults);
        }
    }
}

bool config_is_variable(struct str name)
{
    static const struct str prefix = { "POSTHORN_", 9 };
    char setting[64];
    size_t n = name.n_bytes - prefix.n_bytes;

    if (!str_starts(name, prefix) || n >= sizeof(setting))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name.at[prefix.n_bytes + i];

        if (upper(c) != c) // a variable has no small letters
            return false;
        setting[i] = lower(c);
    }
    return setting_find((struct str){ setting, n }) >= 0;
}

// Settings left at their defaults follow those that were set.
static void draft_follow(struct draft *d)
{
    const char *reserve = d->values[setting_find(STR("admin_reserve_percent"))];

    for (size_t i = 0; i < n_config_follows; i++) {
        const struct config_follow *f = &config_follows[i];
        int at = setting_find(str_of(f->setting));
        int of = setting_find(str_of(f->of));
        char *text = NULL;

        assert(at >= 0 && of >= 0);
        if (strcmp(d->origins[at], "default") == 0)
            text = config_follow(f, d->values[at], d->values[of], reserve);
        if (text == NULL)
            continue;
        free(d->values[at]);
        d->values[at] = text;
        d->origins[at] = f->of;
    }
}

static void draft_read(struct draft *d, const struct config_sources *sources,
                       struct buf *faults)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        d->values[i] = xstrdup(settings[i].fallback);
        d->origins[i] = "default";
    }
    if (sources->file != NULL)
        read_file(d, sources, faults);
    if (!sources->no_environment)
        read_environment(d, faults);
    for (size_t i = 0; i < sources->n_sets; i++)
        read_pair(d, str_of(sources->sets[i]), "--set", faults);
    draft_follow(d);
}

static void draft_clear(struct draft *d)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        free(d->values[i]);
}

static void *field_at(struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static enum err read_cidrs(struct config *c, struct str text)
{
    return config_read_cidrs(text, c->endpoint_allow, CIDRS_MAX,
                             &c->n_endpoint_allow);
}

static enum err read_value(struct config *c, const struct setting *s,
                           const char *text)
{
    struct sockaddr_storage address;
    void *field = field_at(c, s);

    switch (s->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
        *(char **)field = xstrdup(text);
        return OK;
    case TYPE_ADDRESS:
        *(char **)field = xstrdup(text);
        return config_address(text, &address);
    case TYPE_COUNT:
        return config_read_count(str_of(text), s->min, s->max, field);
    case TYPE_BYTES:
        return config_read_bytes(str_of(text), s->min, s->max, field);
    case TYPE_DURATION:
        return config_read_duration(str_of(text), (int64_t)s->min,
                                    (int64_t)s->max, field);
    case TYPE_SCHEDULE:
        return config_read_schedule(str_of(text), (int64_t)s->max, field,
                                    &c->n_retries);
    case TYPE_CIDRS:
        return read_cidrs(c, str_of(text));
    case TYPE_PORTS:
        return config_read_ports(str_of(text), c->endpoint_ports,
                                 PORT_RANGES_MAX, &c->n_endpoint_ports);
    case TYPE_BOOL:
        return config_read_bool(str_of(text), field);
    }
    return ERR_INVALID;
}

enum err config_load(const struct config_sources *sources, struct config *out,
                     struct buf *faults)
{
    struct draft d;
    size_t n_before = faults->n_bytes;

    memset(out, 0, sizeof(*out));
    draft_read(&d, sources, faults);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        enum err err = read_value(out, &settings[i], d.values[i]);

        if (err == OK)
            continue;
        buf_printf(faults, "%s: %s (from %s) is not allowed; allowed: ",
                   settings[i].name, log_quote(str_of(d.values[i])),
                   d.origins[i]);
        put_range(&settings[i], faults);
        buf_putc(faults, '\n');
    }
    draft_clear(&d);
    if (faults->n_bytes == n_before)
        config_check(out, faults);
    return faults->n_bytes > n_before ? ERR_INVALID : OK;
}

static void swap(void *a, void *b, size_t n_bytes)
{
    uint8_t kept[sizeof(uint64_t)];

    assert(n_bytes <= sizeof(kept));
    memcpy(kept, a, n_bytes);
    memcpy(a, b, n_bytes);
    memcpy(b, kept, n_bytes);
}

void config_keep_fixed(struct config *fresh, struct config *old)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];

        if (s->reloadable)
            continue;
        switch (s->type) {
        case TYPE_TEXT:
        case TYPE_PATH:
        case TYPE_ADDRESS:
            swap(field_at(fresh, s), field_at(old, s), sizeof(char *));
            break;
        case TYPE_COUNT:
        case TYPE_BYTES:
        case TYPE_DURATION:
            swap(field_at(fresh, s), field_at(old, s), sizeof(uint64_t));
            break;
        case TYPE_SCHEDULE:
        case TYPE_CIDRS:
        case TYPE_PORTS:
        case TYPE_BOOL:
            assert(false); // all of these can be reloaded
        }
    }
}

void config_clear(struct config *c)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];

        if (s->type == TYPE_TEXT || s->type == TYPE_PATH ||
            s->type == TYPE_ADDRESS)
            free(*(char **)field_at(c, s));
    }
    memset(c, 0, sizeof(*c));
}

void config_describe(const struct config_sources *sources, struct buf *out)
{
    struct buf faults;
    struct draft d;

    buf_init(&faults, 0);
    draft_read(&d, sources, &faults);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        buf_printf(out, "%s = %s  # from %s; ", settings[i].name, d.values[i],
                   d.origins[i]);
        put_range(&settings[i], out);
        buf_printf(out, "; %s%s\n", settings[i].help,
                   settings[i].reloadable ? "" : " Needs a restart.");
    }
    draft_clear(&d);
    buf_clear(&faults);
}
