// replay_new.js — S10: many deliveries once more. What would be sent is counted first, always.

import { call } from '../page/client.js';
import { append, fill, h } from '../page/dom.js';
import { say } from '../page/notice.js';
import { errorBox, field, pageHead, skeleton } from '../page/parts.js';
import { go, note } from '../page/router.js';
import { number, t } from '../page/text.js';
import { fromSeconds, pointInTime } from '../pure/format.js';
import { hookApi, href, orgApi, orgOf } from '../pure/paths.js';
import { filterBar } from '../shared/delivery_list.js';

/** @typedef {import('../pure/paths.js').Place} Place */

const KEYS = ['state', 'error', 'kind', 'code', 'since', 'until'];
const RATE = 50; // a second, unless the reader says otherwise

/** @param {Place} place @param {URLSearchParams} query @returns {{at: Place, hook: string|null}} whose deliveries */
function target(place, query) {
  const hook = query.get('hook');
  const kind = query.get('in');
  if (!hook || (kind !== 'stack' && kind !== 'env' && kind !== 'akinon')) return { at: orgOf(place), hook };
  return { at: { org: place.org, kind, project: query.get('project') ?? '', name: query.get('name') ?? '' }, hook };
}

/** @param {Object<string, string>} filter @returns {Object<string, any>} as the API has it */
function bodyOf(filter) {
  const now = Date.now();
  const point = (text) => {
    const value = pointInTime(text, now);
    return /^\d+$/.test(value) ? Number(value) : value;
  };
  return Object.fromEntries(Object.entries({ state: filter.state, error: filter.error, kinds: filter.kind,
    code: filter.code === '' ? '' : Number(filter.code),
    since: point(filter.since), until: point(filter.until) }).filter(([, value]) => value !== ''));
}

/** @param {import('../app.js').Context} context */
export function show({ main, place, query, signal, setTitle }) {
  setTitle(t('replays.new'), place.org);
  const { at, hook } = target(place, query);
  const filter = Object.fromEntries(KEYS.map((key) => [key, query.get(key) ?? '']));
  let isUnmatched = false;
  const api = hook ? `${hookApi(at, hook)}/replay` : `${orgApi(at.org)}/replay`;
  const result = h('div', { class: 'panel', role: 'region', 'aria-label': t('replays.preview') });
  let turn = 0;
  const body = () => (isUnmatched ? { unmatched: true, since: bodyOf(filter).since ?? 0 } : bodyOf(filter));
  const preview = async () => {
    const mine = ++turn;
    fill(result, skeleton(2));
    try {
      const found = await call(api, { method: 'POST', body: { ...body(), dryRun: true }, signal });
      if (mine === turn) fill(result,
        confirmForm(found, (rate) => start(api, { ...body(), ratePerSecond: rate }, at, hook)));
    } catch (error) {
      if (mine === turn && !signal.aborted) fill(result, errorBox(error, preview));
    }
  };
  const apply = () => {
    note(href(place, ['replays', 'new'],
      { ...filter, hook, in: query.get('in'), project: query.get('project'), name: query.get('name') }));
    preview();
  };
  append(main, pageHead({ title: t('replays.new'), above: h('a', { href: href(place, ['replays']) }, t('nav.replays')),
    below: h('span', { class: 'quiet' }, hook ? t('replays.of', { name: hook }) : t('replays.all-hooks')) }),
  filterBar(filter, apply),
  hook && h('label', { class: 'check' }, h('input', { type: 'checkbox', onchange: (event) => {
    isUnmatched = event.target.checked;
    preview();
  } }), t('replays.unmatched')), result);
  preview();
}

/** @param {any} found a dry run's answer @param {(rate: number) => Promise<void>} run */
function confirmForm(found, run) {
  if (found.matched === 0) return h('p', null, t('replays.nothing'));
  const span = h('p', { role: 'status' });
  const input = h('input', { type: 'number', min: 1, max: 1000000, value: RATE, required: true });
  const tell = () => fill(span,
    t('replays.takes', { span: fromSeconds(Math.ceil(found.matched / Math.max(1, Number(input.value)))) }));
  input.addEventListener('input', tell);
  tell();
  const button = h('button', { type: 'submit', class: 'primary' }, t('replays.start', { n: found.matched }));
  return h('form', { class: 'stack', onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    await run(Math.max(1, Number(input.value)));
    button.disabled = false;
  } }, h('p', { class: 'large' }, t('replays.would', { n: found.matched })),
  found.removed > 0 && h('p', { class: 'quiet' }, t('replays.removed', { n: found.removed })),
  field({ label: t('replays.rate'), input }), span, h('div', { class: 'actions' }, button));
}

/** @param {string} api @param {any} body @param {Place} at @param {string|null} hook */
async function start(api, body, at, hook) {
  try {
    const { matched } = await call(api, { method: 'POST', body });
    say(t('replays.started', { n: number(matched) }));
    go(hook ? href(at, ['hooks', hook, 'replays']) : href(at, ['replays']));
  } catch (error) {
    fill(/** @type {HTMLElement} */ (document.querySelector('main .panel')), errorBox(error));
  }
}
