// SPDX-License-Identifier: MIT
// place_routes.c — handler of the list of an organization's places: itself, its stacks,
// its environments, and its projects of Akinon, each with the number of its hooks.
//
// The places of hooks and the names that events or clients have given are merged: both
// are read in the order of project and name, one place at a time, and nothing is held
// open between two turns.
//
// The hooks of a place are counted up to HOOKS_COUNTED_MAX; then the list goes on
// behind them. So the work is that of the page, however many hooks a place has.

#include "api/hooks/handlers.h"

#include <stdio.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/hooks/place.h"
#include "api/json/pagination.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/model/akinon_names.h"

#define LIMIT_DEFAULT     100
#define HOOKS_COUNTED_MAX 1000
#define HOOKS_AT_ONCE     200 // counted in one read of the store
#define NAME_ROOM         (NAME_MAX_BYTES + 1)

// A place by its project and name, within a level.
struct spot {
    bool is_there;
    char project[NAME_ROOM], name[NAME_ROOM];
};

struct places {
    struct api_request *rq;
    struct str org;
    char akinon_org[AKINON_ID_BYTES];
    size_t limit;
    enum hook_level level; // of the places that are listed now
    struct spot last;      // of this level, that is done
    bool is_hooked_known, is_named_known;
    struct spot hooked;  // the next place with hooks
    struct spot named;   // the next name
    struct buf names_at; // where the search for names goes on
    bool is_counting;    // the hooks of `hooked`
    size_t n_in_read, n_hooks, n_failing;
    struct buf counted; // name of the last hook that was counted
    size_t n_shown;
    enum hook_level shown_level; // of the place that was shown last
    struct spot shown;
    struct buf body;
    struct json_writer json;
};

// --- places ---

static struct spot spot_of(struct str project, struct str name)
{
    struct spot spot = { .is_there = true };

    snprintf(spot.project, sizeof(spot.project), "%.*s", STR_ARG(project));
    snprintf(spot.name, sizeof(spot.name), "%.*s", STR_ARG(name));
    return spot;
}

static int compare(const struct spot *a, const struct spot *b)
{
    int order = strcmp(a->project, b->project);

    return order != 0 ? order : strcmp(a->name, b->name);
}

// The scope of the hooks of a place of the present level. Borrows its texts.
static struct hook_scope scope_of(const struct places *p,
                                  const struct spot *spot)
{
    bool is_akinon = p->level == LEVEL_PROJECT;

    return (struct hook_scope){
        .dialect = is_akinon ? DIALECT_AKINON : DIALECT_PULUMI,
        .level = p->level,
        .org =
            is_akinon ? (struct str){ p->akinon_org, AKINON_ID_BYTES } : p->org,
        .project = str_of(spot->project),
        .target = str_of(spot->name)
    };
}

static struct stack_name name_of(const struct places *p,
                                 const struct spot *spot)
{
    struct stack_name name = { .org = p->org,
                               .project = str_of(spot->project) };

    if (p->level == LEVEL_ENVIRONMENT) {
        name.env = str_of(spot->name);
    } else {
        name.stack = str_of(spot->name);
    }
    return name;
}

// --- the next place with hooks ---

static bool on_next_hook(void *data, const struct hook *hook)
{
    struct places *p = data;

    if (hook->scope.level == p->level)
        p->hooked = spot_of(hook->scope.project, hook->scope.target);
    return false;
}

static enum err find_hooked(struct places *p)
{
    const struct hook_scope last = scope_of(p, &p->last);
    struct buf after;
    enum err err;

    p->hooked.is_there = false;
    p->is_hooked_known = true;
    if (p->level == LEVEL_PROJECT && !akinon_is_id(p->org))
        return OK;
    buf_init(&after, 0);
    if (p->last.is_there) {
        hook_cursor_put_end(&last, &after);
    } else {
        hook_cursor_put_level(last.dialect, last.org, p->level, &after);
    }
    err = hook_list_org(p->rq->api->hooks, last.dialect, last.org,
                        buf_str(&after), on_next_hook, p);
    buf_clear(&after);
    return err;
}

// --- the next name ---

static void on_name(void *data, const struct stack_name *name)
{
    struct places *p = data;

    p->named =
        spot_of(name->project, name->env.n_bytes > 0 ? name->env : name->stack);
}

