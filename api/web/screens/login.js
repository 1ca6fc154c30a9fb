// login.js — S1: a token, or the code of a link that "posthorn dashboard" printed. It is shown at whatever address
// was asked for, which then appears.

import { ApiError, loadSession, logIn } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { errorBox, errorText, field } from '../page/parts.js';
import { currentTarget, go } from '../page/router.js';
import { t } from '../page/text.js';
import { ROOT } from '../pure/paths.js';

/** @param {unknown} error */
function refusal(error) {
  if (error instanceof ApiError && error.status === 401) return t('login.refused');
  return errorText(error);
}

/** @param {import('../app.js').Context} context */
export async function show({ main, setTitle }) {
  setTitle(t('login.enter'));
  const state = h('div', null);
  const card = h('div', { class: 'login' }, h('h1', { tabindex: '-1' }, 'posthorn'),
    h('p', { class: 'quiet' }, t('login.what')), state);
  fill(main, card);
  if (!window.isSecureContext) {
    fill(state, h('div', { class: 'error-box', role: 'alert' }, h('div', null, h('p', null, t('login.insecure')),
      h('ul', null, h('li', null, t('login.tls')), h('li', null, t('login.proxy'))))));
    return;
  }
  const code = location.hash.slice(1);
  if (code !== '') {
    history.replaceState(null, '', location.pathname + location.search);
    const session = await loadSession();
    if (session !== null && !(await isWanted(state, session))) {
      go(ROOT, true);
      return;
    }
    fill(state, h('p', { role: 'status' }, t('login.code')));
    try {
      await enter({ code });
      return;
    } catch (error) {
      fill(state, errorBox(error));
    }
  }
  card.append(tokenForm(state));
  card.querySelector('input')?.focus();
}

/**
 * Asks whether a link may end the session that there is: who sent the link may want somebody to work in another
 * organization without noticing.
 * @param {HTMLElement} state @param {import('../page/client.js').Session} session
 * @returns {Promise<boolean>}
 */
function isWanted(state, session) {
  return new Promise((resolve) => {
    const stay = h('button', { type: 'button', class: 'primary', onclick: () => resolve(false) }, t('login.stay'));
    fill(state, h('div', { class: 'stack' },
      h('p', { role: 'status' }, t('login.replace', { who: session.org ?? t('login.admin') })),
      h('div', { class: 'actions' }, stay,
        h('button', { type: 'button', onclick: () => resolve(true) }, t('login.use-link')))));
    stay.focus();
  });
}

/** @param {{token?: string, code?: string}} secret */
async function enter(secret) {
  await logIn(secret);
  await loadSession();
  go(currentTarget().screen === 'login' ? ROOT : location.pathname + location.search, true);
}

/** @param {HTMLElement} state */
function tokenForm(state) {
  const input = h('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true,
    spellcheck: 'false' });
  const button = h('button', { type: 'submit', class: 'primary' }, t('login.enter'));
  return h('form', { class: 'stack', onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    fill(state);
    try {
      await enter({ token: input.value.trim() });
    } catch (error) {
      fill(state, h('p', { class: 'error-box', role: 'alert' }, refusal(error)));
      input.focus();
    } finally {
      button.disabled = false;
    }
  } }, h('input', { type: 'text', autocomplete: 'username', value: 'posthorn', hidden: true }),
  field({ label: t('login.token'), hint: t('login.token-hint'), input }), button,
  h('p', { class: 'quiet' }, t('login.link'), ' ', h('code', null, 'posthorn dashboard')));
}
