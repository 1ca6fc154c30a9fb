// SPDX-License-Identifier: MIT
// operators.c — what a field's list in a pattern says: plain values and operators.

#include "common/pattern/operators.h"

#include <float.h>

#include "common/pattern/address.h"
#include "common/pattern/fold.h"
#include "common/pattern/number.h"

#define ALLOWED                                                             \
    "exactly, prefix, suffix, equals-ignore-case, wildcard, anything-but, " \
    "numeric, cidr, exists"

// The only member of an operator's object, or NULL.
static const struct json_value *only_member(const struct json_value *v,
                                            struct str *name)
{
    struct json_iter it = json_iter(v);

    return json_size(v) == 1 ? json_next(&it, name) : NULL;
}

static enum err refuse_type(struct build *b, struct str name,
                            const char *wanted, const struct json_value *v)
{
    return build_refuse(b, "%.*s must be %s, not %s", STR_ARG(name), wanted,
                        json_type_name(v));
}

// --- plain values ---

static void put_number(struct build *b, struct str digits)
{
    double number;

    if (number_of(digits, &number)) {
        build_operand(b, KEY_NUMBER, 0,
                      (struct str){ (const char *)&number, sizeof(number) });
    } else {
        build_operand(b, KEY_DIGITS, 0, digits);
    }
}

static enum err put_plain(struct build *b, const struct json_value *v)
{
    uint8_t address[16];
    size_t n;

    switch (json_type(v)) {
    case JSON_STRING:
        n = address_of(json_str(v), address);
        if (n > 0) {
            build_operand(b, KEY_ADDRESS, 0,
                          (struct str){ (const char *)address, n });
        } else {
            build_operand(b, KEY_STRING, 0, json_str(v));
        }
        break;
    case JSON_NUMBER:
        put_number(b, json_number(v));
        break;
    case JSON_BOOL:
        build_operand(b, json_bool(v) ? KEY_TRUE : KEY_FALSE, 0, STR_EMPTY);
        break;
    case JSON_NULL:
        build_operand(b, KEY_NULL, 0, STR_EMPTY);
        break;
    case JSON_ARRAY:
        return build_refuse(b, "a list has no lists in it: its values are "
                               "strings, numbers, true, false, null, and "
                               "objects of one operator (" ALLOWED ")");
    case JSON_OBJECT:
        break;
    }
    return OK;
}

// --- texts ---

// Reads the pieces between the stars of a wildcard; a backslash takes the meaning off a
// star or a backslash.
static enum err put_wildcard(struct build *b, struct str name, struct str text)
{
    struct buf pieces;
    struct buf piece;
    bool was_star = false;
    enum err err = OK;

    buf_init(&pieces, 0);
    buf_init(&piece, 0);
    for (size_t i = 0; i <= text.n_bytes && err == OK; i++) {
        bool is_end = i == text.n_bytes;
        char c = '*';

        if (!is_end)
            c = text.at[i];

        if (c == '*') {
            if (was_star && !is_end) {
                err = build_refuse(b, "%.*s must not have two stars in a row",
                                   STR_ARG(name));
            }
            buf_putc(&pieces, (char)(piece.n_bytes >> 8));
            buf_putc(&pieces, (char)piece.n_bytes);
            buf_put_str(&pieces, buf_str(&piece));
            buf_reset(&piece);
            was_star = true;
            continue;
        }
        was_star = false;
        if (c == '\\') {
            i++;
            c = '\0';
            if (i < text.n_bytes)
                c = text.at[i];
            if (c != '*' && c != '\\') {
                err = build_refuse(b,
                                   "%.*s: a backslash goes before a star or a "
                                   "backslash only",
                                   STR_ARG(name));
            }
        }
        buf_putc(&piece, c);
    }
    build_operand(b, TEXT_PLAIN, 0, buf_str(&pieces));
    buf_clear(&pieces);
    buf_clear(&piece);
    return err;
}

// Appends the operand of an operator that compares texts.
static enum err put_text(struct build *b, enum operator op, struct str name,
                         struct str text)
{
    struct buf folded;

    if (op == OP_WILDCARD)
        return put_wildcard(b, name, text);
    if (op == OP_PREFIX || op == OP_SUFFIX) {
        build_operand(b, TEXT_PLAIN, 0, text);
        return OK;
    }
    buf_init(&folded, 0);
    fold_put(text, op == OP_SUFFIX_ANY_CASE, &folded);
    build_operand(b, TEXT_FOLDED, 0, buf_str(&folded));
    buf_clear(&folded);
    return OK;
}

static enum err read_text(struct build *b, enum operator op, struct str name,
                          const struct json_value *v)
{
    enum err err;

    if (!json_is(v, JSON_STRING))
        return refuse_type(b, name, "a string", v);
    err = build_test(b, op, false, 1);
    return err == OK ? put_text(b, op, name, json_str(v)) : err;
}

