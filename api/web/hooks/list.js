// list.js — S3: the webhooks of a place, or of every place of an organization.

import { may, pages } from '../page/client.js';
import { sparkline } from '../page/chart.js';
import { append, fill, h } from '../page/dom.js';
import { badge, empty, pageHead, region, row, select, table } from '../page/parts.js';
import { note } from '../page/router.js';
import { openSwitcher } from '../page/switcher.js';
import { named, percent, t } from '../page/text.js';
import { contains } from '../pure/format.js';
import { FORMATS, destination, fromApi } from '../pure/hook.js';
import { hasHooks, hooksApi, href, placeLabel } from '../pure/paths.js';
import { remove, sendPing, setActive } from '../shared/actions.js';

/**
 * @typedef {import('../pure/hook.js').Hook} Hook
 * @typedef {import('../app.js').Context} Context
 */

const STATES = ['ok', 'failing', 'paused', 'inactive', 'disabled'];

/** @returns {{title: string, class?: string, isHidden?: boolean}[]} */
function columns() {
  return [{ title: t('deliveries.state') }, { title: t('form.name'), class: 'grow' }, { title: t('hooks.place') },
    { title: t('form.destination'), class: 'grow' }, { title: t('keys.g-e') },
    { title: t('hooks.hour'), class: 'hour' }, { title: t('hooks.actions'), isHidden: true, class: 'end' }];
}

/** @param {Context} context */
export async function show({ main, place, query, signal, setTitle }) {
  const label = placeLabel(place);
  setTitle(t('nav.hooks'), label, place.org);
  const filter = { q: query.get('q') ?? '', state: query.get('state') ?? '', format: query.get('format') ?? '' };
  const list = region({ signal, lines: 6,
    load: () => pages(`${hooksApi(place)}?limit=1000&series=1h${place.kind === 'org' ? '&scope=all' : ''}`,
      { signal, wanted: 2000, requests: 20 }),
    draw: ({ rows, next }) => drawList(rows.map((raw) => fromApi(raw, place)), Boolean(next)) });

  /** @param {Hook[]} hooks @param {boolean} isMore */
  function drawList(hooks, isMore) {
    if (hooks.length === 0) return empty(t('hooks.empty'),
      h('p', null, t('hooks.empty-how'), ' ', h('code', null, 'posthorn hook create')));
    const { element, body } = table(t('nav.hooks'), columns());
    const count = h('p', { class: 'quiet', role: 'status' });
    const apply = () => {
      const shown = hooks.filter((hook) => isWanted(hook, filter));
      fill(body, ...shown.map((hook) => hookRow(hook, list.reload)));
      fill(count, t('hooks.count', { n: shown.length, all: hooks.length }), isMore && ` ${t('hooks.more')}`);
      note(href(place, ['hooks'], filter));
    };
    apply();
    return [filterBar(filter, apply), count, element];
  }

  append(main, pageHead({ title: t('nav.hooks'), above: label || place.org,
    actions: may('write') && (hasHooks(place)
      ? h('a', { class: 'button primary', href: href(place, ['hooks', 'new']) }, t('hooks.create'))
      : h('button', { type: 'button', class: 'primary', onclick: () => openSwitcher(place) }, t('hooks.project'))) }),
  list.element);
}

/** @param {Hook} hook @param {{q: string, state: string, format: string}} filter */
function isWanted(hook, { q, state, format }) {
  if (state !== '' && hook.state !== state && !(state === 'failing' && hook.raw.failing)) return false;
  if (format !== '' && hook.format !== format) return false;
  return contains([hook.title, hook.id, hook.url, placeLabel(hook.place), ...hook.filters, ...hook.groups].join(' '),
    q);
}

/** @param {{q: string, state: string, format: string}} filter it is changed @param {() => void} apply */
function filterBar(filter, apply) {
  const on = (key) => (event) => {
    filter[key] = event.target.value;
    apply();
  };
  const any = /** @type {[string, string]} */ (['', t('filter.any')]);
  return h('form', { class: 'filters', onsubmit: (e) => e.preventDefault() },
    h('label', null, t('body.text'),
      h('input', { type: 'search', value: filter.q, oninput: on('q'), autocomplete: 'off' })),
    h('label', null, t('deliveries.state'),
      select(filter.state, [any, ...STATES.map((s) => /** @type {[string, string]} */ ([s, t(`state.${s}`)]))],
      { onchange: on(/** @type {any} */ ('state')) })),
    h('label', null, t('form.destination'), select(filter.format, [any,
      ...FORMATS.map((f) => /** @type {[string, string]} */ ([f, t(`format.${f}`)]))],
    { onchange: on(/** @type {any} */ ('format')) })));
}

/** @param {Hook} hook @returns {string} a few of what it wants */
export function filtersText(hook) {
  const names = [...hook.groups.map((g) => named('group', g)), ...hook.filters];
  const shown = names.length > 2 ? `${names.slice(0, 2).join(', ')} +${names.length - 2}` : names.join(', ');
  return (shown || t('form.all')) + (hook.raw.pattern ? ` · ${t('form.pattern')}` : '');
}

/** @param {Hook} hook @param {() => void} changed */
function hookRow(hook, changed) {
  return row(columns(), [
    [badge(hook.state), hook.raw.failing && hook.state !== 'failing' && badge('failing')],
    h('a', { class: 'row-link', href: href(hook.place, ['hooks', hook.id]) }, hook.title),
    placeLabel(hook.place) || h('span', { class: 'quiet' }, t('place.org')),
    h('span', { class: 'two' }, h('span', { class: 'cut', title: hook.url }, destination(hook)),
      h('span', { class: 'quiet' }, named('format', hook.format))),
    h('span', { class: 'cut', title: [...hook.groups, ...hook.filters].join(', ') }, filtersText(hook)),
    hour(hook.raw.series),
    may('write') && rowMenu(hook, changed),
  ]);
}

/** @param {{attempts: number[], succeeded: number[]}|null|undefined} series of a webhook's last hour */
function hour(series) {
  const sum = (/** @type {number[]} */ numbers) => numbers.reduce((all, n) => all + n, 0);
  const n = series ? sum(series.attempts) : 0;
  if (!series || n === 0) return h('span', { class: 'quiet' }, '–');
  const share = percent(sum(series.succeeded) / n);
  return h('span', { class: 'with-spark' }, sparkline(series, t('overview.success', { share, n })),
    h('span', { class: 'number' }, share));
}

/** @param {Hook} hook @param {() => void} changed */
function rowMenu(hook, changed) {
  const run = (action) => async () => (await action()) && changed();
  return h('details', { class: 'menu' },
    h('summary', { 'aria-label': t('hooks.actions-of', { name: hook.title }) }, '⋯'),
    h('div', { class: 'menu-body' },
      h('button', { type: 'button', onclick: run(() => sendPing(hook)) }, t('hook.ping')),
      h('a', { href: href(hook.place, ['hooks', hook.id, 'edit']) }, t('hook.edit')),
      h('button', { type: 'button', onclick: run(() => setActive(hook, !hook.active)) },
        t(hook.active ? 'hook.switch-off' : 'hook.switch-on')),
      h('button', { type: 'button', class: 'danger-text', onclick: run(() => remove(hook)) }, t('hook.delete'))));
}
