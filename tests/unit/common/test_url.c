// SPDX-License-Identifier: MIT
// test_url.c — URLs as they are accepted at creation.

#include <string.h>

#include "common/encoding/url.h"
#include "tests/support/unit.h"

static void assert_refused(struct str text, const char *mentions)
{
    struct url url = { .port = 7 };
    struct buf why;

    buf_init(&why, 0);
    if (url_parse(text, &url, &why) != ERR_INVALID)
        fail_msg("accepted: %.*s", STR_ARG(text));
    if (strstr(buf_cstr(&why), mentions) == NULL)
        fail_msg("%.*s: %s", STR_ARG(text), buf_cstr(&why));
    buf_clear(&why);
    assert_int_equal(url.port, 7); // untouched
    assert_int_equal(url_parse(text, &url, NULL), ERR_INVALID);
}

static void good_urls_name_their_endpoint(void **state)
{
    static const struct {
        const char *text;
        const char *endpoint;
    } cases[] = {
        { "https://example.com/hook", "https://example.com:443" },
        { "http://example.com", "http://example.com:80" },
        { "http://bla.com", "http://bla.com:80" },
        { "HTTPS://Example.COM/A?b=C&d", "https://example.com:443" },
        { "https://example.com:443/", "https://example.com:443" },
        { "http://example.com:443/", "http://example.com:443" },
        { "https://example.com:8443?x=1", "https://example.com:8443" },
        { "https://example.com/?", "https://example.com:443" },
        { "https://example.com?", "https://example.com:443" },
        { "https://example.com/a/../b//c/./%2e", "https://example.com:443" },
        { "https://example.com/%0d%0a?q=%00&at=a@b:c/d?e",
          "https://example.com:443" },
        { "http://example.com:1/", "http://example.com:1" },
        { "http://example.com:65535/", "http://example.com:65535" },
        { "http://under_score.example/x", "http://under_score.example:80" },
        { "https://xn--bcher-kva.example/",
          "https://xn--bcher-kva.example:443" },
        { "http://1password.com/", "http://1password.com:80" },
        { "http://4.example/", "http://4.example:80" },
        { "http://0xabc.example/", "http://0xabc.example:80" },
        { "http://0xyz/", "http://0xyz:80" },
        { "http://192.0.2.1/x", "http://192.0.2.1:80" },
        { "https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443" },
        { "https://[2001:DB8::1]/", "https://[2001:db8::1]:443" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct url url;
        struct buf why;
        struct buf endpoint;

        buf_init(&why, 0);
        buf_init(&endpoint, 0);
        if (url_parse(str_of(cases[i].text), &url, &why) != OK)
            fail_msg("%s: %s", cases[i].text, buf_cstr(&why));
        url_endpoint(&url, &endpoint);
        assert_string_equal(buf_cstr(&endpoint), cases[i].endpoint);
        assert_int_equal(url.is_https,
                         strncmp(cases[i].endpoint, "https:", 6) == 0);
        buf_clear(&endpoint);
        buf_clear(&why);
    }
}

// Addresses are checked when connecting; here only their spelling counts.
static void addresses_are_accepted_in_their_one_spelling(void **state)
{
    static const char *const good[] = {
        "http://127.0.0.1/",
        "http://0.0.0.0/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://127.0.0.1.nip.io/",
        "http://no-such.invalid/",
        "http://127.0.0.1:9/",
        "http://169.254.169.254/x/",
        "http://[fe80::1]/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct url url;

        if (url_parse(str_of(good[i]), &url, NULL) != OK)
            fail_msg("%s", good[i]);
    }
}

static const struct {
    const char *text;
    const char *mentions;
} misread[] = {
    { "http://2130706433/", "canonical" },
    { "http://0x7f000001/", "canonical" },
    { "http://0x7f.1/", "canonical" },
    { "http://127.1/", "canonical" },
    { "http://0177.0.0.1/", "canonical" },
    { "http://017700000001/", "canonical" },
    { "http://0/", "canonical" },
    { "http://LOCALHOST./", "the host" },
    { "http://127.0.0.1./", "the host" },
    { "http://[::ffff:7f00:1]/", "canonical" },
    { "http://[::0:1]/", "canonical" },
    { "http://[0:0:0:0:0:0:0:1]/", "canonical" },
    { "http://[fe80::1%25lo]/", "canonical" },
    { "http://[fe80::1%lo]/", "canonical" },
    { "http://user@127.0.0.1/", "user name" },
    { "http://user:word@example.com/", "user name" },
    { "http://@example.com/", "user name" },
    { "http://example.com@127.0.0.1/", "user name" },
    { "http://example.com\\@127.0.0.1/", "backslash" },
    { "http://127.0.0.1\\@example.com/", "backslash" },
    { "http://127.0.0.1#@example.com/", "fragment" },
    { "http://example.com/#top", "fragment" },
    { "http:///127.0.0.1/", "canonical" },
    { "http:/127.0.0.1/", "begin with" },
    { "http:127.0.0.1", "begin with" },
    { "127.0.0.1", "begin with" },
    { "//127.0.0.1/", "begin with" },
    { "http://%31%32%37.0.0.1/", "canonical" },
    { "http://ex%61mple.com/", "canonical" },
    { "http://127.0.0.1:0/", "port" },
    { "http://127.0.0.1:65536/", "port" },
    { "http://127.0.0.1:-1/", "port" },
    { "http://127.0.0.1:99999999999999999999/", "port" },
    { "http://127.0.0.1:80x/", "port" },
    { "http://127.0.0.1:00080/", "canonical" },
    { "http://127.0.0.1:/", "canonical" },
    { "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "non-ASCII" },
    { "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/", "non-ASCII" },
    { "http://b\xc3\xbc"
      "cher.example/",
      "non-ASCII" },
    { "http://a%00b/", "host" },
    { "http://a%0d%0ab/", "host" },
    { "http://a b/", "blank" },
    { " http://a/", "blank" },
    { "http://a/\n", "control" },
    { "http://a/\x7f", "control" },
    { "http://[::1/", "IPv6" },
    { "http://::1/", "" },
    { "http://[]/", "" },
    { "http://[::1]x/", "" },
    { "http://1.2.3.4.5/", "canonical" },
    { "http://256.1.1.1/", "canonical" },
    { "http://example.0x7f/", "canonical" },
    { "http://0x/", "canonical" },
    { "http://a..b/", "the host" },
    { "http://.a/", "the host" },
    { "http://a~b/", "the host" },
    { "http://a,b/", "host" },
    { "http://", "begin with" },
    { "http:///", "" },
    { "https://:443/", "" },
    { "http://?x", "" },
    { "file:///etc/passwd", "begin with" },
    { "gopher://127.0.0.1/", "begin with" },
    { "dict://127.0.0.1:6379/", "begin with" },
    { "ftp://example.com/", "begin with" },
    { "httpss://example.com/", "begin with" },
    { "javascript:alert(1)", "begin with" },
    { "/hook", "begin with" },
    { "", "empty" },
};

static void strings_that_parsers_read_differently_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(misread) / sizeof(*misread); i++)
        assert_refused(str_of(misread[i].text), misread[i].mentions);
    assert_refused(STR("http://a\0.example/"), "control");
    assert_refused(STR("http://a/\0"), "control");
}

static void lengths_are_limited(void **state)
{
    char text[URL_MAX_BYTES + 1];
    const struct str start = STR("https://example.com/");
    struct url url;
    size_t n;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, start.at, start.n_bytes);
    assert_int_equal(url_parse((struct str){ text, URL_MAX_BYTES }, &url, NULL),
                     OK);
    assert_refused((struct str){ text, URL_MAX_BYTES + 1 }, "2000");

    for (size_t i = 8; i < sizeof(text); i++)
        text[i] = i % 64 == 7 ? '.' : 'a'; // labels of 63
    n = 8 + 253;
    assert_int_equal(url_parse((struct str){ text, n }, &url, NULL), OK);
    assert_int_equal(strlen(url.host), 253);
    assert_refused((struct str){ text, n + 1 }, "host");
    assert_refused((struct str){ text, 8 + 1000 }, "host");
    text[8 + 63] = 'a'; // a label of 127
    assert_refused((struct str){ text, 8 + 200 }, "the host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_name_their_endpoint),
        cmocka_unit_test(addresses_are_accepted_in_their_one_spelling),
        cmocka_unit_test(strings_that_parsers_read_differently_are_refused),
        cmocka_unit_test(lengths_are_limited),
    };

    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
