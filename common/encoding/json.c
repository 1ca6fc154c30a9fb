// SPDX-License-Identifier: MIT
// json.c — strict JSON (RFC 8259) reading within limits; yyjson inside.
//
// yyjson's reader does not recurse, so deeply nested brackets use no stack. Its
// values are stored one after the other, in the order of the text; our own pass
// over them checks depth, keys and strings and does not recurse either. Numbers are
// kept as text: none is too long, none is rounded.
//
// Keys of a large object are compared by a hash with a secret seed. If keys collide
// all the same, they are sorted, so no text takes long.

#include "common/encoding/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"

// In objects up to this size, keys are compared pairwise, which is cheaper than
// hashing.
#define FEW_KEYS        16
#define KEY_SHOWN_BYTES 64 // of a key that is quoted in `why`

const struct json_limits json_default_limits = {
    .max_depth = 128,
};

const struct json_limits json_no_limits = {
    .max_depth = JSON_DEPTH_MAX,
};

struct json {
    yyjson_doc *doc;
    char text[]; // the values' strings lie in it
};

// A struct json_value is a yyjson_val under another name.
static yyjson_val *val_of(const struct json_value *v)
{
    union {
        const struct json_value *ours;
        yyjson_val *theirs;
    } both = { .ours = v };

    return both.theirs;
}

static const struct json_value *value_of(const yyjson_val *val)
{
    return (const struct json_value *)val;
}

static struct str str_of_val(yyjson_val *val)
{
    return (struct str){ yyjson_get_str(val), yyjson_get_len(val) };
}

// --- checking ---

struct check {
    const struct json_limits *limits;
    size_t n_keys; // so far
    struct buf *why;
    size_t n_open; // containers around the current value
    const yyjson_val *ends[JSON_DEPTH_MAX]; // the value after each of these
};

static int compare_keys(const void *a, const void *b)
{
    const struct str *x = a;
    const struct str *y = b;
    size_t n_bytes = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
    int order = n_bytes > 0 ? memcmp(x->at, y->at, n_bytes) : 0;

    if (order != 0)
        return order;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

static enum err say_twice(struct buf *why, struct str key)
{
    if (key.n_bytes > KEY_SHOWN_BYTES)
        key.n_bytes = KEY_SHOWN_BYTES;
    if (why != NULL) {
        buf_puts(why, "key ");
        buf_put_json(why, key);
        buf_puts(why, " is given twice");
    }
    return ERR_INVALID;
}

static enum err few_keys_differ(yyjson_val *object, struct buf *why)
{
    struct str seen[FEW_KEYS];
    size_t i;
    size_t n;
    yyjson_val *key;
    yyjson_val *value;

    yyjson_obj_foreach(object, i, n, key, value)
    {
        seen[i] = str_of_val(key);
        for (size_t j = 0; j < i; j++) {
            if (str_eq(seen[j], seen[i]))
                return say_twice(why, seen[i]);
        }
    }
    return OK;
}

static enum err sorted_keys_differ(yyjson_val *object, struct buf *why)
{
    struct str *keys = xcalloc(yyjson_obj_size(object), sizeof(*keys));
    size_t n = 0;
    size_t i;
    size_t n_all;
    yyjson_val *key;
    yyjson_val *value;
    enum err err = OK;

    yyjson_obj_foreach(object, i, n_all, key, value)
    {
        keys[n++] = str_of_val(key);
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t j = 1; j < n && err == OK; j++) {
        if (str_eq(keys[j - 1], keys[j]))
            err = say_twice(why, keys[j]);
    }
    free(keys);
    return err;
}

static uint64_t seed_of_keys(void)
{
    static uint64_t seed;

    while (seed == 0)
        crypto_random(&seed, sizeof(seed));
    return seed;
}

// A hash table of an object's keys, with open addressing.
struct key_table {
    yyjson_val **places;
    size_t mask;
    size_t n_steps_left; // when used up, the keys were chosen to collide
};

// Returns the equal key that is already in the table, or adds this one and returns
// NULL.
static yyjson_val *put_key(struct key_table *t, yyjson_val *key)
{
    struct str text = str_of_val(key);
    size_t at = (size_t)hash64(text, seed_of_keys()) & t->mask;

    while (t->places[at] != NULL && t->n_steps_left > 0) {
        if (str_eq(str_of_val(t->places[at]), text))
            return key;
        at = (at + 1) & t->mask;
        t->n_steps_left--;
    }
    if (t->places[at] == NULL)
        t->places[at] = key;
    return NULL;
}

static enum err many_keys_differ(yyjson_val *object, struct buf *why)
{
    size_t n_keys = yyjson_obj_size(object);
    struct key_table t = { .mask = 64, .n_steps_left = n_keys * 4 };
    size_t i;
    size_t n;
    yyjson_val *key;
    yyjson_val *value;
    yyjson_val *twice = NULL;

    while (t.mask < n_keys * 2)
        t.mask *= 2;
    t.places = xcalloc(t.mask, sizeof(yyjson_val *));
    t.mask--;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        twice = put_key(&t, key);
        if (twice != NULL || t.n_steps_left == 0)
            break;
    }
    free(t.places);
    if (twice != NULL)
        return say_twice(why, str_of_val(twice));
    return t.n_steps_left > 0 ? OK : sorted_keys_differ(object, why);
}

