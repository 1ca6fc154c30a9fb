// SPDX-License-Identifier: MIT
// config_follow.c — settings that nobody has set and that follow another setting.

#include "common/config/config_follow.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/config_types.h"

const struct config_follow config_follows[] = {
    { "connect_timeout", "request_timeout" },
    { "breaker_wait", "breaker_wait_max" },
    { "max_batch_bytes", "max_buffered_bytes" },
    { "max_event_bytes", "max_batch_bytes" },
};
const size_t n_config_follows =
    sizeof(config_follows) / sizeof(config_follows[0]);

static bool is_bytes(const struct config_follow *f)
{
    return strstr(f->setting, "_bytes") != NULL;
}

static bool read_both(const struct config_follow *f, const char *text,
                      const char *of_text, uint64_t *value, uint64_t *of)
{
    int64_t value_ms, of_ms;

    if (is_bytes(f)) {
        return config_read_bytes(str_of(text), 0, UINT64_MAX, value) == OK &&
               config_read_bytes(str_of(of_text), 0, UINT64_MAX, of) == OK;
    }
    if (config_read_duration(str_of(text), 0, INT64_MAX, &value_ms) != OK ||
        config_read_duration(str_of(of_text), 0, INT64_MAX, &of_ms) != OK)
        return false;
    *value = (uint64_t)value_ms;
    *of = (uint64_t)of_ms;
    return true;
}

char *config_follow(const struct config_follow *f, const char *text,
                    const char *of_text, const char *reserve)
{
    uint64_t value, of, percent;

    if (!read_both(f, text, of_text, &value, &of))
        return NULL;
    if (strcmp(f->of, "max_buffered_bytes") == 0) {
        if (config_read_count(str_of(reserve), 0, 99, &percent) != OK)
            return NULL;
        of = of / 200 * (100 - percent); // as in config_check()
        return value > of ? xasprintf("%" PRIu64, of) : NULL;
    }
    return value > of ? xstrdup(of_text) : NULL;
}
