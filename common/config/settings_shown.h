// SPDX-License-Identifier: MIT
// settings_shown.h — what people are told of a setting: its value, where that came from,
// and what is allowed.

#ifndef COMMON_CONFIG_SETTINGS_SHOWN_H
#define COMMON_CONFIG_SETTINGS_SHOWN_H

#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/config/settings_table.h"
#include "common/encoding/json_writer.h"

enum setting_origin {
    ORIGIN_DEFAULT,
    ORIGIN_FILE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_COMMAND_LINE,
    ORIGIN_FOLLOWS // nobody has set it, and another setting has lowered it
};

// The value of a setting as text, and where it came from.
struct setting_source {
    char *text; // owned
    enum setting_origin origin;
    char *
        at; // owned: path of the file, or the setting that is followed; or NULL
    unsigned line; // of the file, from 1
    // Owned: what a reload has read and only a restart applies. NULL: `text` is it.
    char *pending;
};

// Replaces all of it; copies `text`, and `at`, which may be NULL.
void setting_source_set(struct setting_source *s, struct str text,
                        enum setting_origin origin, const char *at,
                        unsigned line);
void setting_source_clear(struct setting_source *s);

// Appends "default", "/etc/posthorn.conf:12", "environment", "--set", or the name of the
// setting that is followed.
void setting_put_origin(const struct setting_source *s, struct buf *out);

// Appends what the setting may be: "1 to 16".
void setting_put_allowed(const struct setting *s, struct buf *out);

// Puts an object for every setting of a loaded configuration into the open array. In
// URLs, what stands before an @ is masked: no setting should hold a secret, but that
// would be one.
void settings_print(const struct config *c, struct json_writer *w);

#endif
