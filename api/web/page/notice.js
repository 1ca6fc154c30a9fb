// notice.js — short messages at the edge of the page, also for screen readers; and dialogs.

import { fill, h, icon } from './dom.js';
import { t } from './text.js';

/** @typedef {import('./dom.js').Child} Child */

const SHOWN_MS = 6000;

const list = h('div', { class: 'notices', role: 'status', 'aria-live': 'polite' });

/** @returns {HTMLElement} where messages appear: put once into the page */
export function noticeList() {
  return list;
}

/** @param {Child} text @param {'good'|'bad'} [kind] */
export function say(text, kind = 'good') {
  const close = h('button', { type: 'button', class: 'plain', 'aria-label': t('keys.Esc') }, icon('dead'));
  const notice = h('div', { class: `notice ${kind}` }, h('span', null, text), close);
  close.addEventListener('click', () => notice.remove());
  list.append(notice);
  if (kind === 'good') setTimeout(() => notice.remove(), SHOWN_MS);
  while (list.children.length > 3) list.firstElementChild?.remove();
}

let dialogs = 0;

/**
 * Opens a dialog; Escape and its close button end it.
 * @param {{title: string, body: (close: (value?: any) => void) => Child, isWide?: boolean}} dialog
 * @returns {Promise<any>} what it was closed with; undefined: nothing
 */
export function openDialog({ title, body, isWide }) {
  const before = /** @type {HTMLElement|null} */ (document.activeElement);
  const id = `dialog${++dialogs}`;
  return new Promise((resolve) => {
    /** @type {any} */
    let result;
    const close = (value) => {
      result = value;
      dialog.close();
    };
    const dialog = h('dialog', { 'aria-labelledby': id, class: isWide ? 'wide' : null },
      h('div', { class: 'dialog-head' }, h('h2', { id }, title),
        h('button', { type: 'button', class: 'plain', 'aria-label': t('keys.Esc'), onclick: () => close() },
          icon('dead'))));
    const content = h('div', { class: 'dialog-body' });
    fill(content, body(close));
    dialog.append(content);
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Asks before something is done.
 * @param {{title: string, text: Child, action: string, typed?: string, isDanger?: boolean}} question typed: what must
 *   be typed first
 * @returns {Promise<boolean>}
 */
export async function confirmed({ title, text, action, typed, isDanger }) {
  const answer = await openDialog({ title, body: (close) => {
    const button = h('button',
      { type: 'submit', class: isDanger ? 'danger' : 'primary', disabled: typed !== undefined }, action);
    const input = typed !== undefined
      && h('input', { type: 'text', autocomplete: 'off', 'aria-label': t('dialog.type', { text: typed }),
      oninput: (event) => { button.disabled = event.target.value !== typed; } });
    return h('form', { method: 'dialog', onsubmit: (event) => {
      event.preventDefault();
      if (!button.disabled) close(true);
    } }, h('p', null, text), input && h('p', null, t('dialog.type', { text: typed ?? '' })), input,
    h('div', { class: 'actions end' }, h('button', { type: 'button', onclick: () => close(false) }, t('dialog.cancel')),
      button));
  } });
  return answer === true;
}
