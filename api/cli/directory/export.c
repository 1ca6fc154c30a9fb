// SPDX-License-Identifier: MIT
// export.c — `posthorn export`: webhooks of a data directory as JSON lines
// (export_lines.h).

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "api/cli/core/exists.h"
#include "api/cli/core/locate.h"
#include "api/cli/core/output.h"
#include "api/cli/core/scope_options.h"
#include "api/cli/core/terminal.h"
#include "api/json/headers_json.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json_writer.h"
#include "common/files/keyring.h"
#include "common/model/signing_key.h"
#include "queue/queue.h"

// --- export ---

struct exporting {
    const char *org; // NULL: all
    bool with_secrets;
    FILE *out;
    uint8_t ciphertext_key[HOOK_KEY_BYTES];
    uint64_t n_hooks, n_secrets;
};

static void put_segment(struct buf *path, struct str segment)
{
    char *text = xstrndup(segment.at, segment.n_bytes);

    client_put_segment(path, text);
    free(text);
}

static void put_path(const struct hook_scope *scope, struct buf *path)
{
    static const char *const beginnings[] = {
        [LEVEL_PROJECT] = "/organizations",
        [LEVEL_ORGANIZATION] = "/api/orgs",
        [LEVEL_STACK] = "/api/stacks",
        [LEVEL_ENVIRONMENT] = "/api/esc/environments",
    };
    bool is_akinon = scope->level == LEVEL_PROJECT;

    buf_puts(path, beginnings[scope->level]);
    put_segment(path, scope->org);
    buf_puts(path, is_akinon ? "/projects" : "");
    if (scope->project.n_bytes > 0)
        put_segment(path, scope->project);
    if (scope->target.n_bytes > 0)
        put_segment(path, scope->target);
    buf_puts(path, is_akinon ? "/settings/webhooks" : "/hooks");
}

static bool put_hook(void *data, const struct hook *hook)
{
    struct exporting *x = data;
    const struct hook_showing to = { .is_masked = !x->with_secrets,
                                     .ciphertext_key = x->ciphertext_key,
                                     .has_keys = x->with_secrets };
    bool is_akinon = hook->scope.dialect == DIALECT_AKINON;
    struct buf line;
    struct json_writer w = json_writer(&line);

    if (hook->name.n_bytes == 0 || // the trace of a deleted hook
        (x->org != NULL && !str_is(hook->scope.org, x->org)))
        return !terminal_is_interrupted();
    buf_init(&line, 0);
    json_open_object(&w, NULL);
    put_path(&hook->scope, json_open_text(&w, "path"));
    json_close_text(&w);
    json_open_object(&w, "hook");
    (is_akinon ? akinon_dialect : pulumi_dialect).print(&to, hook, &w);
    x->n_hooks++;
    x->n_secrets += hook->secret.n_bytes + hook->client_key.n_bytes +
                            hook->sign_key.n_bytes >
                        0 ||
                    headers_have_secrets(hook);
    if (x->with_secrets) {
        json_put_given(&w, "secret", hook->secret);
        // The certificate is not secret, but an import refuses it without its key, so
        // it is exported only together with the key.
        json_put_given(&w, "clientCertificate", hook->client_cert);
        json_put_given(&w, "clientKey", hook->client_key);
    }
    json_close(&w);
    json_close(&w);
    buf_putc(&line, '\n');
    fwrite(line.at, 1, line.n_bytes, x->out);
    buf_clear(&line);
    return !terminal_is_interrupted() && !ferror(x->out);
}

