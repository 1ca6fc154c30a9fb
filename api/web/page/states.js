// states.js — what a part of a page shows while it loads, when there is nothing, and when something is wrong.

import { ApiError } from './client.js';
import { fill, h, icon } from './dom.js';
import { hasText, t } from './text.js';

/** @typedef {import('./dom.js').Child} Child */

const SKELETON_AFTER_MS = 150; // what comes sooner flickers otherwise

/** @param {number} [lines] */
export function skeleton(lines = 4) {
  return h('div', { class: 'skeleton', role: 'status' }, h('span', { class: 'unseen' }, t('state.loading')),
    Array.from({ length: lines }, () => h('div', { class: 'bone', 'aria-hidden': 'true' })));
}

/** @param {string} title what would be here @param {Child[]} more what makes it */
export function empty(title, ...more) {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title),
    more.length > 0 && h('div', null, ...more));
}

/** @param {unknown} error @returns {string} one sentence for people */
export function errorText(error) {
  if (!(error instanceof ApiError)) return String(/** @type {Error} */ (error)?.message ?? error);
  const key = `error.${error.status}`;
  const own = hasText(key) ? t(key) : t('error.other', { code: String(error.status) });
  return error.message && error.status !== 0 ? `${own} ${error.message}` : own;
}

/**
 * @param {unknown} error @param {() => void} [again]
 */
export function errorBox(error, again) {
  const wait = error instanceof ApiError ? error.retryAfterS : 0;
  const button = again && h('button', { type: 'button', onclick: again }, t('state.again'));
  const status = error instanceof ApiError ? error.status : null;
  const box = h('div', { class: 'error-box', role: 'alert' }, icon('warning'),
    h('div', null, h('p', null, errorText(error)),
      error instanceof ApiError && h('p', { class: 'quiet code' }, error.request, status ? ` → ${status}` : ''),
      button && h('p', null, button)));
  if (again && button && wait > 0) countDown(button, wait, again);
  return box;
}

/** @param {HTMLButtonElement} button @param {number} seconds @param {() => void} again */
function countDown(button, seconds, again) {
  let left = seconds;
  const timer = setInterval(() => {
    if (!button.isConnected) return clearInterval(timer);
    left--;
    if (left > 0) {
      fill(button, t('state.again-in', { n: left }));
      return undefined;
    }
    clearInterval(timer);
    again();
    return undefined;
  }, 1000);
}

/**
 * A part of a page that is loaded: what was drawn stays until the new is there.
 * @template T
 * @param {{load: () => Promise<T>, draw: (data: T) => Child, signal: AbortSignal, everyMs?: number, lines?: number,
 *   label?: string}} options everyMs: loaded again so often, not while the page is hidden
 * @returns {{element: HTMLElement, reload: () => Promise<void>}}
 */
export function region({ load, draw, signal, everyMs, lines, label }) {
  const element = h('div', { class: 'region', ...(label ? { role: 'region', 'aria-label': label } : {}) });
  let isDrawn = false;
  let turn = 0;
  async function reload() {
    const mine = ++turn;
    element.setAttribute('aria-busy', 'true');
    const timer = setTimeout(() => !isDrawn && fill(element, skeleton(lines)), SKELETON_AFTER_MS);
    try {
      const data = await load();
      if (mine !== turn || signal.aborted) return;
      fill(element, draw(data));
      isDrawn = true;
    } catch (error) {
      if (mine !== turn || signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return;
      element.querySelectorAll(':scope > .error-box').forEach((old) => old.remove());
      if (isDrawn) element.prepend(errorBox(error, reload));
      else fill(element, errorBox(error, reload));
    } finally {
      clearTimeout(timer);
      if (mine === turn) element.removeAttribute('aria-busy');
    }
  }
  reload();
  if (everyMs) {
    const timer = setInterval(() => !document.hidden && !element.contains(document.activeElement) && reload(), everyMs);
    signal.addEventListener('abort', () => clearInterval(timer));
  }
  return { element, reload };
}