// {"prefix": "a"} or {"prefix": {"equals-ignore-case": "a"}}; the same for suffix.
static enum err read_end(struct build *b, struct str name,
                         const struct json_value *v)
{
    bool is_prefix = str_is(name, "prefix");
    struct str inner = STR_EMPTY;
    const struct json_value *text;

    if (!json_is(v, JSON_OBJECT))
        return read_text(b, is_prefix ? OP_PREFIX : OP_SUFFIX, name, v);
    text = only_member(v, &inner);
    if (text == NULL || !str_is(inner, "equals-ignore-case")) {
        return build_refuse(b,
                            "%.*s must be a string, or an object with "
                            "equals-ignore-case alone",
                            STR_ARG(name));
    }
    return read_text(b, is_prefix ? OP_PREFIX_ANY_CASE : OP_SUFFIX_ANY_CASE,
                     inner, text);
}

static enum err read_exactly(struct build *b, struct str name,
                             const struct json_value *v)
{
    enum err err;

    if (!json_is(v, JSON_STRING))
        return refuse_type(b, name, "a string", v);
    err = build_test(b, OP_VALUES, false, 1);
    if (err == OK)
        build_operand(b, KEY_STRING, 0, json_str(v));
    return err;
}

// --- anything-but ---

// A string or a number, or a list of either.
static enum err read_but_values(struct build *b, const struct json_value *v)
{
    struct json_iter it = json_iter(v);
    bool is_list = json_is(v, JSON_ARRAY);
    const struct json_value *item = is_list ? json_next(&it, NULL) : v;
    bool is_text = json_is(item, JSON_STRING);
    double number;
    enum err err;

    if (item == NULL)
        return build_refuse(b, "the list of anything-but must not be empty");
    err = build_test(b, OP_VALUES, true, 1);
    for (; err == OK && item != NULL;
         item = is_list ? json_next(&it, NULL) : NULL) {
        if (is_text ? !json_is(item, JSON_STRING)
                    : !json_is(item, JSON_NUMBER)) {
            return build_refuse(b, "anything-but must be a string, a number, "
                                   "a list of strings, a list of numbers, or "
                                   "an object with one of prefix, suffix, "
                                   "equals-ignore-case, wildcard");
        }
        if (!is_text && !number_of(json_number(item), &number)) {
            return build_refuse(b, "%.*s is a number that would be rounded",
                                STR_ARG(json_number(item)));
        }
        if (is_text) {
            build_operand(b, KEY_STRING, 0, json_str(item));
        } else {
            put_number(b, json_number(item));
        }
    }
    if (err == OK)
        build_sort(b);
    return err;
}

static bool but_operator(struct str name, enum operator* op)
{
    static const struct {
        const char *name;
        enum operator op;
    } rows[] = {
        { "prefix", OP_PREFIX },
        { "suffix", OP_SUFFIX },
        { "equals-ignore-case", OP_ANY_CASE },
        { "wildcard", OP_WILDCARD },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_is(name, rows[i].name)) {
            *op = rows[i].op;
            return true;
        }
    }
    return false;
}

static enum err put_but_text(struct build *b, enum operator op, struct str name,
                             const struct json_value *v)
{
    if (!json_is(v, JSON_STRING)) {
        return refuse_type(b, name, "a string, or a list of strings", v);
    }
    if ((op == OP_PREFIX || op == OP_SUFFIX) && json_str(v).n_bytes == 0) {
        return build_refuse(b, "%.*s within anything-but must not be empty",
                            STR_ARG(name));
    }
    return put_text(b, op, name, json_str(v));
}

static enum err read_but(struct build *b, const struct json_value *v)
{
    struct str name = STR_EMPTY;
    const struct json_value *of;
    const struct json_value *item;
    struct json_iter it;
    enum operator op;
    enum err err;

    if (!json_is(v, JSON_OBJECT))
        return read_but_values(b, v);
    of = only_member(v, &name);
    if (of == NULL || !but_operator(name, &op)) {
        return build_refuse(b, "anything-but takes one of prefix, suffix, "
                               "equals-ignore-case, wildcard");
    }
    if (!json_is(of, JSON_ARRAY)) {
        err = build_test(b, op, true, 1);
        return err == OK ? put_but_text(b, op, name, of) : err;
    }
    if (json_size(of) == 0)
        return build_refuse(b, "the list of anything-but must not be empty");
    err = build_test(b, op, true, json_size(of));
    it = json_iter(of);
    while (err == OK && (item = json_next(&it, NULL)) != NULL)
        err = put_but_text(b, op, name, item);
    return err;
}

// --- numbers, addresses, presence ---

#define NUMERIC_FORM                                                     \
    "numeric must be a list like [\"=\", 5], [\"<\", 10] or "            \
    "[\">=\", 0, \"<\", 5]: one of = < <= > >= and a number, and after " \
    "> or >= perhaps < or <= and a larger number"

struct range {
    double low;
    double high;
    uint8_t flags;
};

