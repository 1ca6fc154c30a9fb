// SPDX-License-Identifier: MIT
// compile.c — a pattern's text becomes tables, or an error that says why not.
//
// `$or` is multiplied out: the fields of each way through all of them are one set, a bit
// for each field. A pattern has few ways (PATTERN_MAX_CHOICES), so what is compared with
// an event is a list of at most 64 words.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/pattern/build.h"
#include "common/pattern/operators.h"

static const char *const roots[] = { "kind",  "organization", "project",
                                     "stack", "environment",  "payload" };
#define ROOTS "kind, organization, project, stack, environment, payload"

struct choices {
    uint64_t sets[PATTERN_MAX_CHOICES];
    size_t n;
};

// --- fields ---

static struct str path_of(const struct build *b, const struct field *f)
{
    return (struct str){ b->text.at + f->path_at, f->path_bytes };
}

// Whether the path begins with the name of something that events have.
static bool is_known(struct str path)
{
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct str root = str_of(roots[i]);

        if (str_eq(path, root) ||
            (str_is(root, "payload") && str_starts(path, STR("payload."))))
            return true;
    }
    return false;
}

// Adds the field to each of the sets, none of which may have one with its path.
static enum err read_field(struct build *b, const struct json_value *list,
                           struct choices *choices)
{
    struct str path = buf_str(&b->path);
    struct field field = { .path_at = (uint32_t)b->text.n_bytes,
                           .path_bytes = (uint16_t)path.n_bytes,
                           .first_test = (uint8_t)b->n_tests };
    uint64_t same = 0;
    enum err err;

    if (!is_known(path)) {
        return build_refuse(b, "events have no such field; they have " ROOTS);
    }
    for (size_t i = 0; i < b->n_fields; i++) {
        if (str_eq(path_of(b, &b->fields[i]), path))
            same |= UINT64_C(1) << i;
    }
    for (size_t i = 0; i < choices->n; i++) {
        if ((choices->sets[i] & same) != 0) {
            return build_refuse(b, "the field is given twice; put all that "
                                   "it may be into one list");
        }
    }
    buf_put_str(&b->text, path);
    err = operators_read(b, list);
    if (err != OK)
        return err;
    field.n_tests = (uint8_t)(b->n_tests - field.first_test);
    for (size_t i = field.first_test; i < b->n_tests; i++)
        field.may_be_absent |= b->tests[i].op == OP_ABSENT;
    for (size_t i = 0; i < choices->n; i++)
        choices->sets[i] |= UINT64_C(1) << b->n_fields;
    b->fields[b->n_fields++] = field; // each has a leaf, so there is room
    return OK;
}

static enum err read_object(struct build *b, const struct json_value *object,
                            unsigned depth, struct choices *choices);

// An object of `$or` is read as if it were the only one; the ways through it follow
// those through the others.
static enum err read_or(struct build *b, const struct json_value *list,
                        unsigned depth, struct choices *choices)
{
    struct choices all = { .n = 0 };
    struct json_iter it = json_iter(list);
    const struct json_value *item;

    if (!json_is(list, JSON_ARRAY) || json_size(list) < 2)
        return build_refuse(b, "$or must be a list of at least two objects");
    while ((item = json_next(&it, NULL)) != NULL) {
        struct choices way = *choices;
        enum err err;

        if (!json_is(item, JSON_OBJECT))
            return build_refuse(b, "$or must be a list of objects");
        b->n_or++;
        err = read_object(b, item, depth, &way);
        b->n_or--;
        if (err != OK)
            return err;
        if (all.n + way.n > PATTERN_MAX_CHOICES) {
            return build_refuse(b,
                                "all $or together must have at most %d "
                                "combinations of their objects",
                                PATTERN_MAX_CHOICES);
        }
        memcpy(all.sets + all.n, way.sets, way.n * sizeof(way.sets[0]));
        all.n += way.n;
    }
    *choices = all;
    return OK;
}

// Names of operators, within `$or`, are most likely an operator in the wrong place.
static bool is_reserved(struct str name)
{
    static const char *const names[] = {
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(name, names[i]))
            return true;
    }
    return false;
}

static enum err read_member(struct build *b, struct str name,
                            const struct json_value *v, unsigned depth,
                            struct choices *choices)
{
    size_t n_before = b->path.n_bytes;
    enum err err;

    if (b->n_or > 0 && is_reserved(name)) {
        return build_refuse(b,
                            "%.*s is an operator, and no name of a field "
                            "within $or",
                            STR_ARG(name));
    }
    if (n_before > 0)
        buf_putc(&b->path, '.');
    buf_put_str(&b->path, name);
    if (json_is(v, JSON_OBJECT)) {
        err = read_object(b, v, depth, choices);
    } else if (json_is(v, JSON_ARRAY)) {
        err = read_field(b, v, choices);
    } else {
        err = build_refuse(b,
                           "must be an object, or a list of what the field "
                           "may be, not %s",
                           json_type_name(v));
    }
    buf_cut(&b->path, n_before);
    return err;
}

