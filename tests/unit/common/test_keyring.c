// SPDX-License-Identifier: MIT
// test_keyring.c — keys in a file, and what is sealed with them.

#include "common/files/keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "tests/support/unit.h"

#define CONTEXT STR("hook 7")
#define SECRET  STR("a secret of nobody else's")

struct fixture {
    char dir[64];
    char *path;
    struct buf why, sealed, plain;
    void (*seal)(struct keyring *k, struct str context, struct str plain,
                 struct buf *out);
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->seal = keyring_seal;

    snprintf(f->dir, sizeof(f->dir), "/tmp/posthorn-keys-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->path = keyring_path("", f->dir);
    buf_init(&f->why, 0);
    buf_init(&f->sealed, 0);
    buf_init(&f->plain, 0);
    *state = f;
    return 0;
}

static int set_up_often(void **state)
{
    int rc = set_up(state);

    ((struct fixture *)*state)->seal = keyring_seal_often;
    return rc;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0); // nothing else may lie there
    buf_clear(&f->why);
    buf_clear(&f->sealed);
    buf_clear(&f->plain);
    free(f->path);
    free(f);
    return 0;
}

static struct keyring *read_keys(struct fixture *f)
{
    struct keyring *k = NULL;

    if (keyring_read(f->path, &k, &f->why) != OK)
        fail_msg("%s", buf_cstr(&f->why));
    return k;
}

static void put_file(const struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(f->path, 0600), 0);
}

static void a_made_key_is_there_for_its_owner_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(keyring_make(f->path, &f->why), OK);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(st.st_size, 65);
    assert_int_equal(keyring_make(f->path, &f->why), ERR_EXISTS);
    keyring_free(read_keys(f));
}

static void sealed_text_opens_where_it_belongs(void **state)
{
    struct fixture *f = *state;
    struct keyring *k;

    assert_int_equal(keyring_make(f->path, &f->why), OK);
    k = read_keys(f);
    f->seal(k, CONTEXT, SECRET, &f->sealed);
    assert_null(
        memmem(f->sealed.at, f->sealed.n_bytes, SECRET.at, SECRET.n_bytes));
    assert_int_equal(keyring_open(k, CONTEXT, buf_str(&f->sealed), &f->plain),
                     OK);
    assert_true(str_eq(buf_str(&f->plain), SECRET));
    assert_int_equal(
        keyring_open(k, STR("hook 8"), buf_str(&f->sealed), &f->plain),
        ERR_CORRUPT);
    keyring_free(k);
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct keyring *k;

    assert_int_equal(keyring_make(f->path, &f->why), OK);
    k = read_keys(f);
    f->seal(k, CONTEXT, SECRET, &f->sealed);
    for (size_t i = 0; i < f->sealed.n_bytes * 8; i++) {
        f->sealed.at[i / 8] = (char)(f->sealed.at[i / 8] ^ 1 << i % 8);
        assert_int_not_equal(
            keyring_open(k, CONTEXT, buf_str(&f->sealed), &f->plain), OK);
        f->sealed.at[i / 8] = (char)(f->sealed.at[i / 8] ^ 1 << i % 8);
    }
    for (size_t n = 0; n < f->sealed.n_bytes; n++) {
        assert_int_not_equal(keyring_open(k, CONTEXT,
                                          (struct str){ f->sealed.at, n },
                                          &f->plain),
                             OK);
    }
    keyring_free(k);
}

static void same_text_is_sealed_differently_each_time(void **state)
{
    struct fixture *f = *state;
    struct keyring *k;
    char *first;
    size_t n_bytes;

    assert_int_equal(keyring_make(f->path, &f->why), OK);
    k = read_keys(f);
    f->seal(k, CONTEXT, SECRET, &f->sealed);
    first = buf_take(&f->sealed, &n_bytes);
    f->seal(k, CONTEXT, SECRET, &f->sealed);
    assert_int_equal(f->sealed.n_bytes, n_bytes);
    assert_memory_not_equal(first, f->sealed.at, n_bytes);
    free(first);
    keyring_free(k);
}

