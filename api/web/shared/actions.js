// actions.js — one webhook from the API, and what is done to it: ping, pause, switch off, delete, a new secret.

import { call } from '../page/client.js';
import { h } from '../page/dom.js';
import { confirmed, openDialog, say } from '../page/notice.js';
import { copyButton, errorText } from '../page/parts.js';
import { go } from '../page/router.js';
import { t } from '../page/text.js';
import { fromApi } from '../pure/hook.js';
import { attemptPath, hookApi } from '../pure/paths.js';
import { newSecret } from '../pure/signature.js';

/** @typedef {import('../pure/hook.js').Hook} Hook */

/**
 * Does something and says what came of it.
 * @param {() => Promise<any>} action @param {string} [done] said afterwards
 * @returns {Promise<boolean>}
 */
export async function attempted(action, done) {
  try {
    await action();
  } catch (error) {
    say(errorText(error), 'bad');
    return false;
  }
  if (done) say(done);
  return true;
}

/** @param {Hook} hook */
export function apiOf(hook) {
  return hookApi(hook.place, hook.id);
}

/**
 * @param {import('../pure/paths.js').Place} place @param {string} id @param {AbortSignal} [signal]
 * @returns {Promise<Hook>}
 */
export async function loadHook(place, id, signal) {
  return fromApi(await call(`${hookApi(place, id)}`, { signal }), place);
}

/** Sends a ping and shows its attempt. @param {Hook} hook */
export function sendPing(hook) {
  return attempted(async () => {
    const attempt = await call(`${apiOf(hook)}/ping`, { method: 'POST' });
    go(attemptPath(hook.place, hook.id, attempt));
  });
}

/** @param {Hook} hook @param {boolean} isPaused */
export function setPaused(hook, isPaused) {
  return attempted(() => call(apiOf(hook), { method: 'PATCH', body: { paused: isPaused } }),
    t(isPaused ? 'hook.paused' : 'hook.resumed', { name: hook.title }));
}

/** Switching off cancels what waits, so it is asked before. @param {Hook} hook @param {boolean} isActive */
export async function setActive(hook, isActive) {
  if (!isActive && !await confirmed({ title: t('hook.switch-off'),
    text: t('hook.switch-off-text', { name: hook.title }),
    action: t('hook.switch-off'), isDanger: true })) return false;
  return attempted(() => call(apiOf(hook), { method: 'PATCH', body: { active: isActive } }),
    t(isActive ? 'hook.is-on' : 'hook.is-off', { name: hook.title }));
}

/** @param {Hook} hook */
export async function remove(hook) {
  if (!await confirmed({ title: t('hook.delete'), text: t('hook.delete-text', { name: hook.title }),
    action: t('hook.delete'),
    typed: hook.title, isDanger: true })) return false;
  return attempted(() => call(apiOf(hook), { method: 'DELETE' }), t('hook.deleted', { name: hook.title }));
}

/**
 * A new secret: made here, shown once, set when it is stored elsewhere.
 * @param {Hook} hook @returns {Promise<boolean>}
 */
export async function rotateSecret(hook) {
  const secret = newSecret();
  const isRotated = await openDialog({ title: t('rotate.title'), body: (close) => {
    const button = h('button', { type: 'submit', class: 'primary', disabled: true }, t('rotate.do'));
    const tick = h('input', { type: 'checkbox', onchange: () => { button.disabled = !tick.checked; } });
    const state = h('div', { role: 'alert' });
    return h('form', { class: 'stack', onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        await call(apiOf(hook), { method: 'PATCH', body: { secret } });
        close(true);
      } catch (error) {
        state.textContent = errorText(error);
        button.disabled = false;
      }
    } }, h('p', null, t('rotate.text')), secretOnce(secret), h('label', { class: 'check' }, tick, t('rotate.stored')),
    state,
    h('div', { class: 'actions end' }, h('button', { type: 'button', onclick: () => close() }, t('dialog.cancel')),
      button));
  } });
  if (isRotated) say(t('rotate.done'));
  return isRotated === true;
}

/** @param {string} secret @returns {HTMLElement} it, with a button that copies it */
export function secretOnce(secret) {
  return h('div', { class: 'secret' }, h('code', { tabindex: '0', 'aria-label': t('form.secret') }, secret),
    copyButton(t('copy.it'), () => secret));
}
