// SPDX-License-Identifier: MIT
// fuzz_login.c — headers of browsers: the cookie of a session, where a request comes
// from, what is accepted. A page that is not ours never gets to use a session.
//
// Input: bytes that choose what is compared, then lines: Cookie, Sec-Fetch-Site, Origin,
// Host, X-Posthorn, Accept-Encoding, If-None-Match.

#include <string.h>

#include "api/core/host.h"
#include "api/dashboard/cookie.h"
#include "api/dashboard/negotiation.h"
#include "api/dashboard/origin.h"
#include "tests/fuzz/fuzz.h"

#define URL "https://hooks.example.com"

static void check_cookie(struct str header)
{
    struct str secret = cookie_find(header);
    struct buf line, again;

    if (secret.n_bytes == 0)
        return;
    CHECK(secret.n_bytes == 43);
    CHECK(secret.at >= header.at &&
          secret.at + secret.n_bytes <= header.at + header.n_bytes);
    for (size_t i = 0; i < secret.n_bytes; i++)
        CHECK(strchr("\r\n;,= \"", secret.at[i]) == NULL);
    // What is found is what a browser would send back.
    buf_init(&line, 0);
    buf_init(&again, 0);
    cookie_put_line(secret, &line);
    CHECK(str_starts(buf_str(&line), STR("Set-Cookie: __Host-posthorn=")));
    buf_puts(&again, "a=b; __Host-posthorn=");
    buf_put_str(&again, secret);
    CHECK(str_eq(cookie_find(buf_str(&again)), secret));
    buf_clear(&line);
    buf_clear(&again);
}

static bool is_own_origin(const struct origin_facts *f)
{
    struct buf own;
    bool is_own;

    buf_init(&own, 0);
    buf_puts(&own, f->is_encrypted || (f->public_url[0] != '\0' &&
                                       host_is_of_url(URL, f->host))
                       ? "https://"
                       : "http://");
    buf_put_str(&own, f->host);
    is_own = str_eq_any_case(f->origin, buf_str(&own)) ||
             (f->public_url[0] != '\0' && str_is(f->origin, URL));
    buf_clear(&own);
    return is_own;
}

static void check_origin(const struct origin_facts *f)
{
    bool may_write = origin_fault(f) == NULL && !f->is_read;

    if (may_write) {
        CHECK(str_is(f->mark, "1"));
        CHECK(str_is(f->site, "same-origin") ||
              (f->site.n_bytes == 0 && is_own_origin(f)));
    }
    if (str_is(f->site, "cross-site") || str_is(f->site, "same-site")) {
        CHECK(origin_fault(f) != NULL);
        CHECK(origin_login_fault(f) != NULL);
    }
    if (origin_fault(f) == NULL && !str_is(f->site, "none"))
        CHECK(origin_login_fault(f) == NULL);
    if (origin_is_private(f) && !f->is_encrypted) {
        CHECK(host_is_of_url(URL, f->host) ||
              (host_is_loopback(f->peer) && host_is_loopback(f->host)));
    }
}

void fuzz_one(struct str input)
{
    static const char *const peers[] = { "127.0.0.1", "::1", "192.0.2.7",
                                         "::ffff:127.0.0.1" };
    uint8_t choice = take_u8(&input);
    struct origin_facts facts = {
        .is_read = (choice & 1) != 0,
        .is_encrypted = (choice & 2) != 0,
        .public_url = (choice & 4) != 0 ? URL : "",
        .peer = str_of(peers[choice >> 3 & 3]),
    };
    struct str accepted, known;

    check_cookie(take_line(&input));
    facts.site = take_line(&input);
    facts.origin = take_line(&input);
    facts.host = take_line(&input);
    facts.mark = take_line(&input);
    check_origin(&facts);
    accepted = take_line(&input);
    if (negotiation_takes_gzip(accepted))
        CHECK(accepted.n_bytes > 0);
    (void)negotiation_asks_html(accepted);
    known = take_line(&input);
    if (negotiation_has(known, STR("abc"))) {
        CHECK(memchr(known.at, '*', known.n_bytes) != NULL ||
              memmem(known.at, known.n_bytes, "\"abc\"", 5) != NULL);
    }
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char secret[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDE-_";
    static const char *const rest[] = {
        "\nsame-origin\nhttp://localhost:8080\nlocalhost:8080\n1\ngzip;q=0, "
        "*\n\"abc\"\n",
        "\n\n" URL "\nhooks.example.com\n1\nbr, gzip\nW/\"x\", \"abc\"\n",
        "\nsame-site\nhttp://127.0.0.1:9000\n127.0.0.1:8080\n\ntext/html\n*\n",
        "\nnone\n\n[::1]:8080\n\n*;q=0.0\n\"abc-gz\"\n",
        "\n\nnull\nposthorn.localhost\n1\n\n\n",
    };
    static const uint8_t choices[] = { 0, 4, 1, 9, 6 };

    if (i >= sizeof(rest) / sizeof(rest[0]))
        return false;
    buf_putc(out, (char)choices[i]);
    buf_puts(out, "theme=dark; __Host-posthorn=");
    buf_puts(out, secret);
    buf_puts(out, rest[i]);
    return true;
}
