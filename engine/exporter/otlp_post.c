// SPDX-License-Identifier: MIT
// otlp_post.c — one request to the collector: OTLP over HTTP, in JSON.
//
// What may be sent again is what the OTLP specification lists: 429, 502, 503 and 504, and
// requests without an answer. Everything else is final.

#include "engine/exporter/otlp_post.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "common/files/engine_file.h"
#include "common/files/header_file.h"
#include "common/log/log.h"

#define CONNECT_TIMEOUT_MS 5000L
#define TIMEOUT_MS         10000L
#define ANSWER_MAX_BYTES   ((size_t)64 * 1024)
#define WAIT_MAX_S         300
#define CHUNK_BYTES        ((size_t)16 * 1024)

struct otlp_post {
    CURL *easy;
    struct curl_slist *headers;
    struct curl_blob authorities;
    struct buf body, answer;
    struct buf head; // of the body: the resource and the scope
    char error[CURL_ERROR_SIZE];
    atomic_int_least64_t give_up_at_us; // monotonic; 0: not yet
};

// libcurl's setters return an error for an unknown option or for a lack of memory.
#define SET(p, option, value)                                             \
    do {                                                                  \
        if (curl_easy_setopt((p)->easy, (option), (value)) != CURLE_OK)   \
            log_fatal("libcurl refuses an option", "option=%s", #option); \
    } while (0)

static size_t on_answer(char *bytes, size_t size, size_t n, void *data)
{
    struct otlp_post *p = data;

    if (p->answer.n_bytes + size * n <= ANSWER_MAX_BYTES)
        buf_put(&p->answer, bytes, size * n);
    return size * n;
}

// Nonzero ends the request.
static int on_progress(void *data, curl_off_t down_all, curl_off_t down,
                       curl_off_t up_all, curl_off_t up)
{
    struct otlp_post *p = data;
    int64_t at_us = atomic_load(&p->give_up_at_us);

    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    return at_us != 0 && clock_mono_us() >= at_us;
}

static void put_attribute(struct json_writer *w, const char *key,
                          const char *value)
{
    json_open_object(w, NULL);
    json_put_text(w, "key", key);
    json_open_object(w, "value");
    json_put_text(w, "stringValue", value);
    json_close(w);
    json_close(w);
}

// All up to the spans themselves; a "]}]}]}" follows them.
static void put_head(struct buf *out)
{
    struct json_writer w = json_writer(out);
    const char *instance = getenv(ENGINE_ENV_INSTANCE);

    json_open_object(&w, NULL);
    json_open_array(&w, "resourceSpans");
    json_open_object(&w, NULL);
    json_open_object(&w, "resource");
    json_open_array(&w, "attributes");
    put_attribute(&w, "service.name", "posthorn");
    put_attribute(&w, "service.version", POSTHORN_VERSION);
    put_attribute(&w, "service.instance.id", instance != NULL ? instance : "");
    json_close(&w);
    json_close(&w);
    json_open_array(&w, "scopeSpans");
    json_open_object(&w, NULL);
    json_open_object(&w, "scope");
    json_put_text(&w, "name", "posthorn");
    json_put_text(&w, "version", POSTHORN_VERSION);
    json_close(&w);
    json_open_array(&w, "spans");
}

static void add_header(struct otlp_post *p, const char *line)
{
    struct curl_slist *longer = curl_slist_append(p->headers, line);

    if (longer == NULL)
        abort(); // out of memory, as in xmalloc()
    p->headers = longer;
}

static void read_headers(struct otlp_post *p, const char *path)
{
    struct header_file *file;
    const char *why = "";

    add_header(p, "Content-Type: application/json");
    add_header(p, "Expect:"); // no round trip before the body
    if (path[0] == '\0')
        return;
    file = xcalloc(1, sizeof(*file));
    if (header_file_read(path, file, &why) != OK) {
        log_fatal("otlp_headers_file cannot be used", "path=%s reason=%s",
                  log_quote(str_of(path)), log_quote(str_of(why)));
    }
    for (unsigned i = 0; i < file->n; i++)
        add_header(p, file->lines[i]);
    free(file);
}

static void read_authorities(struct otlp_post *p, const char *path)
{
    FILE *file;
    struct buf text;
    size_t n;

    if (path[0] == '\0')
        return;
    file = fopen(path, "re");
    if (file == NULL) {
        log_fatal("ca_file cannot be read", "");
        return;
    }
    buf_init(&text, 0);
    while ((n = fread(buf_reserve(&text, CHUNK_BYTES), 1, CHUNK_BYTES, file)) >
           0)
        buf_added(&text, n);
    fclose(file);
    p->authorities.data = buf_take(&text, &n);
    p->authorities.len = n;
    p->authorities.flags = CURL_BLOB_NOCOPY;
    SET(p, CURLOPT_CAINFO_BLOB, &p->authorities);
}

static void set_options(struct otlp_post *p, const struct config *config)
{
    SET(p, CURLOPT_URL, config->otlp_traces);
    SET(p, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(p, CURLOPT_PROXY, ""); // whatever the environment says
    SET(p, CURLOPT_NOSIGNAL, 1L);
    SET(p, CURLOPT_HTTPHEADER, p->headers);
    SET(p, CURLOPT_USERAGENT, "posthorn/" POSTHORN_VERSION);
    SET(p, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(p, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    SET(p, CURLOPT_ERRORBUFFER, p->error);
}

static void set_callbacks(struct otlp_post *p)
{
    SET(p, CURLOPT_WRITEFUNCTION, on_answer);
    SET(p, CURLOPT_WRITEDATA, p);
    SET(p, CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(p, CURLOPT_XFERINFODATA, p);
    SET(p, CURLOPT_NOPROGRESS, 0L);
}

struct otlp_post *otlp_post_new(const struct config *config)
{
    struct otlp_post *p = xcalloc(1, sizeof(*p));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        log_fatal("libcurl cannot be started", "");
    p->easy = curl_easy_init();
    if (p->easy == NULL)
        log_fatal("libcurl cannot be started", "");
    buf_init(&p->body, 0);
    buf_init(&p->answer, 0);
    buf_init(&p->head, 0);
    put_head(&p->head);
    read_headers(p, config->otlp_headers_file);
    read_authorities(p, config->ca_file);
    set_options(p, config);
    set_callbacks(p);
    return p;
}

// {"partialSuccess":{"rejectedSpans":"5","errorMessage":"…"}}; numbers of 64 bits are
// text, which some collectors do not know.
static uint64_t n_rejected(struct str answer)
{
    struct json *json;
    const struct json_value *value;
    int64_t n = 0;

    if (json_parse(answer, &json_no_limits, &json, NULL) != OK)
        return 0;
    value =
        json_get(json_get(json_root(json), "partialSuccess"), "rejectedSpans");
    if (json_int(value, &n) != OK) {
        struct str digits = json_str(value);
        char text[24] = "";

        if (digits.n_bytes < sizeof(text) && digits.n_bytes > 0)
            memcpy(text, digits.at, digits.n_bytes);
        n = strtoll(text, NULL, 10);
    }
    json_free(json);
    return n > 0 ? (uint64_t)n : 0;
}

static bool may_be_again(long status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void judge(struct otlp_post *p, CURLcode code, struct otlp_answer *out)
{
    curl_off_t wait_s = 0;
    long status = 0;

    *out = (struct otlp_answer){ .result = OTLP_AGAIN };
    if (code != CURLE_OK) {
        snprintf(out->reason, sizeof(out->reason), "%s",
                 p->error[0] != '\0' ? p->error : curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
        out->result = OTLP_TAKEN;
        out->n_rejected = n_rejected(buf_str(&p->answer));
        return;
    }
    snprintf(out->reason, sizeof(out->reason), "status %ld", status);
    if (!may_be_again(status)) {
        out->result = OTLP_REFUSED;
    } else if (curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &wait_s) ==
                   CURLE_OK &&
               wait_s > 0) {
        out->wait_ms = (wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S) * 1000;
    }
}

void otlp_post_send(struct otlp_post *p, struct str spans,
                    struct otlp_answer *out)
{
    buf_reset(&p->body);
    buf_reset(&p->answer);
    buf_put_str(&p->body, buf_str(&p->head));
    buf_put_str(&p->body, spans);
    buf_puts(&p->body, "]}]}]}");
    p->error[0] = '\0';
    SET(p, CURLOPT_POSTFIELDS, p->body.at);
    SET(p, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.n_bytes);
    judge(p, curl_easy_perform(p->easy), out);
}

void otlp_post_stop(struct otlp_post *p, int64_t wait_ms)
{
    atomic_store(&p->give_up_at_us, clock_mono_us() + wait_ms * 1000);
}
