// SPDX-License-Identifier: MIT
// api_client.c — calls the API for the commands of the command line, with libcurl.

#include "api/cli/core/api_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "api/cli/core/locate.h"
#include "api/cli/core/terminal.h"
#include "api/cli/core/trust.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"

#define ANSWER_MAX_BYTES  (64 << 20)
#define CONNECT_TIMEOUT_S 5L
#define TIMEOUT_S         120L
#define CHECK_TIMEOUT_S   10L
#define CLAIM_MAX_BYTES   65536
#define STATUS_NO_TOKEN   401
#define FILE_MAX_BYTES    ((size_t)8 << 20)
#define READ_BYTES        65536

#define CHALLENGE_RANDOM_BYTES 16

struct client {
    const struct command *command;
    const struct args *args;
    struct located at;
    char tls_error[CURL_ERROR_SIZE]; // libcurl's words
};

// --- calls ---

struct exchange {
    const struct client_call *call;
    const char *proxy; // "": none
    struct buf *answer;
    CURL *easy;
    bool is_intake; // goes to the ingest address
    bool is_bound;  // to the open connection: its other end has given a proof
    bool is_closed; // the bound connection ended too early
};

static size_t on_body(char *at, size_t one, size_t n_bytes, void *data)
{
    struct exchange *x = data;
    long status = 0;

    (void)one;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (x->call->on_piece != NULL && status == 200) {
        return x->call->on_piece(x->call->data, (struct str){ at, n_bytes })
                   ? n_bytes
                   : 0;
    }
    buf_put(x->answer, at, n_bytes);
    return x->answer->overflow ? 0 : n_bytes;
}

static size_t on_header(char *at, size_t one, size_t n_bytes, void *data)
{
    static const char name[] = "X-Continuation-Token:";
    const struct exchange *x = data;
    size_t n = sizeof(name) - 1;

    (void)one;
    if (x->call->next == NULL || n_bytes <= n || strncasecmp(at, name, n) != 0)
        return n_bytes;
    while (n < n_bytes && at[n] == ' ')
        n++;
    buf_reset(x->call->next);
    for (; n < n_bytes && at[n] != '\r' && at[n] != '\n'; n++)
        buf_putc(x->call->next, at[n]);
    return n_bytes;
}

// Refuses a new connection while the call is bound to the proved one: another process
// may have taken over the port meanwhile.
static curl_socket_t on_open(void *data, curlsocktype purpose,
                             struct curl_sockaddr *address)
{
    struct exchange *x = data;

    (void)purpose;
    if (x->is_bound) {
        x->is_closed = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

static int on_progress(void *data, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
    const struct exchange *x = data;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return terminal_is_interrupted() && !x->call->is_whole ? 1 : 0;
}

// Appends the message of an error, or else the whole answer; and for a token that was
// refused, where it came from.
static void put_refusal(const struct client *c, long status,
                        const struct buf *answer)
{
    struct json *json = NULL;
    struct str message = STR_EMPTY;
    bool is_token = status == STATUS_NO_TOKEN;
    const char *from = is_token ? c->at.token_from : "";
    const char *with = is_token ? "; the token is that of " : "";

    if (json_parse(buf_str(answer), &json_no_limits, &json, NULL) == OK)
        message = json_str(json_get(json_root(json), "message"));
    if (message.n_bytes > 0) {
        command_failed(c->command, "%.*s%s%s", STR_ARG(message), with, from);
    } else {
        command_failed(c->command, "status %ld: %.*s%s%s", status,
                       STR_ARG(buf_str(answer)), with, from);
    }
    json_free(json);
}

static void set_options(struct client *c, struct exchange *x, const char *url,
                        struct curl_slist *headers)
{
    const struct client_call *call = x->call;
    const struct trust trust =
        trust_of(c->args, x->is_intake ? c->at.ingest_pins : c->at.api_pins);
    CURL *easy = x->easy;

    trust_apply(&trust, easy);
    c->tls_error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->tls_error);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    // Set even when empty, and for every host: the shell's environment must not decide
    // who gets the token.
    curl_easy_setopt(easy, CURLOPT_PROXY, x->proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, x);
    if (call->on_piece == NULL) {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT,
                         call->timeout_s > 0 ? call->timeout_s : TIMEOUT_S);
    }
    if (call->body.n_bytes > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)call->body.n_bytes);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.at);
    }
}

