// SPDX-License-Identifier: MIT
// url_mask.h — URLs of hooks as the log and traces show them.

#ifndef COMMON_MODEL_URL_MASK_H
#define COMMON_MODEL_URL_MASK_H

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/model/hook.h"

// Appends the URL of a hook of this format: masks replace user and password, the query, and
// the path of Slack and Teams addresses, where the path is the secret.
void url_put_masked(enum hook_format format, struct str url, struct buf *out);

#endif
