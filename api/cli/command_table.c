// SPDX-License-Identifier: MIT
// command_table.c — the commands of `posthorn`, and everything that help, the manual
// page and shell completion say of them.

#include "api/cli/command_table.h"

#include "api/cli/core/commands.h"

// clang-format off
static const struct opt at_engine[] = {
    { "api", "URL", "address of the API; else of the engine that --data-dir or "
      "--config means, else POSTHORN_API, else as the settings say", NULL },
    { "ingest", "URL", "address of the intake; found as that of the API, with "
      "POSTHORN_INGEST", NULL },
    { "token", "TOKEN", "else the admin.token in the directory that --data-dir or "
      "--config names, else POSTHORN_TOKEN, else as the settings say", NULL },
    { "data-dir", "DIR", "data directory of the engine that is meant; it says "
      "where that is reached", "DIR" },
    { "config", "FILE", "settings of the engine that is meant; else "
      "/etc/posthorn/posthorn.conf if it is there", "FILE" },
    { "proxy", "URL", "an HTTP proxy between here and the engine; else none, "
      "whatever http_proxy and its like say", NULL },
    { "json", NULL, "print JSON instead of tables", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt scope[] = {
    { "org", "NAME", "organization", NULL },
    { "project", "NAME", "project of a stack or environment", NULL },
    { "stack", "NAME", "stack", NULL },
    { "environment", "NAME", "environment", NULL },
    { "akinon", NULL, "--org and --project are ids of Akinon App Maker", NULL },
    { "operator", NULL, "instead of --org: webhooks that get the engine's own "
      "events of all organizations; needs the admin token", NULL },
    { "hook", "NAME", "webhook", NULL },
    { NULL, NULL, NULL, NULL },
};

#define STATES "delivered retrying dead cancelled"
#define ERRORS "dns connect tls timeout reset protocol status blocked gone none"

static const struct opt state_filter[] = {
    { "state", "STATES", "delivered, retrying, dead, cancelled; several with "
      "commas", STATES },
    { NULL, NULL, NULL, NULL },
};

static const struct opt filter[] = {
    { "error", "CLASSES", "dns, connect, tls, timeout, reset, protocol, status, "
      "blocked, gone, none", ERRORS },
    { "kind", "KINDS", "kinds of events, with commas", NULL },
    { "code", "CODE", "status code of the response; 0: there was none", NULL },
    { "since", "TIME", "attempts that started then or later: yesterday, 24h (ago), "
      "2026-11-24, 2026-11-24T10:15:00Z or unix seconds; days are those of UTC",
      "yesterday today 1h 24h 7d" },
    { "until", "TIME", "attempts that started before", NULL },
    { "id", "ID", "id of an event", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt serve_options[] = {
    { "config", "FILE", "settings", "FILE" },
    { "set", "NAME=VALUE", "a setting; again for more", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt send_options[] = {
    { "org", "NAME", "organization", NULL },
    { "kind", "KIND", "kind of one event", NULL },
    { "payload", "JSON", "its payload; else {}", NULL },
    { "payload-file", "FILE", "its payload; - is standard input", "FILE" },
    { "id", "UUID", "its id: posted again within 24 h, it is stored once", NULL },
    { "file", "FILE", "many events, one JSON object a line, as the intake takes "
      "them; - is standard input", "FILE" },
    { "akinon", NULL, "an event of Akinon App Maker", NULL },
    { "project", "ID", "with --akinon", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt hook_fields[] = {
    { "name", "NAME", "for create: else one is made up", NULL },
    { "display-name", "TEXT", "for people", NULL },
    { "url", "URL", "where deliveries go", NULL },
    { "format", "FORMAT", "of the body", "raw slack ms_teams pulumi_deployments" },
    { "filters", "A,B", "kinds of events, order.* too", NULL },
    { "groups", "A,B", "groups of kinds",
      "stacks deployments policies environments change_requests" },
    { "active", "yes|no", "whether it gets events", "yes no" },
    { "paused", "yes|no", "whether what it gets waits, as after pause", "yes no" },
    { "secret-file", "FILE", "what deliveries are signed with; - is standard "
      "input", "FILE" },
    { "end-secret-overlap", "yes", "for update: secrets that were replaced sign "
      "no more from now on", "yes" },
    { "header", "NAME: VALUE", "an extra request header; again for more", NULL },
    { "secret-headers", "A,B", "names of those whose values are masked when they "
      "are shown, besides Authorization, Cookie and their like", NULL },
    { "retry-schedule", "5s,1m", "waits between attempts", NULL },
    { "timeout", "DURATION", "of an attempt", NULL },
    { "max-in-flight", "N", "attempts at once", NULL },
    { "rate", "N[:BURST]", "attempts a second", NULL },
    { "ordered", "yes|no", "one after the other, in order", "yes no" },
    { "order-key", "PATH", "each value of this field has an order of its own",
      NULL },
    { "client-certificate", "FILE", "PEM, for receivers that want one", "FILE" },
    { "client-key", "FILE", "its key", "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt deliveries_options[] = {
    { "limit", "N", "rows at most; else 100", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt replay_options[] = {
    { "rate", "N", "attempts a second; else as the setting replay_rate says",
      NULL },
    { "dry-run", NULL, "count only", NULL },
    { "unmatched", NULL, "events that the webhook never got; needs --since",
      NULL },
    { "no-wait", NULL, "do not wait until it has ended", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt dead_options[] = {
    { "dry-run", NULL, "count only", NULL },
    { "limit", "N", "dead letters at most; else all", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt tail_options[] = {
    { "count", "N", "end after so many", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt stats_options[] = {
    { "window", "WINDOW", "1h, 24h or 7d; else all three", "1h 24h 7d" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt explain_options[] = {
    { "event", "FILE", "an event as it is posted; - is standard input", "FILE" },
    { "id", "ID", "an event that was accepted", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt token_options[] = {
    { "org", "NAME", "organization", NULL },
    { "scopes", "A,B", "ingest, read, write", "ingest read write" },
    { "name", "LABEL", "what it is for", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt status_options[] = {
    { "org", "NAME", "what waits for this organization, and how full that makes "
      "its quota", NULL },
    { "akinon", NULL, "--org is an id of Akinon App Maker", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt verify_options[] = {
    { "data-dir", "DIR", "else as the settings say", "DIR" },
    { "config", "FILE", "settings; else /etc/posthorn/posthorn.conf if it is there",
      "FILE" },
    { "json", NULL, "print JSON", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt data_options[] = {
    { "data-dir", "DIR", "else as the settings say", "DIR" },
    { "config", "FILE", "settings; else /etc/posthorn/posthorn.conf if it is there",
      "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt backup_options[] = {
    { "without-keys", NULL, "leave out secret.key and admin.token: secrets of "
      "webhooks need them", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt repair_options[] = {
    { "to", "DIR", "the new directory, which must not exist", "DIR" },
    { "json", NULL, "print JSON", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt export_options[] = {
    { "org", "NAME", "of this organization only", NULL },
    { "with-secrets", NULL, "secrets in clear text", NULL },
    { "output", "FILE", "else standard output", "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt import_options[] = {
    { "on-conflict", "WHAT", "with a webhook of that name: fail, skip or update; "
      "else fail", "fail skip update" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt bench_options[] = {
    { "target", "URL", "a receiver to send to; else events go through the "
      "engine, to a receiver of this command", NULL },
    { "rate", "N", "events a second, whether answers come or not; else 100",
      NULL },
    { "concurrency", "N", "instead of a rate: so many at once, each after its "
      "answer", NULL },
    { "duration", "SECONDS", "else 10; at most 3600", NULL },
    { "count", "N", "events at most", NULL },
    { "payload-bytes", "N", "else 1024", NULL },
    { "fan-out", "N", "webhooks that get each event; else 1", NULL },
    { "org", "NAME", "organization of the webhooks; else one is made up", NULL },
    { "listen", "ADDR:PORT", "of this command's receiver; else 127.0.0.1 and any "
      "port", NULL },
    { "html", "FILE", "a page with charts", "FILE" },
    { "output", "FILE", "the result as JSON, for --compare", "FILE" },
    { "compare", "FILE", "with an earlier result", "FILE" },
    { "with", "FILE", "with --compare: a result instead of a run", "FILE" },
    { "allow-remote", NULL, "hosts other than this machine too", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt config_options[] = {
    { "check", "FILE", "check this file alone", "FILE" },
    { "config", "FILE", "settings", "FILE" },
    { "set", "NAME=VALUE", "a setting; again for more", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt sink_options[] = {
    { "listen", "ADDR:PORT", "where to listen", NULL },
    { "secret", "SECRET", "what requests should be signed with", NULL },
    { "status", "CODE", "to answer; else 200", NULL },
    { "delay-ms", "N", "before the answer", NULL },
    { "quiet", NULL, "print nothing", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct command commands[] = {
    { "serve", NULL, NULL, 0, 0, NULL, "run the engine in the foreground",
      "Logs go to stderr. SIGTERM ends it after what is in flight, SIGHUP reads "
      "the settings again. `posthorn config` prints every setting.",
      "posthorn serve --set data_dir=/var/lib/posthorn", { serve_options } },
    { "send", command_send, NULL, 0, 0, NULL, "post events",
      "Prints the event's id. With --file, events go in batches that are stored "
      "whole or not at all; when it is stopped it says how many were.",
      "posthorn send --org acme --kind order.created --payload '{\"n\": 1}'",
      { send_options, at_engine } },
    { "hook", command_hook,
      "create|list|get|update|pause|resume|delete|ping|status", 1, 1,
      "create list get update pause resume delete ping status",
      "make, show, change and delete webhooks",
      "The value none takes a field away; a FILE may be - . With --akinon, "
      "--filters are events. After pause, what matches waits, and nothing is sent "
      "but pings and redeliveries; resume sends it, in the order in which it is "
      "due.",
      "posthorn hook create --org acme --display-name all --url "
      "https://example.com/in", { hook_fields, scope, at_engine } },
    { "deliveries", command_deliveries, NULL, 0, 0, NULL,
      "show the history of a webhook or an organization",
      "One row an attempt, newest first. --state is about what a delivery is "
      "now and shows each by its newest attempt: --state dead lists the dead "
      "letters. Without --hook, of all webhooks of the organization.",
      "posthorn deliveries --org acme --state dead --since 2026-11-20T00:00:00Z",
      { deliveries_options, state_filter, filter, scope, at_engine } },
    { "redeliver", command_redeliver, "EVENT", 1, 1, NULL,
      "send one event to a webhook once more, now",
      "Waits for the answer and shows it.",
      "posthorn redeliver --org acme --hook audit "
      "0190a5b8-1111-7222-8333-444455556666", { scope, at_engine } },
    { "replay", command_replay, "[start|list|show|watch|cancel] [REPLAY]", 0, 2,
      "start list show watch cancel", "send many deliveries once more",
      "Dead letters, unless filters say otherwise: those that `posthorn "
      "deliveries` shows with the same filters. Each gets an attempt, beside "
      "live deliveries and behind them; what fails is tried again by the "
      "schedule. A replay goes on when the engine starts again, and when nobody "
      "watches. Without --hook, of all webhooks of the organization.",
      "posthorn replay --org acme --hook audit --error timeout,connect",
      { replay_options, state_filter, filter, scope, at_engine } },
    { "dead", command_dead, "discard", 1, 1, "discard", "clear dead letters",
      "Settles dead letters as cancelled: all of them, unless filters say "
      "otherwise, those that `posthorn deliveries --state dead` shows with the "
      "same filters. What is just being sent again is left alone. A discarded "
      "delivery can be sent again, by its id, as long as its payload is there. "
      "Without --hook, of all webhooks of the organization, or, with --akinon, of "
      "the project.",
      "posthorn dead discard --org acme --hook audit --code 410 --dry-run",
      { dead_options, filter, scope, at_engine } },
    { "tail", command_tail, NULL, 0, 0, NULL, "follow deliveries as they happen",
      "One line an attempt. When the connection breaks it goes on where it was.",
      "posthorn tail --org acme --state retrying,dead",
      { tail_options, state_filter, filter, scope, at_engine } },
    { "explain", command_explain, NULL, 0, 0, NULL,
      "say which webhooks want an event, and why not",
      "With --event, also the requests that would be sent, signed as of now: those "
      "of the first five, or of --hook.",
      "posthorn explain --org acme --event event.json --hook audit",
      { explain_options, scope, at_engine } },
    { "status", command_status, NULL, 0, 0, NULL, "how the engine is",
      "Its processes, what waits, and which organizations are near their "
      "quota. Exit status 1 if it is not ready.",
      "posthorn status", { status_options, at_engine } },
    { "stats", command_stats, NULL, 0, 0, NULL,
      "outcomes and latency of a webhook or an organization",
      "Over the last hour, day and week; at most 5 seconds old.",
      "posthorn stats --org acme --window 24h",
      { stats_options, scope, at_engine } },
    { "bench", command_bench, NULL, 0, 0, NULL, "measure delivery latency",
      "Sends events at a rate, through the engine or straight to a receiver, and "
      "shows percentiles by phase. With a rate, latency counts from when an "
      "event was due, so that a stall is seen by all that was due meanwhile. "
      "Webhooks that it makes are deleted at its end. Hosts other than this "
      "machine only with --allow-remote.",
      "posthorn bench --rate 500 --duration 30 --html bench.html",
      { bench_options, at_engine } },
    { "token", command_token, "create|list|revoke [ID]", 1, 2,
      "create list revoke", "make, list and revoke tokens of an organization",
      "A new token is printed on stdout, this once.",
      "posthorn token create --org acme --scopes ingest --name \"order service\"",
      { token_options, at_engine } },
    { "verify", command_verify, "[PATH]", 0, 1, NULL,
      "check a data directory, a backup or an export",
      "Reads everything in a data directory or backup, also beside a running "
      "engine, and prints the balance: accepted, matched, delivered, dead, "
      "cancelled, pending. Exit status 1 if it does not add up or a record is "
      "damaged.",
      "posthorn verify /backup/posthorn", { verify_options } },
    { "backup", command_backup, "DIR", 1, 1, NULL,
      "copy a data directory, also beside a running engine",
      "Copies what was committed at one moment. DIR must not exist: it is there "
      "when the backup is complete, and is a data directory itself. Damaged "
      "records are set aside in DIR/damaged.jsonl.",
      "posthorn backup /backup/posthorn-2026-11-21",
      { backup_options, data_options } },
    { "restore", command_restore, "DIR", 1, 1, NULL,
      "make a data directory of a backup",
      "The backup is verified first. --data-dir must not exist or be empty; an "
      "empty directory keeps its owner and mode, a link stays, and a file system "
      "that is mounted there is filled. A new directory gets the owner of the "
      "setting user, else of the directory above, else the account posthorn.",
      "posthorn restore /backup/posthorn-2026-11-21 --data-dir "
      "/var/lib/posthorn", { data_options } },
    { "repair", command_repair, NULL, 0, 0, NULL,
      "make a data directory of everything that can be read of a damaged one",
      "For an engine that does not run. Reads page by page, whatever is damaged, "
      "exchanged, cut off or missing, also a directory put together of several; "
      "changes nothing there. What cannot be read is told: sentences for pages, "
      "counts for tables, records in damaged.jsonl of the new directory. "
      "Deliveries of events that are lost count as cancelled.",
      "posthorn repair --data-dir /var/lib/posthorn --to /var/lib/posthorn-new",
      { repair_options, data_options } },
    { "export", command_export, NULL, 0, 0, NULL,
      "write webhooks as JSON lines",
      "Reads the data directory, also beside a running engine. One line a "
      "webhook: where it is, and what it has.",
      "posthorn export --with-secrets --output hooks.jsonl",
      { export_options, data_options } },
    { "import", command_import, "FILE", 1, 1, NULL,
      "make webhooks of JSON lines",
      "All of them or none: those made before a fault, or before Ctrl-C, are "
      "deleted again. FILE may be - .",
      "posthorn import hooks.jsonl --on-conflict skip",
      { import_options, at_engine } },
    { "config", command_config, NULL, 0, 0, NULL,
      "print every setting, or check a file",
      "A setting comes from its default, the file, the environment "
      "(POSTHORN_NAME), or --set; the later wins. Exit status 1 if there are "
      "faults.",
      "posthorn config --check /etc/posthorn.conf", { config_options } },
    { "rekey", command_rekey, NULL, 0, 0, NULL,
      "seal the webhooks' secrets with a new key",
      "For an engine that does not run. Makes a new key, seals every secret with "
      "it, and removes the old key from secret_key_file. One that was stopped is "
      "finished by the next.",
      "posthorn rekey --data-dir /var/lib/posthorn", { data_options } },
    { "sink", command_sink, NULL, 0, 0, NULL,
      "a receiver to try things out with",
      "Prints one JSON line per request: time, method, path, headers, body, and "
      "signature: valid, invalid or absent. A signature that cannot be checked, "
      "for want of --secret, is invalid. SIGINT or SIGTERM ends it.",
      "posthorn sink --listen 127.0.0.1:9000 --secret s3cret",
      { sink_options } },
    { "completion", command_completion, "bash|zsh", 1, 1, "bash zsh",
      "print completion for a shell", NULL,
      "source <(posthorn completion bash)", { NULL } },
    { "man", command_man, NULL, 0, 0, NULL, "print the manual page",
      "As troff source.", "posthorn man | man -l -", { NULL } },
    { "version", command_version, NULL, 0, 0, NULL, "print the version", NULL,
      NULL, { NULL } },
    { "help", command_list, "[COMMAND]", 0, 1, NULL, "print help", NULL, NULL,
      { NULL } },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, { NULL } },
};

static const struct command_group groups[] = {
    { "The engine", { "serve", "status", "config", "bench", NULL } },
    { "Events", { "send", "explain", "sink", NULL } },
    { "Webhooks", { "hook", "export", "import", NULL } },
    { "Deliveries", { "deliveries", "tail", "stats", "redeliver", "replay", "dead",
      NULL } },
    { "Keys and tokens", { "token", "rekey", NULL } },
    { "Data", { "verify", "backup", "restore", "repair", NULL } },
    { "Help", { "help", "man", "completion", "version", NULL } },
    { NULL, { NULL } },
};
// clang-format on

const struct command_table command_table = { commands, groups };
