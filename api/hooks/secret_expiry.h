// SPDX-License-Identifier: MIT
// secret_expiry.h — removes what hooks need no more: secrets that were replaced.

#ifndef API_HOOKS_SECRET_EXPIRY_H
#define API_HOOKS_SECRET_EXPIRY_H

struct api;
struct hook;

// Once, before all others.
void expire_init(struct api *api);

// This hook is there (again): its old secret is to be removed in time.
void expire_note(struct api *api, const struct hook *hook);

// Likewise, of a hook that was not noted yet, when all of them are read.
void expire_note_first(struct api *api, const struct hook *hook);

// Every second: removes what is over.
void expire_on_second(struct api *api);

#endif