// Takes an operator and its number. False: they are none.
static bool take_bound(struct json_iter *it, struct range *range,
                       bool is_second)
{
    const struct json_value *op = json_next(it, NULL);
    const struct json_value *number = json_next(it, NULL);
    struct str name = op != NULL ? json_str(op) : STR_EMPTY;
    double n;

    if (number == NULL || !number_of(json_number(number), &n))
        return false;
    if (str_is(name, "<") || str_is(name, "<=")) {
        range->high = n;
        range->flags |= name.n_bytes == 1 ? RANGE_OPEN_HIGH : 0;
        return true;
    }
    if (is_second)
        return false;
    range->low = n;
    if (str_is(name, "="))
        range->high = n;
    if (str_is(name, ">"))
        range->flags |= RANGE_OPEN_LOW;
    return str_is(name, "=") || str_is(name, ">") || str_is(name, ">=");
}

static enum err read_numeric(struct build *b, const struct json_value *v)
{
    struct json_iter it = json_iter(v);
    struct range range = { .low = -DBL_MAX, .high = DBL_MAX };
    double bounds[2];
    enum err err;

    if (!json_is(v, JSON_ARRAY) || (json_size(v) != 2 && json_size(v) != 4) ||
        !take_bound(&it, &range, false))
        return build_refuse(b, NUMERIC_FORM);
    if (json_size(v) == 4 &&
        (range.high < DBL_MAX || !take_bound(&it, &range, true) ||
         !(range.low < range.high)))
        return build_refuse(b, NUMERIC_FORM);
    err = build_test(b, OP_NUMERIC, false, 1);
    if (err != OK)
        return err;
    bounds[0] = range.low;
    bounds[1] = range.high;
    build_operand(b, TEXT_RANGE, range.flags,
                  (struct str){ (const char *)bounds, sizeof(bounds) });
    return OK;
}

static enum err read_cidr(struct build *b, const struct json_value *v)
{
    uint8_t network[17] = { 0 };
    size_t n = network_of(json_str(v), network + 1, &network[0]);
    enum err err;

    if (n == 0) {
        return build_refuse(b, "cidr must be a block of addresses like "
                               "10.0.0.0/8 (/0 to /31) or fd00::/8 (/0 to "
                               "/127)");
    }
    err = build_test(b, OP_CIDR, false, 1);
    if (err == OK) {
        build_operand(b, TEXT_NETWORK, 0,
                      (struct str){ (const char *)network, n + 1 });
    }
    return err;
}

static enum err read_exists(struct build *b, const struct json_value *v)
{
    if (!json_is(v, JSON_BOOL))
        return refuse_type(b, STR("exists"), "true or false", v);
    return build_test(b, json_bool(v) ? OP_EXISTS : OP_ABSENT, false, 1);
}

// --- the list ---

static enum err read_operator(struct build *b, const struct json_value *v)
{
    struct str name = STR_EMPTY;
    const struct json_value *with = only_member(v, &name);

    if (with == NULL) {
        return build_refuse(b, "an object in a list has exactly one operator "
                               "(" ALLOWED ")");
    }
    if (str_is(name, "exactly"))
        return read_exactly(b, name, with);
    if (str_is(name, "prefix") || str_is(name, "suffix"))
        return read_end(b, name, with);
    if (str_is(name, "equals-ignore-case"))
        return read_text(b, OP_ANY_CASE, name, with);
    if (str_is(name, "wildcard"))
        return read_text(b, OP_WILDCARD, name, with);
    if (str_is(name, "anything-but"))
        return read_but(b, with);
    if (str_is(name, "numeric"))
        return read_numeric(b, with);
    if (str_is(name, "cidr"))
        return read_cidr(b, with);
    if (str_is(name, "exists"))
        return read_exists(b, with);
    if (name.n_bytes > 64)
        name.n_bytes = 64;
    return build_refuse(b, "\"%.*s\" is no operator; allowed are " ALLOWED,
                        STR_ARG(name));
}

// All plain values of the list are one test, which is searched and not walked.
static enum err read_plain(struct build *b, const struct json_value *list)
{
    struct json_iter it = json_iter(list);
    const struct json_value *item;
    enum err err = OK;
    bool is_begun = false;

    while (err == OK && (item = json_next(&it, NULL)) != NULL) {
        if (json_is(item, JSON_OBJECT))
            continue;
        if (!is_begun)
            err = build_test(b, OP_VALUES, false, 1);
        is_begun = true;
        if (err == OK)
            err = put_plain(b, item);
    }
    if (err == OK && is_begun)
        build_sort(b);
    return err;
}

enum err operators_read(struct build *b, const struct json_value *list)
{
    struct json_iter it = json_iter(list);
    const struct json_value *item;
    enum err err;

    if (json_size(list) == 0)
        return build_refuse(b, "a list must not be empty");
    err = read_plain(b, list);
    while (err == OK && (item = json_next(&it, NULL)) != NULL) {
        if (json_is(item, JSON_OBJECT))
            err = read_operator(b, item);
    }
    return err;
}
