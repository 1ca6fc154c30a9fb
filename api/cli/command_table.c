// SPDX-License-Identifier: MIT
// command_table.c — the commands of `posthorn`, and everything that help, the manual
// page and shell completion say of them.

#include "api/cli/command_table.h"

#include "api/cli/core/commands.h"

// clang-format off
static const struct opt at_engine[] = {
    { "api", "URL", "address of the API; default: of the engine that --data-dir or "
      "--config names, else POSTHORN_API, else from the settings", NULL },
    { "ingest", "URL", "address of event intake; default: found like that of the "
      "API, with POSTHORN_INGEST", NULL },
    { "token", "TOKEN", "API token; default: admin.token in the directory that "
      "--data-dir or --config names, else POSTHORN_TOKEN, else from the settings",
      NULL },
    { "data-dir", "DIR", "data directory of the engine; it contains the addresses "
      "of the engine", "DIR" },
    { "config", "FILE", "settings of the engine; default: "
      "/etc/posthorn/posthorn.conf if it exists", "FILE" },
    { "proxy", "URL", "HTTP proxy on the way to the engine; default: none, "
      "http_proxy and similar variables are ignored", NULL },
    { "ca", "FILE", "PEM file of authorities to trust for https addresses; default: "
      "POSTHORN_CA, else the system's; an engine that is found through its directory "
      "is known by its key", "FILE" },
    { "cert", "FILE", "PEM file with a certificate, for an engine that wants one of its "
      "clients; default: POSTHORN_CERT", "FILE" },
    { "cert-key", "FILE", "PEM file with the key of --cert; default: "
      "POSTHORN_CERT_KEY", "FILE" },
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
      "events about all organizations; needs the admin token", NULL },
    { "hook", "NAME", "webhook", NULL },
    { NULL, NULL, NULL, NULL },
};

#define STATES "delivered retrying dead cancelled"
#define ERRORS "dns connect tls timeout reset protocol status blocked gone none"

static const struct opt state_filter[] = {
    { "state", "STATES", "states of deliveries, separated by commas: delivered, "
      "retrying, dead, cancelled", STATES },
    { NULL, NULL, NULL, NULL },
};

