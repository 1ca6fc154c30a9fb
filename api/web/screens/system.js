// system.js — S14: the engine itself, for the admin token: roles, what waits, storage.

import { call } from '../page/client.js';
import { append, h } from '../page/dom.js';
import { ago, badge, facts, meter, pageHead, region, row, table } from '../page/parts.js';
import { bytesText, number, t } from '../page/text.js';
import { href } from '../pure/paths.js';
import { settingsTable } from './settings_table.js';

const REFRESH_MS = 5000;

/** @param {import('../app.js').Context} context */
export function show({ main, signal, setTitle }) {
  setTitle(t('nav.system'));
  append(main, pageHead({ title: t('nav.system'),
    actions: [h('a', { class: 'button', href: '/metrics', target: '_blank', rel: 'noopener' }, t('system.metrics')),
    h('a', { class: 'button', href: '/api/openapi.json', target: '_blank', rel: 'noopener' }, t('system.document'))] }),
  region({ signal, everyMs: REFRESH_MS, load: () => call('/api/status', { signal }),
    draw: (status) => [work(status), roles(status.roles ?? []), fullest(status.organizations)] }).element,
  settingsTable(signal));
}

/** @param {any} status */
function work(status) {
  const share = t('system.queue-of', { used: bytesText(status.queueBytes), all: bytesText(status.maxQueueBytes) });
  return h('section', { class: 'panel', 'aria-label': t('system.work') }, h('h2', null, t('system.work')),
    status.refusing && h('p', { class: 'error-box', role: 'alert' }, t('system.refusing')),
    h('div', { class: 'progress' }, meter(status.queueBytes, status.maxQueueBytes, t('system.queue')),
      h('span', { class: 'number' }, share)),
    facts([[t('status.waiting'), number(status.waiting)], [t('system.waiting-bytes'), bytesText(status.waitingBytes)],
      [t('overview.due'), number(status.due ?? 0)],
      [t('overview.oldest'), status.oldestDueAt ? ago(status.oldestDueAt) : '–'],
      [t('status.in-flight'), number(status.inFlight ?? 0)], [t('overview.dead'), number(status.dead ?? 0)],
      [t('system.paused'), number(status.pausedHooks)], [t('overview.failing'), number(status.failingHooks ?? 0)]]));
}

/** @param {any[]} list */
function roles(list) {
  const columns = [{ title: t('system.role'), class: 'grow' }, { title: t('deliveries.state') },
    { title: 'pid', class: 'number' }, { title: t('system.restarts'), class: 'number' },
    { title: t('system.memory'), class: 'number' }];
  return h('section', { class: 'panel', 'aria-label': t('overview.roles') }, h('h2', null, t('overview.roles')),
    table(t('overview.roles'), columns, list.map((role) => row(columns,
      [role.name, [badge(role.ready ? 'ok' : 'failing'), role.reason && h('span', { class: 'quiet' }, role.reason)],
      String(role.pid ?? '–'), number(role.restarts ?? 0), bytesText(role.residentBytes ?? 0)]))).element);
}

/** @param {any[]} organizations */
function fullest(organizations) {
  const columns = [{ title: t('system.organization'), class: 'grow' }, { title: t('status.waiting'), class: 'number' },
    { title: t('system.waiting-bytes'), class: 'number' }, { title: t('system.quota'), class: 'number' }];
  const waiting = organizations.filter((org) => org.waiting > 0);
  return h('section', { class: 'panel', 'aria-label': t('system.fullest') }, h('h2', null, t('system.fullest')),
    waiting.length === 0 ? h('p', { class: 'quiet' }, t('system.nothing-waits'))
      : table(t('system.fullest'), columns, waiting.map((org) => row(columns, [
      h('a', { class: 'row-link', href: href({ org: org.organizationName, kind: 'org' }) }, org.organizationName),
      number(org.waiting), bytesText(org.waitingBytes), `${org.percent} %`]))).element);
}
