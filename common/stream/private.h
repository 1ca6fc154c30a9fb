// SPDX-License-Identifier: MIT
// private.h — what mbedTLS needs of a listener, for the files of this room only.

#ifndef COMMON_STREAM_PRIVATE_H
#define COMMON_STREAM_PRIVATE_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <stdint.h>

struct tls_server {
    mbedtls_ssl_config config;
    mbedtls_ssl_ticket_context tickets;
    mbedtls_x509_crt certificate;
    mbedtls_x509_crt authorities;
    mbedtls_pk_context key;
    uint64_t n_resumed; // sessions
    unsigned n_users;
};

#endif
