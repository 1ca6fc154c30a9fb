// event.js — S9: an event: what it holds, where it went, and why not elsewhere.

import { call, may } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { copyButton, empty, pageHead, row, skeleton, table, textBlock, time } from '../page/parts.js';
import { t } from '../page/text.js';
import { prettyJson, visible, whyNoBody } from '../pure/format.js';
import { href, orgApi, placeLabel, placeOfRow, queryText } from '../pure/paths.js';
import { reasonText, yesOrNo } from '../shared/verdict.js';
import { deliveryCells, deliveryColumns, grouped } from '../shared/delivery_list.js';

/** @param {import('../app.js').Context} context */
export async function show({ main, place, params, query, signal, setTitle }) {
  setTitle(t('attempt.event'), params.event, place.org);
  fill(main, skeleton(8));
  const path = `${orgApi(place.org)}/events/${encodeURIComponent(params.event)}`
    + queryText({ limit: 1000, hook: query.get('hook') });
  const event = await call(path, { signal });
  setTitle(event.kind, t('attempt.event'), place.org);
  const at = placeOfRow(place.org, event);
  fill(main, pageHead({ title: event.kind, above: h('a', { href: href(place, ['events']) }, t('nav.events')),
    below: [h('span', { class: 'code' }, event.id), time(event.acceptedAt),
      h('span', { class: 'quiet' }, placeLabel(at))],
    actions: [copyButton(t('event.copy'), () => event.payload), may('write') && h('a', { class: 'button',
      href: href(at.kind === 'akinon' ? at : place, ['explain'], { event: event.id }) }, t('event.try'))] }),
  deliveries(event, place), verdicts(event.hooks, place, t('event.hooks')), payload(event));
}

/** @param {any} event @param {import('../pure/paths.js').Place} place */
function deliveries(event, place) {
  const columns = deliveryColumns(true);
  return h('section', { class: 'panel', 'aria-label': t('keys.g-d') }, h('h2', null, t('keys.g-d')),
    event.deliveries.length === 0 ? empty(t('event.none'))
      : table(t('keys.g-d'), columns, grouped(newestFirst(event.deliveries))
        .map((one) => row(columns, deliveryCells(one, { place, hook: null })))).element);
}

/** @param {any[]} attempts @returns {any[]} */
function newestFirst(attempts) {
  return [...attempts].sort((a, b) => b.timestamp - a.timestamp || b.attempt - a.attempt);
}

/** @param {any} event */
function payload(event) {
  return h('section', { class: 'panel', 'aria-label': t('event.payload') }, h('h2', null, t('event.payload')),
    event.payload === '' ? h('p', { class: 'quiet' }, t(whyNoBody(event)))
      : textBlock(prettyJson(event.payload) ?? event.payload));
}

/**
 * Each webhook with its yes, or its no and why.
 * @param {any[]} hooks explanations @param {import('../pure/paths.js').Place} place @param {string} title
 */
export function verdicts(hooks, place, title) {
  const sorted = [...hooks].sort((a, b) => Number(b.matches) - Number(a.matches));
  return h('section', { class: 'panel', 'aria-label': title }, h('h2', null, title),
    h('p', { class: 'quiet' },
      t('event.verdicts', { n: hooks.filter((one) => one.matches).length, all: hooks.length })),
    h('ul', { class: 'verdicts' }, ...sorted.map((one) => h('li', null, verdict(one, place)))));
}

/** @param {any} one @param {import('../pure/paths.js').Place} place */
function verdict(one, place) {
  const at = placeOfRow(place.org, one);
  const link = one.hookName ? h('a', { class: 'row-link', href: href(at, ['hooks', one.hookName]) },
    one.displayName || one.hookName) : t('deliveries.deleted');
  return [h('div', { class: 'verdict' }, yesOrNo(one.matches), h('strong', null, link),
    h('span', { class: 'quiet' }, placeLabel(at)), h('span', null, reasonText(one), ' ', filterLink(one, at))),
  one.requestLeftOut && h('p', { class: 'quiet' }, one.requestLeftOut),
  one.request && h('details', null, h('summary', null, t('event.request')),
    h('p', { class: 'code long' }, h('strong', null, one.request.method), ' ', visible(one.request.url)),
    h('table', { class: 'plain-table headers' },
      h('tbody', null, ...Object.entries(one.request.headers).map(([name, value]) =>
      h('tr', null, h('th', { scope: 'row', class: 'code' }, visible(name)),
        h('td', { class: 'code long' }, visible(String(value))))))),
    textBlock(prettyJson(one.request.body) ?? one.request.body, t('event.request')))];
}

/** @param {any} one an explanation that says why not @param {import('../pure/paths.js').Place} at of its webhook */
function filterLink({ hookName, fittingFilters }, at) {
  if (!may('write') || !hookName || !(fittingFilters?.length > 0)) return null;
  return h('a', { href: href(at, ['hooks', hookName, 'edit'], { filter: fittingFilters.join(',') }) },
    t('event.make-filter'));
}
