// delivery_list.js — a list of deliveries with its filter, of an organization or of one webhook. It is never asked
// for again by itself: what is new is counted by the stream, and shown when the reader says so.

import { may, pages } from '../page/client.js';
import { afterPaint, fill, h, keyed } from '../page/dom.js';
import { ago, badge, chip, empty, errorBox, region, row, select, table, time } from '../page/parts.js';
import { note } from '../page/router.js';
import { fromUs, t } from '../page/text.js';
import { pointInTime, shortId } from '../pure/format.js';
import { attemptPath, href, orgOf, placeLabel, placeOfRow, queryText } from '../pure/paths.js';
import { marks } from './marks.js';

/**
 * @typedef {import('../pure/paths.js').Place} Place
 * @typedef {{place: Place, hook: string|null, api: string, segments: string[], query: URLSearchParams,
 *   signal: AbortSignal}} Options
 *   api: of the list, without its query; segments: of the list's own address
 * @typedef {{key: string, newest: any, attempts: any[]}} Delivery
 */

const STATES = ['delivered', 'retrying', 'dead', 'cancelled'];
const CLASSES = ['dns', 'connect', 'tls', 'timeout', 'reset', 'protocol', 'status', 'blocked', 'gone', 'none'];
const KEYS = ['state', 'error', 'kind', 'code', 'since', 'until', 'id'];
const WANTED = 100;
const FIRST = 30; // rows of the first paint: more than a window shows
const KEPT_MAX = 500; // attempts on the page; newer ones make room for older ones

/**
 * @param {any[]} rows newest first
 * @param {Delivery[]} [before] deliveries of which those that are the same are taken again
 * @returns {Delivery[]} one for each event and webhook, by its newest attempt
 */
export function grouped(rows, before = []) {
  const same = new Map(before.map((one) => [one.key, one]));
  /** @type {Map<string, Delivery>} */
  const out = new Map();
  for (const one of rows) {
    const key = `${one.id} ${one.projectName ?? ''} ${one.stackName ?? one.envName ?? ''} ${one.hookName ?? ''}`;
    const known = out.get(key);
    if (known) known.attempts.unshift(one);
    else out.set(key, { key, newest: one, attempts: [one] });
  }
  return [...out.values()].map((one) => {
    const old = same.get(one.key);
    return old && old.newest === one.newest && old.attempts.length === one.attempts.length ? old : one;
  });
}

/** @param {Object<string, string>} filter @returns {Object<string, string>} as the API has it */
function apiFilter(filter) {
  const now = Date.now();
  return { ...filter, since: pointInTime(filter.since, now), until: pointInTime(filter.until, now) };
}

