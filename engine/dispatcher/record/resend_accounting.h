// SPDX-License-Identifier: MIT
// resend_accounting.h — how deliveries that were settled, and are sent once more, are
// counted again.

#ifndef ENGINE_DISPATCHER_RECORD_RESEND_ACCOUNTING_H
#define ENGINE_DISPATCHER_RECORD_RESEND_ACCOUNTING_H

#include "engine/dispatcher/loop/dispatcher.h"

// Settles a delivery that has a prior_state: adds the changes of its row and of the
// counts to d->open_batch. Returns its new state.
enum delivery_state resend_settle(struct dispatcher *d,
                                  const struct delivery *dv, bool is_delivered);

// A settled delivery is open again: adds to d->open_batch that it no longer counts in
// its prior_state, which becomes PRIOR_NONE.
void resend_reopen(struct dispatcher *d, struct delivery *dv);

#endif
