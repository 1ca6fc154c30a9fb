// SPDX-License-Identifier: MIT
// test_auth.c — the admin token's file.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/http/authentication.h"
#include "tests/support/unit.h"

struct place {
    char dir[64];
    char path[96];
};

static struct place place_make(void)
{
    struct place p = { .dir = "/tmp/test_auth.XXXXXX" };

    assert_non_null(mkdtemp(p.dir));
    snprintf(p.path, sizeof(p.path), "%s/admin.token", p.dir);
    return p;
}

static void place_remove(const struct place *p)
{
    unlink(p->path);
    assert_int_equal(rmdir(p->dir), 0); // nothing else was left there
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void read_file(const char *path, char text[128])
{
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    text[fread(text, 1, 127, file)] = '\0';
    fclose(file);
}

static void the_token_is_made_once_and_private(void **state)
{
    char first[128], second[128];
    struct place p;
    struct stat st;

    (void)state;
    p = place_make();
    assert_int_equal(auth_prepare(p.dir), OK);
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    read_file(p.path, first);
    assert_int_equal(strlen(first), 4 + 64 + 1); // pht_, 256 bits, new line
    assert_memory_equal(first, "pht_", 4);
    assert_int_equal(first[68], '\n');
    assert_int_equal(strspn(first + 4, "0123456789abcdef"), 64);

    assert_int_equal(auth_prepare(p.dir), OK);
    read_file(p.path, second);
    assert_string_equal(first, second);
    place_remove(&p);
}

static void a_left_over_of_a_crash_is_no_hindrance(void **state)
{
    char fresh[128];
    struct place p;

    (void)state;
    p = place_make();
    snprintf(fresh, sizeof(fresh), "%s.new", p.path);
    write_file(fresh, "half a tok");
    assert_int_equal(auth_prepare(p.dir), OK);
    assert_int_equal(access(fresh, F_OK), -1);
    place_remove(&p);
}

static void a_file_that_holds_no_token_is_refused(void **state)
{
    static const char *const texts[] = { "", "\n", "short\n",
                                         "two words of a token\n",
                                         "one_line_of_token\nand another\n" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct place p;

        p = place_make();
        write_file(p.path, texts[i]);
        assert_null(auth_new(p.dir));
        place_remove(&p);
    }
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(auth_prepare("/nonexistent/posthorn"), ERR_IO);
    assert_null(auth_new("/nonexistent/posthorn"));
}

static void keys_follow_token_and_purpose(void **state)
{
    uint8_t a[SHA256_BYTES], b[SHA256_BYTES];
    struct auth *auth;
    struct place p;

    (void)state;
    p = place_make();
    write_file(p.path, "pht_0123456789abcdef\r\n");
    auth = auth_new(p.dir);
    assert_non_null(auth);
    auth_key(auth, "one", a);
    auth_key(auth, "two", b);
    assert_memory_not_equal(a, b, sizeof(a));

    // With an invalid file the old token stays; a valid file replaces it.
    write_file(p.path, "bad\n");
    auth_reload(auth);
    auth_key(auth, "one", b);
    assert_memory_equal(a, b, sizeof(a));
    write_file(p.path, "pht_fedcba9876543210\n");
    auth_reload(auth);
    auth_key(auth, "one", b);
    assert_memory_not_equal(a, b, sizeof(a));
    auth_free(auth);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_is_made_once_and_private),
        cmocka_unit_test(a_left_over_of_a_crash_is_no_hindrance),
        cmocka_unit_test(a_file_that_holds_no_token_is_refused),
        cmocka_unit_test(a_directory_that_is_not_there_is_an_error),
        cmocka_unit_test(keys_follow_token_and_purpose),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
