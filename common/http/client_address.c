// SPDX-License-Identifier: MIT
// client_address.c — who a request comes from, and how many connections it has.
//
// Happy path: a connection counts for the address that it comes from. If that is a
// trusted proxy, each request counts, from its header to its answer, for the client that
// the proxy names.

#include "common/http/client_address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/http/private.h"

// --- addresses ---

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool client_address_is_proxy(const struct cidrs *proxies,
                             const uint8_t address[CLIENT_ADDRESS_BYTES])
{
    for (size_t i = 0; proxies != NULL && i < proxies->n; i++) {
        if (cidr_holds_address(&proxies->at[i], address))
            return true;
    }
    return false;
}

// The address of "1.2.3.4", "1.2.3.4:5", "::1" and "[::1]:5", without brackets and port.
static struct str without_port(struct str s)
{
    const char *colon;
    const char *end;

    if (s.n_bytes == 0)
        return s;
    if (s.at[0] == '[') {
        end = memchr(s.at, ']', s.n_bytes);
        if (end == NULL)
            return STR_EMPTY;
        return (struct str){ s.at + 1, (size_t)(end - s.at) - 1 };
    }
    colon = memchr(s.at, ':', s.n_bytes);
    if (colon == NULL || memchr(s.at, '.', s.n_bytes) == NULL ||
        memchr(s.at, '.', (size_t)(colon - s.at)) == NULL)
        return s;
    return (struct str){ s.at, (size_t)(colon - s.at) };
}

static bool read_address(struct str entry, uint8_t out[CLIENT_ADDRESS_BYTES])
{
    struct str s = without_port(entry);
    char text[INET6_ADDRSTRLEN];

    if (s.n_bytes == 0 || s.n_bytes >= sizeof(text))
        return false;
    memcpy(text, s.at, s.n_bytes);
    text[s.n_bytes] = '\0';
    if (inet_pton(AF_INET, text, out + sizeof(v4_prefix)) == 1) {
        memcpy(out, v4_prefix, sizeof(v4_prefix));
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

bool client_address_read(const struct cidrs *proxies, struct str value,
                         uint8_t address[CLIENT_ADDRESS_BYTES])
{
    struct str rest = value;

    while (rest.n_bytes > 0) {
        const char *comma = memrchr(rest.at, ',', rest.n_bytes);
        size_t n_before = comma != NULL ? (size_t)(comma - rest.at) + 1 : 0;
        struct str entry = { rest.at + n_before, rest.n_bytes - n_before };
        uint8_t found[CLIENT_ADDRESS_BYTES];

        if (!read_address(str_trim(entry, STR_BLANKS), found))
            return false;
        memcpy(address, found, sizeof(found));
        if (!client_address_is_proxy(proxies, address))
            return false;
        rest.n_bytes = comma != NULL ? n_before - 1 : 0;
    }
    return true;
}

void client_address_put(const uint8_t address[CLIENT_ADDRESS_BYTES], char *out,
                        size_t n_bytes)
{
    bool is_v4 = memcmp(address, v4_prefix, sizeof(v4_prefix)) == 0;

    out[0] = '\0';
    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6,
                    is_v4 ? address + sizeof(v4_prefix) : address, out,
                    (socklen_t)n_bytes);
}

// --- connections of an address ---

static struct peer *find_peer(const struct http_server *s,
                              const uint8_t *address, uint64_t hash)
{
    struct hash_node *n = hash_map_find(&s->peers, hash);

    while (n != NULL && memcmp(HASH_OBJECT(n, struct peer, node)->address,
                               address, HTTP_ADDRESS_BYTES) != 0)
        n = hash_map_same(n);
    return HASH_OBJECT(n, struct peer, node);
}

// Whoever has an IPv6 network chooses among many addresses, so the hash has a secret.
static void count_peer(struct conn *c, const uint8_t *address)
{
    struct http_server *s = c->server;
    uint64_t hash =
        hash_here((struct str){ (const char *)address, HTTP_ADDRESS_BYTES }, 0);
    struct peer *p = find_peer(s, address, hash);

    client_address_put(address, c->request.peer, sizeof(c->request.peer));
    if (p == NULL) {
        p = xcalloc(1, sizeof(*p));
        memcpy(p->address, address, HTTP_ADDRESS_BYTES);
        hash_map_add(&s->peers, &p->node, hash);
    }
    p->n_connections++;
    c->peer = p;
    if (c->list == CONN_LIST_WAITING)
        list_push(&p->waiting, &c->at_peer);
}

void conn_leave_peer(struct conn *c)
{
    struct peer *p = c->peer;

    if (p != NULL && c->list == CONN_LIST_WAITING)
        list_remove(&p->waiting, &c->at_peer);
    c->peer = NULL;
    if (p == NULL || --p->n_connections > 0)
        return;
    hash_map_remove(&c->server->peers, &p->node);
    free(p);
}

void client_address_of(const struct sockaddr_storage *from,
                       uint8_t out[CLIENT_ADDRESS_BYTES])
{
    memset(out, 0, CLIENT_ADDRESS_BYTES);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;

        memcpy(out, v4_prefix, sizeof(v4_prefix));
        memcpy(out + sizeof(v4_prefix), &v4->sin_addr, sizeof(v4->sin_addr));
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

        memcpy(out, &v6->sin6_addr, CLIENT_ADDRESS_BYTES);
    }
}

void conn_name_peer(struct conn *c, const struct sockaddr_storage *from)
{
    client_address_of(from, c->address);
    count_peer(c, c->address);
}

// --- clients of proxies ---

bool conn_is_of_proxy(const struct conn *c)
{
    return client_address_is_proxy(c->server->limits.proxies, c->address);
}

bool conn_enter_client(struct conn *c)
{
    uint8_t address[HTTP_ADDRESS_BYTES];
    bool goes_on = conn_is_of_proxy(c) && c->peer != NULL;
    struct str name;
    struct str value;

    memcpy(address, c->address, sizeof(address));
    // A header that is given twice is one list (RFC 9110, 5.3).
    for (size_t i = c->n_headers; goes_on && i > 0; i--) {
        if (http_header_at(&c->request, i - 1, &name, &value) &&
            name.n_bytes == strlen("x-forwarded-for") &&
            strncasecmp(name.at, "x-forwarded-for", name.n_bytes) == 0) {
            goes_on =
                client_address_read(c->server->limits.proxies, value, address);
        }
    }
    if (memcmp(address, c->address, sizeof(address)) == 0)
        return false;
    conn_leave_peer(c);
    count_peer(c, address);
    c->has_client = true;
    return true;
}

void conn_leave_client(struct conn *c)
{
    if (!c->has_client)
        return;
    c->has_client = false;
    if (c->peer == NULL)
        return; // it is being closed
    conn_leave_peer(c);
    count_peer(c, c->address);
}
