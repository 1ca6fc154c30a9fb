// SPDX-License-Identifier: MIT
// settings.c — loads settings from their sources, describes and frees them.

#include "common/config/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/config/config_check.h"
#include "common/config/config_follow.h"
#include "common/config/config_types.h"
#include "common/config/settings_shown.h"
#include "common/config/settings_table.h"
#include "common/log/log.h"

// The values, while sources are read.
struct draft {
    struct setting_source sources[N_SETTINGS];
};

// Where a pair comes from, while it is read.
struct pair_origin {
    enum setting_origin kind;
    const char *at; // path of the file, or NULL
    unsigned line;
};

static int setting_find(struct str name)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (str_is(name, settings[i].name))
            return (int)i;
    }
    return -1;
}

static void put_where(const struct pair_origin *from, struct buf *out)
{
    if (from->kind == ORIGIN_FILE) {
        buf_printf(out, "%s:%u", from->at, from->line);
    } else {
        buf_puts(out,
                 from->kind == ORIGIN_ENVIRONMENT ? "environment" : "--set");
    }
}

static void fault_unknown(struct str name, const struct pair_origin *from,
                          struct buf *faults)
{
    put_where(from, faults);
    buf_printf(faults, ": there is no setting %s; allowed:", log_quote(name));
    for (size_t i = 0; i < N_SETTINGS; i++)
        buf_printf(faults, "%s%s", i > 0 ? ", " : " ", settings[i].name);
    buf_putc(faults, '\n');
}

static void draft_set(struct draft *d, struct str name, struct str value,
                      const struct pair_origin *from, struct buf *faults)
{
    int i = setting_find(name);

    if (i < 0) {
        fault_unknown(name, from, faults);
        return;
    }
    setting_source_set(&d->sources[i], value, from->kind, from->at, from->line);
}

// "name = value", from a file's line or from --set.
static void read_pair(struct draft *d, struct str line,
                      const struct pair_origin *from, struct buf *faults)
{
    const char *equals = memchr(line.at, '=', line.n_bytes);
    struct str name = line;
    struct str value = STR_EMPTY;

    if (memchr(line.at, '\0', line.n_bytes) != NULL) {
        put_where(from, faults);
        buf_printf(faults, ": %s holds a NUL byte, which no value may\n",
                   log_quote(line));
        return;
    }
    if (equals == NULL) {
        put_where(from, faults);
        buf_printf(faults, ": %s is not of the form name = value\n",
                   log_quote(line));
        return;
    }
    name.n_bytes = (size_t)(equals - line.at);
    value.at = equals + 1;
    value.n_bytes = line.n_bytes - name.n_bytes - 1;
    draft_set(d, str_trim(name, STR_SPACES), str_trim(value, STR_SPACES), from,
              faults);
}

static void read_file(struct draft *d, const struct config_sources *sources,
                      struct buf *faults)
{
    const char *path = sources->file;
    struct pair_origin from = { .kind = ORIGIN_FILE, .at = path };
    int fd = sources->file_fd > 0 ? dup(sources->file_fd) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "r") : fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (file == NULL) {
        buf_printf(faults, "%s: cannot be read: %s\n", path, strerror(errno));
        return;
    }
    while ((n = getline(&line, &room, file)) >= 0) {
        struct str text = str_trim((struct str){ line, (size_t)n }, STR_SPACES);

        from.line++;
        if (text.n_bytes > 0 && text.at[0] != '#')
            read_pair(d, text, &from, faults);
    }
    free(line);
    fclose(file);
}

// Of ASCII, whatever the locale is.
static char upper(char c)
{
    if (c < 'a' || c > 'z')
        return c;
    return (char)(c - 'a' + 'A');
}

static char lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)(c - 'A' + 'a');
}

// A variable POSTHORN_NAME for every setting. POSTHORN_API and its like belong
// to the command line, so unknown ones are no fault.
static void read_environment(struct draft *d, struct buf *faults)
{
    static const struct pair_origin from = { .kind = ORIGIN_ENVIRONMENT };

    for (size_t i = 0; i < N_SETTINGS; i++) {
        char name[64];
        const char *value;

        snprintf(name, sizeof(name), "POSTHORN_%s", settings[i].name);
        for (char *c = name; *c != '\0'; c++)
            *c = upper(*c);
        value = getenv(name);
        if (value != NULL) {
            draft_set(d, str_of(settings[i].name), str_of(value), &from,
                      faults);
        }
    }
}

bool config_is_variable(struct str name)
{
    static const struct str prefix = { "POSTHORN_", 9 };
    char setting[64];
    size_t n = name.n_bytes - prefix.n_bytes;

    if (!str_starts(name, prefix) || n >= sizeof(setting))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name.at[prefix.n_bytes + i];

        if (upper(c) != c) // a variable has no small letters
            return false;
        setting[i] = lower(c);
    }
    return setting_find((struct str){ setting, n }) >= 0;
}

// Settings left at their defaults follow those that were set.
static void draft_follow(struct draft *d)
{
    const char *reserve =
        d->sources[setting_find(STR("admin_reserve_percent"))].text;

    for (size_t i = 0; i < n_config_follows; i++) {
        const struct config_follow *f = &config_follows[i];
        int at = setting_find(str_of(f->setting));
        int of = setting_find(str_of(f->of));
        char *text = NULL;

        assert(at >= 0 && of >= 0);
        if (d->sources[at].origin == ORIGIN_DEFAULT) {
            text = config_follow(f, d->sources[at].text, d->sources[of].text,
                                 reserve);
        }
        if (text != NULL) {
            setting_source_set(&d->sources[at], str_of(text), ORIGIN_FOLLOWS,
                               f->of, 0);
        }
        free(text);
    }
}

