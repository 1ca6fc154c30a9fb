// SPDX-License-Identifier: MIT
// hook_table_routes.c — handler of the table of all hooks of an organization, over all
// its places, or of one place, each with its status.
//
// Happy path: the next hooks are listed and compared with the text that is searched
// for, in slices; their dispatchers say how it goes with them, one dispatcher after the
// other; those in a wanted state are shown. This repeats until the page is full.
//
// A request that finds little ends before its page is full, with a token to go on with:
// so a rare state among many hooks costs several requests, never a long one.
//
// If it fails: a hook whose dispatcher does not answer is shown without a status, in
// the state unknown. When only some states are wanted, the answer is 503 instead: what
// is left out would look as if it were not so.

#include "api/hooks/hook_table_routes.h"

#include <string.h>

#include "api/hooks/hook_series.h"
#include "api/hooks/place.h"
#include "api/json/pagination.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"

#define LIMIT_DEFAULT   100
#define TEXT_MAX_BYTES  200
#define LISTED_AT_ONCE  200   // hooks in one read of the store
#define LISTED_MAX      20000 // hooks that one request compares with the text
#define ASKED_MAX       2000  // hooks whose status one request asks for
#define PAGE_MAX_BYTES  ((size_t)1 << 20)
#define REPLY_WITHIN_MS 5000

// As status.c of the dispatcher names them; STATUS_UNKNOWN is ours.
static const char *const state_names[] = {
    "ok",      "waiting",  "paused",   "blocked",  "failing", "open",
    "probing", "inactive", "disabled", "awaiting", "refused", STATUS_UNKNOWN,
};
#define N_STATES (sizeof(state_names) / sizeof(state_names[0]))

struct table {
    struct api_request *rq;
    struct hook_scope scope;
    bool is_place; // hooks of the scope alone; a position is a name then
    char akinon_org[AKINON_ID_BYTES];
    struct str list_name; // which a token is bound to
    unsigned states;      // that are wanted, as bits; 0: all
    struct str text;      // that is searched for; empty: all
    bool has_series;      // rows show their last hour
    size_t limit;
    struct buf last; // position of the last hook that is done
    bool has_more;
    bool is_showing; // hooks of `nos`; else the next ones are listed
    size_t n_listed, n_asked, n_shown;
    size_t n_in_read;             // hooks in this read of the store
    uint64_t nos[LISTED_AT_ONCE]; // hooks that were listed last
    size_t n_nos, at_no;
    struct buf listed; // position of the last hook that was listed
    // By shard: numbers of its hooks, 8 bytes each; lines of its reply, of which `rest`
    // is not shown yet.
    struct buf asked[QUEUE_SHARDS_MAX], lines[QUEUE_SHARDS_MAX];
    struct str rest[QUEUE_SHARDS_MAX];
    unsigned shard;    // the next to ask
    struct str status; // of the hook that is being shown; empty: unknown
    struct buf body;
    struct json_writer json;
};

// --- the query ---

static int state_of(struct str name)
{
    for (size_t i = 0; i < N_STATES; i++) {
        if (str_is(name, state_names[i]))
            return (int)i;
    }
    return -1;
}

// Takes the text before the next comma off `list`.
static struct str take_item(struct str *list)
{
    const char *comma = memchr(list->at, ',', list->n_bytes);
    struct str item = *list;

    if (comma != NULL)
        item.n_bytes = (size_t)(comma - list->at);
    list->at += item.n_bytes + (comma != NULL);
    list->n_bytes -= item.n_bytes + (comma != NULL);
    return item;
}

// Reads states with commas. ERR_INVALID: one is unknown.
static enum err read_states(struct table *t, struct str list, struct buf *why)
{
    while (list.n_bytes > 0) {
        struct str name = take_item(&list);
        int state = state_of(name);

        if (state >= 0) {
            t->states |= 1U << state;
            continue;
        }
        buf_printf(why, "state: %s is not allowed; allowed, with commas:",
                   log_quote(name));
        for (size_t i = 0; i < N_STATES; i++)
            buf_printf(why, "%s %s", i > 0 ? "," : "", state_names[i]);
        return ERR_INVALID;
    }
    return OK;
}

static enum err read_text(struct table *t, struct str text, struct buf *why)
{
    if (text.n_bytes > TEXT_MAX_BYTES) {
        buf_printf(why, "text must be at most %d bytes", TEXT_MAX_BYTES);
        return ERR_INVALID;
    }
    t->text = arena_copy(&t->rq->arena, text);
    return OK;
}

