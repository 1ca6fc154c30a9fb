// SPDX-License-Identifier: MIT
// ingest.c — the ingest process: takes events in, appends them, answers.
//
// Happy path: headers are checked (route, token, type, size, room); the body is read,
// in slices if it has many events; its events are appended, all or none; after the
// commit the answer is 202 and the dispatchers get a hint. What arrives while a commit
// runs is the next batch.
//
// If it fails: a bad request is answered with what is wrong; with no room, the answer
// is 503 and Retry-After, and nothing is stored. If the log itself is broken, the
// process ends, and clients that wait see the connection close: they post again under
// the same id. If the disk does not answer, a post that waits gets 503 within five
// seconds, which says whether it may be stored all the same, and new posts get 503 at
// once.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/caps.h"
#include "common/encoding/json_writer.h"
#include "common/files/data_dir.h"
#include "common/http/authentication.h"
#include "common/http/http.h"
#include "common/log/log.h"
#include "common/messages/engine_event.h"
#include "common/model/akinon_names.h"
#include "common/process/cautious_clock.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/ingest/admission.h"
#include "engine/ingest/batches.h"
#include "engine/ingest/engine_event_writer.h"
#include "engine/ingest/erasing.h"
#include "engine/ingest/event_parser.h"
#include "engine/ingest/ingest_request.h"
#include "engine/ingest/patience.h"
#include "engine/ingest/stored_events.h"

#define RETRY_AFTER STR("Retry-After: 5\r\n")

// A post ends within five seconds, whatever the disk does.
#define WAIT_MAX_US  INT64_C(4500000)
#define DISK_HANG_US INT64_C(2000000) // a commit this long: no new posts

struct dispatcher_link {
    struct ingest *ingest;
    struct engine_event_link engine_events; // has the channel
};

struct ingest {
    struct role *role;
    const struct config *config; // borrowed from the role
    struct auth *auth;
    struct token_store *tokens;
    struct event_log *log;
    struct http_server *server;
    struct dispatcher_link dispatchers[QUEUE_SHARDS_MAX];
    struct admission admission;
    struct batches batches;      // being read
    struct patience patience;    // how long posts wait for the disk
    struct stored_events stored; // counts, and spans
    struct cautious_clock clock; // tells what is old enough to be removed
    struct http_figures noted;   // counted so far
    bool is_draining;
    bool is_server_gone;
};

// A request from its headers to its answer.
struct post {
    struct ingest *ingest;
    struct http_request *request; // NULL: answered, though its commit is not
                                  // done
    struct batch batch;           // while a body of many events is read
    struct append append;
    struct patient patient;
    struct arena arena;
    struct ingest_path path; // in the arena
    enum event_form form;
    bool is_batch;
    int64_t began_us; // UTC epoch
};

static void post_free(struct post *p)
{
    arena_clear(&p->arena);
    free(p);
}

// --- checking the headers ---

static void fail_lost(struct http_request *r)
{
    metrics_count(COUNTER_REFUSED_STORAGE, 1);
    http_fail(
        r, 503, RETRY_AFTER,
        "files of the queue were removed or replaced while the engine was "
        "running, and nothing can be stored; post again once they are back");
}

static bool check_storage(const struct post *p)
{
    struct ingest *in = p->ingest;
    struct http_request *r = p->request;

    if (in->is_draining) {
        http_fail(r, 503, RETRY_AFTER, "the engine is stopping; post again");
        return false;
    }
    if (!queue_is_in_place()) {
        fail_lost(r);
        return false;
    }
    if (event_log_busy_us(in->log) > DISK_HANG_US) {
        metrics_count(COUNTER_REFUSED_DISK, 1);
        http_fail(r, 503, RETRY_AFTER,
                  "the disk does not answer; nothing was stored, post again "
                  "later");
        return false;
    }
    return admission_check(&in->admission, in->config, r, p->path.dialect,
                           p->path.org);
}

static bool check_path(struct post *p)
{
    struct http_request *r = p->request;
    struct str path = r->path;
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    r->has_node_errors = akinon_take_path(&path);
    err = ingest_path_read(r->path, &p->arena, &p->path, &why);
    if (err == ERR_NOTFOUND) {
        http_fail(
            r, 404, STR_EMPTY,
            "events cannot be posted to this path; post them to "
            "/api/orgs/{organization}/events or to "
            "/organizations/{organizationId}/projects/{projectId}/events");
    } else if (err != OK) {
        metrics_count(COUNTER_REFUSED_INVALID, 1);
        http_fail(r, err == ERR_DENIED ? 403 : 400, STR_EMPTY, "%s",
                  buf_cstr(&why));
    }
    buf_clear(&why);
    return err == OK;
}

