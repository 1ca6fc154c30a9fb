// live_list.js — attempts as they happen, of an organization or of one webhook.

import { afterPaint, fill, h, keyed } from '../page/dom.js';
import { bindKeys } from '../page/keys.js';
import { badge, chip, time } from '../page/parts.js';
import { note } from '../page/router.js';
import { follow, rowKey } from '../page/stream.js';
import { fromUs, t } from '../page/text.js';
import { shortId } from '../pure/format.js';
import { placeLabel, placeOfRow, queryText } from '../pure/paths.js';
import { filterBar, isWanted, rowHref } from './delivery_list.js';

const ROWS_MAX = 200; // on the page; older ones make room
const HELD_MAX = 500; // while it is paused
const DRAWN_MAX = 20; // rows of one paint
const WAITING_MAX = 100; // rows that wait for the next paints; more than these nobody could read
const PAINT_MS = 100; // from one paint to the next, at least
const REST = 4; // times as long as a paint took nothing is painted after it, so that input is answered
const REST_MAX_MS = 1000; // where the whole machine is slow
const RATE_MS = 5000; // over which attempts are counted
const TELL_MS = 1000; // from one count to the next

/** @typedef {{key: string, row: any, gap?: string}} Line row null: a gap */

/**
 * @param {{place: import('../pure/paths.js').Place, hook: string|null, stream: string, list: string,
 *   query: URLSearchParams, signal: AbortSignal}} options
 * @returns {HTMLElement}
 */
export function livePanel({ place, hook, stream, list, query, signal }) {
  const filter = { state: query.get('state') ?? '', error: query.get('error') ?? '', kind: query.get('kind') ?? '',
    code: query.get('code') ?? '' };
  /** @type {Line[]} each list has the newest first */
  let shown = [];
  /** @type {Line[]} for the next paints */
  let waiting = [];
  /** @type {Line[]} while it is paused */
  let held = [];
  let isPaused = false;
  let isResting = false;
  let left = 0;
  let recent = /** @type {{at: number, n: number}[]} */ ([]);
  const state = h('span', { role: 'status' });
  const rate = h('span', { class: 'quiet number' });
  const skipped = h('p', { class: 'quiet', role: 'status' });
  const body = h('ul', { class: 'live-list', 'aria-label': t('nav.live') });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => toggle() }, t('hook.pause'));
  const known = new Set();

  /** @param {Line[]} lines that are not shown any more, or never are */
  const leave = (lines) => {
    left += lines.length;
    lines.forEach((one) => known.delete(one.key));
  };
  /** Says it only when it is another text: it is read aloud. */
  const tell = () => {
    const text = shown.length === 0 ? t('live.empty') : left > 0 ? t('live.more', { n: left }) : '';
    if (skipped.textContent !== text) fill(skipped, text);
  };
  const paint = () => {
    const wasEmpty = body.childElementCount === 0;
    keyed(body, shown, (one) => one.key,
      (one) => (one.row ? liveRow(one.row, place, hook) : h('li', { class: 'gap' }, one.gap)));
    if (wasEmpty || shown.length === 0) tell();
  };
  /** The oldest of what waits, and then the rest in turn. */
  const paintNext = () => {
    if (isResting || waiting.length === 0) return;
    isResting = true;
    const began = performance.now();
    shown = [...waiting.splice(-DRAWN_MAX), ...shown];
    leave(shown.splice(ROWS_MAX));
    paint();
    afterPaint(() => setTimeout(() => {
      isResting = false;
      paintNext();
    }, Math.min(REST_MAX_MS, Math.max(PAINT_MS, REST * (performance.now() - began)))));
  };
  /** @param {Line[]} lines newest first */
  const take = (lines) => {
    waiting = [...lines, ...waiting];
    leave(waiting.splice(WAITING_MAX));
    paintNext();
  };
  const toggle = () => {
    isPaused = !isPaused;
    pause.setAttribute('aria-pressed', String(isPaused));
    fill(pause, t(isPaused ? 'live.go-on' : 'hook.pause'));
    if (!isPaused) take(held.splice(0));
  };
  const onBatch = ({ rows, more }) => {
    const now = performance.now();
    recent = [...recent, { at: now, n: rows.length + more }].filter((one) => now - one.at < RATE_MS);
    const fresh = rows.filter((one) => isWanted(one, filter)).map((one) => ({ key: rowKey(one), row: one }))
      .filter(({ key }) => !known.has(key) && known.add(key)).reverse();
    left += more;
    if (!isPaused) return take(fresh);
    held = [...fresh, ...held];
    leave(held.splice(HELD_MAX));
    return fill(pause, t('live.held', { n: held.length }));
  };
  tell();
  follow({ stream, list }, { onBatch,
    onState: (now) => fill(state, badge(now === 'live' ? 'ok' : 'waiting').firstElementChild, ' ', t(`stream.${now}`)),
    onGap: (n) => {
      shown = [{ key: `gap ${performance.now()}`, row: null, gap: n === null ? t('live.gap')
        : t('live.gap-of', { n }) },
        ...waiting.splice(0), ...shown];
      paint();
    } }, signal);
  const timer = setInterval(() => {
    recent = recent.filter((one) => performance.now() - one.at < RATE_MS);
    fill(rate, t('live.rate', { n: Math.round(recent.reduce((sum, one) => sum + one.n, 0) / (RATE_MS / 1000)) }));
    tell();
  }, TELL_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  bindKeys({ p: toggle }, signal);
  return h('div', { class: 'live' }, h('div', { class: 'filter-row' }, filterBar(filter, () => {
    note(location.pathname + queryText(filter));
    const isStill = (/** @type {Line} */ { row }) => row === null || isWanted(row, filter);
    waiting = waiting.filter(isStill);
    shown = shown.filter(isStill);
    paint();
  }), h('div', { class: 'list-actions' }, state, rate, pause)), skipped, body);
}

/** @param {any} one @param {import('../pure/paths.js').Place} place @param {string|null} hook */
function liveRow(one, place, hook) {
  const address = rowHref(one, place, hook);
  const label = `${one.kind} ${shortId(one.id)}`;
  const at = hook === null ? [placeLabel(placeOfRow(place.org, one)),
    one.hookName ?? t('deliveries.deleted')].filter(Boolean).join(' / ') : '';
  return h('li', null, time(one.timestamp * 1000), badge(one.state),
    address ? h('a', { class: 'row-link cut', href: address }, label) : h('span', { class: 'cut' }, label),
    h('span', { class: 'quiet cut' }, at), chip(one), h('span', { class: 'number' }, fromUs(one.timing.totalUs)));
}
