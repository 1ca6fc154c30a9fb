// beside.js — a panel beside the screen, for what a list has one of. The screen stays as it is.

import { fill, h, icon } from './dom.js';
import { bindKeys } from './keys.js';
import { t } from './text.js';

const WIDE = '(min-width: 1100px)';

const body = h('div', { class: 'beside-body' });
const panel = h('aside', { class: 'beside', hidden: true });
/** What had the focus before, and gets it again. @type {Element|null} */
let before = null;

/** @returns {HTMLElement} put once into the page */
export function besidePanel() {
  return panel;
}

/** @returns {boolean} whether there is room for it */
export function hasRoom() {
  return window.matchMedia(WIDE).matches;
}

/** @returns {boolean} */
export function isBeside() {
  return !panel.hidden;
}

/**
 * @param {AbortSignal} signal keys end with it @param {() => void} close what its button does, and Escape
 * @returns {HTMLElement} where to draw
 */
export function openBeside(signal, close) {
  if (panel.hidden) before = document.activeElement;
  panel.hidden = false;
  panel.setAttribute('aria-label', t('attempt.panel'));
  fill(panel, h('button', { type: 'button', class: 'plain beside-close', 'aria-label': t('keys.Esc'),
    title: t('keys.Esc'), onclick: close }, icon('dead')), body);
  bindKeys({ Escape: close }, signal);
  return body;
}

/** The focus goes back to where it was, if that is still there. */
export function closeBeside() {
  panel.hidden = true;
  fill(body);
  if (before instanceof HTMLElement && before.isConnected) before.focus();
}