static enum err check_string(const struct check *check, yyjson_val *string)
{
    size_t limit = check->limits->max_string_bytes;

    if (limit == 0 || yyjson_get_len(string) <= limit)
        return OK;
    if (check->why != NULL) {
        buf_printf(check->why,
                   "a string is longer than %zu bytes (max_json_string_bytes)",
                   limit);
    }
    return ERR_INVALID;
}

static enum err check_keys(struct check *check, yyjson_val *object)
{
    size_t limit = check->limits->max_keys;

    check->n_keys += yyjson_obj_size(object);
    if (limit != 0 && check->n_keys > limit) {
        if (check->why != NULL)
            buf_printf(check->why, "more than %zu keys (max_json_keys)", limit);
        return ERR_INVALID;
    }
    return yyjson_obj_size(object) <= FEW_KEYS
               ? few_keys_differ(object, check->why)
               : many_keys_differ(object, check->why);
}

static enum err check_container(struct check *check, yyjson_val *container)
{
    if (check->n_open == check->limits->max_depth) {
        if (check->why != NULL) {
            buf_printf(check->why, "nested deeper than %u (max_json_depth)",
                       check->limits->max_depth);
        }
        return ERR_INVALID;
    }
    check->ends[check->n_open++] = unsafe_yyjson_get_next(container);
    return yyjson_is_obj(container) ? check_keys(check, container) : OK;
}

static enum err check_all(struct check *check, yyjson_val *root)
{
    const yyjson_val *end = unsafe_yyjson_get_next(root);
    enum err err = OK;

    assert(check->limits->max_depth <= JSON_DEPTH_MAX);
    for (yyjson_val *val = root; val < end && err == OK; val++) {
        while (check->n_open > 0 && val >= check->ends[check->n_open - 1])
            check->n_open--;
        if (yyjson_is_str(val)) { // keys are strings, too
            err = check_string(check, val);
        } else if (yyjson_is_ctn(val)) {
            err = check_container(check, val);
        }
    }
    return err;
}

// --- parsing ---

static const char *fault_name(yyjson_read_code code)
{
    const struct {
        yyjson_read_code code;
        const char *name;
    } faults[] = {
        { YYJSON_READ_ERROR_EMPTY_CONTENT, "the text is empty" },
        { YYJSON_READ_ERROR_UNEXPECTED_CONTENT, "more text after the value" },
        { YYJSON_READ_ERROR_UNEXPECTED_END, "the text ends too early" },
        { YYJSON_READ_ERROR_JSON_STRUCTURE, "wrong structure" },
        { YYJSON_READ_ERROR_INVALID_NUMBER, "invalid number" },
        { YYJSON_READ_ERROR_INVALID_STRING, "invalid string" },
        { YYJSON_READ_ERROR_LITERAL, "invalid literal" },
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        if (faults[i].code == code)
            return faults[i].name;
    }
    return "unexpected character";
}

static enum err say_not_json(struct buf *why, const yyjson_read_err *fault)
{
    if (why == NULL)
        return ERR_INVALID;
    buf_printf(why, "not JSON: %s", fault_name(fault->code));
    if (fault->code != YYJSON_READ_ERROR_EMPTY_CONTENT)
        buf_printf(why, " at byte %zu", fault->pos);
    return ERR_INVALID;
}

