// parts.js — what screens are made of: heads, states, times, tables, copy buttons, fields; and what a part of a page
// shows while it loads, when there is nothing, and when something is wrong.

import { ApiError } from './client.js';
import { fill, h, icon } from './dom.js';
import { fullTime, hasText, named, relative, t, timeText } from './text.js';
import { say } from './notice.js';
import { visible } from '../pure/format.js';

/** @typedef {import('./dom.js').Child} Child */

const STATE_ICONS = { delivered: 'delivered', ok: 'delivered', done: 'delivered', dead: 'dead', failing: 'dead',
  retrying: 'retrying', running: 'retrying', probing: 'retrying', cancelled: 'cancelled', inactive: 'off',
  disabled: 'off', paused: 'paused', blocked: 'blocked', open: 'blocked', waiting: 'waiting',
  awaiting: 'waiting', refused: 'dead' };
const STATE_COLOURS = { delivered: 'good', ok: 'good', done: 'good', dead: 'bad', failing: 'bad', disabled: 'bad',
  retrying: 'warn', open: 'warn', probing: 'warn', blocked: 'warn', waiting: 'warn', running: 'info',
  awaiting: 'warn', refused: 'bad' };

/**
 * The head of a screen. The heading gets the focus when a reader comes here.
 * @param {{title: Child, above?: Child, below?: Child, actions?: Child}} head
 */
export function pageHead({ title, above, below, actions }) {
  return h('header', { class: 'page-head' }, above && h('div', { class: 'crumbs' }, above),
    h('div', { class: 'page-title' }, h('h1', { tabindex: '-1' }, title),
      actions && h('div', { class: 'actions' }, actions)),
    below && h('div', { class: 'page-below' }, below));
}

/** @param {string} state of a delivery, webhook or replay @returns {HTMLElement} icon, word and colour */
export function badge(state) {
  const colour = STATE_COLOURS[state] ?? 'quiet-badge';
  return h('span', { class: `badge ${colour}` }, icon(STATE_ICONS[state] ?? 'waiting'), named('state', state));
}

/** @param {number} ms unix milliseconds @returns {HTMLElement} */
export function time(ms) {
  return h('time', { datetime: new Date(ms).toISOString() }, timeText(ms));
}

/** @param {number} ms unix milliseconds @returns {HTMLElement} how long ago */
export function ago(ms) {
  return h('time', { datetime: new Date(ms).toISOString() }, relative(ms));
}

/** Times say all of themselves to who points at them; to write that for each of a list takes long. */
export function startTimes() {
  document.addEventListener('pointerover', ({ target }) => {
    if (target instanceof HTMLTimeElement && !target.title) target.title = fullTime(Date.parse(target.dateTime));
  });
}

/** @param {any} attempt @returns {HTMLElement} its answer's code, or why there was none */
export function chip(attempt) {
  if (attempt.attempt === 0 || attempt.reason) return h('span', { class: 'chip' }, t('state.cancelled'));
  const isGood = attempt.responseCode >= 200 && attempt.responseCode < 300 && !attempt.error;
  const text = attempt.responseCode > 0 ? String(attempt.responseCode)
    : named('class', attempt.error?.class ?? 'reset');
  return h('span', { class: `chip ${isGood ? 'good' : 'bad'}` }, text);
}

/**
 * A table that becomes cards on narrow screens; cells are told by their columns' names there.
 * @param {string} label
 * @param {{title: string, class?: string, isHidden?: boolean}[]} columns
 * @param {HTMLTableRowElement[]} [rows]
 */
export function table(label, columns, rows = []) {
  const body = h('tbody', { role: 'rowgroup' }, ...rows);
  const element = h('table', { 'aria-label': label, role: 'table' },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, ...columns.map((c) =>
      h('th', { scope: 'col', role: 'columnheader', class: c.class },
        c.isHidden ? h('span', { class: 'unseen' }, c.title) : c.title)))),
    body);
  return { element, body };
}

/**
 * @param {{title: string, class?: string, isHidden?: boolean}[]} columns @param {Child[]} cells
 * @param {Object<string, any>} [props]
 */
export function row(columns, cells, props = {}) {
  return h('tr', { role: 'row', ...props }, ...cells.map((cell, i) =>
    h('td', { role: 'cell', class: columns[i].class, 'data-label': columns[i].isHidden ? null : columns[i].title },
      cell)));
}

/**
 * @param {string} label @param {() => string|Promise<string>} text
 * @param {Object<string, any>} [props]
 */
export function copyButton(label, text, props = {}) {
  return h('button', { type: 'button', ...props, onclick: () => copy(text) }, icon('copy'), label);
}

/** @param {() => string|Promise<string>} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(await text());
    say(t('copy.done'));
  } catch (error) {
    say(error instanceof ApiError ? errorText(error) : t('copy.refused'), 'bad');
  }
}

/**
 * Offers bytes as a file; they are never shown as what they claim to be.
 * @param {string} name @param {string} text
 */
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }));
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {string} text of others @param {string} [label] @returns {HTMLElement} as text, whatever it is */
export function textBlock(text, label) {
  return h('pre', { class: 'text-block', tabindex: '0', role: 'region', 'aria-label': label ?? t('body.text') },
    visible(text));
}

let fields = 0;

/**
 * A labelled input.
 * @param {{label: string, hint?: Child, input: HTMLElement, error?: string, isWide?: boolean}} field
 */
export function field({ label, hint, input, error, isWide }) {
  const id = `f${++fields}`;
  input.id = id;
  const notes = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(' ');
  input.setAttribute('aria-describedby', notes);
  if (error) input.setAttribute('aria-invalid', 'true');
  return h('div', { class: `field${isWide ? ' wide' : ''}` }, h('label', { for: id }, label), input,
    hint && h('p', { class: 'hint', id: `${id}-hint` }, hint),
    h('p', { class: 'field-error', id: `${id}-error`, 'aria-live': 'polite' }, error ?? ''));
}

/**
 * @param {string} value @param {[string, string][]} options value and text
 * @param {Object<string, any>} [props]
 */
export function select(value, options, props = {}) {
  return h('select', { ...props, value }, ...options.map(([v, text]) => h('option', { value: v }, text)));
}

/** @param {[Child, Child][]} pairs name and value; pairs without a value are left out */
export function facts(pairs) {
  return h('dl', { class: 'facts' },
    ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

/** @param {number} done @param {number} all @param {string} label */
export function meter(done, all, label) {
  return h('progress', { value: all > 0 ? done / all : 0, max: 1, 'aria-label': label });
}

// --- what a part of a page shows while it loads, when there is nothing, and when something is wrong.

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
