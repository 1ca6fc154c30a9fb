// SPDX-License-Identifier: MIT
// secret_expiry.h — removes replaced secrets from hooks when they sign no more.

#ifndef API_HOOKS_SECRET_EXPIRY_H
#define API_HOOKS_SECRET_EXPIRY_H

struct api;
struct hook;

// Call it once, before the other functions here.
void expire_init(struct api *api);

// Notes a hook that was made or changed: its replaced secrets are removed when their
// overlap ends.
void expire_note(struct api *api, const struct hook *hook);

// Notes a hook that was not noted before, while all hooks are read at the start.
void expire_note_first(struct api *api, const struct hook *hook);

// Call it every second: removes secrets whose overlap has ended.
void expire_on_second(struct api *api);

#endif
