// SPDX-License-Identifier: MIT
// test_queue_orgs.c — the number of an organization, when a record of it is damaged: what is
// stored for the organization is found by that number alone.

#include "common/base/codec.h"
#include "queue/catalog/hook_keys.h"
#include "queue/records/schema.h"
#include "tests/support/queue_fixture.h"

static struct hook hook_of(const char *org, const char *name)
{
    return (struct hook){ .scope = { .dialect = DIALECT_PULUMI,
                                     .level = LEVEL_ORGANIZATION,
                                     .org = str_of(org) },
                          .name = str_of(name),
                          .display_name = STR("d"),
                          .url = STR("http://x/"),
                          .format = FORMAT_RAW,
                          .active = true };
}

static uint64_t make(struct fixture *f, const char *org, const char *name)
{
    struct hook hook = hook_of(org, name);

    assert_int_equal(create_hook(f, &hook), OK);
    return hook.org_id;
}

static enum err number_of(struct fixture *f, const char *org, uint64_t *no)
{
    return org_number(f->hooks, DIALECT_PULUMI, str_of(org), no);
}

// Changes one byte of a record.
static void damage(struct fixture *f, unsigned db, MDB_val key)
{
    struct store *s = f->hooks->store;
    uint8_t bytes[256];
    MDB_val val;
    MDB_txn *txn;

    assert_int_equal(store_write(s, &txn), OK);
    assert_int_equal(mdb_get(txn, s->dbs[db], &key, &val), 0);
    assert_in_range(val.mv_size, 1, sizeof(bytes));
    memcpy(bytes, val.mv_data, val.mv_size);
    bytes[val.mv_size - 1] ^= 1;
    val.mv_data = bytes;
    assert_int_equal(mdb_put(txn, s->dbs[db], &key, &val, 0), 0);
    assert_int_equal(store_commit(s, txn), OK);
}

static void damage_by_name(struct fixture *f, const char *org)
{
    char key[64];

    key[0] = (char)DIALECT_PULUMI;
    snprintf(key + 1, sizeof(key) - 1, "%s", org);
    damage(f, HOOKS_ORGS, val_at(key, strlen(org) + 1));
}

static void damage_by_number(struct fixture *f, uint64_t no)
{
    uint8_t key[8];

    put_be64(key, no);
    damage(f, HOOKS_ORG_NOS, val_at(key, sizeof(key)));
}

static void a_damaged_name_is_found_by_its_number_and_rebuilt(void **state)
{
    struct fixture *f = *state;
    uint64_t acme = make(f, "acme", "a");
    uint64_t other = make(f, "acmf", "a");
    uint64_t no = 0;

    damage_by_name(f, "acme");
    assert_int_equal(number_of(f, "acme", &no), OK);
    assert_int_equal(no, acme);
    assert_int_equal(number_of(f, "acmf", &no), OK);
    assert_int_equal(no, other);
    assert_int_equal(make(f, "acme", "b"), acme); // not a new number
    // The next write has rebuilt the record: the other direction is not needed.
    damage_by_number(f, acme);
    assert_int_equal(number_of(f, "acme", &no), OK);
    assert_int_equal(no, acme);
    assert_int_equal(make(f, "acme", "c"), acme);
}

// Another number would give the organization's history to nobody, or somebody else's to it.
static void a_number_that_is_lost_is_not_replaced_by_another(void **state)
{
    struct fixture *f = *state;
    uint64_t acme = make(f, "acme", "a");
    struct hook hook = hook_of("acme", "b");
    uint64_t no = 0;
    uint64_t other;

    damage_by_name(f, "acme");
    damage_by_number(f, acme);
    assert_int_equal(number_of(f, "acme", &no), ERR_CORRUPT);
    assert_int_equal(create_hook(f, &hook), ERR_CORRUPT);
    other = make(f, "acmf", "a");
    assert_true(other > acme);
    assert_int_equal(number_of(f, "acme", &no), ERR_CORRUPT);
}

static void a_name_that_is_too_long_has_no_number(void **state)
{
    struct fixture *f = *state;
    static char name[1000];
    uint64_t no = 0;

    memset(name, 'x', sizeof(name) - 1);
    assert_int_equal(number_of(f, name, &no), OK);
    assert_int_equal(no, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_damaged_name_is_found_by_its_number_and_rebuilt),
        EACH(a_number_that_is_lost_is_not_replaced_by_another),
        EACH(a_name_that_is_too_long_has_no_number),
    };

    return cmocka_run_group_tests_name("queue_orgs", tests, NULL, NULL);
}