/** @param {Options} options @returns {HTMLElement} */
export function deliveryList(options) {
  const { api, query, signal, hook, place, segments } = options;
  const filter = Object.fromEntries(KEYS.map((key) => [key, query.get(key) ?? '']));
  const after = h('div', { class: 'after-list' });
  const fresh = h('div', { class: 'fresh', role: 'status' });
  const columns = [{ title: t('marks.mark'), isHidden: true, class: 'mark-cell' }, ...deliveryColumns(hook === null)];
  /** @type {any[]} */
  let rows = [];
  const path = () => api + queryText({ limit: WANTED, ...apiFilter(filter) });
  const list = region({ signal, lines: 8, load: () => pages(path(), { signal, wanted: WANTED }), draw: (first) => {
    rows = first.rows;
    fill(fresh);
    countNew(options, filter, fresh, list.reload);
    return draw(first.next);
  } });
  const marked = marks(signal, list.reload);
  /** @param {string|null} next */
  function draw(next) {
    const { element, body } = table(t('nav.deliveries'), columns);
    const above = h('div', { class: 'before-list' });
    /** @type {Delivery[]} */
    let shown = [];
    let left = 0;
    /** @param {Delivery[]} some */
    const drawRows = (some) => keyed(body, some, (one) => one.key, (one) => row(columns,
      [marked.box(markable(one, options)), ...deliveryCells(one, options)]));
    /** @param {any[]} more @param {string|null} token */
    const show = (more, token) => {
      const all = rows.concat(more);
      rows = all.slice(-KEPT_MAX);
      left += all.length - rows.length;
      shown = grouped(rows, shown);
      marked.show(shown.flatMap((one) => markable(one, options) ?? []));
      if (body.childElementCount > 0) drawRows(shown);
      else {
        drawRows(shown.slice(0, FIRST));
        afterPaint(() => drawRows(shown));
      }
      fill(above, left > 0 && [h('span', { class: 'quiet' }, t('deliveries.left', { n: left })), ' ',
        h('button', { type: 'button', onclick: list.reload }, t('deliveries.newest'))]);
      fill(after, rows.length > 0 && h('span', { class: 'quiet' }, t('deliveries.back-to'), ' ',
        time(rows[rows.length - 1].timestamp * 1000)), token && older(token, body, show));
    };
    show([], next);
    return rows.length > 0 || next ? [above, element, after]
      : empty(t('deliveries.empty'), h('p', null, t('deliveries.empty-how')));
  }

  /** @param {string} token @param {HTMLElement} body @param {(more: any[], token: string|null) => void} show */
  function older(token, body, show) {
    const button = h('button', { type: 'button', onclick: async () => {
      button.disabled = true;
      const last = body.lastElementChild;
      try {
        const found = await pages(path(), { signal, token, wanted: WANTED });
        show(found.rows, found.next);
        // The button is gone: the reader goes on where the older ones begin.
        const next = last?.isConnected ? last.nextElementSibling : null;
        /** @type {HTMLElement|null} */ (next?.querySelector('a') ?? after.querySelector('button'))?.focus();
      } catch (error) {
        if (!signal.aborted) fill(after, errorBox(error, () => show([], token)));
      }
    } }, t('deliveries.older'));
    return button;
  }

  const apply = () => {
    note(href(place, segments, filter));
    list.reload();
  };
  return h('div', null, h('div', { class: 'filter-row' }, filterBar(filter, apply, hook !== null),
    h('div', { class: 'list-actions' }, fresh,
      may('write') && h('a', { class: 'button', href: replayHref(options, filter),
      onclick: (event) => event.currentTarget.setAttribute('href', replayHref(options, filter)) },
      t('deliveries.replay')))), list.element, marked.bar);
}

/** @param {Delivery} delivery @param {Options} options @returns {import('./marks.js').Markable|null} */
function markable({ key, newest }, { place, hook }) {
  const name = hook ?? newest.hookName;
  return name ? { key, at: hook ? place : placeOfRow(place.org, newest), hook: name, newest } : null;
}

/** @param {Options} options @param {Object<string, string>} filter */
function replayHref({ place, hook }, filter) {
  const at = hook ? { hook, project: place.kind === 'org' ? '' : place.project, name: place.name, in: place.kind } : {};
  return href(orgOf(place), ['replays', 'new'], { ...filter, state: filter.state || 'dead', ...at });
}

/**
 * Counts what the stream tells since the list was drawn.
 * @param {Options} options @param {Object<string, string>} filter @param {HTMLElement} fresh @param {() => void} reload
 */
async function countNew({ api, signal }, filter, fresh, reload) {
  if (filter.until || filter.id) return;
  const turn = new AbortController();
  signal.addEventListener('abort', () => turn.abort());
  let n = 0;
  let hasGap = false;
  const tell = () => fill(fresh, n > 0 && h('button', { type: 'button', class: 'primary', onclick: () => {
    turn.abort();
    reload();
  } }, t(hasGap ? 'deliveries.new-many' : 'deliveries.new', { n })));
  const stream = await import('../page/stream.js').catch(() => null); // after the list, which does without
  if (!stream || turn.signal.aborted) return;
  stream.follow({ stream: api.replace(/\/deliveries$/, '/tail'), list: api }, {
    onBatch: ({ rows, more }) => {
      const wanted = rows.filter((one) => isWanted(one, filter)).length;
      n += wanted + (wanted > 0 ? more : 0);
      tell();
    },
    onState: () => {},
    onGap: () => { hasGap = true; },
  }, turn.signal);
}

