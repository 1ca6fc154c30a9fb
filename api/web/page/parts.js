// parts.js — small things that many screens show: heads, states, times, tables, copy buttons, fields.

import { ApiError } from './client.js';
import { h, icon } from './dom.js';
import { fullTime, named, relative, t, timeText } from './text.js';
import { say } from './notice.js';
import { errorText } from './states.js';
import { visible } from '../pure/format.js';

/** @typedef {import('./dom.js').Child} Child */

const STATE_ICONS = { delivered: 'delivered', ok: 'delivered', done: 'delivered', dead: 'dead', failing: 'dead',
  retrying: 'retrying', running: 'retrying', probing: 'retrying', cancelled: 'cancelled', inactive: 'off',
  disabled: 'off', paused: 'paused', blocked: 'blocked', open: 'blocked', waiting: 'waiting' };
const STATE_COLOURS = { delivered: 'good', ok: 'good', done: 'good', dead: 'bad', failing: 'bad', disabled: 'bad',
  retrying: 'warn', open: 'warn', probing: 'warn', blocked: 'warn', waiting: 'warn', running: 'info' };

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
  return h('time', { datetime: new Date(ms).toISOString(), title: fullTime(ms) }, timeText(ms));
}

/** @param {number} ms unix milliseconds @returns {HTMLElement} how long ago */
export function ago(ms) {
  return h('time', { datetime: new Date(ms).toISOString(), title: fullTime(ms) }, relative(ms));
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