// Recurses at most PATTERN_MAX_DEPTH deep.
static enum err read_object(struct build *b, const struct json_value *object,
                            unsigned depth, struct choices *choices)
{
    struct json_iter it = json_iter(object);
    const struct json_value *v;
    struct str name = STR_EMPTY;
    enum err err = OK;

    if (depth == PATTERN_MAX_DEPTH) {
        return build_refuse(b, "objects must be nested at most %d deep",
                            PATTERN_MAX_DEPTH);
    }
    if (json_size(object) == 0)
        return build_refuse(b, "an object must not be empty");
    while (err == OK && (v = json_next(&it, &name)) != NULL) {
        if (str_is(name, "$or")) {
            err = read_or(b, v, depth + 1, choices);
        } else {
            err = read_member(b, name, v, depth + 1, choices);
        }
    }
    return err;
}

// --- the end ---

static int compare_paths(const void *a, const void *b, void *build)
{
    const struct build *of = build;
    struct str x = path_of(of, &of->fields[*(const uint8_t *)a]);
    struct str y = path_of(of, &of->fields[*(const uint8_t *)b]);
    size_t n = x.n_bytes < y.n_bytes ? x.n_bytes : y.n_bytes;
    int order = memcmp(x.at, y.at, n);

    if (order != 0)
        return order;
    return (x.n_bytes > y.n_bytes) - (x.n_bytes < y.n_bytes);
}

// Puts all into one allocation, the fields in the order of their paths: the language
// compares them in this order, which makes a difference for fields that must be absent
// (pattern.c).
static struct pattern *finish(struct build *b, const struct choices *choices)
{
    size_t n_bytes = sizeof(struct pattern) + choices->n * sizeof(uint64_t) +
                     b->n_fields * sizeof(struct field) +
                     b->n_tests * sizeof(struct test) +
                     b->n_operands * sizeof(struct operand) + b->text.n_bytes;
    struct pattern *p = xcalloc(1, n_bytes);
    uint8_t order[PATTERN_MAX_LEAVES];
    uint64_t *sets = (uint64_t *)(void *)(p + 1);
    struct field *fields = (struct field *)(void *)(sets + choices->n);
    struct operand *operands;
    struct test *tests;

    operands = (struct operand *)(void *)(fields + b->n_fields);
    tests = (struct test *)(void *)(operands + b->n_operands);
    *p = (struct pattern){ .n_bytes = (uint32_t)n_bytes,
                           .n_operands = (uint16_t)b->n_operands,
                           .n_fields = (uint8_t)b->n_fields,
                           .n_tests = (uint8_t)b->n_tests,
                           .n_choices = (uint8_t)choices->n,
                           .choices = sets,
                           .fields = fields,
                           .tests = tests,
                           .operands = operands,
                           .text = (char *)(tests + b->n_tests) };
    for (size_t i = 0; i < b->n_fields; i++)
        order[i] = (uint8_t)i;
    qsort_r(order, b->n_fields, 1, compare_paths, b);
    for (size_t i = 0; i < b->n_fields; i++) {
        fields[i] = b->fields[order[i]];
        for (size_t k = 0; k < choices->n; k++)
            sets[k] |= (choices->sets[k] >> order[i] & 1) << i;
    }
    memcpy(tests, b->tests, b->n_tests * sizeof(*tests));
    if (b->n_operands > 0)
        memcpy(operands, b->operands, b->n_operands * sizeof(*operands));
    memcpy(tests + b->n_tests, b->text.at, b->text.n_bytes);
    return p;
}

enum err pattern_compile(struct str text, struct pattern **out, struct buf *why)
{
    struct build *b = xcalloc(1, sizeof(*b));
    struct choices choices = { .n = 1 };
    struct json *json = NULL;
    enum err err;

    b->why = why;
    buf_init(&b->path, 0);
    buf_init(&b->text, 0);
    if (text.n_bytes > PATTERN_MAX_BYTES) {
        err = build_refuse(b, "a pattern must have at most %d bytes",
                           PATTERN_MAX_BYTES);
    } else {
        err = json_parse(text, &json_default_limits, &json, why);
    }
    if (err == OK && !json_is(json_root(json), JSON_OBJECT)) {
        err = build_refuse(b, "a pattern must be an object, not %s",
                           json_type_name(json_root(json)));
    }
    if (err == OK)
        err = read_object(b, json_root(json), 0, &choices);
    if (err == OK)
        *out = finish(b, &choices);
    json_free(json);
    buf_clear(&b->path);
    buf_clear(&b->text);
    free(b);
    return err;
}
