// SPDX-License-Identifier: MIT
// authentication.c — what a request may do: the token in its header decides.

#include "common/http/authentication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/fairness/rate_limiter.h"
#include "common/files/small_file.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "common/model/operator.h"

#define TOKEN_PREFIX       "pht_"
#define TOKEN_RANDOM_BYTES 32
#define TOKEN_MIN_BYTES    16 // of a token that the operator chose
#define TOKEN_MAX_BYTES    256

#define REFUSALS_PER_S   10
#define REFUSALS_AT_ONCE 50

struct auth {
    char *path; // owned: of admin.token
    uint8_t admin_hash[SHA256_BYTES];
    auth_lookup lookup; // NULL: there is only the admin token
    void *lookup_data;
    struct limiter refusals; // by address
};

// --- the file ---

static enum err fail(const char *what, const char *path)
{
    log_warn(what, "path=%s reason=%s", log_quote(str_of(path)),
             log_quote(str_of(strerror(errno))));
    return ERR_IO;
}

static enum err write_synced(int fd, struct str text)
{
    while (text.n_bytes > 0) {
        ssize_t n = write(fd, text.at, text.n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        text.at += n;
        text.n_bytes -= (size_t)n;
    }
    return fsync(fd) == 0 ? OK : ERR_IO;
}

static enum err sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return ERR_IO;
    rc = fsync(fd);
    close(fd);
    return rc == 0 ? OK : ERR_IO;
}

// Writes a new file only; removes first what a crash left behind.
static enum err write_new(const char *path, struct str text)
{
    enum err err;
    int fd;

    if (unlink(path) != 0 && errno != ENOENT)
        return ERR_IO;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
              S_IRUSR | S_IWUSR);
    if (fd < 0)
        return ERR_IO;
    err = write_synced(fd, text);
    if (close(fd) != 0)
        err = ERR_IO;
    return err;
}

static void put_new_token(struct buf *out)
{
    uint8_t random[TOKEN_RANDOM_BYTES];

    crypto_random(random, sizeof(random));
    buf_puts(out, TOKEN_PREFIX);
    crypto_put_hex(out, random, sizeof(random));
    buf_putc(out, '\n');
    crypto_wipe(random, sizeof(random));
}

static enum err make_token(const char *data_dir, const char *path)
{
    char *fresh = xasprintf("%s.new", path);
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    put_new_token(&text);
    err = write_new(fresh, buf_str(&text));
    if (err == OK && rename(fresh, path) != 0)
        err = ERR_IO;
    if (err == OK)
        err = sync_dir(data_dir);
    if (err != OK)
        err = fail("the admin token cannot be written", path);
    crypto_wipe_buf(&text);
    free(fresh);
    return err;
}

enum err auth_prepare(const char *data_dir)
{
    char *path = xasprintf("%s/admin.token", data_dir);
    struct stat st;
    enum err err = OK;

    if (stat(path, &st) != 0) {
        err = errno == ENOENT ? make_token(data_dir, path)
                              : fail("the admin token cannot be read", path);
    } else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        log_warn("other users may read the file of the admin token; run chmod "
                 "600 on it",
                 "path=%s", log_quote(str_of(path)));
    }
    free(path);
    return err;
}

bool auth_is_token(struct str s)
{
    if (s.n_bytes < TOKEN_MIN_BYTES || s.n_bytes > TOKEN_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        if (s.at[i] <= 0x20 || s.at[i] >= 0x7f)
            return false;
    }
    return true;
}

enum err auth_read_token(const char *path, uint8_t hash[SHA256_BYTES])
{
    char text[TOKEN_MAX_BYTES + 4] = "";
    struct str token = { text, 0 };
    const char *why = "";
    enum err err = small_file_read(path, text, sizeof(text), NULL, &why);

    if (err == ERR_NOTFOUND || err == ERR_DENIED) {
        log_warn("a token file cannot be read", "path=%s reason=%s",
                 log_quote(str_of(path)), log_quote(str_of(why)));
        return ERR_IO;
    }
    token.n_bytes =
        err == OK ? strlen(text) : 0; // zero for other kinds of file
    while (token.n_bytes > 0 &&
           (text[token.n_bytes - 1] == '\n' || text[token.n_bytes - 1] == '\r'))
        token.n_bytes--;
    if (!auth_is_token(token)) {
        log_warn("a token file must contain one line of 16 to 256 visible "
                 "characters",
                 "path=%s", log_quote(str_of(path)));
        return ERR_INVALID;
    }
    crypto_sha256(token, hash);
    crypto_wipe(text, sizeof(text));
    return OK;
}

struct auth *auth_new(const char *data_dir)
{
    struct auth *a = xcalloc(1, sizeof(*a));

    limiter_init(&a->refusals, REFUSALS_PER_S, REFUSALS_AT_ONCE);
    a->path = xasprintf("%s/admin.token", data_dir);
    if (auth_read_token(a->path, a->admin_hash) != OK) {
        auth_free(a);
        return NULL;
    }
    return a;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    crypto_wipe(a->admin_hash, sizeof(a->admin_hash));
    free(a->path);
    free(a);
}