static enum err read_series(struct table *t, struct str text, struct buf *why)
{
    t->has_series = str_is(text, "1h");
    if (t->has_series)
        return OK;
    buf_printf(why, "series: %s is not allowed; allowed: 1h", log_quote(text));
    return ERR_INVALID;
}

// Reads a parameter that may be absent.
static enum err read_param(struct table *t, const char *name,
                           enum err (*read)(struct table *, struct str,
                                            struct buf *),
                           struct buf *why)
{
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = http_query(t->rq->http, name, &text);
    if (err == OK) {
        err = read(t, buf_str(&text), why);
    } else if (err == ERR_NOTFOUND) {
        err = OK;
    } else {
        buf_printf(why, "%s has an invalid percent escape", name);
    }
    buf_clear(&text);
    return err;
}

// False: the request has been answered.
static bool read_query(struct table *t, const uint8_t key[SHA256_BYTES])
{
    struct page_query page = { .limit = LIMIT_DEFAULT };
    struct buf why;
    bool is_good;

    buf_init(&why, 0);
    buf_init(&page.place, 0);
    is_good =
        read_param(t, "state", read_states, &why) == OK &&
        read_param(t, "text", read_text, &why) == OK &&
        read_param(t, "series", read_series, &why) == OK &&
        page_query_read(t->rq->http, key, t->list_name, &page, &why) == OK;
    if (!is_good)
        http_fail(t->rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    t->limit = page.limit;
    buf_put_str(&t->last, buf_str(&page.place));
    buf_put_str(&t->listed, buf_str(&page.place));
    buf_clear(&page.place);
    buf_clear(&why);
    return is_good;
}

// --- listing ---

// Compares without regard to the case of ASCII letters.
static bool holds(struct str text, struct str wanted)
{
    for (size_t i = 0; i + wanted.n_bytes <= text.n_bytes; i++) {
        if (strncasecmp(text.at + i, wanted.at, wanted.n_bytes) == 0)
            return true;
    }
    return false;
}

static bool is_searched_for(const struct table *t, const struct hook *hook)
{
    return t->text.n_bytes == 0 || holds(hook->name, t->text) ||
           holds(hook->display_name, t->text) || holds(hook->url, t->text) ||
           holds(hook->scope.project, t->text) ||
           holds(hook->scope.target, t->text);
}

static void put_position(const struct table *t, const struct hook *hook,
                         struct buf *out)
{
    buf_reset(out);
    if (t->is_place) {
        buf_put_str(out, hook->name);
    } else {
        hook_cursor_put(hook, out);
    }
}

static bool on_hook(void *data, const struct hook *hook)
{
    struct table *t = data;
    unsigned shard = queue_shard_of(hook->no, t->rq->api->n_shards);
    uint8_t no[8];

    if (t->n_in_read == LISTED_AT_ONCE) {
        t->has_more = true; // this one, at least
        return false;
    }
    t->n_in_read++;
    t->n_listed++;
    put_position(t, hook, &t->listed);
    if (!is_searched_for(t, hook))
        return true;
    t->nos[t->n_nos++] = hook->no;
    put_be64(no, hook->no);
    buf_put(&t->asked[shard], no, sizeof(no));
    return true;
}

// Lists hooks after `listed`. Of an organization: first those of Pulumi's places, then
// Akinon's.
static enum err list(struct table *t)
{
    struct hook_store *hooks = t->rq->api->hooks;
    struct str after = arena_copy(&t->rq->arena, buf_str(&t->listed));
    struct str akinon_org = { t->akinon_org, sizeof(t->akinon_org) };
    bool is_akinon = after.n_bytes > 0 && after.at[0] == DIALECT_AKINON;
    enum err err = OK;

    t->has_more = false;
    t->n_in_read = 0;
    if (t->is_place)
        return hook_list(hooks, &t->scope, after, on_hook, t);
    if (!is_akinon) {
        err = hook_list_org(hooks, DIALECT_PULUMI, t->scope.org, after, on_hook,
                            t);
        after = STR_EMPTY;
    }
    if (err == OK && !t->has_more && akinon_is_id(t->scope.org)) {
        err =
            hook_list_org(hooks, DIALECT_AKINON, akinon_org, after, on_hook, t);
    }
    return err;
}

// --- asking ---

static void work_on(struct table *t);

// Whether a hook without a known state may be shown.
static bool wants_unknown(const struct table *t)
{
    return t->states == 0 ||
           (t->states & 1U << state_of(STR(STATUS_UNKNOWN))) != 0;
}

static void on_reply(struct api_request *rq, uint64_t hook_id,
                     const struct reply *reply);

// Asks the next dispatcher that has hooks of this part. False: none is left to ask.
// True: it was asked, or the request has been answered.
static bool ask(struct table *t)
{
    const struct api *api = t->rq->api;
    struct query query = { .what = QUERY_STATUS,
                           .dialect = t->scope.dialect,
                           .org = t->scope.org };

    while (t->shard < api->n_shards &&
           (t->asked[t->shard].n_bytes == 0 ||
            (api->dispatchers[t->shard].channel == NULL && wants_unknown(t))))
        t->shard++;
    if (t->shard == api->n_shards)
        return false;
    query.text = buf_str(&t->asked[t->shard]);
    request_uncount(t->rq);
    query_shard(t->rq, t->shard, query, REPLY_WITHIN_MS, on_reply);
    return true;
}

static void on_reply(struct api_request *rq, uint64_t hook_id,
                     const struct reply *reply)
{
    struct table *t = rq->data;

    (void)hook_id;
    if (reply->err == OK) {
        buf_put_str(&t->lines[t->shard], reply->text);
    } else if (!wants_unknown(t)) {
        http_fail(rq->http, 503, STR("Retry-After: 1\r\n"),
                  "the state of some of these webhooks is not known right now; "
                  "try again");
        return;
    }
    t->shard++;
    if (!ask(t))
        work_on(t);
}

// --- showing ---

// Takes the hook's line of its dispatcher's reply: its state, and its status in `t`.
static struct str take_line(struct table *t, uint64_t hook_id)
{
    struct str *rest = &t->rest[queue_shard_of(hook_id, t->rq->api->n_shards)];
    const char *end =
        rest->n_bytes > 0 ? memchr(rest->at, '\n', rest->n_bytes) : NULL;
    struct str state = STR(STATUS_UNKNOWN);
    const char *blank;

    t->status = STR_EMPTY;
    if (end == NULL)
        return state;
    t->status = (struct str){ rest->at, (size_t)(end - rest->at) };
    rest->n_bytes -= t->status.n_bytes + 1;
    rest->at = end + 1;
    blank = memchr(t->status.at, ' ', t->status.n_bytes);
    if (blank == NULL) {
        t->status = STR_EMPTY;
        return state;
    }
    state = (struct str){ t->status.at, (size_t)(blank - t->status.at) };
    t->status.at += state.n_bytes + 1;
    t->status.n_bytes -= state.n_bytes + 1;
    return state;
}

static bool put_row(void *data, const struct hook *hook)
{
    struct table *t = data;
    struct hook_showing to = request_showing(t->rq);
    struct json_writer *w = &t->json;

    json_open_object(w, NULL);
    json_put_text(w, "place", place_kind(hook->scope.level));
    hook_print(&to, hook, w);
    request_put_state(t->rq, hook, w);
    if (t->status.n_bytes == 0) {
        json_put_null(w, "status");
    } else {
        json_open_object(w, "status");
        json_put_contents(w, t->status);
        request_put_dead(t->rq, hook->no, w);
        json_close(w);
    }
    if (t->has_series)
        hook_series_put(t->rq->api, hook->no, w);
    json_close(w);
    put_position(t, hook, &t->last);
    t->n_shown++;
    return false;
}

static bool is_full(const struct table *t)
{
    return t->n_shown == t->limit || t->body.n_bytes >= PAGE_MAX_BYTES;
}

// Shows the next hook, if it is in a wanted state and was not deleted meanwhile.
static enum err show(struct table *t)
{
    uint64_t no = t->nos[t->at_no++];
    int state = state_of(take_line(t, no));
    enum err err;

    if (t->states != 0 && (state < 0 || (t->states & 1U << state) == 0))
        return OK;
    err = hook_get_by_no(t->rq->api->hooks, no, put_row, t);
    return err == ERR_NOTFOUND ? OK : err;
}

static void respond(struct table *t)
{
    struct http_response response = { .status = 200 };
    struct api_request *rq = t->rq;
    uint8_t key[SHA256_BYTES];
    struct buf headers, token;

    buf_init(&headers, 0);
    buf_init(&token, 0);
    if (t->has_more) {
        auth_key(rq->api->auth, "hooktable", key);
        page_token_put(key, t->list_name, buf_str(&t->last), &token);
        page_put_headers(rq->http, buf_str(&token), &headers);
    }
    json_close(&t->json);
    response.headers = buf_str(&headers);
    response.body = buf_str(&t->body);
    if (t->body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(rq->http, t->body.n_bytes)) {
        request_fail_room(rq);
    } else {
        http_respond(rq->http, &response);
    }
    buf_clear(&token);
    buf_clear(&headers);
}

// --- the work ---

static void begin_part(struct table *t)
{
    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++) {
        buf_reset(&t->asked[i]);
        buf_reset(&t->lines[i]);
    }
    t->n_nos = 0;
    t->is_showing = false;
}

