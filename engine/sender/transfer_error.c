// SPDX-License-Identifier: MIT
// transfer_error.c — why an attempt got no answer: the class, and a sentence.
//
// Both come from what is the same in every release of libcurl and of its libraries: codes
// that are documented, and what this process saw itself, such as the end of the stream or
// a TLS alert. Their words change, so they decide nothing. They may also repeat what the
// receiver sent, and nobody shall scan a network with hooks and read banners in the
// history: so they are only in the log, at the level of debugging.

#include <errno.h>
#include <string.h>

#include "common/log/log.h"
#include "engine/sender/private.h"

// Of OpenSSL: part of its interface, X509_V_ERR_….
enum {
    UNSPECIFIED = 1,
    UNKNOWN_ISSUER = 2,
    NOT_YET_VALID = 9,
    EXPIRED = 10,
    SELF_SIGNED = 18,
    SELF_SIGNED_IN_CHAIN = 19,
    UNKNOWN_LOCAL_ISSUER = 20,
    UNKNOWN_LEAF_ISSUER = 21,
    CHAIN_TOO_LONG = 22,
    REVOKED = 23,
    INVALID_CA = 24, // 79 in later releases
    INVALID_PURPOSE = 26,
    NAME_MISMATCH = 62,
    ADDRESS_MISMATCH = 64,
    KEY_TOO_SMALL = 66,
    CA_KEY_TOO_SMALL = 67,
    CA_DIGEST_TOO_WEAK = 68,
    INVALID_CA_LATER = 79,
};

// Alerts of TLS (RFC 8446, 6).
enum {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_REVOKED = 44,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_ACCESS_DENIED = 49,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INSUFFICIENT_SECURITY = 71,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_UNRECOGNIZED_NAME = 112,
    ALERT_CERTIFICATE_REQUIRED = 116,
    ALERT_NO_APPLICATION_PROTOCOL = 120,
};

// Without a request that was about to leave, there was no whole handshake.
static bool ended_at_once(const struct transfer *t)
{
    return t->was_gone || t->n_tries == 0;
}

// Whether the proxy made no connection to the receiver.
static bool ended_at_proxy(const struct transfer *t)
{
    long status = 0;

    if (!has_proxy(t->owner) || !is_tls(t) || t->n_tries > 0)
        return false;
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status < 200 || status > 299;
}

bool receiver_leaves(const struct transfer *t, CURLcode code)
{
    return code == CURLE_HTTP2 && t->message[0] == '\0';
}

// --- the class ---

// What a connection that broke off means, by what was seen of it.
static enum error_class class_of_break(const struct transfer *t, CURLcode code)
{
    const struct ending *ending = ending_of(t);

    if (ended_at_proxy(t))
        return ERROR_CONNECT;
    // With TLS 1.3 a receiver refuses the client's certificate, or its absence, after
    // the client's part of the handshake.
    if (is_tls(t) && (ended_at_once(t) || ending->alert != 0))
        return ERROR_TLS;
    if (ending->has_flooded)
        return ERROR_PROTOCOL;
    if (!t->is_http2 || ending->has_closed || t->n_tries > 1 ||
        receiver_leaves(t, code))
        return ERROR_RESET;
    // The connection is open, and its stream was not reset: libcurl gave it up.
    return code == CURLE_HTTP2_STREAM || code == CURLE_WEIRD_SERVER_REPLY
               ? ERROR_RESET
               : ERROR_PROTOCOL;
}

static enum error_class class_of(const struct transfer *t, CURLcode code)
{
    if (t->was_gone)
        return class_of_break(t, code);
    switch ((int)code) { // any other code of libcurl is a protocol error
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ERROR_DNS;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_INTERFACE_FAILED:
        return ERROR_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return ERROR_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE: // of HTTP/2: there is no header block
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return class_of_break(t, code);
    case CURLE_WEIRD_SERVER_REPLY: // of HTTP/2, some releases: a response without status
        return t->is_http2 ? class_of_break(t, code) : ERROR_PROTOCOL;
    default:
        return ERROR_PROTOCOL;
    }
}

// --- the sentence ---

static const char *words_of_dns(const struct transfer *t)
{
    return has_proxy(t->owner) ? "the name of the proxy cannot be resolved"
                               : "the name of the host cannot be resolved";
}

static const char *words_of_connect(const struct transfer *t)
{
    long reason = 0;

    if (ended_at_proxy(t) && t->n_tries == 0) {
        long status = 0;

        curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &status);
        if (status != 0)
            return "the proxy refuses a connection to the receiver";
    }
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &reason);
    switch (reason) {
    case ECONNREFUSED:
        return has_proxy(t->owner)
                   ? "the proxy's address refuses connections (ECONNREFUSED)"
                   : "the receiver's address refuses connections "
                     "(ECONNREFUSED)";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "there is no route to the address (EHOSTUNREACH, ENETUNREACH)";
    case ETIMEDOUT:
        return "the address does not answer (ETIMEDOUT)";
    case ECONNRESET:
        return "the connection was reset while it was made (ECONNRESET)";
    default:
        return "no connection could be made";
    }
}

static int64_t figure_of(const struct transfer *t, CURLINFO which)
{
    curl_off_t n = 0;

    curl_easy_getinfo(t->easy, which, &n);
    return n;
}

static const char *words_of_timeout(const struct transfer *t)
{
    if (t->n_tries > 0)
        return "the receiver did not answer in time";
    if (figure_of(t, CURLINFO_NAMELOOKUP_TIME_T) == 0)
        return "the name of the host was not resolved in time";
    if (figure_of(t, CURLINFO_CONNECT_TIME_T) == 0)
        return "no connection was made in time";
    return is_tls(t) ? "the TLS handshake did not end in time"
                     : "the receiver did not answer in time";
}

