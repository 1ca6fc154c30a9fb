// SPDX-License-Identifier: MIT
// dashboard_files.h — the files of api/web, as built in (embed.cmake).

#ifndef API_DASHBOARD_DASHBOARD_FILES_H
#define API_DASHBOARD_DASHBOARD_FILES_H

#include "api/core/embedded.h"

extern const struct embedded_file web_files[];
extern const size_t n_web_files;
extern const char web_files_hash[]; // of all of them: "~HASH/" in addresses

#endif
