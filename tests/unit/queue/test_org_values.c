// SPDX-License-Identifier: MIT
// test_org_values.c — small values of organizations: their revisions, limits and secrets,
// through new keys, copies, repairs and erasures.

#include "common/base/codec.h"
#include "queue/catalog/hook_keys.h"
#include "queue/orgs/org_value_rows.h"
#include "tests/support/queue_fixture.h"

#define CANARY "canary-0b7d41"

struct told {
    unsigned n_calls;
    enum err err;
    uint64_t revision;
};

static void on_told(void *data, const struct catalog_result *result)
{
    struct told *t = data;

    t->n_calls++;
    t->err = result->err;
    t->revision = result->revision;
}

static enum err wait_for(struct fixture *f, const struct told *t)
{
    assert_int_equal(t->n_calls, 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(t->n_calls, 1);
    return t->err;
}

static struct org_value_put kind_of(const char *org, const char *name,
                                    const char *bytes)
{
    return (struct org_value_put){ .dialect = DIALECT_PULUMI,
                                   .org = str_of(org),
                                   .use = ORG_EVENT_KIND,
                                   .name = str_of(name),
                                   .bytes = str_of(bytes),
                                   .revision = ORG_VALUE_ANY };
}

static enum err put_value(struct fixture *f, const struct org_value_put *put,
                          uint64_t *revision)
{
    struct told t = { .err = ERR_AGAIN };
    const struct catalog_caller caller = { .done = on_told, .data = &t };

    org_value_put(f->hooks, put, &caller);
    if (wait_for(f, &t) == OK && revision != NULL)
        *revision = t.revision;
    return t.err;
}

static enum err delete_value(struct fixture *f, uint64_t org_no,
                             const char *name, uint64_t revision)
{
    struct told t = { .err = ERR_AGAIN };
    const struct catalog_caller caller = { .done = on_told, .data = &t };

    org_value_delete(f->hooks, org_no, ORG_EVENT_KIND, str_of(name), revision,
                     &caller);
    return wait_for(f, &t);
}

static uint64_t number_of(struct fixture *f, const char *org)
{
    uint64_t no = 0;

    assert_int_equal(org_number(f->hooks, DIALECT_PULUMI, str_of(org), &no),
                     OK);
    return no;
}

// "name=bytes " of each, "name! " of one that stays closed.
static bool note(void *data, const struct org_value *value)
{
    struct buf *out = data;

    buf_put_str(out, value->name);
    if (value->is_open) {
        buf_putc(out, '=');
        buf_put_str(out, value->bytes);
    } else {
        buf_putc(out, '!');
    }
    buf_putc(out, ' ');
    return true;
}

static void assert_values(struct hook_store *hs, enum org_value_use use,
                          uint64_t org_no, const char *after,
                          const char *wanted)
{
    struct buf got;

    buf_init(&got, 0);
    assert_int_equal(org_value_each(hs, use, org_no, str_of(after), note, &got),
                     OK);
    assert_string_equal(buf_cstr(&got), wanted);
    buf_clear(&got);
}

static void revisions_and_the_share_of_an_organization_hold(void **state)
{
    struct fixture *f = *state;
    struct org_value_put put = kind_of("acme", "b", "1");
    uint64_t acme, other, first = 0, second = 0, all = 0;

    put.revision = ORG_VALUE_NEW;
    put.max = 2;
    assert_int_equal(org_values_revision(f->hooks, ORG_EVENT_KIND, &all), OK);
    assert_int_equal(all, 0);
    assert_int_equal(put_value(f, &put, &first), OK);
    assert_int_equal(put_value(f, &put, NULL), ERR_CONFLICT);
    put.revision = first;
    put.bytes = STR("2");
    assert_int_equal(put_value(f, &put, &second), OK);
    assert_true(second > first);
    assert_int_equal(put_value(f, &put, NULL), ERR_CONFLICT);
    put.revision = ORG_VALUE_ANY;
    put.name = STR("a");
    assert_int_equal(put_value(f, &put, NULL), OK);
    put.name = STR("c");
    assert_int_equal(put_value(f, &put, NULL), ERR_TOOBIG);
    put.name = STR("a"); // in place of one: no more than before
    assert_int_equal(put_value(f, &put, NULL), OK);
    put = kind_of("acmf", "a", "other");
    assert_int_equal(put_value(f, &put, NULL), OK);
    acme = number_of(f, "acme");
    other = number_of(f, "acmf");
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "", "a=2 b=2 ");
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "a", "b=2 ");
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "aa", "b=2 ");
    assert_values(f->hooks, ORG_EVENT_KIND, other, "", "a=other ");
    assert_values(f->hooks, ORG_EVENT_KIND, 0, "", "a=2 b=2 a=other ");
    assert_values(f->hooks, ORG_RETENTION, 0, "", "");
    assert_int_equal(org_values_revision(f->hooks, ORG_EVENT_KIND, &all), OK);
    assert_int_equal(delete_value(f, acme, "b", first), ERR_CONFLICT);
    assert_int_equal(delete_value(f, acme, "b", second), OK);
    assert_int_equal(delete_value(f, acme, "b", ORG_VALUE_ANY), ERR_NOTFOUND);
    assert_int_equal(org_values_revision(f->hooks, ORG_EVENT_KIND, &first), OK);
    assert_int_equal(first, all + 1);
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "", "a=2 ");
}

