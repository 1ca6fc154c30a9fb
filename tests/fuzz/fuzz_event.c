// SPDX-License-Identifier: MIT
// fuzz_event.c — posted events: a line is read as the same event alone and among others,
// and the stored event is the posted one.
//
// Input: a byte of choices, then the body.

#include <string.h>

#include "common/base/utf8.h"
#include "common/model/akinon_names.h"
#include "common/model/event_kinds.h"
#include "engine/ingest/event_parser.h"
#include "tests/fuzz/json_equal.h"

enum { IS_AKINON = 1, IS_TIGHT = 2, HAS_KEY = 4, IS_CLOUD = 8 };

static void check_payload(const struct event_parser *in, struct str text,
                          const struct event *e)
{
    bool is_akinon = in->path.dialect == DIALECT_AKINON;
    bool is_cloud = in->form == EVENT_CLOUD;
    struct json *posted = json_read(text);
    struct json *stored = json_read(e->payload);
    const struct json_value *member =
        json_get(json_root(posted), is_akinon || is_cloud ? "data" : "payload");

    if (is_akinon || kind_is_known(e->kind))
        CHECK(json_is(json_root(stored), JSON_OBJECT));
    CHECK(e->payload.n_bytes <= text.n_bytes);
    if (member != NULL)
        CHECK(json_same(member, json_root(stored)));
    CHECK(str_eq(json_str(json_get(json_root(posted), is_cloud    ? "type"
                                                      : is_akinon ? "event"
                                                                  : "kind")),
                 e->kind));
    json_free(posted);
    json_free(stored);
}

static void check_pulumi(const struct event *e)
{
    CHECK(kind_is_known(e->kind) || kind_is_custom(e->kind));
    CHECK(e->filters >> n_filters == 0);
    // The group of a filter is that of the kind.
    for (size_t f = 0; f < n_filters; f++) {
        if ((e->filters >> f & 1) != 0)
            CHECK((int)filters[f].group == kind_group(e->kind));
    }
    CHECK(utf8_is_valid(e->project.at, e->project.n_bytes));
    CHECK(utf8_is_valid(e->stack.at, e->stack.n_bytes));
    CHECK(utf8_is_valid(e->env.at, e->env.n_bytes));
}

static void check_event(const struct event_parser *in, struct str text,
                        const struct new_event *new)
{
    const struct event *e = &new->event;

    CHECK(text.n_bytes <= in->max_event_bytes);
    CHECK(e->dialect == in->path.dialect && str_eq(e->org, in->path.org));
    CHECK(e->kind.n_bytes > 0 && e->kind.n_bytes <= KIND_MAX_BYTES);
    CHECK(!kind_is_reserved(e->kind)); // those are the engine's
    if (e->dialect == DIALECT_AKINON) {
        CHECK(akinon_is_event(e->kind) && e->filters == 0);
        CHECK(str_eq(e->project, in->path.project));
    } else {
        check_pulumi(e);
    }
    check_payload(in, text, e);
    CHECK((e->cloud.n_bytes > 0) == (in->form == EVENT_CLOUD));
}

// What a receiver gets of a CloudEvent is one with the same attributes.
static void check_attributes(struct str text, const struct new_event *new)
{
    struct json *posted = json_read(text);
    struct json *kept = json_read(new->event.cloud);
    struct json_iter it = json_iter(json_root(kept));
    const struct json_value *v;
    struct str name;

    CHECK(json_size(json_root(kept)) > 0);
    while ((v = json_next(&it, &name)) != NULL) {
        char key[65] = { 0 };

        CHECK(name.n_bytes > 0 && name.n_bytes < sizeof(key));
        memcpy(key, name.at, name.n_bytes);
        CHECK(json_same(json_get(json_root(posted), key), v));
    }
    CHECK(new->idempotency.n_bytes > 0);
    json_free(posted);
    json_free(kept);
}

static bool same_event(const struct event *a, const struct event *b)
{
    return id_eq(&a->id, &b->id) && a->filters == b->filters &&
           str_eq(a->kind, b->kind) && str_eq(a->project, b->project) &&
           str_eq(a->stack, b->stack) && str_eq(a->env, b->env) &&
           str_eq(a->payload, b->payload);
}

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.n_bytes; i++) {
        if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r')
            return false;
    }
    return true;
}

struct lines { // as event_lines_read() reads them, and one by one
    const struct event_parser *in;
    struct new_event *events;
    size_t n, n_read, line_no;
    enum err err, err_one;
    struct arena arena;
    struct buf why_one;
};

