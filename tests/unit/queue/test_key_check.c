// SPDX-License-Identifier: MIT
// test_key_check.c — sealed secrets of hooks, through starts, new keys, and records of earlier
// versions.

#include "common/base/codec.h"
#include "queue/catalog/hook_keys.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "queue/sealing/key_check.h"
#include "tests/support/queue_fixture.h"

#define CANARY "canary-6d1fe2"

static const struct str values[] = {
    { "Authorization", 13 },
    { CANARY "-one", sizeof(CANARY "-one") - 1 },
    { "X-Plain", 7 },
    { CANARY "-two", sizeof(CANARY "-two") - 1 },
};

static struct hook hook_of(const char *name)
{
    return (struct hook){ .scope = { .dialect = DIALECT_PULUMI,
                                     .level = LEVEL_ORGANIZATION,
                                     .org = STR("acme") },
                          .name = str_of(name),
                          .display_name = STR("d"),
                          .url = STR("http://x/"),
                          .format = FORMAT_RAW,
                          .active = true };
}

static bool copy(void *data, const struct hook *h)
{
    struct hook **out = data;

    *out = hook_copy(h);
    return false;
}

static struct hook *get(struct fixture *f, const char *name)
{
    struct hook wanted = hook_of(name);
    struct hook *found = NULL;

    assert_int_equal(
        hook_get(f->hooks, &wanted.scope, wanted.name, copy, &found), OK);
    return found;
}

static bool holds(struct str text, const char *word)
{
    return text.n_bytes >= strlen(word) &&
           memmem(text.at, text.n_bytes, word, strlen(word)) != NULL;
}

// The record of a hook as version 3 wrote it: values beside their names, one old
// secret whose time is outside of what is sealed.
static void put_version_3(struct fixture *f, const struct hook *h,
                          struct buf *out)
{
    uint8_t context[12] = { 'h', 'o', 'o', 'k' };
    size_t start = record_begin(out, 3);
    struct buf plain, sealed;

    buf_init(&plain, 0);
    buf_init(&sealed, 0);
    put_be64(context + 4, h->no);
    pack_str(&plain, STR("new"));
    pack_str(&plain, STR("old"));
    pack_str(&plain, STR_EMPTY);
    keyring_seal(f->config.keys,
                 (struct str){ (const char *)context, sizeof(context) },
                 buf_str(&plain), &sealed);
    pack_u64(out, h->no);
    pack_u64(out, h->revision);
    pack_u64(out, h->scope.dialect);
    pack_u64(out, h->scope.level);
    pack_str(out, h->scope.org);
    pack_str(out, STR_EMPTY);
    pack_str(out, STR_EMPTY);
    pack_str(out, h->name);
    pack_str(out, h->display_name);
    pack_str(out, h->url);
    pack_u64(out, h->format);
    pack_bool(out, true);
    pack_u64(out, 0);
    pack_u64(out, 0);
    pack_array(out, 0);
    pack_array(out, 4);
    for (size_t i = 0; i < 4; i++)
        pack_str(out, values[i]);
    pack_str(out, STR_EMPTY); // the policy
    for (size_t i = 0; i < 4; i++)
        pack_u64(out, 0);
    pack_bool(out, false);
    pack_str(out, STR_EMPTY);
    pack_str(out, buf_str(&sealed));
    pack_str(out, STR_EMPTY);
    pack_i64(out, 1234567);
    pack_u64(out, 0);
    for (size_t i = 0; i < 3; i++)
        pack_i64(out, 0);
    pack_bool(out, true); // paused
    pack_u64(out, 0);
    pack_bool(out, false);
    record_end(out, start);
    buf_clear(&plain);
    buf_clear(&sealed);
}

// Puts it, or, with `record` empty, gets it.
static void exchange(struct fixture *f, const char *name, struct buf *record)
{
    struct hook h = hook_of(name);
    struct store *s = f->hooks->store;
    struct buf key;
    MDB_txn *txn;
    MDB_val k, v;

    buf_init(&key, KEY_MAX_BYTES);
    assert_int_equal(hook_put_key(&h.scope, h.name, &key), OK);
    k = val_of(buf_str(&key));
    assert_int_equal(store_write(s, &txn), OK);
    if (record->n_bytes > 0) {
        record_move(record->at, record->n_bytes,
                    store_place(s, HOOKS_HOOKS, k));
        v = val_of(buf_str(record));
        assert_int_equal(mdb_put(txn, s->dbs[HOOKS_HOOKS], &k, &v, 0), 0);
    } else {
        assert_int_equal(mdb_get(txn, s->dbs[HOOKS_HOOKS], &k, &v), 0);
        buf_put_str(record, str_of_val(v));
    }
    assert_int_equal(store_commit(s, txn), OK);
    buf_clear(&key);
}