static void what_is_too_long_is_refused(void **state)
{
    static char long_text[ORG_VALUE_MAX_BYTES + 1];
    struct fixture *f = *state;
    struct org_value_put put = kind_of("acme", "", "");

    memset(long_text, 'x', sizeof(long_text));
    put.name = (struct str){ long_text, ORG_VALUE_NAME_MAX_BYTES };
    put.bytes = (struct str){ long_text, ORG_VALUE_MAX_BYTES };
    assert_int_equal(put_value(f, &put, NULL), OK);
    put.name.n_bytes++;
    assert_int_equal(put_value(f, &put, NULL), ERR_INVALID);
    put.name.n_bytes--;
    put.bytes.n_bytes++;
    assert_int_equal(put_value(f, &put, NULL), ERR_INVALID);
    put.org = (struct str){ long_text, NAME_MAX_BYTES + 1 };
    put.bytes.n_bytes--;
    assert_int_equal(put_value(f, &put, NULL), ERR_INVALID);
}

// The value's row as it lies on disk.
static void read_row(struct fixture *f, enum org_value_use use, uint64_t org_no,
                     struct buf *out)
{
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    MDB_val key = org_value_key(use, org_no, STR("k1"), bytes);
    struct store *s = f->hooks->store;
    MDB_txn *txn;
    MDB_val val;

    assert_int_equal(store_read(s, &txn), OK);
    assert_int_equal(mdb_get(txn, s->dbs[HOOKS_META], &key, &val), 0);
    buf_reset(out);
    buf_put_str(out, str_of_val(val));
    store_read_end(s);
}

static void a_secret_is_sealed_and_sealed_anew(void **state)
{
    struct fixture *f = *state;
    struct org_value_put put = kind_of("acme", "k1", CANARY);
    struct queue_config without = f->config;
    struct keyring *new = NULL;
    struct hook_store *closed;
    struct buf before, after, why;
    char *path = keyring_path("", f->dir);
    uint64_t n_hooks = 0;
    uint64_t acme;

    buf_init(&before, 0);
    buf_init(&after, 0);
    buf_init(&why, 0);
    put.use = ORG_SIGNING_KEY;
    put.is_secret = true;
    assert_int_equal(put_value(f, &put, NULL), OK);
    acme = number_of(f, "acme");
    read_row(f, ORG_SIGNING_KEY, acme, &before);
    assert_null(memmem(before.at, before.n_bytes, CANARY, strlen(CANARY)));
    assert_values(f->hooks, ORG_SIGNING_KEY, acme, "", "k1=" CANARY " ");
    without.keys = NULL;
    assert_int_equal(hook_store_view(&without, &closed), OK);
    assert_values(closed, ORG_SIGNING_KEY, acme, "", "k1! ");

    assert_int_equal(keyring_read(path, &new, &why), OK);
    assert_int_equal(keyring_add(path, &new, &why), OK);
    f->config.keys = new;
    assert_int_equal(queue_reseal(&f->config, &n_hooks), OK);
    assert_int_equal(keyring_drop_old(path, &new, &why), OK);
    read_row(f, ORG_SIGNING_KEY, acme, &after);
    assert_false(str_eq(buf_str(&before), buf_str(&after)));
    assert_values(f->hooks, ORG_SIGNING_KEY, acme, "", "k1! "); // the old key
    f->config.keys = new;
    assert_int_equal(hook_store_view(&f->config, &closed), OK);
    assert_values(closed, ORG_SIGNING_KEY, acme, "", "k1=" CANARY " ");
    free(path);
    buf_clear(&before);
    buf_clear(&after);
    buf_clear(&why);
}

// A sealed value that is moved under another organization's key stays closed or damaged.
static void a_secret_cannot_be_moved(void **state)
{
    struct fixture *f = *state;
    uint8_t from[ORG_VALUE_KEY_MAX_BYTES], to[ORG_VALUE_KEY_MAX_BYTES];
    struct org_value value = { .use = ORG_SIGNING_KEY,
                               .revision = 1,
                               .bytes = STR(CANARY),
                               .is_sealed = true };
    MDB_val key = org_value_key(ORG_SIGNING_KEY, 7, STR("k1"), from);
    struct buf record, plain;

    buf_init(&record, 0);
    buf_init(&plain, 0);
    org_value_encode(&value, key, f->config.keys, &record);
    assert_int_equal(org_value_decode(RECORD_NOWHERE, key,
                                      val_of(buf_str(&record)), f->config.keys,
                                      &plain, &value),
                     OK);
    assert_true(str_is(value.bytes, CANARY));
    key = org_value_key(ORG_SIGNING_KEY, 8, STR("k1"), to);
    assert_int_equal(org_value_decode(RECORD_NOWHERE, key,
                                      val_of(buf_str(&record)), f->config.keys,
                                      &plain, &value),
                     ERR_CORRUPT);
    buf_clear(&record);
    buf_clear(&plain);
}

