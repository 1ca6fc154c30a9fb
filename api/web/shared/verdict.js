// verdict.js — whether a webhook wants an event, and why not.

import { h, icon } from '../page/dom.js';
import { hasText, t } from '../page/text.js';

/** @param {boolean} isWanted */
export function yesOrNo(isWanted) {
  return h('span', { class: `badge ${isWanted ? 'good' : 'quiet-badge'}` },
    icon(isWanted ? 'delivered' : 'cancelled'), t(isWanted ? 'event.wants' : 'event.wants-not'));
}

/**
 * @param {any} one with the sentence of the server, and its code if it has one
 * @returns {string} in the reader's language, if the catalogue has the code; empty: it is wanted
 */
export function reasonText({ reason, reasonCode }) {
  return reasonCode && hasText(`reason.${reasonCode}`) ? t(`reason.${reasonCode}`) : reason ?? '';
}
