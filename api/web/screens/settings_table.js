// settings_table.js — S14: every setting of the engine, what it is set to, and where that comes from.

import { call } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { region, row, table } from '../page/parts.js';
import { named, t } from '../page/text.js';
import { contains } from '../pure/format.js';

/** @param {AbortSignal} signal @returns {HTMLElement} */
export function settingsTable(signal) {
  const columns = [{ title: t('settings.name'), class: 'grow' }, { title: t('settings.value') },
    { title: t('settings.origin') }, { title: t('settings.allowed') }];
  const title = t('settings.title');
  return h('section', { class: 'panel', 'aria-label': title }, h('h2', null, title), region({ signal, lines: 8,
    load: () => call('/api/config', { signal }),
    draw: ({ settings }) => {
      const { element, body } = table(title, columns);
      const search = h('input', { type: 'search', autocomplete: 'off' });
      const changed = h('input', { type: 'checkbox' });
      const draw = () => fill(body, ...settings.filter((one) => (!changed.checked || one.origin !== 'default')
        && contains(`${one.name} ${one.value} ${one.help}`, search.value)).map((one) => row(columns, cells(one))));
      search.addEventListener('input', draw);
      changed.addEventListener('change', draw);
      draw();
      return [h('div', { class: 'filters' }, h('label', null, t('body.text'), search),
        h('label', { class: 'check' }, changed, t('settings.changed'))), element];
    } }).element);
}

/** @param {any} one a setting */
function cells(one) {
  const code = (value) => (value === '' ? h('span', { class: 'quiet' }, t('settings.none')) : h('code', null, value));
  const pending = one.pendingValue !== undefined && one.pendingValue !== null;
  return [
    h('span', { class: 'two' }, h('code', null, one.name), h('span', { class: 'quiet hint' }, one.help)),
    h('span', { class: 'two' }, code(one.value),
      one.value !== one.default && h('span', { class: 'quiet hint' }, t('settings.default-is'), ' ', code(one.default)),
      pending && h('span', { class: 'hint' }, t('settings.pending'), ' ', code(one.pendingValue))),
    h('span', { class: 'two' }, named('origin', one.origin), h('span', { class: 'quiet hint' },
      one.origin === 'file' ? `${one.file}:${one.line}` : one.follows && h('code', null, one.follows))),
    h('span', { class: 'two' }, one.allowed,
      one.needsRestart && h('span', { class: 'quiet hint' }, t('settings.restart'))),
  ];
}
