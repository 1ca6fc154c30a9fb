// SPDX-License-Identifier: MIT
// locate.c — which engine a command means.

#include "api/cli/core/locate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/config/settings.h"
#include "common/encoding/crypto.h"
#include "common/files/small_file.h"
#include "common/http/authentication.h"
#include "common/log/journal.h"

#define TOKEN_MAX_BYTES 256
#define TOKEN_FILE_NAME "admin.token"
#define NOTE_BYTES      4500 // a path, and words

// --- settings ---

static bool is_same_directory(const char *a, const char *b)
{
    struct stat at_a;
    struct stat at_b;

    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &at_a) == 0 && stat(b, &at_b) == 0 &&
           at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
}

// Loads a file of settings. Faults are printed if `is_said`: not for a file that the
// caller did not name and that may belong to another engine.
static bool load(const struct args *a, const char *file, bool is_said,
                 struct config *out)
{
    static char *sets[ARGS_MAX]; // static: used until the process ends
    struct config_sources sources = { .file = file, .sets = sets };
    const char *set;
    size_t i = 0;
    struct buf faults;
    enum err err;

    while ((set = args_next(a, "set", &i)) != NULL)
        sets[sources.n_sets++] = xstrdup(set);
    buf_init(&faults, 0);
    err = config_load(&sources, out, &faults);
    if (err != OK && is_said)
        journal_put(JOURNAL_ERR, buf_cstr(&faults));
    if (err != OK)
        config_clear(out);
    buf_clear(&faults);
    return err == OK;
}

// Whether a file exists. A file that may not be read counts as existing, since its
// content is needed, unless `is_optional`.
static bool is_there(const char *path, bool is_optional)
{
    if (access(path, R_OK) == 0)
        return true;
    return errno != ENOENT && errno != ENOTDIR && !is_optional;
}

// Loads the settings. `used` is set to the file that was used; NULL: none.
static bool load_settings(const struct args *a, const char *data_dir,
                          bool is_optional, struct config *out,
                          const char **used)
{
    const char *file = args_text(a, "config");

    *used = file;
    if (file != NULL || !is_there(LOCATE_CONFIG, is_optional))
        return load(a, file, true, out);
    if (load(a, LOCATE_CONFIG, data_dir == NULL, out)) {
        if (data_dir == NULL || is_same_directory(data_dir, out->data_dir)) {
            *used = LOCATE_CONFIG;
            return true;
        }
        config_clear(out);
    } else if (data_dir == NULL) {
        return false;
    } else {
        command_failed(a->command, LOCATE_CONFIG
                       " cannot be read, or has faults, and is not used; "
                       "--config names another file");
    }
    return load(a, NULL, true, out);
}

bool locate_settings(const struct args *a, const char *data_dir,
                     struct config *out)
{
    const char *used;

    return load_settings(a, data_dir, false, out, &used);
}

// --- pieces ---

__attribute__((format(printf, 2, 3))) static void note(struct located *l,
                                                       const char *format, ...)
{
    char text[NOTE_BYTES];
    va_list args;

    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): begun above
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (l->tried.n_bytes > 0)
        buf_puts(&l->tried, "; ");
    buf_puts(&l->tried, text);
}

static void take(char **to, const char *text)
{
    if (*to == NULL && text != NULL && text[0] != '\0')
        *to = xstrdup(text);
}

static void take_token(struct located *l, const char *text, const char *from)
{
    if (l->token == NULL && text != NULL && text[0] != '\0') {
        l->token = xstrdup(text);
        l->token_from = from;
    }
}

// The value of a variable of the environment. NULL: it is not set, or empty.
static const char *variable(const char *name)
{
    const char *text = getenv(name);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void take_environment(struct located *l)
{
    const char *api = variable("POSTHORN_API");
    const char *ingest = variable("POSTHORN_INGEST");

    if (l->api == NULL && api != NULL)
        note(l, "POSTHORN_API is %s", api);
    if (l->ingest == NULL && ingest != NULL)
        note(l, "POSTHORN_INGEST is %s", ingest);
    take(&l->api, api);
    take(&l->ingest, ingest);
    take_token(l, variable("POSTHORN_TOKEN"), "POSTHORN_TOKEN");
}

// Takes an address to call. An engine that listens on all addresses is called on
// loopback.
static void take_address(char **to, const char *address, bool speaks_tls)
{
    static const struct {
        const char *any, *own;
    } addresses[] = { { "0.0.0.0:", "127.0.0.1:" }, { "[::]:", "[::1]:" } };
    const char *host = "";

    if (*to != NULL)
        return;
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(addresses[i].any);

        if (strncmp(address, addresses[i].any, n) == 0) {
            host = addresses[i].own;
            address += n;
        }
    }
    *to = xasprintf("%s://%s%s", speaks_tls ? "https" : "http", host, address);
}

