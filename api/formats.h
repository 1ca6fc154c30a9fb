// formats.h — what each format of a hook is called and may point at.

#ifndef API_FORMATS_H
#define API_FORMATS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "queue/queue.h"

// ERR_NOTFOUND: there is no format of that name; `why` says which there are.
MUST_CHECK enum err format_find(struct str name, enum hook_format *out,
                                struct buf *why);

const char *format_name(enum hook_format format);

// Judges format, level and URL of a hook together. `slack_url_prefixes` is the
// setting. ERR_INVALID: `why` says what is wrong.
MUST_CHECK enum err format_check(const struct hook *hook,
                                 const char *slack_url_prefixes,
                                 struct buf *why);

#endif