static bool check_token(struct post *p)
{
    struct auth_grant grant;

    if (!auth_check(p->ingest->auth, p->request, p->path.org, INGEST_SCOPE,
                    &grant)) {
        metrics_count(COUNTER_REFUSED_AUTH, 1);
        return false;
    }
    return admission_hold(&p->ingest->admission, p->ingest->config, p->request,
                          &grant);
}

static void on_headers(void *data, struct http_request *r)
{
    struct ingest *in = data;
    struct post *p;

    if (ingest_answer_health(r))
        return;
    p = xcalloc(1, sizeof(*p));
    p->ingest = in;
    p->request = r;
    p->began_us = clock_now_us();
    http_charge(r, STR_EMPTY, false); // until the token is checked
    if (!check_path(p) || !ingest_check_method(r) || !check_token(p) ||
        !ingest_check_type(r, &p->form, &p->is_batch) ||
        !ingest_check_key(r, p->form) || !check_storage(p)) {
        post_free(p);
        return;
    }
    r->body_limit_bytes =
        p->is_batch ? in->config->max_batch_bytes : in->config->max_event_bytes;
    r->data = p;
}

static void on_dropped(void *data, struct http_request *r)
{
    (void)data;
    if (r->data != NULL)
        post_free(r->data); // it was dropped before on_request()
}

// --- answering ---

static void put_ids(const struct post *p, struct buf *body)
{
    struct json_writer w = json_writer(body);
    char id[ID_TEXT_BYTES + 1];

    json_open_object(&w, NULL);
    if (p->is_batch) {
        json_put_u64(&w, "accepted", p->append.n_events);
        json_open_array(&w, "ids");
    }
    for (size_t i = 0; i < p->append.n_events; i++) {
        id_format(&p->append.events[i].event.id, id);
        json_put_text(&w, p->is_batch ? NULL : "id", id);
    }
    if (p->is_batch)
        json_close(&w);
    json_close(&w);
}

static void answer_accepted(struct post *p)
{
    struct http_response response = { .status = 202 };
    struct buf body;

    buf_init(&body, 0);
    put_ids(p, &body);
    response.body = buf_str(&body);
    http_respond(p->request, &response);
    buf_clear(&body);
}

static void answer_conflict(struct post *p)
{
    metrics_count(COUNTER_REFUSED_CONFLICT, 1);
    if (p->is_batch) {
        http_fail(
            p->request, 409, STR_EMPTY,
            "%s %zu has the id or Idempotency-Key of another event of the "
            "last 24 hours",
            event_lines_noun(p->form), p->append.fault + 1);
    } else {
        http_fail(p->request, 409, STR_EMPTY,
                  "another event of the last 24 hours has this id or "
                  "Idempotency-Key");
    }
}

static void hint_dispatchers(struct ingest *in)
{
    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++) {
        struct channel *channel = in->dispatchers[i].engine_events.channel;

        // A hint that is not read yet is enough.
        if (channel == NULL || channel_unsent_bytes(channel) > 0)
            continue;
        pack_u64(channel_begin(channel), FRAME_HINT);
        channel_end_small(channel);
    }
}

static void leave_if_drained(struct ingest *in)
{
    if (in->is_server_gone && event_log_pending(in->log) == 0)
        role_done(in->role);
}

static void answer(struct post *p, enum err err)
{
    if (err == OK) {
        answer_accepted(p);
    } else if (err == ERR_CONFLICT) {
        answer_conflict(p);
    } else if (err == ERR_LOST) {
        fail_lost(p->request);
    } else {
        metrics_count(COUNTER_REFUSED_STORAGE, 1);
        http_fail(p->request, 503, RETRY_AFTER, "%s; post again later",
                  err == ERR_AGAIN
                      ? "the key that encrypts the payloads of this "
                        "organization cannot be used; nothing was stored"
                      : "there is no room to store the event");
    }
}

static void on_appended(struct append *a, enum err err)
{
    struct post *p = a->data;
    struct ingest *in = p->ingest;
    struct blamed before = blame_begin(BLAME_REQUEST, a->blamed.a, a->blamed.b);

    if (err != OK && err != ERR_CONFLICT && err != ERR_FULL &&
        err != ERR_LOST && err != ERR_AGAIN) {
        log_fatal("the event log cannot be written", "reason=%s",
                  log_quote(str_of(err_str(err))));
    }
    patience_end(&in->patience, &p->patient);
    if (err == OK)
        stored_events_done(&in->stored, a, p->is_batch, p->began_us);
    if (p->request != NULL)
        answer(p, err);
    if (err == OK)
        hint_dispatchers(in);
    if (err == ERR_FULL)
        quota_refresh(&in->admission.quota, in->config, in->log);
    post_free(p);
    blame_end(before);
    leave_if_drained(in);
}

