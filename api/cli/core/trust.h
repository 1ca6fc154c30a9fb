// SPDX-License-Identifier: MIT
// trust.h — which certificates a command accepts of an engine, and which one it shows.

#ifndef API_CLI_CORE_TRUST_H
#define API_CLI_CORE_TRUST_H

#include "api/cli/core/options.h"

struct trust {
    // The keys that the engine's own file names: one of them, and nothing else, is
    // right, whatever the certificate's name and issuer. "": authorities decide.
    const char *pins;
    const char *authorities;       // a file; NULL: the system's
    const char *certificate, *key; // files; NULL: none
};

// From the options and the environment: --ca, --cert and --cert-key, else POSTHORN_CA,
// POSTHORN_CERT and POSTHORN_CERT_KEY. Borrows everything.
struct trust trust_of(const struct args *a, const char *pins);

// Sets the options of a handle of libcurl (CURL *).
void trust_apply(const struct trust *t, void *easy);

#endif