static void assert_is_whole(const struct hook *h)
{
    assert_int_equal(h->n_headers, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(str_eq(h->headers[i], values[i]));
    assert_int_equal(h->secret_headers, 0);
    assert_true(str_is(h->secret, "new"));
    assert_int_equal(h->n_old, 1);
    assert_true(str_is(h->old[0].secret, "old"));
    assert_int_equal(h->old[0].until_ms, 1234567);
    assert_true(h->paused);
}

static void
open_values_of_an_earlier_version_are_sealed_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct hook hook = hook_of("a");
    struct hook *found;
    struct buf record, why;

    buf_init(&record, 0);
    buf_init(&why, 0);
    assert_int_equal(create_hook(f, &hook), OK);
    put_version_3(f, &hook, &record);
    exchange(f, "a", &record);
    found = get(f, "a"); // as it is
    assert_is_whole(found);
    hook_free(found);
    for (int i = 0; i < 2; i++) { // the second start finds nothing to do
        assert_int_equal(seals_check(&f->config, &why), OK);
        buf_reset(&record);
        exchange(f, "a", &record);
        assert_int_equal((uint8_t)record.at[0], HOOK_VERSION);
        assert_false(holds(buf_str(&record), CANARY));
        assert_true(holds(buf_str(&record), "X-Plain"));
        found = get(f, "a");
        assert_is_whole(found);
        assert_int_equal(found->revision, hook.revision);
        hook_free(found);
    }
    buf_clear(&record);
    buf_clear(&why);
}

// Records get another length, so that pages split under the cursor.
static void all_of_many_are_sealed_and_each_stays_itself(void **state)
{
    struct fixture *f = *state;
    struct buf record, why;

    buf_init(&record, 0);
    buf_init(&why, 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            char name[16];
            struct hook hook;

            snprintf(name, sizeof(name), "h%d", i);
            hook = hook_of(name);
            buf_reset(&record);
            if (round == 0) {
                assert_int_equal(create_hook(f, &hook), OK);
                put_version_3(f, &hook, &record);
                exchange(f, name, &record);
            } else {
                struct hook *found = get(f, name);

                assert_is_whole(found);
                assert_true(str_is(found->name, name));
                hook_free(found);
                exchange(f, name, &record);
                assert_false(holds(buf_str(&record), CANARY));
            }
        }
        assert_int_equal(seals_check(&f->config, &why), OK);
    }
    buf_clear(&record);
    buf_clear(&why);
}

static void headers_open_in_their_place_only(void **state)
{
    struct fixture *f = *state;
    const struct position at = position_of(7), beside = position_of(8);
    struct str text = STR("X-Plain: " CANARY "\r\n");
    struct buf sealed, again, out;

    buf_init(&sealed, 0);
    buf_init(&again, 0);
    buf_init(&out, 0);
    headers_seal(f->hooks, 5, at, text, &sealed);
    headers_seal(f->hooks, 5, at, text, &again);
    assert_true(headers_are_sealed(buf_str(&sealed)));
    assert_false(headers_are_sealed(text) || headers_are_sealed(STR_EMPTY));
    assert_false(holds(buf_str(&sealed), CANARY));
    assert_false(str_eq(buf_str(&sealed), buf_str(&again)));
    assert_int_equal(headers_open(f->hooks, 5, at, buf_str(&sealed), &out), OK);
    assert_true(str_eq(buf_str(&out), text));
    assert_int_equal(headers_open(f->hooks, 6, at, buf_str(&sealed), &out),
                     ERR_CORRUPT);
    assert_int_equal(headers_open(f->hooks, 5, beside, buf_str(&sealed), &out),
                     ERR_CORRUPT);
    for (size_t i = 0; i < sealed.n_bytes; i++) {
        struct str cut = { sealed.at, i };

        assert_int_equal(headers_open(f->hooks, 5, at, cut, &out), ERR_CORRUPT);
        sealed.at[i] ^= 1;
        assert_int_equal(headers_open(f->hooks, 5, at, buf_str(&sealed), &out),
                         ERR_CORRUPT);
        sealed.at[i] ^= 1;
    }
    buf_clear(&sealed);
    buf_clear(&again);
    buf_clear(&out);
}

static void directory_key_is_for_good(void **state)
{
    struct fixture *f = *state;
    uint8_t before[HOOK_KEY_BYTES], after[HOOK_KEY_BYTES];
    char *path = keyring_path("", f->dir);
    struct hook_store *view;
    struct buf why;
    uint64_t n;

    buf_init(&why, 0);
    hook_store_key(f->hooks, "one", before);
    hook_store_key(f->hooks, "two", after);
    assert_memory_not_equal(before, after, sizeof(before));
    assert_int_equal(keyring_add(path, &f->config.keys, &why), OK);
    assert_int_equal(queue_reseal(&f->config, &n), OK);
    assert_int_equal(keyring_drop_old(path, &f->config.keys, &why), OK);
    assert_int_equal(seals_check(&f->config, &why), OK);
    assert_int_equal(hook_store_view(&f->config, &view), OK);
    hook_store_key(view, "one", after);
    assert_memory_equal(before, after, sizeof(before));
    // A process without keys gets no values that would be the same the next time.
    f->config.keys = NULL;
    assert_int_equal(hook_store_view(&f->config, &view), OK);
    hook_store_key(view, "one", after);
    assert_memory_not_equal(before, after, sizeof(before));
    buf_clear(&why);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            open_values_of_an_earlier_version_are_sealed_at_the_start, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            all_of_many_are_sealed_and_each_stays_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_open_in_their_place_only,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(directory_key_is_for_good, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
