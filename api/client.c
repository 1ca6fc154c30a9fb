// client.c — calls the API for the commands of the command line, with libcurl.

#include "api/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/mem.h"

#define ANSWER_MAX_BYTES  (64 << 20)
#define CONNECT_TIMEOUT_S 5L
#define TIMEOUT_S         120L
#define TOKEN_MAX_BYTES   256

// --- where, and as whom ---

static enum err read_token_file(const char *command, const char *data_dir,
                                char **out)
{
    char *path = xasprintf("%s/admin.token", data_dir);
    char text[TOKEN_MAX_BYTES + 2] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        fprintf(stderr,
                "posthorn %s: no token: give --token or POSTHORN_TOKEN, or run "
                "it where %s can be read (%s)\n",
                command, path, strerror(errno));
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
static enum err fill_from_settings(const char *command,
                                   const struct client_options *options,
                                   struct client *out)
{
    struct config_sources sources = { .n_sets = 0 };
    struct config config;
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = config_load(&sources, &config, &faults);
    if (err != OK) {
        fputs(buf_cstr(&faults), stderr);
    } else {
        if (out->api == NULL)
            out->api = xasprintf("http://%s", config.api_listen);
        if (out->token == NULL) {
            err = read_token_file(command,
                                  options->data_dir != NULL ? options->data_dir
                                                            : config.data_dir,
                                  &out->token);
        }
    }
    config_clear(&config);
    buf_clear(&faults);
    return err;
}

static char *copy_of(const char *option, const char *variable)
{
    const char *text = option != NULL ? option : getenv(variable);

    return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

enum err client_open(const char *command, const struct client_options *options,
                     struct client *out)
{
    enum err err = OK;

    out->api = copy_of(options->api, "POSTHORN_API");
    out->token = copy_of(options->token, "POSTHORN_TOKEN");
    if (out->api == NULL || out->token == NULL)
        err = fill_from_settings(command, options, out);
    if (err != OK) {
        client_close(out);
        return err;
    }
    while (out->api[0] != '\0' && out->api[strlen(out->api) - 1] == '/')
        out->api[strlen(out->api) - 1] = '\0';
    return OK;
}

void client_close(struct client *c)
{
    free(c->api);
    if (c->token != NULL)
        crypto_wipe(c->token, strlen(c->token));
    free(c->token);
    *c = (struct client){ NULL, NULL };
}

// --- calls ---

static size_t on_body(char *at, size_t one, size_t n_bytes, void *data)
{
    struct buf *answer = data;

    (void)one;
    buf_put(answer, at, n_bytes);
    return answer->overflow ? 0 : n_bytes;
}

// The message of an error, or all that was answered.
static void put_refusal(const char *command, long status,
                        const struct buf *answer)
{
    struct json *json = NULL;
    struct str message = STR_EMPTY;

    if (json_parse(buf_str(answer), &json_default_limits, &json, NULL) == OK)
        message = json_str(json_get(json_root(json), "message"));
    if (message.n_bytes > 0) {
        fprintf(stderr, "posthorn %s: %.*s\n", command, STR_ARG(message));
    } else {
        fprintf(stderr, "posthorn %s: status %ld: %.*s\n", command, status,
                STR_ARG(buf_str(answer)));
    }
    json_free(json);
}

static void set_options(CURL *easy, const struct client_call *call,
                        const char *url, struct curl_slist *headers,
                        struct buf *answer)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    if (call->body.n_bytes > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)call->body.n_bytes);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.at);
    }
}

static enum err perform(CURL *easy, const struct client_call *call,
                        const char *url, const struct buf *answer)
{
    CURLcode code = curl_easy_perform(easy);
    long status = 0;

    if (code != CURLE_OK) {
        fprintf(stderr, "posthorn %s: %s: %s\n", call->command, url,
                curl_easy_strerror(code));
        return ERR_IO;
    }
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299)
        return OK;
    put_refusal(call->command, status, answer);
    return ERR_DENIED;
}

enum err client_send(const struct client *c, const struct client_call *call,
                     struct buf *answer)
{
    char *url = xasprintf("%s%s", c->api, call->path);
    char *token = xasprintf("Authorization: token %s", c->token);
    struct curl_slist *headers = NULL;
    CURL *easy;
    enum err err;

    answer->cap_bytes = ANSWER_MAX_BYTES;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    easy = curl_easy_init();
    if (easy == NULL)
        abort(); // as any want of memory
    headers = curl_slist_append(headers, token);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    set_options(easy, call, url, headers, answer);
    err = perform(easy, call, url, answer);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    crypto_wipe(token, strlen(token));
    free(token);
    free(url);
    return err;
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