// The disk has not answered in time, or earlier posts are still being stored.
static void on_patience_over(void *data)
{
    struct post *p = data;
    struct ingest *in = p->ingest;
    struct http_request *r = p->request;

    metrics_count(COUNTER_REFUSED_DISK, 1);
    p->request = NULL;
    if (event_log_take_back(in->log, &p->append)) {
        http_fail(r, 503, RETRY_AFTER,
                  "storing takes too long; nothing was stored, post again "
                  "later");
        post_free(p);
        leave_if_drained(in);
        return;
    }
    http_fail(r, 503, RETRY_AFTER,
              "storing takes too long, and whether the event is stored is "
              "not known yet; post it again later: under the same id or "
              "Idempotency-Key it is stored once");
}

static void refuse(struct post *p, enum err err, struct str why)
{
    http_fail(p->request, ingest_refusal(err), STR_EMPTY, "%.*s", STR_ARG(why));
    post_free(p);
}

// Appends the events of a post, which are all read.
static void append_events(struct post *p)
{
    struct ingest *in = p->ingest;
    const struct http_request *r = p->request;
    uint64_t n_bytes = r->body.n_bytes;

    if (!ingest_admits_org(in->admission.orgs.hooks, p->request, p->path.org) ||
        !admission_check_answer_room(p->request, p->append.n_events)) {
        post_free(p);
        return;
    }
    n_bytes += stored_events_note(r, &p->arena, &p->append);
    quota_add(&in->admission.quota, in->config, in->log, n_bytes);
    p->append.now_us = cautious_clock_read_us(&in->clock);
    p->append.done = on_appended;
    p->append.data = p;
    p->append.blamed = p->batch.blamed;
    patience_begin(&in->patience, &p->patient, p);
    event_log_append(in->log, &p->append);
}

static void on_batch_read(struct batch *b, enum err err, struct str why)
{
    struct post *p = b->data;
    int64_t now_us = clock_now_us(); // later than what was appended meanwhile

    p->append.events = b->lines.events;
    p->append.n_events = b->lines.n;
    for (size_t i = 0; i < p->append.n_events; i++)
        p->append.events[i].event.accepted_at_us = now_us;
    if (err == OK) {
        append_events(p);
    } else {
        refuse(p, err, why);
    }
}

static enum err read_one(struct post *p, struct buf *why)
{
    p->append.events = arena_take(&p->arena, sizeof(struct new_event));
    p->append.n_events = 1;
    return ingest_read_one(p->request, &p->batch.parser, &p->arena,
                           p->append.events, why);
}

static void on_request(void *data, struct http_request *r)
{
    struct ingest *in = data;
    struct post *p = r->data;
    struct buf why;
    enum err err;

    r->data = NULL;
    p->batch = (struct batch){
        .parser = { .form = p->form,
                    .path = p->path,
                    .key = arena_copy(&p->arena,
                                      http_header(r, "idempotency-key")),
                    .max_event_bytes = in->config->max_event_bytes,
                    .json = config_json_limits(in->config),
                    .accepted_at_us = clock_now_us() },
        .arena = &p->arena,
        .blamed = { BLAME_REQUEST, r->hash[0], r->hash[1] },
        .data = p,
    };
    buf_init(&why, 4096);
    err = p->is_batch ? event_lines_begin(p->form, r->body, &p->arena,
                                          &p->batch.lines, &why)
                      : read_one(p, &why);
    if (err != OK) {
        refuse(p, err, buf_str(&why));
    } else if (p->is_batch) {
        batches_add(&in->batches, &p->batch);
    } else {
        append_events(p);
    }
    buf_clear(&why);
}

// --- the process ---

static void on_dispatcher_closed(void *data)
{
    struct dispatcher_link *link = data;

    link->engine_events.channel = NULL;
}

static void on_engine_event_stored(void *data)
{
    struct ingest *in = data;

    hint_dispatchers(in);
    leave_if_drained(in);
}