static bool any_status(long status)
{
    (void)status;
    return true;
}

// What a person needs to know besides, if an https address does not do.
static const char *tls_words(struct client *c, const char *url, CURLcode code)
{
    static char words[CURL_ERROR_SIZE + 80];

    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return "; --ca names a file of authorities to trust";
    if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        return "; engine.json in its data directory names another key";
    if (strncmp(url, "https://", 8) != 0 || c->tls_error[0] == '\0')
        return "";
    snprintf(words, sizeof(words), " (%s)", c->tls_error);
    return words;
}

static enum err perform(struct client *c, struct exchange *x, const char *url)
{
    CURLcode code = curl_easy_perform(x->easy);
    long status = 0;

    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ERR_AGAIN;
    if (code == CURLE_WRITE_ERROR && x->call->on_piece != NULL)
        return OK; // on_piece has had enough
    if (x->is_closed) {
        command_failed(
            c->command,
            "%s: the connection on which the engine of %s proved its identity "
            "was closed, and the token is sent on no other connection; check "
            "whether the request was done, and run the command again",
            url, c->at.data_dir);
        return ERR_IO;
    }
    if (code != CURLE_OK) {
        command_failed(c->command, "%s: %s%s%s%s", url,
                       curl_easy_strerror(code), tls_words(c, url, code),
                       c->at.tried.n_bytes > 0 ? "; looked at: " : "",
                       buf_cstr(&c->at.tried));
        return ERR_IO;
    }
    if (status >= 200 && status <= 299)
        return OK;
    if (x->call->is_quiet != NULL && x->call->is_quiet(status))
        return status == 404 ? ERR_NOTFOUND : ERR_CONFLICT;
    put_refusal(c, status, x->answer);
    return ERR_DENIED;
}

static struct curl_slist *headers_of(const struct client *c,
                                     const struct client_call *call)
{
    char *token = xasprintf("Authorization: token %s", c->at.token);
    char *type = xasprintf("Content-Type: %s", call->content_type != NULL
                                                   ? call->content_type
                                                   : "application/json");
    struct curl_slist *headers = curl_slist_append(NULL, token);

    headers = curl_slist_append(headers, type);
    if (call->header != NULL)
        headers = curl_slist_append(headers, call->header);
    crypto_wipe(token, strlen(token));
    free(token);
    free(type);
    return headers;
}

void client_pages_init(struct client_pages *p)
{
    buf_init(&p->answer, 0);
    buf_init(&p->next, 0);
}

bool client_pages_read(struct client_pages *p, struct buf *path)
{
    struct client_call call = { .method = "GET",
                                .is_quiet = p->is_quiet,
                                .next = &p->next };

    if (p->next.n_bytes > 0)
        buf_printf(path, "&continuationToken=%s", buf_cstr(&p->next));
    buf_reset(&p->next);
    buf_reset(&p->answer);
    call.path = buf_cstr(path);
    return client_request(p->args, &call, &p->answer) == OK;
}

void client_pages_clear(struct client_pages *p)
{
    buf_clear(&p->answer);
    buf_clear(&p->next);
}

const char *client_proxy(const struct args *a)
{
    const char *proxy = args_text(a, "proxy");

    return proxy != NULL ? proxy : "";
}

// --- whether it is the right engine ---

static CURL *new_easy(void)
{
    CURL *easy;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    easy = curl_easy_init();
    if (easy == NULL)
        abort(); // out of memory, as in xmalloc()
    return easy;
}

struct claim { // what a health endpoint answered; each member may be empty
    struct buf instance, proof, message;
};

static void read_claim(const struct buf *answer, struct claim *out)
{
    struct json *json = NULL;
    const struct json_value *root;

    buf_init(&out->instance, 0);
    buf_init(&out->proof, 0);
    buf_init(&out->message, 0);
    if (json_parse(buf_str(answer), &json_no_limits, &json, NULL) == OK) {
        root = json_root(json);
        buf_put_str(&out->instance, json_str(json_get(root, "instance")));
        buf_put_str(&out->proof, json_str(json_get(root, "proof")));
        buf_put_str(&out->message, json_str(json_get(root, "message")));
    }
    json_free(json);
}

