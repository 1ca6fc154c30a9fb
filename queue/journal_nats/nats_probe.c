// SPDX-License-Identifier: MIT
// nats_probe.c — what a server says of itself to anybody who connects: its first line, and
// JetStream's settings at its monitoring port.

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/text.h"
#include "queue/journal_nats/nats_private.h"

#define PROBE_SECONDS 2
#define INFO_BYTES    65536
#define JSZ_BYTES     1048576

// --- addresses ---

static void put_part(char *to, size_t room_bytes, const char *from,
                     const char *end)
{
    snprintf(to, room_bytes, "%.*s", (int)(end - from), from);
}

const char *address_split(const char *list, const char *default_port,
                          char host[256], char port[8])
{
    const char *end = list + strcspn(list, ",\n");
    const char *scheme = strstr(list, "://");
    const char *at = scheme != NULL && scheme < end ? scheme + 3 : list;
    const char *user = memchr(at, '@', (size_t)(end - at));
    const char *host_end;

    if (user != NULL)
        at = user + 1;
    while (at < end && *at == ' ')
        at++;
    if (*at == '[') {
        at++;
        host_end = at + strcspn(at, "],\n");
    } else {
        host_end = at + strcspn(at, ":/ ,\n");
    }
    put_part(host, 256, at, host_end);
    at = host_end + (*host_end == ']');
    if (at < end && *at == ':') {
        at++;
        put_part(port, 8, at, at + strcspn(at, "/ ,\n"));
    } else {
        snprintf(port, 8, "%s", default_port);
    }
    return *end != '\0' ? end + 1 : end;
}

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct timeval time = { .tv_sec = PROBE_SECONDS };
    struct addrinfo *list = NULL;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

// Reads up to a byte that ends it, or the end of the stream ('\0').
static bool read_until(int fd, char last, struct buf *out)
{
    char part[4096];

    while (!out->overflow) {
        ssize_t n = recv(fd, part, sizeof(part), 0);

        if (n == 0)
            return last == '\0';
        if (n < 0)
            return false;
        buf_put(out, part, (size_t)n);
        if (last != '\0' && memchr(part, last, (size_t)n) != NULL)
            return true;
    }
    return false;
}

// --- the first line ---

static void put_plain_text(char *to, size_t room_bytes,
                           const struct json_value *v)
{
    struct str s = json_str(v);

    snprintf(to, room_bytes, "%.*s", STR_ARG(s));
    for (char *c = to; *c != '\0'; c++) {
        if (text_is_unsafe(c, 1) > 0)
            *c = ' ';
    }
}

static void read_info(const struct json_value *root, struct server_facts *out,
                      struct buf *more)
{
    struct json_iter it = json_iter(json_get(root, "connect_urls"));
    const struct json_value *url;

    put_plain_text(out->id, sizeof(out->id), json_get(root, "server_id"));
    put_plain_text(out->name, sizeof(out->name), json_get(root, "server_name"));
    put_plain_text(out->version, sizeof(out->version),
                   json_get(root, "version"));
    out->has_jetstream = json_bool(json_get(root, "jetstream"));
    out->max_payload = json_int_or_zero(json_get(root, "max_payload"));
    while ((url = json_next(&it, NULL)) != NULL) {
        buf_put_str(more, json_str(url));
        buf_putc(more, '\n');
    }
}

// Parses what follows `skip` bytes. ERR_AGAIN: it is no JSON.
static enum err parse(const struct buf *text, size_t skip, struct json **out)
{
    struct str s = { text->at + skip, text->n_bytes - skip };
    struct buf why;
    enum err err;

    buf_init(&why, 200);
    err = json_parse(str_trim(s, STR_SPACES), &json_default_limits, out, &why);
    buf_clear(&why);
    return err == OK ? OK : ERR_AGAIN;
}

enum err probe_server(const char *host, const char *port,
                      struct server_facts *out, struct buf *more)
{
    int fd = dial(host, port);
    enum err err = ERR_AGAIN;
    struct json *json = NULL;
    struct buf line;

    *out = (struct server_facts){ 0 };
    snprintf(out->address, sizeof(out->address), "%s:%s", host, port);
    if (fd < 0)
        return ERR_AGAIN;
    buf_init(&line, INFO_BYTES);
    if (read_until(fd, '\n', &line) && str_starts(buf_str(&line), STR("INFO ")))
        err = parse(&line, 5, &json);
    if (err == OK) {
        read_info(json_root(json), out, more);
        if (out->id[0] == '\0')
            err = ERR_AGAIN;
    }
    json_free(json);
    buf_clear(&line);
    close(fd);
    return err;
}

// --- the monitoring port ---

enum err probe_monitor(const char *host, const char *port, char id[64],
                       bool *is_synced)
{
    static const char request[] = "GET /jsz HTTP/1.0\r\n\r\n";
    int fd = dial(host, port);
    enum err err = ERR_AGAIN;
    struct json *json = NULL;
    const char *body;
    struct buf text;

    if (fd < 0)
        return ERR_AGAIN;
    buf_init(&text, JSZ_BYTES);
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) ==
            (ssize_t)sizeof(request) - 1 &&
        read_until(fd, '\0', &text) &&
        (body = strstr(buf_cstr(&text), "\r\n\r\n")) != NULL)
        err = parse(&text, (size_t)(body - text.at), &json);
    if (err == OK) {
        const struct json_value *root = json_root(json);

        put_plain_text(id, 64, json_get(root, "server_id"));
        *is_synced =
            json_bool(json_get(json_get(root, "config"), "sync_always"));
    }
    json_free(json);
    buf_clear(&text);
    close(fd);
    return err;
}
