// overview.js — S2: how it goes with an organization: what waits, what needs attention, outcomes and times, replays.

import { call, isAdmin, pages } from '../page/client.js';
import { append, h } from '../page/dom.js';
import { ago, badge, empty, meter, pageHead, region, time } from '../page/parts.js';
import { note } from '../page/router.js';
import { bytesText, named, number, percent, t, withTimes } from '../page/text.js';
import { destination, fromApi } from '../pure/hook.js';
import { hooksApi, href, orgApi, orgOf, placeLabel } from '../pure/paths.js';
import { share } from '../pure/series.js';
import { charts, loadSeries, windowChoice, windowOf } from '../shared/stats.js';

/** @typedef {import('../pure/paths.js').Place} Place */

const REFRESH_MS = 10_000;
const CHARTS_MS = 60_000;
const WORRYING = 'failing,disabled,blocked,open,probing,waiting,paused,awaiting,refused,unknown';

/** @param {import('../app.js').Context} context */
export function show({ main, place, query, signal, setTitle }) {
  setTitle(t('nav.overview'), place.org);
  const org = orgOf(place);
  const api = orgApi(place.org);
  let span = windowOf(query);
  const pictures = region({ signal, everyMs: CHARTS_MS, lines: 8,
    load: async () => ({ stats: await call(`${api}/stats`, { signal }), series: await loadSeries(api, span, signal) }),
    draw: ({ stats, series }) => [successLine(stats[span]), charts(series)] });
  const choose = (next) => {
    span = next;
    note(href(org, [], { window: span }));
    pictures.reload();
  };
  append(main, pageHead({ title: place.org }),
    region({ signal, everyMs: REFRESH_MS, lines: 2, label: t('form.theirs'),
      load: async () => ({ status: await call(`${api}/status`, { signal }),
        engine: isAdmin() ? await call('/api/status', { signal }) : null }),
      draw: ({ status, engine }) => figures(status, engine, org) }).element,
    h('div', { class: 'columns' },
      h('section', { class: 'panel', 'aria-labelledby': 'attention' },
        h('h2', { id: 'attention' }, t('overview.attention')),
        region({ signal, everyMs: REFRESH_MS,
          load: () => pages(`${hooksApi(org)}?scope=all&state=${WORRYING}&limit=100`, { signal, wanted: 20 }),
          draw: ({ rows }) => attention(rows.map((raw) => fromApi(raw, org))) }).element,
        region({ signal, everyMs: REFRESH_MS, lines: 1, load: () => call(`${api}/replays`, { signal }),
          draw: (rows) => running(rows, org) }).element),
      h('section', { class: 'panel', 'aria-labelledby': 'outcomes' }, h('div', { class: 'card-head' },
        h('h2', { id: 'outcomes' }, t('keys.g-d')), windowChoice(span, choose)), pictures.element)));
}

/** @param {any} status of the organization @param {any} engine null: the session may not see it @param {Place} org */
function figures(status, engine, org) {
  const roles = engine?.roles;
  const up = roles?.filter((role) => role.ready).length;
  const due = status.oldestDueAt ? h('span', { class: 'quiet' }, ago(status.oldestDueAt)) : null;
  return h('dl', { class: 'figures wide-figures' },
    roles && tile(t('overview.roles'), h('a', { href: '/dashboard/system' },
      t('overview.up', { n: up, all: roles.length })), badge(up === roles.length ? 'ok' : 'failing')),
    tile(t('status.waiting'), number(status.waiting), due),
    engine && tile(t('status.in-flight'), number(engine.inFlight ?? 0)),
    tile(t('overview.dead'), h('a', { href: href(org, ['deliveries'], { state: 'dead' }) },
      number(status.dead ?? 0) + (status.moreDead ? ' +' : ''))),
    tile(t('overview.failing'), h('a', { href: href(org, ['hooks'], { state: 'failing' }) },
      number(status.failingHooks ?? 0)), h('span', { class: 'quiet' }, t('overview.of', { n: status.hooks ?? 0 }))),
    tile(t('overview.queue'), bytesText(status.waitingBytes),
      h('span', { class: 'quiet' }, t('overview.quota', { n: status.percent, all: bytesText(status.quotaBytes) }))));
}

/** @param {string} name @param {Node|string} value @param {Node|null} [note] */
function tile(name, value, note) {
  return h('div', null, h('dt', null, name), h('dd', null, value, note && h('span', { class: 'tile-note' }, note)));
}

/** @param {any} stats */
function successLine(stats) {
  const rate = share(stats.outcomes);
  return h('p', { class: 'large' }, Number.isNaN(rate) ? t('overview.nothing')
    : t('overview.success', { share: percent(rate), n: stats.attempts }));
}

/** @param {import('../pure/hook.js').Hook[]} hooks */
function attention(hooks) {
  const urgency = (hook) => WORRYING.indexOf(hook.state);
  const wrong = hooks.filter((hook) => !['ok', 'inactive'].includes(hook.state))
    .sort((a, b) => urgency(a) - urgency(b));
  if (hooks.length === 0 || wrong.length === 0) return empty(t('overview.well'));
  return h('ul', { class: 'attention' }, ...wrong.map((hook) => h('li', null, badge(hook.state),
    h('div', null, h('a', { class: 'row-link', href: href(hook.place, ['hooks', hook.id]) }, hook.title),
      h('p', { class: 'quiet' }, hook.raw.disabled
        ? [named('disabled', hook.raw.disabled.reason), ' ', time(Date.parse(hook.raw.disabled.at))]
        : withTimes(hook.raw.failing?.reason ?? hook.raw.status?.failing?.reason
        ?? [placeLabel(hook.place), destination(hook)].filter(Boolean).join(' · ')))),
    h('span', { class: 'quiet' }, hook.raw.failing && ago(Date.parse(hook.raw.failing.since))))));
}

/** @param {any[]} rows @param {Place} org */
function running(rows, org) {
  const active = rows.filter((one) => one.replay.state === 'running');
  if (active.length === 0) return null;
  return [h('h2', null, t('overview.replays')),
    h('ul', { class: 'attention running' }, ...active.map(({ hookName, replay }) => {
    const done = replay.delivered + replay.dead + (replay.cancelled ?? 0);
    const label = t('hooks.count', { n: done, all: replay.matched });
    return h('li', null,
      h('div', { class: 'progress' }, meter(done, replay.matched, label), h('span', { class: 'number' }, label)),
      h('a', { href: href(org, ['replays']) }, hookName ?? t('replays.all-hooks')));
  }))];
}