enum err json_parse(struct str text, const struct json_limits *limits,
                    struct json **out, struct buf *why)
{
    const yyjson_read_flag flags =
        YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW;
    struct check check;
    yyjson_read_err fault = { .code = YYJSON_READ_ERROR_EMPTY_CONTENT };
    struct json *j;

    check.limits = limits; // and no more is set: its places are many
    check.why = why;
    check.n_keys = 0;
    check.n_open = 0;
    if (text.n_bytes == 0)
        return say_not_json(why, &fault);
    j = xmalloc(sizeof(*j) + text.n_bytes + YYJSON_PADDING_SIZE);
    memcpy(j->text, text.at, text.n_bytes);
    memset(j->text + text.n_bytes, 0, YYJSON_PADDING_SIZE);
    j->doc = yyjson_read_opts(j->text, text.n_bytes, flags, NULL, &fault);
    if (j->doc == NULL) {
        json_free(j);
        return say_not_json(why, &fault);
    }
    if (check_all(&check, yyjson_doc_get_root(j->doc)) != OK) {
        json_free(j);
        return ERR_INVALID;
    }
    *out = j;
    return OK;
}

void json_free(struct json *j)
{
    if (j == NULL)
        return;
    yyjson_doc_free(j->doc);
    free(j);
}

// --- reading ---

const struct json_value *json_root(const struct json *j)
{
    return value_of(yyjson_doc_get_root(j->doc));
}

enum json_type json_type(const struct json_value *v)
{
    switch (yyjson_get_type(val_of(v))) {
    case YYJSON_TYPE_BOOL:
        return JSON_BOOL;
    case YYJSON_TYPE_RAW:
        return JSON_NUMBER;
    case YYJSON_TYPE_STR:
        return JSON_STRING;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return JSON_OBJECT;
    default: // a plain integer, not an enum of ours
        return JSON_NULL;
    }
}

const char *json_type_name(const struct json_value *v)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean",
        [JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
        [JSON_ARRAY] = "an array",  [JSON_OBJECT] = "an object",
    };

    return names[json_type(v)];
}

const struct json_value *json_get(const struct json_value *v, const char *key)
{
    return value_of(yyjson_obj_get(val_of(v), key));
}

bool json_is(const struct json_value *v, enum json_type type)
{
    return v != NULL && json_type(v) == type;
}

struct str json_str(const struct json_value *v)
{
    return json_is(v, JSON_STRING) ? str_of_val(val_of(v)) : STR_EMPTY;
}

bool json_bool(const struct json_value *v)
{
    return yyjson_is_true(val_of(v));
}

// Only plain digits count as an integer: 1.0 and 1e3 do not, since the receiver's
// parser may not accept them as one.
struct str json_number(const struct json_value *v)
{
    if (!json_is(v, JSON_NUMBER))
        return STR_EMPTY;
    return (struct str){ yyjson_get_raw(val_of(v)), yyjson_get_len(val_of(v)) };
}

enum err json_int(const struct json_value *v, int64_t *out)
{
    uint64_t limit = INT64_MAX;
    uint64_t number = 0;
    struct str text;
    bool is_negative;

    if (!json_is(v, JSON_NUMBER))
        return ERR_INVALID;
    text = (struct str){ yyjson_get_raw(val_of(v)), yyjson_get_len(val_of(v)) };
    is_negative = text.at[0] == '-';
    if (is_negative)
        limit++;
    for (size_t i = is_negative; i < text.n_bytes; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text.at[i] - '0';

        if (digit > 9 || number > (limit - digit) / 10)
            return ERR_INVALID;
        number = number * 10 + digit;
    }
    *out = is_negative ? (int64_t)(0 - number) : (int64_t)number;
    return OK;
}

int64_t json_int_or_zero(const struct json_value *v)
{
    int64_t n = 0;

    return json_int(v, &n) == OK ? n : 0;
}

struct json_iter json_iter(const struct json_value *v)
{
    yyjson_val *val = val_of(v);
    struct json_iter it = { .n_left = json_size(v) };

    it.is_object = yyjson_is_obj(val);
    if (it.n_left > 0) // the first key or element follows its container
        it.next = value_of(val + 1);
    return it;
}