static void draft_read(struct draft *d, const struct config_sources *sources,
                       struct buf *faults)
{
    static const struct pair_origin set = { .kind = ORIGIN_COMMAND_LINE };

    memset(d, 0, sizeof(*d));
    for (size_t i = 0; i < N_SETTINGS; i++) {
        setting_source_set(&d->sources[i], str_of(settings[i].fallback),
                           ORIGIN_DEFAULT, NULL, 0);
    }
    if (sources->file != NULL)
        read_file(d, sources, faults);
    if (!sources->no_environment)
        read_environment(d, faults);
    for (size_t i = 0; i < sources->n_sets; i++)
        read_pair(d, str_of(sources->sets[i]), &set, faults);
    draft_follow(d);
}

static void sources_clear(struct setting_source *sources)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        setting_source_clear(&sources[i]);
}

static void *field_at(struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static enum err read_cidrs(struct str text, struct cidrs *out)
{
    return config_read_cidrs(text, out->at, CIDRS_MAX, &out->n);
}

static enum err read_value(struct config *c, const struct setting *s,
                           const char *text)
{
    struct sockaddr_storage address;
    void *field = field_at(c, s);

    switch (s->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
        *(char **)field = xstrdup(text);
        return OK;
    case TYPE_ADDRESS:
        *(char **)field = xstrdup(text);
        return config_address(text, &address);
    case TYPE_COUNT:
        return config_read_count(str_of(text), s->min, s->max, field);
    case TYPE_BYTES:
        return config_read_bytes(str_of(text), s->min, s->max, field);
    case TYPE_DURATION:
        return config_read_duration(str_of(text), (int64_t)s->min,
                                    (int64_t)s->max, field);
    case TYPE_SCHEDULE:
        return config_read_schedule(str_of(text), (int64_t)s->max, field,
                                    &c->n_retries);
    case TYPE_CIDRS:
        return read_cidrs(str_of(text), field);
    case TYPE_PORTS:
        return config_read_ports(str_of(text), c->endpoint_ports,
                                 PORT_RANGES_MAX, &c->n_endpoint_ports);
    case TYPE_BOOL:
        return config_read_bool(str_of(text), field);
    }
    return ERR_INVALID;
}

enum err config_load(const struct config_sources *sources, struct config *out,
                     struct buf *faults)
{
    struct draft d;
    size_t n_before = faults->n_bytes;

    memset(out, 0, sizeof(*out));
    draft_read(&d, sources, faults);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting_source *from = &d.sources[i];

        if (read_value(out, &settings[i], from->text) == OK)
            continue;
        buf_printf(faults, "%s: %s (from ", settings[i].name,
                   log_quote(str_of(from->text)));
        setting_put_origin(from, faults);
        buf_puts(faults, ") is not allowed; allowed: ");
        setting_put_allowed(&settings[i], faults);
        buf_putc(faults, '\n');
    }
    out->sources = xmalloc(sizeof(d.sources));
    memcpy(out->sources, d.sources, sizeof(d.sources));
    if (faults->n_bytes == n_before)
        config_check(out, faults);
    return faults->n_bytes > n_before ? ERR_INVALID : OK;
}

static void swap(void *a, void *b, size_t n_bytes)
{
    uint8_t kept[sizeof(uint64_t)];

    assert(n_bytes <= sizeof(kept));
    memcpy(kept, a, n_bytes);
    memcpy(a, b, n_bytes);
    memcpy(b, kept, n_bytes);
}

static void swap_sources(struct config *a, struct config *b, size_t i)
{
    struct setting_source kept = a->sources[i];

    a->sources[i] = b->sources[i];
    b->sources[i] = kept;
}

void config_keep_fixed(struct config *fresh, struct config *old)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];

        if (s->reloadable)
            continue;
        swap_sources(fresh, old, i);
        switch (s->type) {
        case TYPE_TEXT:
        case TYPE_PATH:
        case TYPE_ADDRESS:
            swap(field_at(fresh, s), field_at(old, s), sizeof(char *));
            break;
        case TYPE_COUNT:
        case TYPE_BYTES:
        case TYPE_DURATION:
            swap(field_at(fresh, s), field_at(old, s), sizeof(uint64_t));
            break;
        case TYPE_SCHEDULE:
        case TYPE_CIDRS:
        case TYPE_PORTS:
        case TYPE_BOOL:
            assert(false); // all of these can be reloaded
        }
    }
}

void config_note_pending(struct config *kept, const struct config *read)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        struct setting_source *s = &kept->sources[i];
        const char *text = read->sources[i].text;

        free(s->pending);
        s->pending = NULL;
        if (!settings[i].reloadable && strcmp(s->text, text) != 0)
            s->pending = xstrdup(text);
    }
}

void config_clear(struct config *c)
{
    if (c->sources != NULL)
        sources_clear(c->sources);
    free(c->sources);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];

        if (s->type == TYPE_TEXT || s->type == TYPE_PATH ||
            s->type == TYPE_ADDRESS)
            free(*(char **)field_at(c, s));
    }
    memset(c, 0, sizeof(*c));
}

void config_describe(const struct config_sources *sources, struct buf *out)
{
    struct buf faults;
    struct draft d;

    buf_init(&faults, 0);
    draft_read(&d, sources, &faults);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        buf_printf(out, "%s = %s  # from ", settings[i].name,
                   d.sources[i].text);
        setting_put_origin(&d.sources[i], out);
        buf_puts(out, "; ");
        setting_put_allowed(&settings[i], out);
        buf_printf(out, "; %s%s\n", settings[i].help,
                   settings[i].reloadable ? "" : " Needs a restart.");
    }
    sources_clear(d.sources);
    buf_clear(&faults);
}
