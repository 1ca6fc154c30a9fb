// SPDX-License-Identifier: MIT
// delivery.c — deliveries, and the attempts of their history.

#include "common/model/delivery.h"

const char *error_name(enum error_class class)
{
    switch (class) {
    case ERROR_NONE:
        return "none";
    case ERROR_DNS:
        return "dns";
    case ERROR_CONNECT:
        return "connect";
    case ERROR_TLS:
        return "tls";
    case ERROR_TIMEOUT:
        return "timeout";
    case ERROR_RESET:
        return "reset";
    case ERROR_PROTOCOL:
        return "protocol";
    case ERROR_STATUS:
        return "status";
    case ERROR_BLOCKED:
        return "blocked";
    case ERROR_GONE:
        return "gone";
    }
    return "unknown";
}