static void clear_claim(struct claim *claim)
{
    buf_clear(&claim->instance);
    buf_clear(&claim->proof);
    buf_clear(&claim->message);
}

static enum err check_claim(struct client *c, const char *base,
                            struct str challenge, const struct buf *answer)
{
    char wanted[ENGINE_PROOF_BYTES];
    struct claim claim;
    struct str instance;
    enum err err = ERR_DENIED;

    engine_prove(c->at.secret, challenge, wanted);
    read_claim(answer, &claim);
    instance = buf_str(&claim.instance);
    if (crypto_eq(buf_str(&claim.proof), str_of(wanted))) {
        err = OK;
    } else if (instance.n_bytes > 0 && c->at.instance[0] != '\0' &&
               !str_eq(instance, str_of(c->at.instance))) {
        command_failed(c->command,
                       "%s is an engine of another data directory than %s; "
                       "name one of the two; looked at: %s",
                       base, c->at.data_dir, buf_cstr(&c->at.tried));
    } else {
        command_failed(
            c->command,
            "%s did not prove that it is the engine of %s%s%s and gets no "
            "token; give --api and --token to trust an address; looked at: %s",
            base, c->at.data_dir, claim.message.n_bytes > 0 ? " but says " : "",
            buf_cstr(&claim.message), buf_cstr(&c->at.tried));
    }
    clear_claim(&claim);
    return err;
}

// Asks for a proof, without the token: another process must not get it. The connection
// stays open in `easy`.
static enum err ask_for_proof(struct client *c, CURL *easy, bool is_intake,
                              const char *proxy)
{
    const char *base = is_intake ? c->at.ingest : c->at.api;
    const struct client_call call = { .method = "GET",
                                      .timeout_s = CHECK_TIMEOUT_S,
                                      .is_quiet = any_status };
    uint8_t random[CHALLENGE_RANDOM_BYTES];
    struct buf challenge;
    struct buf answer;
    struct exchange x = { .call = &call,
                          .proxy = proxy,
                          .answer = &answer,
                          .easy = easy,
                          .is_intake = is_intake };
    char *url;
    enum err err;

    buf_init(&challenge, 0);
    buf_init(&answer, CLAIM_MAX_BYTES);
    crypto_random(random, sizeof(random));
    crypto_put_hex(&challenge, random, sizeof(random));
    url = xasprintf("%s/healthz?challenge=%s", base, buf_cstr(&challenge));
    set_options(c, &x, url, NULL);
    err = perform(c, &x, url);
    if (err == OK || err == ERR_NOTFOUND || err == ERR_CONFLICT)
        err = check_claim(c, base, buf_str(&challenge), &answer);
    free(url);
    buf_clear(&answer);
    buf_clear(&challenge);
    return err;
}

static bool needs_proof(const struct located *at, bool is_intake)
{
    bool is_named = is_intake ? at->is_ingest_named : at->is_api_named;

    return at->has_engine && !(is_named && at->is_token_named);
}

static enum err check_engine(struct client *c, CURL *easy, bool is_intake,
                             const char *proxy)
{
    if (!needs_proof(&c->at, is_intake))
        return OK;
    if (c->at.secret[0] != '\0')
        return ask_for_proof(c, easy, is_intake, proxy);
    command_failed(c->command,
                   "the engine of %s cannot prove its identity: it is of an "
                   "earlier version, or it could not write to its directory; "
                   "restart it, or give --api and --token; looked at: %s",
                   c->at.data_dir, buf_cstr(&c->at.tried));
    return ERR_DENIED;
}

static enum err call_engine(struct client *c, struct exchange *x)
{
    const char *base = x->call->is_intake ? c->at.ingest : c->at.api;
    char *url = xasprintf("%s%s", base, x->call->path);
    struct curl_slist *headers = headers_of(c, x->call);
    enum err err;

    x->answer->cap_bytes = ANSWER_MAX_BYTES;
    curl_easy_reset(x->easy); // keeps the connection
    set_options(c, x, url, headers);
    err = perform(c, x, url);
    curl_slist_free_all(headers);
    free(url);
    return err;
}

