// SPDX-License-Identifier: MIT
// trust.c — which certificates a command accepts of an engine, and which one it shows.

#include "api/cli/core/trust.h"

#include <curl/curl.h>
#include <stdlib.h>

static const char *choose(const struct args *a, const char *option,
                          const char *variable)
{
    const char *text = args_text(a, option);

    if (text == NULL)
        text = getenv(variable);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

struct trust trust_of(const struct args *a, const char *pins)
{
    return (struct trust){ .pins = pins,
                           .authorities = choose(a, "ca", "POSTHORN_CA"),
                           .certificate = choose(a, "cert", "POSTHORN_CERT"),
                           .key = choose(a, "cert-key", "POSTHORN_CERT_KEY") };
}

void trust_apply(const struct trust *t, void *easy)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (t->pins[0] != '\0') {
        // libcurl checks pins in any case.
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, t->pins);
    } else if (t->authorities != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, t->authorities);
    }
    if (t->certificate != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, t->certificate);
    if (t->key != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, t->key);
}