static void begin_showing(struct table *t)
{
    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++)
        t->rest[i] = buf_str(&t->lines[i]);
    t->at_no = 0;
    t->is_showing = true;
}

// One read of the list. True: a dispatcher was asked, or the request is answered.
static bool list_step(struct table *t, enum err *err)
{
    *err = list(t);
    if (*err != OK)
        return false;
    if (t->n_nos == 0 && t->has_more && t->n_listed < LISTED_MAX)
        return false; // nothing in this read was searched for
    t->n_asked += t->n_nos;
    t->shard = 0;
    if (ask(t))
        return true;
    begin_showing(t);
    return false;
}

// Shows one hook, or ends the part. True: the request is answered.
static bool show_step(struct table *t, enum err *err)
{
    if (t->at_no < t->n_nos && !is_full(t)) {
        *err = show(t);
        return false;
    }
    if (t->at_no < t->n_nos) {
        t->has_more = true;
    } else { // all that was listed is done
        buf_reset(&t->last);
        buf_put_str(&t->last, buf_str(&t->listed));
    }
    if (t->has_more && !is_full(t) && t->n_listed < LISTED_MAX &&
        t->n_asked < ASKED_MAX) {
        begin_part(t);
        return false;
    }
    respond(t);
    return true;
}

static bool work(struct api_request *rq, int64_t until_us)
{
    struct table *t = rq->data;
    enum err err = OK;

    do {
        if (t->is_showing ? show_step(t, &err) : list_step(t, &err))
            return true;
    } while (err == OK && clock_mono_us() < until_us);
    if (err != OK)
        request_fail_store(rq, err);
    return err != OK;
}

