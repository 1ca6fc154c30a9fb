// SPDX-License-Identifier: MIT
// test_payload_keys.c — a key per organization, and what is sealed with it.

#include "common/files/payload_keys.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/files/keyring.h"
#include "queue/records/sealed.h"
#include "tests/support/unit.h"

#define ORG   STR("acme")
#define OTHER STR("globex")
#define PLAIN STR("a payload of nobody else's")
#define WHERE STR("event 7")

struct fixture {
    char dir[64];
    char *path; // of the keyring's key
    struct keyring *keyring;
    struct payload_keys *keys;   // the writer
    struct payload_keys *reader; // as another process has it
    struct buf why, sealed, plain;
};

static struct payload_keys *open_keys(struct fixture *f, bool is_writer)
{
    struct payload_keys *k = NULL;

    if (payload_keys_open(f->dir, f->keyring, is_writer, &k, &f->why) != OK)
        fail_msg("%s", buf_cstr(&f->why));
    return k;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/posthorn-payload-keys-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    buf_init(&f->why, 0);
    buf_init(&f->sealed, 0);
    buf_init(&f->plain, 0);
    f->path = keyring_path("", f->dir);
    assert_int_equal(keyring_make(f->path, &f->why), OK);
    assert_int_equal(keyring_read(f->path, &f->keyring, &f->why), OK);
    f->keys = open_keys(f, true);
    f->reader = open_keys(f, false);
    *state = f;
    return 0;
}

// The path of a key file, of which there must be `n` in all.
static char *key_file(const struct fixture *f, size_t n)
{
    DIR *dir = opendir(f->dir);
    char *path = NULL;
    size_t n_found = 0;

    assert_non_null(dir);
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        const char *dot = strrchr(d->d_name, '.');

        if (dot == NULL || strcmp(d->d_name, "secret.key") == 0 ||
            d->d_name[0] == '.')
            continue;
        assert_string_equal(dot, ".key"); // nothing temporary is left
        n_found++;
        free(path);
        path = xasprintf("%s/%s", f->dir, d->d_name);
    }
    closedir(dir);
    assert_int_equal(n_found, n);
    return path;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char *command = xasprintf("rm -r %s", f->dir);

    payload_keys_free(f->reader);
    payload_keys_free(f->keys);
    keyring_free(f->keyring);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    free(command);
    buf_clear(&f->why);
    buf_clear(&f->sealed);
    buf_clear(&f->plain);
    free(f->path);
    free(f);
    return 0;
}

static void seal(struct fixture *f, struct str org)
{
    buf_reset(&f->sealed);
    assert_int_equal(payload_keys_prepare(f->keys, org), OK);
    assert_int_equal(payload_seal(f->keys, org, WHERE, PLAIN, &f->sealed), OK);
}

static enum err open_it(struct fixture *f, struct payload_keys *keys)
{
    buf_reset(&f->plain);
    return payload_open(keys, WHERE, buf_str(&f->sealed), &f->plain);
}

