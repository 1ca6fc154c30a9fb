// SPDX-License-Identifier: MIT
// html.h — the result as a page.

#ifndef API_CLI_BENCH_HTML_H
#define API_CLI_BENCH_HTML_H

#include "api/cli/bench/report.h"
#include "common/base/buf.h"

void bench_html(const struct bench_result *r, struct buf *out);

#endif