static void read_one(struct lines *l, struct str line)
{
    struct new_event one;

    l->line_no++;
    if (is_blank(line))
        return;
    l->err_one = event_parser_read(l->in, line, &l->arena, &one, &l->why_one);
    if (l->err_one != OK)
        return;
    if (l->err == OK) {
        CHECK(l->n_read < l->n);
        CHECK(same_event(&l->events[l->n_read].event, &one.event));
        CHECK((one.idempotency.n_bytes > 0) ==
              (l->events[l->n_read].idempotency.n_bytes > 0));
    }
    l->n_read++;
}

// Reads all lines in the shortest possible slices.
static enum err read_all(const struct event_parser *in, struct str text,
                         struct lines *l, struct buf *why)
{
    struct event_lines lines;
    enum err err = event_lines_begin(in->form, text, &l->arena, &lines, why);

    if (err != OK)
        return err;
    do {
        err = event_lines_read(in, &lines, &l->arena, 0, why);
    } while (err == ERR_AGAIN);
    l->events = lines.events;
    l->n = lines.n;
    return err;
}

// Checks that each line alone is read as among the others, and that an error names the
// first wrong line.
static void check_lines(const struct event_parser *in, struct str text)
{
    struct lines l = { .in = in };
    struct buf why, sentence;

    buf_init(&why, 0);
    buf_init(&l.why_one, 0);
    buf_init(&sentence, 0);
    l.err = read_all(in, text, &l, &why);
    while (text.n_bytes > 0 && l.err_one == OK)
        read_one(&l, take_line(&text));
    if (l.err_one != OK) {
        CHECK(l.err == l.err_one);
        buf_printf(&sentence, "line %zu: %s", l.line_no, buf_cstr(&l.why_one));
        CHECK(str_eq(buf_str(&sentence), buf_str(&why)));
    } else if (l.n_read == 0) {
        CHECK(l.err == ERR_INVALID);
    } else {
        CHECK(l.err == OK && l.n == l.n_read && why.n_bytes == 0);
    }
    arena_clear(&l.arena);
    buf_clear(&why);
    buf_clear(&l.why_one);
    buf_clear(&sentence);
}

// Checks that a CloudEvent is the same in a batch, whatever the input is as a batch.
static void check_batch(const struct event_parser *in, struct str text,
                        const struct new_event *one)
{
    struct lines l = { .in = in };
    struct buf batch, why;

    buf_init(&why, 0);
    buf_init(&batch, 0);
    l.err = read_all(in, text, &l, &why);
    CHECK((l.err == OK) == (why.n_bytes == 0));
    buf_reset(&why);
    if (one != NULL) {
        buf_puts(&batch, " [");
        buf_put_str(&batch, text);
        buf_puts(&batch, " , ");
        buf_put_str(&batch, text);
        buf_puts(&batch, "]\n");
        l.err = read_all(in, buf_str(&batch), &l, &why);
        CHECK(l.err == OK || l.err == ERR_TOOBIG); // blanks count there
        CHECK(l.err != OK ||
              (l.n == 2 && same_event(&l.events[1].event, &one->event)));
    }
    arena_clear(&l.arena);
    buf_clear(&batch);
    buf_clear(&why);
}

static struct event_parser parser_of(uint8_t choices)
{
    struct event_parser in = {
        .path = { .dialect = DIALECT_PULUMI, .org = STR("acme") },
        .max_event_bytes = (choices & IS_TIGHT) != 0 ? 200 : 1 << 20,
        .json = { .max_depth = 100 } // as json_equal.h
    };

    if ((choices & IS_TIGHT) != 0)
        in.json = (struct json_limits){ 8, 10, 100 };

    if ((choices & IS_AKINON) != 0) {
        in.path.dialect = DIALECT_AKINON;
        in.path.org = STR("63ea00000000000000000001");
        in.path.project = STR("63ea00000000000000000002");
    }
    if ((choices & IS_CLOUD) != 0) {
        in.form = EVENT_CLOUD;
    } else if ((choices & HAS_KEY) != 0) {
        in.key = STR("key");
    }
    return in;
}

void fuzz_one(struct str input)
{
    struct event_parser in = parser_of(take_u8(&input));
    struct arena arena = { NULL };
    struct new_event event;
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = event_parser_read(&in, input, &arena, &event, &why);
    if (err == OK) {
        CHECK(why.n_bytes == 0);
        check_event(&in, input, &event);
        if (in.form == EVENT_CLOUD)
            check_attributes(input, &event);
    } else {
        CHECK(err == ERR_INVALID || err == ERR_TOOBIG ||
              (err == ERR_DENIED && in.form == EVENT_CLOUD));
        CHECK(why.n_bytes > 0 && why.n_bytes < 4096 &&
              utf8_is_valid(why.at, why.n_bytes));
    }
    if (in.form == EVENT_CLOUD) {
        check_batch(&in, input, err == OK ? &event : NULL);
    } else {
        check_lines(&in, input);
    }
    arena_clear(&arena);
    buf_clear(&why);
}