// Puts the present key of an organization: webhooks that sign with it follow.
static bool put_org_key(void *data, const struct org_value *value)
{
    struct exporting *x = data;
    struct signing_keys keys;
    struct buf *path;
    struct buf line;
    struct json_writer w = json_writer(&line);

    if (!value->is_open || signing_keys_unpack(value->bytes, &keys) != OK ||
        keys.n == 0 || (x->org != NULL && !str_is(keys.org, x->org)))
        return true;
    buf_init(&line, 0);
    json_open_object(&w, NULL);
    path = json_open_text(&w, "path");
    buf_puts(path,
             keys.dialect == DIALECT_AKINON ? "/organizations" : "/api/orgs");
    put_segment(path, keys.org);
    buf_puts(path, "/signing-keys");
    json_close_text(&w);
    json_open_object(&w, "signingKey");
    signing_pair_put_secret(
        (struct str){ (const char *)keys.at[0].pair, SIGNING_PAIR_BYTES },
        json_open_text(&w, "key"));
    json_close_text(&w);
    json_close(&w);
    json_close(&w);
    buf_putc(&line, '\n');
    fwrite(line.at, 1, line.n_bytes, x->out);
    crypto_wipe_buf(&line);
    crypto_wipe(&keys, sizeof(keys));
    return !ferror(x->out);
}

static enum err put_all(struct hook_store *hooks, struct exporting *x)
{
    uint64_t last;
    enum err err = OK;

    hook_store_key(hooks, "secretCiphertext", x->ciphertext_key);
    if (x->with_secrets) {
        err = org_value_each(hooks, ORG_SIGNING_KEY, 0, STR_EMPTY, put_org_key,
                             x);
    }
    return err == OK ? hook_watch(hooks, 0, put_hook, x, &last) : err;
}

static int export(const struct args *args, const struct config *config,
                  const char *data_dir, struct exporting *x)
{
    struct queue_config qc = { .data_dir = data_dir,
                               .max_bytes = config->max_queue_bytes };
    char *path = keyring_path(config->secret_key_file, data_dir);
    static struct hook_store *hooks; // until the process ends: queue.h says why
    bool has_none = false;           // of that organization
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = keyring_read(path, &qc.keys, &why);
    free(path);
    if (err != OK) {
        command_failed(args->command, "%s", buf_cstr(&why));
        buf_clear(&why);
        return EXIT_FAILED;
    }
    err = hook_store_view(&qc, &hooks);
    if (err == OK && x->org != NULL)
        has_none = !exists_stored(hooks, x->org);
    if (err == OK && !has_none)
        err = put_all(hooks, x);
    keyring_free(qc.keys);
    buf_clear(&why);
    if (has_none) {
        return command_failed(args->command, "there is no organization %s",
                              x->org);
    }
    if (err != OK) {
        return command_failed(args->command, "%s cannot be read: %s", data_dir,
                              err_str(err));
    }
    if (terminal_is_interrupted())
        return command_failed(args->command, "interrupted");
    fprintf(stderr, "%" PRIu64 " webhooks", x->n_hooks);
    if (!x->with_secrets && x->n_secrets > 0) {
        fprintf(stderr,
                "; %" PRIu64 " have secrets, which --with-secrets writes",
                x->n_secrets);
    }
    fputc('\n', stderr);
    return 0;
}

static int export_to(const struct args *args, const struct config *config,
                     const char *data_dir, struct exporting *x)
{
    const char *path = args_text(args, "output");
    struct output o;
    int status;

    if (path == NULL) {
        x->out = stdout;
        return export(args, config, data_dir, x);
    }
    if (!output_begin(args, path, &o))
        return EXIT_FAILED;
    x->out = o.file;
    status = export(args, config, data_dir, x);
    return output_end(args, &o, status == 0) ? 0 : EXIT_FAILED;
}

int command_export(const struct args *args)
{
    struct exporting x = { .org = args_text(args, "org"),
                           .with_secrets = args_has(args, "with-secrets") };
    const char *data_dir = args_text(args, "data-dir");
    struct config config;
    int status = EXIT_FAILED;

    terminal_catch_interrupts();
    if (locate_settings(args, data_dir, &config)) {
        status = export_to(args, &config,
                           data_dir != NULL ? data_dir : config.data_dir, &x);
        config_clear(&config);
    }
    return status;
}
