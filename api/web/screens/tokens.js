// tokens.js — S13: tokens of an organization: made (and shown once), listed, revoked.

import { call } from '../page/client.js';
import { append, h } from '../page/dom.js';
import { confirmed, openDialog } from '../page/notice.js';
import { ago, empty, errorText, field, pageHead, region, row, select, table } from '../page/parts.js';
import { t } from '../page/text.js';
import { attempted, secretOnce } from '../shared/actions.js';

const SCOPES = ['ingest', 'read', 'write'];
const DAY_S = 86400;
const LIVES = [['', 'tokens.forever'], ['1', 'tokens.day'], ['30', 'tokens.month'], ['365', 'tokens.year']];

/** @param {import('../app.js').Context} context */
export function show({ main, place, signal, setTitle }) {
  setTitle(t('nav.tokens'), place.org);
  const api = `/api/orgs/${encodeURIComponent(place.org)}/tokens`;
  const columns = [{ title: t('form.name'), class: 'grow' }, { title: t('tokens.scopes') },
    { title: t('tokens.created') }, { title: t('tokens.expires') },
    { title: t('hooks.actions'), isHidden: true, class: 'end' }];
  const list = region({ signal, load: () => call(api, { signal }), draw: (tokens) => {
    if (tokens.length === 0) return empty(t('tokens.empty'), h('code', null, 'posthorn token create'));
    return table(t('nav.tokens'), columns, tokens.map((token) => row(columns, [
      h('span', { class: 'two' }, token.name || h('span', { class: 'quiet' }, t('tokens.unnamed')),
        h('span', { class: 'quiet code' }, token.id)),
      token.scopes.join(', '), ago(token.createdAt * 1000), token.expiresAt ? ago(token.expiresAt * 1000)
        : t('tokens.forever'),
      h('button', { type: 'button', class: 'danger-text', 'aria-label': t('tokens.revoke-one', { name: token.name
        || token.id }), onclick: () => revoke(api, token, list.reload) }, t('tokens.revoke'))]))).element;
  } });
  append(main, pageHead({ title: t('nav.tokens'), above: place.org,
    actions: h('button', { type: 'button', class: 'primary', onclick: async () => (await create(api))
      && list.reload() }, t('tokens.new')) }), list.element);
}

/** @param {string} api @param {any} token @param {() => void} changed */
async function revoke(api, token, changed) {
  if (!await confirmed({ title: t('tokens.revoke'), text: t('tokens.revoke-text', { name: token.name || token.id }),
    action: t('tokens.revoke'), isDanger: true })) return;
  if (await attempted(() => call(`${api}/${encodeURIComponent(token.id)}`, { method: 'DELETE' }),
    t('tokens.revoked'))) changed();
}

/** @param {string} api @returns {Promise<boolean>} whether one was made */
async function create(api) {
  const made = await openDialog({ title: t('tokens.new'), body: (close) => {
    const name = h('input', { type: 'text', maxlength: 100, autocomplete: 'off' });
    const boxes = SCOPES.map((scope) => h('input', { type: 'checkbox', value: scope, checked: scope === 'read' }));
    const life = select('', LIVES.map(([value, key]) => /** @type {[string, string]} */ ([value, t(key)])));
    const state = h('div', { role: 'alert' });
    return h('form', { class: 'stack', onsubmit: async (event) => {
      event.preventDefault();
      const body = { scopes: boxes.filter((box) => box.checked).map((box) => box.value), name: name.value || null,
        expiresAt: life.value === '' ? null : Math.floor(Date.now() / 1000) + Number(life.value) * DAY_S };
      try {
        close(await call(api, { method: 'POST', body }));
      } catch (error) {
        state.textContent = errorText(error);
      }
    } }, field({ label: t('form.name'), input: name }),
    h('fieldset', { class: 'plain-set' }, h('legend', null, t('tokens.scopes')), ...SCOPES.map((scope, i) => h('label',
      { class: 'check' }, boxes[i], h('code', null, scope), h('span', { class: 'quiet' }, t(`scope.${scope}`))))),
    field({ label: t('tokens.expires'), input: life }), state,
    h('div', { class: 'actions end' }, h('button', { type: 'button', onclick: () => close() }, t('dialog.cancel')),
      h('button', { type: 'submit', class: 'primary' }, t('tokens.new'))));
  } });
  if (!made) return false;
  await openDialog({ title: t('tokens.made'), body: () => [h('p', null, t('tokens.once')), secretOnce(made.token)] });
  return true;
}