// Each published payload as each kind that has filters: one of these is its own.
static bool seed_golden(size_t i, struct buf *out)
{
    const char *kinds[64];
    size_t n_kinds = 0;

    for (size_t f = 0; f < n_filters && n_kinds < 64; f++) {
        if (n_kinds == 0 || strcmp(kinds[n_kinds - 1], filters[f].kind) != 0)
            kinds[n_kinds++] = filters[f].kind;
    }
    CHECK(n_kinds > 0);
    buf_printf(out, "@{\"kind\":\"%s\",\"payload\":", kinds[i % n_kinds]);
    if (!seed_file("tests/golden/raw", i / n_kinds, out))
        return false;
    buf_putc(out, '}');
    return true;
}

// A seed that is refused reaches nothing of what is to be tested.
static void check_is_read(struct str seed)
{
    struct event_parser in = parser_of(take_u8(&seed));
    struct arena arena = { NULL };
    struct new_event event;
    struct buf why;

    buf_init(&why, 0);
    CHECK(event_parser_read(&in, seed, &arena, &event, &why) == OK);
    arena_clear(&arena);
    buf_clear(&why);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "H{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/"
        "a?b=c\",\"type\":\"com.a.b\","
        "\"time\":\"2026-11-27T09:30:00.123+01:00\",\"subject\":\"s\",\"ext1\":"
        "7,"
        "\"ext2\":true,\"datacontenttype\":\"application/"
        "x+json\",\"data\":[1,{\"a\":\"]\"}]}",
        "H{\"specversion\":\"1.0\",\"id\":\"a "
        "b\",\"source\":\"urn:x\",\"type\":\"a.b\","
        "\"dataschema\":\"http://s/\",\"subject\":null}",
        "I{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":"
        "\"build\","
        "\"data\":{}}",
        "@{\"kind\":\"stack_update\",\"payload\":{\"organization\":{"
        "\"githubLogin\":\"acme\"},\"projectName\":\"web\",\"stackName\":"
        "\"prod\",\"kind\":\"update\",\"result\":\"succeeded\","
        "\"updateUrl\":\"https://x/\"}}",
        "@{\"kind\":\"stack_update\",\"payload\":{\"projectName\":\"w\","
        "\"stackName\":\"p\",\"kind\":\"preview\",\"result\":\"failed\"}}",
        "@{\"kind\":\"deployment\",\"payload\":{\"projectName\":\"w\","
        "\"stackName\":\"p\",\"status\":\"skipped\"}}",
        "@{\"kind\":\"policy_violation\",\"payload\":{\"projectName\":\"w\","
        "\"stackName\":\"p\",\"policyGroup\":\"g\",\"enforcementLevel\":"
        "\"mandatory\"}}",
        "@{\"kind\":\"stack\",\"payload\":{\"action\":\"created\","
        "\"projectName\":\"w\",\"stackName\":\"p\"}}",
        "@{\"kind\":\"environment\",\"payload\":{\"action\":\"created\","
        "\"projectName\":\"w\",\"environmentName\":\"e\"}}",
        "@{\"kind\":\"drift\",\"payload\":{}}",
        "@{\"kind\":\"orders/create\",\"payload\":[1, {\"a\":null}]}",
        "@{\"kind\":\"Microsoft.Storage.BlobCreated\",\"payload\":\"x\"}",
        "@{\"kind\":\"s3:Put\",\"payload\":null}",
        "@{\"kind\":\"team\",\"payload\":{\"a\":1}}",
        "D{\"kind\":\"order.created\",\"payload\":{\"n\":1}}\n \r\n"
        "{\"kind\":\"order.paid\",\"id\":"
        "\"0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e\",\"payload\":{}}\n",
        "A{\"event\":\"deployment.build.created\",\"data\":{\"x\":[1, 2]}}",
        "E{\"event\":\"a.b\"}\n{\"event\":\"a.b.c\",\"data\":{ }}",
        "B{\"event\":\"a.b.c.d.e.f\",\"data\":null}",
    };

    const size_t n = sizeof(texts) / sizeof(texts[0]);

    check_is_read(str_of(texts[0]));
    return seed_text(texts, n, i, out) || seed_golden(i - n, out);
}
