// replay_list.js — replays and how far they are; one that runs can be cancelled.

import { call, may } from '../page/client.js';
import { h } from '../page/dom.js';
import { confirmed } from '../page/notice.js';
import { ago, badge, empty, facts, meter, region } from '../page/parts.js';
import { number, t } from '../page/text.js';
import { placeLabel, placeOfRow } from '../pure/paths.js';
import { attempted } from './actions.js';

const REFRESH_MS = 2000;

/**
 * @param {{place: import('../pure/paths.js').Place, api: string, hook: import('../pure/hook.js').Hook|null,
 *   signal: AbortSignal}} options
 * @returns {HTMLElement}
 */
export function replayList({ place, api, hook, signal }) {
  const list = region({ signal, everyMs: REFRESH_MS, load: () => call(api, { signal }), draw: (rows) => {
    if (rows.length === 0) return empty(t('replays.empty'), h('p', null, t('replays.empty-how')));
    return h('ul', { class: 'cards' }, ...rows.map((one) => h('li', { class: 'panel' },
      card(one, place, hook, () => cancel(api, one.replay, list.reload)))));
  } });
  return list.element;
}

/** @param {any} replay @returns {number} how many are settled: all of a replay that is done */
function settled(replay) {
  return replay.state === 'running' ? replay.delivered + replay.dead + (replay.cancelled ?? 0) : replay.matched;
}

/** @param {any} one @param {import('../pure/paths.js').Place} place @param {any} hook @param {() => void} stop */
function card({ hookName, replay, ...at }, place, hook, stop) {
  const where = hook ? null : hookName === null ? t('replays.all-hooks')
    : [placeLabel(placeOfRow(place.org, at)), hookName].filter(Boolean).join(' / ');
  const done = settled(replay);
  const label = t('hooks.count', { n: done, all: replay.matched });
  return [h('div', { class: 'card-head' }, badge(replay.paused ? 'paused' : replay.state),
    where && h('strong', null, where), h('span', { class: 'quiet' }, ago(replay.createdAt)),
    replay.state === 'running' && may('write') && h('button', { type: 'button', onclick: stop }, t('replays.cancel'))),
  h('div', { class: 'progress' }, meter(done, replay.matched, label), h('span', { class: 'number' }, label)),
  facts([[t('replays.matched'), number(replay.matched)], [t('replays.queued'), number(replay.queued)],
    [t('state.delivered'), number(replay.delivered)],
    [t('replays.dead'), number(replay.dead)], [t('state.retrying'), number(replay.retrying ?? 0)],
    [t('state.cancelled'), number(replay.cancelled ?? 0)]])];
}

/** @param {string} api @param {any} replay @param {() => void} changed */
async function cancel(api, replay, changed) {
  if (!await confirmed({ title: t('replays.cancel'), text: t('replays.cancel-text',
    { n: replay.matched - settled(replay) }), action: t('replays.cancel'), isDanger: true })) return;
  if (await attempted(() => call(`${api}/${replay.replayId}`, { method: 'DELETE' }), t('replays.cancelled'))) changed();
}