/** @param {string} kind @param {string} wanted kinds with commas; order.* is all that begin with order. */
function isKind(kind, wanted) {
  return wanted.split(',').map((k) => k.trim())
    .some((k) => (k.endsWith('*') ? kind.startsWith(k.slice(0, -1)) : kind === k));
}

/** @param {any} one a row of the stream @param {Object<string, string>} filter @returns {boolean} */
export function isWanted(one, filter) {
  if (filter.state && !filter.state.split(',').includes(one.state)) return false;
  if (filter.error && !filter.error.split(',').includes(one.error?.class ?? 'none')) return false;
  if (filter.code && String(one.responseCode) !== filter.code) return false;
  return !filter.kind || isKind(one.kind, filter.kind);
}

/** @param {Object<string, string>} filter it is changed @param {() => void} apply @param {boolean} [hasId] */
export function filterBar(filter, apply, hasId = false) {
  const on = (key) => (event) => {
    filter[key] = event.target.value.trim();
    apply();
  };
  const any = /** @type {[string, string]} */ (['', t('filter.any')]);
  const named = (names, prefix) => [any,
    ...names.map((name) => /** @type {[string, string]} */ ([name, t(`${prefix}.${name}`)]))];
  const text = (key, hint, size) => h('label', null, t(`filter.${key}`),
    h('input', { type: 'text', name: key, value: filter[key], placeholder: hint, class: size, autocomplete: 'off',
      spellcheck: 'false', onchange: on(key) }));
  return h('form', { class: 'filters', onsubmit: (event) => event.preventDefault() },
    h('label', null, t('filter.state'),
      select(filter.state, named(STATES, 'state'), { name: 'state', onchange: on('state') })),
    h('label', null, t('filter.error'),
      select(filter.error, named(CLASSES, 'class'), { name: 'error', onchange: on('error') })),
    text('kind', 'order.*', ''), text('code', '503', 'short'),
    filter.since !== undefined && text('since', '-24h', 'short'), filter.until !== undefined
      && text('until', t('filter.now'), 'short'),
    hasId && text('id', t('filter.id-hint'), ''));
}

/** @param {boolean} hasHook */
export function deliveryColumns(hasHook) {
  return [{ title: t('chart.time') }, { title: t('attempt.event'), class: 'grow' },
    ...(hasHook ? [{ title: t('format.raw'), class: 'grow' }] : []), { title: t('deliveries.state') },
    { title: t('deliveries.attempts'), class: 'spare' }, { title: t('deliveries.duration'), class: 'number spare' }];
}

/**
 * @param {any} one a row that names its webhook, or not
 * @param {Place} place of the list @param {string|null} hook of the list
 * @returns {string|null} address of the attempt; null: its webhook is gone
 */
export function rowHref(one, place, hook) {
  const name = hook ?? one.hookName;
  if (!name) return null;
  return attemptPath(hook ? place : placeOfRow(place.org, one), name, one);
}

/**
 * @param {Delivery} delivery @param {{place: Place, hook: string|null}} options
 * @returns {any[]} of deliveryColumns()
 */
export function deliveryCells({ newest, attempts }, { place, hook }) {
  const link = rowHref(newest, place, hook);
  const label = [h('span', { class: 'cut' }, newest.kind), h('span', { class: 'quiet code' }, shortId(newest.id))];
  const wait = newest.state === 'retrying' && newest.nextAttemptAt
    ? h('span', { class: 'quiet' }, ago(newest.nextAttemptAt)) : null;
  return [
    time(newest.timestamp * 1000),
    link ? h('a', { class: 'row-link two', href: link }, label) : h('span', { class: 'two' }, label),
    ...(hook === null ? [h('span', { class: 'two' },
      newest.hookName ?? h('span', { class: 'quiet' }, t('deliveries.deleted')),
      h('span', { class: 'quiet' }, placeLabel(placeOfRow(place.org, newest))))] : []),
    badge(newest.state),
    [h('span', { class: 'chips' }, ...attempts.slice(-6).map(chip)), wait],
    fromUs(newest.timing.totalUs),
  ];
}