// Examines one name, which may be of the other level: then the next step goes on.
static enum err find_named(struct places *p)
{
    const struct stack_query query = { .is_env = p->level == LEVEL_ENVIRONMENT,
                                       .org = p->org };
    enum err err = OK;

    p->named.is_there = false;
    if (p->level == LEVEL_STACK || p->level == LEVEL_ENVIRONMENT) {
        err =
            stack_list(p->rq->api->stacks, &query, 1, &p->names_at, on_name, p);
    }
    p->is_named_known = p->named.is_there || p->names_at.n_bytes == 0;
    return err;
}

// --- counting ---

static bool count_hook(void *data, const struct hook *hook)
{
    struct places *p = data;

    if (p->n_in_read == HOOKS_AT_ONCE || p->n_hooks == HOOKS_COUNTED_MAX)
        return false;
    p->n_in_read++;
    p->n_hooks++;
    p->n_failing += request_hook_is_failing(p->rq, hook);
    buf_reset(&p->counted);
    buf_put_str(&p->counted, hook->name);
    return true;
}

static void begin_counting(struct places *p)
{
    p->is_counting = true;
    p->n_hooks = 0;
    p->n_failing = 0;
    buf_reset(&p->counted);
}

// Counts some hooks of the place. It is done when a read found fewer than it may.
static enum err count_some(struct places *p, const struct spot *spot)
{
    const struct hook_scope scope = scope_of(p, spot);
    struct str after = arena_copy(&p->rq->arena, buf_str(&p->counted));
    enum err err;

    p->n_in_read = 0;
    err = hook_list(p->rq->api->hooks, &scope, after, count_hook, p);
    p->is_counting =
        p->n_in_read == HOOKS_AT_ONCE && p->n_hooks < HOOKS_COUNTED_MAX;
    return err;
}

// --- the list ---

static void put_name(struct places *p, const char *key, const char *name)
{
    if (name[0] != '\0') {
        json_put_text(&p->json, key, name);
    } else {
        json_put_null(&p->json, key);
    }
}

// Shows a place, which is done then.
static void put_place(struct places *p, const struct spot *spot, size_t n_hooks,
                      size_t n_failing)
{
    json_open_object(&p->json, NULL);
    json_put_text(&p->json, "kind", place_kind(p->level));
    put_name(p, "project", spot->project);
    put_name(p, "name", spot->name);
    json_put_u64(&p->json, "hooks", n_hooks);
    json_put_u64(&p->json, "failing", n_failing);
    json_put_bool(&p->json, "moreHooks", n_hooks == HOOKS_COUNTED_MAX);
    json_close(&p->json);
    p->last = *spot;
    p->shown = *spot;
    p->shown_level = p->level;
    p->n_shown++;
}

static void begin_level(struct places *p, enum hook_level level)
{
    p->level = level;
    p->last.is_there = false;
    p->is_hooked_known = false;
    p->is_named_known = false;
    buf_reset(&p->names_at);
}

static enum err count_step(struct places *p)
{
    enum err err = count_some(p, &p->hooked);

    if (err == OK && !p->is_counting) {
        put_place(p, &p->hooked, p->n_hooks, p->n_failing);
        p->is_hooked_known = false;
    }
    return err;
}

// Shows the next place, or begins to count its hooks.
static void take_next(struct places *p)
{
    int order = -1;

    if (p->hooked.is_there)
        order = p->named.is_there ? compare(&p->named, &p->hooked) : 1;
    if (order <= 0)
        p->is_named_known = false;
    if (order < 0) {
        put_place(p, &p->named, 0, 0);
    } else {
        begin_counting(p);
    }
}

enum step { STEP_GOES_ON, STEP_END, STEP_HAS_MORE };

static enum step step(struct places *p, enum err *err)
{
    if (p->is_counting) {
        *err = count_step(p);
    } else if (!p->is_hooked_known) {
        *err = find_hooked(p);
    } else if (!p->is_named_known) {
        *err = find_named(p);
    } else if (p->hooked.is_there || p->named.is_there) {
        if (p->n_shown == p->limit)
            return STEP_HAS_MORE;
        take_next(p);
    } else if (p->level == LEVEL_PROJECT) {
        return STEP_END;
    } else {
        begin_level(p, (enum hook_level)(p->level + 1));
    }
    return STEP_GOES_ON;
}

