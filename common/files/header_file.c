// SPDX-License-Identifier: MIT
// header_file.c — a file of HTTP header lines, whose values may be secrets.

#include "common/files/header_file.h"

#include <stdbool.h>
#include <string.h>

#include "common/files/small_file.h"

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_header(const char *line)
{
    const char *at = line;

    while (is_token(*at))
        at++;
    if (at == line || *at != ':')
        return false;
    for (at++; *at != '\0'; at++) {
        if ((*at < ' ' || *at > '~') && *at != '\t')
            return false;
    }
    return true;
}

enum err header_file_read(const char *path, struct header_file *out,
                          const char **why)
{
    enum err err =
        small_file_read(path, out->text, sizeof(out->text), NULL, why);
    char *save = NULL;

    out->n = 0;
    if (err != OK)
        return err;
    for (char *line = strtok_r(out->text, "\r\n", &save); line != NULL;
         line = strtok_r(NULL, "\r\n", &save)) {
        if (line[0] == '#')
            continue;
        if (!is_header(line) || out->n == HEADER_LINES_MAX) {
            *why = "must have at most 16 lines like \"Authorization: Bearer "
                   "…\", in visible ASCII";
            return ERR_INVALID;
        }
        out->lines[out->n++] = line;
    }
    return OK;
}
