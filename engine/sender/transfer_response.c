// SPDX-License-Identifier: MIT
// transfer_response.c — the response, and the outcome made from it.
//
// A complete header block counts even if the body is cut: nothing that comes after it
// is a reason to send a delivered event again.

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "engine/sender/private.h"

enum { HTTP_NO_CONTENT = 204, HTTP_NOT_MODIFIED = 304 };

#define LENGTH_MAX_DIGITS  18
#define RESPONSE_LINES_MAX 1000 // header lines of a response, 1xx included

// --- the response ---

static long status_of(const struct transfer *t)
{
    long status = t->response.status;

    if (!t->has_exchange)
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void end_header_block(struct transfer *t)
{
    long status = status_of(t);
    bool has_no_body;

    lane_answered(t);
    if (status < 200)
        return;
    t->has_header_block = true;
    t->headers_at_us = clock_mono_us();
    if (t->is_http2)
        return; // frames have lengths of their own
    // A response that is framed in two ways, or that has a body where none is allowed,
    // may smuggle in a second response: nothing more is read from this connection (RFC
    // 9112, 6.3).
    has_no_body = status == HTTP_NO_CONTENT || status == HTTP_NOT_MODIFIED;
    if (t->n_length_headers > 1 ||
        (t->n_length_headers > 0 && t->has_encoding_header) ||
        (has_no_body && (t->n_length_headers > 0 || t->has_encoding_header)))
        t->is_unclear = true;
    if (t->is_unclear && !t->has_exchange) {
        SET(t->easy, CURLOPT_FORBID_REUSE, 1L);
        t->forbids_reuse = true;
    }
}

static bool is_header(struct str line, struct str name)
{
    return line.n_bytes > name.n_bytes && line.at[name.n_bytes] == ':' &&
           strncasecmp(line.at, name.at, name.n_bytes) == 0;
}

// The value after the colon, without blanks around it.
static struct str value_of(struct str line)
{
    const char *colon = memchr(line.at, ':', line.n_bytes);
    struct str value = STR_EMPTY;

    if (colon == NULL)
        return value;
    value.at = colon + 1;
    value.n_bytes = line.n_bytes - (size_t)(value.at - line.at);
    while (value.n_bytes > 0 && (value.at[0] == ' ' || value.at[0] == '\t')) {
        value.at++;
        value.n_bytes--;
    }
    while (value.n_bytes > 0 && (value.at[value.n_bytes - 1] == ' ' ||
                                 value.at[value.n_bytes - 1] == '\t'))
        value.n_bytes--;
    return value;
}

// Releases of libcurl treat an invalid length, and an encoding that was not asked for,
// in different ways. False: the response is no valid HTTP.
static bool frame_is_clear(struct transfer *t, struct str line)
{
    struct str value = value_of(line);

    if (is_header(line, STR("transfer-encoding"))) {
        t->has_encoding_header = true;
        return value.n_bytes == 7 && strncasecmp(value.at, "chunked", 7) == 0;
    }
    if (is_header(line, STR("content-length"))) {
        t->n_length_headers++;
        return value.n_bytes <= LENGTH_MAX_DIGITS;
    }
    return true;
}

bool response_line(struct transfer *t, struct str line)
{
    if (t->n_response_lines == 0)
        t->first_line_at_us = clock_mono_us();
    if (++t->n_response_lines > RESPONSE_LINES_MAX)
        return false;
    if (t->has_header_block)
        return true; // a trailer
    if (str_starts(line, STR("HTTP/"))) {
        buf_reset(&t->response_headers);
        t->n_length_headers = 0;
        t->has_encoding_header = false;
        return true;
    }
    while (line.n_bytes > 0 && (line.at[line.n_bytes - 1] == '\n' ||
                                line.at[line.n_bytes - 1] == '\r'))
        line.n_bytes--;
    if (line.n_bytes == 0) {
        end_header_block(t);
        return true;
    }
    if (!frame_is_clear(t, line))
        return false;
    buf_put_str(&t->response_headers, line);
    buf_puts(&t->response_headers, "\r\n");
    return !t->response_headers.overflow;
}

// Keeps what fits, and ends the transfer when more comes.
bool response_body(struct transfer *t, struct str bytes)
{
    size_t room_bytes = RESPONSE_BODY_MAX_BYTES - t->response_body.n_bytes;

    if (bytes.n_bytes <= room_bytes) {
        buf_put_str(&t->response_body, bytes);
        return true;
    }
    buf_put(&t->response_body, bytes.at, room_bytes);
    t->is_truncated = true;
    return false;
}

// CURLOPT_HEADERFUNCTION: one line at a time.
// NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type
static size_t on_header(char *at, size_t one, size_t n_bytes, void *data)
{
    (void)one;
    return response_line(data, (struct str){ at, n_bytes }) ? n_bytes : 0;
}

// CURLOPT_WRITEFUNCTION
// NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type
static size_t on_body(char *at, size_t one, size_t n_bytes, void *data)
{
    (void)one;
    return response_body(data, (struct str){ at, n_bytes }) ? n_bytes : 0;
}

// --- the outcome ---

static int64_t figure_of(CURL *easy, CURLINFO which)
{
    curl_off_t n = 0;

    curl_easy_getinfo(easy, which, &n);
    return n;
}

// For HTTP/2, libcurl takes the connection's first frame for the first byte.
static int64_t first_byte_us(const struct transfer *t)
{
    if (t->has_exchange) {
        return t->first_byte_at_us > 0 ? t->first_byte_at_us - t->begun_at_us
                                       : 0;
    }
    if (!t->is_http2)
        return figure_of(t->easy, CURLINFO_STARTTRANSFER_TIME_T);
    return t->first_line_at_us > 0 ? t->first_line_at_us - t->begun_at_us : 0;
}

static struct timing timing_of(const struct transfer *t)
{
    long n_new_connections = 0;

    if (t->has_exchange) {
        return (struct timing){
            .dns_us = t->dns_us,
            .connect_us = t->connect_us,
            .tls_us = t->tls_us,
            .first_byte_us = first_byte_us(t),
            .total_us = clock_mono_us() - t->begun_at_us,
            .reused_connection = t->has_header_block && t->is_reused,
        };
    }
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &n_new_connections);
    return (struct timing){
        .dns_us = figure_of(t->easy, CURLINFO_NAMELOOKUP_TIME_T),
        .connect_us = figure_of(t->easy, CURLINFO_CONNECT_TIME_T),
        .tls_us = figure_of(t->easy, CURLINFO_APPCONNECT_TIME_T),
        .first_byte_us = first_byte_us(t),
        .total_us = figure_of(t->easy, CURLINFO_TOTAL_TIME_T),
        .reused_connection = t->has_header_block && n_new_connections == 0,
    };
}