static const struct opt filter[] = {
    { "error", "CLASSES", "classes of errors, separated by commas: dns, connect, "
      "tls, timeout, reset, protocol, status, blocked, gone, none", ERRORS },
    { "kind", "KINDS", "kinds of events, separated by commas", NULL },
    { "code", "CODE", "status code of the response; 0: no response", NULL },
    { "since", "TIME", "attempts that started at this time or later: yesterday, "
      "24h (ago), 2026-11-24, 2026-11-24T10:15:00Z or unix seconds; days are in UTC",
      "yesterday today 1h 24h 7d" },
    { "until", "TIME", "attempts that started before this time, in a form that "
      "--since takes", NULL },
    { "id", "ID", "id of an event", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt version_options[] = {
    { "json", NULL, "print JSON", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt serve_options[] = {
    { "config", "FILE", "settings", "FILE" },
    { "set", "NAME=VALUE", "sets a setting; may be repeated", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt send_options[] = {
    { "org", "NAME", "organization", NULL },
    { "kind", "KIND", "kind of one event", NULL },
    { "payload", "JSON", "payload of the event; default: {}", NULL },
    { "payload-file", "FILE", "file with the payload of the event; - is standard "
      "input", "FILE" },
    { "id", "UUID", "id of the event; an id that is posted again within 24 h is "
      "stored once", NULL },
    { "file", "FILE", "file of events, one JSON object per line, as event intake "
      "takes them; - is standard input", "FILE" },
    { "akinon", NULL, "post an event of Akinon App Maker", NULL },
    { "project", "ID", "id of the project, with --akinon", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt signing_key_options[] = {
    { "org", "NAME", "organization", NULL },
    { "akinon", NULL, "--org is an id of Akinon App Maker", NULL },
    { "key-file", "FILE", "for create: file with the private key, whsk_...; - is standard "
      "input; default: one is made", "FILE" },
    { "end-overlap", NULL, "for create: replaced keys stop signing at once", NULL },
    { NULL, NULL, NULL, NULL },
};
static const struct opt hook_fields[] = {
    { "name", "NAME", "name of a new webhook; default: generated", NULL },
    { "display-name", "TEXT", "name that people see", NULL },
    { "url", "URL", "URL that deliveries are sent to", NULL },
    { "format", "FORMAT", "format of request bodies",
      "raw slack ms_teams pulumi_deployments cloudevents" },
    { "filters", "A,B", "kinds of events that the webhook gets, such as order.*",
      NULL },
    { "groups", "A,B", "groups of kinds that the webhook gets",
      "stacks deployments policies environments change_requests" },
    { "active", "yes|no", "whether the webhook gets events", "yes no" },
    { "paused", "yes|no", "whether deliveries wait, as after pause", "yes no" },
    { "handshake", "yes|no", "whether nothing is sent before the receiver has allowed it "
      "(CloudEvents); needs the setting webhook_origin", "yes no" },
    { "secret-file", "FILE", "file with the secret that signs deliveries; - is "
      "standard input", "FILE" },
    { "end-secret-overlap", "yes", "for update: replaced secrets and signing keys "
      "stop signing at once", "yes" },
    { "signing-key", "WHICH", "key that signs as v1a: none, own (made if there is none), "
      "new (another of its own), or organization (its organization's)",
      "none own new organization" },
    { "signing-key-file", "FILE", "file with a private key of its own, whsk_...; - is "
      "standard input", "FILE" },
    { "header", "NAME: VALUE", "extra request header; may be repeated", NULL },
    { "secret-headers", "A,B", "names of extra headers whose values are never "
      "shown, besides Authorization, Cookie and similar ones", NULL },
    { "retry-schedule", "5s,1m", "waits between attempts", NULL },
    { "timeout", "DURATION", "time limit of an attempt", NULL },
    { "max-in-flight", "N", "maximum number of attempts in flight", NULL },
    { "rate", "N[:BURST]", "maximum attempts per second", NULL },
    { "ordered", "yes|no", "whether deliveries are sent one after the other, in "
      "order", "yes no" },
    { "order-key", "PATH", "field of the payload; with ordered, deliveries are in "
      "order for each of its values", NULL },
    { "header-case", "lower", "names of headers in lower case over HTTP/1.1, too; "
      "for gateways that look for them so", "lower" },
    { "trace-context", "yes|no", "whether requests have the headers traceparent "
      "and tracestate", "yes no" },
    { "pattern", "JSON|@FILE", "what events must be besides, as a pattern of AWS "
      "EventBridge: {\"payload\":{\"total\":[{\"numeric\":[\">\",100]}]}}", NULL },
    { "client-certificate", "FILE", "PEM file with a client certificate for the "
      "receiver", "FILE" },
    { "client-key", "FILE", "PEM file with the key of the client certificate", "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt hook_list_options[] = {
    { "all", NULL, "for list: the webhooks of all places of the organization, with "
      "their state", NULL },
    { "state", "STATES", "with --all: states, separated by commas: ok, waiting, paused, "
      "awaiting, refused, blocked, failing, open, probing, inactive, disabled, unknown",
      "ok waiting paused awaiting refused blocked failing open probing inactive disabled unknown" },
    { "text", "TEXT", "with --all: text in a name, a place or a URL", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt deliveries_options[] = {
    { "limit", "N", "maximum number of rows; default: 100", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt event_options[] = {
    { "unmatched", NULL, "only events that no webhook wanted", NULL },
    { "kind", "KINDS", "kinds of events, separated by commas", NULL },
    { "since", "TIME", "events that were accepted at this time or later, in a form that "
      "`posthorn deliveries` takes", "yesterday today 1h 24h 7d" },
    { "until", "TIME", "events that were accepted before this time", NULL },
    { "limit", "N", "maximum number of rows; default: 100", NULL },
    { "yes", NULL, "erase-payload: do not ask for the organization's name", NULL },
    { "no-wait", NULL, "erase-payload: do not wait until it is erased everywhere", NULL },
    { "org", "NAME", "organization", NULL },
    { "project", "NAME", "project of a stack or environment", NULL },
    { "stack", "NAME", "stack", NULL },
    { "environment", "NAME", "environment", NULL },
    { "akinon", NULL, "--org and --project are ids of Akinon App Maker", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt replay_options[] = {
    { "rate", "N", "attempts per second; default: the setting replay_rate",
      NULL },
    { "dry-run", NULL, "only count the deliveries", NULL },
    { "unmatched", NULL, "send events that the webhook never got; needs --since",
      NULL },
    { "no-wait", NULL, "do not wait until the replay has ended", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt dead_options[] = {
    { "dry-run", NULL, "only count the deliveries", NULL },
    { "limit", "N", "maximum number of dead letters; default: all", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt tail_options[] = {
    { "count", "N", "end after this many attempts", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt stats_options[] = {
    { "window", "WINDOW", "1h, 24h or 7d; default: all three, with --series 1h",
      "1h 24h 7d" },
    { "series", NULL, "print the window in slots of five minutes or, if it is longer "
      "than an hour, of an hour", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt explain_options[] = {
    { "event", "FILE", "file with an event as it would be posted; - is standard "
      "input", "FILE" },
    { "id", "ID", "id of an event that was accepted", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt dashboard_options[] = {
    { "org", "NAME", "organization that the session sees", NULL },
    { "scopes", "A,B", "what the session may do, separated by commas: read, write; "
      "default: what the token may", "read write" },
    { "ttl", "DURATION", "how long the session lasts: 1m to 12h, and to 30d with "
      "--scopes read; default: 12h", NULL },
    { "open", NULL, "also open the link in the browser, with xdg-open", NULL },
    { NULL, NULL, NULL, NULL },
};
static const struct opt token_options[] = {
    { "org", "NAME", "organization", NULL },
    { "operator", NULL, "instead of --org: admin tokens, which allow what the one in "
      "admin.token allows", NULL },
    { "scopes", "A,B", "create: what the token allows, separated by commas: ingest, read, "
      "write; admin with --operator", "ingest read write" },
    { "name", "LABEL", "create: what the token is for", NULL },
    { "expires", "DURATION", "create, rotate: how long the new token is valid; default: for "
      "ever, or as long as the one before", NULL },
    { "overlap", "DURATION", "rotate: how long the old token stays valid: 0s to 30d; "
      "default: 24h", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt status_options[] = {
    { "org", "NAME", "show the backlog of this organization and how much of its "
      "quota it fills", NULL },
    { "akinon", NULL, "--org is an id of Akinon App Maker", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt verify_options[] = {
    { "data-dir", "DIR", "data directory; default: from the settings", "DIR" },
    { "config", "FILE", "settings; default: /etc/posthorn/posthorn.conf if it "
      "exists", "FILE" },
    { "json", NULL, "print JSON", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt data_options[] = {
    { "data-dir", "DIR", "data directory; default: from the settings", "DIR" },
    { "config", "FILE", "settings; default: /etc/posthorn/posthorn.conf if it "
      "exists", "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt cluster_options[] = {
    { "json", NULL, "print JSON instead of tables", NULL },
    { "wait", "SECONDS", "for drain and leave: how long to wait for another lead; "
      "default: 60", NULL },
    { "force", NULL, "for drain: also if no other node can lead; for leave: also if the "
      "node does not answer", NULL },
    { "set", "NAME=VALUE", "sets a setting; may be repeated", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt kind_options[] = {
    { "org", "NAME", "organization", NULL },
    { "akinon", NULL, "--org is an id of Akinon App Maker", NULL },
    { "description", "TEXT", "set: what it means that such an event happens", NULL },
    { "example", "FILE", "set: JSON file with a payload of such an event", "FILE" },
    { "schema", "FILE", "set: JSON file with a JSON Schema of the payload, which is shown "
      "and not enforced", "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt org_options[] = {
    { "dry-run", NULL, "count what would be erased, and erase nothing", NULL },
    { "yes", NULL, "do not ask for the organization's name", NULL },
    { "no-wait", NULL, "do not wait until everything is erased", NULL },
    { "output", "FILE", "export: file to write; default: standard output", "FILE" },
    { "delivered", "DURATION", "retention: how long delivered attempts are kept", NULL },
    { "dead", "DURATION", "retention: how long other attempts and dead letters are kept",
      NULL },
    { "clear", NULL, "retention: the settings apply again", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt compact_options[] = {
    { "json", NULL, "print JSON instead of a table", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt backup_options[] = {
    { "without-keys", NULL, "leave out secret.key, which the secrets of webhooks "
      "need, and admin.token", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt repair_options[] = {
    { "to", "DIR", "the new directory, which must not exist", "DIR" },
    { "json", NULL, "print JSON", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt export_options[] = {
    { "org", "NAME", "only webhooks of this organization", NULL },
    { "with-secrets", NULL, "write secrets in clear text", NULL },
    { "output", "FILE", "file to write; default: standard output", "FILE" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt import_options[] = {
    { "on-conflict", "WHAT", "what to do if a webhook of that name exists: fail, "
      "skip or update; default: fail", "fail skip update" },
    { NULL, NULL, NULL, NULL },
};

static const struct opt bench_options[] = {
    { "target", "URL", "receiver to send to; default: through the engine to a "
      "receiver of this command", NULL },
    { "rate", "N", "events per second, whether responses arrive or not; "
      "default: 100", NULL },
    { "concurrency", "N", "instead of a rate: number of events at once, each sent "
      "after the previous response", NULL },
    { "duration", "SECONDS", "duration of the run; default: 10, at most 3600", NULL },
    { "count", "N", "maximum number of events", NULL },
    { "payload-bytes", "N", "size of a payload; default: 1024", NULL },
    { "fan-out", "N", "number of webhooks that get each event; default: 1", NULL },
    { "org", "NAME", "organization of the webhooks; default: generated", NULL },
    { "listen", "ADDR:PORT", "address of this command's receiver; default: "
      "127.0.0.1 and any free port", NULL },
    { "html", "FILE", "write a page with charts to this file", "FILE" },
    { "output", "FILE", "write the result as JSON to this file, for --compare",
      "FILE" },
    { "compare", "FILE", "file of an earlier result to compare with", "FILE" },
    { "with", "FILE", "with --compare: file of a result to use instead of a run",
      "FILE" },
    { "allow-remote", NULL, "allow hosts other than this machine", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt config_options[] = {
    { "check", "FILE", "check only this file", "FILE" },
    { "config", "FILE", "settings", "FILE" },
    { "set", "NAME=VALUE", "sets a setting; may be repeated", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct opt sink_options[] = {
    { "listen", "ADDR:PORT", "address to listen at", NULL },
    { "secret", "SECRET", "secret, or public key (whpk_...), to check signatures with", NULL },
    { "status", "CODE", "status code of responses; default: 200", NULL },
    { "delay-ms", "N", "delay before each response", NULL },
    { "quiet", NULL, "print nothing", NULL },
    { NULL, NULL, NULL, NULL },
};

static const struct command commands[] = {
    { "serve", NULL, NULL, 0, 0, NULL, "run the engine in the foreground",
      "Logs go to stderr. SIGTERM ends the engine once the attempts in flight have "
      "ended; SIGHUP makes it read its settings again. `posthorn config` prints "
      "every setting.",
      "posthorn serve --set data_dir=/var/lib/posthorn", { serve_options } },
    { "send", command_send, NULL, 0, 0, NULL, "post events",
      "Prints the event's id. With --file, events are posted in batches, each of which is stored "
      "as a whole or not at all; a command that is stopped prints how many events were stored.",
      "posthorn send --org acme --kind order.created --payload '{\"n\": 1}'",
      { send_options, at_engine } },
    { "hook", command_hook,
      "create|list|get|update|pause|resume|delete|ping|status", 1, 1,
      "create list get update pause resume delete ping status",
      "create, show, change and delete webhooks",
      "The value none removes a field; a FILE may be - for standard input. With --akinon, "
      "--filters are names of events. After pause, deliveries wait and only pings and "
      "redeliveries are sent; resume sends the waiting deliveries in the order in which they are "
      "due.",
      "posthorn hook create --org acme --display-name all --url "
      "https://example.com/in", { hook_fields, hook_list_options, scope, at_engine } },
    { "deliveries", command_deliveries, NULL, 0, 0, NULL,
      "show the history of a webhook or an organization",
      "Prints one row per attempt, newest first. With --state, prints one row per delivery that "
      "is in this state now, with its newest attempt: --state dead lists the dead letters. "
      "Without --hook, shows all webhooks of the organization.",
      "posthorn deliveries --org acme --state dead --since 2026-11-20T00:00:00Z",
      { deliveries_options, state_filter, filter, scope, at_engine } },
    { "events", command_events, "[list|erase-payload] [EVENT]", 0, 2, "list erase-payload",
      "show which events were accepted, or erase the payload of one",
      "Prints one row per event, newest first. MATCHED is the number of webhooks that wanted the "
      "event when it came; - if that is not known: a dispatcher has not come to it yet, or an "
      "earlier version did. `posthorn explain --id` says why a webhook did not want it. "
      "erase-payload asks for the organization's name, erases the payload of the event of this "
      "id, in its history the headers, bodies and answers of its requests, too, and waits until "
      "nothing of it is left; deliveries that wait are cancelled when their turn comes. The "
      "engine goes on with it if the command is stopped, and through restarts. Afterwards "
      "`posthorn compact`, with the engine stopped, takes it out of the files. Backups keep it.",
      "posthorn events --org acme --unmatched --since 24h",
      { event_options, at_engine } },
    { "redeliver", command_redeliver, "EVENT", 1, 1, NULL,
      "send one event to a webhook again at once",
      "Waits for the response and prints it.",
      "posthorn redeliver --org acme --hook audit "
      "0190a5b8-1111-7222-8333-444455556666", { scope, at_engine } },
    { "replay", command_replay, "[start|list|show|watch|cancel] [REPLAY]", 0, 2,
      "start list show watch cancel", "send many deliveries again",
      "Sends dead letters, or with --state or --id the deliveries that these choose; other "
      "filters choose among them, as in `posthorn deliveries`. Each gets one attempt, after live "
      "deliveries; one that fails is retried by the retry schedule. A replay continues when the "
      "engine is restarted or this command ends. Without --hook, sends to all webhooks of the "
      "organization.",
      "posthorn replay --org acme --hook audit --error timeout,connect",
      { replay_options, state_filter, filter, scope, at_engine } },
    { "dead", command_dead, "discard", 1, 1, "discard", "discard dead letters",
      "Cancels dead letters: without filters all of them, with filters those that `posthorn "
      "deliveries --state dead` shows with the same filters. Dead letters that are just being "
      "sent again are kept. A discarded delivery can be sent again by its id as long as its "
      "payload exists. Without --hook, discards dead letters of all webhooks of the "
      "organization, or with --akinon of the project if one is given.",
      "posthorn dead discard --org acme --hook audit --code 410 --dry-run",
      { dead_options, filter, scope, at_engine } },
    { "tail", command_tail, NULL, 0, 0, NULL, "follow deliveries as they happen",
      "Prints one line per attempt. After a broken connection it continues where "
      "it was.",
      "posthorn tail --org acme --state retrying,dead",
      { tail_options, state_filter, filter, scope, at_engine } },
    { "explain", command_explain, NULL, 0, 0, NULL,
      "show which webhooks get an event, and why others do not",
      "With --event, also shows the requests that would be sent, signed for the current time: "
      "those of the first five webhooks, or of --hook.",
      "posthorn explain --org acme --event event.json --hook audit",
      { explain_options, scope, at_engine } },
    { "status", command_status, NULL, 0, 0, NULL, "show the status of the engine",
      "Shows processes, backlog, and organizations near their quota. Exit status 1 "
      "if the engine is not ready.",
      "posthorn status", { status_options, at_engine } },
    { "stats", command_stats, NULL, 0, 0, NULL,
      "show outcomes and latency of a webhook or an organization",
      "Covers the last hour, day and week. The figures are at most 5 seconds old.",
      "posthorn stats --org acme --window 24h",
      { stats_options, scope, at_engine } },
    { "bench", command_bench, NULL, 0, 0, NULL, "measure delivery latency",
      "Sends events at a rate, through the engine or straight to a receiver, and shows "
      "percentiles by phase. With a rate, latency is measured from the time at which an event "
      "was due, so that a stall counts for all events that were due meanwhile. Webhooks that the "
      "command makes are deleted at its end. Hosts other than this machine need --allow-remote.",
      "posthorn bench --rate 500 --duration 30 --html bench.html",
      { bench_options, at_engine } },
    { "token", command_token, "create|list|rotate|revoke [ID]", 1, 2,
      "create list rotate revoke", "create, list, replace and revoke tokens",
      "A new token is printed on stdout and cannot be shown again. rotate makes a new one with "
      "the name and scopes of the old one, which stays valid for the overlap. With "
      "--operator they are admin tokens: each has a name, and may expire.",
      "posthorn token create --org acme --scopes ingest --name \"order service\"",
      { token_options, at_engine } },
    { "signing-key", command_signing_key, "create|list", 1, 1, "create list",
      "create and list the keys that an organization signs with",
      "They sign the requests of webhooks with signing key \"organization\", as v1a. create "
      "replaces the present key, which signs on for the setting secret_overlap.",
      "posthorn signing-key create --org acme",
      { signing_key_options, at_engine } },
    { "kind", command_kind, "list|get|set|remove [KIND]", 1, 2, "list get set remove",
      "describe the kinds of an organization's own events",
      "The catalogue is for people: whoever makes a webhook sees there which kinds there are, "
      "what they mean, and what a payload looks like. set replaces what was said before.",
      "posthorn kind set order.created --org acme --description \"An order was placed\"",
      { kind_options, at_engine } },
    { "org", command_org, "list|export|retention|erase [NAME]", 1, 2,
      "list export retention erase",
      "list, export or erase organizations, set how long one is kept",
      "export writes lines of JSON: webhooks without their secrets, tokens without what they "
      "are, stacks, environments, kinds, events, attempts. The last line has the type end and "
      "counts the others; an export without it is not complete. retention shows or sets how long "
      "an organization's history, dead letters and events are kept: at most as long as the "
      "settings retention_delivered and retention_dead say. erase counts what there is, asks for "
      "the organization's name, and waits until all is erased: webhooks, tokens, deliveries, "
      "history, events, names. The engine goes on with it if the command is stopped, and through "
      "restarts. All but export need the admin token; export needs one that may read. After "
      "erase, `posthorn compact`, with the engine stopped, takes what was removed out of the "
      "files.",
      "posthorn org erase acme --dry-run", { org_options, at_engine } },
    { "dashboard", command_dashboard, NULL, 0, 0, NULL,
      "print a link that logs a browser in to the dashboard",
      "The link serves once, within a minute. Without --org it is the token's own: "
      "with the admin token, of all organizations. The session ends when the token "
      "is revoked, and allows no more than the token.",
      "posthorn dashboard --org acme --scopes read --ttl 30d",
      { dashboard_options, at_engine } },
    { "verify", command_verify, "[PATH]", 0, 1, NULL,
      "check a data directory, a backup or an export",
      "Reads everything in a data directory or backup, also while an engine runs "
      "on it, and prints the balance: accepted, matched, delivered, dead, cancelled, "
      "pending. Exit status 1 if the balance does not add up or a record is damaged.",
      "posthorn verify /backup/posthorn", { verify_options } },
    { "backup", command_backup, "DIR", 1, 1, NULL,
      "copy a data directory, also while an engine runs on it",
      "Copies what was committed at one moment. DIR must not exist; it appears when the backup "
      "is complete, and is itself a data directory. Damaged records go to DIR/damaged.jsonl.",
      "posthorn backup /backup/posthorn-2026-11-21",
      { backup_options, data_options } },
    { "restore", command_restore, "DIR", 1, 1, NULL,
      "make a data directory from a backup",
      "Verifies the backup first. --data-dir must not exist or be empty; an empty directory "
      "keeps its owner and mode, also if it is a mount point or named by a symbolic link. A new "
      "directory belongs to the account in the setting user, else to the owner of the directory "
      "above, else to the account posthorn.",
      "posthorn restore /backup/posthorn-2026-11-21 --data-dir "
      "/var/lib/posthorn", { data_options } },
    { "repair", command_repair, NULL, 0, 0, NULL,
      "make a new data directory from what can be read of a damaged one",
      "The engine must not be running. Reads page by page, whatever is damaged, exchanged, cut "
      "off or missing, even a directory combined from several; changes nothing there. Reports "
      "what cannot be read: pages by a sentence, tables by counts, records in damaged.jsonl of "
      "the new directory. Deliveries of lost events count as cancelled.",
      "posthorn repair --data-dir /var/lib/posthorn --to /var/lib/posthorn-new",
      { repair_options, data_options } },
    { "export", command_export, NULL, 0, 0, NULL,
      "write webhooks as JSON lines",
      "Reads the data directory, also while an engine runs on it. Writes one line "
      "per webhook: the path of its API and its fields.",
      "posthorn export --with-secrets --output hooks.jsonl",
      { export_options, data_options } },
    { "import", command_import, "FILE", 1, 1, NULL,
      "create webhooks from JSON lines",
      "Creates all webhooks or none: after a fault or Ctrl-C, those already "
      "created are deleted again. FILE may be - for standard input.",
      "posthorn import hooks.jsonl --on-conflict skip",
      { import_options, at_engine } },
    { "config", command_config, NULL, 0, 0, NULL,
      "print every setting, or check a file",
      "A setting comes from its default, the file, the environment (POSTHORN_NAME) "
      "or --set; later ones override earlier ones. Exit status 1 if there are faults.",
      "posthorn config --check /etc/posthorn.conf", { config_options } },
    { "rekey", command_rekey, NULL, 0, 0, NULL,
      "encrypt the webhooks' secrets with a new key",
      "The engine must not be running. Makes a new key, encrypts every secret "
      "and the keys in payload_keys_dir with it, and removes the old key from secret_key_file. If the command is "
      "interrupted, run it again to finish.",
      "posthorn rekey --data-dir /var/lib/posthorn", { data_options } },
    { "compact", command_compact, NULL, 0, 0, NULL,
      "write the data directory anew, without what was removed",
      "The engine must not be running. Removed records leave their bytes in the files "
      "until their room is used again; afterwards nothing of them is left, and the files "
      "are as small as they can be. Needs free disk space for the largest environment. "
      "If the command is interrupted, nothing is lost; run it again.",
      "posthorn compact --data-dir /var/lib/posthorn",
      { compact_options, data_options } },
    { "cluster", command_cluster, "status|drain|join|leave|import|detach [NODE]", 1, 2,
      "status drain join leave import detach",
      "show the nodes of a cluster, and change which of them lead",
      "Reads the settings of a node: which cluster, and its keys. status shows the nodes, and "
      "how far the copies of each are; exit status 1 if a node is gone or does not answer, or "
      "none leads. drain makes a node hand over the lead, and not take it again; join lets it "
      "lead again. leave drains a node and removes it from the list; one that is gone is only "
      "removed. import makes a cluster of the data directory, with which no engine may run; "
      "detach makes a node's copy a data directory of its own, which starts without the cluster.",
      "posthorn cluster drain n1", { cluster_options, data_options } },
    { "sink", command_sink, NULL, 0, 0, NULL,
      "run a receiver for trying things out",
      "Prints one JSON line per request: time, method, path, headers, body, and "
      "signature, which is valid, invalid or absent. Without --secret, a signature "
      "cannot be checked and is shown as invalid. SIGINT or SIGTERM ends the "
      "receiver.",
      "posthorn sink --listen 127.0.0.1:9000 --secret s3cret",
      { sink_options } },
    { "completion", command_completion, "bash|zsh|fish", 1, 1, "bash zsh fish",
      "print completion for a shell", NULL,
      "source <(posthorn completion bash)", { NULL } },
    { "man", command_man, NULL, 0, 0, NULL, "print the manual page",
      "Prints troff source.", "posthorn man | man -l -", { NULL } },
    { "version", command_version, NULL, 0, 0, NULL, "print the version",
      "With --json also how the program was built: type of build, system, compiler, and "
      "the versions of the libraries that it was built with.",
      "posthorn version --json", { version_options } },
    { "help", command_list, "[COMMAND]", 0, 1, NULL, "print help", NULL, NULL,
      { NULL } },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, { NULL } },
};

static const struct command_group groups[] = {
    { "The engine", { "serve", "status", "dashboard", "config", "cluster", "bench", NULL } },
    { "Events", { "send", "events", "explain", "sink", NULL } },
    { "Webhooks", { "hook", "export", "import", NULL } },
    { "Deliveries", { "deliveries", "tail", "stats", "redeliver", "replay", "dead",
      NULL } },
    { "Keys and tokens", { "token", "signing-key", "rekey", NULL } },
    { "Organizations", { "org", "kind", NULL } },
    { "Data", { "verify", "compact", "backup", "restore", "repair", NULL } },
    { "Help", { "help", "man", "completion", "version", NULL } },
    { NULL, { NULL } },
};
// clang-format on

const struct command_table command_table = { commands, groups };
