// SPDX-License-Identifier: MIT
// fuzz_hooks.c — bodies of webhooks in both dialects: an accepted hook is printed, reading
// the printed text again changes nothing, and no secret is shown.
//
// Input: a byte of choices, a line that creates a hook, lines that change it.

#include <string.h>

#include "api/json/pulumi_hook_json.h"
#include "common/base/utf8.h"
#include "common/config/config.h"
#include "common/encoding/url.h"
#include "common/model/event_kinds.h"
#include "common/model/signing_key.h"
#include "tests/fuzz/json_equal.h"

#define NOW_MS INT64_C(1790000000000)
#define KEY    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

struct bench {
    struct arena arena;
    struct buf why;
    struct validation validation;
    const struct hook_dialect *dialect;
    struct hook hook;
};

static void begin(struct bench *b, uint8_t choices)
{
    static const enum hook_level levels[] = { LEVEL_ORGANIZATION, LEVEL_STACK,
                                              LEVEL_ENVIRONMENT };

    memset(b, 0, sizeof(*b));
    buf_init(&b->why, 4096);
    b->validation =
        (struct validation){ .arena = &b->arena,
                             .slack_url_prefixes = "https://hooks.slack.com/",
                             .now_ms = NOW_MS,
                             .secret_overlap_ms = 5000,
                             .why = &b->why };
    b->hook.scope = (struct hook_scope){ .dialect = DIALECT_PULUMI,
                                         .level = levels[choices % 3],
                                         .org = STR("acme") };
    b->hook.name = STR("h");
    b->dialect = &pulumi_dialect;
    if ((choices & 4) != 0) {
        b->dialect = &akinon_dialect;
        b->hook.scope.dialect = DIALECT_AKINON;
        b->hook.scope.level = LEVEL_PROJECT;
        b->hook.scope.org = STR("63ea00000000000000000001");
        b->hook.scope.project = STR("63ea00000000000000000002");
    } else if (b->hook.scope.level != LEVEL_ORGANIZATION) {
        b->hook.scope.project = STR("web");
        b->hook.scope.target = STR("prod");
    }
}

static void print(const struct bench *b, bool is_masked, struct buf *out)
{
    const struct hook_showing to = { .is_masked = is_masked,
                                     .ciphertext_key = (const uint8_t *)KEY };
    struct json_writer w = json_writer(out);

    buf_reset(out);
    json_open_object(&w, NULL);
    b->dialect->print(&to, &b->hook, &w);
    json_close(&w);
}

static void check_hook(const struct hook *h)
{
    struct url url;

    CHECK(h->n_kinds <= HOOK_LIST_MAX && h->n_headers <= HOOK_LIST_MAX);
    CHECK(h->n_headers % 2 == 0 && h->n_old <= OLD_SECRETS_MAX);
    CHECK(h->sign_key.n_bytes ==
          (h->signing == SIGNING_OWN ? SIGNING_PAIR_BYTES : 0));
    CHECK(h->filters >> n_filters == 0 && h->groups >> GROUPS == 0);
    CHECK(h->format >= FORMAT_RAW && h->format <= FORMAT_CLOUDEVENTS);
    CHECK(utf8_is_valid(h->display_name.at, h->display_name.n_bytes));
    if (h->format != FORMAT_PULUMI_DEPLOYMENTS)
        CHECK(url_parse(h->url, &url, NULL) == OK);
    CHECK((h->client_key.n_bytes > 0) == (h->client_cert.n_bytes > 0));
}

static bool holds(const struct buf *text, struct str what)
{
    return what.n_bytes >= 20 && text->n_bytes > 0 &&
           memmem(text->at, text->n_bytes, what.at, what.n_bytes) != NULL;
}

// Checks what is shown: no secret with a validation's rights, and no HMAC key even with a
// writer's rights.
static void check_shown(const struct bench *b)
{
    struct buf masked, whole;

    buf_init(&masked, 0);
    buf_init(&whole, 0);
    print(b, true, &masked);
    print(b, false, &whole);
    json_free(json_read(buf_str(&masked)));
    json_free(json_read(buf_str(&whole)));
    // A name that repeats the secret is not a fault of the program.
    if (!holds(&masked, b->hook.display_name) && b->hook.secret.n_bytes >= 20 &&
        memmem(b->hook.url.at, b->hook.url.n_bytes, b->hook.secret.at,
               b->hook.secret.n_bytes) == NULL &&
        b->hook.n_headers == 0)
        CHECK(!holds(&masked, b->hook.secret));
    CHECK(!holds(&masked, b->hook.client_key));
    buf_clear(&masked);
    buf_clear(&whole);
}