static void a_change_of_keys_opens_what_was_before_until_its_end(void **state)
{
    struct fixture *f = *state;
    struct keyring *k;
    struct keyring *old;

    assert_int_equal(keyring_make(f->path, &f->why), OK);
    k = read_keys(f);
    old = read_keys(f);
    keyring_seal(k, CONTEXT, SECRET, &f->sealed);
    assert_int_equal(keyring_add(f->path, &k, &f->why), OK);
    assert_int_equal(keyring_open(k, CONTEXT, buf_str(&f->sealed), &f->plain),
                     OK);
    // A change that is stopped here and begun again makes no third key.
    keyring_free(k);
    k = read_keys(f);
    assert_int_equal(keyring_add(f->path, &k, &f->why), OK);
    buf_reset(&f->sealed);
    keyring_seal(k, CONTEXT, SECRET, &f->sealed);
    assert_int_equal(keyring_open(old, CONTEXT, buf_str(&f->sealed), &f->plain),
                     ERR_DENIED);
    assert_int_equal(keyring_drop_old(f->path, &k, &f->why), OK);
    assert_int_equal(keyring_open(k, CONTEXT, buf_str(&f->sealed), &f->plain),
                     OK);
    buf_reset(&f->sealed);
    keyring_seal(old, CONTEXT, SECRET, &f->sealed);
    assert_int_equal(keyring_open(k, CONTEXT, buf_str(&f->sealed), &f->plain),
                     ERR_DENIED);
    keyring_free(old);
    keyring_free(k);
}

static void files_that_hold_no_keys_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "not a key\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0\n",
    };
    struct fixture *f = *state;
    struct keyring *k;

    assert_int_equal(keyring_read(f->path, &k, &f->why), ERR_NOTFOUND);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put_file(f, texts[i]);
        buf_reset(&f->why);
        if (keyring_read(f->path, &k, &f->why) != ERR_INVALID)
            fail_msg("taken: %s", texts[i]);
        assert_non_null(strstr(buf_cstr(&f->why), "must hold 1 to 4 keys"));
    }
}

// AES-256-GCM, test case 16 of the GCM specification (McGrew and Viega).
static void aead_gives_the_known_answer(void **state)
{
    static const uint8_t key[AEAD_KEY_BYTES] = {
        0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f,
        0x94, 0x67, 0x30, 0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65,
        0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08
    };
    static const uint8_t nonce[AEAD_NONCE_BYTES] = { 0xca, 0xfe, 0xba, 0xbe,
                                                     0xfa, 0xce, 0xdb, 0xad,
                                                     0xde, 0xca, 0xf8, 0x88 };
    static const uint8_t context[] = { 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe,
                                       0xef, 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad,
                                       0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2 };
    static const uint8_t plain[] = {
        0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5,
        0xaf, 0xf5, 0x26, 0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda,
        0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31, 0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95,
        0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25,
        0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39
    };
    struct fixture *f = *state;
    struct aead *a = aead_new(key);
    struct buf hex;

    buf_init(&hex, 0);
    aead_seal(a, nonce, (struct str){ (const char *)context, sizeof(context) },
              (struct str){ (const char *)plain, sizeof(plain) }, &f->sealed);
    crypto_put_hex(&hex, f->sealed.at, f->sealed.n_bytes);
    assert_string_equal(
        buf_cstr(&hex),
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b");
    buf_clear(&hex);
    aead_free(a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define OFTEN(name) \
    cmocka_unit_test_setup_teardown(name, set_up_often, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_made_key_is_there_for_its_owner_alone),
        TEST(sealed_text_opens_where_it_belongs),
        TEST(every_flipped_bit_is_noticed),
        TEST(same_text_is_sealed_differently_each_time),
        OFTEN(sealed_text_opens_where_it_belongs),
        OFTEN(every_flipped_bit_is_noticed),
        OFTEN(same_text_is_sealed_differently_each_time),
        TEST(a_change_of_keys_opens_what_was_before_until_its_end),
        TEST(files_that_hold_no_keys_are_refused),
        TEST(aead_gives_the_known_answer),
    };

    return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
