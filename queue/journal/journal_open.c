// SPDX-License-Identifier: MIT
// journal_open.c — finds what opens a URL: a table, and modules that are loaded when a URL
// asks for one, so that a program without a cluster needs none of their libraries.

#include "queue/journal/journal_open.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "queue/journal/journal_lmdb.h"

#define LMDB        "lmdb:"
#define NATS_MODULE "posthorn-nats.so"
#define NATS_NEEDS                                                          \
    "libnats (Debian: libnats3.4 or libnats3.10), and a build of posthorn " \
    "that found it"

typedef enum err (*open_fn)(const struct journal_config *config,
                            struct buf *why, struct journal **out);

// --- modules ---

// Beside the program: "", if that cannot be told.
static void put_beside(const char *name, char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    char *slash;

    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL ||
        (size_t)(slash - path) + 2 + strlen(name) > (size_t)PATH_MAX) {
        path[0] = '\0';
    } else {
        memcpy(slash + 1, name, strlen(name) + 1);
    }
}

// Beside the program, or else where it is installed.
static void *load_module(const char *name, const char **why)
{
    char path[PATH_MAX];
    void *module;

    put_beside(name, path);
    if (access(path, F_OK) != 0)
        snprintf(path, sizeof(path), "%s/%s", POSTHORN_MODULE_DIR, name);
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    *why = module != NULL ? NULL : dlerror();
    return module;
}

static enum err open_with(const char *name, const char *needs,
                          const struct journal_config *config, struct buf *why,
                          struct journal **out)
{
    const char *fault;
    void *loaded = load_module(name, &fault);
    const struct journal_module *module =
        loaded != NULL ? dlsym(loaded, JOURNAL_MODULE_ENTRY) : NULL;

    if (module != NULL && module->version == JOURNAL_MODULE_VERSION)
        return module->open(config, why, out);
    if (loaded != NULL) {
        fault = module != NULL ? "it is of another version of posthorn"
                               : "it is no module of posthorn";
    }
    buf_printf(why, "%s cannot be loaded: %s; install %s", name,
               fault != NULL ? fault : "unknown error", needs);
    return ERR_NOTFOUND;
}

static enum err open_nats(const struct journal_config *config, struct buf *why,
                          struct journal **out)
{
    return open_with(NATS_MODULE, NATS_NEEDS, config, why, out);
}

// --- a directory ---

static enum err open_lmdb(const struct journal_config *config, struct buf *why,
                          struct journal **out)
{
    struct journal_lmdb_config lmdb = { .dir = config->url + strlen(LMDB) };
    enum err err = journal_lmdb_open(&lmdb, why, out);

    return err == OK || err == ERR_NOTFOUND ? err : ERR_INVALID;
}

// --- the table ---

static const struct {
    const char *scheme;
    open_fn open;
} kinds[] = {
    { "nats://", open_nats },
    { "tls://", open_nats },
    { LMDB, open_lmdb },
};

enum err journal_open(const struct journal_config *config, struct buf *why,
                      struct journal **out)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (str_starts(str_of(config->url), str_of(kinds[i].scheme)))
            return kinds[i].open(config, why, out);
    }
    buf_puts(why, "the URL begins with none of nats://, tls:// and lmdb:");
    return ERR_INVALID;
}
