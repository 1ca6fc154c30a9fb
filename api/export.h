// export.h — files of webhooks, one JSON object a line.

#ifndef API_EXPORT_H
#define API_EXPORT_H

#include "api/args.h"

// `posthorn verify` of such a file; returns the exit status.
int export_verify(const struct args *args, const char *path);

#endif