void auth_grant_set(struct auth_grant *grant, struct str org, unsigned scopes,
                    int64_t expires_at_ms)
{
    *grant = (struct auth_grant){ .is_admin = false };
    if (org.n_bytes > sizeof(grant->org) ||
        (expires_at_ms != 0 && expires_at_ms <= clock_now_ms()))
        return;
    grant->is_admin = operator_is_org(org) && (scopes & 1U << AUTH_ADMIN) != 0;
    if (grant->is_admin)
        return;
    memcpy(grant->org, org.at, org.n_bytes);
    grant->n_org_bytes = org.n_bytes;
    grant->scopes = scopes;
}

static size_t copy_cut(char *to, size_t room, struct str text)
{
    size_t n_bytes = text.n_bytes < room ? text.n_bytes : room;

    if (n_bytes > 0)
        memcpy(to, text.at, n_bytes);
    return n_bytes;
}

void auth_grant_name(struct auth_grant *grant, struct str id, struct str name)
{
    grant->n_id_bytes = copy_cut(grant->id, sizeof(grant->id), id);
    grant->n_name_bytes = copy_cut(grant->name, sizeof(grant->name), name);
}

void auth_set_lookup(struct auth *a, auth_lookup lookup, void *data)
{
    a->lookup = lookup;
    a->lookup_data = data;
}

void auth_reload(struct auth *a)
{
    uint8_t hash[SHA256_BYTES];

    if (auth_read_token(a->path, hash) == OK)
        memcpy(a->admin_hash, hash, sizeof(hash));
}

void auth_key(const struct auth *a, const char *purpose,
              uint8_t out[SHA256_BYTES])
{
    struct str part = str_of(purpose);
    struct str key = { (const char *)a->admin_hash, sizeof(a->admin_hash) };

    crypto_hmac_sha256(key, &part, 1, out);
}

// --- requests ---

// What follows the scheme of a header's value: blanks and a token, or nothing. `at` is
// NULL: it has another scheme.
static struct str skip_scheme(struct str value)
{
    static const char *const schemes[] = { "token", "bearer" };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n_bytes = strlen(schemes[i]);

        if (value.n_bytes < n_bytes ||
            strncasecmp(value.at, schemes[i], n_bytes) != 0 ||
            (value.n_bytes > n_bytes && value.at[n_bytes] != ' '))
            continue;
        return (struct str){ value.at + n_bytes, value.n_bytes - n_bytes };
    }
    return STR_EMPTY;
}

// The text after "token " or "Bearer " in a header's value; empty if neither is
// there. Schemes are case-insensitive (RFC 9110, 11.1).
static struct str after_scheme(struct str value)
{
    value = skip_scheme(value);
    while (value.n_bytes > 0 && value.at[0] == ' ') {
        value.at++;
        value.n_bytes--;
    }
    return value;
}

// Compares hashes, so that neither time nor length reveals the token.
enum err auth_grant_of(const struct auth *a, const uint8_t hash[SHA256_BYTES],
                       struct auth_grant *out)
{
    enum err err = OK;
    struct str given = { (const char *)hash, SHA256_BYTES };
    struct str wanted = { (const char *)a->admin_hash, sizeof(a->admin_hash) };

    *out = (struct auth_grant){ .is_admin = crypto_eq(given, wanted) };
    if (!out->is_admin && a->lookup != NULL)
        err = a->lookup(a->lookup_data, hash, out);
    memcpy(out->token_hash, hash, SHA256_BYTES);
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("a token record cannot be read", "reason=%s",
                 log_quote(str_of(err_str(err))));
        return err;
    }
    return out->is_admin || out->scopes != 0 ? OK : ERR_DENIED;
}

static enum err grant_of(const struct auth *a, struct str token,
                         struct auth_grant *out)
{
    uint8_t hash[SHA256_BYTES];

    *out = (struct auth_grant){ .is_admin = false };
    if (token.n_bytes == 0)
        return ERR_DENIED;
    crypto_sha256(token, hash);
    return auth_grant_of(a, hash, out);
}

bool auth_has_token(const struct http_request *r)
{
    return skip_scheme(http_header(r, "authorization")).at != NULL ||
           http_has_header(r, "x-access-token");
}

// Finds what the token of a request allows. Errors as of auth_grant_of().
static enum err identify(const struct auth *a, const struct http_request *r,
                         struct auth_grant *out)
{
    enum err first =
        grant_of(a, after_scheme(http_header(r, "authorization")), out);
    enum err second = first;

    if (first != OK)
        second = grant_of(a, http_header(r, "x-access-token"), out);
    return second == ERR_DENIED ? first : second;
}

static bool is_with_hash(struct str token, const uint8_t hash[SHA256_BYTES])
{
    uint8_t given[SHA256_BYTES];

    crypto_sha256(token, given);
    return token.n_bytes > 0 &&
           crypto_eq((struct str){ (const char *)given, sizeof(given) },
                     (struct str){ (const char *)hash, SHA256_BYTES });
}