static void work_on(struct table *t)
{
    begin_showing(t);
    request_recount(t->rq);
    request_work(t->rq, work);
}

static void on_free(struct api_request *rq)
{
    struct table *t = rq->data;

    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++) {
        buf_clear(&t->asked[i]);
        buf_clear(&t->lines[i]);
    }
    buf_clear(&t->body);
    buf_clear(&t->listed);
    buf_clear(&t->last);
}

// What the tokens of this table are bound to.
static struct str name_of(const struct table *t)
{
    struct buf text;
    struct str name;

    if (!t->is_place)
        return t->scope.org;
    buf_init(&text, 0);
    buf_printf(&text, "%d %d ", (int)t->scope.dialect, (int)t->scope.level);
    buf_put_str(&text, t->scope.org);
    buf_putc(&text, '\0');
    buf_put_str(&text, t->scope.project);
    buf_putc(&text, '\0');
    buf_put_str(&text, t->scope.target);
    name = arena_copy(&t->rq->arena, buf_str(&text));
    buf_clear(&text);
    return name;
}

void hook_table_get(struct api_request *rq, const struct hook_scope *scope,
                    bool is_place)
{
    struct table *t = arena_take(&rq->arena, sizeof(*t));
    uint8_t key[SHA256_BYTES];

    memset(t, 0, sizeof(*t));
    t->rq = rq;
    t->scope = *scope;
    t->is_place = is_place;
    t->list_name = name_of(t);
    if (akinon_is_id(scope->org))
        akinon_lower_id(scope->org, t->akinon_org);
    buf_init(&t->last, 0);
    buf_init(&t->listed, 0);
    buf_init(&t->body, 0);
    for (size_t i = 0; i < QUEUE_SHARDS_MAX; i++) {
        buf_init(&t->asked[i], 0);
        buf_init(&t->lines[i], 0);
    }
    t->json = json_writer(&t->body);
    rq->data = t;
    rq->on_free = on_free;
    auth_key(rq->api->auth, "hooktable", key);
    if (!read_query(t, key) || !request_count(rq))
        return;
    json_open_array(&t->json, NULL);
    request_work(rq, work);
}
