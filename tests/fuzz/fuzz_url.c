// SPDX-License-Identifier: MIT
// fuzz_url.c — URLs: an accepted URL has only one meaning.

#include <string.h>

#include "common/encoding/url.h"
#include "tests/fuzz/fuzz.h"

static void check_host(const char *host)
{
    CHECK(*host != '\0');
    for (const char *at = host; *at != '\0'; at++) {
        CHECK(*at > ' ' && *at < 127);
        CHECK(!(*at >= 'A' && *at <= 'Z'));
        CHECK(strchr("@/?#\\", *at) == NULL);
    }
}

// The endpoint is a URL that means the same place.
static void check_endpoint(const struct url *url)
{
    struct buf endpoint, endpoint_again;
    struct url again;

    buf_init(&endpoint, 0);
    buf_init(&endpoint_again, 0);
    url_endpoint(url, &endpoint);
    CHECK(url_parse(buf_str(&endpoint), &again, NULL) == OK);
    CHECK(again.is_https == url->is_https && again.port == url->port);
    CHECK(strcmp(again.host, url->host) == 0);
    url_endpoint(&again, &endpoint_again);
    CHECK(str_eq(buf_str(&endpoint), buf_str(&endpoint_again)));
    buf_clear(&endpoint);
    buf_clear(&endpoint_again);
}

void fuzz_one(struct str input)
{
    struct url url;
    struct buf why;

    buf_init(&why, 0);
    if (url_parse(input, &url, &why) != OK) {
        CHECK(why.n_bytes > 0 && why.n_bytes < 4096);
    } else {
        CHECK(input.n_bytes <= URL_MAX_BYTES);
        CHECK(why.n_bytes == 0);
        CHECK(url.port != 0);
        check_host(url.host);
        for (size_t i = 0; i < input.n_bytes; i++)
            CHECK(input.at[i] > ' ' && input.at[i] < 127);
        check_endpoint(&url);
    }
    buf_clear(&why);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        "https://example.com/hooks?a=b",
        "http://EXAMPLE.com:8080",
        "https://[2001:db8::1]:443/x",
        "https://[fe80::1%25eth0]/",
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0177.0.0.1:65535/%zz",
        "https://user:pass@example.com/",
        "https://xn--bcher-kva.example/#x",
        "https://example.com.:0443/\\",
        "http://a..b/",
        "HTTPS://hooks.slack.com/services/T0/B0/x",
    };

    return seed_text(texts, sizeof(texts) / sizeof(texts[0]), i, out);
}