static const char *words_of_verification(const struct transfer *t)
{
    long result = 0;

    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &result);
    switch (result) {
    case 0:
    case UNSPECIFIED: // libcurl compares the name, and has no number for it
    case NAME_MISMATCH:
    case ADDRESS_MISMATCH:
        return "the receiver's certificate is not for the name in the URL";
    case NOT_YET_VALID:
        return "the receiver's certificate is not valid yet";
    case EXPIRED:
        return "the receiver's certificate has expired";
    case SELF_SIGNED:
        return "the receiver's certificate is self-signed";
    case SELF_SIGNED_IN_CHAIN:
    case UNKNOWN_ISSUER:
    case UNKNOWN_LOCAL_ISSUER:
    case UNKNOWN_LEAF_ISSUER:
        return "the receiver's certificate is of an authority that is not "
               "trusted, or certificates between are missing";
    case CHAIN_TOO_LONG:
        return "the receiver's chain of certificates is too long";
    case REVOKED:
        return "the receiver's certificate was revoked";
    case INVALID_CA:
    case INVALID_CA_LATER:
        return "the receiver's certificate was issued by one that may not";
    case INVALID_PURPOSE:
        return "the receiver's certificate is not for servers";
    case KEY_TOO_SMALL:
    case CA_KEY_TOO_SMALL:
    case CA_DIGEST_TOO_WEAK:
        return "the key of a certificate of the receiver, or its signature, "
               "is too weak";
    default:
        return "the receiver's certificate cannot be verified";
    }
}

// Of an alert that the receiver sent.
static const char *words_of_refusal(unsigned alert)
{
    switch (alert) {
    case ALERT_CERTIFICATE_REQUIRED:
        return "the receiver requires a client certificate "
               "(TLS alert certificate_required)";
    case ALERT_BAD_CERTIFICATE:
    case ALERT_UNSUPPORTED_CERTIFICATE:
    case ALERT_CERTIFICATE_REVOKED:
    case ALERT_CERTIFICATE_EXPIRED:
    case ALERT_CERTIFICATE_UNKNOWN:
    case ALERT_UNKNOWN_CA:
    case ALERT_ACCESS_DENIED:
        return "the receiver does not accept the client certificate, or that "
               "there is none (TLS alert)";
    case ALERT_PROTOCOL_VERSION:
        return "the receiver has no version of TLS that is accepted here: 1.2 "
               "or 1.3 (TLS alert protocol_version)";
    case ALERT_HANDSHAKE_FAILURE:
    case ALERT_INSUFFICIENT_SECURITY:
        return "the receiver refused the TLS handshake: no cipher in common, "
               "or no client certificate (TLS alert handshake_failure)";
    case ALERT_UNRECOGNIZED_NAME:
        return "the receiver does not know the name in the URL "
               "(TLS alert unrecognized_name)";
    case ALERT_NO_APPLICATION_PROTOCOL:
        return "the receiver has no version of HTTP that was offered "
               "(TLS alert no_application_protocol)";
    case ALERT_INTERNAL_ERROR:
        return "the receiver failed in the TLS handshake "
               "(TLS alert internal_error)";
    default:
        return "the receiver ended TLS with an alert";
    }
}

static const char *words_of_tls(const struct transfer *t, CURLcode code)
{
    const struct ending *ending = ending_of(t);

    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return words_of_verification(t);
    if (code == CURLE_SSL_CERTPROBLEM)
        return "the client certificate of the hook, or its key, cannot be used";
    if (code == CURLE_SSL_CACERT_BADFILE)
        return "the authorities that are trusted cannot be read";
    if (ending->alert != 0 && !ending->is_own_alert)
        return words_of_refusal(ending->alert);
    if (ending->alert == ALERT_PROTOCOL_VERSION) {
        return "the receiver has no version of TLS that is accepted here: 1.2 "
               "or 1.3";
    }
    if (ending->alert == 0 && (ending->has_closed || t->was_gone)) {
        return "the receiver closed the connection before the TLS handshake "
               "ended";
    }
    return "what the receiver sent is no valid TLS, or too weak";
}

static const char *words_of_break(const struct transfer *t)
{
    if (t->was_gone)
        return "the receiver closed the connection as soon as it was made";
    if (t->is_http2 && t->n_tries > 1 && !ending_of(t)->has_closed)
        return "the receiver twice refused the request before it looked at it";
    if (t->is_http2 && !ending_of(t)->has_closed)
        return "the stream ended without a valid answer";
    return "the receiver closed the connection before it answered";
}

static const char *words_of_protocol(const struct transfer *t)
{
    if (ending_of(t)->has_flooded)
        return "the receiver sent much that belongs to no response";
    return t->is_http2 ? "what came is no valid HTTP/2, or too large"
                       : "what came is no valid HTTP response, or too large";
}

static const char *words_of(const struct transfer *t, CURLcode code,
                            enum error_class error)
{
    switch (error) {
    case ERROR_DNS:
        return words_of_dns(t);
    case ERROR_CONNECT:
        return words_of_connect(t);
    case ERROR_TLS:
        return words_of_tls(t, code);
    case ERROR_TIMEOUT:
        return words_of_timeout(t);
    case ERROR_RESET:
        return words_of_break(t);
    default:
        return words_of_protocol(t);
    }
}

void transfer_explain(const struct transfer *t, CURLcode code,
                      struct outcome *outcome)
{
    outcome->error = class_of(t, code);
    outcome->error_message = str_of(words_of(t, code, outcome->error));
    if (t->message[0] != '\0') {
        log_debug("an attempt got no answer", "code=%d text=%s", (int)code,
                  log_quote(str_of(t->message)));
    }
}
