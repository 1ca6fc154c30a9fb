// SPDX-License-Identifier: MIT
// place.c — where a path leads.

#include "common/files/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

char *place_resolve(const char *path)
{
    char *whole = realpath(path, NULL);
    char *copy;
    char *slash;
    char *parent;

    if (whole != NULL)
        return whole;
    copy = xstrdup(path);
    slash = strrchr(copy, '/');
    if (slash == NULL || slash == copy || errno != ENOENT)
        return copy;
    *slash = '\0';
    parent = place_resolve(copy);
    whole = xasprintf("%s/%s", parent, slash + 1);
    free(parent);
    free(copy);
    return whole;
}

bool place_holds(const char *place, const char *path)
{
    size_t n = strlen(place);

    return strncmp(path, place, n) == 0 && (path[n] == '\0' || path[n] == '/' ||
                                            (n > 0 && place[n - 1] == '/'));
}