static void work(struct fixture *f, uint64_t no)
{
    struct told t = { .err = ERR_AGAIN };
    const struct catalog_caller caller = { .done = on_told, .data = &t };

    erasure_work(f->hooks, no, &caller);
    assert_int_equal(wait_for(f, &t), OK);
}

static void an_erasure_removes_all_of_one_organization(void **state)
{
    struct fixture *f = *state;
    struct org_value_put put = kind_of("acme", "", "x");
    struct told t = { .err = ERR_AGAIN };
    const struct catalog_caller caller = { .done = on_told, .data = &t };
    const struct id id = { .bytes = { 1 } };
    struct erasure e;
    uint64_t acme, before = 0, after = 0;
    char name[8];

    for (int i = 0; i < 250; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        put.name = str_of(name);
        assert_int_equal(put_value(f, &put, NULL), OK);
    }
    put = kind_of("acmf", "k", "stays");
    assert_int_equal(put_value(f, &put, NULL), OK);
    put = kind_of("acme", "", "r");
    put.use = ORG_RETENTION;
    assert_int_equal(put_value(f, &put, NULL), OK);
    acme = number_of(f, "acme");
    assert_int_equal(org_values_revision(f->hooks, ORG_EVENT_KIND, &before),
                     OK);
    erasure_begin(f->hooks, STR("acme"), &id, &caller);
    assert_int_equal(wait_for(f, &t), OK);
    assert_int_equal(put_value(f, &put, NULL), ERR_BUSY);
    assert_int_equal(erasure_first(f->hooks, &e), OK);
    for (int i = 0; i < 6 && e.step == ERASE_HOOKS; i++) {
        work(f, e.no);
        assert_int_equal(erasure_first(f->hooks, &e), OK);
    }
    assert_int_equal(e.step, ERASE_DELIVERIES);
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "", "");
    assert_values(f->hooks, ORG_RETENTION, 0, "", "");
    assert_values(f->hooks, ORG_EVENT_KIND, 0, "", "k=stays ");
    assert_int_equal(org_values_revision(f->hooks, ORG_EVENT_KIND, &after), OK);
    assert_true(after > before);
}

// Changes the last byte of the value's record.
static void damage(struct fixture *f, uint64_t org_no, const char *name)
{
    uint8_t at[ORG_VALUE_KEY_MAX_BYTES], bytes[256];
    MDB_val key = org_value_key(ORG_EVENT_KIND, org_no, str_of(name), at);
    struct store *s = f->hooks->store;
    MDB_txn *txn;
    MDB_val val;

    assert_int_equal(store_write(s, &txn), OK);
    assert_int_equal(mdb_get(txn, s->dbs[HOOKS_META], &key, &val), 0);
    assert_in_range(val.mv_size, 1, sizeof(bytes));
    memcpy(bytes, val.mv_data, val.mv_size);
    bytes[val.mv_size - 1] ^= 1;
    val.mv_data = bytes;
    assert_int_equal(mdb_put(txn, s->dbs[HOOKS_META], &key, &val, 0), 0);
    assert_int_equal(store_commit(s, txn), OK);
}

static void a_damaged_one_is_passed_over_and_can_be_replaced(void **state)
{
    struct fixture *f = *state;
    struct org_value_put put = kind_of("acme", "a", "1");
    struct buf got;
    uint64_t acme;

    buf_init(&got, 0);
    assert_int_equal(put_value(f, &put, NULL), OK);
    put.name = STR("b");
    assert_int_equal(put_value(f, &put, NULL), OK);
    acme = number_of(f, "acme");
    damage(f, acme, "a");
    assert_int_equal(
        org_value_get(f->hooks, ORG_EVENT_KIND, acme, STR("a"), note, &got),
        ERR_CORRUPT);
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "", "b=1 ");
    put = kind_of("acme", "a", "2");
    assert_int_equal(put_value(f, &put, NULL), OK);
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "", "a=2 b=1 ");
    damage(f, acme, "b");
    assert_int_equal(delete_value(f, acme, "b", ORG_VALUE_ANY), OK);
    assert_values(f->hooks, ORG_EVENT_KIND, acme, "", "a=2 ");
    buf_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(revisions_and_the_share_of_an_organization_hold),
        EACH(what_is_too_long_is_refused),
        EACH(a_secret_is_sealed_and_sealed_anew),
        EACH(a_secret_cannot_be_moved),
        EACH(an_erasure_removes_all_of_one_organization),
        EACH(a_damaged_one_is_passed_over_and_can_be_replaced),
    };

    return cmocka_run_group_tests_name("org_values", tests, NULL, NULL);
}
