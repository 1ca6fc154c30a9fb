// SPDX-License-Identifier: MIT
// hook_label.c — how logs name a hook.

#include "queue/catalog/hook_label.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/log/log.h"
#include "queue/catalog/hook_keys.h"
#include "queue/lmdb/environment.h"

#define N_SLOTS    4
#define SLOT_BYTES 1024

static _Thread_local struct hook_store *names;

void hook_log_names(struct hook_store *hooks)
{
    names = hooks;
}

static char *take_slot(void)
{
    static _Thread_local char slots[N_SLOTS][SLOT_BYTES];
    static _Thread_local unsigned next;

    return slots[next++ % N_SLOTS];
}

// Each part is quoted separately, since all parts together may exceed log_quote()'s
// limit.
static size_t put_part(char *slot, size_t n, struct str part)
{
    const char *quoted = log_quote(part);
    size_t n_bytes = str_of(quoted).n_bytes - 2; // without its quotes

    if (part.n_bytes == 0 || n + n_bytes + 2 > SLOT_BYTES / 2)
        return n;
    return n + (size_t)snprintf(slot + n, SLOT_BYTES - n, "%s%.*s",
                                n > sizeof("hook=\"") - 1 ? "/" : "",
                                (int)n_bytes, quoted + 1);
}

const char *hook_log_at(const struct hook_scope *scope, struct str name,
                        uint64_t no)
{
    char *slot = take_slot();
    size_t n = (size_t)snprintf(slot, SLOT_BYTES, "hook=\"");

    n = put_part(slot, n, scope->org);
    n = put_part(slot, n, scope->project);
    n = put_part(slot, n, scope->target);
    n = put_part(slot, n, name);
    n += (size_t)snprintf(slot + n, SLOT_BYTES - n, "\" of=%s",
                          hook_level_name(scope->level));
    if (no != 0)
        snprintf(slot + n, SLOT_BYTES - n, " hook_no=%" PRIu64, no);
    return slot;
}

const char *hook_log(const struct hook *hook)
{
    return hook_log_at(&hook->scope, hook->name, hook->no);
}

static bool on_found(void *data, const struct hook *hook)
{
    const char **label = data;

    *label = hook_log(hook);
    return false;
}

const char *hook_log_no(uint64_t no)
{
    const char *label = NULL;
    bool can_read = names != NULL && !store_is_reading(names->store);
    enum err err = ERR_DENIED;
    char *slot;

    if (can_read)
        err = hook_get_by_no(names, no, on_found, &label);
    if (label != NULL)
        return label;
    slot = take_slot();
    snprintf(slot, SLOT_BYTES, "hook=\"(%s)\" hook_no=%" PRIu64,
             !can_read             ? "unknown"
             : err == ERR_NOTFOUND ? "deleted"
                                   : "unreadable",
             no);
    return slot;
}

const char *hook_log_or_no(const struct hook *hook, uint64_t no)
{
    return hook != NULL ? hook_log(hook) : hook_log_no(no);
}
