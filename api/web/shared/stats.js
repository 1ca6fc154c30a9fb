// stats.js — statistics of an organization or a webhook: which window, and its pictures.

import { call } from '../page/client.js';
import { durations, stacked } from '../page/chart.js';
import { h } from '../page/dom.js';
import { t } from '../page/text.js';

const WINDOWS = ['1h', '24h', '7d'];
/** Colours of outcomes, in the order in which they stand upon each other. */
const OUTCOMES = [['delivered', 'good'], ['retrying', 'warn'], ['dead', 'bad'], ['cancelled', 'muted']];

/** @param {URLSearchParams} query @returns {string} of WINDOWS */
export function windowOf(query) {
  const wanted = query.get('window') ?? '1h';
  return WINDOWS.includes(wanted) ? wanted : '1h';
}

/** @param {string} now @param {(span: string) => void} use */
export function windowChoice(now, use) {
  return h('div', { class: 'segments', role: 'group', 'aria-label': t('timing.window') },
    ...WINDOWS.map((name) => h('label', null,
    h('input', { type: 'radio', name: 'window', value: name, checked: name === now, onchange: () => use(name) }),
    h('span', null, t(`window.${name}`)))));
}

/** @param {string} api of a webhook or an organization @param {string} span @param {AbortSignal} signal */
export function loadSeries(api, span, signal) {
  return call(`${api}/stats/series?window=${span}`, { signal });
}

/** @param {any} series */
export function charts(series) {
  const slots = series.slots ?? series;
  const times = slots.map((s) => s.from * 1000);
  const of = (phase, p) => slots.map((s) =>
    ((s.timing?.[phase]?.n ?? 0) > 0 ? s.timing[phase][p] : null));
  return h('div', { class: 'charts' },
    stacked(t('chart.outcomes'), times, OUTCOMES.map(([name, colour]) => ({ name: t(`state.${name}`), class: colour,
      values: slots.map((s) => s.outcomes[name] ?? 0) }))),
    durations(t('chart.latency'), times, [
      { name: t('chart.total-p99'), class: 'line-1', values: of('totalUs', 'p99') },
      { name: t('chart.total-p50'), class: 'line-2', values: of('totalUs', 'p50') },
      { name: t('chart.first-p99'), class: 'line-3', values: of('firstByteUs', 'p99') },
      { name: t('chart.connect-p99'), class: 'line-4', values: of('connectUs', 'p99') }]));
}
