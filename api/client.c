// client.c — calls the API for the commands of the command line, with libcurl.

#include "api/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/screen.h"
#include "common/config.h"
#include "common/crypto.h"
#include "common/journal.h"
#include "common/mem.h"

#define ANSWER_MAX_BYTES  (64 << 20)
#define CONNECT_TIMEOUT_S 5L
#define TIMEOUT_S         120L
#define TOKEN_MAX_BYTES   256
#define FILE_MAX_BYTES    ((size_t)8 << 20)
#define READ_BYTES        65536

struct client {
    const struct command *command;
    char *api, *ingest; // owned, without a slash at their ends
    char *token;        // owned
};

// --- where, and as whom ---

static enum err read_token_file(const struct command *command,
                                const char *data_dir, char **out)
{
    char *path = xasprintf("%s/admin.token", data_dir);
    char text[TOKEN_MAX_BYTES + 2] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        command_failed(command,
                       "no token: give --token or POSTHORN_TOKEN, or run it "
                       "where %s can be read (%s)",
                       path, strerror(errno));
        free(path);
        return ERR_DENIED;
    }
    if (fgets(text, sizeof(text), file) != NULL)
        text[strcspn(text, "\r\n")] = '\0';
    fclose(file);
    free(path);
    *out = xstrdup(text);
    crypto_wipe(text, sizeof(text));
    return OK;
}

// What is missing comes from the settings of the engine on this machine.
static enum err fill_from_settings(const struct args *a, struct client *out)
{
    struct config_sources sources = { .n_sets = 0 };
    const char *data_dir = args_text(a, "data-dir");
    struct config config;
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = config_load(&sources, &config, &faults);
    if (err != OK) {
        journal_put(JOURNAL_ERR, buf_cstr(&faults));
    } else {
        if (out->api == NULL)
            out->api = xasprintf("http://%s", config.api_listen);
        if (out->ingest == NULL)
            out->ingest = xasprintf("http://%s", config.ingest_listen);
        if (out->token == NULL) {
            err = read_token_file(a->command,
                                  data_dir != NULL ? data_dir : config.data_dir,
                                  &out->token);
        }
    }
    config_clear(&config);
    buf_clear(&faults);
    return err;
}

static char *copy_of(const struct args *a, const char *option,
                     const char *variable)
{
    const char *text = args_text(a, option);

    if (text == NULL)
        text = getenv(variable);
    return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

static void close_client(struct client *c)
{
    free(c->api);
    free(c->ingest);
    if (c->token != NULL)
        crypto_wipe(c->token, strlen(c->token));
    free(c->token);
}

static void cut_slashes(char *url)
{
    while (url[0] != '\0' && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
}

static enum err open_client(const struct args *a, struct client *out)
{
    enum err err = OK;

    *out = (struct client){ .command = a->command };
    out->api = copy_of(a, "api", "POSTHORN_API");
    out->ingest = copy_of(a, "ingest", "POSTHORN_INGEST");
    out->token = copy_of(a, "token", "POSTHORN_TOKEN");
    if (out->api == NULL || out->ingest == NULL || out->token == NULL)
        err = fill_from_settings(a, out);
    if (err != OK) {
        close_client(out);
        return err;
    }
    cut_slashes(out->api);
    cut_slashes(out->ingest);
    return OK;
}

// --- calls ---

struct exchange {
    const struct client_call *call;
    const char *proxy; // "": none
    struct buf *answer;
    CURL *easy;
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

static int on_progress(void *data, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
    const struct exchange *x = data;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return screen_is_interrupted() && !x->call->is_whole ? 1 : 0;
}

// The message of an error, or all that was answered.
static void put_refusal(const struct command *command, long status,
                        const struct buf *answer)
{
    struct json *json = NULL;
    struct str message = STR_EMPTY;

    if (json_parse(buf_str(answer), &json_no_limits, &json, NULL) == OK)
        message = json_str(json_get(json_root(json), "message"));
    if (message.n_bytes > 0) {
        command_failed(command, "%.*s", STR_ARG(message));
    } else {
        command_failed(command, "status %ld: %.*s", status,
                       STR_ARG(buf_str(answer)));
    }
    json_free(json);
}

static void set_options(struct exchange *x, const char *url,
                        struct curl_slist *headers)
{
    const struct client_call *call = x->call;
    CURL *easy = x->easy;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    // Set even when empty, and for every host: the environment of a shell has no
    // say in who gets the token.
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

static enum err perform(const struct client *c, struct exchange *x,
                        const char *url)
{
    CURLcode code = curl_easy_perform(x->easy);
    long status = 0;

    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ERR_AGAIN;
    if (code == CURLE_WRITE_ERROR && x->call->on_piece != NULL)
        return OK; // it has enough
    if (code != CURLE_OK) {
        command_failed(c->command, "%s: %s", url, curl_easy_strerror(code));
        return ERR_IO;
    }
    if (status >= 200 && status <= 299)
        return OK;
    if (x->call->is_quiet != NULL && x->call->is_quiet(status))
        return status == 404 ? ERR_NOTFOUND : ERR_CONFLICT;
    put_refusal(c->command, status, x->answer);
    return ERR_DENIED;
}

static struct curl_slist *headers_of(const struct client *c,
                                     const struct client_call *call)
{
    char *token = xasprintf("Authorization: token %s", c->token);
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

const char *client_proxy(const struct args *a)
{
    const char *proxy = args_text(a, "proxy");

    return proxy != NULL ? proxy : "";
}

enum err client_request(const struct args *a, const struct client_call *call,
                        struct buf *answer)
{
    struct exchange x = { .call = call,
                          .proxy = client_proxy(a),
                          .answer = answer };
    struct curl_slist *headers;
    struct client c;
    char *url;
    enum err err = open_client(a, &c);

    if (err != OK)
        return err;
    url = xasprintf("%s%s", call->is_intake ? c.ingest : c.api, call->path);
    answer->cap_bytes = ANSWER_MAX_BYTES;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    x.easy = curl_easy_init();
    if (x.easy == NULL)
        abort(); // as any want of memory
    headers = headers_of(&c, call);
    set_options(&x, url, headers);
    err = perform(&c, &x, url);
    curl_slist_free_all(headers);
    curl_easy_cleanup(x.easy);
    free(url);
    close_client(&c);
    return err;
}

enum err client_addresses(const struct args *a, char **api, char **ingest,
                          char **token)
{
    struct client c;
    enum err err = open_client(a, &c);

    if (err == OK) {
        *api = c.api;
        *ingest = c.ingest;
        *token = c.token;
    }
    return err;
}

bool client_read(const struct command *command, const struct buf *answer,
                 struct json **out)
{
    if (json_parse(buf_str(answer), &json_no_limits, out, NULL) == OK)
        return true;
    command_failed(command, "the answer is not understood");
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
