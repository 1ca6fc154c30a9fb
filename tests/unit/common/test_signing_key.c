// SPDX-License-Identifier: MIT
// test_signing_key.c — Ed25519 by known answers, the forms of keys, and how the keys of an
// organization follow each other.

#include <string.h>

#include "common/encoding/crypto.h"
#include "common/model/signing_key.h"
#include "tests/support/unit.h"

// RFC 8032, 7.1, test 1; its thumbprint is in RFC 8037, A.3.
#define WHSK                                                                \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6" \
    "DuFy89qmIyWvAhpo9wdRGg=="
#define WHSK_OF_ANOTHER                                                     \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6" \
    "DuFy89qmIyWvAhpo9wdRGw=="
#define WHSK_ALONE "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
#define WHPK       "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void assert_text(struct buf *text, const char *wanted)
{
    assert_string_equal(buf_cstr(text), wanted);
    buf_clear(text);
}

static void known_answers(void **state)
{
    static const uint8_t wanted[] = { 0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60,
                                      0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc };
    uint8_t pair[SIGNING_PAIR_BYTES], signature[ED25519_SIGNATURE_BYTES];
    const char *why;
    struct ed25519_key *key;

    (void)state;
    assert_int_equal(signing_pair_read(STR(WHSK), pair, &why), OK);
    key = ed25519_key_new(pair);
    for (int i = 0; i < 2; i++) { // a key signs more than once
        ed25519_sign(key, STR_EMPTY, signature);
        assert_memory_equal(signature, wanted, sizeof(wanted));
    }
    ed25519_key_free(key);
    assert_true(
        ed25519_verify(pair + ED25519_SEED_BYTES, STR_EMPTY, signature));
    assert_false(
        ed25519_verify(pair + ED25519_SEED_BYTES, STR("x"), signature));
    signature[40] ^= 1;
    assert_false(
        ed25519_verify(pair + ED25519_SEED_BYTES, STR_EMPTY, signature));
}

static void forms_of_a_key(void **state)
{
    uint8_t pair[SIGNING_PAIR_BYTES], alone[SIGNING_PAIR_BYTES];
    uint8_t public_key[ED25519_PUBLIC_BYTES];
    const struct str p = { (const char *)pair, sizeof(pair) };
    const char *why;
    struct buf text;

    (void)state;
    buf_init(&text, 0);
    assert_int_equal(signing_pair_read(STR(WHSK), pair, &why), OK);
    assert_int_equal(signing_pair_read(STR(WHSK_ALONE), alone, &why), OK);
    assert_memory_equal(pair, alone, sizeof(pair));
    signing_pair_put_secret(p, &text);
    assert_text(&text, WHSK);
    signing_pair_put_public(p, &text);
    assert_text(&text, WHPK);
    signing_pair_put_id(p, &text);
    assert_text(&text, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_int_equal(signing_public_read(STR(WHPK), public_key), OK);
    assert_memory_equal(public_key, pair + ED25519_SEED_BYTES,
                        sizeof(public_key));
}

static void bad_keys_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "whsk_",
        "whsk_AAAA",
        WHPK, // a public key
        "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDus=",
        // url-safe, without padding, with bits left over, with a public key of another
        "whsk_nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2B=",
        // Two lines of one text. NOLINTNEXTLINE(bugprone-suspicious-missing-comma)
        WHSK_OF_ANOTHER,
    };
    uint8_t pair[SIGNING_PAIR_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;

        assert_int_equal(signing_pair_read(str_of(bad[i]), pair, &why),
                         ERR_INVALID);
        assert_non_null(why);
        assert_int_equal(signing_public_read(str_of(bad[i]), pair),
                         strcmp(bad[i], WHPK) == 0 ? OK : ERR_INVALID);
    }
}

static struct signing_key key_at(uint8_t first, int64_t at_ms)
{
    struct signing_key key = { .pair = { first }, .created_at_ms = at_ms };

    return key;
}

static void keys_follow_each_other(void **state)
{
    struct signing_keys keys = {
        DIALECT_PULUMI, STR("acme"), { { { 0 }, 0, 0 } }, 0
    };
    struct signing_keys again;
    struct signing_key key;
    struct buf bytes;

    (void)state;
    for (uint8_t i = 0; i < SIGNING_KEYS_MAX; i++) {
        key = key_at(i, 1000 + i);
        assert_int_equal(signing_keys_add(&keys, &key, 5000 + i), OK);
        assert_int_equal(signing_keys_add(&keys, &key, 9000), ERR_EXISTS);
    }
    key = key_at(77, 4000);
    assert_int_equal(signing_keys_add(&keys, &key, 9000), ERR_FULL);
    assert_int_equal(keys.n, SIGNING_KEYS_MAX);
    assert_int_equal(keys.at[0].until_ms, 0);
    assert_int_equal(keys.at[1].until_ms, 5000 + SIGNING_KEYS_MAX - 1);
    buf_init(&bytes, 0);
    signing_keys_pack(&keys, &bytes);
    assert_int_equal(signing_keys_unpack(buf_str(&bytes), &again), OK);
    assert_true(str_is(again.org, "acme") && again.n == keys.n);
    assert_memory_equal(again.at, keys.at, sizeof(keys.at));
    bytes.n_bytes--;
    assert_int_equal(signing_keys_unpack(buf_str(&bytes), &again), ERR_CORRUPT);
    assert_int_equal(again.n, 0);
    buf_clear(&bytes);
    // An old one that comes back signs once, for good.
    key = key_at(5, 4000);
    assert_int_equal(signing_keys_add(&keys, &key, 5010), OK);
    assert_int_equal(keys.n, SIGNING_KEYS_MAX);
    assert_int_equal(keys.at[0].pair[0], 5);
    assert_false(signing_keys_expire(&keys, 5000));
    assert_true(signing_keys_expire(&keys, 5009));
    assert_int_equal(keys.n, 2);
    assert_true(signing_keys_expire(&keys, INT64_MAX));
    assert_int_equal(keys.n, 1); // the newest has no end
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(forms_of_a_key),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(keys_follow_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