// Sends the printed hook back as a change: nothing changes, also not by its masks.
static void check_given_back(struct bench *b, bool is_masked)
{
    struct hook before = b->hook;
    struct buf printed, again;
    struct json *json;

    buf_init(&printed, 0);
    buf_init(&again, 0);
    print(b, is_masked, &printed);
    json = json_read(buf_str(&printed));
    buf_reset(&b->why);
    if (b->dialect->merge(&b->validation, json_root(json), &b->hook) != OK) {
        // The name is no member of a change that is printed elsewhere.
        fuzz_fail(__FILE__, __LINE__, buf_cstr(&b->why));
    }
    print(b, is_masked, &again);
    CHECK(str_eq(buf_str(&printed), buf_str(&again)));
    CHECK(str_eq(before.secret, b->hook.secret));
    CHECK(before.n_old == b->hook.n_old &&
          before.n_headers == b->hook.n_headers);
    for (size_t i = 0; i < before.n_headers; i++)
        CHECK(str_eq(before.headers[i], b->hook.headers[i]));
    json_free(json);
    buf_clear(&printed);
    buf_clear(&again);
}

static bool apply(struct bench *b, struct str text, bool is_new)
{
    struct json *json = NULL;
    struct hook before = b->hook;
    enum err err;

    if (json_parse(text, &json_default_limits, &json, NULL) != OK)
        return false;
    buf_reset(&b->why);
    err = is_new
              ? b->dialect->read_new(&b->validation, json_root(json), &b->hook)
              : b->dialect->merge(&b->validation, json_root(json), &b->hook);
    json_free(json); // the hook must not point into it
    if (err != OK) {
        CHECK(err == ERR_INVALID || err == ERR_FULL);
        CHECK(b->why.n_bytes > 0);
        CHECK(utf8_is_valid(b->why.at, b->why.n_bytes) || b->why.overflow);
        b->hook = before;
        return false;
    }
    if (b->hook.name.n_bytes == 0)
        b->hook.name = STR("h");
    check_hook(&b->hook);
    check_shown(b);
    check_given_back(b, true);
    check_given_back(b, false);
    return true;
}

void fuzz_one(struct str input)
{
    uint8_t choices = take_u8(&input);
    struct bench b;

    begin(&b, choices);
    if (apply(&b, take_line(&input), true)) {
        for (int i = 0; i < 8 && input.n_bytes > 0; i++)
            (void)apply(&b, take_line(&input), false);
    }
    arena_clear(&b.arena);
    buf_clear(&b.why);
}

#define BASE                                                                \
    "{\"organizationName\":\"acme\",\"displayName\":\"d\",\"active\":true," \
    "\"payloadUrl\":\"https://example.com/x\""

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "@" BASE ",\"secret\":\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\","
        "\"filters\":[\"update_failed\",\"order.*\"],\"groups\":[\"stacks\"]}\n"
        "{\"secret\":\"another secret that is long\"}\n"
        "{\"secret\":\"__remove-secret\",\"endSecretOverlap\":true}",
        "A" BASE ",\"signingKey\":\"own\"}\n"
        "{\"signingKey\":\"new\",\"endSecretOverlap\":false}\n"
        "{\"signingKey\":\"organization\"}\n"
        "{\"signingKey\":\"whsk_nWGxne/"
        "9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\"}",
        "@" BASE
        ",\"headers\":{\"X-Api-Key\":\"0123456789abcdef0\",\"A\":\"b\"},"
        "\"secretHeaders\":[\"A\"]}\n{\"headers\":{\"A\":\"c\"}}\n"
        "{\"headers\":{\"X-Api-Key\":\"0123********\"},\"secretHeaders\":null}",
        "A" BASE ",\"retrySchedule\":\"5s,30s\",\"timeout\":\"5s\","
        "\"maxInFlight\":3,\"rateLimit\":{\"perSecond\":5,\"burst\":9},"
        "\"ordered\":true,\"orderKey\":\"customer.id\",\"paused\":true}\n"
        "{\"ordered\":null,\"rateLimit\":null,\"paused\":false}",
        "@{\"organizationName\":\"acme\",\"displayName\":\"d\",\"active\":"
        "false,"
        "\"payloadUrl\":\"https://hooks.slack.com/x\",\"format\":\"slack\"}",
        "@{\"organizationName\":\"acme\",\"displayName\":\"d\",\"active\":true,"
        "\"payloadUrl\":\"web/prod\",\"format\":\"pulumi_deployments\"}",
        "B" BASE ",\"format\":\"ms_teams\",\"groups\":[\"environments\"]}",
        "D{\"name\":\"My hook\",\"url\":\"https://example.com/\",\"events\":"
        "[\"deployment.build.created\"],\"headers\":{\"Cookie\":"
        "\"abcdefghijklmnopqrs\"},\"active\":true}\n{\"events\":[\"a.b\"],"
        "\"name\":\"Another\"}\n{\"active\":false}",
        "@" BASE ",\"clientCertificate\":\"-----BEGIN CERTIFICATE-----\\n\","
        "\"clientKey\":\"-----BEGIN PRIVATE KEY-----\\n\"}",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