bool auth_bears(const struct http_request *r, const uint8_t hash[SHA256_BYTES])
{
    return is_with_hash(after_scheme(http_header(r, "authorization")), hash) ||
           is_with_hash(http_header(r, "x-access-token"), hash);
}

static bool has_query_token(const struct http_request *r)
{
    static const char *const names[] = { "token", "access_token" };
    bool has_one = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct buf value;

        buf_init(&value, 0);
        has_one = has_one || http_query(r, names[i], &value) != ERR_NOTFOUND;
        buf_clear(&value);
    }
    return has_one;
}

// Ids of Akinon's organizations are compared without regard to case.
static bool is_org(const struct auth_grant *grant, struct str org)
{
    struct str own = { grant->org, grant->n_org_bytes };

    if (akinon_is_id(org) && akinon_is_id(own))
        return strncasecmp(own.at, org.at, own.n_bytes) == 0;
    return org.n_bytes > 0 && str_eq(own, org);
}

static bool allows(const struct auth_grant *grant, struct str org,
                   enum auth_scope scope)
{
    if (grant->is_admin || scope == AUTH_ANY)
        return true;
    if (operator_is_org(org))
        return false; // also for a token from before the name was reserved
    // A request without an organization is about the token's own.
    return (grant->scopes & 1U << scope) != 0 &&
           (org.n_bytes == 0 || is_org(grant, org));
}

static const char *const scope_names[] = { [AUTH_INGEST] = "ingest",
                                           [AUTH_READ] = "read",
                                           [AUTH_WRITE] = "write" };

// "the scopes read and write"
static void put_scopes(const struct auth_grant *grant, struct buf *out)
{
    const char *of[AUTH_WRITE + 1];
    size_t n = 0;

    for (size_t i = 0; i <= AUTH_WRITE; i++) {
        if ((grant->scopes & 1U << i) != 0)
            of[n++] = scope_names[i];
    }
    buf_puts(out, n == 1 ? "the scope " : "the scopes ");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_puts(out, i + 1 < n ? ", " : " and ");
        buf_puts(out, of[i]);
    }
}

// Answers 403: says what the token is for, and what it would need.
static void forbid(struct http_request *r, const struct auth_grant *grant,
                   struct str org, enum auth_scope scope)
{
    struct buf why;

    buf_init(&why, 0);
    buf_printf(&why, "this token is of the organization %s and has ",
               log_quote((struct str){ grant->org, grant->n_org_bytes }));
    put_scopes(grant, &why);
    buf_puts(&why, "; this needs the ");
    if (scope > AUTH_WRITE) {
        buf_puts(&why, "admin token");
    } else {
        buf_printf(&why, "scope %s", scope_names[scope]);
        if (org.n_bytes > 0)
            buf_printf(&why, " in the organization %s", log_quote(org));
    }
    http_fail(r, 403, STR_EMPTY, "%s", buf_cstr(&why));
    buf_clear(&why);
}

void auth_refuse(struct auth *a, struct http_request *r, const char *why)
{
    if (limiter_take(&a->refusals, str_of(r->peer), clock_mono_us())) {
        http_fail(r, 401, STR("WWW-Authenticate: token\r\n"), "%s", why);
    } else {
        http_fail(r, 429, STR("Retry-After: 1\r\n"),
                  "too many refused credentials from this address");
    }
}

void auth_fail_lookup(struct http_request *r)
{
    http_fail(r, 503, STR("Retry-After: 1\r\n"),
              "the storage failed when the token was looked up; try again");
}

// False: a token in the query, which has been answered.
static bool check_query(struct http_request *r)
{
    if (!has_query_token(r))
        return true;
    http_fail(r, 400, STR_EMPTY,
              "a token in the query is not accepted; send it as "
              "\"Authorization: token T\"");
    return false;
}

static bool check_scope(struct http_request *r, struct str org,
                        enum auth_scope scope, const struct auth_grant *grant)
{
    if (allows(grant, org, scope)) {
        http_charge(r, (struct str){ grant->org, grant->n_org_bytes },
                    grant->is_admin);
        return true;
    }
    if (operator_is_org(org)) {
        http_fail(r, 403, STR_EMPTY,
                  "the organization " OPERATOR_ORG " is the operator's: only "
                  "the admin token allows this");
    } else {
        forbid(r, grant, org, scope);
    }
    return false;
}

bool auth_check_grant(struct http_request *r, struct str org,
                      enum auth_scope scope, const struct auth_grant *grant)
{
    return check_query(r) && check_scope(r, org, scope, grant);
}

bool auth_check(struct auth *a, struct http_request *r, struct str org,
                enum auth_scope scope, struct auth_grant *grant)
{
    enum err err;

    if (!check_query(r))
        return false;
    err = identify(a, r, grant);
    if (err == ERR_DENIED) {
        auth_refuse(a, r, "No credentials provided or are invalid.");
        return false;
    }
    if (err != OK) {
        auth_fail_lookup(r);
        return false;
    }
    return check_scope(r, org, scope, grant);
}