static void on_frame(void *data, struct str frame)
{
    struct dispatcher_link *link = data;
    struct ingest *in = link->ingest;
    unsigned shard = (unsigned)(link - in->dispatchers);

    if (backlog_take(in->admission.orgs.table, shard, frame))
        return;
    if (!in->is_draining) { // else it is sent again after the next start
        engine_event_receive(&link->engine_events, in->log,
                             in->admission.orgs.hooks, frame,
                             on_engine_event_stored);
    }
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct ingest *in = data;
    struct dispatcher_link *link;

    if (stored_events_on_link(&in->stored, kind, fd))
        return;
    if (kind != ROLE_DISPATCHER || index >= QUEUE_SHARDS_MAX) {
        close(fd);
        return;
    }
    link = &in->dispatchers[index];
    if (link->engine_events.channel != NULL)
        channel_close(link->engine_events.channel);
    link->ingest = in;
    link->engine_events.data = in;
    link->engine_events.n_links++;
    backlog_forget(in->admission.orgs.table, index);
    link->engine_events.channel = role_open_channel(
        in->role, ROLE_DISPATCHER, fd,
        &(struct channel_handlers){ .on_frame = on_frame,
                                    .on_closed = on_dispatcher_closed,
                                    .data = link });
}

static void on_server_drained(void *data)
{
    struct ingest *in = data;

    in->is_server_gone = true;
    leave_if_drained(in);
}

static void on_drain(void *data)
{
    struct ingest *in = data;

    in->is_draining = true;
    http_server_drain(in->server, on_server_drained, in);
}

static void on_reload(void *data)
{
    struct ingest *in = data;

    in->config = role_config(in->role);
    auth_reload(in->auth);
}

static void on_second(void *data)
{
    struct ingest *in = data;

    queue_upkeep();
    queue_trim_memory();
    admission_refresh(&in->admission, in->config, in->log);
    ingest_erase(in->admission.orgs.hooks, in->log);
    ingest_trim(in->config, in->admission.orgs.hooks, in->log,
                cautious_clock_read_us(&in->clock));
    http_note_figures(in->server, &in->noted);
    metrics_gauge(GAUGE_WRITTEN_TO,
                  (int64_t)get_be64(event_log_end(in->log).bytes));
}

static bool take_token(void *data, const struct token *token)
{
    auth_grant_set(data, token->org, token->scopes, token->expires_at_ms);
    return false;
}

static enum err find_token(void *data, const uint8_t hash[SHA256_BYTES],
                           struct auth_grant *out)
{
    return token_find(data, hash, take_token, out);
}

static void on_tls(void *data, int fd)
{
    struct ingest *in = data;

    http_server_load_tls(in->server, fd);
}

int ingest_role(unsigned index)
{
    struct ingest *in = xcalloc(1, sizeof(*in));
    struct http_limits limits;
    struct http_handlers handlers = { .on_headers = on_headers,
                                      .on_request = on_request,
                                      .on_dropped = on_dropped,
                                      .data = in };
    struct role_handlers role_handlers = { .on_link = on_link,
                                           .on_drain = on_drain,
                                           .on_reload = on_reload,
                                           .on_tls = on_tls,
                                           .on_second = on_second,
                                           .data = in };
    struct queue_config qc;

    in->role = role_start(ROLE_INGEST, index);
    in->config = role_config(in->role);
    in->stored =
        (struct stored_events){ .role = in->role, .config = in->config };
    qc =
        (struct queue_config){ .data_dir = in->config->data_dir,
                               .is_replicated = config_is_clustered(in->config),
                               .max_bytes = in->config->max_queue_bytes,
                               .n_shards = (unsigned)in->config->dispatchers,
                               .payload_keys =
                                   role_payload_keys(in->role, NULL),
                               .seal_payloads = config_seals(in->config),
                               .stacks = cap_limit(in->config, CAP_STACKS) };
    data_dir_check(in->config->data_dir);
    in->auth = auth_new(in->config->data_dir);
    if (in->auth == NULL)
        log_fatal("admin.token cannot be read", "");
    if (token_store_view(&qc, &in->tokens) != OK)
        log_fatal("the store of tokens cannot be opened", "");
    auth_set_lookup(in->auth, find_token, in->tokens);
    if (org_quota_init(&in->admission.orgs, &qc) != OK)
        log_fatal("the store of hooks cannot be opened", "");
    if (event_log_open(&qc, role_loop(in->role), &in->log) != OK)
        log_fatal("the event log cannot be opened", "");
    cautious_clock_init(&in->clock, event_log_last_us(in->log), clock_now_us(),
                        clock_mono_us());
    quota_refresh(&in->admission.quota, in->config, in->log);
    batches_init(&in->batches, role_loop(in->role), on_batch_read);
    patience_init(&in->patience, role_loop(in->role), WAIT_MAX_US,
                  on_patience_over);
    limits = http_limits_of(in->config, in->config->max_event_bytes);
    if (http_server_start(role_loop(in->role), ROLE_LISTEN_FD, &limits,
                          &handlers, &in->server) != OK)
        log_fatal("the server for event intake cannot be started", "");
    http_server_first_tls(in->server, role_tls_fd(in->role));
    role_ready(in->role, &role_handlers);
    return role_run(in->role);
}