const struct json_value *json_next(struct json_iter *it, struct str *key)
{
    yyjson_val *val;

    if (it->n_left == 0)
        return NULL;
    val = val_of(it->next);
    if (it->is_object) {
        if (key != NULL)
            *key = str_of_val(val);
        val++;
    }
    it->n_left--;
    it->next = value_of(unsafe_yyjson_get_next(val));
    return value_of(val);
}

size_t json_size(const struct json_value *v)
{
    yyjson_val *val = val_of(v);

    return yyjson_is_arr(val) ? yyjson_arr_size(val) : yyjson_obj_size(val);
}

// --- compacting ---
//
// A scanner over the text: which bytes are white space outside of strings is
// all it has to know. It trusts the text to be JSON for its result, never for
// its memory: every step stops at the end.

struct scan {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end && is_blank(*s->at))
        s->at++;
}

// Moves from an opening quote past the closing one: the first quote with an even
// number of backslashes before it.
static void skip_string(struct scan *s)
{
    const char *first = ++s->at;

    while (s->at < s->end) {
        const char *quote = memchr(s->at, '"', (size_t)(s->end - s->at));
        const char *escape = quote;

        if (quote == NULL)
            break;
        while (escape > first && escape[-1] == '\\')
            escape--;
        s->at = first = quote + 1;
        if ((quote - escape) % 2 == 0)
            return;
    }
    s->at = s->end;
}

// Whether a byte outside of strings needs no special handling when a value is
// copied.
static bool is_plain(char c)
{
    static const bool special[256] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, ['"'] = true,
        ['{'] = true, ['['] = true,  ['}'] = true,  [']'] = true,  [','] = true,
    };

    return !special[(unsigned char)c];
}

// Passes one value and puts it into `out` (may be NULL) without white space:
// runs between white space are copied as they are, so a value that is compact
// already costs one copy.
static void take_value(struct scan *s, struct buf *out)
{
    const char *run = s->at;
    unsigned depth = 0;

    while (s->at < s->end) {
        char c = *s->at;

        if (is_plain(c)) {
            s->at++;
        } else if (c == '"') {
            skip_string(s);
        } else if (is_blank(c)) {
            if (out != NULL)
                buf_put(out, run, (size_t)(s->at - run));
            skip_blanks(s);
            run = s->at;
        } else if (c == '{' || c == '[') {
            depth++;
            s->at++;
        } else if (depth == 0) {
            break; // a comma or the end of what is around the value
        } else {
            depth -= c != ',';
            s->at++;
        }
    }
    if (out != NULL)
        buf_put(out, run, (size_t)(s->at - run));
}

// Whether the key, as written between its quotes, equals `key`. The parser decodes
// keys with escapes.
static bool is_key(struct str source, const char *key)
{
    struct str inner = { source.at + 1, source.n_bytes - 2 };
    struct json *j;
    bool is_same;

    if (memchr(inner.at, '\\', inner.n_bytes) == NULL)
        return str_is(inner, key);
    if (json_parse(source, &json_no_limits, &j, NULL) != OK)
        return false;
    is_same = str_is(json_str(json_root(j)), key);
    json_free(j);
    return is_same;
}

enum err json_compact_member(struct str text, const char *key, struct buf *out)
{
    struct scan s = { text.at, text.at + text.n_bytes };

    skip_blanks(&s);
    if (key == NULL) {
        take_value(&s, out);
        return out->overflow ? ERR_TOOBIG : OK;
    }
    while (s.at < s.end) {
        struct str source;
        bool is_wanted;

        s.at++; // skip the brace or the comma
        skip_blanks(&s);
        source.at = s.at;
        if (s.at == s.end || *s.at != '"')
            break; // an empty object
        skip_string(&s);
        source.n_bytes = (size_t)(s.at - source.at);
        is_wanted = source.n_bytes >= 2 && is_key(source, key);
        skip_blanks(&s);
        if (s.at < s.end)
            s.at++; // skip the colon
        skip_blanks(&s);
        take_value(&s, is_wanted ? out : NULL);
        if (is_wanted)
            return out->overflow ? ERR_TOOBIG : OK;
    }
    return ERR_NOTFOUND;
}
