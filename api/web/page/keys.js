// keys.js — single keys, never while something is typed, and switched off when the reader says so (WCAG 2.1.4).

import { h } from './dom.js';
import { openDialog } from './notice.js';
import { t } from './text.js';

const OFF_KEY = 'posthorn-keys-off';
const SEQUENCE_MS = 1500;

/** @typedef {Object<string, () => void>} Bindings keys like "r", "?", "g d" */

/** @type {Set<Bindings>} */
const bound = new Set();
let prefix = '';
let prefixAt = 0;

/** @param {Bindings} bindings @param {AbortSignal} [signal] they end with it */
export function bindKeys(bindings, signal) {
  bound.add(bindings);
  signal?.addEventListener('abort', () => bound.delete(bindings));
}

/** @returns {boolean} */
export function areKeysOn() {
  return localStorage.getItem(OFF_KEY) === null;
}

/** @param {EventTarget|null} target */
function isTyping(target) {
  return target instanceof HTMLElement
    && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!areKeysOn() || isTyping(event.target) || document.querySelector('dialog[open]')) return;
  const isSequence = prefix !== '' && performance.now() - prefixAt < SEQUENCE_MS;
  const key = isSequence ? `${prefix} ${event.key}` : event.key;
  prefix = '';
  const action = [...bound].reverse().map((bindings) => bindings[key]).find(Boolean);
  if (action) {
    event.preventDefault();
    action();
  } else if (event.key === 'g' && !isSequence) {
    prefix = 'g';
    prefixAt = performance.now();
  }
}

/** Begins to listen, and binds what every screen has: rows by j and k. */
export function startKeys() {
  document.addEventListener('keydown', onKey);
  bindKeys({ j: () => step(1), k: () => step(-1), '?': showKeys });
}

/** @param {number} by rows */
function step(by) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('main .row-link')]);
  const now = links.findIndex((link) => link.closest('tr, li')?.contains(document.activeElement));
  links[Math.max(0, Math.min(links.length - 1, now + by))]?.focus();
}

const SHEET = ['?', '/', 'g o', 'g w', 'g h', 'g d', 'g e', 'g r', 'g l', 'j', 'k', 'x', 'Enter', 'r', 'c', '[', ']',
  'p',
  'Esc'];

/** @param {string} key @returns {string} of the catalogue */
function keyText(key) {
  const names = { '?': 'sheet', '/': 'filter', '[': 'before', ']': 'after' };
  return t(`keys.${names[key] ?? key.replace(' ', '-')}`);
}

/** The sheet of all keys, with the switch that turns them off. */
export function showKeys() {
  openDialog({ title: t('keys.title'), body: () => [
    h('dl', { class: 'key-list' }, ...SHEET.map((key) => h('div', null,
      h('dt', null, ...key.split(' ').map((k) => h('kbd', null, k))), h('dd', null, keyText(key))))),
    h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: areKeysOn(),
      onchange: (event) => {
        if (event.target.checked) localStorage.removeItem(OFF_KEY);
        else localStorage.setItem(OFF_KEY, '1');
      } }), t('keys.on')),
  ] });
}
