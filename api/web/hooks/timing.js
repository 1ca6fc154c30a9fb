// timing.js — S12: percentiles of each phase, over time and beside those of the organization.

import { call } from '../page/client.js';
import { h } from '../page/dom.js';
import { note } from '../page/router.js';
import { region } from '../page/parts.js';
import { fromUs, number, t } from '../page/text.js';
import { href, orgApi } from '../pure/paths.js';
import { apiOf } from '../shared/actions.js';
import { charts, loadSeries, windowChoice, windowOf } from '../shared/stats.js';

const PHASES = ['queueUs', 'dnsUs', 'connectUs', 'tlsUs', 'firstByteUs', 'totalUs'];
const PERCENTILES = ['p50', 'p90', 'p99', 'p999', 'max'];
const FEW = 20; // attempts: percentiles of fewer say little

/** @param {import('../pure/hook.js').Hook} hook @param {AbortSignal} signal @param {URLSearchParams} query */
export function timingTab(hook, signal, query) {
  const api = apiOf(hook);
  let span = windowOf(query);
  const parts = region({ signal, lines: 8, load: async () => {
    const [stats, org, series] = await Promise.all([call(`${api}/stats`, { signal }),
      call(`${orgApi(hook.place.org)}/stats`, { signal }),
      loadSeries(api, span, signal)]);
    return { stats, org, series };
  }, draw: ({ stats, org, series }) => [percentiles(stats[span], org[span]),
  h('div', { class: 'panel' }, charts(series))] });
  return h('div', null, windowChoice(span, (next) => {
    span = next;
    note(href(hook.place, ['hooks', hook.id, 'timing'], { window: span }));
    parts.reload();
  }), parts.element);
}

/** @param {any} here @param {any} org */
function percentiles(here, org) {
  return h('section', { class: 'panel', 'aria-label': t('timing.table') },
    here.attempts < FEW && h('p', { class: 'quiet' }, t('timing.few', { n: here.attempts })),
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('timing.phase') },
      h('table', { class: 'plain-table numbers' },
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, t('timing.phase')),
        h('th', { scope: 'col', class: 'number' }, 'n'),
        ...PERCENTILES.map((p) => h('th', { scope: 'col', class: 'number' }, t(`timing.${p}`))),
        h('th', { scope: 'col', class: 'number' }, t('timing.org')))),
      h('tbody', null, ...PHASES.map((phase) => phaseRow(phase, here.timing[phase], org.timing[phase]))))));
}

/** @param {string} phase @param {any} stats @param {any} org */
function phaseRow(phase, stats, org) {
  const cell = (s, p) => h('td', { class: 'number' }, s && s.n > 0 ? fromUs(s[p]) : '–');
  return h('tr', null, h('th', { scope: 'row' }, t(`phase.${phase.slice(0, -2)}`)),
    h('td', { class: 'number' }, number(stats?.n ?? 0)),
    ...PERCENTILES.map((p) => cell(stats, p)), cell(org, 'p50'));
}