// --- pages ---

static void put_token(const struct places *p, struct buf *out)
{
    uint8_t key[SHA256_BYTES];
    struct buf place;

    buf_init(&place, 0);
    buf_putc(&place, (char)p->shown_level);
    buf_puts(&place, p->shown.project);
    buf_putc(&place, '\0');
    buf_puts(&place, p->shown.name);
    auth_key(p->rq->api->auth, "places", key);
    page_token_put(key, p->org, buf_str(&place), out);
    buf_clear(&place);
}

// Begins after the place of a token, or, if it is empty, with the organization.
static void set_place(struct places *p, struct str place)
{
    const char *end;

    if (place.n_bytes == 0) {
        begin_level(p, LEVEL_ORGANIZATION);
        p->hooked = spot_of(STR_EMPTY, STR_EMPTY);
        p->is_hooked_known = true;
        return;
    }
    begin_level(p, (enum hook_level)place.at[0]);
    place = (struct str){ place.at + 1, place.n_bytes - 1 };
    end = memchr(place.at, '\0', place.n_bytes);
    if (end == NULL) // no token that this server gave out
        return;
    p->last = spot_of(
        (struct str){ place.at, (size_t)(end - place.at) },
        (struct str){ end + 1, place.n_bytes - 1 - (size_t)(end - place.at) });
    if (p->level == LEVEL_STACK || p->level == LEVEL_ENVIRONMENT) {
        struct stack_name name = name_of(p, &p->last);

        stack_place_put(&name, &p->names_at);
    }
}

// False: the request has been answered.
static bool read_page(struct places *p)
{
    struct page_query page = { .limit = LIMIT_DEFAULT };
    uint8_t key[SHA256_BYTES];
    struct buf why;
    bool is_good;

    auth_key(p->rq->api->auth, "places", key);
    buf_init(&why, 0);
    buf_init(&page.place, 0);
    is_good = page_query_read(p->rq->http, key, p->org, &page, &why) == OK;
    if (is_good) {
        set_place(p, buf_str(&page.place));
    } else {
        http_fail(p->rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    }
    p->limit = page.limit;
    buf_clear(&page.place);
    buf_clear(&why);
    return is_good;
}

static void respond(struct places *p, bool has_more)
{
    struct http_response response = { .status = 200 };
    struct buf headers, token;

    buf_init(&headers, 0);
    buf_init(&token, 0);
    if (has_more) {
        put_token(p, &token);
        page_put_headers(p->rq->http, buf_str(&token), &headers);
    }
    json_close(&p->json);
    response.headers = buf_str(&headers);
    response.body = buf_str(&p->body);
    if (p->body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(p->rq->http, p->body.n_bytes)) {
        request_fail_room(p->rq);
    } else {
        http_respond(p->rq->http, &response);
    }
    buf_clear(&token);
    buf_clear(&headers);
}

static bool work(struct api_request *rq, int64_t until_us)
{
    struct places *p = rq->data;
    enum step is = STEP_GOES_ON;
    enum err err = OK;

    do {
        is = step(p, &err);
    } while (err == OK && is == STEP_GOES_ON && clock_mono_us() < until_us);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (is != STEP_GOES_ON) {
        respond(p, is == STEP_HAS_MORE);
    }
    return err != OK || is != STEP_GOES_ON;
}

static void on_free(struct api_request *rq)
{
    struct places *p = rq->data;

    buf_clear(&p->body);
    buf_clear(&p->counted);
    buf_clear(&p->names_at);
}

void places_list(struct api_request *rq)
{
    struct places *p = arena_take(&rq->arena, sizeof(*p));
    struct hook_scope scope;

    memset(p, 0, sizeof(*p));
    p->rq = rq;
    if (!request_org(rq, &scope))
        return;
    p->org = scope.org;
    if (akinon_is_id(p->org))
        akinon_lower_id(p->org, p->akinon_org);
    buf_init(&p->names_at, 0);
    buf_init(&p->counted, 0);
    buf_init(&p->body, 0);
    p->json = json_writer(&p->body);
    rq->data = p;
    rq->on_free = on_free;
    if (!read_page(p) || !request_count(rq))
        return;
    json_open_array(&p->json, NULL);
    request_work(rq, work);
}
