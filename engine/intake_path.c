// intake_path.c — where events are posted.

#include "engine/intake_path.h"

#include <string.h>

#include "common/akinon.h"
#include "common/http.h"
#include "common/operator.h"
#include "common/text.h"

// Takes "/word" off the front.
static bool take_word(struct str *rest, const char *word)
{
    struct str wanted = str_of(word);

    if (!str_starts(*rest, wanted))
        return false;
    rest->at += wanted.n_bytes;
    rest->n_bytes -= wanted.n_bytes;
    return true;
}

// Takes "/segment" off the front, as sent.
static bool take_segment(struct str *rest, struct str *segment)
{
    const char *slash;

    if (rest->n_bytes < 2 || rest->at[0] != '/')
        return false;
    *segment = (struct str){ rest->at + 1, rest->n_bytes - 1 };
    slash = memchr(segment->at, '/', segment->n_bytes);
    if (slash != NULL)
        segment->n_bytes = (size_t)(slash - segment->at);
    rest->at += segment->n_bytes + 1;
    rest->n_bytes -= segment->n_bytes + 1;
    return segment->n_bytes > 0;
}

// ERR_INVALID: a broken escape.
static enum err decode(struct str segment, struct arena *arena, struct str *out)
{
    struct buf decoded;
    enum err err;

    buf_init(&decoded, 0);
    err = http_decode(segment, &decoded);
    *out = arena_copy(arena, buf_str(&decoded));
    buf_clear(&decoded);
    return err;
}

static enum err read_name(struct str segment, struct arena *arena,
                          struct str *out, struct buf *why)
{
    if (decode(segment, arena, out) == OK && text_is_name(*out))
        return OK;
    buf_printf(why,
               "the organization's name must be 1 to %d of A-Z a-z 0-9 . _ -",
               NAME_MAX_BYTES);
    return ERR_INVALID;
}

static enum err read_id(struct str segment, const char *what,
                        struct arena *arena, struct str *out, struct buf *why)
{
    char lower[AKINON_ID_BYTES];

    if (decode(segment, arena, out) != OK || !akinon_is_id(*out)) {
        buf_printf(why, "%s must be 24 hexadecimal digits", what);
        return ERR_INVALID;
    }
    akinon_lower_id(*out, lower);
    *out = arena_copy(arena, (struct str){ lower, sizeof(lower) });
    return OK;
}

static enum err read_akinon(struct str rest, struct arena *arena,
                            struct intake_path *out, struct buf *why)
{
    struct str org, project;
    enum err err;

    if (!take_word(&rest, "/organizations") || !take_segment(&rest, &org) ||
        !take_word(&rest, "/projects") || !take_segment(&rest, &project) ||
        !str_is(rest, "/events"))
        return ERR_NOTFOUND;
    out->family = FAMILY_AKINON;
    err = read_id(org, "organizationId", arena, &out->org, why);
    if (err == OK)
        err = read_id(project, "projectId", arena, &out->project, why);
    return err;
}

enum err intake_path_read(struct str path, struct arena *arena,
                          struct intake_path *out, struct buf *why)
{
    struct str org;
    enum err err;

    *out = (struct intake_path){ .family = FAMILY_PULUMI };
    out->project = STR_EMPTY;
    if (akinon_take_path(&path))
        return read_akinon(path, arena, out, why);
    if (!take_word(&path, "/api/orgs") || !take_segment(&path, &org) ||
        !str_is(path, "/events"))
        return ERR_NOTFOUND;
    err = read_name(org, arena, &out->org, why);
    if (err == OK && operator_is_org(out->org)) {
        buf_puts(why,
                 "the organization " OPERATOR_ORG " is the operator's, for "
                 "the engine's own events; nobody posts events to it");
        err = ERR_DENIED;
    }
    return err;
}