static bool is_ours(const struct transfer *t, CURLcode code)
{
    long reason = 0;

    // If a response has begun, the response was too large: libcurl reports a header
    // line that is too long as lack of memory.
    if (code == CURLE_OUT_OF_MEMORY)
        return first_byte_us(t) == 0;
    if (code == CURLE_FAILED_INIT || code == CURLE_BAD_FUNCTION_ARGUMENT)
        return true;
    if (code != CURLE_COULDNT_CONNECT)
        return false;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &reason);
    return t->is_ours || reason == EADDRNOTAVAIL; // no local port is left
}

// Whether the response's body is complete, even if sending the request failed later.
static bool is_whole(const struct transfer *t)
{
    curl_off_t n_promised = -1;

    if (t->has_exchange) {
        return t->response.n_promised_bytes >= 0 &&
               t->response.n_body_bytes == t->response.n_promised_bytes;
    }
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &n_promised);
    return n_promised >= 0 &&
           figure_of(t->easy, CURLINFO_SIZE_DOWNLOAD_T) == n_promised;
}

static void set_result(const struct transfer *t, CURLcode code,
                       struct outcome *outcome)
{
    long status = status_of(t);

    if (t->has_header_block && status >= STATUS_MIN) {
        outcome->response_code = (uint16_t)status;
        outcome->truncated =
            t->is_truncated || (code != CURLE_OK && !is_whole(t));
        return;
    }
    // A status line with an invalid number, such as 099, is no answer.
    transfer_explain(t, code, outcome);
    if (t->was_blocked && (outcome->error == ERROR_CONNECT ||
                           code == CURLE_ABORTED_BY_CALLBACK)) {
        outcome->error = ERROR_BLOCKED;
        outcome->error_message =
            t->was_port
                ? STR("the port is none of endpoint_ports; endpoint_allow does "
                      "not name it with the address")
                : STR("the address is private, loopback, this machine's own or "
                      "otherwise special; endpoint_allow does not name it");
    } else if (t->was_refused) {
        outcome->error = ERROR_RESET;
        outcome->error_message = STR("the receiver twice refused the request "
                                     "before it looked at it");
    } else if (is_ours(t, code)) {
        outcome->is_ours = true;
    } else if (code == CURLE_OK) {
        outcome->error = ERROR_PROTOCOL;
        outcome->error_message = STR("no complete response");
    }
}

struct outcome transfer_outcome(const struct transfer *t, CURLcode code)
{
    struct outcome outcome = {
        .no = t->no,
        .started_at_us = t->started_at_us,
        .timing = timing_of(t),
        .response_headers = buf_str(&t->response_headers),
        .response_body = buf_str(&t->response_body),
    };

    set_result(t, code, &outcome);
    return outcome;
}

void transfer_expect(struct transfer *t)
{
    SET(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(t->easy, CURLOPT_HEADERDATA, t);
    SET(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(t->easy, CURLOPT_WRITEDATA, t);
}