bool client_is_refusal(long status)
{
    return status == 401 || status == 403 || status == 404;
}

enum err client_request(const struct args *a, const struct client_call *call,
                        struct buf *answer)
{
    struct exchange x = { .call = call,
                          .proxy = client_proxy(a),
                          .answer = answer,
                          .is_intake = call->is_intake };
    struct client c = { .command = a->command, .args = a };
    enum err err = locate(a, &c.at);

    if (err != OK)
        return err;
    x.easy = new_easy();
    err = check_engine(&c, x.easy, call->is_intake, x.proxy);
    // A proxy may close connections at will, and gets the token in any case.
    x.is_bound = needs_proof(&c.at, call->is_intake) && x.proxy[0] == '\0';
    if (err == OK)
        err = call_engine(&c, &x);
    curl_easy_cleanup(x.easy);
    located_clear(&c.at);
    return err;
}

enum err client_target(const struct args *a, struct client_target *out)
{
    struct client c = { .command = a->command, .args = a };
    enum err err = locate(a, &c.at);
    CURL *easy;

    if (err != OK)
        return err;
    easy = new_easy();
    err = check_engine(&c, easy, false, client_proxy(a));
    if (err == OK)
        err = check_engine(&c, easy, true, client_proxy(a));
    curl_easy_cleanup(easy);
    if (err == OK) {
        *out =
            (struct client_target){ .api = xstrdup(c.at.api),
                                    .ingest = xstrdup(c.at.ingest),
                                    .token = xstrdup(c.at.token),
                                    .ingest_pins = xstrdup(c.at.ingest_pins) };
    }
    located_clear(&c.at);
    return err;
}

void client_target_clear(struct client_target *t)
{
    if (t->token != NULL)
        crypto_wipe(t->token, strlen(t->token));
    free(t->api);
    free(t->ingest);
    free(t->token);
    free(t->ingest_pins);
    *t = (struct client_target){ .api = NULL };
}

bool client_read(const struct command *command, const struct buf *answer,
                 struct json **out)
{
    if (json_parse(buf_str(answer), &json_no_limits, out, NULL) == OK)
        return true;
    command_failed(command, "the response of the engine has an invalid form");
    return false;
}

int client_print(const struct args *a, const struct buf *answer,
                 void (*people)(const struct json_value *answer))
{
    struct json *json;

    if (args_has(a, "json")) {
        printf("%.*s\n", STR_ARG(buf_str(answer)));
        return 0;
    }
    if (!client_read(a->command, answer, &json))
        return EXIT_FAILED;
    people(json_root(json));
    json_free(json);
    return 0;
}

int client_run(const struct args *a, const struct client_call *call,
               void (*people)(const struct json_value *answer))
{
    struct buf answer;
    int status = EXIT_FAILED;

    buf_init(&answer, 0);
    if (client_request(a, call, &answer) == OK)
        status = people != NULL ? client_print(a, &answer, people) : 0;
    buf_clear(&answer);
    return status;
}

bool client_read_file(const struct command *command, const char *path,
                      struct buf *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t n;

    if (file == NULL) {
        command_failed(command, "%s cannot be read: %s", path, strerror(errno));
        return false;
    }
    do {
        char *at = buf_reserve(out, READ_BYTES);

        n = fread(at, 1, READ_BYTES, file);
        buf_added(out, n);
    } while (n > 0 && out->n_bytes < FILE_MAX_BYTES);
    if (file != stdin)
        fclose(file);
    return true;
}

void client_put_words(const char *words, const char *key, struct json_writer *w)
{
    static const char separators[] = ", ";

    json_open_array(w, key);
    while (*words != '\0') {
        struct str word = { words, strcspn(words, separators) };

        words += word.n_bytes;
        words += strspn(words, separators);
        json_put_str(w, NULL, word);
    }
    json_close(w);
}

void client_put_segment(struct buf *path, const char *segment)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    buf_putc(path, '/');
    for (const char *at = segment; *at != '\0'; at++) {
        if (strchr(plain, *at) != NULL) {
            buf_putc(path, *at);
        } else {
            buf_printf(path, "%%%02X", (unsigned)(unsigned char)*at);
        }
    }
}
