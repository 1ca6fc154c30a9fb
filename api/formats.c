// formats.c — what each format of a hook is called and may point at.

#include "api/formats.h"

#include <string.h>

#include "common/url.h"

struct format {
    const char *name;
    enum hook_format format;
    bool is_delivered; // this version's engine can send it
    enum err (*check_url)(struct str url, const char *slack_url_prefixes,
                          struct buf *why);
};

static enum err check_http(struct str url, const char *slack_url_prefixes,
                           struct buf *why)
{
    struct url parsed;
    struct buf reason;
    enum err err;

    (void)slack_url_prefixes;
    buf_init(&reason, 0);
    err = url_parse(url, &parsed, &reason);
    if (err != OK) {
        buf_puts(why, "payloadUrl: ");
        buf_put_str(why, buf_str(&reason));
    }
    buf_clear(&reason);
    return err;
}

static bool has_prefix(struct str url, const char *prefixes)
{
    while (*prefixes != '\0') {
        struct str prefix;

        prefixes += strspn(prefixes, ", \t");
        prefix = (struct str){ prefixes, strcspn(prefixes, ", \t") };
        if (prefix.n_bytes > 0 && str_starts(url, prefix))
            return true;
        prefixes += prefix.n_bytes;
    }
    return false;
}

static enum err check_slack(struct str url, const char *slack_url_prefixes,
                            struct buf *why)
{
    if (!has_prefix(url, slack_url_prefixes)) {
        buf_printf(why,
                   "payloadUrl of a slack hook must start with one of: %s "
                   "(setting slack_url_prefixes)",
                   slack_url_prefixes);
        return ERR_INVALID;
    }
    return check_http(url, slack_url_prefixes, why);
}

// "project/stack": names as they are in a path.
static enum err check_deployments(struct str url,
                                  const char *slack_url_prefixes,
                                  struct buf *why)
{
    size_t n_slashes = 0;
    bool is_good = url.n_bytes > 2 && url.n_bytes <= URL_MAX_BYTES &&
                   url.at[0] != '/' && url.at[url.n_bytes - 1] != '/';

    (void)slack_url_prefixes;
    for (size_t i = 0; i < url.n_bytes; i++) {
        n_slashes += url.at[i] == '/';
        is_good =
            is_good && (unsigned char)url.at[i] > ' ' && url.at[i] != 0x7f;
    }
    if (is_good && n_slashes == 1)
        return OK;
    buf_puts(why, "payloadUrl of a pulumi_deployments hook must be of the form "
                  "project/stack");
    return ERR_INVALID;
}

static const struct format formats[] = {
    { "raw", FORMAT_RAW, true, check_http },
    { "slack", FORMAT_SLACK, false, check_slack },
    { "ms_teams", FORMAT_MS_TEAMS, false, check_http },
    { "pulumi_deployments", FORMAT_PULUMI_DEPLOYMENTS, false,
      check_deployments },
};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

static void put_names(struct buf *out, bool only_delivered)
{
    const char *separator = "";

    for (size_t i = 0; i < N_FORMATS; i++) {
        if (only_delivered && !formats[i].is_delivered)
            continue;
        buf_printf(out, "%s%s", separator, formats[i].name);
        separator = ", ";
    }
}

enum err format_find(struct str name, enum hook_format *out, struct buf *why)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (str_is(name, formats[i].name)) {
            *out = formats[i].format;
            return OK;
        }
    }
    buf_puts(why, "format must be one of: ");
    put_names(why, false);
    return ERR_NOTFOUND;
}

static const struct format *row_of(enum hook_format format)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (formats[i].format == format)
            return &formats[i];
    }
    return &formats[0]; // the queue checks what it reads: there is no other
}

const char *format_name(enum hook_format format)
{
    return row_of(format)->name;
}

enum err format_check(const struct hook *hook, const char *slack_url_prefixes,
                      struct buf *why)
{
    const struct format *row = row_of(hook->format);
    enum err err;

    if (hook->format == FORMAT_PULUMI_DEPLOYMENTS &&
        hook->scope.level != LEVEL_STACK &&
        hook->scope.level != LEVEL_ENVIRONMENT) {
        buf_puts(why, "'pulumi_deployments' format can only be used on stack "
                      "or environment webhooks.");
        return ERR_INVALID;
    }
    err = row->check_url(hook->url, slack_url_prefixes, why);
    if (err != OK)
        return err;
    if (!row->is_delivered) {
        buf_printf(why,
                   "this version does not deliver the format %s; it "
                   "delivers: ",
                   row->name);
        put_names(why, true);
        return ERR_INVALID;
    }
    return OK;
}