// Takes an address of engine.json, with the keys that it may have.
static void take_pinned(char **to, char pins[ENGINE_PINS_BYTES],
                        const char *address, const char *their_pins)
{
    if (*to == NULL)
        snprintf(pins, ENGINE_PINS_BYTES, "%s", their_pins);
    take_address(to, address, their_pins[0] != '\0');
}

static bool is_hidden(const char *data_dir)
{
    char *path = xasprintf("%s/" ENGINE_FILE_NAME, data_dir);
    bool is_so = access(path, R_OK) != 0 && errno == EACCES;

    free(path);
    return is_so;
}

enum engine_state {
    ENGINE_RUNS,    // or may run, on another machine
    ENGINE_STOPPED, // or engine.json is not that of a running engine
    ENGINE_HIDDEN,  // this user may not see
    ENGINE_ABSENT   // there is no such directory
};

static enum engine_state take_engine_file(struct located *l)
{
    enum engine_state state = ENGINE_STOPPED;
    struct engine_file file;
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = engine_file_read(l->owner.path != NULL ? l->owner.path : l->data_dir,
                           &file, &why);
    if (err == ERR_NOTFOUND) {
        note(l, "%s/" ENGINE_FILE_NAME " is not there", l->data_dir);
        if (access(l->data_dir, F_OK) != 0 && errno == ENOENT)
            state = ENGINE_ABSENT;
    } else if (err != OK) {
        if (err == ERR_DENIED && is_hidden(l->data_dir))
            state = ENGINE_HIDDEN;
        note(l, "%s/" ENGINE_FILE_NAME " %s", l->data_dir, buf_cstr(&why));
    } else if (engine_file_is_stale(&file)) {
        note(l, "%s/" ENGINE_FILE_NAME " is of process %lld, which is gone",
             l->data_dir, (long long)file.pid);
    } else {
        note(l, "%s/" ENGINE_FILE_NAME " is of process %lld", l->data_dir,
             (long long)file.pid);
        state = ENGINE_RUNS;
        snprintf(l->instance, sizeof(l->instance), "%s", file.instance);
        snprintf(l->secret, sizeof(l->secret), "%s", file.secret);
        take_pinned(&l->api, l->api_pins, file.api, file.api_pins);
        take_pinned(&l->ingest, l->ingest_pins, file.ingest, file.ingest_pins);
    }
    // The engine runs, but could not write engine.json: its disk is full.
    if (state == ENGINE_STOPPED && engine_has_locked(l->data_dir)) {
        engine_read_link(l->data_dir, l->secret);
        if (l->secret[0] != '\0')
            state = ENGINE_RUNS;
    }
    crypto_wipe(&file, sizeof(file));
    buf_clear(&why);
    l->has_engine = state == ENGINE_RUNS;
    return state;
}

// Opens the directory, so that engine.json and token come from the same one.
static void hold_directory(struct located *l)
{
    struct buf why;

    buf_init(&why, 0);
    if (owner_hold(l->data_dir, &l->owner, &why) != OK)
        note(l, "%s %s", l->data_dir, buf_cstr(&why));
    buf_clear(&why);
}

// Reads the token with the rights of the directory's owner, who may have put links
// there. On failure `why` says what cannot be read, and the reason.
static void read_token_file(struct located *l, struct buf *why)
{
    char *path = xasprintf("%s/admin.token", l->owner.path);
    char text[TOKEN_MAX_BYTES + 3] = "";
    const char *reason = "";
    enum err err = ERR_DENIED;

    if (owner_act(&l->owner, why)) {
        err = small_file_read(path, text, sizeof(text), NULL, &reason);
        owner_act_end(&l->owner);
        if (err != OK)
            buf_puts(why, reason);
    }
    free(path);
    text[strcspn(text, "\r\n")] = '\0';
    if (err == OK && auth_is_token(str_of(text))) {
        take_token(l, text, TOKEN_FILE_NAME);
    } else if (err == OK) {
        buf_puts(why, "it is not a token, which has 16 to 256 visible "
                      "characters");
    }
    crypto_wipe(text, sizeof(text));
}