static void a_text_is_opened_by_whoever_has_the_key(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char *path;

    seal(f, ORG);
    assert_int_equal(f->sealed.n_bytes, PLAIN.n_bytes + PAYLOAD_SEAL_BYTES);
    assert_int_equal(open_it(f, f->keys), OK);
    assert_true(str_eq(buf_str(&f->plain), PLAIN));
    assert_int_equal(open_it(f, f->reader), OK);
    assert_true(str_eq(buf_str(&f->plain), PLAIN));
    path = key_file(f, 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_null(strstr(path, "acme"));
    free(path);
}

static void no_text_is_sealed_twice_in_the_same_way(void **state)
{
    struct fixture *f = *state;
    struct payload_keys *again = open_keys(f, true); // after a restart
    struct buf first;

    buf_init(&first, 0);
    seal(f, ORG);
    buf_put_str(&first, buf_str(&f->sealed));
    seal(f, ORG);
    assert_false(str_eq(buf_str(&first), buf_str(&f->sealed)));
    buf_reset(&f->sealed);
    assert_int_equal(payload_seal(again, ORG, WHERE, PLAIN, &f->sealed), OK);
    assert_false(str_eq(buf_str(&first), buf_str(&f->sealed)));
    assert_int_equal(open_it(f, f->reader), OK);
    buf_clear(&first);
    payload_keys_free(again);
}

static void what_was_changed_or_moved_is_damaged(void **state)
{
    struct fixture *f = *state;

    seal(f, ORG);
    buf_reset(&f->plain);
    assert_int_equal(
        payload_open(f->reader, STR("event 8"), buf_str(&f->sealed), &f->plain),
        ERR_CORRUPT);
    for (size_t n = 0; n < f->sealed.n_bytes; n++) {
        buf_reset(&f->plain);
        assert_int_not_equal(payload_open(f->reader, WHERE,
                                          (struct str){ f->sealed.at, n },
                                          &f->plain),
                             OK);
    }
    for (size_t i = 0; i < f->sealed.n_bytes; i++) {
        f->sealed.at[i] ^= 1;
        assert_int_not_equal(open_it(f, f->reader), OK);
        f->sealed.at[i] ^= 1;
    }
    assert_int_equal(open_it(f, f->reader), OK);
}

static void organizations_have_keys_of_their_own(void **state)
{
    struct fixture *f = *state;

    seal(f, ORG);
    seal(f, OTHER);
    free(key_file(f, 2));
    assert_int_equal(payload_keys_destroy(f->keys, ORG), OK);
    assert_int_equal(open_it(f, f->keys), OK); // the other one's
    free(key_file(f, 1));
}

static void a_destroyed_key_is_gone_also_if_there_is_a_new_one(void **state)
{
    struct fixture *f = *state;
    struct payload_keys *late;

    seal(f, ORG);
    assert_int_equal(payload_keys_destroy(f->keys, ORG), OK);
    assert_int_equal(payload_keys_destroy(f->keys, ORG), OK);
    assert_int_equal(open_it(f, f->keys), ERR_NOTFOUND);
    assert_int_equal(payload_has_key(f->keys, buf_str(&f->sealed)),
                     ERR_NOTFOUND);
    assert_int_equal(payload_keys_prepare(f->reader, ORG), ERR_NOTFOUND);
    assert_int_equal(payload_keys_prepare(f->keys, ORG), OK);
    assert_int_equal(open_it(f, f->keys), ERR_NOTFOUND);
    late = open_keys(f, false);
    assert_int_equal(open_it(f, late), ERR_NOTFOUND);
    payload_keys_free(late);
}

static void a_reader_forgets_within_a_second(void **state)
{
    struct fixture *f = *state;

    seal(f, ORG);
    assert_int_equal(open_it(f, f->reader), OK);
    assert_int_equal(payload_keys_destroy(f->keys, ORG), OK);
    usleep(1010 * 1000);
    assert_int_equal(open_it(f, f->reader), ERR_NOTFOUND);
}

// Each process that seals has a series of its own.
static void more_series_than_are_kept_in_memory(void **state)
{
    struct fixture *f = *state;
    struct buf first;

    buf_init(&first, 0);
    seal(f, ORG);
    buf_put_str(&first, buf_str(&f->sealed));
    for (unsigned i = 0; i < 600; i++) {
        struct payload_keys *other = open_keys(f, false);

        buf_reset(&f->sealed);
        assert_int_equal(payload_seal(other, ORG, WHERE, PLAIN, &f->sealed),
                         OK);
        payload_keys_free(other);
        assert_int_equal(open_it(f, f->reader), OK);
    }
    buf_reset(&f->plain);
    assert_int_equal(payload_open(f->reader, WHERE, buf_str(&first), &f->plain),
                     OK);
    assert_true(str_eq(buf_str(&f->plain), PLAIN));
    buf_clear(&first);
}

static void a_file_that_is_no_key_is_told_from_none(void **state)
{
    struct fixture *f = *state;
    struct payload_keys *late = open_keys(f, true);
    char *path;
    FILE *file;

    seal(f, ORG);
    path = key_file(f, 1);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("posthorn payload key 1\nabcdef\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_it(f, late), ERR_INVALID);
    assert_int_equal(payload_keys_prepare(late, ORG), ERR_INVALID);
    free(path);
    payload_keys_free(late);
}

static void new_keys_of_the_keyring_seal_the_files_anew(void **state)
{
    struct fixture *f = *state;
    struct payload_keys *late;
    size_t n_sealed, n_left;

    seal(f, OTHER);
    seal(f, ORG);
    payload_keys_free(f->keys);
    payload_keys_free(f->reader);
    assert_int_equal(keyring_add(f->path, &f->keyring, &f->why), OK);
    f->keys = open_keys(f, true);
    f->reader = open_keys(f, false);
    assert_int_equal(payload_keys_reseal(f->keys, &n_sealed, &n_left, &f->why),
                     OK);
    assert_int_equal(n_sealed, 2);
    assert_int_equal(n_left, 0);
    assert_int_equal(keyring_drop_old(f->path, &f->keyring, &f->why), OK);
    late = open_keys(f, false);
    assert_int_equal(open_it(f, late), OK);
    payload_keys_free(late);
    free(key_file(f, 2));
}

// --- records ---

static void an_event_without_its_key_is_locked(void **state)
{
    struct fixture *f = *state;
    struct event e = { .position = { { 1 } },
                       .dialect = DIALECT_PULUMI,
                       .org = ORG,
                       .payload = PLAIN,
                       .cloud = STR("{\"source\":\"/\"}"),
                       .trace = STR("00-ab") };
    struct event sealed, opened;

    sealed = e;
    assert_int_equal(payload_keys_prepare(f->keys, ORG), OK);
    assert_int_equal(event_seal(f->keys, &sealed, &f->sealed), OK);
    assert_true(event_is_sealed(&sealed));
    assert_int_equal(sealed.cloud.n_bytes + sealed.trace.n_bytes, 0);
    opened = sealed;
    assert_int_equal(event_unseal(f->reader, &opened, &f->plain), OK);
    assert_false(opened.is_locked);
    assert_true(str_eq(opened.payload, PLAIN));
    assert_true(str_eq(opened.cloud, e.cloud));
    assert_true(str_eq(opened.trace, e.trace));
    opened = sealed;
    opened.org = OTHER; // a record that somebody changed
    assert_int_equal(event_unseal(f->reader, &opened, &f->plain), ERR_CORRUPT);
    opened = sealed;
    opened.position.bytes[0] = 2;
    assert_int_equal(event_unseal(f->reader, &opened, &f->plain), ERR_CORRUPT);
    opened = sealed;
    assert_int_equal(event_unseal(NULL, &opened, &f->plain), OK);
    assert_true(opened.is_locked);
    assert_int_equal(opened.payload.n_bytes, 0);
}

static void an_attempt_is_never_kept_open(void **state)
{
    struct fixture *f = *state;
    struct attempt a = { .hook_id = 5,
                         .attempt = 1,
                         .request_headers = STR("A: b\r\n"),
                         .response_headers = STR("C: d\r\n"),
                         .response_body = PLAIN,
                         .payload = STR("{}") };
    struct attempt sealed = a;
    struct attempt opened;

    attempt_seal(f->keys, ORG, &sealed, &f->sealed); // it has no key
    assert_int_equal(sealed.response_body.n_bytes + sealed.payload.n_bytes +
                         sealed.request_headers.n_bytes +
                         sealed.response_headers.n_bytes +
                         sealed.sealed.n_bytes,
                     0);
    sealed = a;
    assert_int_equal(payload_keys_prepare(f->keys, ORG), OK);
    attempt_seal(f->keys, ORG, &sealed, &f->sealed);
    assert_int_equal(sealed.response_body.n_bytes, 0);
    opened = sealed;
    assert_int_equal(attempt_unseal(f->keys, &opened, &f->plain), OK);
    assert_true(str_eq(opened.response_body, PLAIN));
    assert_true(str_eq(opened.payload, a.payload));
    opened = sealed;
    opened.hook_id = 6;
    assert_int_equal(attempt_unseal(f->keys, &opened, &f->plain), ERR_CORRUPT);
    opened = sealed;
    assert_int_equal(attempt_unseal(NULL, &opened, &f->plain), OK);
    assert_true(opened.is_locked);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_text_is_opened_by_whoever_has_the_key),
        CASE(no_text_is_sealed_twice_in_the_same_way),
        CASE(what_was_changed_or_moved_is_damaged),
        CASE(organizations_have_keys_of_their_own),
        CASE(a_destroyed_key_is_gone_also_if_there_is_a_new_one),
        CASE(a_reader_forgets_within_a_second),
        CASE(more_series_than_are_kept_in_memory),
        CASE(a_file_that_is_no_key_is_told_from_none),
        CASE(new_keys_of_the_keyring_seal_the_files_anew),
        CASE(an_event_without_its_key_is_locked),
        CASE(an_attempt_is_never_kept_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