static enum err find_token(const struct args *a, struct located *l,
                           bool is_named)
{
    struct buf why;

    buf_init(&why, 0);
    if (l->owner.path == NULL) {
        buf_puts(&why, "the directory cannot be opened");
    } else if (l->token == NULL && l->has_engine) {
        read_token_file(l, &why);
    }
    if (l->token == NULL && is_named)
        take_token(l, variable("POSTHORN_TOKEN"), "POSTHORN_TOKEN");
    if (l->token == NULL) {
        command_failed(
            a->command,
            "no token: give --token or POSTHORN_TOKEN, or run the command as a "
            "user who may read %s/admin.token (%s); looked at: %s",
            l->data_dir, buf_cstr(&why), buf_cstr(&l->tried));
    }
    buf_clear(&why);
    return l->token != NULL ? OK : ERR_DENIED;
}

static void cut_slashes(char *url)
{
    while (url[0] != '\0' && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
}

// --- all ---

static bool has_variable(const char *name)
{
    const char *text = getenv(name);

    return text != NULL && text[0] != '\0';
}

// Whether the addresses in the settings may be used without a running engine of the
// directory: the token does not come from the directory, and this process cannot see
// whether an engine runs.
static bool may_go_on(const struct args *a, const struct located *l,
                      enum engine_state state)
{
    bool has_token = l->token != NULL || has_variable("POSTHORN_TOKEN");

    if (l->api != NULL && l->token != NULL)
        return true; // only the ingest address is missing
    if (args_has(a, "data-dir"))
        return false;
    if (state == ENGINE_ABSENT)
        return !args_has(a, "config"); // an absent directory holds no token
    return state == ENGINE_HIDDEN && has_token;
}

static enum err no_engine(const struct args *a, struct located *l,
                          enum engine_state state)
{
    if (state == ENGINE_HIDDEN) {
        command_failed(a->command,
                       "it cannot be seen whether an engine runs with %s (%s); "
                       "run the command as root or as the engine's user, or "
                       "give --api and --token",
                       l->data_dir, buf_cstr(&l->tried));
    } else {
        command_failed(a->command,
                       "no engine runs with %s (%s); start it, or give --api "
                       "and --token",
                       l->data_dir, buf_cstr(&l->tried));
    }
    return ERR_DENIED;
}

static enum err take_settings(const struct args *a, struct located *l)
{
    const char *data_dir = args_text(a, "data-dir");
    enum engine_state state;
    struct config config;
    const char *used;

    if (!load_settings(a, data_dir, l->api != NULL && l->token != NULL, &config,
                       &used))
        return ERR_INVALID;
    l->data_dir = xstrdup(data_dir != NULL ? data_dir : config.data_dir);
    if (data_dir == NULL) {
        note(l, "data_dir is %s as %s", l->data_dir,
             used != NULL ? used : "the environment and the defaults say");
        if (used != NULL)
            buf_puts(&l->tried, " says");
    }
    hold_directory(l);
    state = take_engine_file(l);
    if (state != ENGINE_RUNS && !may_go_on(a, l, state)) {
        config_clear(&config);
        return no_engine(a, l, state);
    }
    take_address(&l->api, config.api_listen,
                 config.api_tls.certificate[0] != '\0');
    take_address(&l->ingest, config.ingest_listen,
                 config.ingest_tls.certificate[0] != '\0');
    config_clear(&config);
    return OK;
}

enum err locate(const struct args *a, struct located *out)
{
    bool is_named = args_has(a, "data-dir") || args_has(a, "config");
    enum err err = OK;

    *out =
        (struct located){ .token_from = "--token", .owner = { .dir_fd = -1 } };
    buf_init(&out->tried, 0);
    take(&out->api, args_text(a, "api"));
    take(&out->ingest, args_text(a, "ingest"));
    take_token(out, args_text(a, "token"), "--token");
    if (!is_named)
        take_environment(out);
    out->is_api_named = out->api != NULL;
    out->is_ingest_named = out->ingest != NULL;
    if (is_named || out->api == NULL || out->ingest == NULL ||
        out->token == NULL)
        err = take_settings(a, out);
    if (err == OK)
        err = find_token(a, out, is_named);
    if (err != OK) {
        located_clear(out);
        return err;
    }
    out->is_token_named = strcmp(out->token_from, TOKEN_FILE_NAME) != 0;
    cut_slashes(out->api);
    cut_slashes(out->ingest);
    return OK;
}

void located_clear(struct located *l)
{
    if (l->token != NULL)
        crypto_wipe(l->token, strlen(l->token));
    free(l->api);
    free(l->ingest);
    free(l->token);
    free(l->data_dir);
    crypto_wipe(l->secret, sizeof(l->secret));
    owner_release(&l->owner);
    buf_clear(&l->tried);
}
